package sqlkit

import (
	"context"
	"database/sql"
	"fmt"
)

// guard holds the statements that tell whether the transaction that was begun is still open. The zero guard checks nothing.
//
// MySQL and MariaDB roll back the whole transaction on a deadlock, and SQLite on a full disk. The connection is then in
// autocommit mode, and each further statement commits alone. PostgreSQL aborts the transaction instead. On all of them a
// function can end the transaction with a statement of its own.
type guard struct {
	// session runs before BEGIN, and restore after the transaction. Both are empty if no setting of the session must change.
	session, restore string
	// mark runs after BEGIN and leaves a mark that ends with the transaction.
	mark string
	// look runs before COMMIT. If the mark is gone, look fails or, if findsRow is set, finds no row.
	look     string
	findsRow bool
}

const (
	savepoint = "SAVEPOINT fulfil_transaction"
	release   = "RELEASE SAVEPOINT fulfil_transaction"
)

// PostgresMark is a condition that is true in a transaction of InMarkedTx until that transaction ends.
const PostgresMark = "current_setting('fulfil.transaction', true) = 'begun'"

var guards = map[Dialect]guard{
	// PostgreSQL gets no savepoint: a subtransaction has a transaction ID of its own and slows down standbys.
	Postgres: {
		mark:     "SET LOCAL fulfil.transaction = 'begun'",
		look:     "SELECT 1 WHERE " + PostgresMark,
		findsRow: true,
	},
	// Without autocommit, statements after a deadlock begin a new transaction, which can be rolled back.
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

// check returns an error unless the transaction that begin has marked is still open. The error matches [ErrTxEnded], or is one
// after which Retry tries again.
func (g guard) check(ctx context.Context, tx *sql.Tx) error {
	if g.look == "" {
		return nil
	}
	result, err := tx.ExecContext(ctx, g.look)
	if err == nil && g.findsRow {
		err = requireOneRow(result, g.look)
	}
	if err == nil || ctx.Err() != nil || isBroken(err) || isReadOnly(err) || isConflict(err) {
		return err
	}
	return finalError{fmt.Errorf("%w: a statement failed and the function did not return its error, or the function ran a COMMIT, "+
		"a ROLLBACK or a change of the schema; return the error of every statement and leave the end to InTx: %w", ErrTxEnded, err)}
}

// CheckTx returns an error that matches [ErrTxEnded] unless the transaction that InMarkedTx began is still open.
func CheckTx(ctx context.Context, tx *sql.Tx, d Dialect) error {
	g := guards[d]
	if err := g.check(ctx, tx); err != nil {
		return err
	}
	if d == Postgres {
		return nil // looking leaves the mark
	}
	return g.begin(ctx, tx) // looking has released the savepoint
}

func requireOneRow(result sql.Result, statement string) error {
	rows, err := result.RowsAffected()
	if err == nil && rows != 1 {
		return fmt.Errorf("%d rows for %s", rows, statement)
	}
	return err
}
