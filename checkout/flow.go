package checkout

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
)

// Flow leads orders through their life. It is safe for concurrent use and starts no goroutine.
type Flow[Tx any] struct {
	stripe   *stripe.Client
	store    store.Store[Tx]
	reserver reservation.Reserver[Tx]
	fulfil   func(ctx context.Context, tx Tx, o *store.Order) error
	onChange func(ctx context.Context, tx Tx, c Change) error
	refund   []ChangeKind
	accounts func(ctx context.Context) ([]string, error)
	clock    func() time.Time
	log      *slog.Logger

	sweepBudget int

	// One goroutine of this process at a time begins, settles, delivers or asks Stripe, per order or session.
	beginning, settling, delivering, asking keyedMutex

	shop atomic.Pointer[string] // once known

	ended   chan struct{} // closed when Run has ended
	endOnce sync.Once

	sweptCheck atomic.Int64 // Unix seconds when the last sweep was last looked up, see warnUnswept
	foreign    atomic.Int64
}

// Order returns the order as last committed, or an error that matches [store.ErrNotFound].
func (f *Flow[Tx]) Order(ctx context.Context, id string) (*store.Order, error) {
	return f.store.Find(ctx, id)
}

// List returns orders by time of creation, a page at a time.
func (f *Flow[Tx]) List(ctx context.Context, q store.Query) ([]*store.Order, error) {
	return f.store.List(ctx, q)
}

// Erase removes the personal data of an order: see [store.Order.Erase]. It matches [store.ErrNotFound] if there is no
// such order. An order that is not yet fulfilled loses its address too.
func (f *Flow[Tx]) Erase(ctx context.Context, id string) error {
	return f.change(ctx, id, func(_ Tx, o *store.Order, _ time.Time) (bool, error) {
		o.Erase()
		return true, nil
	})
}

// ForeignSessions counts the session events since the Flow was made that were of sessions this shop did not begin.
// They are acknowledged and otherwise ignored.
func (f *Flow[Tx]) ForeignSessions() int64 { return f.foreign.Load() }

// now is the time as it is stored: in UTC, to the microsecond.
func (f *Flow[Tx]) now() time.Time { return store.Time(f.clock()) }

// shopID returns the ID of this installation, which marks the sessions that are its own. The first sweep of all, whenever it
// comes, reads what Stripe could not deliver since the ID was made.
func (f *Flow[Tx]) shopID(ctx context.Context) (string, error) {
	if known := f.shop.Load(); known != nil {
		return *known, nil
	}
	if err := f.startEvents(ctx); err != nil {
		return "", err
	}
	id, err := f.store.ShopID(ctx, "shop_"+rand.Text())
	if err != nil {
		return "", err
	}
	f.shop.Store(&id)
	return id, nil
}

// change runs fn on a locked order and saves the order if fn says so. fn may run more than once.
func (f *Flow[Tx]) change(ctx context.Context, id string, fn func(tx Tx, o *store.Order, now time.Time) (save bool, err error)) error {
	return f.store.InTx(ctx, func(tx Tx) error {
		orders, err := f.store.Lock(ctx, tx, id)
		if err != nil {
			return err
		}
		o, now := orders[0], f.now()
		if o == nil {
			return store.ErrNotFound
		}
		save, err := fn(tx, o, now)
		if err != nil || !save {
			return err
		}
		return f.save(ctx, tx, o, now)
	})
}

// save writes the order with the time at which it is due next, and without parameters that are not needed anymore.
func (f *Flow[Tx]) save(ctx context.Context, tx Tx, o *store.Order, now time.Time) error {
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a.SessionID != "" || !a.ClosedAt.IsZero() {
			a.Params = ""
		}
	}
	o.UpdatedAt = now
	o.DueAt = dueAt(o, now)
	return f.store.Save(ctx, tx, o)
}
