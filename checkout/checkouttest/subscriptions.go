package checkouttest

import (
	"maps"
	"slices"
	"time"
)

const (
	// draftFor is how long the invoice of a renewal can still be changed before it is paid.
	// https://docs.stripe.com/billing/invoices/subscription#subscription-lifecycle
	draftFor = time.Hour
	// incompleteFor is how long a first payment that failed can still be made good.
	// https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
	incompleteFor = 23 * time.Hour
)

// dunning is when a payment is tried again, each counted from the one before. After the last the subscription is canceled.
// Stripe lets the account choose both: https://docs.stripe.com/billing/revenue-recovery/smart-retries
var dunning = []time.Duration{3 * 24 * time.Hour, 5 * 24 * time.Hour, 7 * 24 * time.Hour}

// A plan is what the server knows of a session's subscription.
type plan struct {
	sub    object
	method PaymentMethod // that renewals are paid with
	period int           // the current one, counted from 0
}

// ReplaceMethod has a subscription's renewals, and the payments that are tried again, made with another method. Cards that
// are declined let them fail. Bank debits and Card3DS succeed at once: nobody is asked. Errors: ErrNoSubscription,
// ErrMethodNotOffered (there is no such method).
func (s *Server) ReplaceMethod(subscriptionID string, method PaymentMethod) error {
	return s.changeObject("subscription", subscriptionID, ErrNoSubscription, func(sub object) error {
		if !slices.Contains(methods, method) {
			return ErrMethodNotOffered
		}
		was := maps.Clone(sub)
		s.ownerOf(sub).plan.method = method
		sub["default_payment_method"] = s.newID("pm_1", 23)
		s.report("customer.subscription.updated", sub, was, nil)
		return nil
	})
}

// subscribe starts the subscription of a session that has just been completed. The first invoice is paid, or, with a bank
// debit, open until the debit settles.
func (s *Server) subscribe(sess *session, paid bool) {
	sub := s.newSubscription(sess)
	sub["default_payment_method"] = s.objects[sess.pi]["payment_method"]
	p := &plan{sub: sub, method: sess.method}
	sess.plan = p
	setPeriod(sub, 0)
	s.keep(sess, sub)
	inv := s.newInvoice(sess, sub, "subscription_create")
	s.finalize(inv)
	sess.object["subscription"], sess.object["invoice"] = sub["id"], inv["id"]
	if paid {
		sub["status"] = "active"
	}
	s.emit(sess, "customer.subscription.created", sub, nil)
	if paid {
		s.payInvoice(inv, sess.pi)
		s.renewLater(sess)
	}
}

// debitOfInvoice is the end of the bank debit of a first invoice.
func (s *Server) debitOfInvoice(sess *session, settled bool) {
	sub, inv := sess.plan.sub, s.objects[sess.str("invoice")]
	if sub["status"] != "incomplete" { // canceled meanwhile
		return
	}
	if settled {
		s.payInvoice(inv, sess.pi)
		s.setStatus(sub, "active", nil)
		s.renewLater(sess)
		return
	}
	s.invoiceFails(inv, 0)
	s.schedule(s.Now().Add(incompleteFor), func() {
		if sub["status"] == "incomplete" {
			s.voidInvoice(inv)
			s.setStatus(sub, "incomplete_expired", nil)
		}
	})
}

// renewLater has the current period end at its time.
func (s *Server) renewLater(sess *session) {
	p := sess.plan
	s.schedule(period(p.sub, p.period+1), func() { s.periodEnds(sess) })
}

func (s *Server) periodEnds(sess *session) {
	p := sess.plan
	switch {
	case subscriptionOver(p.sub):
		return
	case p.sub["cancel_at_period_end"] == true:
		s.cancelSubscription(p.sub, nil)
		return
	}
	was := maps.Clone(p.sub)
	p.period++
	setPeriod(p.sub, p.period)
	inv := s.newInvoice(sess, p.sub, "subscription_cycle")
	s.report("customer.subscription.updated", p.sub, was, nil)
	s.schedule(s.Now().Add(draftFor), func() {
		if !subscriptionOver(p.sub) {
			s.finalize(inv)
			s.collect(sess, inv, 0)
		}
	})
	s.renewLater(sess)
}

// collect tries to have a renewal paid, for the nth time from 0.
func (s *Server) collect(sess *session, inv object, n int) {
	p := sess.plan
	if subscriptionOver(p.sub) || inv["status"] != "open" {
		return
	}
	if n == 0 {
		sess.pi = ""
		s.newIntent(sess, inv["total"].(int64))
	}
	sess.method = p.method
	if refused := refusals[p.method]; refused != nil {
		s.chargeFails(sess, refused)
		if n < len(dunning) {
			s.invoiceFails(inv, dunning[n])
			s.setStatus(p.sub, "past_due", nil)
			s.schedule(s.Now().Add(dunning[n]), func() { s.collect(sess, inv, n+1) })
			return
		}
		s.invoiceFails(inv, 0)
		s.cancelSubscription(p.sub, nil)
		return
	}
	s.charge(sess, "succeeded")
	s.intentSucceeds(sess)
	sess.method = ""
	s.payInvoice(inv, sess.pi)
	s.setStatus(p.sub, "active", nil)
}

// invoiceFails records that an attempt to pay an invoice has failed. again is when the next one comes; 0: there is none.
func (s *Server) invoiceFails(inv object, again time.Duration) {
	was := maps.Clone(inv)
	inv["attempted"], inv["attempt_count"], inv["next_payment_attempt"] = true, inv["attempt_count"].(int64)+1, nil
	if again > 0 {
		inv["next_payment_attempt"] = s.Now().Add(again).Unix()
	}
	s.report("invoice.payment_failed", inv, was, nil)
}

func (s *Server) voidInvoice(inv object) {
	was := maps.Clone(inv)
	inv["status"], inv["auto_advance"], inv["next_payment_attempt"] = "void", false, nil
	inv["status_transitions"] = inv["status_transitions"].(object).with(object{"voided_at": s.Now().Unix()})
	s.report("invoice.voided", inv, was, nil)
}

// setStatus changes a subscription's status, and says so if it is another.
func (s *Server) setStatus(sub object, status string, c *call) {
	if sub["status"] == status {
		return
	}
	was := maps.Clone(sub)
	sub["status"] = status
	s.report("customer.subscription.updated", sub, was, c)
}

// cancelSubscription ends a subscription at once. What was billed stays billed.
func (s *Server) cancelSubscription(sub object, c *call) {
	now, reason := s.Now().Unix(), "cancellation_requested"
	if c == nil && sub["cancel_at_period_end"] != true {
		reason = "payment_failed"
	}
	sub["status"], sub["ended_at"] = "canceled", now
	if sub["canceled_at"] == nil {
		sub["canceled_at"] = now
	}
	sub["cancellation_details"] = sub["cancellation_details"].(object).with(object{"reason": reason})
	s.report("customer.subscription.deleted", sub, nil, c)
}

func subscriptionOver(sub object) bool {
	return sub["status"] == "canceled" || sub["status"] == "incomplete_expired"
}
