package checkout

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gofulfil/fulfil/store"
)

const (
	// sweepLease is how long an order is left to the sweep that took it; if it was not dealt with then, it is due again.
	sweepLease = 2 * time.Minute
	// sweepBatch orders are taken at a time, in at most sweepBatches per sweep.
	sweepBatch   = 50
	sweepBatches = 100
	// sweepDeliveries callbacks run side by side in a sweep.
	sweepDeliveries = 8
	// sweepEvery is the pause between two sweeps of Run.
	sweepEvery = 30 * time.Second
)

// Swept is what a sweep did.
type Swept struct {
	// Orders is the number of orders that were due.
	Orders int
	// Failed is how many of them could not be dealt with. They are logged and due again later.
	Failed int
}

// Sweep does what is due, in one bounded pass: it ends sessions whose time to pay is over and gives their stock back,
// asks Stripe for those it should have heard of, gives up attempts that never got a session, and tries failed deliveries
// again. Any number of processes may sweep at once; each order is swept by one.
//
// An order that fails does not stop the others and is no error of the sweep; the error means that the Store failed or ctx
// ended.
func (f *Flow[Tx]) Sweep(ctx context.Context) (Swept, error) {
	var swept Swept
	for range sweepBatches {
		ids, err := f.store.Due(ctx, f.now(), sweepLease, sweepBatch)
		if err != nil {
			return swept, err
		}
		swept.Orders += len(ids)
		failed, err := f.sweepOrders(ctx, ids)
		swept.Failed += failed
		if err != nil {
			return swept, err
		}
		if len(ids) < sweepBatch {
			break
		}
	}
	return swept, f.store.SetCursor(ctx, sweptCursor, f.now().Format(time.RFC3339))
}

// Run sweeps now and every half minute until ctx ends, and returns ctx's error. A sweep that fails is logged.
func (f *Flow[Tx]) Run(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if _, err := f.Sweep(ctx); err != nil && ctx.Err() == nil {
			f.log.Error("sweep failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// sweepOrders does what is due of some orders: first what concerns stock and money, one after the other, and then the
// deliveries, some at a time, so that a slow callback keeps nothing else waiting.
func (f *Flow[Tx]) sweepOrders(ctx context.Context, ids []string) (failed int, err error) {
	errs := make([]error, len(ids))
	for i, id := range ids {
		errs[i] = f.sweepAttempts(ctx, id)
	}
	var deliveries sync.WaitGroup
	slots := make(chan struct{}, sweepDeliveries)
	for i, id := range ids {
		slots <- struct{}{}
		deliveries.Go(func() {
			defer func() { <-slots }()
			if err := f.deliver(ctx, id); !waiting(err) {
				errs[i] = errors.Join(errs[i], err)
			}
		})
	}
	deliveries.Wait()
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	for i, err := range errs {
		if err != nil {
			failed++
			f.log.Warn("order could not be swept", "order", ids[i], "error", err)
		}
	}
	return failed, nil
}

// sweepAttempts does what is due of the attempts of one order.
func (f *Flow[Tx]) sweepAttempts(ctx context.Context, id string) error {
	o, err := f.store.Find(ctx, id)
	if err != nil {
		return err
	}
	now := f.now()
	var failed error
	for i := range o.Attempts {
		a := &o.Attempts[i]
		switch {
		case a.Open() && a.SessionID == "":
			if !now.Before(a.CreatedAt.Add(unrecordedFor)) {
				failed = errors.Join(failed, f.abandon(ctx, id, a.N))
			}
		case (a.Open() || a.Processing()) && !a.CheckAt.After(now):
			failed = errors.Join(failed, f.check(ctx, o, a, now))
		}
	}
	return failed
}

// check ends a session that is to be paid no longer, and asks Stripe for any other.
func (f *Flow[Tx]) check(ctx context.Context, o *store.Order, a *store.Attempt, now time.Time) error {
	over := !a.PayBy.After(now) || o.Paid() || !o.CancelRequestedAt.IsZero()
	if a.Open() && over && a.ExpiresAt.After(now) {
		return f.end(ctx, o, a, "sweep")
	}
	return f.ask(ctx, o, a, "sweep")
}
