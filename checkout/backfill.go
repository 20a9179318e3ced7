package checkout

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
)

// Backfill asks Stripe for every session created since then, on the merchant's own account and on those that Config.Accounts
// lists, and settles those that this shop began, and what was refunded or disputed of them: after a restored backup, or an outage of more than the month for which Stripe keeps events. What it
// brings to light is delivered by the next sweep. It returns how many sessions were this shop's.
//
// Sessions of this shop without an order are logged and passed over. Sessions that were begun by other means, such as by
// the shop's own code before it used this package, are nobody's here: what was sold with them is not known.
//
// It makes a request for every hundred sessions of an account and one for each of this shop's, without a pause.
func (f *Flow[Tx]) Backfill(ctx context.Context, since time.Time) (ours int, err error) {
	accounts := []string{""}
	if f.accounts != nil {
		connected, err := f.accounts(ctx)
		if err != nil {
			return 0, fmt.Errorf("checkout: listing connected accounts: %w", err)
		}
		accounts = append(accounts, connected...)
	}
	for _, account := range accounts {
		n, err := f.backfillAccount(ctx, account, since)
		if ours += n; err != nil {
			return ours, err
		}
	}
	return ours, nil
}

func (f *Flow[Tx]) backfillAccount(ctx context.Context, account string, since time.Time) (ours int, err error) {
	params := &stripe.CheckoutSessionListParams{CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: since.Unix()}}
	params.Limit = stripe.Int64(pageSize)
	onAccount(params, account)
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
			o.Account = account // where the session is, whether or not it should be
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
	if err := f.listRefundsSince(ctx, everything, account, since, func(string) {}); err != nil {
		return ours, err
	}
	return ours, f.listDisputesSince(ctx, everything, account, since, func(string) {})
}
