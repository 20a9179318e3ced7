package sqlkit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	// txTries is how often a transaction is run before its conflict becomes the caller's: PostgreSQL finds a deadlock
	// only after deadlock_timeout, and until then those who are run again walk into the next.
	txTries = 30
	// After txTime it is not run again, as waits for a lock or a busy database may be long themselves.
	txTime = time.Minute
	// The pause before the n-th repetition doubles from the first to the last, less up to all of it at random, so that
	// those who collided do not meet again.
	firstPause = 2 * time.Millisecond
	lastPause  = 250 * time.Millisecond
)

// ErrConflict is matched by the error of a transaction that was given up because it kept colliding with others.
var ErrConflict = errors.New("transaction gave up")

// InTx runs fn in a transaction and commits it; an error or a panic of fn rolls it back. After a serialization failure, a
// deadlock or a busy database it runs fn again, up to thirty times within a minute, with growing pauses, and then returns
// an error that matches [ErrConflict] and the last cause.
//
// On SQLite the transaction takes the write lock before fn runs, so that it waits for other writers as long as
// busy_timeout says: one that began by reading would be refused at once.
func InTx(ctx context.Context, db *sql.DB, d Dialect, fn func(tx *sql.Tx) error) error {
	return InTxLevel(ctx, db, d, sql.LevelDefault, fn)
}

// InTxLevel is InTx in a transaction of another isolation level than the database's default.
func InTxLevel(ctx context.Context, db *sql.DB, d Dialect, level sql.IsolationLevel, fn func(tx *sql.Tx) error) error {
	return Retry(ctx, func() error { return once(ctx, db, d, level, fn) })
}

// Retry runs fn until it succeeds, fails for good, or has failed with a conflict as often as InTx bears. A statement
// outside of a transaction needs it too: at SERIALIZABLE even one that only reads may be refused.
func Retry(ctx context.Context, fn func() error) error {
	began := time.Now()
	for try := 1; ; try++ {
		err := fn()
		if err == nil || !Retryable(err) {
			return err
		}
		if try == txTries || time.Since(began) > txTime {
			return fmt.Errorf("%w after %d tries: %w", ErrConflict, try, err)
		}
		pause := time.NewTimer(rand.N(min(firstPause<<(try-1), lastPause)))
		select {
		case <-ctx.Done():
			pause.Stop()
			return errors.Join(ctx.Err(), err)
		case <-pause.C:
		}
	}
}

func once(ctx context.Context, db *sql.DB, d Dialect, level sql.IsolationLevel, fn func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: level})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing, and otherwise the first error counts
	if d == SQLite {
		if _, err := tx.ExecContext(ctx, `DELETE FROM fulfil_schema WHERE 0`); err != nil {
			return Fail(ctx, "begin", err)
		}
	}
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
