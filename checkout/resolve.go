package checkout

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// Resolution is a person's decision about an order that is stuck.
type Resolution string

// The decisions about a paid order. Of several decisions the last one counts.
const (
	// Retry tries again what failed, without the pause that is left: the delivery, also one that failed for good, the stock of an
	// order that is short, and the automatic refund of a payment that can't be fulfilled, such as a second one. Of an order whose money
	// was given back, only a change and the refund of a second payment are tried again; so it is of an order that was given up, if one
	// of these failed.
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
// withdraw an automatic refund that was not made yet. Called with the context of a callback about the same order, Resolve leaves what
// the callback's own lane has to deliver until the callback has returned.
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
	if ctx.Value(deliveringKey[Tx]{f}) == id {
		f.tryDeliver(ctx, id)
		return nil
	}
	return f.deliver(ctx, handover{orderID: id})
}

// Check says why [Flow.Resolve] would refuse the decision for an order as it is; nil: it would not. The errors match [ErrNotPaid],
// [ErrGivenBack] or [ErrFulfilled].
func (r Resolution) Check(o *store.Order) error {
	paid := o.PaidAttempt()
	switch {
	case r != Retry && r != FulfilAnyway && r != GiveUp:
		return fmt.Errorf("checkout: no such resolution: %q", r)
	case paid == nil:
		return fmt.Errorf("%w: %s", ErrNotPaid, o.ID)
	case r == GiveUp && !o.FulfilledAt.IsZero():
		return fmt.Errorf("%w: %s", ErrFulfilled, o.ID)
	case r == FulfilAnyway && goneBeforeFulfilment(o, paid), r == Retry && goneBeforeFulfilment(o, paid) && !restFailed(o, paid):
		return fmt.Errorf("%w: %s", ErrGivenBack, o.ID)
	}
	return nil
}

// goneBeforeFulfilment reports whether the money of an order that was not fulfilled was given back, or Stripe was asked to.
func goneBeforeFulfilment(o *store.Order, paid *store.Attempt) bool {
	refunding := paid.RefundWanted != "" && paid.RefundRefused == "" && !paid.RefundAskedAt.IsZero()
	return o.FulfilledAt.IsZero() && (refunding || o.GivenBack(paid))
}

// restFailed reports whether something failed that can be tried again whatever became of the payment that counts.
func restFailed(o *store.Order, paid *store.Attempt) bool {
	return o.ChangeDelivery.Tries+o.ChangeDelivery.Rollbacks > 0 ||
		slices.ContainsFunc(o.Attempts, func(a store.Attempt) bool { return a.N != paid.N && isRefused(&a) && !o.GivenBack(&a) })
}

// isRefused reports whether an automatic refund was refused or failed, and no person has decided about the payment since.
func isRefused(a *store.Attempt) bool {
	return a.RefundRefused != "" && a.AcceptedAt.IsZero() && a.DismissedAt.IsZero()
}

// decide records a decision with a locked order.
func (f *Flow[Tx]) decide(ctx context.Context, tx Tx, o *store.Order, r Resolution, now time.Time) error {
	if err := r.Check(o); err != nil {
		return err
	}
	paid := o.PaidAttempt()
	for _, d := range [...]*store.Delivery{&o.Delivery, &o.ChangeDelivery} {
		d.Tries, d.Rollbacks, d.NextAt = 0, 0, time.Time{}
	}
	switch r {
	case Retry:
		rest := restFailed(o, paid)
		for i := range o.Attempts {
			if a := &o.Attempts[i]; a != paid && isRefused(a) {
				retryRefund(a)
			}
		}
		if goneBeforeFulfilment(o, paid) || rest && !o.GivenUpAt.IsZero() {
			return nil // that the order is not fulfilled is no failure
		}
		o.GivenUpAt = time.Time{}
		if paid.Agrees() || paid.RefundRefused == "" { // otherwise only the refund can be tried again
			paid.RefundWanted = ""
		}
		retryRefund(paid)
		if paid.Hold.State != store.Sold { // otherwise FulfilAnyway took what was there already
			o.Shortfall = nil
		}
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
		o.GivenUpAt, paid.AcceptedAt = now, time.Time{}
		dismiss(o, now)
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
