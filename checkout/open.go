package checkout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gofulfil/fulfil/internal/combiner"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
)

const (
	// batchSize is how many callers one transaction serves at most. Larger batches are hardly faster.
	batchSize = 64
	// batchQueue is how many callers wait for a transaction at most. The others wait outside.
	batchQueue = 1024
	// batchPatience is how long a transaction for several callers may take. A row that somebody has locked holds the whole batch up
	// for that long. Then each caller runs alone, and only those that need the row go on waiting for it.
	batchPatience = 500 * time.Millisecond
)

// opening is what open asks for. A batch may still work on it when its caller has gone, so that fresh shares nothing with the
// caller, and a batch does not use cart.
type opening struct {
	cart *cart
	// fresh is the order as it is stored if there is none of its ID: complete, with an attempt whose stock is held. It is
	// written once.
	fresh *store.Order
}

// opened is the answer to an opening.
type opened struct {
	order   *store.Order
	attempt *store.Attempt
	// existed says that nothing was done, as there is an order of this ID: the caller goes on alone.
	existed bool
}

// open is step one of Begin, one transaction: it finds the attempt that can be handed out again, or stores a new one with
// its exact parameters and holds its stock. Callers that wait at the same time share a transaction.
func (f *Flow[Tx]) open(ctx context.Context, c *cart) (_ *store.Order, _ *store.Attempt, err error) {
	ctx, ended := f.observe.begin(ctx, Operation{Kind: OperationHold, OrderID: c.OrderID})
	defer func() { ended(Outcome{Err: err}) }()
	if err := f.lookForListeners(ctx); err != nil {
		return nil, nil, err
	}
	req := opening{cart: c, fresh: c.fresh(f.now())}
	var answer opened
	err = surely(ctx, func() (err error) {
		if answer, err = f.opening.Do(ctx, req); err == nil && answer.existed {
			answer, err = f.openAlone(ctx, req)
		}
		return err
	})
	return answer.order, answer.attempt, err
}

// openBatch opens the orders of callers that waited together.
func (f *Flow[Tx]) openBatch(ctx context.Context, reqs []opening) ([]combiner.Answer[opened], error) {
	answers := make([]combiner.Answer[opened], len(reqs))
	if len(reqs) == 1 {
		answers[0].Value, answers[0].Err = f.openAlone(ctx, reqs[0])
		f.shortages.learn(answers[0].Err)
		return answers, nil
	}
	// What they want may have been sold out while they waited.
	demands := make([]demand, len(reqs))
	for i, req := range reqs {
		demands[i] = demand{req.fresh.ID, stockLines(req.fresh.Lines)}
	}
	refusals, err := f.refuseTogether(ctx, demands)
	if err != nil {
		return nil, err
	}
	var left []opening
	var at []int // where the request of each was
	for i, req := range reqs {
		answers[i].Err = refusals[i].Value
		if answers[i].Err == nil {
			left, at = append(left, req), append(at, i)
		}
	}
	if len(left) == 0 {
		return answers, nil
	}
	done := make([]combiner.Answer[opened], len(left))
	if err := f.inTx(ctx, func(tx Tx) error { return f.openTogether(ctx, tx, left, done) }); err != nil {
		return nil, err
	}
	for n, i := range at {
		answers[i] = done[n]
		f.shortages.learn(done[n].Err)
	}
	return answers, nil
}

// openTogether is open for new orders. An order whose stock is refused is deleted again, as the transaction goes on for the
// others. It leaves orders that exist to their callers: they may be locked, and need more than an insert.
func (f *Flow[Tx]) openTogether(ctx context.Context, tx Tx, reqs []opening, answers []combiner.Answer[opened]) error {
	orders := make([]*store.Order, len(reqs))
	for i, req := range reqs {
		orders[i] = req.fresh
	}
	inserted, err := f.store.Insert(ctx, tx, orders...)
	if err != nil {
		return err
	}
	var holds []reservation.Hold
	var holders []int // the request of each hold
	for i, o := range orders {
		answers[i] = combiner.Answer[opened]{Value: opened{order: o, attempt: o.OpenAttempt(), existed: !inserted[i]}}
		if wanted := stockLines(o.Lines); inserted[i] && len(wanted) > 0 {
			holds, holders = append(holds, reservation.Hold{ID: o.OpenAttempt().Hold.ID, Lines: wanted}), append(holders, i)
		}
	}
	if len(holds) == 0 {
		return nil
	}
	refusals, err := f.reserver.Hold(ctx, tx, holds...)
	if err != nil {
		return err
	}
	var refused []*store.Order
	for n, i := range holders {
		if refusals[n] != nil {
			answers[i] = combiner.Answer[opened]{Err: refusals[n]}
			refused = append(refused, orders[i])
		}
	}
	if len(refused) == 0 {
		return nil
	}
	return f.store.Delete(ctx, tx, refused...)
}

// openAlone is open for one caller.
func (f *Flow[Tx]) openAlone(ctx context.Context, req opening) (answer opened, err error) {
	err = f.inTx(ctx, func(tx Tx) error {
		var inserted bool
		var err error
		if inserted, err = f.openNew(ctx, tx, req.fresh); err != nil || inserted {
			answer = opened{order: req.fresh, attempt: req.fresh.OpenAttempt()}
			return err
		}
		o, err := f.lock(ctx, tx, req.fresh.ID)
		if err != nil {
			return err
		}
		if a := o.OpenAttempt(); a != nil && a.Mark == req.fresh.OpenAttempt().Mark {
			answer = opened{order: o, attempt: a} // an earlier try was committed, and its answer was lost
			return nil
		}
		a, err := f.openAgain(ctx, tx, o, req.cart, f.now())
		answer = opened{order: o, attempt: a}
		return err
	})
	return answer, err
}

// fresh is a new order for the cart, as it is stored if its stock can be held.
func (c *cart) fresh(now time.Time) *store.Order {
	o := c.order(now)
	a := c.attempt(o, now)
	if a.Hold.ID != "" {
		a.Hold.State = store.Held
	}
	o.Attempts = append(o.Attempts, a)
	tidy(o, now)
	return o.Clone()
}

// openNew inserts a new order and holds its stock, unless there is an order of its ID. A refusal of the stock is an error, which
// rolls the transaction back.
func (f *Flow[Tx]) openNew(ctx context.Context, tx Tx, fresh *store.Order) (inserted bool, err error) {
	answers, err := f.store.Insert(ctx, tx, fresh)
	wanted := stockLines(fresh.Lines)
	if err != nil || !answers[0] || len(wanted) == 0 {
		return err == nil && answers[0], err
	}
	refusal, err := f.holdStock(ctx, tx, &fresh.OpenAttempt().Hold, wanted)
	if err == nil {
		err = refusal
	}
	return true, err
}

// openAgain is open for an order that was there, and is locked.
func (f *Flow[Tx]) openAgain(ctx context.Context, tx Tx, o *store.Order, c *cart, now time.Time) (*store.Attempt, error) {
	if err := beginnable(o); err != nil {
		return nil, err
	}
	if len(o.Attempts) > 0 && (o.Mode != string(c.mode()) || o.Account != c.Connect.Account) {
		return nil, fmt.Errorf("checkout: order %s was begun in another mode or on another account", o.ID)
	}
	before := o.Status()
	closed := closeUnrecorded(o, now)
	a := o.OpenAttempt()
	switch {
	case a == nil || !reusable(o, a, c, now):
		if err := f.releaseClosed(ctx, tx, o, now); err != nil {
			return nil, err
		}
		var err error
		if a, err = f.newAttempt(ctx, tx, o, c, a, now); err != nil {
			return nil, err
		}
	case !closed:
		return a, nil
	}
	n := a.N
	if err := f.carryOut(ctx, tx, &recorded{order: o, before: before, now: now, cause: "begin"}); err != nil {
		return nil, err
	}
	return o.Attempt(n), nil
}

// releaseClosed gives the stock of closed attempts back, as the new cart may need it.
func (f *Flow[Tx]) releaseClosed(ctx context.Context, tx Tx, o *store.Order, now time.Time) error {
	for _, step := range stockSteps(o) {
		if step.Action != ReleaseStock {
			continue
		}
		if _, err := f.moveStock(ctx, tx, o, step, now); err != nil {
			return err
		}
	}
	return nil
}

// reusable reports whether the session of an open attempt can be handed out for the cart. A session that some Begin began
// to replace may have been ended already, and the answer lost.
func reusable(o *store.Order, a *store.Attempt, c *cart, now time.Time) bool {
	margin := min(reuseMargin, a.PayBy.Sub(a.CreatedAt)/2)
	return a.Fingerprint == c.fingerprint && a.URL+a.ClientSecret != "" && a.PayBy.After(now.Add(margin)) && !replaced(o, a)
}

// replaced reports whether a later attempt was to replace a.
func replaced(o *store.Order, a *store.Attempt) bool {
	for _, later := range o.Attempts[a.N:] {
		if later.Replaces == a.N {
			return true
		}
	}
	return false
}

// beginnable says why the order can't be begun anymore; nil: it can.
func beginnable(o *store.Order) error {
	if err := cancelable(o); err != nil || o.CancelRequestedAt.IsZero() {
		return err
	}
	return fmt.Errorf("%w: %s", ErrCanceled, o.ID)
}

// newAttempt appends the next attempt and holds its stock: all of it, or what is more than an open attempt holds that it
// replaces.
func (f *Flow[Tx]) newAttempt(ctx context.Context, tx Tx, o *store.Order, c *cart, old *store.Attempt, now time.Time) (*store.Attempt, error) {
	a := c.attempt(o, now)
	if old != nil {
		a.Replaces = old.N
	}
	if wanted := stockLines(c.lines); len(wanted) > 0 {
		if err := f.holdAttempt(ctx, tx, &a, old, wanted); err != nil {
			return nil, err
		}
	}
	c.describe(o)
	o.Attempts = append(o.Attempts, a)
	return o.Attempt(a.N), nil
}

// holdAttempt holds the stock of a new attempt. The error is the refusal of the Reserver, or its failure.
func (f *Flow[Tx]) holdAttempt(ctx context.Context, tx Tx, a, old *store.Attempt, wanted []reservation.Line) error {
	if old == nil {
		refusal, err := f.holdStock(ctx, tx, &a.Hold, wanted)
		if err != nil {
			return err
		}
		return refusal
	}
	var held []reservation.Line
	if old.Hold.State == store.Held {
		held = stockLines(old.Lines)
	}
	more := increase(wanted, held)
	if len(more) == 0 {
		return nil
	}
	a.Increase.ID = a.Hold.ID + "+"
	refusal, err := f.holdStock(ctx, tx, &a.Increase, more)
	if err != nil {
		return err
	}
	var short *reservation.ShortageError
	if errors.As(refusal, &short) {
		addHeld(short, held)
	}
	return refusal
}

// addHeld turns a shortage of the increase into one of the whole cart: what its owner holds already counts as available.
func addHeld(short *reservation.ShortageError, held []reservation.Line) {
	for i := range short.Lines {
		for _, l := range held {
			if l.SKU == short.Lines[i].SKU {
				short.Lines[i].Wanted += l.Quantity
				short.Lines[i].Available += l.Quantity
			}
		}
	}
}

// logSplit logs that a transaction for several callers failed. Each of them runs alone then.
func (f *Flow[Tx]) logSplit(doing string) func(callers int, err error) {
	return func(callers int, err error) {
		f.log.Warn("a transaction for several callers failed; each runs alone", "doing", doing, "callers", callers, "error", err)
	}
}
