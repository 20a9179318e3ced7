package checkout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// The events that settle an order.
const (
	eventCompleted      = string(webhook.CheckoutSessionCompleted)
	eventAsyncSucceeded = string(webhook.CheckoutSessionAsyncPaymentSucceeded)
	eventAsyncFailed    = string(webhook.CheckoutSessionAsyncPaymentFailed)
	eventExpired        = string(webhook.CheckoutSessionExpired)
)

var sessionEvents = [...]string{eventCompleted, eventAsyncSucceeded, eventAsyncFailed, eventExpired}

// Handle registers with h the handlers of the events that settle orders. The events of sessions that this shop did not
// begin are acknowledged and counted, so that several applications can share an account.
//
// The handlers return an error, and so have Stripe send the event again, if the order could not be settled, if it is one
// of this shop and not in the Store, or if what happened could not be delivered.
func (f *Flow[Tx]) Handle(h *webhook.Handler) {
	for _, t := range sessionEvents {
		webhook.On(h, webhook.Type[sessionFacts](t), f.sessionEvent)
	}
	f.handleMoneyBack(h)
}

func (f *Flow[Tx]) sessionEvent(ctx context.Context, e *webhook.Event[sessionFacts]) error {
	f.warnUnswept(ctx)
	id, err := f.settleSession(ctx, heardEvent(e.Type, e.ID, e.Account, e.Object, e.RawObject))
	if err != nil || id == "" {
		return err
	}
	return f.deliver(ctx, id)
}

// settleSession settles the order of a session by what was heard of it, and returns its ID; empty: it is not ours.
func (f *Flow[Tx]) settleSession(ctx context.Context, n news) (id string, err error) {
	id, err = f.orderOf(ctx, &n.facts)
	if err != nil {
		return "", err
	}
	if id == "" {
		f.foreign.Add(1)
		f.log.Debug("session of somebody else", "cause", n.cause, "session", n.facts.ID)
		return "", nil
	}
	return id, f.settle(ctx, id, n)
}

// orderOf returns the ID of the order that a session is for; empty: it is not ours. It is ours by the ID that was
// recorded, or by the shop and order in its metadata; client_reference_id can be set by a customer and says nothing.
func (f *Flow[Tx]) orderOf(ctx context.Context, s *sessionFacts) (string, error) {
	o, err := f.store.FindRef(ctx, s.ID)
	if err == nil {
		return o.ID, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	shop, err := f.shopID(ctx)
	if err != nil {
		return "", err
	}
	if s.Metadata[metadataShop] != shop || s.Metadata[metadataOrder] == "" {
		return "", nil
	}
	return s.Metadata[metadataOrder], nil
}

const (
	sweptCursor = "swept"
	// unsweptAfter is after how long without a sweep a warning is logged, at most that often.
	unsweptAfter = time.Hour
)

// warnUnswept warns when nobody has swept for an hour: what webhooks miss is then never found.
func (f *Flow[Tx]) warnUnswept(ctx context.Context) {
	now := f.now()
	checked := f.sweptCheck.Load()
	if now.Sub(time.Unix(checked, 0)) < unsweptAfter || !f.sweptCheck.CompareAndSwap(checked, now.Unix()) {
		return
	}
	value, err := f.store.Cursor(ctx, sweptCursor)
	if err != nil {
		f.log.Warn("looking up the last sweep", "error", err)
		return
	}
	swept, err := time.Parse(time.RFC3339, value)
	if err == nil && now.Sub(swept) < unsweptAfter {
		return
	}
	f.log.Warn(fmt.Sprintf("nobody has swept for %v: run Flow.Run, or Flow.Sweep from cron", unsweptAfter), "last", value)
}

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
