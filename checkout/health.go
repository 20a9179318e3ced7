package checkout

import (
	"context"
	"errors"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// Health is what a Flow knows of its own shop. Package doctor looks at it, package admin shows it, and package checkoutotel makes gauges
// of it.
type Health struct {
	// Mode is the mode of the shop's orders, "live" or "test"; empty: no session was created yet.
	Mode string
	// Session is the ID of a session that the shop began on the merchant's own account; empty: there is none, or a sandbox's data was
	// deleted.
	Session string
	// SweptAt is when the last sweep of any process ended, to the second; zero: none did yet.
	SweptAt time.Time
	// SnapshotAt is when a snapshot event of the merchant's own account was last received, to ten minutes; zero: none was yet. Of thin
	// events no time is kept.
	SnapshotAt time.Time
	// FailedEvents is the number of events that sweeps found and could not handle. They are tried again.
	FailedEvents int
	// Orders is how many orders are stuck and due, and since when; nil: the Store is no store.Counter. A shop that is swept has no
	// order that is due for much longer than half a minute.
	Orders *store.Counts
	// Held is the number of units of stock that are held; nil: no stock is kept, or the Reserver can't count them, as without WithDB
	// of sqlreserver or WithStore of memreserver.
	Held *int64
	// Refunds says that the Flow gives payments back by itself, HoldForReview that it asks for reviews, and Connects that it has
	// orders on connected accounts.
	Refunds, HoldForReview, Connects bool
	// WrongAccount says that this process found its key to be of another Stripe account than the orders: see [ErrWrongAccount].
	WrongAccount bool
}

// Health reads what the Flow knows of its own shop from the Store and the Reserver. It makes no request to Stripe and changes nothing.
// The error is that of one of the two.
func (f *Flow[Tx]) Health(ctx context.Context) (Health, error) {
	h := Health{WrongAccount: f.wrongAccount.Load(), Refunds: len(f.refund) > 0, HoldForReview: f.holdForReview, Connects: f.accounts != nil}
	var err error
	if h.Mode, err = f.store.Cursor(ctx, modeCursor); err != nil {
		return Health{}, err
	}
	if h.Session, err = f.store.Cursor(ctx, witnessCursor); err != nil {
		return Health{}, err
	}
	swept, err := f.store.Cursor(ctx, sweptCursor)
	if err != nil {
		return Health{}, err
	}
	if at, err := time.Parse(time.RFC3339, swept); err == nil {
		h.SweptAt = at
	}
	if h.SnapshotAt, err = f.storedTime(ctx, receivedCursor, time.Time{}); err != nil {
		return Health{}, err
	}
	failed, err := f.failedEvents(ctx)
	if err != nil {
		return Health{}, err
	}
	h.FailedEvents = len(failed)
	if counter, ok := f.store.(store.Counter); ok {
		counts, err := counter.Count(ctx, f.now())
		if err != nil {
			return Health{}, err
		}
		h.Orders = &counts
	}
	if h.Held, err = f.held(ctx); err != nil {
		return Health{}, err
	}
	return h, nil
}

// heldReader is a Reserver that can count what is held, without a transaction, as sqlreserver and memreserver can. An error that matches
// [errors.ErrUnsupported] says that this one can't.
type heldReader interface {
	Held(ctx context.Context) (units int64, err error)
}

// held returns the number of units that are held; nil: the Reserver can't count them.
func (f *Flow[Tx]) held(ctx context.Context) (*int64, error) {
	reader, ok := f.reserver.(heldReader)
	if !ok {
		return nil, nil
	}
	units, err := reader.Held(ctx)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &units, nil
}

// FailedEvent is an event that a sweep found undelivered and that could not be handled.
type FailedEvent struct {
	ID, Type string
	// Account is the connected account of the event; empty: the merchant's own.
	Account string
	// Since is when the event failed first. Next is when a sweep tries it again.
	Since, Next time.Time
}

// FailedEvents returns the events that sweeps found undelivered and could not handle, at most 500. Sweeps try them again. The error is
// the Store's.
func (f *Flow[Tx]) FailedEvents(ctx context.Context) ([]FailedEvent, error) {
	failed, err := f.failedEvents(ctx)
	if err != nil {
		return nil, err
	}
	events := make([]FailedEvent, len(failed))
	for i, e := range failed {
		events[i] = FailedEvent{ID: e.ID, Type: e.Type, Account: e.Account, Since: time.Unix(e.Since, 0).UTC(), Next: time.Unix(e.Next, 0).UTC()}
	}
	return events, nil
}

// Now returns the Flow's time: that of Config.Clock, set right by Stripe's answers, in UTC.
func (f *Flow[Tx]) Now() time.Time { return f.now() }
