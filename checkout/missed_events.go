package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"
)

const (
	// eventsCursor holds the positions up to which Stripe's events were read. That of a connected account ends in its ID.
	eventsCursor = "events"
	// lostCursor is the time from which all events are read because the database lost what was recorded of them, in Unix seconds.
	// noticedCursor is when a loss was last noticed, up to which they are read at least. lossCursor holds the positions of that reading.
	lostCursor    = "lost"
	noticedCursor = "lost_noticed"
	lossCursor    = "loss"
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
	// eventTimeout is how long the handlers of one event may take. After failedHung events of a reading have taken all of it, as
	// those of an order that somebody has locked, eventTimeoutShort is.
	eventTimeout      = 30 * time.Second
	eventTimeoutShort = time.Second
	// pageSize is how many objects are asked for at a time, the most that Stripe answers
	// (https://docs.stripe.com/api/pagination).
	pageSize = 100

	// refundsCursor and disputesCursor are the listPositions of refunds and disputes. Those of a connected account end in its ID.
	refundsCursor  = "refunds"
	disputesCursor = "disputes"
	// moneyBackEvery is how often they are listed, as far back as one can still change: a refund can fail a month after it
	// was made, a dispute takes up to three (https://docs.stripe.com/disputes/how-disputes-work).
	moneyBackEvery = time.Hour
	refundsBack    = 35 * 24 * time.Hour
	disputesBack   = 120 * 24 * time.Hour
)

// missedSearch is one search for what webhooks missed. It makes at least one request, if there is one left, and goes on
// where it stopped.
type missedSearch struct {
	what, account string
	run           func(ctx context.Context, b *budget, account string, found func(id string)) error
}

// sweepMissed finds what webhooks missed, as far as the budget goes: the events that Stripe could not deliver, and refunds
// and disputes, however their events fared. It calls found with the IDs of the orders that it heard something of. A search
// that fails is logged and left out, such as one on an account that answers 403. The error means that the Store failed or
// ctx ended.
func (f *Flow[Tx]) sweepMissed(ctx context.Context, b *budget, found func(id string)) error {
	if !f.accountChecked.Load() && b.left > 2 {
		b.take()
		if err := f.checkAccount(ctx); err != nil {
			return err
		}
	}
	searches := append([]missedSearch{{"failed events", "", f.sweepFailed}}, f.searches("")...)
	if f.accounts != nil {
		searches = append(searches, missedSearch{"connected accounts", "", f.sweepAccounts})
	}
	return f.search(ctx, b, searches, searchCursor, found)
}

// searches are the searches on one account.
func (f *Flow[Tx]) searches(account string) []missedSearch {
	return []missedSearch{
		{"missed events", account, f.sweepEvents}, {"events of lost orders", account, f.sweepLoss},
		{"missed refunds", account, f.sweepRefunds}, {"missed disputes", account, f.sweepDisputes},
		{"events that were not received", account, f.sweepUnreceived},
	}
}

// sweepAccounts searches the connected accounts. Half of the requests are left for the merchant's own account.
func (f *Flow[Tx]) sweepAccounts(ctx context.Context, b *budget, _ string, found func(id string)) error {
	accounts, err := f.connectedAccounts(ctx)
	if err != nil {
		if ctx.Err() == nil {
			f.log.Warn("listing connected accounts", "error", err)
		}
		return ctx.Err()
	}
	var searches []missedSearch
	for _, account := range accounts {
		searches = append(searches, f.searches(account)...)
	}
	defer b.release(b.setAside(b.left / 2))
	return f.search(ctx, b, searches, accountSearchCursor, found)
}

// The positions of the searches that the next sweep begins with, whichever process makes it.
const (
	searchCursor        = "next_search"
	accountSearchCursor = "next_account_search"
)

// search runs searches one after the other while there are requests. The next sweep begins with the search after the one at
// which the requests ran out, or the time, so that all have their turn. next is the cursor that keeps which one that is.
func (f *Flow[Tx]) search(ctx context.Context, b *budget, searches []missedSearch, next string, found func(id string)) error {
	value, err := f.store.Cursor(ctx, next)
	if err != nil {
		return err
	}
	first, err := strconv.Atoi(value)
	if err != nil || first < 0 {
		first = 0 // none was kept yet
	}
	var failed []error
	for i := range len(searches) {
		n := (first + i) % len(searches)
		s := searches[n]
		before := b.left
		err := s.run(ctx, b, s.account, found)
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), f.keepSearch(ctx, next, (n+1)%len(searches)))
		}
		var refusal *stripeError
		switch {
		case errors.As(err, &refusal):
			f.log.Warn("what webhooks missed could not be looked for", "what", s.what, "account", s.account, "error", err)
		case err != nil:
			failed = append(failed, err)
		}
		if before > 0 {
			b.answered(err)
		}
		if b.left <= 0 {
			failed = append(failed, f.keepSearch(ctx, next, (n+1)%len(searches)))
			break
		}
	}
	return errors.Join(failed...)
}

// keepSearch keeps which search the next sweep begins with, also when the time of this one is over.
func (f *Flow[Tx]) keepSearch(ctx context.Context, cursor string, n int) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sweepOrderTimeout)
	defer cancel()
	return f.store.SetCursor(ctx, cursor, strconv.Itoa(n))
}

// sweepEvents dispatches the events of an account that Stripe could not deliver, from where the last sweep stopped. A sweep
// that runs out of requests keeps its position.
func (f *Flow[Tx]) sweepEvents(ctx context.Context, b *budget, account string, found func(id string)) error {
	now := f.now()
	r := eventReader{account: account, cursor: cursorOf(eventsCursor, account), types: f.handledTypes(), undelivered: true}
	pos, err := f.eventPosition(ctx, r, now)
	if err != nil {
		return err
	}
	_, err = readEvents(ctx, f, b, r, pos, now, found)
	return err
}

// cursorOf is the name of a cursor of an account. The merchant's own account has the empty name.
func cursorOf(name, account string) string {
	if account == "" {
		return name
	}
	return name + "/" + account
}

// sweepLoss reads all events since the database lost orders, delivered or not, as what was recorded of them is lost. If the
// loss turns out to have begun earlier, it reads anew from there. If a loss was noticed after a reading had ended, as when another
// backup was restored, the reading goes on from its end: the backup knows what was read by then.
func (f *Flow[Tx]) sweepLoss(ctx context.Context, b *budget, account string, found func(id string)) error {
	noticed, err := f.noticedLoss(ctx, account)
	if err != nil || noticed.since == 0 {
		return err
	}
	now := f.now()
	r := eventReader{account: account, cursor: cursorOf(lossCursor, account), types: f.handledTypes(), from: noticed.since}
	pos, err := f.eventPosition(ctx, r, now)
	if err != nil {
		return err
	}
	switch {
	case pos.From == 0 || pos.From > noticed.since:
		pos = eventPosition{From: noticed.since, Since: max(noticed.since, now.Add(-eventsKept).Unix())}
	case pos.Done && !noticed.isRead(pos):
		pos = eventPosition{From: pos.From, Since: time.Unix(pos.Since, 0).Add(-eventsOverlap).Unix()}
	}
	if !pos.Done {
		done, err := readEvents(ctx, f, b, r, pos, now, found)
		if err != nil || !done {
			return err
		}
		if err := f.setEventPosition(ctx, r, eventPosition{From: noticed.since, Since: now.Unix(), Done: true}); err != nil {
			return err
		}
	}
	return f.endLoss(ctx, account)
}

// loss is from when on the database lost something, and when that was last noticed, in Unix seconds; zero: it lost nothing.
type loss struct{ since, noticed int64 }

// isRead reports whether a set of event types has been read from the loss on until it was noticed.
func (l loss) isRead(pos eventPosition) bool {
	return pos.Done && pos.From <= l.since && pos.Since >= l.noticed
}

// noticedLoss returns the loss after which events are read on an account.
func (f *Flow[Tx]) noticedLoss(ctx context.Context, account string) (l loss, err error) {
	value, err := f.store.Cursor(ctx, cursorOf(lostCursor, account))
	if err != nil || value == "" {
		return loss{}, err
	}
	if l.since, err = strconv.ParseInt(value, 10, 64); err != nil {
		return loss{}, nil // written by no version that is known
	}
	noticed, err := f.cursorTime(ctx, cursorOf(noticedCursor, account), time.Unix(0, 0))
	l.noticed = noticed.Unix()
	return l, err
}

// endLoss ends the reading after a loss when all sets of event types that are in use have been read.
func (f *Flow[Tx]) endLoss(ctx context.Context, account string) error {
	used, err := f.eventPositions(ctx, cursorOf(eventsCursor, account))
	if err != nil {
		return err
	}
	read, err := f.eventPositions(ctx, cursorOf(lossCursor, account))
	if err != nil {
		return err
	}
	latest, err := f.noticedLoss(ctx, account) // another may have been noticed meanwhile
	if err != nil {
		return err
	}
	for _, set := range used.inUse(f.now()) {
		if set != "" && !latest.isRead(read[set]) {
			return nil
		}
	}
	return errors.Join(
		f.store.SetCursor(ctx, cursorOf(lostCursor, account), ""),
		f.store.SetCursor(ctx, cursorOf(lossCursor, account), ""),
	)
}

// noticeLoss has the next sweeps read all events from some time before the database lost something.
func (f *Flow[Tx]) noticeLoss(ctx context.Context, account string, lost time.Time) error {
	known, err := f.noticedLoss(ctx, account)
	if err != nil {
		return err
	}
	if err := f.setCursorTime(ctx, cursorOf(noticedCursor, account), f.now()); err != nil {
		return err
	}
	since := lost.Add(-eventsWindow).Unix()
	if known.since != 0 && known.since <= since {
		return nil
	}
	return f.store.SetCursor(ctx, cursorOf(lostCursor, account), strconv.FormatInt(since, 10))
}

// eventReader says which events are read, and where the positions are kept.
type eventReader struct {
	account, cursor string
	types           []string
	undelivered     bool
	unreceived      bool  // each event once, for the Flow's handlers alone
	from            int64 // when the loss began after which all events are read; 0: there was none
}

// readEvents dispatches events from pos to now, a page with each request, and keeps the position after each page. It reports
// whether it came to now.
func readEvents[Tx any](ctx context.Context, f *Flow[Tx], b *budget, r eventReader, pos eventPosition, now time.Time, found func(id string)) (done bool, err error) {
	chunks, hung := slices.Collect(slices.Chunk(r.types, typesMost)), 0
	for window := eventsWindow; pos.Since < now.Unix(); {
		if pos.Until == 0 {
			pos.Until = min(pos.Since+int64(window/time.Second), now.Unix())
		}
		full := false
		for ; pos.Chunk < len(chunks); pos.Chunk++ {
			for more := true; more; {
				if !b.take() {
					return false, f.setEventPosition(ctx, r, pos)
				}
				page, err := f.stripe.events(ctx, r.account, chunks[pos.Chunk], pos, r.undelivered)
				if err != nil {
					return false, err
				}
				if err := f.dispatchPage(ctx, page, r, &hung, now, found); err != nil {
					return false, err
				}
				more, pos.After = len(page) == pageSize, ""
				if more {
					full, pos.After = true, page[len(page)-1].ID
					if err := f.setEventPosition(ctx, r, pos); err != nil {
						return false, err
					}
				}
			}
		}
		end := pos.Until
		next := end
		if latest := f.now().Add(-eventsOverlap).Unix(); end >= now.Unix() || next > latest {
			next = min(now.Add(-eventsOverlap).Unix(), latest)
		}
		if !f.stripeClock.learned.Load() {
			return true, nil // no answer of Stripe's had a date yet, and this clock may be ahead
		}
		if err := f.setEventPosition(ctx, r, eventPosition{Since: next, From: r.from}); err != nil {
			return false, err
		}
		pos = eventPosition{Since: end, From: r.from}
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

// dispatchPage has the events of a page handled, the oldest first. An event that fails is logged and set aside, and tried
// again on its own by later sweeps. hung counts the events of the reading whose handlers took all of their time. The error means
// that the Store failed or ctx ended.
func (f *Flow[Tx]) dispatchPage(ctx context.Context, page []listedEvent, r eventReader, hung *int, now time.Time, found func(id string)) error {
	failed, err := f.failedEvents(ctx)
	if err != nil {
		return err
	}
	for _, e := range slices.Backward(page) {
		if slices.ContainsFunc(failed, func(f failedEvent) bool { return f.ID == e.ID }) {
			continue // it has its own time
		}
		if r.from != 0 {
			f.seen.forget(e.ID) // what its handler wrote may be lost
		}
		missed := failedEvent{ID: e.ID, Type: e.Type, Account: r.account, Unreceived: r.unreceived}
		timeout := eventTimeout
		if *hung >= failedHung {
			timeout = eventTimeoutShort
		}
		err := f.dispatchMissed(ctx, e, missed, timeout, now, found)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, context.DeadlineExceeded) {
			*hung++
		}
		if err != nil {
			f.log.Error("missed event could not be handled", "event", e.ID, "type", e.Type, "error", err)
			f.setAside(ctx, missed, now)
		}
	}
	return nil
}

// dispatchMissed has an event handled that was read instead of received.
func (f *Flow[Tx]) dispatchMissed(ctx context.Context, e listedEvent, missed failedEvent, timeout time.Duration, now time.Time, found func(id string)) error {
	h := f.hook.Load()
	ours := slices.Contains(flowEvents, e.Type)
	switch {
	case h == nil && !ours:
		return nil
	case h == nil, missed.Unreceived:
		h = f.ownHook
	case !ours && now.Sub(time.Unix(e.Created, 0)) < eventsSettled:
		return nil
	}
	if (missed.Unreceived || !ours) && !f.seen.first(e.ID, now) {
		return nil
	}
	payload, err := e.payload(missed.Account)
	if err == nil {
		limited, cancel := context.WithTimeout(context.WithValue(ctx, laterKey{}, found), timeout)
		defer cancel()
		err = h.Dispatch(limited, payload)
	}
	if err != nil {
		f.seen.forget(e.ID)
	}
	return err
}

// listPosition is a place in a list that is read once in a while: when the whole list was read last, and in a reading that
// ran out of requests the ID of the last object that was read.
type listPosition struct {
	Listed int64  `json:"listed"`
	After  string `json:"after,omitempty"`
}

func (f *Flow[Tx]) sweepRefunds(ctx context.Context, b *budget, account string, found func(id string)) error {
	return f.sweepList(ctx, b, cursorOf(refundsCursor, account), func(now time.Time, after string) (string, error) {
		return f.refundsPage(ctx, account, now.Add(-refundsBack), after, found)
	})
}

func (f *Flow[Tx]) sweepDisputes(ctx context.Context, b *budget, account string, found func(id string)) error {
	return f.sweepList(ctx, b, cursorOf(disputesCursor, account), func(now time.Time, after string) (string, error) {
		return f.disputesPage(ctx, account, now.Add(-disputesBack), after, found)
	})
}

// sweepList reads a list, unless that was done within the hour, from where the last sweep stopped. page reads one page and
// returns where the next begins; empty: it was the last. An account that refuses is asked again after an hour.
func (f *Flow[Tx]) sweepList(ctx context.Context, b *budget, cursor string, page func(now time.Time, after string) (string, error)) error {
	now := f.now()
	value, err := f.store.Cursor(ctx, cursor)
	if err != nil {
		return err
	}
	var pos listPosition
	if value != "" && json.Unmarshal([]byte(value), &pos) != nil {
		pos = listPosition{} // written by no version that is known
	}
	// A time that lies in the future was written by a process whose clock was ahead.
	if age := now.Sub(time.Unix(pos.Listed, 0)); pos.After == "" && age >= 0 && age < moneyBackEvery {
		return nil
	}
	for {
		if !b.take() {
			return nil
		}
		after, failed := page(now, pos.After)
		if failed != nil && (!refused(failed) || statusCode(failed) == 429) {
			return failed
		}
		if pos.After = after; after == "" {
			pos.Listed = now.Unix()
		}
		value, err := json.Marshal(pos)
		if err != nil {
			return err
		}
		if err := f.store.SetCursor(ctx, cursor, string(value)); err != nil {
			return err
		}
		if after == "" {
			return failed
		}
	}
}

// refundsPage settles one page of the refunds of recorded payments that were created since then, and returns where the next
// page begins; empty: it was the last.
func (f *Flow[Tx]) refundsPage(ctx context.Context, account string, since time.Time, after string, found func(id string)) (next string, err error) {
	page, err := f.stripe.refundsSince(ctx, account, since, after)
	if err != nil {
		return "", err
	}
	for _, r := range page {
		f.settleListed(ctx, account, r.payment(), found, func(ctx context.Context, id string) error {
			return f.settleRefund(ctx, id, r, "sweep")
		})
	}
	if len(page) == pageSize {
		next = page[len(page)-1].ID
	}
	return next, ctx.Err()
}

// disputesPage does for disputes what refundsPage does for refunds.
func (f *Flow[Tx]) disputesPage(ctx context.Context, account string, since time.Time, after string, found func(id string)) (next string, err error) {
	page, err := f.stripe.disputesSince(ctx, account, since, after)
	if err != nil {
		return "", err
	}
	for _, d := range page {
		f.settleListed(ctx, account, d.payment(), found, func(ctx context.Context, id string) error {
			return f.settleDispute(ctx, id, d, "sweep")
		})
	}
	if len(page) == pageSize {
		next = page[len(page)-1].ID
	}
	return next, ctx.Err()
}

// settleListed settles a refund or a dispute, if its payment is recorded. An order that is locked elsewhere keeps no other
// waiting for long.
func (f *Flow[Tx]) settleListed(
	ctx context.Context, account string, p payment, found func(id string), settle func(ctx context.Context, id string) error,
) {
	limited, cancel := context.WithTimeout(ctx, sweepOrderTimeout)
	defer cancel()
	o, err := f.findPayment(limited, account, p)
	if err == nil && o != nil {
		if err = settle(limited, o.ID); err == nil {
			found(o.ID)
		}
	}
	if err != nil && ctx.Err() == nil {
		f.log.Warn("refund or dispute could not be settled", "order", idOf(o), "error", err)
	}
}

// cursorTime reads a time that setCursorTime wrote; otherwise is its value before it was first set. A time that lies in the
// future was written by a process whose clock was ahead, and counts as not set.
func (f *Flow[Tx]) cursorTime(ctx context.Context, name string, otherwise time.Time) (time.Time, error) {
	at, err := f.storedTime(ctx, name, otherwise)
	if at.After(f.now()) {
		at = otherwise
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
