package checkout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stripe/stripe-go/v82"
)

// Backfill asks Stripe for every session created since then, on the merchant's own account and on those that Config.Accounts
// lists, and settles those that this shop began, and what was refunded or disputed of them. It is for a restored backup,
// before customers can buy again, or for an outage of more than the month for which Stripe keeps events. The next sweep
// delivers what Backfill brings to light. It returns how many sessions were this shop's.
//
// The next sweeps also read all events since then that Stripe still keeps, delivered or not, and hand them to the handlers of the
// Flow and of the merchant. So an order learns what became of its subscription, however long ago its session was. What happened to a
// subscription before the events that Stripe keeps is found at the end of its period.
//
// A session of this shop whose money has arrived or is on its way, and that has no order, is recorded with a new order. The
// order is parked once the money is there, see [store.Order.Stuck]. An open session without an order is ended. Paid sessions that
// name another shop are logged: see Config.ShopID. Sessions that were begun by other means, such as by the shop's own code before it
// used this package, are left alone, as nothing says what was sold with them.
//
// A failure stops nothing else: the error joins all failures. Backfill makes a request for every hundred
// sessions of an account and one or two for each of this shop's, without a pause.
func (f *Flow[Tx]) Backfill(ctx context.Context, since time.Time) (ours int, err error) {
	var failed []error
	connected, err := f.connectedAccounts(ctx)
	if err != nil {
		failed = append(failed, err)
	}
	for _, account := range append([]string{""}, connected...) {
		n, err := f.backfillAccount(ctx, account, since)
		ours += n
		if err != nil {
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return ours, errors.Join(failed...)
}

func (f *Flow[Tx]) backfillAccount(ctx context.Context, account string, since time.Time) (ours int, err error) {
	shop, err := f.shop(ctx)
	if err != nil {
		return 0, err
	}
	if err := f.checkAccount(ctx); err != nil {
		return 0, err
	}
	if err := f.noticeLoss(ctx, account, since); err != nil {
		return 0, err
	}
	var failed []error
	paidElsewhere := map[string]int{}
	params := &stripe.CheckoutSessionListParams{CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: since.Unix()}}
	params.Limit = stripe.Int64(pageSize)
	onAccount(params, account)
	for session, err := range f.stripe.client.V1CheckoutSessions.List(ctx, params) {
		if err != nil {
			failed = append(failed, f.stripe.failed("listing sessions", err))
			break
		}
		listed := sessionFacts{ID: session.ID, Metadata: session.Metadata}
		if session.RecoveredFrom != "" {
			listed.RecoveredFrom = objectID(session.RecoveredFrom)
		}
		settled, err := f.backfillSession(ctx, shop, account, listed)
		if err != nil {
			failed = append(failed, fmt.Errorf("checkout: session %s: %w", session.ID, err))
		}
		other := session.Metadata[metadataShop]
		switch {
		case settled:
			ours++
		case other != "" && other != shop.id && session.PaymentStatus == stripe.CheckoutSessionPaymentStatusPaid:
			paidElsewhere[other]++
		}
		if ctx.Err() != nil {
			return ours, ctx.Err()
		}
	}
	for other, sessions := range paidElsewhere {
		f.log.Warn("paid sessions of another shop are left alone; if this shop lost its ID, set Config.ShopID to it", "shop", other, "sessions", sessions)
	}
	for _, kind := range []func(context.Context, string, time.Time, string, func(string)) (string, error){f.refundsPage, f.disputesPage} {
		for after, first := "", true; after != "" || first; first = false {
			if after, err = kind(ctx, account, since, after, func(string) {}); err != nil {
				failed = append(failed, err)
			}
		}
	}
	return ours, errors.Join(failed...)
}

func (f *Flow[Tx]) backfillSession(ctx context.Context, shop shopIdentity, account string, listed sessionFacts) (ours bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	o, err := f.recordedOrder(ctx, &listed)
	if err != nil {
		return false, err
	}
	if o == nil && listed.Metadata[metadataShop] != shop.id {
		return false, nil
	}
	mode := ""
	if o != nil {
		mode = o.Mode
	}
	answer, err := f.stripe.session(ctx, account, mode, listed.ID, "backfill")
	if err != nil {
		return false, err
	}
	h, err := f.settleSession(ctx, answer)
	return h.orderID != "", err
}
