package checkout

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"
)

const (
	// failedCursor holds the events that were found and could not be handled.
	failedCursor = "failed_events"
	// failedMost is how many of them are kept at most.
	failedMost = 500
	// The pause after a failed try grows from the first to the last.
	failedFirst = 5 * time.Minute
	failedLast  = 6 * time.Hour
)

// failedEvent is an event that a sweep found and could not handle. It keeps no other event waiting: it is tried again on its
// own, for as long as Stripe keeps it.
type failedEvent struct {
	ID      string `json:"id"`
	Account string `json:"account,omitempty"`
	// Since and Next are Unix seconds: when the event failed first, and when it is tried next.
	Since int64 `json:"since"`
	Next  int64 `json:"next"`
}

// setAside keeps an event that could not be handled.
func (f *Flow[Tx]) setAside(ctx context.Context, id, account string, now time.Time) {
	err := f.changeFailedEvents(ctx, func(events []failedEvent) []failedEvent {
		i := slices.IndexFunc(events, func(e failedEvent) bool { return e.ID == id })
		if i < 0 {
			if len(events) >= failedMost {
				f.log.Error("too many events failed: this one is left to stripe's own tries", "event", id)
				return events
			}
			return append(events, failedEvent{ID: id, Account: account, Since: now.Unix(), Next: now.Add(failedFirst).Unix()})
		}
		e := &events[i]
		e.Next = now.Add(growing(now.Sub(time.Unix(e.Since, 0)), failedFirst, failedLast)).Unix()
		return events
	})
	if err != nil {
		f.log.Warn("failed event could not be kept", "event", id, "error", err)
	}
}

// sweepFailed tries the events again that could not be handled.
func (f *Flow[Tx]) sweepFailed(ctx context.Context, b *budget, found func(id string)) error {
	now := f.stripeNow()
	events, err := f.failedEvents(ctx)
	if err != nil {
		return err
	}
	for _, failed := range events {
		if failed.Next > now.Unix() {
			continue
		}
		if !b.take() {
			return nil
		}
		e, err := f.stripe.event(ctx, failed.Account, failed.ID)
		if err != nil && !missing(err) {
			return err
		}
		// The event is taken off the list first, and comes back if it fails again.
		err = f.changeFailedEvents(ctx, func(events []failedEvent) []failedEvent {
			return slices.DeleteFunc(events, func(e failedEvent) bool {
				return e.ID == failed.ID && (e.Next <= now.Unix() && e == failed)
			})
		})
		if err != nil {
			return err
		}
		if e != nil {
			f.dispatchMissed(ctx, e, failed.Account, now, found)
			f.keepSince(ctx, failed)
		}
	}
	return nil
}

// keepSince restores when an event failed first, after it failed again, so that its pauses grow.
func (f *Flow[Tx]) keepSince(ctx context.Context, failed failedEvent) {
	err := f.changeFailedEvents(ctx, func(events []failedEvent) []failedEvent {
		for i := range events {
			if e := &events[i]; e.ID == failed.ID && e.Since > failed.Since {
				age := time.Duration(e.Since-failed.Since) * time.Second
				e.Next, e.Since = e.Since+int64(growing(age, failedFirst, failedLast)/time.Second), failed.Since
			}
		}
		return events
	})
	if err != nil {
		f.log.Warn("failed event could not be kept", "event", failed.ID, "error", err)
	}
}

func (f *Flow[Tx]) failedEvents(ctx context.Context) ([]failedEvent, error) {
	value, err := f.store.Cursor(ctx, failedCursor)
	if err != nil || value == "" {
		return nil, err
	}
	var events []failedEvent
	if err := json.Unmarshal([]byte(value), &events); err != nil {
		return nil, nil // written by no version that is known
	}
	return events, nil
}

// changeFailedEvents changes the list. Two processes at once may lose an entry, which Stripe's own tries make up for.
func (f *Flow[Tx]) changeFailedEvents(ctx context.Context, change func([]failedEvent) []failedEvent) error {
	f.failedMu.Lock()
	defer f.failedMu.Unlock()
	before, err := f.failedEvents(ctx)
	if err != nil {
		return err
	}
	after := change(slices.Clone(before))
	if slices.Equal(before, after) {
		return nil
	}
	value := ""
	if len(after) > 0 {
		encoded, err := json.Marshal(after)
		if err != nil {
			return err
		}
		value = string(encoded)
	}
	return f.store.SetCursor(ctx, failedCursor, value)
}

// seenEvents remembers which events this process dispatched lately, as readings overlap.
type seenEvents struct {
	mu  sync.Mutex
	ids map[string]time.Time
}

// first reports whether the event was not seen yet, and remembers it.
func (s *seenEvents) first(id string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, seen := s.ids[id]; seen {
		return false
	}
	if s.ids == nil {
		s.ids = map[string]time.Time{}
	}
	for other, at := range s.ids {
		if now.Sub(at) > 2*eventsOverlap {
			delete(s.ids, other)
		}
	}
	s.ids[id] = now
	return true
}

// forget has the event dispatched again.
func (s *seenEvents) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ids, id)
}
