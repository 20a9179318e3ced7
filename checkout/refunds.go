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

// refundAttempt gives the payment of an attempt back, as Config.Refund says. Repeating it refunds nothing more.
func (f *Flow[Tx]) refundAttempt(ctx context.Context, o *store.Order, a *store.Attempt) error {
	shop, err := f.shopID(ctx)
	if err != nil {
		return err
	}
	params := &stripe.RefundCreateParams{PaymentIntent: stripe.String(a.PaymentIntent)}
	params.SetIdempotencyKey(fmt.Sprintf("%s/%s/%d/refund", shop, o.ID, a.N))
	onAccount(params, o.Account)
	refund, err := f.stripe.V1Refunds.Create(ctx, params)
	if err != nil && !unrefundable(err) {
		return &stripeError{doing: "refunding a payment", err: err}
	}
	if err == nil {
		if err := f.settleRefund(ctx, o.ID, factsOfRefund(refund), "refund of attempt"); err != nil {
			return err
		}
	}
	return f.change(ctx, o.ID, func(_ Tx, o *store.Order, _ time.Time) (bool, error) {
		o.Attempt(a.N).RefundWanted = false
		return true, nil
	})
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

// What merchants are told when an entry of a ledger comes to a state.
var (
	refundChange = map[store.RefundState]ChangeKind{
		store.RefundSucceeded: ChangeRefunded, store.RefundFailed: ChangeRefundFailed, store.RefundCanceled: ChangeRefundFailed,
	}
)

// settleRefund joins what was heard of a refund into the order's ledger and queues what the merchant is to be told. Of two
// ends that exclude each other, Stripe is asked which it is.
func (f *Flow[Tx]) settleRefund(ctx context.Context, id string, r refundFacts, cause string) error {
	conflict, account, err := f.settleLedger(ctx, id, func(o *store.Order, now time.Time) store.Joined {
		return f.joinRefund(o, r, now, cause, (*store.Order).JoinRefund)
	})
	if err != nil || !conflict {
		return err
	}
	params := &stripe.RefundRetrieveParams{}
	onAccount(params, account)
	answer, err := f.stripe.V1Refunds.Retrieve(ctx, r.ID, params)
	if err != nil {
		return &stripeError{doing: "fetching a refund", err: err}
	}
	_, _, err = f.settleLedger(ctx, id, func(o *store.Order, now time.Time) store.Joined {
		return f.joinRefund(o, factsOfRefund(answer), now, cause, (*store.Order).SetRefund)
	})
	return err
}

// settleLedger runs join on the locked order, and returns the account to ask on if that came to a conflict.
func (f *Flow[Tx]) settleLedger(ctx context.Context, id string, join func(o *store.Order, now time.Time) store.Joined) (conflict bool, account string, err error) {
	err = f.change(ctx, id, func(_ Tx, o *store.Order, now time.Time) (bool, error) {
		joined := join(o, now)
		conflict, account = joined == store.Conflict, o.Account
		return joined == store.News, nil
	})
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("%w: %s", ErrUnknownOrder, id)
	}
	return conflict, account, err
}

// joinRefund makes an entry of a refund's facts, has it joined into the ledger of a locked order, and queues the change.
func (f *Flow[Tx]) joinRefund(o *store.Order, r refundFacts, now time.Time, cause string, join func(*store.Order, store.Refund) store.Joined) store.Joined {
	e := store.Refund{
		ID: r.ID, Amount: r.Amount, State: store.RefundState(r.Status),
		Attempt: attemptOf(o, r.payment()),
	}
	before := o.Status()
	joined := join(o, e)
	f.announceJoined(o, joined, store.Notice{Kind: string(refundChange[e.State]), At: now, From: before, Cause: cause, Detail: e.ID})
	return joined
}

// announceJoined queues what became of an entry, if that is news that merchants are told.
func (f *Flow[Tx]) announceJoined(o *store.Order, joined store.Joined, n store.Notice) {
	if joined != store.News || n.Kind == "" {
		return
	}
	n.To = o.Status()
	o.Notify(n)
	f.passChanges(o, n.At)
}

// refundFacts is what the library reads of a refund.
type refundFacts struct {
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

func (r refundFacts) payment() payment { return payment{string(r.PaymentIntent), string(r.Charge)} }

func (c chargeFacts) payment() payment { return payment{string(c.PaymentIntent), c.ID} }

// The events of refunds and disputes. Since API version 2024-10-28 refund.* cover every refund
// (https://docs.stripe.com/refunds#refund-events); before, charge.refunded was all that some had.
var (
	refundEvents = [...]string{
		string(webhook.RefundCreated), string(webhook.RefundUpdated), string(webhook.RefundFailed), string(webhook.ChargeRefundUpdated),
	}
	chargeRefunded = string(webhook.ChargeRefunded)
)

// heardRefund settles what was heard of a refund and returns the ID of its order; empty: it is not ours.
func (f *Flow[Tx]) heardRefund(ctx context.Context, account string, r refundFacts, cause string) (id string, err error) {
	id, err = f.orderOfPayment(ctx, account, r.payment())
	if err != nil || id == "" {
		return "", err
	}
	return id, f.settleRefund(ctx, id, r, cause)
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
