package checkouttest

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// incompleteFor is the time in which a failed first payment can still be made.
// https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
const incompleteFor = 23 * time.Hour

// A subscription is what the server knows of a session's subscription.
type subscription struct {
	sub    object
	method PaymentMethod // that default_payment_method stands for; empty: there is none
	period int           // the current one, counted from billing_cycle_anchor; -1 is the trial
	term   int           // counts the ends of periods that were scheduled: only the last of them counts
}

// subscribe starts the subscription of a session that has just been completed. The first invoice is paid at once. With a
// bank debit it stays open until the debit settles, and Config.DebitActivates says whether the subscription waits for that. A trial
// begins with an invoice without recurring amounts.
func (s *Server) subscribe(sess *session, paid bool) {
	sub := s.newSubscription(sess)
	p := &subscription{sub: sub, method: sess.method}
	sess.subscription = p
	s.setCurrency(sess)
	switch {
	case sess.methodID != "": // the customer's default, which also pays the renewals
		p.method = ""
	case sess.pi != "":
		sub["default_payment_method"] = s.objects[sess.pi]["payment_method"]
		s.keepCharged(sess)
	case p.method != "":
		sub["default_payment_method"] = s.keepMethod(sess, p.method)["id"]
	}
	if sub["trial_end"] != nil {
		p.period = -1
	}
	setPeriod(sub, p.period)
	s.keep(sess, sub)
	if sess.reduction.coupon != nil {
		s.discount(sess, sub, sess.reduction)
	}
	inv := s.newInvoice(sess, sub, "subscription_create")
	s.finalize(inv)
	if sess.pi != "" {
		s.attachPayment(inv, sess.pi)
	}
	sess.object["subscription"], sess.object["invoice"] = sub["id"], inv["id"]
	begins := paid || s.activates && s.debitOnItsWay(inv)
	if begins {
		sub["status"] = startedStatus(sub)
	}
	s.emit(sess, "customer.subscription.created", sub, nil)
	if paid {
		s.payInvoice(inv)
	}
	if begins {
		s.renewLater(sess)
		s.warnOfTrialEnd(sub)
	}
}

// setCurrency gives a customer the currency of the first subscription.
// https://docs.stripe.com/api/customers/object#customer_object-currency
func (s *Server) setCurrency(sess *session) {
	cus := s.objects[sess.str("customer")]
	if cus["currency"] != nil {
		return
	}
	was := maps.Clone(cus)
	cus["currency"] = sess.object["currency"]
	s.emitChange("customer.updated", cus, was, nil)
}

// startedStatus is the status of a subscription whose first invoice is paid.
func startedStatus(sub object) string {
	if sub["trial_end"] != nil {
		return "trialing"
	}
	return "active"
}

// firstDebitSettles continues a subscription whose first bank debit has settled. One that was canceled meanwhile has ended, and
// its invoice is paid all the same.
func (s *Server) firstDebitSettles(sess *session) {
	inv := s.objects[sess.str("invoice")]
	if inv["status"] != "open" {
		return
	}
	s.payInvoice(inv)
	s.followInvoices(sess)
}

// firstDebitBounces lets a subscription expire whose first bank debit has bounced, or go on without that payment if it has begun.
func (s *Server) firstDebitBounces(sess *session) {
	sub, inv := sess.subscription.sub, s.objects[sess.str("invoice")]
	if subscriptionOver(sub) { // it was canceled before the debit bounced
		return
	}
	s.invoiceFails(inv, 0)
	if sub["status"] == "incomplete" {
		s.expireUnpaid(sub, inv)
	} else {
		s.voidInvoice(inv)
	}
}

// expireUnpaid ends a subscription whose first payment has failed, unless the payment is made in time.
func (s *Server) expireUnpaid(sub, inv object) {
	s.schedule(s.Now().Add(incompleteFor), func() {
		if sub["status"] == "incomplete" {
			s.voidInvoice(inv)
			s.setStatus(sub, "incomplete_expired", nil)
		}
	})
}

// setStatus changes a subscription's status, and emits an event if the status is a new one.
func (s *Server) setStatus(sub object, status string, c *call) {
	if sub["status"] == status {
		return
	}
	was := maps.Clone(sub)
	sub["status"] = status
	s.emitChange("customer.subscription.updated", sub, was, c)
}

// cancelSubscription ends a subscription at once. Its open invoices are tried no more.
func (s *Server) cancelSubscription(sub object, c *call) {
	now, reason := s.Now().Unix(), "cancellation_requested"
	if at, ends := sub["cancel_at"].(int64); c == nil && (!ends || at > now) {
		reason = "payment_failed"
	}
	for _, inv := range s.invoicesOf(sub) {
		s.stopCollecting(inv)
	}
	sub["status"], sub["ended_at"] = "canceled", now
	if sub["canceled_at"] == nil {
		sub["canceled_at"] = now
	}
	sub["cancellation_details"] = sub["cancellation_details"].(object).with(object{"reason": reason})
	s.emitChange("customer.subscription.deleted", sub, nil, c)
	s.endScheduleOf(sub, c)
}

// transferOf shows to whom a subscription passes its payments on:
// https://docs.stripe.com/api/subscriptions/object#subscription_object-transfer_data
func transferOf(p *formparams.Param) any {
	if p == nil {
		return nil
	}
	return object{"amount_percent": number(p.Get("amount_percent")), "destination": value(p.Get("destination"))}
}

func subscriptionOver(sub object) bool {
	return sub["status"] == "canceled" || sub["status"] == "incomplete_expired"
}

// newSubscription returns the subscription that a completed session starts. It is incomplete until it is paid for.
func (s *Server) newSubscription(sess *session) object {
	now := s.Now().Unix()
	id := s.newID("sub_1", 23)
	data := sess.sent.Get("subscription_data")
	meta, _ := metadataOf(data.Get("metadata")) // newSession has checked it
	taxed := sess.object["automatic_tax"].(object)
	items := []object{}
	for _, line := range sess.lines {
		price := line["price"].(object)
		if price["recurring"] == nil {
			continue
		}
		items = append(items, s.newItem(id, price, line["quantity"]))
	}
	plan, quantity := planAndQuantity(items)
	trialStart, trialEnd, anchor := any(nil), any(nil), now
	if hasTrial(data) {
		anchor = trialEndOf(data, now)
		trialStart, trialEnd = now, anchor
	}
	return object{
		"id": id, "object": "subscription", "application": nil, "application_fee_percent": number(data.Get("application_fee_percent")),
		"automatic_tax": object{"disabled_reason": nil, "enabled": taxed["enabled"], "liability": taxed["liability"]}, "billing_cycle_anchor": anchor,
		"billing_cycle_anchor_config": nil, "billing_mode": object{"type": valueOr(data.Get("billing_mode", "type"), "classic")}, "billing_thresholds": nil, "cancel_at": nil,
		"cancel_at_period_end": false, "canceled_at": nil, "cancellation_details": object{"comment": nil, "feedback": nil, "reason": nil},
		"collection_method": "charge_automatically", "created": now, "currency": sess.object["currency"], "customer": sess.object["customer"],
		"days_until_due": nil, "default_payment_method": nil, "default_source": nil, "default_tax_rates": []any{},
		"description": value(data.Get("description")), "discounts": []any{}, "ended_at": nil,
		"invoice_settings": object{"account_tax_ids": nil, "issuer": valueOr(data.Get("invoice_settings", "issuer"), object{"type": "self"})},
		"items":            object{"object": "list", "data": items, "has_more": false, "total_count": len(items), "url": "/v1/subscription_items?subscription=" + id},
		"latest_invoice":   nil, "livemode": false, "metadata": meta, "next_pending_invoice_item_invoice": nil, "on_behalf_of": value(data.Get("on_behalf_of")),
		"pause_collection":              nil,
		"payment_settings":              object{"payment_method_options": nil, "payment_method_types": nil, "save_default_payment_method": "off"},
		"pending_invoice_item_interval": nil, "pending_setup_intent": nil, "pending_update": nil, "plan": plan, "quantity": quantity, "schedule": nil, "start_date": now,
		"status": "incomplete", "test_clock": nil, "transfer_data": transferOf(data.Get("transfer_data")), "trial_end": trialEnd,
		"trial_settings": object{"end_behavior": object{
			"missing_payment_method": valueOr(data.Get("trial_settings", "end_behavior", "missing_payment_method"), "create_invoice"),
		}}, "trial_start": trialStart,
	}
}

// newItem returns an item of a subscription: https://docs.stripe.com/api/subscription_items/object
func (s *Server) newItem(sub string, price object, quantity any) object {
	now := s.Now().Unix()
	return object{
		"id": s.newID("si_", 14), "object": "subscription_item", "billing_thresholds": nil, "created": now, "current_period_end": now,
		"current_period_start": now, "discounts": []any{}, "metadata": object{}, "plan": planOf(price), "price": price, "quantity": quantity,
		"subscription": sub, "tax_rates": []any{},
	}
}

// planOf shows a recurring price as a plan: subscription items still show prices under this old name.
func planOf(price object) object {
	r := price["recurring"].(object)
	return object{
		"id": price["id"], "object": "plan", "active": price["active"], "amount": price["unit_amount"], "amount_decimal": price["unit_amount_decimal"],
		"billing_scheme": "per_unit", "created": price["created"], "currency": price["currency"], "interval": r["interval"],
		"interval_count": r["interval_count"], "livemode": false, "metadata": price["metadata"], "meter": nil, "nickname": price["nickname"],
		"product": price["product"], "tiers_mode": nil, "transform_usage": nil, "trial_period_days": nil, "usage_type": "licensed",
	}
}

// itemsOf returns a subscription's items.
func itemsOf(sub object) []object { return sub["items"].(object)["data"].([]object) }

// setPeriod moves a subscription to its nth billing period. It is counted from the billing cycle anchor; -1 is the trial.
func setPeriod(sub object, n int) {
	start, end := periodStart(sub, n), periodStart(sub, n+1)
	setItems(sub, itemsOf(sub), func(item object) object {
		return item.with(object{"current_period_start": start, "current_period_end": end})
	})
	if sub["cancel_at_period_end"] == true {
		sub["cancel_at"] = end
	}
}

// setItems replaces the items of a subscription, each changed by edit.
func setItems(sub object, items []object, edit func(item object) object) {
	edited := []object{}
	for _, item := range items {
		edited = append(edited, edit(item))
	}
	sub["items"] = sub["items"].(object).with(object{"data": edited, "total_count": len(edited)})
	sub["plan"], sub["quantity"] = planAndQuantity(edited)
}

// planAndQuantity returns what a subscription shows of its only item. Several items make both null. Stripe documents neither
// field any more, and still sends them.
func planAndQuantity(items []object) (plan, quantity any) {
	if len(items) != 1 {
		return nil, nil
	}
	return items[0]["plan"], items[0]["quantity"]
}

// periodOf returns the current period of a subscription, in seconds.
func periodOf(sub object) (start, end int64) {
	item := itemsOf(sub)[0]
	return item["current_period_start"].(int64), item["current_period_end"].(int64)
}

// periodStart returns the time at which the nth period of a subscription begins, in seconds. -1 is the trial.
func periodStart(sub object, n int) int64 {
	if n < 0 {
		return sub["trial_start"].(int64)
	}
	return period(sub, n).Unix()
}

// period returns the time at which the nth period of a subscription begins. In a month that lacks the day of the
// anchor, the period begins on the month's last day.
// https://docs.stripe.com/billing/subscriptions/billing-cycle
func period(sub object, n int) time.Time {
	anchor := time.Unix(sub["billing_cycle_anchor"].(int64), 0).UTC()
	r := itemsOf(sub)[0]["price"].(object)["recurring"].(object)
	n *= int(r["interval_count"].(int64))
	switch r["interval"] {
	case "day":
		return anchor.AddDate(0, 0, n)
	case "week":
		return anchor.AddDate(0, 0, 7*n)
	case "year":
		n *= 12
	}
	at := anchor.AddDate(0, n, 0)
	if at.Day() != anchor.Day() { // the month lacks the day, so the date fell into the next month
		at = at.AddDate(0, 0, -at.Day())
	}
	return at
}

// createSubscription starts a subscription without a session, as `stripe trigger` needs it. The customer's default payment
// method pays it at once, through a session without an ID. https://docs.stripe.com/api/subscriptions/create
func (s *Server) createSubscription(c *call) (object, *apiError) {
	p := c.params
	if err := only(p, "customer", "description", "discounts", "expand", "items", "metadata", "trial_end", "trial_period_days", "trial_settings"); err != nil {
		return nil, err
	}
	if err := checkTrial(p, s.Now().Unix()); err != nil {
		return nil, err
	}
	if p.Get("customer") == nil {
		return nil, missing("customer")
	}
	cus, err := s.objectInParam(c, "customer", p.Get("customer"))
	if err != nil {
		return nil, err
	}
	if _, err := metadataOf(p.Get("metadata")); err != nil {
		return nil, err
	}
	sess := s.payer(c, cus, &formparams.Param{Fields: map[string]*formparams.Param{"subscription_data": p, "line_items": linesOf(p.Get("items"))}})
	sess.object["mode"] = "subscription"
	sess.lines, err = s.newLines(sess, s.Now().Unix())
	if err != nil {
		return nil, err
	}
	if len(sess.lines) == 0 {
		return nil, missing("items")
	}
	sess.object["currency"] = sess.lines[0]["currency"]
	if sess.reduction, err = s.reductionIn(c, p.Get("discounts")); err != nil {
		return nil, err
	}
	s.total(sess)
	due := s.dueNow(sess)
	with, err := s.tenderOf(c, s.defaultMethodOf(cus.str("id")))
	switch {
	case err != nil:
		return nil, err
	case with.method == "" && due > 0:
		return nil, invalid("resource_missing", "", "%s", noMethod.Message)
	}
	refused := s.chargeTender(sess, due, with)
	s.subscribe(sess, refused == nil)
	sess.method = ""
	if refused != nil {
		inv := s.objects[sess.str("invoice")]
		s.invoiceFails(inv, 0)
		s.expireUnpaid(sess.subscription.sub, inv)
	}
	return sess.subscription.sub, nil
}

// linesOf turns the items of a subscription into the lines of a session. An item without a quantity gets 1.
func linesOf(items *formparams.Param) *formparams.Param {
	for _, item := range items.List() {
		if item.Get("quantity") == nil {
			item.SetField("quantity", "1")
		}
	}
	return items
}

// payer returns the session without an ID through which a customer pays.
func (s *Server) payer(c *call, cus object, sent *formparams.Param) *session {
	return &session{account: c.account, sent: sent, object: object{
		"mode": "payment", "customer": cus["id"], "payment_method_types": []string{"card"}, "payment_method_options": object{"card": object{"request_three_d_secure": "automatic"}},
		"automatic_tax": object{"enabled": false, "liability": nil},
	}}
}

// cancelSubscriptionOverAPI ends a subscription at once: https://docs.stripe.com/api/subscriptions/cancel
func (s *Server) cancelSubscriptionOverAPI(c *call) (object, *apiError) {
	sub, err := s.openSubscription(c)
	if err == nil {
		err = only(c.params, "cancellation_details", "expand", "invoice_now", "prorate")
	}
	if err == nil {
		err = setCancellationDetails(sub, c.params)
	}
	if err != nil {
		return nil, err
	}
	s.cancelSubscription(sub, c)
	return sub, nil
}

// openSubscription returns the subscription that the path names. A subscription that has ended can't be changed.
func (s *Server) openSubscription(c *call) (object, *apiError) {
	sub, err := s.objectInPath(c, "subscription")
	if err == nil && subscriptionOver(sub) {
		err = noSuch(http.StatusNotFound, "subscription", sub.str("id"), "id")
	}
	return sub, err
}

// listSubscriptions lists canceled subscriptions only if the request asks for them.
// https://docs.stripe.com/api/subscriptions/list
func (s *Server) listSubscriptions() endpoint {
	all := s.listIf("subscription", map[string]condition{"status": subscriptionStatus, "price": subscribesTo}, "customer", "collection_method")
	return func(c *call) (object, *apiError) {
		status := c.params.Get("status")
		if err := oneOf(status, "active", "all", "canceled", "ended", "incomplete", "incomplete_expired", "past_due", "paused", "trialing", "unpaid"); err != nil {
			return nil, err
		}
		if status == nil {
			c.params.SetField("status", "uncanceled")
		}
		return all(c)
	}
}

func subscriptionStatus(o object, p *formparams.Param) bool {
	switch p.String() {
	case "all":
		return true
	case "uncanceled":
		return o["status"] != "canceled"
	case "ended":
		return subscriptionOver(o)
	default:
		return o["status"] == p.String()
	}
}

func subscribesTo(o object, p *formparams.Param) bool {
	return slices.ContainsFunc(itemsOf(o), func(item object) bool { return item["price"].(object)["id"] == p.String() })
}
