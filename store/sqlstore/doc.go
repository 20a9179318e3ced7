// Package sqlstore keeps orders in PostgreSQL, MySQL, MariaDB or SQLite, over database/sql and any driver.
//
// Open the database, [Migrate] it, and make a [Store] of it:
//
//	db, err := sql.Open("pgx", "postgres://shop@localhost/shop") // github.com/jackc/pgx/v5/stdlib
//	…
//	db.SetMaxOpenConns(8)
//	if err := sqlstore.Migrate(ctx, db, sqlstore.Postgres); err != nil { … }
//	st := sqlstore.New(db, sqlstore.Postgres)
//
// The Store's transactions are *sql.Tx: the rows that a callback writes through one commit together with the order.
//
// # Drivers
//
// The library is tested with these drivers, on databases whose default isolation level is READ COMMITTED, REPEATABLE READ or
// SERIALIZABLE:
//
//	sql.Open("pgx", "postgres://shop@localhost/shop")                           // github.com/jackc/pgx/v5/stdlib
//	sql.Open("postgres", "postgres://shop@localhost/shop")                      // github.com/lib/pq
//	sql.Open("mysql", "shop@tcp(localhost:3306)/shop?interpolateParams=true")   // github.com/go-sql-driver/mysql
//	sql.Open("sqlite", "file:shop.db?_pragma=busy_timeout(10000)")              // modernc.org/sqlite
//	sql.Open("sqlite3", "file:shop.db?_busy_timeout=10000")                     // github.com/mattn/go-sqlite3
//
// A connection must be able to hold every customer's name. [Migrate], [Check] and the first use of a Store refuse one that can
// not, and name the cure:
//
//   - PostgreSQL: the database and the connection are in UTF8.
//   - MySQL and MariaDB: the connection is in utf8mb4, sql_mode is strict, and autocommit is on. All three are the defaults.
//     Any time zone and parseTime work. The option interpolateParams saves two of three round trips per statement.
//   - SQLite: busy_timeout says how long a writer waits for the writer before it. A file has a write-ahead log, without which
//     readers wait for writers. Migrate turns it on; a program that migrates with a tool of its own runs
//     PRAGMA journal_mode = WAL once. A database in memory needs no log.
//
// # PgBouncer
//
// Behind PgBouncer in transaction mode a driver must send each statement in one piece. Both drivers do with one option:
//
//	sql.Open("pgx", "postgres://shop@localhost:6432/shop?default_query_exec_mode=exec")
//	sql.Open("postgres", "postgres://shop@localhost:6432/shop?binary_parameters=yes")
//
// [Migrate] and [Check] refuse a connection without it if they can see the pooler: they need two connections, and a pooler
// that is not busy. Pgx also works without the option if max_prepared_statements of PgBouncer 1.21 or later is not 0.
//
// # Connections
//
// A small pool is fast: transactions that want the same row wait for each other anyway, and 64 connections that do so were
// two to four times slower than 4. Begin with SetMaxOpenConns of 4 to 8 per process.
//
// The Store outlasts a restart and a failover of the server: see [Store.InTx]. A DSN that names several hosts should ask for
// the one that writes, as target_session_attrs=read-write does with pgx.
//
// # Tables
//
// fulfil_orders has a row per order. Its column data is the whole order as JSON. The columns id, status, stuck, email, currency,
// total (in minor units), livemode, created_at, updated_at and due_at repeat parts of it for queries; the Store reads only
// due_at back. fulfil_refs has the order that each Stripe ID leads to, fulfil_claims the keys that were taken and when, and
// fulfil_values the ID of the installation and its cursors. Times are in UTC to the microsecond.
//
// The Store deletes nothing but old claims, in [Store.Prune].
//
// # Errors
//
// Errors name the action that failed and wrap the driver's error. After an error of a method that takes a transaction, that
// transaction can only be rolled back. Return the error from the function of [Store.InTx], which does that.
package sqlstore
