package checkout

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

const (
	// DeliverTimeout is how long one run of a merchant's callback may take before its context ends, so that Stripe gets
	// an answer in time.
	DeliverTimeout = 15 * time.Second
	// deliverLease is how long one process has the exclusive right to deliver. It outlasts a callback even between two
	// processes whose clocks differ by two minutes. A callback that runs longer all the same may be started a second time in
	// parallel; the first of the two to commit wins, and the other is rolled back. So is a delivery that finds its lease over by the
	// clock, as its process stood still and the timer of DeliverTimeout with it.
	deliverLease = 5 * time.Minute

	// The pause after the n-th failed try doubles from the first to the last, less up to half.
	firstPause = 20 * time.Second
	lastPause  = time.Hour
)

// Reasons for which the transaction of a delivery is rolled back although the callback did not fail.
var (
	errExited  = errors.New("checkout: the callback ended its goroutine, as runtime.Goexit and FailNow of a test do")
	errTaken   = errors.New("checkout: delivery was taken over")
	errChanged = errors.New("checkout: order changed while it was being delivered")
)

// lane is one of the two queues of an order's outbox. Each has its order, its tries and its lease, so that changes that
// can't be delivered hold back no goods.
type lane int

const (
	fulfilLane lane = iota // the entry that fulfils
	changeLane             // all changes
)

// nextNotice returns the entry of a lane to deliver next, or nil. The entry that fulfils waits while the order may not be
// fulfilled.
func nextNotice(o *store.Order, l lane) *store.Notice {
	for i := range o.Notices {
		n := &o.Notices[i]
		fulfils := n.Kind == store.NoticeFulfil
		if n.DeliveredAt.IsZero() && fulfils == (l == fulfilLane) && (!fulfils || o.Fulfillable()) {
			return n
		}
	}
	return nil
}

// state is the state of delivering the lane.
func (l lane) state(o *store.Order) *store.Delivery {
	if l == fulfilLane {
		return &o.Delivery
	}
	return &o.ChangeDelivery
}

// lanes are the lanes that this process delivers.
func (f *Flow[Tx]) lanes() []lane {
	switch {
	case f.deliverElsewhere:
		return nil
	case f.onChange == nil:
		return []lane{fulfilLane}
	}
	return []lane{fulfilLane, changeLane}
}

// waits reports whether an entry of the outbox waits for this process.
func (f *Flow[Tx]) waits(o *store.Order) bool {
	for _, l := range f.lanes() {
		if nextNotice(o, l) != nil {
			return true
		}
	}
	return false
}

// mutex is what keeps the goroutines of this process from delivering the same lane of an order side by side.
func (f *Flow[Tx]) mutex(l lane) *keyedMutex {
	if l == fulfilLane {
		return &f.fulfilling
	}
	return &f.telling
}

// handover is what the trigger that settled an order hands on to the delivery.
type handover struct {
	orderID string
	// order is the order as it was when the trigger's transaction ended; nil: the delivery reads the order itself.
	order *store.Order
	// leased are the lanes that order has leases of this process on, with what gives the mutex of each back.
	leased map[lane]func()
}

// byID hands nothing on but the ID of an order; empty: the event is not of this shop.
func byID(orderID string, err error) (handover, error) { return handover{orderID: orderID}, err }

// deliver runs the merchant's callbacks for the entries of an order's outbox, each in a transaction of its own that also
// marks the entry as delivered. It returns nil if no entry waits anymore. Within this process one goroutine at a time
// delivers a lane, and the others wait for it. Between processes, a lease in the order does the same.
func (f *Flow[Tx]) deliver(ctx context.Context, h handover) error {
	var failed error
	known := h.order
	defer func() { // if a callback ends the goroutine, of the lanes behind it
		for _, unlock := range h.leased {
			unlock()
		}
	}()
	for _, l := range f.lanes() {
		unlock, handedOn := h.leased[l]
		delete(h.leased, l)
		var leased *store.Order
		switch {
		case handedOn && known != nil:
			leased = known
		case handedOn: // the lane before failed, and the order may have changed, but not the lease
			leased = h.order
		case known != nil && nextNotice(known, l) == nil:
			continue
		default:
			var err error
			if unlock, err = f.mutex(l).lock(ctx, h.orderID); err != nil {
				failed = errors.Join(failed, err)
				continue
			}
		}
		func() {
			defer unlock() // also if the callback ends the goroutine
			var err error
			known, err = f.deliverLane(ctx, h.orderID, leased, l)
			failed = errors.Join(failed, err)
		}()
	}
	return failed
}

// tryDeliver is deliver for callers that have something else to return: it does not wait for a goroutine that delivers the
// same order, and only logs a failure, as a sweep tries again.
func (f *Flow[Tx]) tryDeliver(ctx context.Context, id string) {
	for _, l := range f.lanes() {
		unlock, ok := f.mutex(l).tryLock(id)
		if !ok {
			continue
		}
		func() {
			defer unlock()
			if _, err := f.deliverLane(ctx, id, nil, l); err != nil && !waiting(err) {
				f.log.Warn("delivery waits for a sweep", "order", id, "error", err)
			}
		}()
	}
}

// waiting reports whether err says that a delivery is left to another process or to a later time, and nothing else.
func waiting(err error) bool {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			if !waiting(e) {
				return false
			}
		}
		return true
	}
	return errors.Is(err, ErrBusy) || errors.Is(err, ErrBackoff)
}

// deliverLane delivers the entries of a lane whose mutex is held. leased is the order if this process has the lease on the lane
// already, or nil. deliverLane returns the order as it is known to be committed now, or nil.
func (f *Flow[Tx]) deliverLane(ctx context.Context, id string, leased *store.Order, l lane) (known *store.Order, err error) {
	for {
		if leased == nil {
			leased, err = f.leaseDelivery(ctx, id, l)
			if leased == nil || err != nil {
				return nil, err
			}
		}
		known, err = f.deliverNext(ctx, leased, l)
		if err != nil || known != nil && nextNotice(known, l) == nil {
			return known, err
		}
		leased = nil
	}
}

// leaseDelivery takes the lease on a lane and returns the order, or nil if no entry waits. Before an order is fulfilled whose
// payment was heard of some time ago, Stripe is asked what was given back.
func (f *Flow[Tx]) leaseDelivery(ctx context.Context, id string, l lane) (*store.Order, error) {
	ctx, cancel := context.WithTimeout(ctx, sweepOrderTimeout)
	defer cancel()
	o, err := f.store.Find(ctx, id)
	if err != nil || nextNotice(o, l) == nil {
		return nil, err
	}
	if l == fulfilLane {
		if f.lacksReserver(o) {
			return nil, fmt.Errorf("%w: %s: it needs a process with a Config.Reserver", ErrBusy, id)
		}
		if err := f.prepareFulfil(ctx, id, o); err != nil {
			return nil, err
		}
	}
	var leased *store.Order
	token := rand.Text()
	err = surely(ctx, func() error {
		return f.record(ctx, id, "deliver", func(o *store.Order, now time.Time) (bool, error) {
			leased = nil
			if nextNotice(o, l) == nil {
				return false, nil
			}
			known := l.state(o).Token == token // the transaction that took the lease was committed, and the answer was lost
			if !known {
				if err := l.lease(o, now, token); err != nil {
					return false, err
				}
			}
			leased = o
			return !known, nil
		})
	})
	if err != nil {
		return nil, err
	}
	return leased, nil
}

// lacksReserver reports whether a late payment needs stock that this process can't take, as it has no Reserver. Stock that is held for
// the payment is safe, and another process ends the hold. A person who accepted the payment finds the stock.
func (f *Flow[Tx]) lacksReserver(o *store.Order) bool {
	return f.reserver == nil && slices.ContainsFunc(stockSteps(o), func(s Step) bool {
		a := o.Attempt(s.Attempt)
		return s.Action == SellStock && a.Hold.State != store.Held && a.AcceptedAt.IsZero()
	})
}

// lease takes the lease on a lane of a locked order, in the name of a token. The error matches [ErrBusy] or [ErrBackoff] if the lane is not free.
func (l lane) lease(o *store.Order, now time.Time, token string) error {
	d := l.state(o)
	switch {
	case d.LeasedUntil.After(now):
		return fmt.Errorf("%w: %s", ErrBusy, o.ID)
	case d.NextAt.After(now):
		return fmt.Errorf("%w: %s", ErrBackoff, o.ID)
	}
	d.Token, d.LeasedUntil = token, now.Add(deliverLease)
	return nil
}

// tryLanes takes the mutexes of the lanes of an order that no other goroutine delivers.
func (f *Flow[Tx]) tryLanes(id string) map[lane]func() {
	held := map[lane]func(){}
	for _, l := range f.lanes() {
		if unlock, ok := f.mutex(l).tryLock(id); ok {
			held[l] = unlock
		}
	}
	return held
}

// leaseLanes takes the leases, in the name of a token, on those lanes of a locked order that can be delivered at once and whose
// mutexes are held, and returns these lanes. The delivery takes the other leases itself, or says why it can't.
func (f *Flow[Tx]) leaseLanes(o *store.Order, now time.Time, held map[lane]func(), token string) map[lane]func() {
	leased := leasedLanes(o, held, token)
	for l, unlock := range held {
		if leased[l] != nil || nextNotice(o, l) == nil {
			continue
		}
		if _, asks := questionStep(o, now); l == fulfilLane && (asks || f.lacksReserver(o)) {
			continue
		}
		if l.lease(o, now, token) == nil {
			leased[l] = unlock
		}
	}
	return leased
}

// leasedLanes returns the lanes of an order that are leased in the name of the token. There are some if the transaction that took
// the leases was committed, and the answer was lost.
func leasedLanes(o *store.Order, held map[lane]func(), token string) map[lane]func() {
	leased := map[lane]func(){}
	for l, unlock := range held {
		if l.state(o).Token == token && nextNotice(o, l) != nil {
			leased[l] = unlock
		}
	}
	return leased
}

// prepareFulfil asks Stripe what must be known before an order is fulfilled: its subscription, and what was given back.
func (f *Flow[Tx]) prepareFulfil(ctx context.Context, id string, o *store.Order) error {
	tried := Action("")
	for {
		step, ok := questionStep(o, f.now())
		if !ok || step.Action == tried {
			return nil
		}
		if !step.due(f.now()) || ctx.Value(unverifiedKey{}) != nil {
			return fmt.Errorf("%w: %s", ErrBackoff, id)
		}
		err := f.sweepStep(ctx, o, step)
		if err != nil {
			return errors.Join(err, f.recordCheckFailed(ctx, id, step))
		}
		tried = step.Action
		if o, err = f.store.Find(ctx, id); err != nil {
			return err
		}
	}
}

// deliveringKey is the key of a value that the context of a callback carries: the ID of the order. What the callback has the Flow do
// with that order must not wait for the delivery to end.
type deliveringKey[Tx any] struct{ flow *Flow[Tx] }

// deliverNext runs the callback for the next entry of a lane on which the lease is held. The callback runs before the
// order is locked, so that a slow callback keeps no other goroutine from settling. Under the lock it is decided whether the
// entry was still to be delivered. If not, the callback's writes are rolled back.
//
// Delivering goes on when the caller has gone, as a customer who closes the page is no failure of the callback's. deliverNext
// returns the order as it was committed, or nil if the callback's transaction was not.
func (f *Flow[Tx]) deliverNext(ctx context.Context, leased *store.Order, l lane) (known *store.Order, err error) {
	ctx = context.WithoutCancel(ctx)
	state := l.state(leased)
	id, token, next := leased.ID, state.Token, *nextNotice(leased, l)
	limited, cancel := context.WithTimeout(ctx, DeliverTimeout)
	defer cancel()
	limited, ended := f.observe.begin(limited, Operation{Kind: OperationDeliver, OrderID: id, Callback: next.Kind, Try: state.Tries + state.Rollbacks + 1})
	limited = context.WithValue(limited, deliveringKey[Tx]{f}, id)
	var callbackErr error
	returned := false
	defer func() {
		if !returned {
			ended(deliveredOutcome(errExited))
			_ = f.recordFailure(ctx, id, token, l, next.N, errExited) // nobody is left to be told
		}
	}()
	err = f.inCallbackTx(limited, func(tx Tx) error {
		if !state.LeasedUntil.After(f.now()) {
			return errChanged // markDelivered would roll back what the callback writes
		}
		callbackErr = f.call(limited, tx, leased, next.N)
		return callbackErr
	}, func(tx Tx) (err error) {
		known, err = f.markDelivered(limited, tx, id, token, l, next.N)
		return err
	})
	returned = true
	ended(deliveredOutcome(err))
	if err == nil {
		f.waiters.changed(id)
		f.wake(id)
		return known, nil
	}
	if errors.Is(err, errTaken) {
		f.waiters.changed(id)
		return nil, nil
	}
	if callbackErr == nil && !errors.Is(err, errChanged) {
		err = &storeError{err} // the database failed, not the callback
	}
	recorded := f.recordFailure(ctx, id, token, l, next.N, err)
	if errors.Is(err, webhook.ErrPermanent) || errors.Is(err, errChanged) {
		return nil, recorded // dealt with
	}
	return nil, errors.Join(err, recorded)
}

// wake calls Config.Delivered. A panic is logged, as the delivery is committed and must not fail anymore.
func (f *Flow[Tx]) wake(id string) {
	if f.delivered == nil {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			f.log.Error("Config.Delivered panicked", "order", id, "panic", v, "stack", string(debug.Stack()))
		}
	}()
	f.delivered(id)
}

// storeError is a failure of the database while a delivery was being recorded. It does not count as a failed try of the
// callback.
type storeError struct{ err error }

func (e *storeError) Error() string { return "checkout: recording a delivery: " + e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// markDelivered marks entry n as delivered, if this process still has the lease and the entry is still to be delivered. It returns
// the order as saved.
func (f *Flow[Tx]) markDelivered(ctx context.Context, tx Tx, id, token string, l lane, n int) (*store.Order, error) {
	orders, err := f.store.Lock(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	o, now := orders[0], f.now()
	if o == nil || l.state(o).Token != token {
		return nil, errTaken
	}
	next := nextNotice(o, l)
	if next == nil || next.N != n || !l.state(o).LeasedUntil.After(now) {
		// The order was refunded, disputed or parked in the meantime, or the process stood still and what was asked before the callback
		// is old: give the lease back, without the callback's writes.
		return nil, errChanged
	}
	next.DeliveredAt = now
	if l == fulfilLane {
		o.FulfilledAt = now
	}
	*l.state(o) = store.Delivery{}
	tidy(o, now)
	return o, f.store.Save(ctx, tx, o)
}

// recordFailure gives the lease back, counts a failed try of the callback or of its transaction, and sets the time of the
// next.
func (f *Flow[Tx]) recordFailure(ctx context.Context, id, token string, l lane, n int, failure error) error {
	ctx, cancel := context.WithTimeout(ctx, DeliverTimeout)
	defer cancel()
	return f.record(ctx, id, "deliver", func(o *store.Order, now time.Time) (bool, error) {
		d := l.state(o)
		if d.Token != token {
			return false, nil
		}
		d.Token, d.LeasedUntil = "", time.Time{}
		var database *storeError
		switch {
		case errors.Is(failure, errChanged):
			return true, nil
		case errors.As(failure, &database):
			d.Rollbacks++
			d.NextAt, d.LastError = now.Add(pause(id, d.Rollbacks)), failure.Error()
			f.log.Error("transaction of a delivery failed", "order", id, "notice", noticeOf(o, n).Kind, "times", d.Rollbacks, "error", failure)
			return true, nil
		case errors.Is(failure, webhook.ErrPermanent):
			*d = store.Delivery{LastError: failure.Error()}
			f.giveUpNotice(o, n, now, failure)
			return true, nil
		}
		d.Tries++
		d.NextAt = now.Add(pause(id, d.Tries))
		d.LastError = failure.Error()
		f.log.Error("delivery failed", "order", id, "notice", noticeOf(o, n).Kind, "tries", d.Tries, "next", d.NextAt, "error", failure, stackAttr(failure))
		return true, nil
	})
}

// stackAttr is where a callback panicked; no attribute if it did not.
func stackAttr(err error) slog.Attr {
	var panicked *webhook.PanicError
	if !errors.As(err, &panicked) {
		return slog.Attr{}
	}
	return slog.String("stack", string(panicked.Stack))
}

// giveUpNotice ends the tries of entry n: an order that is not to be fulfilled is parked, a change counts as delivered.
func (f *Flow[Tx]) giveUpNotice(o *store.Order, n int, now time.Time, failure error) {
	if notice := noticeOf(o, n); notice.Kind == store.NoticeFulfil {
		o.Parked = store.ParkedByCallback + failure.Error()
	} else {
		notice.DeliveredAt = now
	}
	f.log.Error("delivery failed for good", "order", o.ID, "notice", noticeOf(o, n).Kind, "error", failure)
}

// pause is how long to wait after the n-th failed try of an order's delivery. The part that is taken off is drawn from the
// order's ID, so that orders which failed together do not come back together, and the same history has the same pauses.
func pause(id string, n int) time.Duration {
	p := lastPause
	if n < 20 {
		p = min(firstPause<<(n-1), lastPause)
	}
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s/%d", id, n)
	return p - time.Duration(h.Sum64()%uint64(p/2))
}

// call runs the merchant's callback for entry n on a copy of the order. A panic is an error like any other.
func (f *Flow[Tx]) call(ctx context.Context, tx Tx, o *store.Order, n int) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &webhook.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	o = o.Clone()
	notice := noticeOf(o, n)
	if notice.Kind == store.NoticeFulfil {
		return f.fulfil(ctx, tx, o)
	}
	return f.onChange(ctx, tx, changeOf(o, notice))
}
