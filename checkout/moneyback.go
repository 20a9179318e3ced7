package checkout

import (
	"context"

	"github.com/stripe/stripe-go/v82"

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

func (r refundFacts) payment() payment  { return payment{string(r.PaymentIntent), string(r.Charge)} }
func (d disputeFacts) payment() payment { return payment{string(d.PaymentIntent), string(d.Charge)} }
func (c chargeFacts) payment() payment  { return payment{string(c.PaymentIntent), c.ID} }

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
	id, err = f.orderOfPayment(ctx, account, r.payment())
	if err != nil || id == "" {
		return "", err
	}
	return id, f.settleRefund(ctx, id, r, cause)
}

func (f *Flow[Tx]) heardDispute(ctx context.Context, account string, d disputeFacts, cause string) (id string, err error) {
	id, err = f.orderOfPayment(ctx, account, d.payment())
	if err != nil || id == "" {
		return "", err
	}
	return id, f.settleDispute(ctx, id, d, cause)
}

// heardCharge asks for the refunds of a charge of which something was refunded.
func (f *Flow[Tx]) heardCharge(ctx context.Context, account string, c chargeFacts, cause string) (id string, err error) {
	id, err = f.orderOfPayment(ctx, account, c.payment())
	if err != nil || id == "" {
		return "", err
	}
	return id, f.settleCharge(ctx, id, account, c, cause)
}

func (f *Flow[Tx]) settleCharge(ctx context.Context, id, account string, c chargeFacts, cause string) error {
	refunds, err := f.refundsOf(ctx, account, c.ID)
	if err != nil {
		return err
	}
	for _, r := range refunds {
		if err := f.settleRefund(ctx, id, r, cause); err != nil {
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
