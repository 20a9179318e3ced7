package checkout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
)

// listRefunds fetches the refunds of a charge and settles each.
func (f *Flow[Tx]) listRefunds(ctx context.Context, id, charge, cause string) error {
	o, err := f.store.Find(ctx, id)
	if err != nil {
		return err
	}
	params := &stripe.RefundListParams{Charge: stripe.String(charge)}
	onAccount(params, o)
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

// listDisputes fetches the disputes of a charge and settles each.
func (f *Flow[Tx]) listDisputes(ctx context.Context, o *store.Order, charge, cause string) error {
	params := &stripe.DisputeListParams{Charge: stripe.String(charge)}
	onAccount(params, o)
	for dispute, err := range f.stripe.V1Disputes.List(ctx, params) {
		if err != nil {
			return &stripeError{doing: "listing disputes", err: err}
		}
		if err := f.settleDispute(ctx, o.ID, factsOfDispute(dispute), cause); err != nil {
			return err
		}
	}
	return nil
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
	onAccount(params, o)
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
	onAccount(params, o)
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
