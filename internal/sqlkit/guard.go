package sqlkit

import (
	"context"
	"database/sql"
	"fmt"
)

// guard holds the statements that tell whether a transaction is still the one that was begun. The zero guard is none.
//
// MySQL and MariaDB roll back the whole transaction on a deadlock, and SQLite on a full disk. The connection is then in
// autocommit mode, in which each further statement commits alone. PostgreSQL aborts the transaction instead. On all of them
// a function can end the transaction with a statement of its own.
type guard struct {
	// session runs before BEGIN, and restore after the transaction. Both are empty if the session needs no change.
	session, restore string
	// mark runs after BEGIN and leaves a mark that ends with the transaction.
	mark string
	// look runs before COMMIT. It fails, or finds no row if findsRow is set, when the mark is gone.
	look     string
	findsRow bool
}

const (
	savepoint = "SAVEPOINT fulfil_transaction"
	release   = "RELEASE SAVEPOINT fulfil_transaction"
)

// PostgresMark is a condition that holds in a transaction of InMarkedTx until that ends.
const PostgresMark = "current_setting('fulfil.transaction', true) = 'begun'"

var guards = map[Dialect]guard{
	// Not a savepoint: a subtransaction of PostgreSQL takes a transaction ID of its own and slows down standbys.
	Postgres: {
		mark:     "SET LOCAL fulfil.transaction = 'begun'",
		look:     "SELECT 1 WHERE " + PostgresMark,
		findsRow: true,
	},
	// Without autocommit, statements after a deadlock are part of a new transaction, which can be rolled back.
	MySQL: {
		session: "SET autocommit = 0", restore: "SET autocommit = 1",
		mark: savepoint,
		look: release,
	},
	SQLite: {mark: savepoint, look: release},
}

// begin marks the transaction.
func (g guard) begin(ctx context.Context, tx *sql.Tx) error {
	if g.mark == "" {
		return nil
	}
	_, err := tx.ExecContext(ctx, g.mark)
	return err
}

// check returns an error unless the transaction is the one that begin has marked. The error matches [ErrTxEnded], or it is
// one after which Retry tries again.
func (g guard) check(ctx context.Context, tx *sql.Tx) error {
	if g.look == "" {
		return nil
	}
	result, err := tx.ExecContext(ctx, g.look)
	if err == nil && g.findsRow {
		var rows int64
		if rows, err = result.RowsAffected(); err == nil && rows != 1 {
			err = fmt.Errorf("%d rows for %s", rows, g.look)
		}
	}
	if err == nil || ctx.Err() != nil || isBroken(err) || isReadOnly(err) || isConflict(err) {
		return err
	}
	return finalError{fmt.Errorf("%w: a statement failed and the function did not return its error, or the function ran a COMMIT, "+
		"a ROLLBACK or a change of the schema; return the error of every statement and leave the end to InTx: %w", ErrTxEnded, err)}
}

// CheckTx returns an error that matches [ErrTxEnded] unless a transaction that InMarkedTx began goes on.
func CheckTx(ctx context.Context, tx *sql.Tx, d Dialect) error {
	g := guards[d]
	if err := g.check(ctx, tx); err != nil {
		return err
	}
	if d == Postgres {
		return nil // its mark is still there, while a savepoint is released by the look
	}
	return g.begin(ctx, tx)
}
