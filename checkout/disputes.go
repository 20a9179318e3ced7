package checkout

import (
	"context"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

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

// settleDispute does with a dispute what settleRefund does with a refund.
func (f *Flow[Tx]) settleDispute(ctx context.Context, id string, d disputeFacts, cause string) error {
	conflict, account, err := f.settleLedger(ctx, id, func(o *store.Order, now time.Time) store.Joined {
		return f.joinDispute(o, d, now, cause, (*store.Order).JoinDispute)
	})
	if err != nil || !conflict {
		return err
	}
	params := &stripe.DisputeRetrieveParams{}
	onAccount(params, account)
	answer, err := f.stripe.V1Disputes.Retrieve(ctx, d.ID, params)
	if err != nil {
		return &stripeError{doing: "fetching a dispute", err: err}
	}
	_, _, err = f.settleLedger(ctx, id, func(o *store.Order, now time.Time) store.Joined {
		return f.joinDispute(o, factsOfDispute(answer), now, cause, (*store.Order).SetDispute)
	})
	return err
}

// joinDispute does with a dispute what joinRefund does with a refund.
func (f *Flow[Tx]) joinDispute(o *store.Order, d disputeFacts, now time.Time, cause string, join func(*store.Order, store.Dispute) store.Joined) store.Joined {
	e := store.Dispute{
		ID: d.ID, Amount: d.Amount, State: disputeState(d.Status),
		Attempt: attemptOf(o, d.payment()),
	}
	before := o.Status()
	joined := join(o, e)
	f.announceJoined(o, joined, store.Notice{Kind: string(disputeChange[e.State]), At: now, From: before, Cause: cause, Detail: e.ID})
	return joined
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

// disputeFacts is what the library reads of a dispute.
type disputeFacts struct {
	ID            string   `json:"id"`
	Status        string   `json:"status"`
	Amount        int64    `json:"amount"`
	Charge        objectID `json:"charge"`
	PaymentIntent objectID `json:"payment_intent"`
}

func (d disputeFacts) payment() payment { return payment{string(d.PaymentIntent), string(d.Charge)} }

func (f *Flow[Tx]) heardDispute(ctx context.Context, account string, d disputeFacts, cause string) (id string, err error) {
	id, err = f.orderOfPayment(ctx, account, d.payment())
	if err != nil || id == "" {
		return "", err
	}
	return id, f.settleDispute(ctx, id, d, cause)
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

// disputeChange is what merchants are told when a dispute comes to a state.
var disputeChange = map[store.DisputeState]ChangeKind{
	store.DisputeOpen: ChangeDisputed, store.DisputeWon: ChangeDisputeWon, store.DisputeLost: ChangeDisputeLost,
}

var disputeEvents = [...]string{
	string(webhook.ChargeDisputeCreated), string(webhook.ChargeDisputeUpdated), string(webhook.ChargeDisputeClosed),
	string(webhook.ChargeDisputeFundsWithdrawn), string(webhook.ChargeDisputeFundsReinstated),
}
