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
// A connection must be able to hold every customer's name. [Migrate], [Check] and the first use of a Store refuse any other
// connection and name the cure:
//
//   - PostgreSQL: the database and the connection are in UTF8.
//   - MySQL and MariaDB: the connection is in utf8mb4, sql_mode is strict, and autocommit is on. All three are the defaults.
//     Any time zone and parseTime work. The option interpolateParams saves two of three round trips per statement.
//   - SQLite: busy_timeout is set. It is how long a writer waits for the writer before it. A file also needs a write-ahead log,
//     or readers wait for writers. Migrate turns the log on; a program that migrates with a tool of its own runs
//     PRAGMA journal_mode = WAL once. A database in memory needs no log.
//
// # PgBouncer
//
// Behind PgBouncer in transaction mode a driver must send each statement in one piece. One option makes both drivers do so:
//
//	sql.Open("pgx", "postgres://shop@localhost:6432/shop?default_query_exec_mode=exec")
//	sql.Open("postgres", "postgres://shop@localhost:6432/shop?binary_parameters=yes")
//
// [Migrate] and [Check] refuse a connection without the option if they notice the pooler. For that they need two connections and
// a pooler that is not busy. Pgx also works without the option if max_prepared_statements of PgBouncer 1.21 or later is not 0.
//
// # Connections
//
// A small pool is fast. Transactions that want the same row wait for each other anyway: 64 connections were two to four times
// slower than 4 when all wanted one row. Begin with SetMaxOpenConns of 4 to 8 per process.
//
// If a DSN names several hosts, it should ask for the one that writes: with pgx by target_session_attrs=read-write.
//
// # Transactions
//
// In two cases [Store.InTx] runs its function again in a new transaction, with growing pauses between. So anything that the function
// does outside of its transaction may happen several times.
//
//   - The transaction collided with another: up to 30 times within a minute. After that the error matches [ErrConflict].
//   - The database could not be reached, broke the connection or refused to write, as during a restart or a failover, or the disk of
//     its server was full: for half a minute. After that the error matches [store.ErrUnavailable]. InTx closes a connection to a
//     server that refuses to write. SQLite's full disk is an error at once.
//
// If the answer to a COMMIT is lost, InTx returns an error that matches [store.ErrInDoubt] and does not run its function again: the
// transaction may be committed, and the caller must find out.
//
// InTx commits only the transaction that it began. A database may roll a transaction back in the middle: MySQL does so on a
// deadlock, SQLite on a full disk. If the function does not return that error, or ends the transaction itself, InTx returns an error
// that matches [ErrTxEnded].
//
// On SQLite the transaction has the write lock from its beginning.
//
// The function must use the database only through its transaction. Otherwise it waits for a second connection while it holds one, and
// on SQLite it waits for itself.
//
// # Tables
//
// Times in the tables are in UTC to the microsecond.
//
//   - fulfil_orders has a row per order. Its column data is the order as JSON, without Stripe's session, which is in the column
//     session. The columns id, status, stuck, email, currency, total (in minor units), livemode, created_at, updated_at and due_at
//     repeat parts of the order for queries. Of these the Store reads only due_at back.
//   - fulfil_refs has the order that each Stripe ID leads to.
//   - fulfil_claims has the claimed keys with the times of their claims.
//   - fulfil_values has the ID of the installation and its cursors.
//
// Only [Store.Prune] and [Store.Delete] delete rows: old claims, and orders that the merchant prunes.
//
// # Errors
//
// Errors name the action that failed and wrap the driver's error. If a method that takes a transaction returns an error, that
// transaction can only be rolled back: return the error from the function of [Store.InTx].
package sqlstore
