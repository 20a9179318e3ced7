package sqlkit

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
)

// ErrTxEnded is matched by the error of InMarkedTx when the transaction ended before its function returned.
var ErrTxEnded = errors.New("the transaction ended before its function did")

// InTx runs fn in a transaction of an isolation level and commits it. If fn panics or returns an error, InTx rolls back. InTx runs
// fn again in a new transaction as [Retry] says. Fn must return every error of a statement, and must not end the transaction.
//
// On SQLite the transaction takes the write lock before fn runs. So it waits for other writers for up to busy_timeout. If a
// transaction began by reading, SQLite would refuse its first write at once.
func (s SQL) InTx(ctx context.Context, level sql.IsolationLevel, fn func(tx *sql.Tx) error) error {
	return Retry(ctx, func() error { return s.once(ctx, level, false, fn, nil) })
}

// InMarkedTx is InTx for a function that calls the merchant's code. It commits only the transaction that it began. If the
// database rolled that transaction back and fn did not return the error, or if fn ended the transaction itself, InMarkedTx
// rolls back everything since then and returns an error that matches [ErrTxEnded].
//
// The mark takes two more statements on PostgreSQL and SQLite, and four on MySQL. One of them is between fn and the COMMIT.
func (s SQL) InMarkedTx(ctx context.Context, fn func(tx *sql.Tx) error) error {
	return Retry(ctx, func() error { return s.once(ctx, sql.LevelDefault, true, fn, nil) })
}

// InCallbackTx is InMarkedTx for a callback of the merchant's and for code of the library's that runs behind the callback in the
// same transaction. Record returns every error of a statement and does not end the transaction, so that nothing needs to be checked
// behind it: the check comes between the two.
//
// On PostgreSQL the check can be a part of a statement, so there record makes it: with [PostgresMark], or by [CheckTx].
func (s SQL) InCallbackTx(ctx context.Context, callback, record func(tx *sql.Tx) error) error {
	return Retry(ctx, func() error { return s.once(ctx, sql.LevelDefault, true, callback, record) })
}

// once runs fn and record, which may be nil, in one transaction.
func (s SQL) once(ctx context.Context, level sql.IsolationLevel, marked bool, fn, record func(tx *sql.Tx) error) (err error) {
	g, committed := guardOf(s.Dialect, marked), false
	conn, err := s.DB.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close() // waits for the end of the transaction
	defer func() {
		if IsReadOnly(err) {
			discard(conn)
		}
	}()
	if g.session != "" {
		if _, err := conn.ExecContext(ctx, g.session); err != nil {
			discard(conn)
			return fmt.Errorf("begin: %w", err)
		}
		defer func() { restore(ctx, conn, g, committed) }()
	}
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: level})
	if err != nil {
		return beginError(err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing, and otherwise the first error counts
	q := s.In(tx)
	if s.Dialect == SQLite {
		if err := q.Send(ctx, Statement{Query: `DELETE FROM fulfil_schema WHERE 0`}); err != nil {
			return Fail(ctx, "begin", err)
		}
	}
	if err := g.begin(ctx, q); err != nil {
		return Fail(ctx, "begin", err)
	}
	if err := Run(ctx, s.Dialect, q, marked, tx, fn, record); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return CommitError(err)
	}
	committed = true
	return nil
}

// Run runs fn and record, which may be nil, in an open transaction, which is marked or not, and checks that a marked transaction is
// still open. The caller commits if Run returns nil, and rolls back otherwise.
func Run[Tx any](ctx context.Context, d Dialect, q Sender, marked bool, tx Tx, fn, record func(tx Tx) error) error {
	if err := fn(tx); err != nil {
		if isBroken(err) && isAlive(ctx, q) {
			return finalError{err} // another connection broke, such as one to a carrier's API
		}
		return err
	}
	if record == nil || d != Postgres {
		if err := guardOf(d, marked).check(ctx, q); err != nil {
			return Fail(ctx, "before the commit", err)
		}
	}
	if record == nil {
		return nil
	}
	return record(tx)
}

// isAlive reports whether the connection of a transaction still works. The transaction may be aborted.
func isAlive(ctx context.Context, q Sender) bool {
	return !isBroken(q.Send(ctx, Statement{Query: "SELECT 1"}))
}

// CommitError adds the action to an error of COMMIT. Retry runs the transaction again only if the error is a conflict or a full disk:
// after any other the transaction may be committed.
func CommitError(err error) error {
	err = fmt.Errorf("commit: %w", err)
	if isConflict(err) || isFull(err) {
		return err
	}
	if isBroken(err) || IsReadOnly(err) || failedAtCommit(err) {
		err = fmt.Errorf("%w: %w", ErrInDoubt, err)
	}
	return finalError{err}
}

// beginError adds the action to an error of BEGIN. lib/pq begins a transaction as READ WRITE. A standby of PostgreSQL refuses
// that with feature_not_supported, and beginError turns that error into one of a server that refuses to write.
func beginError(err error) error {
	if sqlState(err) == "0A000" {
		err = readOnlyError{err}
	}
	return fmt.Errorf("begin: %w", err)
}

// readOnlyError makes an error count as one of a server that refuses to write.
type readOnlyError struct{ error }

func (readOnlyError) SQLState() string { return readOnlySQLStates[0] }
func (e readOnlyError) Unwrap() error  { return e.error }

// discard closes a connection instead of returning it to the pool.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
}

// restoreTime is how long restoring a connection may take. It does not depend on the caller's context, which may have ended.
const restoreTime = 10 * time.Second

// restore undoes the settings that g changed on a connection, and closes the connection if that fails. If the transaction was
// not committed, restore first rolls back: database/sql rolls back only some time after a context ends, and turning autocommit
// on before then would commit.
func restore(ctx context.Context, conn *sql.Conn, g guard, committed bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreTime)
	defer cancel()
	if !committed {
		if _, err := conn.ExecContext(ctx, "ROLLBACK"); err != nil {
			discard(conn)
			return
		}
	}
	if _, err := conn.ExecContext(ctx, g.restore); err != nil {
		discard(conn)
	}
}
