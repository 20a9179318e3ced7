package checkout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// Cancel ends an order that is not paid: its session can no longer be paid, and its stock is back. What was asked for is
// kept even if Stripe can't be reached, and a sweep sees to it later.
//
// Errors: one that matches [store.ErrNotFound], [ErrAlreadyPaid] or [ErrProcessing], also if the customer paid while the
// session was being ended; [ErrStillOpen]; what Stripe answered, by errors.As as a [*stripe.Error].
func (f *Flow[Tx]) Cancel(ctx context.Context, id string) error {
	err := f.cancel(ctx, id)
	if !errors.Is(err, store.ErrNotFound) {
		f.deliverAside(ctx, id)
	}
	return err
}

func (f *Flow[Tx]) cancel(ctx context.Context, id string) error {
	unlock, err := f.beginning.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()

	o, err := f.requestCancel(ctx, id)
	if err != nil {
		return err
	}
	if a := o.OpenAttempt(); a != nil {
		if err := f.end(ctx, o, a, "cancel"); err != nil {
			return err
		}
	}
	if o, err = f.store.Find(ctx, id); err != nil {
		return err
	}
	return cancelable(o)
}

// requestCancel keeps what was asked for, and returns the order.
func (f *Flow[Tx]) requestCancel(ctx context.Context, id string) (*store.Order, error) {
	var o *store.Order
	err := f.change(ctx, id, func(tx Tx, locked *store.Order, now time.Time) (bool, error) {
		o = locked
		if err := cancelable(o); err != nil || !o.CancelRequestedAt.IsZero() {
			return false, err
		}
		before := o.Status()
		o.CancelRequestedAt = now
		if _, err := f.giveUpUnrecorded(ctx, tx, o, now); err != nil {
			return false, err
		}
		for i := range o.Attempts {
			if a := &o.Attempts[i]; a.Open() {
				a.CheckAt = nextCheck(o, a, now)
			}
		}
		f.notifyStatus(o, store.Notice{At: now, From: before, Cause: "cancel"})
		return true, nil
	})
	return o, err
}

// cancelable says why the order can't be canceled; nil: it can, or is.
func cancelable(o *store.Order) error {
	switch {
	case o.Paid():
		return fmt.Errorf("%w: %s", ErrAlreadyPaid, o.ID)
	case o.Status() == store.Processing:
		return fmt.Errorf("%w: %s", ErrProcessing, o.ID)
	}
	return nil
}

// giveUpUnrecorded gives up attempts that never got a session: nobody was given their URL, so their stock is free.
func (f *Flow[Tx]) giveUpUnrecorded(ctx context.Context, tx Tx, o *store.Order, now time.Time) (gaveUp bool, err error) {
	for i := range o.Attempts {
		a := &o.Attempts[i]
		if !a.Open() || a.SessionID != "" {
			continue
		}
		gaveUp = true
		a.ClosedAt = now
		if err := f.release(ctx, tx, &a.Hold, &a.Increase); err != nil {
			return false, err
		}
		if old := o.Attempt(a.Replaces); old != nil && old.Open() {
			old.CheckAt = now // it may have been ended, and the answer lost
		}
	}
	return gaveUp, nil
}

// abandon gives up attempt n, if its session was not recorded.
func (f *Flow[Tx]) abandon(ctx context.Context, id string, n int, doing string) error {
	return f.change(ctx, id, func(tx Tx, o *store.Order, now time.Time) (bool, error) {
		if a := o.Attempt(n); a == nil || !a.Open() || a.SessionID != "" {
			return false, nil
		}
		before := o.Status()
		if _, err := f.giveUpUnrecorded(ctx, tx, o, now); err != nil {
			return false, err
		}
		f.notifyStatus(o, store.Notice{At: now, From: before, Attempt: n, Cause: doing})
		return true, nil
	})
}
