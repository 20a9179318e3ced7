package checkout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// refundFacts is what the library reads of a refund.
type refundFacts struct {
	ID            string   `json:"id"`
	Status        string   `json:"status"`
	Amount        int64    `json:"amount"`
	Charge        objectID `json:"charge"`
	PaymentIntent objectID `json:"payment_intent"`
}

// disputeFacts is what the library reads of a dispute.
type disputeFacts struct {
	ID            string   `json:"id"`
	Status        string   `json:"status"`
	Amount        int64    `json:"amount"`
	Charge        objectID `json:"charge"`
	PaymentIntent objectID `json:"payment_intent"`
}

// chargeFacts is what the library reads of a charge of which something was refunded.
type chargeFacts struct {
	ID            string   `json:"id"`
	PaymentIntent objectID `json:"payment_intent"`
}

// The events of refunds and disputes. Since API version 2024-10-28 refund.* cover every refund
// (https://docs.stripe.com/refunds#refund-events); before, charge.refunded was all that some had.
var (
	refundEvents = [...]string{
		string(webhook.RefundCreated), string(webhook.RefundUpdated), string(webhook.RefundFailed), string(webhook.ChargeRefundUpdated),
	}
	disputeEvents = [...]string{
		string(webhook.ChargeDisputeCreated), string(webhook.ChargeDisputeUpdated), string(webhook.ChargeDisputeClosed),
		string(webhook.ChargeDisputeFundsWithdrawn), string(webhook.ChargeDisputeFundsReinstated),
	}
	chargeRefunded = string(webhook.ChargeRefunded)
)

// handleMoneyBack registers the events of refunds and disputes.
func (f *Flow[Tx]) handleMoneyBack(h *webhook.Handler) {
	for _, t := range refundEvents {
		webhook.On(h, webhook.Type[refundFacts](t), func(ctx context.Context, e *webhook.Event[refundFacts]) error {
			return f.deliverTo(ctx)(f.heardRefund(ctx, e.Account, e.Object, e.ID))
		})
	}
	for _, t := range disputeEvents {
		webhook.On(h, webhook.Type[disputeFacts](t), func(ctx context.Context, e *webhook.Event[disputeFacts]) error {
			return f.deliverTo(ctx)(f.heardDispute(ctx, e.Account, e.Object, e.ID))
		})
	}
	webhook.On(h, webhook.Type[chargeFacts](chargeRefunded), func(ctx context.Context, e *webhook.Event[chargeFacts]) error {
		return f.deliverTo(ctx)(f.heardCharge(ctx, e.Account, e.Object, e.ID))
	})
}

// deliverTo delivers the order that something was heard of, if it is ours.
func (f *Flow[Tx]) deliverTo(ctx context.Context) func(id string, err error) error {
	return func(id string, err error) error {
		if err != nil || id == "" {
			return err
		}
		return f.deliver(ctx, id)
	}
}

// heardRefund settles what was heard of a refund and returns the ID of its order; empty: it is not ours.
func (f *Flow[Tx]) heardRefund(ctx context.Context, account string, r refundFacts, cause string) (id string, err error) {
	id, err = f.orderOfPayment(ctx, account, payment{string(r.PaymentIntent), string(r.Charge)})
	if err != nil || id == "" {
		return "", err
	}
	return id, f.settleRefund(ctx, id, r, cause)
}

func (f *Flow[Tx]) heardDispute(ctx context.Context, account string, d disputeFacts, cause string) (id string, err error) {
	id, err = f.orderOfPayment(ctx, account, payment{string(d.PaymentIntent), string(d.Charge)})
	if err != nil || id == "" {
		return "", err
	}
	return id, f.settleDispute(ctx, id, d, cause)
}

// heardCharge asks for the refunds of a charge of which something was refunded.
func (f *Flow[Tx]) heardCharge(ctx context.Context, account string, c chargeFacts, cause string) (id string, err error) {
	id, err = f.orderOfPayment(ctx, account, payment{string(c.PaymentIntent), c.ID})
	if err != nil || id == "" {
		return "", err
	}
	return id, f.listRefunds(ctx, id, c.ID, cause)
}

// payment names what was paid with; either ID may be empty.
type payment struct{ intent, charge string }

// orderOfPayment returns the ID of the order that was paid with p; empty: it is not ours. What Stripe copies to a charge it
// does not copy to refunds and disputes, so an order is found by what was recorded, or by the session of the payment intent
// when the news of the payment is still on its way: it is settled then.
func (f *Flow[Tx]) orderOfPayment(ctx context.Context, account string, p payment) (string, error) {
	if o, err := f.findPayment(ctx, p); err != nil || o != nil {
		return idOf(o), err
	}
	at := &store.Order{Account: account}
	if p.intent == "" && p.charge != "" {
		params := &stripe.ChargeRetrieveParams{}
		onAccount(&params.Params, at)
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
	if account != "" {
		params.SetStripeAccount(account)
	}
	for session, err := range f.stripe.V1CheckoutSessions.List(ctx, params) {
		if err != nil {
			return "", &stripeError{doing: "listing the sessions of a payment", err: err}
		}
		answer, err := f.retrieve(ctx, at, session.ID, "refund or dispute")
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

// listRefunds fetches the refunds of a charge and settles each.
func (f *Flow[Tx]) listRefunds(ctx context.Context, id, charge, cause string) error {
	o, err := f.store.Find(ctx, id)
	if err != nil {
		return err
	}
	params := &stripe.RefundListParams{Charge: stripe.String(charge)}
	if o.Account != "" {
		params.SetStripeAccount(o.Account)
	}
	for refund, err := range f.stripe.V1Refunds.List(ctx, params) {
		if err != nil {
			return &stripeError{doing: "listing refunds", err: err}
		}
		if err := f.settleRefund(ctx, id, factsOfRefund(refund), cause); err != nil {
			return err
		}
	}
	return nil
}

func factsOfRefund(r *stripe.Refund) refundFacts {
	facts := refundFacts{ID: r.ID, Status: string(r.Status), Amount: r.Amount}
	if r.Charge != nil {
		facts.Charge = objectID(r.Charge.ID)
	}
	if r.PaymentIntent != nil {
		facts.PaymentIntent = objectID(r.PaymentIntent.ID)
	}
	return facts
}

func factsOfDispute(d *stripe.Dispute) disputeFacts {
	facts := disputeFacts{ID: d.ID, Status: string(d.Status), Amount: d.Amount}
	if d.Charge != nil {
		facts.Charge = objectID(d.Charge.ID)
	}
	if d.PaymentIntent != nil {
		facts.PaymentIntent = objectID(d.PaymentIntent.ID)
	}
	return facts
}

// settleRefund joins what was heard of a refund into the order's ledger and queues what the merchant is to be told. Of two
// ends that exclude each other, Stripe is asked which it is.
func (f *Flow[Tx]) settleRefund(ctx context.Context, id string, r refundFacts, cause string) error {
	entry := func(o *store.Order, r refundFacts) store.Refund {
		return store.Refund{
			ID: r.ID, Amount: r.Amount, State: store.RefundState(r.Status),
			Attempt: attemptOf(o, payment{string(r.PaymentIntent), string(r.Charge)}),
		}
	}
	tell := func(state store.RefundState) ChangeKind {
		switch state {
		case store.RefundSucceeded:
			return Refunded
		case store.RefundFailed, store.RefundCanceled:
			return RefundFailed
		}
		return ""
	}
	conflict, err := f.settleLedger(ctx, id, r.ID, cause, func(o *store.Order) (store.Joined, ChangeKind) {
		e := entry(o, r)
		return o.JoinRefund(e), tell(e.State)
	})
	if err != nil || !conflict {
		return err
	}
	o, err := f.store.Find(ctx, id)
	if err != nil {
		return err
	}
	params := &stripe.RefundRetrieveParams{}
	onAccount(&params.Params, o)
	now, err := f.stripe.V1Refunds.Retrieve(ctx, r.ID, params)
	if err != nil {
		return &stripeError{doing: "fetching a refund", err: err}
	}
	_, err = f.settleLedger(ctx, id, r.ID, cause, func(o *store.Order) (store.Joined, ChangeKind) {
		e := entry(o, factsOfRefund(now))
		return o.SetRefund(e), tell(e.State)
	})
	return err
}

// settleDispute does with a dispute what settleRefund does with a refund.
func (f *Flow[Tx]) settleDispute(ctx context.Context, id string, d disputeFacts, cause string) error {
	entry := func(o *store.Order, d disputeFacts) store.Dispute {
		return store.Dispute{
			ID: d.ID, Amount: d.Amount, State: disputeState(d.Status),
			Attempt: attemptOf(o, payment{string(d.PaymentIntent), string(d.Charge)}),
		}
	}
	tell := map[store.DisputeState]ChangeKind{
		store.DisputeOpen: Disputed, store.DisputeWon: DisputeWon, store.DisputeLost: DisputeLost,
	}
	conflict, err := f.settleLedger(ctx, id, d.ID, cause, func(o *store.Order) (store.Joined, ChangeKind) {
		e := entry(o, d)
		return o.JoinDispute(e), tell[e.State]
	})
	if err != nil || !conflict {
		return err
	}
	o, err := f.store.Find(ctx, id)
	if err != nil {
		return err
	}
	params := &stripe.DisputeRetrieveParams{}
	onAccount(&params.Params, o)
	now, err := f.stripe.V1Disputes.Retrieve(ctx, d.ID, params)
	if err != nil {
		return &stripeError{doing: "fetching a dispute", err: err}
	}
	_, err = f.settleLedger(ctx, id, d.ID, cause, func(o *store.Order) (store.Joined, ChangeKind) {
		e := entry(o, factsOfDispute(now))
		return o.SetDispute(e), tell[e.State]
	})
	return err
}

// disputeState is where a dispute is by its status (https://docs.stripe.com/api/disputes/object#dispute_object-status). An
// inquiry that was closed, and a dispute that was prevented, took no money.
func disputeState(status string) store.DisputeState {
	switch status {
	case "won", "warning_closed", "prevented":
		return store.DisputeWon
	case "lost":
		return store.DisputeLost
	}
	return store.DisputeOpen
}

// settleLedger runs join on the locked order and queues its change if it was news.
func (f *Flow[Tx]) settleLedger(ctx context.Context, id, object, cause string, join func(o *store.Order) (store.Joined, ChangeKind)) (conflict bool, err error) {
	err = f.change(ctx, id, func(_ Tx, o *store.Order, now time.Time) (bool, error) {
		before := o.Status()
		joined, kind := join(o)
		conflict = joined == store.Conflict
		if joined != store.News {
			return false, nil
		}
		if kind != "" {
			o.Notify(store.Notice{Kind: string(kind), At: now, From: before, To: o.Status(), Cause: cause, Detail: object})
			f.passChanges(o, now)
		}
		return true, nil
	})
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("%w: %s", ErrUnknownOrder, id)
	}
	return conflict, err
}
