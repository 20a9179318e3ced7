package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
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
	// failedHung is how many of them may take all of their time in one sweep.
	failedHung = 3
)

// failedEvent is an event that a sweep found and could not handle. It keeps no other event waiting: it is tried again on its
// own, for as long as Stripe keeps it.
type failedEvent struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Account string `json:"account,omitempty"`
	// Unreceived says that only the Flow's own handlers get it: see sweepUnreceived.
	Unreceived bool `json:"unreceived,omitempty"`
	// Since and Next are Unix seconds: when the event failed first, and when it is tried next.
	Since int64 `json:"since"`
	Next  int64 `json:"next"`
}

// setAside keeps an event that could not be handled.
func (f *Flow[Tx]) setAside(ctx context.Context, e failedEvent, now time.Time) {
	e.Since, e.Next = now.Unix(), now.Add(failedFirst).Unix()
	err := f.changeFailedEvents(ctx, func(events []failedEvent) []failedEvent {
		if len(events) >= failedMost {
			f.log.Error("too many events failed: this one is left to stripe's own tries", "event", e.ID)
			return events
		}
		return append(events, e)
	})
	if err != nil {
		f.log.Warn("failed event could not be kept", "event", e.ID, "error", err)
	}
}

// sweepFailed tries the events again that could not be handled, of the types that this process has handlers for. An event
// that fails again, or that Stripe does not answer, keeps no other waiting. After some that took all of their time, as those
// of an order that is locked elsewhere do, the next sweep goes on.
func (f *Flow[Tx]) sweepFailed(ctx context.Context, b *budget, _ string, found func(id string)) error {
	now := f.now()
	events, err := f.failedEvents(ctx)
	if err != nil {
		return err
	}
	types, hung := f.handledTypes(), 0
	for _, failed := range events {
		if hung == failedHung {
			return nil
		}
		if failed.Next > now.Unix() || !slices.Contains(types, failed.Type) {
			continue
		}
		if !b.take() {
			return nil
		}
		// The next try is set first, so that the event is not lost if this one is broken off.
		if err := f.postponeFailed(ctx, failed, now); err != nil {
			return err
		}
		e, err := f.stripe.event(ctx, failed.Account, failed.ID)
		b.answered(err)
		if err == nil {
			err = f.dispatchMissed(ctx, e, failed, eventTimeout, now, found)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, context.DeadlineExceeded) {
			hung++
		}
		if err != nil && !missing(err) {
			f.log.Error("failed event could not be handled again", "event", failed.ID, "type", failed.Type, "account", failed.Account, "error", err)
			continue
		}
		err = f.changeFailedEvents(ctx, func(events []failedEvent) []failedEvent {
			return slices.DeleteFunc(events, func(e failedEvent) bool { return e.ID == failed.ID })
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// postponeFailed sets the time of the next try. The pauses grow.
func (f *Flow[Tx]) postponeFailed(ctx context.Context, failed failedEvent, now time.Time) error {
	return f.changeFailedEvents(ctx, func(events []failedEvent) []failedEvent {
		for i := range events {
			if e := &events[i]; e.ID == failed.ID {
				e.Next = now.Add(growing(now.Sub(time.Unix(e.Since, 0)), failedFirst, failedLast)).Unix()
			}
		}
		return events
	})
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
	unlock, err := f.settingAside.lock(ctx, failedCursor)
	if err != nil {
		return err
	}
	defer unlock()
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
	mu      sync.Mutex
	ids     map[string]time.Time
	dropped time.Time // when the old ones were last dropped
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
	if now.Sub(s.dropped) > eventsOverlap { // not for every event: after an outage a sweep reads many thousands
		maps.DeleteFunc(s.ids, func(_ string, at time.Time) bool { return now.Sub(at) > 2*eventsOverlap })
		s.dropped = now
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
