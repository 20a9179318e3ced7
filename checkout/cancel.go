package checkout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// Cancel ends an order that is not paid: its session can no longer be paid, and its stock is back. The request is kept even
// if Stripe can't be reached; a sweep carries it out later then. An attempt whose session Stripe does not know ends, too.
//
// Errors: one that matches [ErrNotFound], [ErrAlreadyPaid] or [ErrProcessing], also if the customer paid while the session
// was being ended; [ErrStillOpen]; Stripe's answer, by errors.As as a [*stripe.Error].
func (f *Flow[Tx]) Cancel(ctx context.Context, id string) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	err := f.cancel(ctx, id)
	if !errors.Is(err, ErrNotFound) {
		f.tryDeliver(ctx, id)
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

// requestCancel keeps the request, and returns the order.
func (f *Flow[Tx]) requestCancel(ctx context.Context, id string) (*store.Order, error) {
	var o *store.Order
	err := f.record(ctx, id, "cancel", func(locked *store.Order, now time.Time) (bool, error) {
		o = locked
		endGone(o)
		if err := cancelable(o); err != nil || !o.CancelRequestedAt.IsZero() {
			return false, err
		}
		o.CancelRequestedAt = now
		return true, nil
	})
	return o, err
}

// endGone ends the attempts whose sessions Stripe does not know anymore: nothing is left at Stripe that could be ended.
func endGone(o *store.Order) {
	for i := range o.Attempts {
		a := &o.Attempts[i]
		switch {
		case !a.Gone:
		case a.Processing():
			a.Failed = true
		case a.Open():
			a.Expired = true
		}
	}
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

// closeUnrecorded closes the attempts whose session was never recorded. Their URLs were never handed out, so their stock is
// free.
func closeUnrecorded(o *store.Order, now time.Time) (closed bool) {
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a.Open() && a.SessionID == "" {
			a.ClosedAt, closed = now, true
		}
	}
	return closed
}

// closeBegun closes the attempt n that Begin has just committed, if its session was not recorded.
func (f *Flow[Tx]) closeBegun(ctx context.Context, id string, n int) error {
	return f.recordBegun(ctx, id, n, func(o *store.Order, now time.Time) (bool, error) {
		a := o.Attempt(n)
		if !a.Open() || a.SessionID != "" {
			return false, nil
		}
		return closeUnrecorded(o, now), nil
	})
}

// end ends the session of an attempt and settles the outcome. If Stripe answers that the session is not open, Stripe is
// asked how it stands instead. If the session can be paid all the same, the error matches [ErrStillOpen].
func (f *Flow[Tx]) end(ctx context.Context, o *store.Order, a *store.Attempt, doing string) error {
	answer, err := f.stripe.expireSession(ctx, o, a.SessionID, doing)
	if badRequest(err) {
		answer, err = f.stripe.session(ctx, o.Account, o.Mode, a.SessionID, doing)
	}
	if err != nil {
		return err
	}
	if _, err := f.settle(ctx, o, answer); err != nil {
		return err
	}
	if !answer.completed && !answer.expired {
		return fmt.Errorf("%w: %s", ErrStillOpen, o.ID)
	}
	return nil
}

// ask fetches the session of an attempt and settles it.
func (f *Flow[Tx]) ask(ctx context.Context, o *store.Order, a *store.Attempt, doing string) error {
	answer, err := f.stripe.session(ctx, o.Account, o.Mode, a.SessionID, doing)
	if err != nil {
		return err
	}
	_, err = f.settle(ctx, o, answer)
	return err
}
