// Package storetest is the contract of [store.Store] as a test suite. A backend passes it with one call:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) store.Store[*sql.Tx] { return open(t) })
//	}
//
// Each check gets a new, empty store. The checks need several connections: readers must not wait for an open transaction. The
// checks never sleep and read no clock. They tell from the sequence of events whether a transaction has waited.
package storetest

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofulfil/fulfil/internal/suite"
	"github.com/gofulfil/fulfil/store"
)

// Trait is something that a backend can't do by its nature. Run leaves out the checks that need it.
type Trait int

// OneWriter is the trait of a backend such as SQLite: a transaction that writes waits for every other that writes to end, even
// if they write different rows.
const OneWriter Trait = 1

// Run runs the suite as subtests of t. Open must return a new, empty store for each of them.
func Run[Tx any](t *testing.T, open func(t *testing.T) store.Store[Tx], traits ...Trait) {
	for _, c := range checks[Tx]() {
		if c.writers && slices.Contains(traits, OneWriter) {
			continue
		}
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

// check is one promise of the contract.
type check[Tx any] struct {
	name string
	fn   func(k *kit[Tx])
	// writers says that the check has two writing transactions open at once that need none of each other's rows.
	writers bool
}

func (c check[Tx]) run(t suite.Reporter, st store.Store[Tx]) {
	ctx, cancel := suite.Context()
	defer cancel()
	c.fn(&kit[Tx]{Reporter: t, st: st, ctx: ctx})
}

func checks[Tx any]() []check[Tx] {
	return slices.Concat(
		txChecks[Tx](), insertChecks[Tx](), lockChecks[Tx](), saveChecks[Tx](), refChecks[Tx](),
		listChecks[Tx](), claimChecks[Tx](), pruneChecks[Tx](), deleteChecks[Tx](), dueChecks[Tx](), countChecks[Tx](), valueChecks[Tx](),
	)
}

// kit is the store and the helpers of a check.
type kit[Tx any] struct {
	suite.Reporter
	st  store.Store[Tx]
	ctx context.Context
}

// base is the time of the checks.
var base = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

// order returns a small valid order.
func order(id string) *store.Order {
	return &store.Order{
		ID: id, CreatedAt: base, UpdatedAt: base, Mode: "payment", Currency: "usd",
		Lines: []store.Line{{SKU: "tee-m", Name: "T-shirt", UnitAmount: 1999, Quantity: 2}},
	}
}

// inTx runs fn in a transaction that must commit.
func (k *kit[Tx]) inTx(fn func(tx Tx) error) {
	k.Helper()
	if err := k.st.InTx(k.ctx, fn); err != nil {
		k.Fatalf("InTx must succeed if its function does; it returned: %v", err)
	}
}

// insert adds orders whose IDs must be free.
func (k *kit[Tx]) insert(orders ...*store.Order) {
	k.Helper()
	k.inTx(func(tx Tx) error {
		inserted, err := k.st.Insert(k.ctx, tx, orders...)
		if err == nil && (len(inserted) != len(orders) || slices.Contains(inserted, false)) {
			return suite.Wrongf("Insert of %d new orders answered %v", len(orders), inserted)
		}
		return err
	})
}

// find returns an order that must exist.
func (k *kit[Tx]) find(id string) *store.Order {
	k.Helper()
	o, err := k.st.Find(k.ctx, id)
	if err != nil {
		k.Fatalf("Find of order %q, which was committed, returned: %v", id, err)
	}
	return o
}

// missing fails if an order has that ID.
func (k *kit[Tx]) missing(id, why string) {
	k.Helper()
	if o, err := k.st.Find(k.ctx, id); !errors.Is(err, store.ErrNotFound) {
		k.Errorf("%s: Find(%q) must return store.ErrNotFound; it returned %v, %v", why, id, o, err)
	}
}

// update locks an order, changes it and saves it, in a transaction of its own.
func (k *kit[Tx]) update(id string, change func(o *store.Order)) error {
	return k.st.InTx(k.ctx, func(tx Tx) error { return k.updateIn(tx, id, change) })
}

func (k *kit[Tx]) updateIn(tx Tx, id string, change func(o *store.Order)) error {
	o, err := k.lockIn(tx, id)
	if err != nil {
		return err
	}
	change(o)
	return k.st.Save(k.ctx, tx, o)
}

// lockIn locks an order that must exist.
func (k *kit[Tx]) lockIn(tx Tx, id string) (*store.Order, error) {
	orders, err := k.st.Lock(k.ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if len(orders) != 1 || orders[0] == nil {
		return nil, suite.Wrongf("Lock of order %q, which exists, answered %v", id, orders)
	}
	return orders[0], nil
}

// race runs fn n times at once and fails for the first error.
func (k *kit[Tx]) race(n int, fn func(i int) error) {
	k.Helper()
	suite.Race(k, n, fn)
}

// meanwhile runs hold in a transaction, and then starts other in a goroutine of its own while the transaction is open. The
// transaction then ends with the error end. It never waits for other, so other may wait for the transaction. Ended is set just
// before the transaction ends: if other sees it unset, other has not waited.
func (k *kit[Tx]) meanwhile(hold func(tx Tx) error, end error, other func(ended *atomic.Bool) error) {
	k.Helper()
	var ended atomic.Bool
	var begin sync.Once // InTx may run its function again
	started, result := make(chan struct{}), make(chan error, 1)
	err := k.st.InTx(k.ctx, func(tx Tx) error {
		if err := hold(tx); err != nil {
			return err
		}
		begin.Do(func() {
			go func() {
				close(started)
				result <- other(&ended)
			}()
		})
		<-started
		if err := k.linger(); err != nil {
			return err
		}
		ended.Store(true)
		return end
	})
	if !errors.Is(err, end) {
		k.Fatalf("a transaction that must end with %v ended with: %v", end, err)
	}
	if err := <-result; err != nil {
		k.Fatalf("a call beside an open transaction failed: %v", err)
	}
}

// linger gives other goroutines, and the backend, many chances to run.
func (k *kit[Tx]) linger() error {
	for range 50 {
		for range 50 {
			runtime.Gosched()
		}
		if _, err := k.st.Find(k.ctx, "nobody"); !errors.Is(err, store.ErrNotFound) {
			return suite.Wrongf("Find beside an open transaction: %w", err)
		}
	}
	return nil
}

// same fails with a message that names the first difference between two orders.
func (k *kit[Tx]) same(what string, got, want *store.Order) {
	k.Helper()
	if d := difference(got, want); d != "" {
		k.Errorf("%s: an order must come back as it was saved, but %s", what, d)
	}
}
