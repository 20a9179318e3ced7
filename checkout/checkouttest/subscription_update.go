package checkouttest

import (
	"maps"
	"reflect"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// updateSubscription changes a subscription: its end, its items, its payment method, its trial, a pause of its payments and
// its texts. https://docs.stripe.com/api/subscriptions/update
func (s *Server) updateSubscription(c *call) (object, *apiError) {
	sub, err := s.openSubscription(c)
	if err != nil {
		return nil, err
	}
	edit, err := s.readUpdate(c, sub)
	if err != nil {
		return nil, err
	}
	s.applyUpdate(c, s.ownerOf(sub), edit)
	return sub, nil
}

// A subscriptionUpdate is a change to a subscription that the server has found to be possible.
type subscriptionUpdate struct {
	changed object // a copy of the subscription with the new values
	items   []object
	method  PaymentMethod // empty: it stays
	// unsetsMethod says that the subscription loses its payment method, and the customer's default pays from now on.
	unsetsMethod bool
	proration    string    // proration_behavior
	newCycle     bool      // the items have another billing interval, so that a period begins now
	trialOver    bool      // trial_end=now
	reduction    reduction // without a coupon: the discount ends
	reduces      bool      // the reduction counts
}

// readUpdate checks the parameters of an update, and changes nothing. Of an incomplete subscription little can be changed:
// https://docs.stripe.com/api/subscriptions/object#subscription_object-status
func (s *Server) readUpdate(c *call, sub object) (subscriptionUpdate, *apiError) {
	p := c.params
	if err := refuseBesideSchedule(sub, p); err != nil {
		return subscriptionUpdate{}, err
	}
	if sub["status"] == "incomplete" && only(p, "default_payment_method", "expand", "metadata") != nil {
		return subscriptionUpdate{}, invalid("", "", "A subscription that is incomplete can only have its metadata and its payment method updated.")
	}
	edit := subscriptionUpdate{changed: maps.Clone(sub), items: itemsOf(sub), proration: "create_prorations"}
	if b := p.Get("proration_behavior"); b != nil {
		edit.proration = b.String()
	}
	if sub["status"] == "paused" {
		edit.proration = "none" // no invoice is made in a pause: https://docs.stripe.com/api/subscriptions/object#subscription_object-status
	}
	for _, check := range []*apiError{
		only(p, "cancel_at", "cancel_at_period_end", "cancellation_details", "collection_method", "days_until_due", "default_payment_method", "description", "discounts",
			"expand", "items", "metadata", "pause_collection", "payment_behavior", "proration_behavior", "trial_end", "trial_settings"),
		oneOf(p.Get("proration_behavior"), "always_invoice", "create_prorations", "none"),
		oneOf(p.Get("payment_behavior"), "allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"),
		oneOf(p.Get("trial_settings", "end_behavior", "missing_payment_method"), "cancel", "create_invoice", "pause"),
		edit.changed.setMetadata(p),
		setCancellationDetails(edit.changed, p),
		setPause(edit.changed, p.Get("pause_collection"), s.Now().Unix()),
		setCollection(edit.changed, p),
		setCancelAt(edit.changed, p, s.Now().Unix()),
		s.setTrialEnd(&edit, p.Get("trial_end")),
	} {
		if check != nil {
			return edit, check
		}
	}
	edit.changed.set(p, "description")
	if missing := p.Get("trial_settings", "end_behavior", "missing_payment_method"); missing != nil {
		edit.changed["trial_settings"] = object{"end_behavior": object{"missing_payment_method": missing.String()}}
	}
	if id := p.Get("default_payment_method"); id != nil && id.String() == "" {
		edit.changed["default_payment_method"], edit.unsetsMethod = nil, true
	} else if id != nil {
		pm, err := s.methodOfCustomer(c, sub["customer"], id)
		if err != nil {
			return edit, err
		}
		with, err := s.tenderOf(c, pm.str("id"))
		if err != nil {
			return edit, err
		}
		edit.method, edit.changed["default_payment_method"] = with.method, pm["id"]
	}
	if err := s.readItems(c, sub, &edit); err != nil {
		return edit, err
	}
	var err *apiError
	if edit.reduction, edit.reduces, err = s.reductionForUpdate(c, sub); err != nil {
		return edit, err
	}
	return edit, s.checkPayable(sub, edit, p.Get("payment_behavior"))
}

// readItems reads the parameters of an update that change the items.
func (s *Server) readItems(c *call, sub object, edit *subscriptionUpdate) *apiError {
	items, err := s.editedItems(c, sub, c.params.Get("items"))
	if err != nil {
		return err
	}
	edit.items = items
	interval := items[0]["price"].(object)["recurring"]
	for _, item := range items {
		if !reflect.DeepEqual(item["price"].(object)["recurring"], interval) {
			return invalid("", "items", "This test server takes recurring prices of the same billing interval only.")
		}
	}
	edit.newCycle = !reflect.DeepEqual(itemsOf(sub)[0]["price"].(object)["recurring"], interval) && edit.changed["status"] != "trialing" && edit.changed["status"] != "paused"
	return nil
}

// checkPayable refuses a change whose invoice could not be paid, if the request asks for that.
// https://docs.stripe.com/api/subscriptions/update#update_subscription-payment_behavior
func (s *Server) checkPayable(sub object, edit subscriptionUpdate, behavior *formparams.Param) *apiError {
	switch behavior.String() {
	case "default_incomplete", "pending_if_incomplete":
		return unsupported(behavior)
	case "error_if_incomplete":
		if isSent(edit.changed) {
			return nil // nothing is charged
		}
		with := s.tenderFor(s.ownerOf(sub))
		if edit.method != "" {
			with.method = edit.method
		}
		refused := with.method.refusal()
		if with.method == "" {
			refused = noMethod
		}
		if refused != nil && edit.billsNow() {
			return cardError(refused)
		}
	}
	return nil
}

// billsNow reports whether a change makes an invoice at once.
func (u subscriptionUpdate) billsNow() bool {
	return u.newCycle || u.trialOver || u.proration == "always_invoice"
}

// applyUpdate makes a change. Prorations wait for the next invoice, unless the change makes an invoice at once.
func (s *Server) applyUpdate(c *call, sess *session, edit subscriptionUpdate) {
	p := sess.subscription
	sub, was := p.sub, maps.Clone(p.sub)
	before := itemsOf(sub)
	if edit.method != "" || edit.unsetsMethod {
		p.method = edit.method
	}
	switch {
	case edit.newCycle && edit.proration != "none":
		s.prorate(sub, before, nil)
	case !edit.newCycle && edit.proration != "none":
		s.prorate(sub, before, edit.items)
	}
	maps.Copy(sub, edit.changed)
	start, end := periodOf(sub)
	setItems(sub, edit.items, func(item object) object {
		return item.with(object{"current_period_start": start, "current_period_end": end})
	})
	if edit.reduces {
		sub["discounts"] = []any{}
		if edit.reduction.coupon != nil {
			s.discount(sess, sub, edit.reduction)
		}
	}
	s.followDates(sess, was)
	switch {
	case edit.trialOver:
		s.endTrial(sess, was)
	case edit.newCycle:
		sub["billing_cycle_anchor"], p.period = s.Now().Unix(), -1
		inv := s.renew(sess, was, "subscription_update")
		s.finalize(inv)
		s.collect(inv, 0)
	default:
		if len(previous(was, sub)) > 0 {
			s.emitChange("customer.subscription.updated", sub, was, c)
		}
		if edit.proration == "always_invoice" {
			s.billProrations(sess)
		}
	}
}

// billProrations bills the prorations that wait, and collects them at once.
func (s *Server) billProrations(sess *session) {
	sub := sess.subscription.sub
	if len(s.waitingItems(func(item object) bool { return subscriptionOfItem(item) == sub["id"] })) == 0 {
		return
	}
	was := maps.Clone(sub)
	inv := s.draft(sess, sub, s.invoiceOf(sess, sub, "subscription_update"), nil)
	s.emitChange("customer.subscription.updated", sub, was, nil)
	s.finalize(inv)
	s.collect(inv, 0)
}

// followDates schedules what the new dates of a subscription ask for: its end, the end of a pause, and the end of a trial.
func (s *Server) followDates(sess *session, was object) {
	sub := sess.subscription.sub
	if at, ok := sub["cancel_at"].(int64); ok && at != was["cancel_at"] {
		s.schedule(time.Unix(at, 0), func() {
			if sub["cancel_at"] == at && !subscriptionOver(sub) {
				s.cancelSubscription(sub, nil)
			}
		})
	}
	if paused, ok := sub["pause_collection"].(object); ok && paused["resumes_at"] != nil {
		s.schedule(time.Unix(paused["resumes_at"].(int64), 0), func() {
			if reflect.DeepEqual(sub["pause_collection"], paused) && !subscriptionOver(sub) {
				was := maps.Clone(sub)
				sub["pause_collection"] = nil
				s.emitChange("customer.subscription.updated", sub, was, nil)
			}
		})
	}
	if end := sub["trial_end"]; end != was["trial_end"] && sub["status"] == "trialing" {
		setPeriod(sub, -1)
		s.renewLater(sess)
		s.warnOfTrialEnd(sub)
	}
}

// setTrialEnd moves the end of a trial, or ends it at once. The billing cycle is anchored at the end of the trial.
func (s *Server) setTrialEnd(edit *subscriptionUpdate, p *formparams.Param) *apiError {
	switch {
	case p == nil:
		return nil
	case edit.changed["status"] != "trialing":
		return invalid("", p.Name, "This test server moves the end of a trial only while the subscription is in trial.")
	case p.String() == "now":
		edit.trialOver = true
		return nil
	case p.Int() <= s.Now().Unix():
		return invalid("", p.Name, "Timestamp must be in the future.")
	}
	edit.changed["trial_end"], edit.changed["billing_cycle_anchor"] = p.Int(), p.Int()
	return nil
}

// setPause pauses the collection of a subscription's payments, or ends the pause if the parameter is empty.
// https://docs.stripe.com/billing/subscriptions/pause-payment
func setPause(o object, p *formparams.Param, now int64) *apiError {
	if p == nil {
		return nil
	}
	if p.IsSet {
		o["pause_collection"] = nil
		return nil
	}
	behavior, resumes := p.Get("behavior"), p.Get("resumes_at")
	if behavior == nil {
		return missing(p.NameOf("behavior"))
	}
	if resumes != nil && resumes.Int() <= now {
		return invalid("", resumes.Name, "Timestamp must be in the future.")
	}
	o["pause_collection"] = object{"behavior": behavior.String(), "resumes_at": value(resumes)}
	return oneOf(behavior, "keep_as_draft", "mark_uncollectible", "void")
}

// setCollection has the invoices of a subscription charged, or sent to the customer, who pays each within some days.
// https://docs.stripe.com/api/subscriptions/update#update_subscription-collection_method
func setCollection(o object, p *formparams.Param) *apiError {
	method, days := p.Get("collection_method"), p.Get("days_until_due")
	if err := oneOf(method, "charge_automatically", "send_invoice"); err != nil {
		return err
	}
	o.set(p, "collection_method", "days_until_due")
	switch {
	case isSent(o) && o["days_until_due"] == nil:
		return invalid("", "days_until_due", "`days_until_due` is required for a subscription whose `collection_method` is 'send_invoice'.")
	case !isSent(o) && days != nil:
		return invalid("", days.Name, "`days_until_due` can be set only on subscriptions where `collection_method` is 'send_invoice'.")
	case !isSent(o):
		o["days_until_due"] = nil
	}
	return nil
}

// setCancelAt has a subscription end with its period or at a time, or withdraws that. canceled_at is the time of the request.
// https://docs.stripe.com/billing/subscriptions/cancel
func setCancelAt(o object, p *formparams.Param, now int64) *apiError {
	end, at := p.Get("cancel_at_period_end"), p.Get("cancel_at")
	switch {
	case end != nil && at != nil:
		return onlyOneOf("", "cancel_at", "cancel_at_period_end")
	case at != nil && at.String() != "" && at.Int() <= now:
		return invalid("", at.Name, "The timestamp must be in the future.")
	case at == nil && (end == nil || end.Bool() == (o["cancel_at_period_end"] == true)):
		return nil
	}
	var ends any
	if end.Bool() {
		_, ends = periodOf(o)
	} else if at.Int() != 0 {
		ends = at.Int()
	}
	o.endAt(end.Bool(), ends, now)
	return nil
}

// endAt has a subscription end at a time, which may be that of its period. A nil time withdraws the end.
func (o object) endAt(withPeriod bool, at any, now int64) {
	var requested, reason any
	if at != nil {
		requested, reason = now, "cancellation_requested"
	}
	o["cancel_at_period_end"], o["cancel_at"], o["canceled_at"] = withPeriod, at, requested
	o["cancellation_details"] = o["cancellation_details"].(object).with(object{"reason": reason})
}

// setCancellationDetails keeps what a customer said of a cancellation.
func setCancellationDetails(o object, p *formparams.Param) *apiError {
	sent := p.Get("cancellation_details")
	if sent == nil {
		return nil
	}
	if err := oneOf(sent.Get("feedback"), "customer_service", "low_quality", "missing_features", "other", "switched_service", "too_complex", "too_expensive", "unused"); err != nil {
		return err
	}
	details := o["cancellation_details"].(object).with(nil)
	details.set(sent, "comment", "feedback")
	o["cancellation_details"] = details
	return nil
}
