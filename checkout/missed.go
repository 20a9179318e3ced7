package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/stripe/stripe-go/v82"
)

const (
	// The cursors of what was read of Stripe's lists, as Unix seconds.
	eventsCursor    = "events"
	moneyBackCursor = "money_back"

	// eventsOverlap is read again at every sweep, as events may be listed late.
	eventsOverlap = 5 * time.Minute
	// eventsWindow of events are listed at a time, oldest first, so that an outage of days is caught up in order.
	eventsWindow = 6 * time.Hour
	// eventsKept is how long Stripe keeps events (https://docs.stripe.com/api/events).
	eventsKept = 30 * 24 * time.Hour

	// moneyBackEvery is how often refunds and disputes are listed, as far back as one can still change: a refund can fail
	// a month after it was made, a dispute takes up to three (https://docs.stripe.com/disputes/how-disputes-work).
	moneyBackEvery = time.Hour
	refundsBack    = 35 * 24 * time.Hour
	disputesBack   = 120 * 24 * time.Hour
)

// budget is the number of requests to Stripe that are left to a sweep.
type budget struct{ left int }

// take reports whether one more request may be made.
func (b *budget) take() bool {
	b.left--
	return b.left >= 0
}

// sweepMissed finds what webhooks missed, as far as the budget goes: the events that Stripe could not deliver, and refunds
// and disputes whatever became of their events. It returns the IDs of the orders that something was heard of. What a
// restricted key may not read is logged and left out.
func (f *Flow[Tx]) sweepMissed(ctx context.Context, b *budget) (ids []string, err error) {
	for _, sweep := range []func(context.Context, *budget, func(string)) error{f.sweepEvents, f.sweepMoneyBack} {
		err := sweep(ctx, b, func(id string) {
			if id != "" && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		})
		var asking *stripeError
		if errors.As(err, &asking) && ctx.Err() == nil {
			f.log.Warn("looking for missed events", "error", err)
			continue
		}
		if err != nil {
			return ids, err
		}
	}
	return ids, nil
}

// sweepEvents reads the events that Stripe could not deliver from where the last sweep stopped.
func (f *Flow[Tx]) sweepEvents(ctx context.Context, b *budget, heard func(id string)) error {
	now := f.now()
	since, err := f.cursorTime(ctx, eventsCursor, now.Add(-time.Hour))
	if err != nil {
		return err
	}
	if oldest := now.Add(-eventsKept); since.Before(oldest) {
		since = oldest
	}
	for since.Before(now) {
		until := since.Add(eventsWindow)
		if until.After(now) {
			until = now
		}
		events, err := f.undelivered(ctx, b, since, until)
		if err != nil || b.left < 0 {
			return err
		}
		for _, e := range slices.Backward(events) { // the oldest first
			id, err := f.heardMissed(ctx, e)
			if err != nil && !errors.Is(err, ErrUnknownOrder) {
				return err
			}
			if err != nil {
				f.log.Error("missed event could not be settled", "event", e.ID, "type", e.Type, "error", err)
			}
			heard(id)
		}
		next := until
		if !until.Before(now) {
			next = now.Add(-eventsOverlap)
		}
		if err := f.store.SetCursor(ctx, eventsCursor, strconv.FormatInt(next.Unix(), 10)); err != nil {
			return err
		}
		since = until
	}
	return nil
}

// undelivered lists the events of a window of time that were not delivered to every endpoint, the newest first.
func (f *Flow[Tx]) undelivered(ctx context.Context, b *budget, since, until time.Time) ([]*stripe.Event, error) {
	params := &stripe.EventListParams{
		DeliverySuccess: stripe.Bool(false),
		CreatedRange:    &stripe.RangeQueryParams{GreaterThanOrEqual: since.Unix(), LesserThanOrEqual: until.Unix()},
	}
	params.Limit = stripe.Int64(100)
	for _, types := range [][]string{sessionEvents[:], refundEvents[:], disputeEvents[:], {chargeRefunded}} {
		params.Types = append(params.Types, stripe.StringSlice(types)...)
	}
	var events []*stripe.Event
	for e, err := range f.stripe.V1Events.List(ctx, params) {
		if err != nil {
			return nil, &stripeError{doing: "listing events", err: err}
		}
		if len(events)%100 == 0 && !b.take() {
			return nil, nil
		}
		events = append(events, e)
	}
	return events, nil
}

// heardMissed settles an event that was read instead of received, and returns the ID of its order; empty: it is not ours.
func (f *Flow[Tx]) heardMissed(ctx context.Context, e *stripe.Event) (id string, err error) {
	eventType, raw := string(e.Type), e.Data.Raw
	unmarshal := func(facts any) bool {
		err = json.Unmarshal(raw, facts)
		return err == nil
	}
	switch {
	case slices.Contains(sessionEvents[:], eventType):
		var facts sessionFacts
		if unmarshal(&facts) {
			return f.settleSession(ctx, heardEvent(eventType, e.ID, e.Account, facts, raw))
		}
	case slices.Contains(refundEvents[:], eventType):
		var facts refundFacts
		if unmarshal(&facts) {
			return f.heardRefund(ctx, e.Account, facts, e.ID)
		}
	case slices.Contains(disputeEvents[:], eventType):
		var facts disputeFacts
		if unmarshal(&facts) {
			return f.heardDispute(ctx, e.Account, facts, e.ID)
		}
	case eventType == chargeRefunded:
		var facts chargeFacts
		if unmarshal(&facts) {
			return f.heardCharge(ctx, e.Account, facts, e.ID)
		}
	}
	if err != nil {
		err = &stripeError{doing: "decoding an event", err: err}
	}
	return "", err
}

// sweepMoneyBack lists refunds and disputes, once an hour.
func (f *Flow[Tx]) sweepMoneyBack(ctx context.Context, b *budget, heard func(id string)) error {
	now := f.now()
	last, err := f.cursorTime(ctx, moneyBackCursor, time.Time{})
	if err != nil || now.Sub(last) < moneyBackEvery {
		return err
	}
	if err := f.listRefundsSince(ctx, b, now.Add(-refundsBack), heard); err != nil {
		return err
	}
	if err := f.listDisputesSince(ctx, b, now.Add(-disputesBack), heard); err != nil || b.left < 0 {
		return err
	}
	return f.store.SetCursor(ctx, moneyBackCursor, strconv.FormatInt(now.Unix(), 10))
}

// listRefundsSince settles the refunds of payments that were recorded. Those of other payments are passed over without a
// question to Stripe: whoever finds such a payment asks what was given back of it.
func (f *Flow[Tx]) listRefundsSince(ctx context.Context, b *budget, since time.Time, heard func(id string)) error {
	params := &stripe.RefundListParams{CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: since.Unix()}}
	params.Limit = stripe.Int64(100)
	n := 0
	for r, err := range f.stripe.V1Refunds.List(ctx, params) {
		if err != nil {
			return &stripeError{doing: "listing refunds", err: err}
		}
		if n++; n%100 == 1 && !b.take() {
			return nil
		}
		facts := factsOfRefund(r)
		o, err := f.findPayment(ctx, payment{string(facts.PaymentIntent), string(facts.Charge)})
		if err == nil && o != nil {
			heard(o.ID)
			err = f.settleRefund(ctx, o.ID, facts, "sweep")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// listDisputesSince does with disputes what listRefundsSince does with refunds.
func (f *Flow[Tx]) listDisputesSince(ctx context.Context, b *budget, since time.Time, heard func(id string)) error {
	params := &stripe.DisputeListParams{CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: since.Unix()}}
	params.Limit = stripe.Int64(100)
	n := 0
	for d, err := range f.stripe.V1Disputes.List(ctx, params) {
		if err != nil {
			return &stripeError{doing: "listing disputes", err: err}
		}
		if n++; n%100 == 1 && !b.take() {
			return nil
		}
		facts := factsOfDispute(d)
		o, err := f.findPayment(ctx, payment{string(facts.PaymentIntent), string(facts.Charge)})
		if err == nil && o != nil {
			heard(o.ID)
			err = f.settleDispute(ctx, o.ID, facts, "sweep")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cursorTime reads a cursor; otherwise is its value before it was first set.
func (f *Flow[Tx]) cursorTime(ctx context.Context, name string, otherwise time.Time) (time.Time, error) {
	value, err := f.store.Cursor(ctx, name)
	if err != nil || value == "" {
		return otherwise, err
	}
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return otherwise, nil // written by no version that is known
	}
	return time.Unix(seconds, 0).UTC(), nil
}
