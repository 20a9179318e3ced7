package simtest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

// quietFor is how long nothing has happened to a subscription when the orders are looked at: the longest pause after which
// Stripe is asked, and the time of a sweep.
const quietFor = 27 * time.Hour

// quietTries is how often the world waits for that at most. Renewals, failed payments and their repetitions leave days between
// them.
const quietTries = 90

// restOfSubscriptions lets subscriptions go on while all is well, and then waits for a time in which nothing happens to them.
func (w *world) restOfSubscriptions(p *simProcess) {
	if !w.subscribing() {
		return
	}
	sweep := func(pause time.Duration) {
		w.srv.Advance(pause)
		w.sweepAtRest(p)
	}
	if w.seed%4 == 0 {
		for range 14 { // a renewal, in steps in which no trial can be announced and end
			sweep(60 * time.Hour)
		}
	}
	for range quietTries {
		w.periodsEnd()
		if w.quiet() && !w.due() && w.vanish == 0 || w.asked() {
			break
		}
		sweep(14 * time.Hour)
	}
	w.tell()
}

// periodsEnd checks that no order takes a period as going on that ended long ago: Stripe is to be asked for it.
func (w *world) periodsEnd() {
	for i := range w.orders {
		o := w.order(fmt.Sprintf("order-%d", i+1))
		if o == nil || w.broken(o.ID) {
			continue
		}
		for _, s := range o.Subscriptions {
			goesOn := s.Status == store.SubscriptionActive || s.Status == store.SubscriptionTrialing
			if goesOn && w.srv.Now().Sub(s.PeriodEnd) > quietFor {
				w.fail("%s: the period of a subscription ended at %v, and the order does not know", o.ID, s.PeriodEnd)
			}
		}
	}
}

// quiet reports whether nothing has happened to subscriptions for a time.
func (w *world) quiet() bool {
	now := w.srv.Now()
	for _, e := range slices.Backward(w.srv.Events()) {
		if now.Sub(e.Created) >= quietFor {
			return true
		}
		if strings.HasPrefix(e.Type, "customer.subscription.") || strings.HasPrefix(e.Type, "invoice") || strings.Contains(e.Type, "refund") {
			return false
		}
	}
	return true
}

// asked reports whether Stripe was asked for all subscriptions since the last that happened to them. Until then an order need not
// know of a change whose event vanished: its period may go on for a month.
func (w *world) asked() bool {
	if !w.quiet() || w.due() {
		return false
	}
	changed := map[string]time.Time{}
	for _, e := range w.srv.Events() {
		if s, ok := subscriptionIn(e); ok {
			changed[s.ID] = e.Created
		}
		if i, ok := invoiceIn(e); ok {
			changed[i.Parent.Details.Subscription] = e.Created
		}
	}
	for i := range w.orders {
		o := w.order(fmt.Sprintf("order-%d", i+1))
		if o == nil || w.broken(o.ID) {
			continue
		}
		for _, s := range o.Subscriptions {
			// A clock that is ahead dates a question later than the change that came after it.
			if !s.Ended() && !s.AskedAt.After(changed[s.ID].Add(clocksApart)) {
				return false
			}
		}
	}
	return true
}

// vanishes reports whether somebody else acknowledges an event of a subscription or of an invoice, and does nothing about it.
func (w *world) vanishes(e heardEvent) bool {
	if w.vanish == 0 || w.healed.Load() || !strings.HasPrefix(e.Type, "customer.subscription.") && !strings.HasPrefix(e.Type, "invoice.") {
		return false
	}
	id := e.SnapshotEvent // one change is told in both forms or in none
	if id == "" {
		id = e.ID
	}
	if !w.unlucky(w.vanish, "vanished "+id, 1) {
		return false
	}
	w.met("event acknowledged by somebody else")
	return true
}

// resting reports whether there is nothing to do for an order but to look at its subscription later, or at the session of a
// subscription whose first payment failed and whose invoice can still be paid.
func (w *world) resting(o *store.Order) bool {
	if o.DueAt.IsZero() {
		return true
	}
	now := w.srv.Now()
	return len(o.Subscriptions) > 0 && o.DueAt.After(now) &&
		!slices.ContainsFunc(w.processes[0].Load().flow.Next(o), func(s checkout.Step) bool {
			return s.Action != checkout.AskSubscription && s.Action != checkout.Decide && !(s.Action == checkout.AskSession && firstIsOpen(o, s.Attempt))
		})
}

// firstIsOpen reports whether the first invoice of the subscription that an attempt began is open.
func firstIsOpen(o *store.Order, attempt int) bool {
	return slices.ContainsFunc(o.Invoices, func(i store.Invoice) bool { return i.First() && i.Attempt == attempt && i.State == store.InvoiceOpen })
}
