package checkout

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/reservation"
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
// of their sessions is paid nevertheless, it is recorded like that of a lost order: with a new order that is parked. If the
// Reserver is a reservation.Forgetter, it forgets the holds of the deleted orders, and an ID can be begun again. Otherwise Begin
// with the ID of a deleted order that had a hold returns an error that matches reservation.ErrHoldExists.
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

// pruneOrder deletes an order, if it is prunable under the lock, too. The order is locked again behind the callback, as that may have
// ended the transaction: then nothing is deleted.
func (f *Flow[Tx]) pruneOrder(ctx context.Context, id string, bound time.Time, before func(ctx context.Context, tx Tx, o *store.Order) error) (deleted bool, err error) {
	lock := func(tx Tx) (o *store.Order, err error) {
		orders, err := f.store.Lock(ctx, tx, id)
		if err != nil || orders[0] == nil || !prunable(orders[0], bound) {
			return nil, err
		}
		return orders[0], nil
	}
	err = f.inCallbackTx(ctx, func(tx Tx) error {
		if before == nil {
			return nil
		}
		o, err := lock(tx)
		if err != nil || o == nil {
			return err
		}
		return before(ctx, tx, o)
	}, func(tx Tx) error {
		o, err := lock(tx)
		deleted = o != nil
		if err != nil || o == nil {
			return err
		}
		if err := f.forgetHolds(ctx, tx, o); err != nil {
			return err
		}
		return f.store.Delete(ctx, tx, o)
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

const (
	// prunedCursor is when all that is old was pruned last, as Unix seconds.
	prunedCursor = "pruned"
	pruneEvery   = 24 * time.Hour
	// claimsKept is how long claims are kept. An event can be sent again up to 30 days after it was created
	// (https://docs.stripe.com/cli/events/resend), and is tried again for up to three days after that
	// (https://docs.stripe.com/webhooks#automatic-retries). The rest is to spare.
	claimsKept = 45 * 24 * time.Hour
	// pruneBatch claims, or the holds of as many orders, are pruned at a time, in at most pruneBatches per sweep: a batch takes
	// milliseconds.
	pruneBatch   = 1000
	pruneBatches = 10

	// holdsKept is the age from which on an order has its ended holds forgotten. The order says itself how each of its holds
	// ended, and was saved in the same transaction, so the Flow asks for none of them again. The time is for people.
	holdsKept = 45 * 24 * time.Hour
	// forgottenCursor is the latest order whose ended holds were forgotten: its time of creation in Unix microseconds, a slash
	// and its ID.
	forgottenCursor = "forgotten_holds"
)

// pruneDaily prunes once a day what is not needed anymore. It does so in bounded steps: if there is more, the next sweep goes on.
func (f *Flow[Tx]) pruneDaily(ctx context.Context) error {
	now := f.now()
	last, err := f.cursorTime(ctx, prunedCursor, time.Time{})
	if err != nil || now.Sub(last) < pruneEvery {
		return err
	}
	noClaims, err := f.pruneClaims(ctx, now)
	if err != nil {
		return err
	}
	noHolds, err := f.pruneHolds(ctx, now)
	if err != nil || !noClaims || !noHolds {
		return err
	}
	return f.setCursorTime(ctx, prunedCursor, now)
}

// pruneClaims frees claims of events that cannot come again, and reports whether there are no more. The Flow itself claims
// nothing, as its orders hold what it heard. Claims are those of webhook.Once, which has no other guard.
func (f *Flow[Tx]) pruneClaims(ctx context.Context, now time.Time) (done bool, err error) {
	for range pruneBatches {
		pruned, err := f.store.Prune(ctx, now.Add(-claimsKept), pruneBatch)
		if err != nil {
			return false, err
		}
		if pruned < pruneBatch {
			return true, nil
		}
	}
	return false, nil
}

// pruneHolds has the ended holds of old orders forgotten, and reports whether there are no more. It passes each order once, by
// time of creation. What is held or ends after that is forgotten as soon as it ends: see advance.
func (f *Flow[Tx]) pruneHolds(ctx context.Context, now time.Time) (done bool, err error) {
	if _, ok := f.reserver.(reservation.Forgetter[Tx]); !ok {
		return true, nil
	}
	query := store.Query{CreatedTo: now.Add(-holdsKept), Limit: pruneBatch}
	query.After, err = f.forgottenUntil(ctx)
	if err != nil {
		return false, err
	}
	for range pruneBatches {
		orders, err := f.store.List(ctx, query)
		if err != nil {
			return false, err
		}
		if len(orders) > 0 {
			err := f.inTx(ctx, func(tx Tx) error { return f.forgetHolds(ctx, tx, orders...) })
			if err != nil {
				return false, err
			}
			last := orders[len(orders)-1]
			query.After = store.Position{CreatedAt: last.CreatedAt, ID: last.ID}
			position := fmt.Sprintf("%d/%s", last.CreatedAt.UnixMicro(), last.ID)
			if err := f.store.SetCursor(ctx, forgottenCursor, position); err != nil {
				return false, err
			}
		}
		if len(orders) < pruneBatch {
			return true, nil
		}
	}
	return false, nil
}

// forgottenUntil reads forgottenCursor.
func (f *Flow[Tx]) forgottenUntil(ctx context.Context) (store.Position, error) {
	value, err := f.store.Cursor(ctx, forgottenCursor)
	if err != nil || value == "" {
		return store.Position{}, err
	}
	created, id, _ := strings.Cut(value, "/")
	micros, err := strconv.ParseInt(created, 10, 64)
	if err != nil {
		return store.Position{}, nil // written by no version that is known
	}
	return store.Position{CreatedAt: time.UnixMicro(micros).UTC(), ID: id}, nil
}

// forgetHolds has the Reserver forget the holds of orders that have ended, if it can. Holds that an order calls held stay, also if
// somebody ended them by hand: the Flow still asks for them.
func (f *Flow[Tx]) forgetHolds(ctx context.Context, tx Tx, orders ...*store.Order) error {
	forgetter, ok := f.reserver.(reservation.Forgetter[Tx])
	if !ok {
		return nil
	}
	var ids []string
	for _, o := range orders {
		for i := range o.Attempts {
			a := &o.Attempts[i]
			for _, h := range []store.Hold{a.Hold, a.Increase} {
				if h.ID == "" || h.State == store.Held {
					continue
				}
				ids = append(ids, h.ID)
				// The stock of a late payment took the place of a hold that had ended: see sellLate.
				for id, late := strings.CutSuffix(h.ID, lateSuffix); late; id, late = strings.CutSuffix(id, lateSuffix) {
					ids = append(ids, id)
				}
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return forgetter.Forget(ctx, tx, ids...)
}
