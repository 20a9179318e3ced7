package checkout

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// receivedCursor is when a snapshot event of this shop's was last received, as Unix seconds. That of a connected account ends in
	// its ID, as does the next.
	receivedCursor = "snapshots"
	// unreceivedCursor holds the positions up to which events were read that no snapshot event told of.
	unreceivedCursor = "all_events"
	// receivedEvery is how often receivedCursor is set at most.
	receivedEvery = 10 * time.Minute
	// quietAfter without a snapshot event, all events are read, every quietEvery.
	quietAfter = time.Hour
	quietEvery = 2 * time.Minute
	// receivedMost is the number of accounts of which a process remembers when it set receivedCursor.
	receivedMost = 10_000
)

// snapshotTimes remembers when this process last said that snapshot events are received, by account.
type snapshotTimes struct {
	mu   sync.Mutex
	said map[string]time.Time
}

// due reports whether it is to be said again.
func (s *snapshotTimes) due(account string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.said[account]; ok && now.Sub(at).Abs() < receivedEvery {
		return false
	}
	if s.said == nil || len(s.said) >= receivedMost {
		s.said = map[string]time.Time{}
	}
	s.said[account] = now
	return true
}

// receivedSnapshot keeps that snapshot events of this shop's are received.
func (f *Flow[Tx]) receivedSnapshot(ctx context.Context, account string) {
	now := f.now()
	if !f.snapshots.due(account, now) {
		return
	}
	if err := f.setCursorTime(ctx, cursorOf(receivedCursor, account), now); err != nil && ctx.Err() == nil {
		f.log.Warn("the time of the last snapshot event could not be kept", "error", err) // more is read then, and nothing is lost
	}
}

// unreceivedEvents are the types that are read. They fit into one list of Stripe's events. Refunds and disputes are listed once an
// hour in any case, and a subscription is asked for when an invoice should have been charged.
var unreceivedEvents = slices.Concat(sessionEvents[:], intentEvents[:], chargeEvents[:], warningEvents[:], reviewEvents[:], subscriptionEvents[:])

// sweepUnreceived reads all events of unreceivedEvents, delivered or not, if no snapshot event was received for an hour: Stripe lists
// undelivered events of snapshot endpoints alone, and does not say which thin events a shop never received. So a shop that gets
// snapshot events needs no such reading. Only the Flow's own handlers get the events, as the merchant's may have received them already.
func (f *Flow[Tx]) sweepUnreceived(ctx context.Context, b *budget, account string, found func(id string)) error {
	now := f.now()
	received, err := f.storedTime(ctx, cursorOf(receivedCursor, account), time.Time{})
	if err != nil || now.Sub(received).Abs() < quietAfter {
		return err
	}
	r := eventReader{account: account, cursor: cursorOf(unreceivedCursor, account), types: unreceivedEvents, unreceived: true}
	pos, err := f.eventPosition(ctx, r, now)
	if err != nil {
		return err
	}
	if pos.Until == 0 && now.Sub(time.Unix(pos.Since, 0)) < eventsOverlap+quietEvery {
		return nil // read just now
	}
	if since := received.Add(-eventsOverlap).Unix(); pos.Until == 0 && pos.Since < since && received.Before(now) {
		pos.Since = since // until then, snapshot events were received
	}
	_, err = readEvents(ctx, f, b, r, pos, now, found)
	return err
}
