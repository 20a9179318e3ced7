package sqlkit

import (
	"context"
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

// MarkPostgres is the statement that makes [PostgresMark] true.
const MarkPostgres = "SET LOCAL fulfil.transaction = 'begun'"

var guards = map[Dialect]guard{
	// PostgreSQL gets no savepoint: a subtransaction has a transaction ID of its own and slows down standbys.
	Postgres: {
		mark:     MarkPostgres,
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

// guardOf returns the guard of a transaction, which is marked or not.
func guardOf(d Dialect, marked bool) guard {
	if !marked {
		return guard{}
	}
	return guards[d]
}

// begin marks the transaction.
func (g guard) begin(ctx context.Context, q Sender) error {
	if g.mark == "" {
		return nil
	}
	return q.Send(ctx, Statement{Query: g.mark})
}

// check returns an error unless the transaction that begin has marked is still open. The error matches [ErrTxEnded], or is one
// after which Retry tries again.
func (g guard) check(ctx context.Context, q Sender) error {
	if g.look == "" {
		return nil
	}
	var rows int64
	err := q.Send(ctx, Statement{Query: g.look, Changed: &rows})
	if err == nil && g.findsRow && rows != 1 {
		err = fmt.Errorf("%d rows for %s", rows, g.look)
	}
	if err == nil || ctx.Err() != nil || isOutage(err) || isConflict(err) {
		return err
	}
	return finalError{fmt.Errorf("%w: a statement failed and the function did not return its error, or the function ran a COMMIT, "+
		"a ROLLBACK or a change of the schema; return the error of every statement and leave the end to InTx: %w", ErrTxEnded, err)}
}

// CheckTx returns an error that matches [ErrTxEnded] unless the transaction that InMarkedTx began is still open.
func CheckTx(ctx context.Context, q Sender, d Dialect) error {
	g := guards[d]
	if err := g.check(ctx, q); err != nil {
		return err
	}
	if d == Postgres {
		return nil // looking leaves the mark
	}
	return g.begin(ctx, q) // looking has released the savepoint
}
