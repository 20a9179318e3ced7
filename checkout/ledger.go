package checkout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
)

// What merchants are told when an entry of a ledger comes to a state.
var (
	refundChange = map[store.RefundState]ChangeKind{
		store.RefundSucceeded: Refunded, store.RefundFailed: RefundFailed, store.RefundCanceled: RefundFailed,
	}
	disputeChange = map[store.DisputeState]ChangeKind{
		store.DisputeOpen: Disputed, store.DisputeWon: DisputeWon, store.DisputeLost: DisputeLost,
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

// announceJoined queues what became of an entry, if that is news that merchants are told.
func (f *Flow[Tx]) announceJoined(o *store.Order, joined store.Joined, n store.Notice) {
	if joined != store.News || n.Kind == "" {
		return
	}
	n.To = o.Status()
	o.Notify(n)
	f.passChanges(o, n.At)
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
