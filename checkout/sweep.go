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
	// forgottenAfter its end a session that Stripe does not know counts as expired.
	forgottenAfter = 24 * time.Hour
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
// again. It reads the events that Stripe could not deliver, as far back as Stripe keeps them, and once an hour the refunds
// and disputes that can still change. Once a day it frees keys that were claimed in the Store 45 days ago or earlier, as by
// [webhook.Once], whose events Stripe can no longer send. It makes no more requests than Config.SweepBudget says, and
// leaves the rest. Any number of processes may sweep at once; each order is swept by one.
//
// An order that fails does not stop the others and is no error of the sweep; the error means that the Store failed or ctx
// ended. Sweep returns when the callbacks that it called have returned.
func (f *Flow[Tx]) Sweep(ctx context.Context) (Swept, error) {
	orders, err := f.sweepStock(ctx)
	slots := make(chan struct{}, sweepDeliveries)
	var deliveries sync.WaitGroup
	for i := range orders {
		slots <- struct{}{}
		deliveries.Go(func() {
			defer func() { <-slots }()
			if !f.sweepDelivery(ctx, orders[i].id) {
				orders[i].failed = true
			}
		})
	}
	deliveries.Wait()
	swept := Swept{Orders: len(orders)}
	for _, o := range orders {
		if o.failed {
			swept.Failed++
		}
	}
	return swept, err
}

// Run sweeps now and every half minute until ctx ends, and returns ctx's error when the callbacks that it called have
// returned. A sweep that fails is logged. A callback that takes its time keeps only other callbacks waiting, and those only
// if there are eight of its kind.
func (f *Flow[Tx]) Run(ctx context.Context) error {
	slots := make(chan struct{}, sweepDeliveries)
	var deliveries sync.WaitGroup
	defer deliveries.Wait()
	defer f.endOnce.Do(func() { close(f.ended) })
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		orders, err := f.sweepStock(ctx)
		if err != nil && ctx.Err() == nil {
			f.log.Error("sweep failed", "error", err)
		}
		for next := false; !next; {
			// Orders that find no slot before the next sweep are due again when their lease ends.
			var slot chan<- struct{}
			if len(orders) > 0 {
				slot = slots
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-ticker.C:
				next = true
			case slot <- struct{}{}:
				id := orders[0].id
				orders = orders[1:]
				deliveries.Go(func() {
					defer func() { <-slots }()
					f.sweepDelivery(ctx, id)
				})
			}
		}
	}
}

// sweptOrder is an order that was due.
type sweptOrder struct {
	id     string
	failed bool
}

// sweepStock finds what webhooks missed, takes what is due, and does what concerns stock and money, one order after the
// other. What is to be delivered of them is left to the caller.
func (f *Flow[Tx]) sweepStock(ctx context.Context) ([]sweptOrder, error) {
	b := &budget{left: f.sweepBudget}
	missed, err := f.sweepMissed(ctx, b)
	orders := make([]sweptOrder, 0, len(missed))
	for _, id := range missed {
		orders = append(orders, sweptOrder{id: id})
	}
	if err != nil {
		return orders, err
	}
	for range sweepBatches {
		ids, err := f.store.Due(ctx, f.now(), sweepLease, sweepBatch)
		if err != nil {
			return orders, err
		}
		for _, id := range ids {
			err := f.sweepAttempts(ctx, id, b)
			if ctx.Err() != nil {
				return orders, ctx.Err()
			}
			if err != nil {
				f.log.Warn("order could not be swept", "order", id, "error", err)
			}
			orders = append(orders, sweptOrder{id: id, failed: err != nil})
		}
		if len(ids) < sweepBatch {
			break
		}
	}
	if err := f.store.SetCursor(ctx, sweptCursor, f.now().Format(time.RFC3339)); err != nil {
		return orders, err
	}
	return orders, f.pruneClaims(ctx)
}

// sweepDelivery delivers what waits to be told of an order. It reports whether that succeeded, or is left to others.
func (f *Flow[Tx]) sweepDelivery(ctx context.Context, id string) bool {
	err := f.deliver(ctx, id)
	if err == nil || waiting(err) {
		return true
	}
	f.log.Warn("order could not be delivered", "order", id, "error", err)
	return false
}

// sweepAttempts does what is due of the attempts of one order.
func (f *Flow[Tx]) sweepAttempts(ctx context.Context, id string, b *budget) error {
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
				failed = errors.Join(failed, f.abandon(ctx, id, a.N, "sweep"))
			}
		case !a.Open() && !a.Processing() && !a.RefundWanted || a.CheckAt.After(now):
		case !b.take():
			return failed // the rest is due again when its lease ends
		case !a.RefundWanted:
			if err := f.check(ctx, o, a, now); err != nil {
				failed = errors.Join(failed, err, f.checkLater(ctx, id, a.N))
			}
		default:
			if err := f.refundAttempt(ctx, o, a); err != nil {
				failed = errors.Join(failed, err, f.checkLater(ctx, id, a.N))
			}
		}
	}
	return failed
}

// check ends a session that is to be paid no longer, and asks Stripe for any other.
func (f *Flow[Tx]) check(ctx context.Context, o *store.Order, a *store.Attempt, now time.Time) error {
	if a.Open() && a.ExpiresAt.After(now) && (unwanted(o) || !a.PayBy.After(now)) {
		return f.end(ctx, o, a, "sweep")
	}
	err := f.ask(ctx, o, a, "sweep")
	if a.Open() && missing(err) && now.After(a.ExpiresAt.Add(forgottenAfter)) {
		// Whoever deleted it, nobody can pay it anymore.
		f.log.Error("stripe does not know a session", "order", o.ID, "session", a.SessionID)
		return f.settle(ctx, o.ID, news{facts: sessionFacts{ID: a.SessionID}, cause: "sweep", expired: true})
	}
	return err
}

// checkLater has Stripe asked for an attempt's session again after a pause that grows with its age.
func (f *Flow[Tx]) checkLater(ctx context.Context, id string, n int) error {
	return f.change(ctx, id, func(_ Tx, o *store.Order, now time.Time) (bool, error) {
		a := o.Attempt(n)
		if a == nil || !a.Open() && !a.Processing() && !a.RefundWanted {
			return false, nil
		}
		a.CheckAt = now.Add(growing(now.Sub(a.PayBy), sweepLease, time.Hour))
		return true, nil
	})
}

const (
	// prunedCursor is when all old claims were pruned last, as Unix seconds.
	prunedCursor = "pruned"
	pruneEvery   = 24 * time.Hour
	// claimsKept is how long claims are kept. An event can be sent again up to 30 days after it was created
	// (https://docs.stripe.com/cli/events/resend), and what is sent is tried again for up to three
	// (https://docs.stripe.com/webhooks#automatic-retries); the rest is to spare.
	claimsKept = 45 * 24 * time.Hour
	// pruneBatch claims are pruned at a time, in at most pruneBatches per sweep: a batch takes milliseconds.
	pruneBatch   = 1000
	pruneBatches = 10
)

// pruneClaims frees claims of events that cannot come again, once a day. The Flow itself claims nothing: what it has heard
// is in its orders, for as long as they are kept. Claims are those of webhook.Once, which has no other guard.
func (f *Flow[Tx]) pruneClaims(ctx context.Context) error {
	now := f.now()
	last, err := f.cursorTime(ctx, prunedCursor, time.Time{})
	if err != nil || now.Sub(last) < pruneEvery {
		return err
	}
	for range pruneBatches {
		pruned, err := f.store.Prune(ctx, now.Add(-claimsKept), pruneBatch)
		if err != nil {
			return err
		}
		if pruned < pruneBatch {
			return f.setCursorTime(ctx, prunedCursor, now)
		}
	}
	return nil // the next sweep goes on
}
