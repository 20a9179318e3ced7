package checkout

import (
	"context"
	"errors"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
)

// askDetails asks Stripe for what a paid session does not say itself, before anything is settled: what was bought, and what was
// given back of the payment. It is settled together with the payment, so that goods which were paid back before their payment
// was heard of are not shipped.
func (f *Flow[Tx]) askDetails(ctx context.Context, id string, n *news) error {
	if !n.paid {
		return nil
	}
	if err := f.askLines(ctx, id, n); err != nil {
		return err
	}
	charge := n.facts.PaymentIntent.LatestCharge
	if charge.AmountRefunded > 0 {
		refunds, err := f.refundsOf(ctx, n.account, charge.ID)
		if err != nil {
			return err
		}
		n.refunds = refunds
	}
	if !charge.Disputed {
		return nil
	}
	disputes, err := f.disputesOf(ctx, n.account, charge.ID)
	n.disputes = disputes
	return err
}

// askLines asks what was bought, if the customer could change that.
func (f *Flow[Tx]) askLines(ctx context.Context, id string, n *news) error {
	o, err := f.store.Find(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil // settle says so
	}
	if err != nil {
		return err
	}
	a := o.AttemptBySession(n.facts.ID)
	if a == nil || a.Paid || a.Quote == nil || !a.Quote.Variable {
		return nil
	}
	params := &stripe.CheckoutSessionListLineItemsParams{Session: stripe.String(a.SessionID)}
	onAccount(params, o.Account)
	for item, err := range f.stripe.V1CheckoutSessions.ListLineItems(ctx, params) {
		if err != nil {
			return &stripeError{doing: "listing what was bought", err: err}
		}
		line := store.Line{Name: item.Description, Quantity: item.Quantity}
		if item.Price != nil {
			line.UnitAmount = item.Price.UnitAmount
		}
		n.lines = append(n.lines, line)
	}
	return nil
}

// refundsOf lists the refunds of a charge.
func (f *Flow[Tx]) refundsOf(ctx context.Context, account, charge string) (all []refundFacts, err error) {
	params := &stripe.RefundListParams{Charge: stripe.String(charge)}
	onAccount(params, account)
	for refund, err := range f.stripe.V1Refunds.List(ctx, params) {
		if err != nil {
			return nil, &stripeError{doing: "listing refunds", err: err}
		}
		all = append(all, factsOfRefund(refund))
	}
	return all, nil
}

// disputesOf lists the disputes of a charge.
func (f *Flow[Tx]) disputesOf(ctx context.Context, account, charge string) (all []disputeFacts, err error) {
	params := &stripe.DisputeListParams{Charge: stripe.String(charge)}
	onAccount(params, account)
	for dispute, err := range f.stripe.V1Disputes.List(ctx, params) {
		if err != nil {
			return nil, &stripeError{doing: "listing disputes", err: err}
		}
		all = append(all, factsOfDispute(dispute))
	}
	return all, nil
}

// settleGivenBack joins what was given back into the ledgers of the order. An entry that is known to have ended otherwise is left
// to whoever hears of it next.
func (f *Flow[Tx]) settleGivenBack(s *settlement) {
	for _, r := range s.news.refunds {
		f.joinRefund(s.o, r, s.now, s.news.cause, (*store.Order).JoinRefund)
	}
	for _, d := range s.news.disputes {
		f.joinDispute(s.o, d, s.now, s.news.cause, (*store.Order).JoinDispute)
	}
}
