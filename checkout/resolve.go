package checkout

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// Resolution is a person's decision about an order that is stuck.
type Resolution string

// The decisions about a paid order. Of several decisions the last one counts.
const (
	// Retry tries again what failed, without the pause that is left: the delivery, also one that failed for good, and the
	// stock of an order that is short.
	Retry Resolution = "retry"
	// FulfilAnyway fulfils an order that is parked or short: the payment is accepted as it is. Stock that is there is sold;
	// stock that is missing is the merchant's to find, and stays in the order's Shortfall. A second payment of the order needs
	// nothing anymore.
	FulfilAnyway Resolution = "fulfil anyway"
	// GiveUp ends it: the order is not fulfilled, and the stock it holds is back. What is sold already comes back with the
	// Reserver's Adjust. To give the money back is the merchant's, and so is to cancel a subscription, which is charged until
	// then.
	GiveUp Resolution = "give up"
)

// Resolve carries out a person's decision about an order that [store.Order.Stuck] shows, and delivers the outcome.
// [Flow.List] finds such orders. The decision is kept: no later answer of Stripe's undoes it. Retry and FulfilAnyway
// withdraw an automatic refund that was not made yet.
//
// Errors: one that matches [ErrNotFound], [ErrNotPaid], [ErrGivenBack] for FulfilAnyway and Retry when the money went back
// or is on its way back, or [ErrFulfilled] for GiveUp; [ErrBusy] while another process delivers; [ErrBackoff] while the next
// try is not due; Stripe's answer, by errors.As as a [*stripe.Error]; the error of Fulfil or OnChange.
func (f *Flow[Tx]) Resolve(ctx context.Context, id string, r Resolution) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	err := f.recordTx(ctx, id, "resolve", func(tx Tx, o *store.Order, now time.Time) (bool, error) {
		return true, f.decide(ctx, tx, o, r, now)
	})
	if err != nil {
		return err
	}
	return f.deliver(ctx, handover{orderID: id})
}

// decide records a decision with a locked order.
func (f *Flow[Tx]) decide(ctx context.Context, tx Tx, o *store.Order, r Resolution, now time.Time) error {
	paid := o.PaidAttempt()
	if paid == nil {
		return fmt.Errorf("%w: %s", ErrNotPaid, o.ID)
	}
	refunding := paid.RefundWanted != "" && paid.RefundRefused == "" && !paid.RefundAskedAt.IsZero()
	if r != GiveUp && o.FulfilledAt.IsZero() && (refunding || o.GivenBack(paid)) {
		return fmt.Errorf("%w: %s", ErrGivenBack, o.ID)
	}
	for _, d := range [...]*store.Delivery{&o.Delivery, &o.ChangeDelivery} {
		d.Tries, d.Rollbacks, d.NextAt = 0, 0, time.Time{}
	}
	switch r {
	case Retry:
		o.GivenUpAt = time.Time{}
		if paid.Hold.State != store.Sold { // otherwise FulfilAnyway took what was there already
			o.Shortfall = nil
		}
		paid.RefundWanted, paid.RefundRefused = "", ""
		if strings.HasPrefix(o.Parked, store.ParkedByCallback) {
			o.Parked = ""
		}
	case FulfilAnyway:
		o.GivenUpAt, o.Parked, paid.AcceptedAt = time.Time{}, "", now
		paid.RefundWanted, paid.RefundRefused = "", ""
		paid.Review, paid.ReviewClosed = "", ""
		dismiss(o, now)
		if len(o.Shortfall) > 0 && f.reserver != nil && paid.Hold.State != store.Sold && o.FulfilledAt.IsZero() {
			return f.sellWhatIsThere(ctx, tx, o, paid)
		}
	case GiveUp:
		if !o.FulfilledAt.IsZero() {
			return fmt.Errorf("%w: %s", ErrFulfilled, o.ID)
		}
		o.GivenUpAt, paid.AcceptedAt = now, time.Time{}
		dismiss(o, now)
	default:
		return fmt.Errorf("checkout: no such resolution: %q", r)
	}
	return nil
}

// dismiss keeps that a person decided about all payments that arrived so far.
func dismiss(o *store.Order, now time.Time) {
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a.Paid {
			a.DismissedAt = now
		}
	}
}
