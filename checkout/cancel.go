package checkout

import (
	"context"
	"fmt"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// Cancel ends an order that is not paid: its session can no longer be paid, and its stock is back. What was asked for is
// kept even if Stripe can't be reached, and a sweep sees to it later.
//
// Errors: one that matches [store.ErrNotFound], [ErrAlreadyPaid] or [ErrProcessing], also if the customer paid while the
// session was being ended; what Stripe answered, by errors.As as a [*stripe.Error].
func (f *Flow[Tx]) Cancel(ctx context.Context, id string) error {
	unlock, err := f.beginning.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()

	var o *store.Order
	err = f.change(ctx, id, func(tx Tx, locked *store.Order, now time.Time) (bool, error) {
		o = locked
		if o.Paid() {
			return false, fmt.Errorf("%w: %s", ErrAlreadyPaid, id)
		}
		before := o.Status()
		if before == store.Processing {
			return false, fmt.Errorf("%w: %s", ErrProcessing, id)
		}
		if !o.CancelRequestedAt.IsZero() {
			return false, nil
		}
		o.CancelRequestedAt = now
		if err := f.closeUnrecorded(ctx, tx, o, now); err != nil {
			return false, err
		}
		if a := o.OpenAttempt(); a != nil {
			a.CheckAt = now
		} else {
			o.Notify(store.Notice{Kind: string(Canceled), At: now, From: before, To: o.Status(), Cause: "cancel"})
			f.passChanges(o, now)
		}
		return true, nil
	})
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
	switch {
	case o.Paid():
		err = fmt.Errorf("%w: %s", ErrAlreadyPaid, id)
	case o.Status() == store.Processing:
		err = fmt.Errorf("%w: %s", ErrProcessing, id)
	case o.Status() != store.Canceled:
		err = fmt.Errorf("%w: %s", ErrStillOpen, id)
	}
	f.deliverAside(ctx, id)
	return err
}
