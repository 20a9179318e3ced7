package main

import (
	"slices"
	"sync"
	"time"

	"github.com/gofulfil/fulfil/webhook"
)

// keptEvents is the number of deliveries that the orders page can show.
const keptEvents = 100

// received is one delivery of a webhook.
type received struct {
	At time.Time
	webhook.Result
}

// eventLog keeps the latest deliveries.
type eventLog struct {
	mu   sync.Mutex
	kept []received
}

func (l *eventLog) add(r received) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.kept) == keptEvents {
		l.kept = slices.Delete(l.kept, 0, 1)
	}
	l.kept = append(l.kept, r)
}

// latest returns the deliveries, newest first.
func (l *eventLog) latest() []received {
	l.mu.Lock()
	defer l.mu.Unlock()
	latest := slices.Clone(l.kept)
	slices.Reverse(latest)
	return latest
}
