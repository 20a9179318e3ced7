package checkouttest

import (
	"maps"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

const (
	// trialWarning is the time before the end of a trial at which customer.subscription.trial_will_end is sent. Stripe sends it
	// at once for a trial that is shorter. https://docs.stripe.com/billing/subscriptions/trials/free-trials
	trialWarning = 3 * 24 * time.Hour
	// maxTrialDays is the longest trial: https://docs.stripe.com/api/checkout/sessions/create
	maxTrialDays = 730
	// minTrial is the least time from the creation of a session to its trial_end.
	minTrial = 48 * time.Hour
)

// hasTrial reports whether the parameters of a subscription ask for a trial.
func hasTrial(p *formparams.Param) bool {
	return p.Get("trial_end") != nil || p.Get("trial_period_days") != nil
}

// trialEndOf returns the end of a trial that begins now.
func trialEndOf(p *formparams.Param, now int64) int64 {
	if end := p.Get("trial_end"); end != nil {
		return end.Int()
	}
	return time.Unix(now, 0).AddDate(0, 0, int(p.Get("trial_period_days").Int())).Unix()
}

// checkTrial refuses the parameters of a trial that Stripe refuses.
func checkTrial(p *formparams.Param, now int64) *apiError {
	days, end := p.Get("trial_period_days"), p.Get("trial_end")
	switch {
	case days != nil && end != nil:
		return onlyOneOf(p.Name, "trial_end", "trial_period_days")
	case days != nil && days.Int() < 1:
		return invalid("parameter_invalid_integer", days.Name, "The minimum number of trial period days is 1.")
	case days != nil && days.Int() > maxTrialDays:
		return invalid("parameter_invalid_integer", days.Name, "The maximum number of trial period days is %d.", maxTrialDays)
	case end != nil && end.String() == "now":
		return unsupported(end)
	case end != nil && end.Int() <= now:
		return invalid("", end.Name, "Timestamp must be in the future.")
	}
	missing := p.Get("trial_settings", "end_behavior", "missing_payment_method")
	return oneOf(missing, "cancel", "create_invoice", "pause")
}

// warnOfTrialEnd has customer.subscription.trial_will_end sent when a trial is about to end.
func (s *Server) warnOfTrialEnd(sub object) {
	end, trial := sub["trial_end"].(int64)
	if !trial || sub["status"] != "trialing" {
		return
	}
	warn := func() {
		if sub["status"] == "trialing" && sub["trial_end"] == end {
			s.emitChange("customer.subscription.trial_will_end", sub, nil, nil)
		}
	}
	if at := time.Unix(end, 0).Add(-trialWarning); at.After(s.Now()) {
		s.schedule(at, warn)
	} else {
		warn()
	}
}

// trialEndsWithoutMethod ends a trial as trial_settings asks for it when there is no payment method. It reports false if the
// subscription goes on with an invoice. was is a copy of the subscription from before its trial ended. https://docs.stripe.com/billing/subscriptions/trials/free-trials
func (s *Server) trialEndsWithoutMethod(sub, was object) bool {
	switch sub["trial_settings"].(object)["end_behavior"].(object)["missing_payment_method"] {
	case "cancel":
		s.cancelSubscription(sub, nil)
	case "pause":
		sub["status"] = "paused"
		s.emitChange("customer.subscription.paused", sub, nil, nil)
		s.emitChange("customer.subscription.updated", sub, was, nil)
	default:
		return false
	}
	return true
}

// endTrial ends a trial at once, as `trial_end=now` asks for it: the first period begins, and its invoice is collected. was
// is a copy of the subscription from before the change.
func (s *Server) endTrial(sess *session, was object) {
	sub, now := sess.subscription.sub, s.Now().Unix()
	sub["trial_end"], sub["billing_cycle_anchor"] = now, now
	if s.tenderFor(sess).method == "" && s.trialEndsWithoutMethod(sub, was) {
		return
	}
	inv := s.renew(sess, was, "subscription_update")
	s.finalize(inv)
	s.collect(inv, 0)
}

// resumeSubscription ends a pause that a trial without a payment method led to. The subscription is active as soon as its
// first invoice is paid. If the payment fails, the server voids the invoice and answers 402; Stripe waits 23 hours for another
// payment. https://docs.stripe.com/api/subscriptions/resume
func (s *Server) resumeSubscription(c *call) (object, *apiError) {
	sub, err := s.openSubscription(c)
	if err == nil {
		err = only(c.params, "expand")
	}
	if err != nil {
		return nil, err
	}
	if sub["status"] != "paused" {
		return nil, invalid("", "", "You can only resume a subscription that is paused. This subscription has a status of %s.", sub.str("status"))
	}
	sess := s.ownerOf(sub)
	p := sess.subscription
	if s.tenderFor(sess).method == "" {
		return nil, invalid("resource_missing", "", "%s", noMethod.Message)
	}
	was := maps.Clone(sub)
	sub["billing_cycle_anchor"], p.period = s.Now().Unix(), 0
	setPeriod(sub, 0)
	inv := s.newInvoice(sess, sub, "subscription_update")
	s.finalize(inv)
	refused := s.chargeInvoice(inv, s.tenderFor(sess))
	sess.method = ""
	if refused != nil {
		answer := s.payError(sess, refused)
		s.invoiceFails(inv, 0)
		s.voidInvoice(inv)
		maps.Copy(sub, was.with(object{"latest_invoice": inv["id"]}))
		s.emitChange("customer.subscription.updated", sub, was, c)
		return nil, answer
	}
	s.payInvoice(inv)
	sub["status"] = "active"
	s.emitChange("customer.subscription.resumed", sub, nil, c)
	s.emitChange("customer.subscription.updated", sub, was, c)
	s.renewLater(sess)
	return sub, nil
}
