package checkout

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
)

// Backfill asks Stripe for every session created since then and settles those that this shop began, and what was refunded
// or disputed of them: after a restored backup, or an outage of more than the month for which Stripe keeps events. What it
// brings to light is delivered by the next sweep. It returns how many sessions were this shop's.
//
// Sessions of this shop without an order are logged and passed over. Sessions that were begun by other means, such as by
// the shop's own code before it used this package, are nobody's here: what was sold with them is not known.
//
// It makes a request for every hundred sessions of the account and one for each of this shop's, without a pause.
func (f *Flow[Tx]) Backfill(ctx context.Context, since time.Time) (ours int, err error) {
	params := &stripe.CheckoutSessionListParams{CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: since.Unix()}}
	params.Limit = stripe.Int64(100)
	for session, err := range f.stripe.V1CheckoutSessions.List(ctx, params) {
		if err != nil {
			return ours, &stripeError{doing: "listing sessions", err: err}
		}
		facts := sessionFacts{ID: session.ID, Metadata: session.Metadata}
		id, err := f.orderOf(ctx, &facts)
		if err != nil {
			return ours, err
		}
		if id == "" {
			continue
		}
		o, err := f.store.Find(ctx, id)
		if err == nil {
			var answer news
			if answer, err = f.retrieve(ctx, o, session.ID, "backfill"); err == nil {
				err = f.settle(ctx, id, answer)
			}
		}
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, ErrUnknownOrder) {
			f.log.Error("session of this shop without an order", "session", session.ID, "order", id)
			continue
		}
		if err != nil {
			return ours, err
		}
		ours++
	}
	everything := &budget{left: math.MaxInt}
	if err := f.listRefundsSince(ctx, everything, since, func(string) {}); err != nil {
		return ours, err
	}
	return ours, f.listDisputesSince(ctx, everything, since, func(string) {})
}
