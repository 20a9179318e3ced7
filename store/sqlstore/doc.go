// Package sqlstore keeps orders in PostgreSQL, MySQL or MariaDB, or SQLite.
package sqlstore
