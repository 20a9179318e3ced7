package simtest

import (
	"fmt"
	"slices"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

// intentOf is the payment intent with which a session was paid; empty: there was none. That of a subscription's session is
// that of its first invoice.
func (t truth) intentOf(s *stripe.CheckoutSession) string {
	if s.PaymentIntent != nil {
		return s.PaymentIntent.ID
	}
	sub := t.subscriptions[s.ID]
	if sub == nil || sub.first() == nil || sub.first().Status != "paid" || len(sub.first().intents()) == 0 {
		return ""
	}
	return sub.first().intents()[0]
}

// isPaid reports whether a session is paid, or needs no payment, as a trial.
func isPaid(s *stripe.CheckoutSession) bool {
	return s.Status == stripe.CheckoutSessionStatusComplete && s.PaymentStatus != stripe.CheckoutSessionPaymentStatusUnpaid
}

// subscriptionMoneyAtRest checks the ledgers of what was given back of an order's subscriptions against Stripe's, and what
// the merchant was told of it.
func (c *checker) subscriptionMoneyAtRest(o *store.Order, all truth) error {
	refunds, disputes := 0, 0
	for _, a := range o.Attempts {
		s := all.subscriptions[a.SessionID]
		paidWith := func(intent *stripe.PaymentIntent) (invoice string, ok bool) {
			switch {
			case intent == nil:
				return "", false
			case a.PaymentIntent == intent.ID:
				return "", true
			case s == nil || s.invoiceOf(intent.ID) == nil:
				return "", false
			}
			if i := s.invoiceOf(intent.ID); i.Reason != "subscription_create" {
				return i.ID, true
			}
			return "", true
		}
		for _, r := range all.refunds {
			invoice, ok := paidWith(r.PaymentIntent)
			if !ok {
				continue
			}
			refunds++
			want := store.Refund{ID: r.ID, Attempt: a.N, Invoice: invoice, Amount: r.Amount, Currency: string(r.Currency), State: store.RefundState(r.Status)}
			if !slices.ContainsFunc(o.Refunds, func(known store.Refund) bool { known.Answers = 0; return known == want }) {
				return fmt.Errorf("%s: of a refund, Stripe says %+v, the ledger %+v", o.ID, want, o.Refunds)
			}
			if err := c.givenBackTold(o, r.ID, invoice, refundKinds[want.State], checkout.ChangeRefunded, checkout.ChangeRefundFailed); err != nil {
				return err
			}
		}
		for _, d := range all.disputes {
			invoice, ok := paidWith(d.PaymentIntent)
			if !ok {
				continue
			}
			disputes++
			want := store.Dispute{ID: d.ID, Attempt: a.N, Invoice: invoice, Amount: d.Amount, Currency: string(d.Currency), State: disputeState(d)}
			if !slices.ContainsFunc(o.Disputes, func(known store.Dispute) bool { known.Answers = 0; return known == want }) {
				return fmt.Errorf("%s: of a dispute, Stripe says %+v, the ledger %+v", o.ID, want, o.Disputes)
			}
			if err := c.givenBackTold(o, d.ID, invoice, disputeKinds[want.State], checkout.ChangeDisputed, checkout.ChangeDisputeWon, checkout.ChangeDisputeLost); err != nil {
				return err
			}
		}
	}
	if refunds != len(o.Refunds) || disputes != len(o.Disputes) {
		return fmt.Errorf("%s: %d refunds and %d disputes in the ledgers, %d and %d at Stripe", o.ID, len(o.Refunds), len(o.Disputes), refunds, disputes)
	}
	return nil
}

var (
	refundKinds = map[store.RefundState]checkout.ChangeKind{
		store.RefundSucceeded: checkout.ChangeRefunded, store.RefundFailed: checkout.ChangeRefundFailed, store.RefundCanceled: checkout.ChangeRefundFailed,
	}
	disputeKinds = map[store.DisputeState]checkout.ChangeKind{
		store.DisputeOpen: checkout.ChangeDisputed, store.DisputeWon: checkout.ChangeDisputeWon, store.DisputeLost: checkout.ChangeDisputeLost,
	}
)

func disputeState(d *stripe.Dispute) store.DisputeState {
	switch d.Status {
	case stripe.DisputeStatusWon:
		return store.DisputeWon
	case stripe.DisputeStatusLost:
		return store.DisputeLost
	}
	return store.DisputeOpen
}

// givenBackTold checks that the last that was told of a refund or a dispute is what it is now, with its invoice, and that no
// state was told twice in a row.
func (c *checker) givenBackTold(o *store.Order, id, invoice string, now checkout.ChangeKind, kinds ...checkout.ChangeKind) error {
	var last checkout.ChangeKind
	for _, t := range c.tales(o) {
		if t.detail != id || !slices.Contains(kinds, t.kind) {
			continue
		}
		if t.kind == last || t.invoice != invoice {
			return fmt.Errorf("%s: of %s of invoice %q, %s was told of %q after %s", o.ID, id, invoice, t.kind, t.invoice, last)
		}
		last = t.kind
	}
	if now != "" && last != now {
		return fmt.Errorf("%s: the merchant was not told of %s that it is %s, but %q", o.ID, id, now, last)
	}
	return nil
}

// simGrace is the grace with which access is looked at.
const simGrace = 5 * day

// accessAtRest checks what Access says of an order, now and later, against what follows from Stripe's objects. A payment that a
// person decided about, or is to decide about, is left out.
func (c *checker) accessAtRest(o *store.Order, all truth) error {
	paid := o.PaidAttempt()
	if paid != nil && (o.Parked != "" || !o.GivenUpAt.IsZero() || !paid.Agrees() || !paid.AcceptedAt.IsZero()) {
		return nil
	}
	var s *subscriptionTruth
	if paid != nil {
		s = all.subscriptions[paid.SessionID]
		for _, a := range o.Attempts {
			other := all.subscriptions[a.SessionID]
			if s != nil && s.now.over() && a.Duplicate && other != nil && !other.now.over() {
				s = other // the customer still pays for it
			}
		}
	}
	now := c.w.srv.Now()
	granted, until := s.access(all, now, simGrace)
	access := o.Access(now, simGrace)
	if access.Granted != granted || granted && !access.Until.Equal(until) {
		return fmt.Errorf("%s: access is %+v, and by what Stripe says %t until %v", o.ID, access, granted, until)
	}
	if granted && s.now.CancelAt != 0 && o.Access(until.Add(time.Second), simGrace).Granted {
		return fmt.Errorf("%s: access goes on after the end at %v", o.ID, until)
	}
	return nil
}

// access is what a customer may expect by Stripe's objects alone: access while the period or trial goes on whose payment was not
// given back, and while an unpaid renewal is not older than the grace.
func (s *subscriptionTruth) access(all truth, now time.Time, grace time.Duration) (granted bool, until time.Time) {
	if s == nil || s.first().Status != "paid" || s.givenBack(all) {
		return false, time.Time{}
	}
	switch s.now.Status {
	case "active", "trialing":
		if s.now.CancelAt != 0 {
			return true, unix(s.now.CancelAt)
		}
		return true, unix(s.now.Items.Data[0].PeriodEnd)
	case "past_due":
		since := unix(s.now.Items.Data[0].PeriodStart)
		for _, i := range slices.Backward(s.invoices) {
			if i.Status == "open" && i.AmountDue > i.AmountPaid {
				since = unix(max(i.Created, i.DueDate))
			}
		}
		return now.Before(since.Add(grace)), since.Add(grace)
	}
	return false, time.Time{}
}

// givenBack reports whether the payments of the latest period that was paid for were given back as a whole, or are disputed. A period
// that credit pays for has no payment to give back. A change of the subscription can begin a period that ends before the one it follows.
func (s *subscriptionTruth) givenBack(all truth) bool {
	var latest time.Time
	for _, i := range s.invoices { // the oldest first
		_, end := i.period()
		shortens := i.Reason == "subscription_update" && end.After(unix(i.Created))
		if (i.AmountPaid > 0 || i.Status == "paid") && (shortens || end.After(latest)) {
			latest = end
		}
	}
	var paid, back int64
	for _, i := range s.invoices {
		if _, end := i.period(); i.AmountPaid == 0 || !end.Equal(latest) {
			continue
		}
		paid += i.AmountPaid
		for _, r := range all.refunds {
			if r.PaymentIntent != nil && slices.Contains(i.intents(), r.PaymentIntent.ID) && r.Status != "failed" && r.Status != "canceled" {
				back += r.Amount
			}
		}
		for _, d := range all.disputes {
			if d.PaymentIntent != nil && slices.Contains(i.intents(), d.PaymentIntent.ID) && d.Status != "won" {
				return true
			}
		}
	}
	return paid > 0 && back >= paid
}
