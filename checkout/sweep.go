package checkout

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/gofulfil/fulfil/store"
)

const (
	// sweepLease is how long an order is left to the sweep that took it. If the sweep did not deal with it by then, the order
	// is due again. Processes whose clocks differ by two minutes still respect it.
	sweepLease = 5 * time.Minute
	// sweepBatch orders are taken at a time, in at most sweepBatches per sweep.
	sweepBatch   = 50
	sweepBatches = 100
	// sweepOrderTimeout is how long a sweep works on one order at most, so that an order that is locked elsewhere, or a Stripe
	// that does not answer, keeps no other order waiting for long.
	sweepOrderTimeout = 30 * time.Second
	// sweepTimeout is how long one sweep takes at most.
	sweepTimeout = 10 * time.Minute
	// sweepDeliveries is how many callbacks a sweep runs side by side.
	sweepDeliveries = 8
	// forgottenAfter its end a session that Stripe does not know counts as expired, and one that Stripe does not show as gone.
	forgottenAfter = 24 * time.Hour
	// sweepEvery is the pause between two sweeps of Run.
	sweepEvery = 30 * time.Second
)

var errDeliversElsewhere = errors.New("checkout: this Flow can't sweep, as Config.DeliverElsewhere is set: let a process of the shop sweep")

// Swept is what a sweep did.
type Swept struct {
	// Orders is the number of orders that were due, or that a missed event was about.
	Orders int
	// Failed is the number of those that could not be dealt with. They are logged and due again later.
	Failed int
}

// Sweep does what is due, in one bounded pass: it ends sessions whose time to pay is over and gives their stock back, asks
// Stripe for those whose end it should have heard of, closes attempts that never got a session, and tries failed deliveries
// again. Then it looks for what webhooks missed: it dispatches the events that Stripe could not deliver, of every type that
// the Handler of [Flow.Handle] has handlers for, as far back as Stripe keeps them; once an hour it lists the refunds and
// disputes that can still change. If the shop received no snapshot event for an hour, it reads all events of sessions for itself, as
// Stripe does not list thin events that were not received.
//
// Once a day a sweep frees keys that were claimed in the Store 45 days ago or earlier, as by [webhook.Once], whose events Stripe can
// no longer send. If the Reserver is a reservation.Forgetter, it then forgets the ended holds of orders that are 45 days old. Of
// either a sweep prunes 10,000 at most, and the next goes on.
//
// A sweep makes no more requests than Config.SweepBudget says, and leaves the rest to the next. Orders that are due come
// before the search for missed events. Any number of processes may sweep at once; each order is swept by one.
//
// An order, an event or an account that fails does not stop the others and is no error of the sweep: it is logged and tried
// again on its own. The error means that the Store failed, that ctx ended, that the key is of another account
// ([ErrWrongAccount]), or that this machine's clock is more than an hour ahead of Stripe's. Sweep returns when the callbacks that
// it called have returned.
//
// A Sweep whose context has no deadline gets one of ten minutes.
func (f *Flow[Tx]) Sweep(ctx context.Context) (Swept, error) {
	p := f.newPass(ctx)
	limited, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	err := f.sweep(limited, p)
	p.running.Wait()
	return p.swept(), err
}

// Run sweeps now and every half minute until ctx ends, and returns ctx's error when the callbacks that it called have
// returned. A sweep that fails is logged. A callback that takes its time keeps only other callbacks waiting, and those only
// if eight of them run.
func (f *Flow[Tx]) Run(ctx context.Context) error {
	if f.deliverElsewhere {
		return errDeliversElsewhere
	}
	p := f.newPass(ctx)
	defer p.running.Wait()
	defer f.endOnce.Do(func() { close(f.ended) })
	if f.hook.Load() == nil {
		f.log.Warn("this process receives no webhooks: call Flow.Handle before Flow.Run, unless another process does")
	}
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		p.reset()
		limited, cancel := context.WithTimeout(ctx, sweepTimeout)
		err := f.sweep(limited, p)
		cancel()
		if err != nil && ctx.Err() == nil {
			f.log.Error("sweep failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// pass is the state of one sweep, or of the sweeps of Run one after the other: the orders that it came across, and the
// callbacks that run.
type pass struct {
	deliver func(id string) (ok bool)
	running sync.WaitGroup

	mu      sync.Mutex
	orders  map[string]bool // whether the order failed
	waiting []string
	active  int
}

func (f *Flow[Tx]) newPass(ctx context.Context) *pass {
	ctx = context.WithValue(ctx, unverifiedKey{}, true)
	return &pass{orders: map[string]bool{}, deliver: func(id string) bool { return f.sweepDelivery(ctx, id) }}
}

// reset begins another sweep. Orders that found no slot are due again when their lease ends.
func (p *pass) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.orders, p.waiting = map[string]bool{}, nil
}

// add counts an order, and delivers it as soon as a slot is free.
func (p *pass) add(id string, failed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.orders[id] = p.orders[id] || failed
	if !slices.Contains(p.waiting, id) {
		p.waiting = append(p.waiting, id)
	}
	p.start()
}

// start begins deliveries while there are slots. p.mu is held.
func (p *pass) start() {
	for len(p.waiting) > 0 && p.active < sweepDeliveries {
		id := p.waiting[0]
		p.waiting = p.waiting[1:]
		p.active++
		p.running.Go(func() {
			ok := false
			defer func() { // also if the callback ends the goroutine
				p.mu.Lock()
				defer p.mu.Unlock()
				p.active--
				if _, counted := p.orders[id]; counted && !ok {
					p.orders[id] = true
				}
				p.start()
			}()
			ok = p.deliver(id)
		})
	}
}

func (p *pass) swept() Swept {
	p.mu.Lock()
	defer p.mu.Unlock()
	swept := Swept{Orders: len(p.orders)}
	for _, failed := range p.orders {
		if failed {
			swept.Failed++
		}
	}
	return swept
}

// sweep does the work of one sweep. Deliveries begin while it goes on.
func (f *Flow[Tx]) sweep(ctx context.Context, p *pass) (err error) {
	ctx, ended := f.observe.begin(ctx, Operation{Kind: OperationSweep})
	defer func() { ended(Outcome{Err: err, Swept: p.swept()}) }()
	if f.deliverElsewhere {
		return errDeliversElsewhere // other processes must not take the shop for swept
	}
	if f.wrongAccount.Load() {
		return ErrWrongAccount
	}
	b := &budget{left: f.sweepBudget}
	if err := f.checkClock(ctx, b); err != nil {
		return err
	}
	reserved := b.reserve(f.sweeps.Add(1))
	if err := f.sweepDue(ctx, b, p); err != nil {
		return err
	}
	b.release(reserved)
	if err := f.sweepMissed(ctx, b, func(id string) { f.sweepFound(ctx, id, b, p) }); err != nil {
		return err
	}
	if err := f.store.SetCursor(ctx, sweptCursor, f.now().Format(time.RFC3339)); err != nil {
		return err
	}
	return f.pruneDaily(ctx)
}

// sweepDue takes the orders that are due and does their steps that need Stripe or move stock.
func (f *Flow[Tx]) sweepDue(ctx context.Context, b *budget, p *pass) error {
	var postponed []string
	for range sweepBatches {
		ids, err := f.store.Due(ctx, f.now(), sweepLease, sweepBatch)
		if err != nil {
			return err
		}
		// Deliveries that need no answer of Stripe's do not wait for Stripe.
		for _, id := range ids {
			if f.deliverable(ctx, id) {
				p.add(id, false)
			}
		}
		for _, id := range ids {
			done, err := f.sweepOrder(ctx, id, b)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				f.log.Warn("order could not be swept", "order", id, "error", err)
			}
			p.add(id, err != nil)
			if !done {
				postponed = append(postponed, id)
			}
		}
		if len(ids) < sweepBatch {
			break
		}
	}
	for _, id := range postponed { // for want of requests: the next sweep goes on with them
		if err := f.postpone(ctx, id); err != nil {
			f.log.Warn("order could not be postponed", "order", id, "error", err)
		}
	}
	return nil
}

// postpone has an order due again at once.
func (f *Flow[Tx]) postpone(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, sweepOrderTimeout)
	defer cancel()
	return f.record(ctx, id, "sweep", func(*store.Order, time.Time) (bool, error) { return true, nil })
}

// sweepFound does the steps of an order that a missed event was about. What the requests do not suffice for is due, so that
// the next sweep does it.
func (f *Flow[Tx]) sweepFound(ctx context.Context, id string, b *budget, p *pass) {
	_, err := f.sweepOrder(ctx, id, b)
	if err != nil && ctx.Err() == nil {
		f.log.Warn("order could not be swept", "order", id, "error", err)
	}
	p.add(id, err != nil)
}

// deliverable reports whether a callback can be run for an order without a question to Stripe.
func (f *Flow[Tx]) deliverable(ctx context.Context, id string) bool {
	ctx, cancel := context.WithTimeout(ctx, sweepOrderTimeout)
	defer cancel()
	o, err := f.store.Find(ctx, id)
	if err != nil {
		return false // sweepOrder says so
	}
	now := f.now()
	return slices.ContainsFunc(laneSteps(o, now), func(s Step) bool { return s.due(now) && (s.Action == FulfilOrder || s.Action == DeliverChange) })
}

// unverifiedKey is the key of a value that the context of a sweep's deliveries carries: they leave the questions to Stripe
// to the sweep, which counts its requests.
type unverifiedKey struct{}

// sweepDelivery runs the callbacks that wait for an order. It reports whether that succeeded, or is left to others.
func (f *Flow[Tx]) sweepDelivery(ctx context.Context, id string) bool {
	if ctx.Err() != nil {
		return true // a later sweep delivers
	}
	err := f.deliver(ctx, handover{orderID: id})
	if err == nil || waiting(err) {
		return true
	}
	f.log.Warn("order could not be delivered", "order", id, "error", err)
	return false
}

// sweepOrder does the steps of one order that are due, apart from deliveries. After each step it derives the next from the
// facts as they are then. It reports false if it ran out of requests.
func (f *Flow[Tx]) sweepOrder(sweep context.Context, id string, b *budget) (done bool, err error) {
	ctx, cancel := context.WithTimeout(sweep, sweepOrderTimeout)
	defer cancel()
	type key struct {
		action  Action
		attempt int
	}
	tried := map[key]bool{}
	var failed error
	for {
		o, err := f.store.Find(ctx, id)
		if err != nil {
			return true, errors.Join(failed, err)
		}
		now := f.now()
		steps := next(o, now)
		i := slices.IndexFunc(steps, func(s Step) bool {
			return s.due(now) && s.Action != FulfilOrder && s.Action != DeliverChange && s.Action != Decide && !tried[key{s.Action, s.Attempt}]
		})
		if i < 0 {
			return true, failed
		}
		step := steps[i]
		tried[key{step.Action, step.Attempt}] = true
		if !b.takeFor(step.Action) {
			return false, failed
		}
		err = f.sweepStep(ctx, o, step)
		if asksStripe(step.Action) {
			b.answered(err)
		}
		if err != nil {
			failed = errors.Join(failed, err)
			if asksStripe(step.Action) && !errors.Is(err, ErrWrongAccount) {
				failed = errors.Join(failed, f.recordCheckFailed(sweep, id, step))
			}
		}
	}
}

// asksStripe reports whether an action makes requests.
func asksStripe(a Action) bool {
	switch a {
	case EndSession, AskSession, AskSubscription, VerifyPayment, RefundPayment:
		return true
	}
	return false
}

func (f *Flow[Tx]) sweepStep(ctx context.Context, o *store.Order, step Step) error {
	a := o.Attempt(step.Attempt)
	switch step.Action {
	case EndSession:
		return f.end(ctx, o, a, "sweep")
	case AskSession:
		return f.askAgain(ctx, o, a)
	case AskSubscription:
		return f.settleSubscription(ctx, o.ID, a.Subscription, "sweep", false)
	case VerifyPayment:
		return f.verifyPayment(ctx, o.ID, step.Attempt, "sweep")
	case RefundPayment:
		return f.refundPayment(ctx, o.ID, step.Attempt)
	}
	// The rest is done under the lock whenever the order is recorded.
	return f.record(ctx, o.ID, "sweep", func(*store.Order, time.Time) (bool, error) { return true, nil })
}

// askAgain asks Stripe for a session. In a sandbox, whose data can be deleted, a session that Stripe does not know has ended
// some time after it should have. In live mode a person must find out why. So must a person if Stripe does not show the session for
// long after its end, as that of a connected account that has disconnected.
func (f *Flow[Tx]) askAgain(ctx context.Context, o *store.Order, a *store.Attempt) error {
	err := f.ask(ctx, o, a, "sweep")
	hidden := statusCode(err) == 403 && o.Account != ""
	if !missing(err) && !hidden || !a.Open() && !a.Processing() {
		return err
	}
	if missing(err) {
		f.accountChecked.Store(false)
		if wrong := f.checkAccount(ctx); wrong != nil {
			return wrong
		}
	}
	seen := a.ExpiresAt
	if hidden && a.CheckedAt.After(seen) {
		seen = a.CheckedAt
	}
	if (hidden || !o.Livemode) && !f.now().After(seen.Add(forgottenAfter)) {
		return err
	}
	f.log.Error("stripe does not know a session", "order", o.ID, "session", a.SessionID)
	return f.record(ctx, o.ID, "sweep", func(o *store.Order, now time.Time) (bool, error) {
		a := o.AttemptBySession(a.SessionID)
		switch {
		case a == nil || !a.Open() && !a.Processing():
			return false, nil
		case o.Livemode, hidden:
			a.Gone = true
		case a.Processing():
			a.Failed = true
		default:
			a.Expired = true
		}
		return true, nil
	})
}

// recordCheckFailed keeps that Stripe could not be asked about an attempt, so that it is asked again after a pause.
func (f *Flow[Tx]) recordCheckFailed(ctx context.Context, id string, step Step) error {
	// The time of the order may be over by now.
	ctx, cancel := context.WithTimeout(ctx, sweepOrderTimeout)
	defer cancel()
	return f.record(ctx, id, "sweep", func(o *store.Order, now time.Time) (bool, error) {
		a := o.Attempt(step.Attempt)
		switch {
		case a == nil:
			return false, nil
		case step.Action == EndSession, step.Action == AskSession:
			a.CheckFailedAt = now
		case step.Action == AskSubscription && o.SubscriptionByID(a.Subscription) != nil:
			o.SubscriptionByID(a.Subscription).AskFailedAt = now
		default:
			a.VerifyFailedAt = now
		}
		return true, nil
	})
}

// hungMost is how many requests in a row Stripe may leave without an answer before a sweep makes no more.
const hungMost = 3

// budget is the number of requests to Stripe that are left to a sweep.
type budget struct {
	left    int
	used    int  // requests that were made
	hung    int  // requests in a row that Stripe did not answer in time
	stopped bool // no more requests are made in this sweep
}

// take reports whether one more request may be made.
func (b *budget) take() bool {
	if b.left <= 0 {
		return false
	}
	b.left--
	b.used++
	return true
}

// takeFor takes the requests that an action makes. An action that makes two may exceed a budget of which nothing was used yet, as
// a small budget would never do for it.
func (b *budget) takeFor(a Action) bool {
	two := a == VerifyPayment || a == AskSubscription
	switch {
	case !asksStripe(a):
		return true
	case two && b.left == 1 && b.used > 0:
		return false
	case !b.take():
		return false
	case two:
		b.take()
	}
	return true
}

// answered looks at the error of a request. The sweep makes no more requests after Stripe asked for a pause, or if Stripe
// hangs.
func (b *budget) answered(err error) {
	var failed *stripeError
	switch {
	case statusCode(err) == 429:
		b.stop()
	case errors.As(err, &failed) && errors.Is(err, context.DeadlineExceeded):
		b.hung++
		if b.hung >= hungMost {
			b.stop()
		}
	default:
		b.hung = 0
	}
}

// stop leaves no requests.
func (b *budget) stop() { b.left, b.stopped = 0, true }

// reserve sets a quarter of the requests aside for what comes after the orders that are due. Of a single request, every
// other sweep sets it aside.
func (b *budget) reserve(sweep int64) (reserved int) {
	reserved = b.left / 4
	if reserved == 0 && (b.left > 1 || sweep%2 == 0) {
		reserved = 1
	}
	return b.setAside(reserved)
}

// setAside keeps requests from being made until they are released.
func (b *budget) setAside(n int) int {
	b.left -= n
	return n
}

// release adds what was set aside, unless the sweep makes no more requests.
func (b *budget) release(reserved int) {
	if !b.stopped {
		b.left += reserved
	}
}
