package checkout

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// The events of sessions.
const (
	eventCompleted      = string(webhook.CheckoutSessionCompleted)
	eventAsyncSucceeded = string(webhook.CheckoutSessionAsyncPaymentSucceeded)
	eventAsyncFailed    = string(webhook.CheckoutSessionAsyncPaymentFailed)
	eventExpired        = string(webhook.CheckoutSessionExpired)
)

var sessionEvents = [...]string{eventCompleted, eventAsyncSucceeded, eventAsyncFailed, eventExpired}

// flowEvents are the types of all events that the Flow handles. They fit into two lists of Stripe's events.
var flowEvents = slices.Concat(sessionEvents[:], refundEvents[:], []string{chargeRefunded}, disputeEvents[:], intentEvents[:],
	chargeEvents[:], warningEvents[:], reviewEvents[:], subscriptionEvents[:], invoiceEvents[:])

// Handle registers with h the handlers of the events that the Flow follows: those of sessions, refunds, disputes, captures,
// early fraud warnings, reviews, subscriptions and invoices. Events of objects that this shop did not begin are acknowledged and
// counted, so that several applications can share an account. From then on, sweeps dispatch the undelivered events of every type
// that h has handlers for.
//
// Both forms of the events will do, snapshot and thin: see [webhook.Handler.Types] and [webhook.Handler.ThinTypes]. A thin event
// causes a question to Stripe, by Config.Stripe. It is an error if Stripe does not answer, or does not know the object although the event is
// of the shop's mode.
//
// A handler returns an error, and so has Stripe send the event again, if the order could not be settled, if the event is of
// this shop and the order is not in the Store, or if a callback failed.
//
// Register all other handlers before the first sweep, as h takes none after its first event. Processes of one shop may have
// different handlers: each finds the undelivered events of its own types.
func (f *Flow[Tx]) Handle(h *webhook.Handler) {
	f.register(h)
	f.hook.Store(h)
}

func (f *Flow[Tx]) register(h *webhook.Handler) {
	for _, t := range sessionEvents {
		handle(f, h, t, f.askSession, func(ctx context.Context, e *webhook.Event[webhook.Ref[sessionFacts]], s sessionFacts) (handover, error) {
			f.warnUnswept(ctx)
			u := observeEvent(e.Type, e.ID, e.Account, e.Created, s, e.RawObject)
			u.delivers = !sweeping(ctx)
			return f.settleSession(ctx, u)
		})
	}
	for _, t := range refundEvents {
		handle(f, h, t, f.askRefund, func(ctx context.Context, e *webhook.Event[webhook.Ref[refundFacts]], r refundFacts) (handover, error) {
			return byID(f.observeRefund(ctx, e.Account, r, e.ID))
		})
	}
	handle(f, h, chargeRefunded, f.askRefundsOfCharge, func(ctx context.Context, e *webhook.Event[webhook.Ref[chargeFacts]], c chargeFacts) (handover, error) {
		return byID(f.observeChargeRefunded(ctx, e.Account, c, e.ID))
	})
	for _, t := range disputeEvents {
		handle(f, h, t, f.askDispute, func(ctx context.Context, e *webhook.Event[webhook.Ref[disputeFacts]], d disputeFacts) (handover, error) {
			return byID(f.observeDispute(ctx, e.Account, d, e.ID))
		})
	}
	for _, t := range intentEvents {
		handle(f, h, t, f.askPayment, func(ctx context.Context, e *webhook.Event[webhook.Ref[paymentFacts]], p paymentFacts) (handover, error) {
			return byID(f.observePayment(ctx, e.Account, payment{intent: p.ID}, e.ID))
		})
	}
	for _, t := range chargeEvents {
		handle(f, h, t, f.askPayment, func(ctx context.Context, e *webhook.Event[webhook.Ref[chargeFacts]], c chargeFacts) (handover, error) {
			return byID(f.observePayment(ctx, e.Account, c.payment(), e.ID))
		})
	}
	for _, t := range subscriptionEvents {
		handle(f, h, t, f.askSubscription, func(ctx context.Context, e *webhook.Event[webhook.Ref[subscriptionFacts]], s subscriptionFacts) (handover, error) {
			return byID(f.observeSubscription(ctx, e.Account, s, e.Created, e.ID))
		})
	}
	for _, t := range invoiceEvents {
		handle(f, h, t, f.askInvoice, func(ctx context.Context, e *webhook.Event[webhook.Ref[invoiceFacts]], i invoiceFacts) (handover, error) {
			return byID(f.observeInvoice(ctx, e.Account, i, e.ID))
		})
	}
	for _, t := range slices.Concat(warningEvents[:], reviewEvents[:]) {
		handle(f, h, t, f.askWarning, func(ctx context.Context, e *webhook.Event[webhook.Ref[paymentFacts]], p paymentFacts) (handover, error) {
			return byID(f.observeWarning(ctx, e.Account, e.Type, p, e.ID))
		})
	}
}

// handle registers the handlers of one type of event: observe for snapshot events, and ask for thin ones. Both name the order that
// the event is about; empty: the event is not of this shop. What then waits for the merchant's callbacks is delivered at once, or by
// the sweep that dispatched the event.
func handle[Tx, T any](f *Flow[Tx], h *webhook.Handler, eventType string, ask func(context.Context, thinEvent) (string, error),
	observe func(context.Context, *webhook.Event[webhook.Ref[T]], T) (handover, error),
) {
	webhook.On(h, webhook.Type[webhook.Ref[T]](eventType), func(ctx context.Context, e *webhook.Event[webhook.Ref[T]]) error {
		h, err := observeOrAsk(ctx, e, ask, observe)
		if e.Thin != nil && missing(err) && f.ofOtherMode(ctx, e.Livemode) {
			f.countForeign(e.ID, e.Object.ID())
			return nil
		}
		if err != nil || h.orderID == "" {
			return err
		}
		if later, ok := ctx.Value(laterKey{}).(func(id string)); ok {
			later(h.orderID)
			return nil
		}
		if e.Thin == nil {
			f.receivedSnapshot(ctx, e.Account)
		}
		return f.deliver(ctx, h)
	})
}

// ofOtherMode reports whether an event is known to be of another mode than the shop, as an endpoint for connected accounts gets test
// events in live mode, too (https://docs.stripe.com/connect/webhooks).
func (f *Flow[Tx]) ofOtherMode(ctx context.Context, livemode bool) bool {
	shop, err := f.shop(ctx)
	return err == nil && !shop.fits(livemode)
}

func observeOrAsk[T any](ctx context.Context, e *webhook.Event[webhook.Ref[T]], ask func(context.Context, thinEvent) (string, error),
	observe func(context.Context, *webhook.Event[webhook.Ref[T]], T) (handover, error),
) (handover, error) {
	if e.Thin != nil {
		t, err := thinEventOf(e)
		if err != nil {
			return handover{}, err
		}
		return byID(ask(ctx, t))
	}
	object, err := e.Object.Get(ctx)
	if err != nil {
		return handover{}, err
	}
	return observe(ctx, e, object)
}

// laterKey is the key of the function that a context of a sweep carries: it takes the ID of an order that is to be delivered
// when the sweep gets to deliveries.
type laterKey struct{}

// sweeping reports whether a sweep dispatched the event. Events of other applications that nobody received must cost a sweep
// no requests.
func sweeping(ctx context.Context) bool { return ctx.Value(laterKey{}) != nil }

// settleSession settles the order of a session and hands the order on; an empty ID: the session is not this
// shop's.
//
// A session is this shop's by the ID that was recorded, on the account of the order and in the mode of the shop. Any other
// session that names the shop and one of its orders is a hint: Stripe is asked for the session, with the shop's key on the
// order's account, and the answer decides. client_reference_id says nothing, as customers can set it.
func (f *Flow[Tx]) settleSession(ctx context.Context, u sessionUpdate) (handover, error) {
	shop, err := f.shop(ctx)
	if err != nil {
		return handover{}, err
	}
	o, err := f.recordedOrder(ctx, &u.facts)
	if err != nil {
		return handover{}, err
	}
	if o != nil {
		if o.Account != u.account || !shop.fits(u.facts.Livemode) {
			f.countForeign(u.cause, u.facts.ID)
			return handover{}, nil
		}
		switch recorded := o.AttemptBySession(u.facts.ID) != nil; {
		case recorded && shop.mode == "" && !u.asked:
			return f.settleUnknownMode(ctx, o, u)
		case recorded:
			return f.settle(ctx, o, u)
		}
	}
	if o == nil && (u.facts.Metadata[metadataShop] != shop.id || u.facts.Metadata[metadataOrder] == "") {
		f.countForeign(u.cause, u.facts.ID)
		return handover{}, nil
	}
	return byID(f.settleHint(ctx, shop, o, u))
}

// settleUnknownMode settles a recorded session while the Store does not say of which mode the shop is, as after it was restored from an
// early backup. An event of the other mode can't be told from the shop's then, so Stripe is asked with the shop's key.
func (f *Flow[Tx]) settleUnknownMode(ctx context.Context, o *store.Order, u sessionUpdate) (handover, error) {
	answer, ours, err := f.confirm(ctx, o.Account, o.Mode, u)
	if err != nil || !ours {
		return handover{}, err
	}
	if err := f.checkMode(ctx, answer.facts.Livemode); err != nil {
		return handover{}, err
	}
	answer.delivers = u.delivers
	return f.settle(ctx, o, answer)
}

// confirm asks Stripe, with the shop's key, for the session that an event is about. ours is false if Stripe does not know the session.
// If the event says that a debit has bounced, that counts, too: the session of a subscription looks the same before and after.
func (f *Flow[Tx]) confirm(ctx context.Context, account, mode string, u sessionUpdate) (answer sessionUpdate, ours bool, err error) {
	if u.asked {
		return u, true, nil
	}
	answer, err = f.stripe.session(ctx, account, mode, u.facts.ID, u.cause)
	if notOurs(err) {
		f.countForeign(u.cause, u.facts.ID)
		return answer, false, nil
	}
	if err == nil && u.failed && u.facts.Livemode == answer.facts.Livemode {
		answer.failed = answer.completed && !answer.paid
	}
	return answer, true, err
}

// recordedOrder returns the order that a session was recorded with, or the one whose session it recovers; nil: neither is
// known.
func (f *Flow[Tx]) recordedOrder(ctx context.Context, s *sessionFacts) (*store.Order, error) {
	for _, ref := range [...]string{s.ID, string(s.RecoveredFrom)} {
		if ref == "" {
			continue
		}
		o, err := f.store.FindRef(ctx, ref)
		if err == nil || !errors.Is(err, ErrNotFound) {
			return o, err
		}
	}
	return nil, nil
}

// settleHint settles a session that was not recorded. o is the order whose session it recovers, or nil.
func (f *Flow[Tx]) settleHint(ctx context.Context, shop shopIdentity, o *store.Order, u sessionUpdate) (id string, err error) {
	recovered := o != nil
	if o == nil {
		o, err = f.store.Find(ctx, u.facts.Metadata[metadataOrder])
		if errors.Is(err, ErrNotFound) {
			return f.settleLost(ctx, shop, u)
		}
		if err != nil {
			return "", err
		}
	}
	if o.Account != u.account {
		f.countForeign(u.cause, u.facts.ID)
		return "", nil
	}
	u, ours, err := f.confirm(ctx, o.Account, o.Mode, u)
	if err != nil || !ours {
		return "", err
	}
	if !shop.fits(u.facts.Livemode) || !recovered && !shop.marked(&u.facts, o.ID) {
		f.countForeign(u.cause, u.facts.ID)
		return "", nil
	}
	if n, _ := u.facts.attempt(); !recovered && o.Attempt(n) == nil && f.old(&u.facts) && !u.completed && !u.expired {
		return "", f.endLost(ctx, o.ID, u)
	}
	_, err = f.settle(ctx, o, u)
	return o.ID, err
}

// marked reports whether a session names the shop and the order.
func (s shopIdentity) marked(f *sessionFacts, order string) bool {
	return f.Metadata[metadataShop] == s.id && f.Metadata[metadataOrder] == order
}

const (
	sweptCursor = "swept"
	// unsweptAfter is after how long without a sweep a warning is logged, at most that often.
	unsweptAfter = time.Hour
)

// warnUnswept warns when no process has swept for an hour: webhooks that get lost are never found then.
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
	if err == nil && now.Sub(swept).Abs() < unsweptAfter {
		return
	}
	f.log.Warn("no sweep for an hour: run Flow.Run, or Flow.Sweep from cron", "last", value)
}
