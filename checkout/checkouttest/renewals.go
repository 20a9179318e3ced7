package checkouttest

import (
	"maps"
	"time"
)

// draftFor is the time for which the invoice of a renewal stays a draft before it is paid.
// https://docs.stripe.com/billing/invoices/subscription#subscription-lifecycle
const draftFor = time.Hour

// dunning is the time from each failed payment to the next try. At Stripe, the account chooses the schedule:
// https://docs.stripe.com/billing/revenue-recovery/smart-retries
var dunning = []time.Duration{3 * 24 * time.Hour, 5 * 24 * time.Hour, 7 * 24 * time.Hour}

// A DunningEnd says what becomes of a subscription when the last try to collect a renewal has failed. At Stripe it is a
// setting of the account: https://docs.stripe.com/billing/revenue-recovery/smart-retries
type DunningEnd string

const (
	// DunningCancels ends the subscription.
	DunningCancels DunningEnd = "cancel"
	// DunningMarksUnpaid makes the subscription unpaid. Its later invoices stay drafts that nothing collects, until an open
	// invoice is paid over the API.
	DunningMarksUnpaid DunningEnd = "mark_unpaid"
	// DunningLeavesPastDue leaves the subscription past due. Its later invoices are collected.
	DunningLeavesPastDue DunningEnd = "leave_past_due"
)

// ReplaceMethod changes the payment method of a subscription's renewals, and of the payments that the server tries again. A
// card that is declined makes them fail, and so does CardAlways3DS. BankDebit and Card3DS succeed at once. Errors: ErrNoSubscription,
// ErrMethodNotOffered (the server does not know the method).
func (s *Server) ReplaceMethod(subscriptionID string, method PaymentMethod) error {
	return s.changeObject("subscription", subscriptionID, ErrNoSubscription, func(sub object) error {
		if !method.isKnown() {
			return ErrMethodNotOffered
		}
		was := maps.Clone(sub)
		s.giveMethod(sub, method)
		s.emitChange("customer.subscription.updated", sub, was, nil)
		return nil
	})
}

// Authenticate plays the customer who authenticates the payment of a renewal, as CardAlways3DS asks for it: the subscription's
// latest invoice is paid. Like Pay, it waits for the deliveries. Errors: ErrNoSubscription, ErrNotPending (the latest invoice
// does not wait for that).
func (s *Server) Authenticate(subscriptionID string) error {
	return s.changeObject("subscription", subscriptionID, ErrNoSubscription, func(sub object) error {
		sess, inv := s.ownerOf(sub), s.objects[sub.str("latest_invoice")]
		payment := s.paymentOf(inv)
		if payment == nil || s.objects[intentOf(payment)]["status"] != "requires_action" {
			return ErrNotPending
		}
		sess.pi = intentOf(payment)
		sess.take(s.tenderFor(sess))
		s.charge(sess, "succeeded")
		s.intentSucceeds(sess)
		sess.method = ""
		s.payInvoice(inv)
		s.followInvoices(sess)
		return nil
	})
}

// giveMethod changes the payment method of a subscription.
func (s *Server) giveMethod(sub object, method PaymentMethod) {
	sess := s.ownerOf(sub)
	method = method.normal()
	sess.subscription.method = method
	sub["default_payment_method"] = s.keepMethod(sess, method)["id"]
}

// Renew moves the clock forward to the end of a subscription's current period or trial, and past the hour after which the
// invoice is collected. Like Advance, it waits for the deliveries; everything else that falls due on the way happens, too.
// Errors: ErrNoSubscription, ErrNotPending (the subscription has ended or is paused).
func (s *Server) Renew(subscriptionID string) error {
	var left time.Duration
	err := s.changeObject("subscription", subscriptionID, ErrNoSubscription, func(sub object) error {
		_, end := periodOf(sub)
		left = time.Unix(end, 0).Sub(s.Now())
		if subscriptionOver(sub) || left < 0 {
			return ErrNotPending
		}
		return nil
	})
	if err == nil {
		s.Advance(left + draftFor)
	}
	return err
}

// renewLater schedules the end of the current period. It replaces the end that was scheduled before.
func (s *Server) renewLater(sess *session) {
	p := sess.subscription
	p.term++
	term := p.term
	_, end := periodOf(p.sub)
	s.schedule(time.Unix(end, 0), func() {
		if p.term == term && !subscriptionOver(p.sub) {
			s.periodEnds(sess)
		}
	})
}

func (s *Server) periodEnds(sess *session) {
	p := sess.subscription
	if at, ends := p.sub["cancel_at"].(int64); ends && at <= s.Now().Unix() {
		s.cancelSubscription(p.sub, nil)
		return
	}
	was := maps.Clone(p.sub)
	reason := s.endPhaseWithPeriod(p)
	if reason == "" {
		return
	}
	if p.sub["status"] == "trialing" && !isSent(p.sub) && s.tenderFor(sess).method == "" && s.trialEndsWithoutMethod(p.sub, was) {
		return
	}
	inv := s.renew(sess, was, reason)
	s.collectLater(sess, inv)
}

// renew begins the next period of a subscription with a draft of its invoice. was is a copy of the subscription from before
// the change.
func (s *Server) renew(sess *session, was object, reason string) (inv object) {
	p := sess.subscription
	if p.sub["status"] == "trialing" {
		p.sub["status"] = "active"
	}
	p.period++
	setPeriod(p.sub, p.period)
	inv = s.newInvoice(sess, p.sub, reason)
	s.emitChange("customer.subscription.updated", p.sub, was, nil)
	s.renewLater(sess)
	return inv
}

// collectLater collects the draft of a renewal after draftFor, unless the subscription ends before. A draft that is not to be
// collected stays as it is, or is set aside.
func (s *Server) collectLater(sess *session, inv object) {
	sub := sess.subscription.sub
	if paused, ok := sub["pause_collection"].(object); ok {
		s.setAside(inv, paused.str("behavior"))
		return
	}
	if inv["auto_advance"] != true {
		return
	}
	s.schedule(s.Now().Add(draftFor), func() {
		if !subscriptionOver(sub) && inv["status"] == "draft" {
			s.finalize(inv)
			s.collect(inv, 0)
		}
	})
}

// collect tries to collect an open invoice of a subscription, or sends it. n counts the tries, from 0. A failed try is repeated by
// the schedule of dunning.
func (s *Server) collect(inv object, n int) {
	sess := s.ownerOf(inv)
	p := sess.subscription
	if subscriptionOver(p.sub) || inv["status"] != "open" {
		return
	}
	if isSent(inv) && inv["amount_due"] != int64(0) {
		s.sendOfSubscription(sess, inv)
		return
	}
	refused := s.chargeInvoice(inv, s.tenderFor(sess))
	sess.method = ""
	if refused == nil {
		s.payInvoice(inv)
		s.followInvoices(sess)
		return
	}
	if n < len(dunning) {
		s.invoiceFails(inv, dunning[n])
		s.setStatus(p.sub, "past_due", nil)
		s.schedule(s.Now().Add(dunning[n]), func() { s.collect(inv, n+1) })
		return
	}
	s.invoiceFails(inv, 0)
	switch s.dunningEnd {
	case DunningMarksUnpaid:
		s.setStatus(p.sub, "unpaid", nil)
	case DunningLeavesPastDue:
	default:
		s.cancelSubscription(p.sub, nil)
	}
}

// sendOfSubscription sends an invoice of a subscription to the customer. If the customer does not pay in time, the subscription is
// past due. https://docs.stripe.com/api/subscriptions/object#subscription_object-status
func (s *Server) sendOfSubscription(sess *session, inv object) {
	s.emitChange("invoice.sent", inv, nil, nil)
	s.schedule(time.Unix(inv["due_date"].(int64), 0), func() {
		if sub := sess.subscription.sub; inv["status"] == "open" && sub["status"] == "active" {
			s.setStatus(sub, "past_due", nil)
		}
	})
}

// tenderFor returns the method that pays the renewals of a session's subscription: the subscription's own, or else the
// customer's default. Its method is empty if there is none.
// https://docs.stripe.com/api/subscriptions/object#subscription_object-default_payment_method
func (s *Server) tenderFor(sess *session) tender {
	if method := sess.subscription.method; method != "" {
		return tender{id: sess.subscription.sub.str("default_payment_method"), method: method, buyer: sess.buyer}
	}
	with, _ := s.tenderOf(&call{account: sess.account}, s.defaultMethodOf(sess.str("customer"))) // updateCustomer has checked it
	return with
}

// followInvoices gives a subscription that was not paid the status that its latest finalized invoice calls for. Voided
// invoices do not count. https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
func (s *Server) followInvoices(sess *session) {
	p := sess.subscription
	var latest object
	for _, inv := range s.invoicesOf(p.sub) {
		if inv["status"] != "draft" && inv["status"] != "void" {
			latest = inv
		}
	}
	if latest == nil || latest["status"] == "open" {
		return
	}
	switch p.sub["status"] {
	case "incomplete":
		s.setStatus(p.sub, startedStatus(p.sub), nil)
		s.renewLater(sess)
		s.warnOfTrialEnd(p.sub)
	case "past_due", "unpaid":
		s.setStatus(p.sub, "active", nil)
	}
}

// setAside does with a new draft of a subscription whose collection is paused what the pause asks for.
// https://docs.stripe.com/billing/subscriptions/pause-payment
func (s *Server) setAside(inv object, behavior string) {
	switch behavior {
	case "mark_uncollectible":
		s.finalize(inv)
		s.markUncollectible(inv)
	case "void":
		s.finalize(inv)
		s.voidInvoice(inv)
	}
}
