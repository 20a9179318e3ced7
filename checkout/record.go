package checkout

import (
	"context"
	"fmt"
	"time"

	"github.com/gofulfil/fulfil/internal/combiner"
	"github.com/gofulfil/fulfil/store"
)

// recording is what a caller records about one order.
type recording[Tx any] struct {
	id string
	// cause is the ID of the event that brought the facts, or what is being done.
	cause string
	// facts records facts in the locked order, and reports whether the order changed. It may run more than once, and does nothing
	// else.
	facts func(o *store.Order, now time.Time) (changed bool, err error)
	// lease, if set, takes leases on lanes of the order, when what follows from the facts is in its outbox.
	lease func(o *store.Order, now time.Time)
}

// record runs fn on a locked order. If fn changed the order, record carries out what [next] says can be done under the lock,
// puts what the merchant's callbacks receive into the outbox, and saves the order. fn may run more than once.
func (f *Flow[Tx]) record(ctx context.Context, id, cause string, fn func(o *store.Order, now time.Time) (changed bool, err error)) error {
	return f.recordFacts(ctx, &recording[Tx]{id: id, cause: cause, facts: fn})
}

// recordFacts carries a recording out. Callers that wait at the same time share a transaction. If a caller's context ends while the
// transaction runs, the caller stays for its end, as facts and lease may use what belongs to the caller.
func (f *Flow[Tx]) recordFacts(ctx context.Context, r *recording[Tx]) error {
	if err := f.lookForListeners(ctx); err != nil {
		return err
	}
	_, err := f.recording.Do(ctx, r)
	return err
}

// recordTogether records facts about several orders in one transaction: no two recordings are about the same order. An order that
// does not exist, or whose facts can't be recorded, is its caller's error, and the others are recorded.
func (f *Flow[Tx]) recordTogether(ctx context.Context, recordings []*recording[Tx]) (answers []combiner.Answer[struct{}], err error) {
	ids := make([]string, len(recordings))
	for i, r := range recordings {
		ids[i] = r.id
	}
	err = f.inTx(ctx, func(tx Tx) error {
		answers = make([]combiner.Answer[struct{}], len(recordings))
		orders, err := f.store.Lock(ctx, tx, ids...)
		if err != nil {
			return err
		}
		var changed []*recorded
		for i, r := range recordings {
			if orders[i] == nil {
				answers[i].Err = fmt.Errorf("%w: %s", ErrNotFound, r.id)
				continue
			}
			facts := &recorded{order: orders[i], before: orders[i].Status(), now: f.now(), cause: r.cause, lease: r.lease}
			did, err := r.facts(facts.order, facts.now)
			answers[i].Err = err
			if did && err == nil {
				changed = append(changed, facts)
			}
		}
		return f.carryOut(ctx, tx, changed...)
	})
	return answers, err
}

// recordTx is record for a fn that also moves stock, in the transaction in which the order is locked. Nobody shares it, as an error
// of fn rolls it back.
func (f *Flow[Tx]) recordTx(ctx context.Context, id, cause string, fn func(tx Tx, o *store.Order, now time.Time) (changed bool, err error)) error {
	if err := f.lookForListeners(ctx); err != nil {
		return err
	}
	return f.inTx(ctx, func(tx Tx) error {
		o, err := f.lock(ctx, tx, id)
		if err != nil {
			return err
		}
		now, before := f.now(), o.Status()
		changed, err := fn(tx, o, now)
		if err != nil || !changed {
			return err
		}
		return f.carryOut(ctx, tx, &recorded{order: o, before: before, now: now, cause: cause})
	})
}

// recorder records an answer of Stripe's on a locked order, and reports whether the order changed.
type recorder func(o *store.Order, now time.Time) (changed bool, err error)

// answerTries is how often Stripe is asked about an object while other answers about it are recorded at the same time.
const answerTries = 5

// recordNewest records Stripe's newest answer about an object that an order keeps facts of, such as a refund. answers is how
// many answers about the object were recorded. ask asks Stripe and returns what records the answer; nil: there is nothing to
// record. Between the look at the order and the lock another answer may have been recorded, and may be newer: then ask is
// called again.
func (f *Flow[Tx]) recordNewest(ctx context.Context, id, object, cause string, answers func(o *store.Order) int, ask func(o *store.Order) (recorder, error)) error {
	for range answerTries {
		o, err := f.store.Find(ctx, id)
		if err != nil {
			return err
		}
		before := answers(o)
		set, err := ask(o)
		if set == nil || err != nil {
			return err
		}
		newest := true
		err = f.record(ctx, id, cause, func(o *store.Order, now time.Time) (bool, error) {
			if newest = answers(o) == before; !newest {
				return false, nil
			}
			return set(o, now)
		})
		if err != nil || newest {
			return err
		}
	}
	return fmt.Errorf("checkout: %s changes too fast to be recorded", object)
}

// lock returns the locked order, or an error that matches [ErrNotFound].
func (f *Flow[Tx]) lock(ctx context.Context, tx Tx, id string) (*store.Order, error) {
	orders, err := f.store.Lock(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if orders[0] == nil {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	return orders[0], nil
}

// recorded is a locked order in which facts were recorded.
type recorded struct {
	order  *store.Order
	before store.Status // before the facts
	now    time.Time    // when they were recorded
	cause  string
	lease  func(o *store.Order, now time.Time) // may be nil
}

// carryOut does what follows from the facts of locked orders, and saves the orders: see advance.
func (f *Flow[Tx]) carryOut(ctx context.Context, tx Tx, all ...*recorded) error {
	if len(all) == 0 {
		return nil
	}
	ended, err := f.endHolds(ctx, tx, all)
	if err != nil {
		return err
	}
	orders := make([]*store.Order, len(all))
	for i, r := range all {
		if err := f.advance(ctx, tx, r, ended[r.order]); err != nil {
			return err
		}
		if r.lease != nil {
			r.lease(r.order, r.now)
		}
		tidy(r.order, r.now)
		orders[i] = r.order
	}
	return f.store.Save(ctx, tx, orders...)
}

// advance does the steps that are due and need neither Stripe nor the merchant: it closes attempts and moves stock. Then it
// fills the outbox. moved says that stock of the order was moved already.
func (f *Flow[Tx]) advance(ctx context.Context, tx Tx, r *recorded, moved bool) error {
	o, now := r.order, r.now
	tried := map[Step]bool{} // no step is done twice here, so that a step after which the facts stay the same ends, too
	for more := true; more; {
		more = false
		for _, step := range next(o, now) {
			if tried[step] {
				continue
			}
			done, err := f.moveStock(ctx, tx, o, step, now)
			if err != nil {
				return err
			}
			if done {
				more, moved, tried[step] = true, true, true
				break // the other steps may be different now
			}
		}
	}
	if moved && now.Sub(o.CreatedAt) >= holdsKept { // pruneHolds may have passed the order already
		if err := f.forgetHolds(ctx, tx, o); err != nil {
			return err
		}
	}
	park(o)
	f.enqueueNotices(o, r.before, now, r.cause)
	return nil
}
