package checkout

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// Resolution is what a person decides of an order that is stuck.
type Resolution string

// What can be decided of a paid order. Of several decisions the last one counts.
const (
	// Retry tries again what failed, without the pause that is left: the delivery, also one that failed for good, and the
	// stock of an order that is short.
	Retry Resolution = "retry"
	// FulfilAnyway fulfils an order that is parked or short: what was paid is accepted, and stock that is not there is the
	// merchant's to find.
	FulfilAnyway Resolution = "fulfil anyway"
	// GiveUp ends it: the order is not fulfilled, and the stock it holds is back. What is sold already comes back with the
	// Reserver's Adjust. To give the money back is the merchant's.
	GiveUp Resolution = "give up"
)

// Resolve does what a person decided of an order that [store.Order.Stuck] shows, and delivers what comes of it. [Flow.List]
// finds such orders.
//
// Errors: one that matches [store.ErrNotFound], [ErrNotPaid], or [ErrFulfilled] for GiveUp; what delivering failed with.
func (f *Flow[Tx]) Resolve(ctx context.Context, id string, r Resolution) error {
	err := f.change(ctx, id, func(tx Tx, o *store.Order, now time.Time) (bool, error) {
		counts := o.PaidAttempt()
		if counts == nil {
			return false, fmt.Errorf("%w: %s", ErrNotPaid, id)
		}
		o.Delivery.Tries, o.Delivery.NextAt, o.GivenUpAt = 0, time.Time{}, time.Time{}
		s := &settlement{o: o, now: now, attempt: counts, before: o.Status()}
		switch r {
		case Retry:
			o.Shortfall = nil
			if strings.HasPrefix(o.Parked, parkedPermanent) {
				o.Parked = ""
			}
			return true, f.settleStock(ctx, tx, s)
		case FulfilAnyway:
			o.Shortfall, o.Parked, counts.Mismatch = nil, "", ""
			err := f.settleStock(ctx, tx, s)
			o.Shortfall = nil // it was accepted that stock is missing
			return true, err
		case GiveUp:
			if !o.FulfilledAt.IsZero() {
				return false, fmt.Errorf("%w: %s", ErrFulfilled, id)
			}
			o.GivenUpAt = now
			return true, f.release(ctx, tx, &counts.Hold, &counts.Increase)
		}
		return false, fmt.Errorf("checkout: no such resolution: %q", r)
	})
	if err != nil {
		return err
	}
	return f.deliver(ctx, id)
}
