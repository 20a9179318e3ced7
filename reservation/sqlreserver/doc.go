// Package sqlreserver keeps stock in PostgreSQL, MySQL or MariaDB, or SQLite, over plain database/sql: what is held
// together with an order commits with it, or not at all.
package sqlreserver
