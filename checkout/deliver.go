package checkout

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/fnv"
	"runtime/debug"
	"time"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

const (
	// DeliverTimeout is how long one run of a merchant's callback may take before its context ends, so that Stripe gets
	// an answer in time.
	DeliverTimeout = 15 * time.Second
	// deliverLease is how long nobody else delivers. A callback that outlasts it may be run again beside itself; the
	// first of the two to commit wins, and the other is rolled back.
	deliverLease = time.Minute

	// The pause after the n-th failed try doubles from the first to the last, less up to half.
	firstPause = 20 * time.Second
	lastPause  = time.Hour
)

// What ends the transaction of a delivery that is not to be made after all.
var (
	errTaken   = errors.New("checkout: delivery was taken over")
	errChanged = errors.New("checkout: order changed while it was being delivered")
)

// deliver tells the merchant what waits to be told of an order, in order, each in a transaction of its own that also
// marks it as told. It returns nil if nothing waits anymore. Within this process one goroutine at a time delivers an
// order, and the others wait for it; between processes a lease kept in the order sees to that.
func (f *Flow[Tx]) deliver(ctx context.Context, id string) error {
	unlock, err := f.delivering.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	return f.deliverAll(ctx, id)
}

// deliverAside is deliver for callers who want to know of something else: it does not wait for others who deliver the
// same order, and a failure is only logged, as a sweep tries again.
func (f *Flow[Tx]) deliverAside(ctx context.Context, id string) {
	unlock, ok := f.delivering.tryLock(id)
	if !ok {
		return
	}
	defer unlock()
	if err := f.deliverAll(ctx, id); err != nil && !waiting(err) {
		f.log.Warn("delivery waits for a sweep", "order", id, "error", err)
	}
}

// waiting reports whether err says that a delivery is left to another process or to a later time.
func waiting(err error) bool { return errors.Is(err, ErrBusy) || errors.Is(err, ErrBackoff) }

func (f *Flow[Tx]) deliverAll(ctx context.Context, id string) error {
	for {
		o, err := f.leaseDelivery(ctx, id)
		if o == nil || err != nil {
			return err
		}
		if err := f.deliverNext(ctx, o); err != nil {
			return err
		}
	}
}

// leaseDelivery takes the lease on an order and returns the order, or nil if nothing waits.
func (f *Flow[Tx]) leaseDelivery(ctx context.Context, id string) (*store.Order, error) {
	if o, err := f.store.Find(ctx, id); err != nil || o.NextNotice() == nil {
		return nil, err
	}
	var leased *store.Order
	err := f.change(ctx, id, func(_ Tx, o *store.Order, now time.Time) (bool, error) {
		leased = nil
		d := &o.Delivery
		f.passChanges(o, now) // queued by a process that has an OnChange
		switch {
		case o.NextNotice() == nil:
			return true, nil
		case d.LeasedUntil.After(now):
			return false, fmt.Errorf("%w: %s", ErrBusy, id)
		case d.NextAt.After(now):
			return false, fmt.Errorf("%w: %s", ErrBackoff, id)
		}
		d.Token, d.LeasedUntil = rand.Text(), now.Add(deliverLease)
		leased = o
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return leased, nil
}

// deliverNext runs the callback for the next notice of an order on which the lease is held. The callback runs before the
// order is locked, so that a slow one keeps nobody from settling; whether it was still to be made is decided under the
// lock, and if not, what the callback wrote is rolled back.
//
// It goes on when the caller has gone, as a customer who closes the page is no failure of the callback's.
func (f *Flow[Tx]) deliverNext(ctx context.Context, leased *store.Order) error {
	ctx = context.WithoutCancel(ctx)
	id, token, next := leased.ID, leased.Delivery.Token, *leased.NextNotice()
	limited, cancel := context.WithTimeout(ctx, DeliverTimeout)
	defer cancel()
	err := f.store.InTx(limited, func(tx Tx) error {
		if err := f.call(limited, tx, leased, next.N); err != nil {
			return err
		}
		return f.markDelivered(limited, tx, id, token, next.N)
	})
	if err == nil || errors.Is(err, errTaken) {
		return nil
	}
	recording, cancel := context.WithTimeout(ctx, DeliverTimeout)
	defer cancel()
	recorded := f.recordFailure(recording, id, token, next.N, err)
	if errors.Is(err, webhook.ErrPermanent) {
		return recorded // dealt with
	}
	return errors.Join(err, recorded)
}

func (f *Flow[Tx]) markDelivered(ctx context.Context, tx Tx, id, token string, n int) error {
	orders, err := f.store.Lock(ctx, tx, id)
	if err != nil {
		return err
	}
	o, now := orders[0], f.now()
	if o == nil || o.Delivery.Token != token {
		return errTaken
	}
	next := o.NextNotice()
	if next == nil || next.N != n {
		// Refunded, disputed or parked in the meantime: give the lease back, without what the callback wrote.
		return errChanged
	}
	next.DeliveredAt = now
	if next.Kind == store.NoticeFulfil {
		o.FulfilledAt = now
	}
	o.Delivery = store.Delivery{}
	return f.save(ctx, tx, o, now)
}

// recordFailure counts a failed try and sets the time of the next.
func (f *Flow[Tx]) recordFailure(ctx context.Context, id, token string, n int, failure error) error {
	return f.change(ctx, id, func(_ Tx, o *store.Order, now time.Time) (bool, error) {
		d := &o.Delivery
		if d.Token != token {
			return false, nil
		}
		d.Token, d.LeasedUntil = "", time.Time{}
		switch {
		case errors.Is(failure, errChanged):
			return true, nil
		case errors.Is(failure, webhook.ErrPermanent):
			*d = store.Delivery{LastError: failure.Error()}
			f.giveIn(o, n, now, failure)
			return true, nil
		}
		d.Tries++
		d.NextAt = now.Add(pause(id, d.Tries))
		d.LastError = failure.Error()
		attrs := []any{"order", id, "notice", o.Notices[n-1].Kind, "tries", d.Tries, "next", d.NextAt, "error", failure}
		var panicked *webhook.PanicError
		if errors.As(failure, &panicked) {
			attrs = append(attrs, "stack", string(panicked.Stack))
		}
		f.log.Error("delivery failed", attrs...)
		return true, nil
	})
}

// giveIn ends the tries of notice n: an order that is not to be fulfilled is parked, a change counts as told.
func (f *Flow[Tx]) giveIn(o *store.Order, n int, now time.Time, failure error) {
	if notice := &o.Notices[n-1]; notice.Kind == store.NoticeFulfil {
		o.Parked = parkedPermanent + failure.Error()
	} else {
		notice.DeliveredAt = now
	}
	f.log.Error("delivery failed for good", "order", o.ID, "notice", o.Notices[n-1].Kind, "error", failure)
}

// pause is how long to wait after the n-th failed try of an order's delivery. What is taken off is drawn from the order's
// ID, so that orders which failed together do not come back together, and the same history has the same pauses.
func pause(id string, n int) time.Duration {
	p := lastPause
	if n < 20 {
		p = min(firstPause<<(n-1), lastPause)
	}
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s/%d", id, n)
	return p - time.Duration(h.Sum64()%uint64(p/2))
}

// call runs the merchant's callback for notice n on a copy of the order. A panic is an error like any other.
func (f *Flow[Tx]) call(ctx context.Context, tx Tx, o *store.Order, n int) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &webhook.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	o = o.Clone()
	notice := &o.Notices[n-1]
	if notice.Kind == store.NoticeFulfil {
		return f.fulfil(ctx, tx, o)
	}
	return f.onChange(ctx, tx, changeOf(o, notice))
}
