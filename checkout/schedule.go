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
		case a.Open() || a.Processing() || a.RefundWanted:
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

// nextCheck is when Stripe must be asked for a session that has not ended: for an open one when it is to end, and a minute
// after it was asked if it has not; for a payment on its way at intervals that grow with its age, as a debit takes days.
func nextCheck(o *store.Order, a *store.Attempt, now time.Time) time.Time {
	if a.Processing() {
		return now.Add(growing(now.Sub(a.CreatedAt), 5*time.Minute, 6*time.Hour))
	}
	at := a.ExpiresAt.Add(expiryGrace)
	switch {
	case unwanted(o):
		at = now
	case a.PayBy.Before(a.ExpiresAt):
		at = a.PayBy
	}
	if again := a.CheckedAt.Add(expiryGrace); !a.CheckedAt.IsZero() && at.Before(again) {
		at = again // Stripe was asked, and it is still open
	}
	return at
}

// unwanted reports whether no session of the order is to be paid anymore.
func unwanted(o *store.Order) bool {
	return o.Paid() || o.Status() == store.Processing || !o.CancelRequestedAt.IsZero()
}

// growing is a pause of a quarter of the time something has taken, within bounds.
func growing(age, least, most time.Duration) time.Duration { return min(max(age/4, least), most) }
