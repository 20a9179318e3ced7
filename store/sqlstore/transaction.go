package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/store"
)

// InTx runs fn in a transaction, as [store.Store] says. In two cases it runs fn again in a new transaction, with growing pauses
// between. So anything that fn does outside of tx may happen several times.
//
//   - The transaction collided with another: up to 30 times within a minute. After that the error matches [ErrConflict].
//   - The database could not be reached, broke the connection or refused to write, as during a restart or a failover: for half a
//     minute. After that the error matches [store.ErrUnavailable]. InTx closes a connection to a server that refuses to write.
//
// If the answer to a COMMIT is lost, InTx returns an error that matches [store.ErrInDoubt] and does not run fn again: the
// transaction may be committed, and the caller must find out.
//
// InTx commits only the transaction that it began. A database may roll a transaction back in the middle: MySQL does so on a
// deadlock, SQLite on a full disk. If fn does not return that error, or ends the transaction itself, InTx returns an error
// that matches [ErrTxEnded].
//
// On SQLite the transaction has the write lock from its beginning.
//
// Fn must use the database only through tx. Otherwise it waits for a second connection while it holds one, and on SQLite it
// waits for itself.
func (s *Store) InTx(ctx context.Context, fn func(tx *sql.Tx) error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	return named(sqlkit.InMarkedTx(ctx, s.db, s.dialect, func(tx *sql.Tx) error {
		s.begun.Store(tx, &transaction{checks: true})
		defer s.begun.Delete(tx)
		return fn(tx)
	}))
}

// InOwnTx runs callback and then record in a transaction, as [store.OwnTx] says. What is said of [Store.InTx] is true of InOwnTx,
// too.
func (s *Store) InOwnTx(ctx context.Context, callback, record func(tx *sql.Tx) error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if callback == nil {
		return named(sqlkit.InTx(ctx, s.db, s.dialect, func(tx *sql.Tx) error {
			s.begun.Store(tx, &transaction{})
			defer s.begun.Delete(tx)
			return record(tx)
		}))
	}
	return named(sqlkit.InCallbackTx(ctx, s.db, s.dialect, callback, func(tx *sql.Tx) error {
		t := &transaction{unchecked: s.dialect == Postgres}
		s.begun.Store(tx, t)
		defer s.begun.Delete(tx)
		if err := record(tx); err != nil {
			return err
		}
		return s.check(ctx, tx, t) // if record locked no order
	}))
}

// doubtTries is how often ownTx runs a function while the answers to its COMMIT are lost.
const doubtTries = 3

// ownTx is InTx for functions of this package. They return every error, so ownTx need not check that the transaction is still
// open. Each of them may be carried out twice, so ownTx runs it again if the answer to its COMMIT was lost.
func (s *Store) ownTx(ctx context.Context, level sql.IsolationLevel, fn func(tx *sql.Tx) error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := sqlkit.InTxLevel(ctx, s.db, s.dialect, level, fn)
		if !errors.Is(err, sqlkit.ErrInDoubt) || try == doubtTries || ctx.Err() != nil {
			return named(err)
		}
	}
}

// named has an error match the error of package store that says what to do next, if there is one.
func named(err error) error {
	switch {
	case errors.Is(err, sqlkit.ErrInDoubt):
		return fmt.Errorf("%w: %w", store.ErrInDoubt, err)
	case errors.Is(err, sqlkit.ErrUnavailable):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

// transaction is what the Store knows of an open transaction.
type transaction struct {
	// checks says that code of others may end the transaction at any time, so that a Save checks that the transaction is still
	// open.
	checks bool
	// unchecked says that the merchant's callback has run, and nothing has checked since that the transaction is still open.
	unchecked bool

	mu     sync.Mutex
	orders map[string]written
}

// written is what the tables beside fulfil_orders have of an order, as far as a transaction knows, so that a save writes only what
// is new.
type written struct{ refs, terms []string }

// in returns what is known of an open transaction; nil: it is none of InTx or InOwnTx.
func (s *Store) in(tx *sql.Tx) *transaction {
	known, _ := s.begun.Load(tx)
	t, _ := known.(*transaction)
	return t
}

// found keeps what the tables have of an order that was locked.
func (t *transaction) found(o *store.Order) { t.set(o.ID, written{o.Refs(), o.Terms()}) }

// set keeps what the tables have of an order from now on, and returns what they had.
func (t *transaction) set(id string, now written) (before written) {
	if t == nil {
		return written{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.orders == nil {
		t.orders = map[string]written{}
	}
	before = t.orders[id]
	t.orders[id] = now
	return before
}

// check checks after a callback that the transaction is still open, unless that was done.
func (s *Store) check(ctx context.Context, tx *sql.Tx, t *transaction) error {
	if !t.unchecked {
		return nil
	}
	t.unchecked = false
	return sqlkit.Fail(ctx, "sqlstore: after the callback", sqlkit.CheckTx(ctx, tx, s.dialect))
}
