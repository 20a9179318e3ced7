package checkout

import (
	"context"
	"errors"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
)

// payment names what was paid with; either ID may be empty.
type payment struct{ intent, charge string }

// orderOfPayment returns the ID of the order that was paid with p; empty: it is not ours. What Stripe copies to a charge it
// does not copy to refunds and disputes, so an order is found by what was recorded, or by the session of the payment intent
// when the news of the payment is still on its way: it is settled then.
func (f *Flow[Tx]) orderOfPayment(ctx context.Context, account string, p payment) (string, error) {
	if o, err := f.findPayment(ctx, p); err != nil || o != nil {
		return idOf(o), err
	}
	if p.intent == "" && p.charge != "" {
		params := &stripe.ChargeRetrieveParams{}
		onAccount(params, account)
		charge, err := f.stripe.V1Charges.Retrieve(ctx, p.charge, params)
		if missing(err) || err == nil && charge.PaymentIntent == nil {
			return "", nil
		}
		if err != nil {
			return "", &stripeError{doing: "fetching a charge", err: err}
		}
		p.intent = charge.PaymentIntent.ID
	}
	if p.intent == "" {
		return "", nil
	}
	params := &stripe.CheckoutSessionListParams{PaymentIntent: stripe.String(p.intent)}
	onAccount(params, account)
	for session, err := range f.stripe.V1CheckoutSessions.List(ctx, params) {
		if err != nil {
			return "", &stripeError{doing: "listing the sessions of a payment", err: err}
		}
		answer, err := f.retrieve(ctx, &store.Order{Account: account}, session.ID, "refund or dispute")
		if err != nil {
			return "", err
		}
		return f.settleSession(ctx, answer)
	}
	f.foreign.Add(1)
	return "", nil
}

// findPayment returns the order that was recorded as paid with p, or nil.
func (f *Flow[Tx]) findPayment(ctx context.Context, p payment) (*store.Order, error) {
	for _, ref := range [...]string{p.intent, p.charge} {
		if ref == "" {
			continue
		}
		o, err := f.store.FindRef(ctx, ref)
		if err == nil || !errors.Is(err, store.ErrNotFound) {
			return o, err
		}
	}
	return nil, nil
}

func idOf(o *store.Order) string {
	if o == nil {
		return ""
	}
	return o.ID
}

// attemptOf returns the number of the attempt that was paid with p; 0: it can't be told.
func attemptOf(o *store.Order, p payment) int {
	for _, a := range o.Attempts {
		if p.intent != "" && a.PaymentIntent == p.intent || p.charge != "" && a.Charge == p.charge {
			return a.N
		}
	}
	return 0
}

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
