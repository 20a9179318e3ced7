package checkout

import (
	"context"
	"time"
)

// Health is how a shop runs, as far as the Flow and its Store know.
type Health struct {
	// Now is the Flow's time.
	Now time.Time
	// LastSweep is when any process last finished a sweep; zero: none did.
	LastSweep time.Time
	// Unswept says that no process has finished a sweep for an hour.
	Unswept bool
	// LastSnapshot is when a snapshot event of the shop's was last received, to about ten minutes; zero: none was. It is that of the
	// merchant's own account. Thin events do not set it.
	LastSnapshot time.Time
	// FailedEvents are the events that sweeps found undelivered and that could not be handled. Sweeps try them again. There are at
	// most 500.
	FailedEvents []FailedEvent
	// WrongAccount says that this process has a key of another Stripe account than the orders, and neither begins nor sweeps: see
	// [ErrWrongAccount].
	WrongAccount bool
}

// FailedEvent is an event that a sweep found undelivered and that could not be handled.
type FailedEvent struct {
	ID, Type string
	// Account is the connected account of the event; empty: the merchant's own.
	Account string
	// Since is when the event failed first. Next is when a sweep tries it again.
	Since, Next time.Time
}

// Health reads how the shop runs. It makes no request to Stripe. Its errors are those of the Store.
func (f *Flow[Tx]) Health(ctx context.Context) (Health, error) {
	h := Health{Now: f.now(), WrongAccount: f.wrongAccount.Load()}
	value, err := f.store.Cursor(ctx, sweptCursor)
	if err != nil {
		return Health{}, err
	}
	swept, err := time.Parse(time.RFC3339, value)
	if err == nil { // otherwise nobody swept yet
		h.LastSweep = swept.UTC()
	}
	h.Unswept = h.Now.Sub(h.LastSweep).Abs() >= unsweptAfter
	if h.LastSnapshot, err = f.storedTime(ctx, receivedCursor, time.Time{}); err != nil {
		return Health{}, err
	}
	failed, err := f.failedEvents(ctx)
	if err != nil {
		return Health{}, err
	}
	for _, e := range failed {
		h.FailedEvents = append(h.FailedEvents, FailedEvent{
			ID: e.ID, Type: e.Type, Account: e.Account, Since: time.Unix(e.Since, 0).UTC(), Next: time.Unix(e.Next, 0).UTC(),
		})
	}
	return h, nil
}
