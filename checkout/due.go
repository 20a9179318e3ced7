package checkout

import (
	"time"

	"github.com/gofulfil/fulfil/store"
)

const (
	// unrecordedFor is how long Begin has to record a session before a sweep gives its attempt up.
	unrecordedFor = 2 * time.Minute
	// triggerGrace is how long whoever settled an order has to begin delivering before a sweep does.
	triggerGrace = 30 * time.Second
	// expiryGrace is how long after a session's end its event may take before Stripe is asked.
	expiryGrace = time.Minute
)

// dueAt is when a sweep must look at the order next; zero: it need not.
func dueAt(o *store.Order, now time.Time) time.Time {
	var due time.Time
	by := func(t time.Time) {
		if !t.IsZero() && (due.IsZero() || t.Before(due)) {
			due = t
		}
	}
	for i := range o.Attempts {
		a := &o.Attempts[i]
		switch {
		case a.Open() && a.SessionID == "":
			by(a.CreatedAt.Add(unrecordedFor))
		case a.Open() || a.Processing():
			by(a.CheckAt)
		}
	}
	if o.NextNotice() != nil {
		switch d := o.Delivery; {
		case d.LeasedUntil.After(now):
			by(d.LeasedUntil)
		case d.NextAt.After(now):
			by(d.NextAt)
		default:
			by(now.Add(triggerGrace))
		}
	}
	return due
}

// nextCheck is when Stripe must be asked for a session that has not ended: for an open one when the time to pay is
// over; for a payment on its way at intervals that grow with its age, as a debit takes days.
func nextCheck(a *store.Attempt, now time.Time) time.Time {
	if a.Processing() {
		return now.Add(min(max(now.Sub(a.CreatedAt)/4, 5*time.Minute), 6*time.Hour))
	}
	at := a.ExpiresAt.Add(expiryGrace)
	if a.PayBy.Before(a.ExpiresAt) {
		at = a.PayBy
	}
	if at.Before(now) {
		at = now.Add(expiryGrace) // asked already, and it is still open: Stripe is late
	}
	return at
}
