package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/stripe/stripe-go/v82"
)

const (
	// eventsCursor is up to when Stripe's events were read, in Unix seconds.
	eventsCursor = "events"
	// eventsOverlap is read again at every sweep, as events may be listed late.
	eventsOverlap = 5 * time.Minute
	// eventsWindow is of how much time a sweep lists events first, all of which must fit in its requests. It goes on in
	// order, so that an outage of days is caught up, with twice the time as long as the events fill no page.
	eventsWindow     = time.Hour
	eventsWindowMost = 24 * time.Hour
	// eventsKept is how long Stripe keeps events (https://docs.stripe.com/api/events).
	eventsKept = 30 * 24 * time.Hour
)

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
	for window := eventsWindow; since.Before(now); {
		until := since.Add(window)
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
		if err := f.setCursorTime(ctx, eventsCursor, next); err != nil {
			return err
		}
		if since = until; len(events) < pageSize {
			window = min(2*window, eventsWindowMost)
		}
	}
	return nil
}

// startEvents has the first sweep begin with what happens from now on, unless there was one.
func (f *Flow[Tx]) startEvents(ctx context.Context) error {
	value, err := f.store.Cursor(ctx, eventsCursor)
	if err != nil || value != "" {
		return err
	}
	return f.setCursorTime(ctx, eventsCursor, f.now())
}

// undelivered lists the events of a window of time that were not delivered to every endpoint, the newest first.
func (f *Flow[Tx]) undelivered(ctx context.Context, b *budget, since, until time.Time) ([]*stripe.Event, error) {
	params := &stripe.EventListParams{
		DeliverySuccess: stripe.Bool(false),
		CreatedRange:    &stripe.RangeQueryParams{GreaterThanOrEqual: since.Unix(), LesserThanOrEqual: until.Unix()},
	}
	params.Limit = stripe.Int64(pageSize)
	for _, types := range [][]string{sessionEvents[:], refundEvents[:], disputeEvents[:], {chargeRefunded}} {
		params.Types = append(params.Types, stripe.StringSlice(types)...)
	}
	var events []*stripe.Event
	for e, err := range within(ctx, b, f.stripe.V1Events.List, params) {
		if err != nil {
			return nil, &stripeError{doing: "listing events", err: err}
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
			return f.missedOf(ctx, facts.payment(), func(id string) error { return f.settleRefund(ctx, id, facts, e.ID) })
		}
	case slices.Contains(disputeEvents[:], eventType):
		var facts disputeFacts
		if unmarshal(&facts) {
			return f.missedOf(ctx, facts.payment(), func(id string) error { return f.settleDispute(ctx, id, facts, e.ID) })
		}
	case eventType == chargeRefunded:
		var facts chargeFacts
		if unmarshal(&facts) {
			return f.missedOf(ctx, facts.payment(), func(id string) error { return f.settleCharge(ctx, id, e.Account, facts, e.ID) })
		}
	}
	if err != nil {
		err = &stripeError{doing: "decoding an event", err: err}
	}
	return "", err
}

// missedOf settles what was missed of a payment that was recorded. Those of other payments are passed over without a question
// to Stripe: whoever finds such a payment asks what was given back of it.
func (f *Flow[Tx]) missedOf(ctx context.Context, p payment, settle func(id string) error) (id string, err error) {
	o, err := f.findPayment(ctx, p)
	if o == nil || err != nil {
		return "", err
	}
	return o.ID, settle(o.ID)
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

// setCursorTime sets a cursor that cursorTime reads, to the second.
func (f *Flow[Tx]) setCursorTime(ctx context.Context, name string, t time.Time) error {
	return f.store.SetCursor(ctx, name, strconv.FormatInt(t.Unix(), 10))
}

// budget is the number of requests to Stripe that are left to a sweep. It is negative once a request was not made for it.
type budget struct{ left int }

// take reports whether one more request may be made.
func (b *budget) take() bool {
	b.left--
	return b.left >= 0
}

// pageSize is how many objects are asked for at a time, the most that Stripe answers (https://docs.stripe.com/api/pagination).
const pageSize = 100

// within lists objects, pageSize with each request, for as long as there are requests left.
func within[P, T any](ctx context.Context, b *budget, list func(context.Context, P) stripe.Seq2[T, error], params P) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		if !b.take() {
			return
		}
		n := 0
		for object, err := range list(ctx, params) {
			if !yield(object, err) {
				return
			}
			if n++; n%pageSize == 0 && !b.take() {
				return
			}
		}
	}
}

const (
	// moneyBackCursor is when refunds and disputes were listed last, in Unix seconds; that of a connected account ends in its ID.
	moneyBackCursor = "money_back"
	// moneyBackEvery is how often they are listed, as far back as one can still change: a refund can fail a month after it
	// was made, a dispute takes up to three (https://docs.stripe.com/disputes/how-disputes-work).
	moneyBackEvery = time.Hour
	refundsBack    = 35 * 24 * time.Hour
	disputesBack   = 120 * 24 * time.Hour
)

// sweepMoneyBack lists refunds and disputes, once an hour: those of the merchant's own account, and, with half of the requests
// that are left, those of connected accounts. Whoever is not listed now is listed by the next sweep.
func (f *Flow[Tx]) sweepMoneyBack(ctx context.Context, b *budget, heard func(id string)) error {
	if err := f.sweepAccount(ctx, b, "", heard); err != nil || f.accounts == nil {
		return err
	}
	accounts, err := f.accounts(ctx)
	if err != nil {
		f.log.Warn("listing connected accounts", "error", err)
		return nil
	}
	reserved := b.left / 2
	b.left -= reserved
	defer func() { b.left = max(b.left, 0) + reserved }()
	for _, account := range accounts {
		err := f.sweepAccount(ctx, b, account, heard)
		var asking *stripeError
		if err != nil && !errors.As(err, &asking) || b.left < 0 || ctx.Err() != nil {
			return err
		}
		if err != nil {
			f.log.Warn("looking for missed refunds and disputes", "account", account, "error", err)
		}
	}
	return nil
}

// sweepAccount lists the refunds and disputes of one account, unless that was done within the hour. An account that refuses is
// asked again after as long.
func (f *Flow[Tx]) sweepAccount(ctx context.Context, b *budget, account string, heard func(id string)) error {
	now, cursor := f.now(), moneyBackCursor
	if account != "" {
		cursor += "/" + account
	}
	last, err := f.cursorTime(ctx, cursor, time.Time{})
	if err != nil || now.Sub(last) < moneyBackEvery {
		return err
	}
	asked := f.listRefundsSince(ctx, b, account, now.Add(-refundsBack), heard)
	if asked == nil {
		asked = f.listDisputesSince(ctx, b, account, now.Add(-disputesBack), heard)
	}
	if asked != nil && !refused(asked) || b.left < 0 {
		return asked
	}
	return errors.Join(asked, f.setCursorTime(ctx, cursor, now))
}
