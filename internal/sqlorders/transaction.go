package sqlorders

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/store"
)

// InTx runs fn in a transaction, as [store.Store] and the documentation of package sqlstore say.
func (s *Store[Tx]) InTx(ctx context.Context, fn func(tx Tx) error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	return named(s.db.InMarkedTx(ctx, func(tx Tx) error {
		s.begun.Store(tx, &transaction{checks: true})
		defer s.begun.Delete(tx)
		return fn(tx)
	}))
}

// InOwnTx runs callback and then record in a transaction, as [store.OwnTx] says. What is said of [Store.InTx] is true of InOwnTx, too.
func (s *Store[Tx]) InOwnTx(ctx context.Context, callback, record func(tx Tx) error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if callback == nil {
		return named(s.db.InTx(ctx, sql.LevelDefault, func(tx Tx) error {
			s.begun.Store(tx, &transaction{})
			defer s.begun.Delete(tx)
			return record(tx)
		}))
	}
	return named(s.db.InCallbackTx(ctx, callback, func(tx Tx) error {
		t := &transaction{unchecked: s.dialect == sqlkit.Postgres}
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
func (s *Store[Tx]) ownTx(ctx context.Context, level sql.IsolationLevel, fn func(tx Tx) error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := s.db.InTx(ctx, level, fn)
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

// written is what the tables have of an order, as far as a transaction knows, so that a save writes only what is new. known says that
// session is what the column has.
type written struct {
	refs, terms []string
	session     []byte
	known       bool
}

// in returns what is known of an open transaction; nil: it is none of InTx or InOwnTx.
func (s *Store[Tx]) in(tx Tx) *transaction {
	known, _ := s.begun.Load(tx)
	t, _ := known.(*transaction)
	return t
}

// found keeps what the tables have of an order that was locked.
func (t *transaction) found(o *store.Order, session []byte) {
	t.set(o.ID, written{o.Refs(), o.Terms(), session, true})
}

// knows returns what the tables have of an order.
func (t *transaction) knows(id string) written {
	if t == nil {
		return written{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.orders[id]
}

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
func (s *Store[Tx]) check(ctx context.Context, tx Tx, t *transaction) error {
	if !t.unchecked {
		return nil
	}
	t.unchecked = false
	return s.fail(ctx, "after the callback", sqlkit.CheckTx(ctx, s.db.In(tx), s.dialect))
}
