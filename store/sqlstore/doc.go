// Package sqlstore keeps orders in PostgreSQL, MySQL, MariaDB or SQLite, over database/sql and whichever driver the shop
// uses already.
//
// Open the database, [Migrate] it, and make a [Store] of it:
//
//	db, err := sql.Open("pgx", "postgres://shop@localhost/shop") // github.com/jackc/pgx/v5/stdlib
//	…
//	db.SetMaxOpenConns(8)
//	if err := sqlstore.Migrate(ctx, db, sqlstore.Postgres); err != nil { … }
//	st := sqlstore.New(db, sqlstore.Postgres)
//
// Its transactions are *sql.Tx, so that what a callback writes through one commits together with the order.
//
// # Drivers
//
// These are tested, on databases whose default isolation is READ COMMITTED, REPEATABLE READ or SERIALIZABLE:
//
//	sql.Open("pgx", "postgres://shop@localhost/shop")                           // github.com/jackc/pgx/v5/stdlib
//	sql.Open("postgres", "postgres://shop@localhost/shop")                      // github.com/lib/pq
//	sql.Open("mysql", "shop@tcp(localhost:3306)/shop?interpolateParams=true")   // github.com/go-sql-driver/mysql
//	sql.Open("sqlite", "file:shop.db?_pragma=busy_timeout(10000)")              // modernc.org/sqlite
//	sql.Open("sqlite3", "file:shop.db?_busy_timeout=10000")                     // github.com/mattn/go-sqlite3
//
// PostgreSQL's database must be in UTF8. On MySQL, interpolateParams saves two of three round trips per statement; all
// else, such as parseTime and the time zone, may be as the shop needs it. On SQLite, busy_timeout is how long a writer
// waits for the one before: Migrate refuses to go on without it. Migrate also turns on the write-ahead log, without which
// readers wait for writers; who migrates with a tool of their own sets PRAGMA journal_mode = WAL once.
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
// # Tables
//
// fulfil_orders has a row per order. Its column data is the whole order as JSON; id, status, stuck, email, currency, total
// (in minor units), livemode, created_at, updated_at and due_at are there to be queried, and of these due_at alone counts
// when the order is read. fulfil_refs says which order a Stripe ID leads to, fulfil_claims which keys were taken and when,
// fulfil_values the ID of the installation and its cursors. Times are in UTC to the microsecond.
//
// Nothing is ever deleted but old claims, by [Store.Prune].
//
// # Errors
//
// Errors say what was being done and wrap the driver's. After any error of a method that takes a transaction, that
// transaction can only be rolled back, which returning the error from the function of [Store.InTx] does.
package sqlstore
