package checkout

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// MinPruneAge is the least age of an order that [Flow.Prune] deletes: longer than a session can be paid, and longer than Stripe
// keeps the events of one (30 days, https://docs.stripe.com/api/events/list).
const MinPruneAge = 45 * 24 * time.Hour

// prunedStatuses are those of orders without a payment that have no open session.
var prunedStatuses = []store.Status{store.Draft, store.Expired, store.Canceled}

// Prune deletes orders that never had a payment and that nothing can happen to anymore, if they were last changed at least age
// ago: drafts, and orders whose sessions all expired or were never handed out, also when they were canceled. It returns how
// many it deleted. An age below [MinPruneAge] is an error.
//
// All other orders are kept: those with a payment, also one that failed or was given back, because bookkeeping needs them;
// those that are open, stuck, hold stock, or wait for a callback. What Stripe keeps of the deleted orders stays there. If one
// of their sessions is paid nevertheless, it is recorded like that of a lost order: with a new order that is parked. The holds
// of deleted orders stay in the Reserver as the history of its stock, so an order that had one needs a new ID to be begun again:
// with the old one, Begin returns an error that matches reservation.ErrHoldExists.
//
// Each order is deleted in a transaction of its own. If before is not nil, it is called in that transaction, so that the
// merchant's own rows of the order can be deleted with it. An error of before keeps that order, and ends Prune.
//
// Prune is for a job that runs once a day or more rarely. A Prune whose context has no deadline gets one of ten minutes, and
// the next one goes on.
func (f *Flow[Tx]) Prune(ctx context.Context, age time.Duration, before func(ctx context.Context, tx Tx, o *store.Order) error) (pruned int, err error) {
	if age < MinPruneAge {
		return 0, fmt.Errorf("checkout: prune: an order of %s may still be paid: give an age of MinPruneAge (%s) or more", age, MinPruneAge)
	}
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	bound := f.now().Add(-age)
	query := store.Query{Status: prunedStatuses, CreatedTo: bound, Limit: store.MaxLimit}
	for {
		orders, err := f.store.List(ctx, query)
		if err != nil {
			return pruned, err
		}
		for _, o := range orders {
			if !prunable(o, bound) {
				continue
			}
			deleted, err := f.pruneOrder(ctx, o.ID, bound, before)
			if err != nil {
				return pruned, fmt.Errorf("checkout: prune order %s: %w", o.ID, err)
			}
			if deleted {
				pruned++
			}
		}
		if len(orders) < query.Limit {
			return pruned, nil
		}
		last := orders[len(orders)-1]
		query.After = store.Position{CreatedAt: last.CreatedAt, ID: last.ID}
	}
}

// pruneOrder deletes an order, if it is prunable under the lock, too.
func (f *Flow[Tx]) pruneOrder(ctx context.Context, id string, bound time.Time, before func(ctx context.Context, tx Tx, o *store.Order) error) (deleted bool, err error) {
	err = f.inTx(ctx, func(tx Tx) error {
		deleted = false
		orders, err := f.store.Lock(ctx, tx, id)
		if err != nil || orders[0] == nil || !prunable(orders[0], bound) {
			return err
		}
		if before != nil {
			if err := before(ctx, tx, orders[0].Clone()); err != nil {
				return err
			}
		}
		deleted = true
		return f.store.Delete(ctx, tx, orders[0])
	})
	return deleted && err == nil, err
}

// prunable reports whether an order was last changed before bound, never had a payment, and has nothing left to do.
func prunable(o *store.Order, bound time.Time) bool {
	if !slices.Contains(prunedStatuses, o.Status()) || !o.UpdatedAt.Before(bound) || !o.DueAt.IsZero() || o.Stuck() || len(o.Refunds) > 0 || len(o.Disputes) > 0 {
		return false
	}
	for i := range o.Attempts {
		a := &o.Attempts[i]
		if a.Completed || a.Paid || a.Failed || a.Hold.State == store.Held || a.Increase.State == store.Held {
			return false
		}
	}
	for _, n := range o.Notices {
		if n.DeliveredAt.IsZero() {
			return false
		}
	}
	return true
}
