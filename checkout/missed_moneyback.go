package checkout

import (
	"context"
	"errors"
	"time"

	"github.com/stripe/stripe-go/v82"
)

const (
	// moneyBackCursor is when refunds and disputes were listed last, in Unix seconds; that of a connected account ends in its ID.
	moneyBackCursor = "money_back"
	// moneyBackEvery is how often they are listed, as far back as one can still change: a refund can fail a month after it
	// was made, a dispute takes up to three (https://docs.stripe.com/disputes/how-disputes-work).
	moneyBackEvery = time.Hour
	refundsBack    = 35 * 24 * time.Hour
	disputesBack   = 120 * 24 * time.Hour
)

// sweepMoneyBack lists refunds and disputes, once an hour: those of the merchant's own account, and, with half of the requests
// that are left, those of connected accounts. Whoever is not listed now is listed by the next sweep.
func (f *Flow[Tx]) sweepMoneyBack(ctx context.Context, b *budget, heard func(id string)) error {
	if err := f.sweepAccount(ctx, b, "", heard); err != nil || f.accounts == nil {
		return err
	}
	accounts, err := f.accounts(ctx)
	if err != nil {
		f.log.Warn("listing connected accounts", "error", err)
		return nil
	}
	reserved := b.left / 2
	b.left -= reserved
	defer func() { b.left = max(b.left, 0) + reserved }()
	for _, account := range accounts {
		err := f.sweepAccount(ctx, b, account, heard)
		var asking *stripeError
		if err != nil && !errors.As(err, &asking) || b.left < 0 || ctx.Err() != nil {
			return err
		}
		if err != nil {
			f.log.Warn("looking for missed refunds and disputes", "account", account, "error", err)
		}
	}
	return nil
}

// sweepAccount lists the refunds and disputes of one account, unless that was done within the hour. An account that refuses is
// asked again after as long.
func (f *Flow[Tx]) sweepAccount(ctx context.Context, b *budget, account string, heard func(id string)) error {
	now, cursor := f.now(), moneyBackCursor
	if account != "" {
		cursor += "/" + account
	}
	last, err := f.cursorTime(ctx, cursor, time.Time{})
	if err != nil || now.Sub(last) < moneyBackEvery {
		return err
	}
	asked := f.listRefundsSince(ctx, b, account, now.Add(-refundsBack), heard)
	if asked == nil {
		asked = f.listDisputesSince(ctx, b, account, now.Add(-disputesBack), heard)
	}
	if asked != nil && !refused(asked) || b.left < 0 {
		return asked
	}
	return errors.Join(asked, f.setCursorTime(ctx, cursor, now))
}

// listRefundsSince settles the refunds of payments that were recorded.
func (f *Flow[Tx]) listRefundsSince(ctx context.Context, b *budget, account string, since time.Time, heard func(id string)) error {
	params := &stripe.RefundListParams{CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: since.Unix()}}
	params.Limit = stripe.Int64(pageSize)
	onAccount(params, account)
	for r, err := range within(ctx, b, f.stripe.V1Refunds.List, params) {
		if err != nil {
			return &stripeError{doing: "listing refunds", err: err}
		}
		facts := factsOfRefund(r)
		id, err := f.missedOf(ctx, facts.payment(), func(id string) error { return f.settleRefund(ctx, id, facts, "sweep") })
		if err != nil {
			return err
		}
		heard(id)
	}
	return nil
}

// listDisputesSince does with disputes what listRefundsSince does with refunds.
func (f *Flow[Tx]) listDisputesSince(ctx context.Context, b *budget, account string, since time.Time, heard func(id string)) error {
	params := &stripe.DisputeListParams{CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: since.Unix()}}
	params.Limit = stripe.Int64(pageSize)
	onAccount(params, account)
	for d, err := range within(ctx, b, f.stripe.V1Disputes.List, params) {
		if err != nil {
			return &stripeError{doing: "listing disputes", err: err}
		}
		facts := factsOfDispute(d)
		id, err := f.missedOf(ctx, facts.payment(), func(id string) error { return f.settleDispute(ctx, id, facts, "sweep") })
		if err != nil {
			return err
		}
		heard(id)
	}
	return nil
}
