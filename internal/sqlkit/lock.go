package sqlkit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// schemaTable creates the table of the statements that were run.
const schemaTable = `CREATE TABLE IF NOT EXISTS fulfil_schema (
	component VARCHAR(32) NOT NULL,
	version INTEGER NOT NULL,
	statement INTEGER NOT NULL,
	PRIMARY KEY (component, version, statement)
)`

// advisoryLock is the key of the lock on PostgreSQL: the bytes of "fulfil".
const advisoryLock = 0x66756c66696c

// lockSchema keeps other processes from migrating until unlock is called. On PostgreSQL and SQLite it begins a transaction, and
// unlock(false) rolls the schema changes back. MySQL commits each schema change by itself.
func lockSchema(ctx context.Context, conn *sql.Conn, d Dialect) (unlock func(ok bool) error, err error) {
	switch d {
	case Postgres:
		return lockInTransaction(ctx, conn, "BEGIN", fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, advisoryLock), schemaTable)
	case SQLite:
		if err := prepareSQLite(ctx, conn); err != nil {
			return nil, err
		}
		return lockInTransaction(ctx, conn, "BEGIN IMMEDIATE", schemaTable)
	case MySQL:
		return lockMySQL(ctx, conn)
	}
	return nil, errors.New("choose Postgres, MySQL or SQLite")
}

func lockInTransaction(ctx context.Context, conn *sql.Conn, statements ...string) (unlock func(ok bool) error, err error) {
	unlock = func(ok bool) error {
		end := "ROLLBACK"
		if ok {
			end = "COMMIT"
		}
		_, err := conn.ExecContext(context.WithoutCancel(ctx), end)
		return err
	}
	for i, statement := range statements {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			if i > 0 {
				err = errors.Join(err, unlock(false))
			}
			return nil, err
		}
	}
	return unlock, nil
}

func lockMySQL(ctx context.Context, conn *sql.Conn) (unlock func(ok bool) error, err error) {
	// The lock covers the whole server, so its name contains the database.
	var got sql.NullInt64
	err = conn.QueryRowContext(ctx, `SELECT GET_LOCK(CONCAT('fulfil.', LEFT(SHA1(DATABASE()), 40)), ?)`, int(lockTimeout.Seconds())).Scan(&got)
	if err != nil {
		return nil, err
	}
	if got.Int64 != 1 {
		return nil, fmt.Errorf("another process has been migrating this database for %v: wait for it or end it, and try again", lockTimeout)
	}
	unlock = func(bool) error {
		_, err := conn.ExecContext(context.WithoutCancel(ctx), `DO RELEASE_LOCK(CONCAT('fulfil.', LEFT(SHA1(DATABASE()), 40)))`)
		return err
	}
	if _, err := conn.ExecContext(ctx, schemaTable+` ENGINE=InnoDB`); err != nil {
		return nil, errors.Join(err, unlock(false))
	}
	return unlock, nil
}

// prepareSQLite turns on the file's write-ahead log, so that readers do not wait for writers.
func prepareSQLite(ctx context.Context, conn *sql.Conn) error {
	if err := checkBusyTimeout(ctx, conn); err != nil {
		return err
	}
	var mode string
	if err := conn.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" && mode != "memory" {
		return fmt.Errorf("journal_mode is %s and can't be changed to wal: use a file that can have a write-ahead log", mode)
	}
	return nil
}
