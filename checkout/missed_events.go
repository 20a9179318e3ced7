package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/stripe/stripe-go/v82"
)

const (
	// eventsCursor is the position up to which Stripe's events were read. The position of a connected account ends in its ID.
	eventsCursor = "events"
	// lossCursor is the position of a second reading, of all events, after the database lost orders.
	lossCursor = "loss"
	// eventsOverlap is read again at every sweep, as events may be listed late.
	eventsOverlap = 5 * time.Minute
	// eventsWindow is the first time span that a sweep lists. The span doubles while the events of one fill no page.
	eventsWindow     = time.Hour
	eventsWindowMost = 24 * time.Hour
	// eventsKept is how long Stripe keeps events (https://docs.stripe.com/api/events).
	eventsKept = 30 * 24 * time.Hour
	// eventsSettled is how old an undelivered event is before it is dispatched to handlers other than the Flow's: until then
	// Stripe may just be delivering it.
	eventsSettled = time.Minute
	// typesMost is how many types Stripe takes in one list of events (https://docs.stripe.com/api/events/list).
	typesMost = 20
	// eventTimeout is how long the handlers of one event may take.
	eventTimeout = 30 * time.Second
	// pageSize is how many objects are asked for at a time, the most that Stripe answers
	// (https://docs.stripe.com/api/pagination).
	pageSize = 100

	// moneyBackCursor is when refunds and disputes were listed last, in Unix seconds. That of a connected account ends in its ID.
	moneyBackCursor = "money_back"
	// moneyBackEvery is how often they are listed, as far back as one can still change: a refund can fail a month after it
	// was made, a dispute takes up to three (https://docs.stripe.com/disputes/how-disputes-work).
	moneyBackEvery = time.Hour
	refundsBack    = 35 * 24 * time.Hour
	disputesBack   = 120 * 24 * time.Hour
)

// sweepMissed finds what webhooks missed, as far as the budget goes: the events that Stripe could not deliver, and refunds
// and disputes, however their events fared. It calls found with the IDs of the orders that it heard something of. A part
// that fails is logged and left out, such as an account that answers 403. The error means that the Store failed or ctx ended.
func (f *Flow[Tx]) sweepMissed(ctx context.Context, b *budget, found func(id string)) error {
	attempt := func(what, account string, sweep func() error) error {
		err := sweep()
		var failed *stripeError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &failed):
			if statusCode(err) == 429 {
				b.stop()
			}
			f.log.Warn("looking for "+what, "account", account, "error", err)
			return nil
		}
		return err
	}
	sweepAccount := func(account string, b *budget) error {
		return errors.Join(
			attempt("missed events", account, func() error { return f.sweepEvents(ctx, b, account, found) }),
			attempt("missed refunds and disputes", account, func() error { return f.sweepMoneyBack(ctx, b, account, found) }),
		)
	}
	err := errors.Join(
		attempt("failed events", "", func() error { return f.sweepFailed(ctx, b, found) }),
		attempt("events of lost orders", "", func() error { return f.sweepLoss(ctx, b, found) }),
		sweepAccount("", b),
	)
	if err != nil || f.accounts == nil {
		return err
	}
	accounts, err := f.accounts(ctx)
	if err != nil {
		f.log.Warn("listing connected accounts", "error", err)
		return nil
	}
	// Half of the requests are left for the merchant's own account at the next part. A sweep goes on with the account at which
	// the last one ran out of requests.
	half := &budget{left: b.left - b.left/2}
	for range accounts {
		i := int(f.nextAccount.Load()) % len(accounts)
		if err := sweepAccount(accounts[i], half); err != nil {
			return err
		}
		if half.left <= 0 {
			break
		}
		f.nextAccount.Store(int64(i) + 1)
	}
	return nil
}

// eventPosition is a place in the list of Stripe's events: everything before Since was read, and of the window from there
// to Until the types before Chunk, and of the next types the events down to After.
type eventPosition struct {
	Since int64  `json:"since"`
	Until int64  `json:"until,omitempty"`
	Chunk int    `json:"chunk,omitempty"`
	After string `json:"after,omitempty"`
}

// sweepEvents dispatches the events of an account that Stripe could not deliver, from where the last sweep stopped. A sweep
// that runs out of requests keeps its position.
func (f *Flow[Tx]) sweepEvents(ctx context.Context, b *budget, account string, found func(id string)) error {
	cursor, now := eventsCursor, f.stripeNow()
	if account != "" {
		cursor += "/" + account
	}
	pos, err := f.eventPosition(ctx, cursor, now)
	if err != nil {
		return err
	}
	r := eventReader{account: account, cursor: cursor, undelivered: true}
	_, err = readEvents(ctx, f, b, r, pos, now, found)
	return err
}

// sweepLoss reads all events since the database lost orders, delivered or not, as what was recorded of them is lost.
func (f *Flow[Tx]) sweepLoss(ctx context.Context, b *budget, found func(id string)) error {
	value, err := f.store.Cursor(ctx, lossCursor)
	if err != nil || value == "" {
		return err
	}
	now := f.stripeNow()
	pos, err := f.eventPosition(ctx, lossCursor, now)
	if err != nil {
		return err
	}
	done, err := readEvents(ctx, f, b, eventReader{cursor: lossCursor}, pos, now, found)
	if err != nil || !done {
		return err
	}
	return f.store.SetCursor(ctx, lossCursor, "")
}

// noticeLoss has the next sweeps read all events from some time before a lost order was created.
func (f *Flow[Tx]) noticeLoss(ctx context.Context, created time.Time) error {
	pos := eventPosition{Since: created.Add(-eventsWindow).Unix()}
	value, err := f.store.Cursor(ctx, lossCursor)
	if err != nil {
		return err
	}
	var known eventPosition
	if value != "" && json.Unmarshal([]byte(value), &known) == nil && known.Since <= pos.Since {
		return nil
	}
	return f.setEventPosition(ctx, lossCursor, pos)
}

// eventReader says which events are read, and where the position is kept.
type eventReader struct {
	account, cursor string
	undelivered     bool
}

// readEvents dispatches events from pos to now, a page with each request, and keeps the position after each page. It reports
// whether it came to now.
func readEvents[Tx any](ctx context.Context, f *Flow[Tx], b *budget, r eventReader, pos eventPosition, now time.Time, found func(id string)) (done bool, err error) {
	chunks := slices.Collect(slices.Chunk(f.handledTypes(), typesMost))
	for window := eventsWindow; pos.Since < now.Unix(); {
		if pos.Until == 0 {
			pos.Until = min(pos.Since+int64(window/time.Second), now.Unix())
		}
		full := false
		for ; pos.Chunk < len(chunks); pos.Chunk++ {
			for more := true; more; {
				if !b.take() {
					return false, nil
				}
				page, err := f.stripe.events(ctx, r.account, chunks[pos.Chunk], pos, r.undelivered)
				if err != nil {
					return false, err
				}
				for _, e := range slices.Backward(page) { // the oldest first
					f.dispatchMissed(ctx, e, r.account, now, found)
				}
				if ctx.Err() != nil {
					return false, ctx.Err()
				}
				more, pos.After = len(page) == pageSize, ""
				if more {
					full, pos.After = true, page[len(page)-1].ID
					if err := f.setEventPosition(ctx, r.cursor, pos); err != nil {
						return false, err
					}
				}
			}
		}
		end := pos.Until
		next := end
		if end >= now.Unix() {
			next = now.Add(-eventsOverlap).Unix()
		}
		if err := f.setEventPosition(ctx, r.cursor, eventPosition{Since: next}); err != nil {
			return false, err
		}
		pos = eventPosition{Since: end}
		if !full {
			window = min(2*window, eventsWindowMost)
		}
	}
	return true, nil
}

// handledTypes are the types of the events that are looked for, sorted.
func (f *Flow[Tx]) handledTypes() []string {
	types := slices.Clone(flowEvents)
	if h := f.hook.Load(); h != nil {
		types = append(types, h.Types()...)
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// dispatchMissed has an event handled that was read instead of received. An event that fails is logged and tried again on its
// own by later sweeps, for as long as the overlap of the readings names it and after that by Stripe's own tries.
func (f *Flow[Tx]) dispatchMissed(ctx context.Context, e *stripe.Event, account string, now time.Time, found func(id string)) {
	h := f.hook.Load()
	ours := slices.Contains(flowEvents, string(e.Type))
	switch {
	case h == nil && !ours:
		return
	case h == nil:
		h = f.ownHook
	case !ours && now.Sub(time.Unix(e.Created, 0)) < eventsSettled:
		return
	}
	if !ours && !f.seen.first(e.ID, now) {
		return
	}
	payload, err := eventPayload(e, account)
	if err == nil {
		limited, cancel := context.WithTimeout(context.WithValue(ctx, laterKey{}, found), eventTimeout)
		defer cancel()
		err = h.Dispatch(limited, payload)
	}
	if err != nil && ctx.Err() == nil {
		f.log.Error("missed event could not be handled", "event", e.ID, "type", e.Type, "error", err)
		f.seen.forget(e.ID)
		f.setAside(ctx, e.ID, account, now)
	}
}

// eventPayload is an event as Stripe delivers it, made of the event as Stripe lists it.
func eventPayload(e *stripe.Event, account string) ([]byte, error) {
	data := map[string]any{"object": e.Data.Raw}
	if len(e.Data.PreviousAttributes) > 0 {
		data["previous_attributes"] = e.Data.PreviousAttributes
	}
	event := map[string]any{
		"id": e.ID, "object": "event", "type": e.Type, "created": e.Created, "livemode": e.Livemode, "data": data,
		"pending_webhooks": e.PendingWebhooks,
	}
	if e.APIVersion != "" {
		event["api_version"] = e.APIVersion
	}
	if account != "" {
		event["account"] = account
	}
	payload, err := json.Marshal(event)
	if err != nil {
		return nil, fmt.Errorf("checkout: encoding event %s: %w", e.ID, err)
	}
	return payload, nil
}

// eventPosition reads a position. A position that lies in the future was written by a process whose clock was ahead, and
// says nothing: the reading begins anew with the oldest events that Stripe keeps.
func (f *Flow[Tx]) eventPosition(ctx context.Context, cursor string, now time.Time) (eventPosition, error) {
	value, err := f.store.Cursor(ctx, cursor)
	if err != nil {
		return eventPosition{}, err
	}
	oldest := now.Add(-eventsKept).Unix()
	pos := eventPosition{Since: now.Add(-eventsWindow).Unix()}
	if value != "" && json.Unmarshal([]byte(value), &pos) != nil {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err == nil {
			pos = eventPosition{Since: seconds}
		}
	}
	if pos.Since > now.Unix() || pos.Until > now.Unix() {
		f.log.Error("the position in stripe's events lies in the future: a machine's clock was ahead; reading all that stripe keeps")
		pos = eventPosition{Since: oldest}
	}
	if pos.Since < oldest {
		pos = eventPosition{Since: oldest}
	}
	return pos, nil
}

func (f *Flow[Tx]) setEventPosition(ctx context.Context, cursor string, pos eventPosition) error {
	value, err := json.Marshal(pos)
	if err != nil {
		return err
	}
	return f.store.SetCursor(ctx, cursor, string(value))
}

// startEvents has the first sweep begin with what happens from now on, unless there was one.
func (f *Flow[Tx]) startEvents(ctx context.Context) error {
	value, err := f.store.Cursor(ctx, eventsCursor)
	if err != nil || value != "" {
		return err
	}
	return f.setEventPosition(ctx, eventsCursor, eventPosition{Since: f.now().Unix()})
}

// sweepMoneyBack lists the refunds and disputes of an account, unless that was done within the hour. An account that refuses
// is asked again after as long.
func (f *Flow[Tx]) sweepMoneyBack(ctx context.Context, b *budget, account string, found func(id string)) error {
	now, cursor := f.now(), moneyBackCursor
	if account != "" {
		cursor += "/" + account
	}
	last, err := f.cursorTime(ctx, cursor, time.Time{})
	if err != nil || now.Sub(last) < moneyBackEvery {
		return err
	}
	more := func() bool { return b.take() }
	whole, err := f.listMoneyBack(ctx, account, now.Add(-refundsBack), now.Add(-disputesBack), more, found)
	if err != nil && !refused(err) || !whole && err == nil {
		return err
	}
	return errors.Join(err, f.setCursorTime(ctx, cursor, now))
}

// listMoneyBack settles the refunds and disputes of recorded payments that were created since then. It asks more before each
// request, and reports false if it had to stop.
func (f *Flow[Tx]) listMoneyBack(ctx context.Context, account string, refundsSince, disputesSince time.Time, more func() bool, found func(id string)) (whole bool, err error) {
	settle := func(p payment, settle func(id string) error) {
		o, err := f.findPayment(ctx, account, p)
		if err == nil && o != nil {
			if err = settle(o.ID); err == nil {
				found(o.ID)
			}
		}
		if err != nil && ctx.Err() == nil {
			f.log.Warn("refund or dispute could not be settled", "order", idOf(o), "error", err)
		}
	}
	whole, err = f.stripe.refundsSince(ctx, account, refundsSince, more, func(r refundFacts) {
		settle(r.payment(), func(id string) error { return f.settleRefund(ctx, id, r, "sweep") })
	})
	if err != nil || !whole {
		return whole, err
	}
	return f.stripe.disputesSince(ctx, account, disputesSince, more, func(d disputeFacts) {
		settle(d.payment(), func(id string) error { return f.settleDispute(ctx, id, d, "sweep") })
	})
}

// cursorTime reads a time that setCursorTime wrote; otherwise is its value before it was first set. A time that lies in the
// future is cut to now.
func (f *Flow[Tx]) cursorTime(ctx context.Context, name string, otherwise time.Time) (time.Time, error) {
	at, err := f.storedTime(ctx, name, otherwise)
	if now := f.now(); at.After(now) {
		at = now
	}
	return at, err
}

// storedTime is cursorTime for times that may lie in the future.
func (f *Flow[Tx]) storedTime(ctx context.Context, name string, otherwise time.Time) (time.Time, error) {
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
