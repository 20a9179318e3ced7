package checkouttest

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

const (
	// draftFor is the time for which the invoice of a renewal stays a draft before it is paid.
	// https://docs.stripe.com/billing/invoices/subscription#subscription-lifecycle
	draftFor = time.Hour
	// incompleteFor is the time in which a failed first payment can still be made.
	// https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
	incompleteFor = 23 * time.Hour
)

// dunning is the time from each failed payment to the next try. After the last try the server cancels the subscription. At
// Stripe, the account chooses both: https://docs.stripe.com/billing/revenue-recovery/smart-retries
var dunning = []time.Duration{3 * 24 * time.Hour, 5 * 24 * time.Hour, 7 * 24 * time.Hour}

// A subscription is what the server knows of a session's subscription.
type subscription struct {
	sub    object
	method PaymentMethod // that pays renewals
	period int           // the current one, counted from 0
}

// ReplaceMethod changes the payment method of a subscription's renewals, and of the payments that the server tries again. A
// card that is declined makes them fail. BankDebit and Card3DS succeed at once. Errors: ErrNoSubscription,
// ErrMethodNotOffered (the server does not know the method).
func (s *Server) ReplaceMethod(subscriptionID string, method PaymentMethod) error {
	return s.changeObject("subscription", subscriptionID, ErrNoSubscription, func(sub object) error {
		if !method.isKnown() {
			return ErrMethodNotOffered
		}
		was := maps.Clone(sub)
		s.ownerOf(sub).subscription.method = method
		sub["default_payment_method"] = s.newID("pm_1", 23)
		s.emitChange("customer.subscription.updated", sub, was, nil)
		return nil
	})
}

// subscribe starts the subscription of a session that has just been completed. The first invoice is paid at once. With a
// bank debit it stays open until the debit settles.
func (s *Server) subscribe(sess *session, paid bool) {
	sub := s.newSubscription(sess)
	sub["default_payment_method"] = s.objects[sess.pi]["payment_method"]
	p := &subscription{sub: sub, method: sess.method}
	sess.subscription = p
	setPeriod(sub, 0)
	s.keep(sess, sub)
	inv := s.newInvoice(sess, sub, "subscription_create")
	s.finalize(inv)
	if sess.pi != "" {
		s.attachPayment(inv, sess.pi)
	}
	sess.object["subscription"], sess.object["invoice"] = sub["id"], inv["id"]
	if paid {
		sub["status"] = "active"
	}
	s.emit(sess, "customer.subscription.created", sub, nil)
	if paid {
		s.payInvoice(inv)
		s.renewLater(sess)
	}
}

// firstDebitSettles continues a subscription whose first bank debit has settled.
func (s *Server) firstDebitSettles(sess *session) {
	sub := sess.subscription.sub
	if sub["status"] != "incomplete" { // it was canceled before the debit settled
		return
	}
	s.payInvoice(s.objects[sess.str("invoice")])
	s.setStatus(sub, "active", nil)
	s.renewLater(sess)
}

// firstDebitBounces lets a subscription expire whose first bank debit has bounced.
func (s *Server) firstDebitBounces(sess *session) {
	sub, inv := sess.subscription.sub, s.objects[sess.str("invoice")]
	if sub["status"] != "incomplete" { // it was canceled before the debit bounced
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

// renewLater schedules the end of the current period.
func (s *Server) renewLater(sess *session) {
	p := sess.subscription
	s.schedule(period(p.sub, p.period+1), func() { s.periodEnds(sess) })
}

func (s *Server) periodEnds(sess *session) {
	p := sess.subscription
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
	s.emitChange("customer.subscription.updated", p.sub, was, nil)
	s.schedule(s.Now().Add(draftFor), func() {
		if !subscriptionOver(p.sub) {
			s.finalize(inv)
			s.collect(sess, inv, 0)
		}
	})
	s.renewLater(sess)
}

// collect tries to collect the payment of a renewal. n counts the tries, from 0.
func (s *Server) collect(sess *session, inv object, n int) {
	p := sess.subscription
	if subscriptionOver(p.sub) || inv["status"] != "open" {
		return
	}
	if refused := s.chargeInvoice(inv, tender{method: p.method, buyer: sess.buyer}); refused != nil {
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
	sess.method = ""
	s.payInvoice(inv)
	s.setStatus(p.sub, "active", nil)
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

// cancelSubscription ends a subscription at once. Its invoices stay as they are.
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
	s.emitChange("customer.subscription.deleted", sub, nil, c)
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
		items = append(items, object{
			"id": s.newID("si_", 14), "object": "subscription_item", "billing_thresholds": nil, "created": now, "current_period_end": now,
			"current_period_start": now, "discounts": []any{}, "metadata": object{}, "plan": planOf(price), "price": price, "quantity": line["quantity"],
			"subscription": id, "tax_rates": []any{},
		})
	}
	return object{
		"id": id, "object": "subscription", "application": nil, "application_fee_percent": value(data.Get("application_fee_percent")),
		"automatic_tax": object{"disabled_reason": nil, "enabled": taxed["enabled"], "liability": taxed["liability"]}, "billing_cycle_anchor": now,
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
		"pending_invoice_item_interval": nil, "pending_setup_intent": nil, "pending_update": nil, "schedule": nil, "start_date": now,
		"status": "incomplete", "test_clock": nil, "transfer_data": value(data.Get("transfer_data")), "trial_end": nil,
		"trial_settings": object{"end_behavior": object{"missing_payment_method": "create_invoice"}}, "trial_start": nil,
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

// setPeriod moves a subscription to its nth billing period, counted from 0.
func setPeriod(sub object, n int) {
	start, end := period(sub, n), period(sub, n+1)
	list := sub["items"].(object)
	moved := []object{}
	for _, item := range itemsOf(sub) {
		moved = append(moved, item.with(object{"current_period_start": start.Unix(), "current_period_end": end.Unix()}))
	}
	sub["items"] = list.with(object{"data": moved})
}

// period returns the time at which the nth period of a subscription begins. In a month that lacks the day of the
// subscription's start, the period begins on the month's last day.
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
	if err := only(p, "customer", "description", "expand", "items", "metadata"); err != nil {
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
	var total int64
	for _, line := range sess.lines {
		total += line["amount_total"].(int64)
	}
	sess.object["currency"], sess.object["amount_total"] = sess.lines[0]["currency"], total
	with, err := s.tenderOf(c, cus["invoice_settings"].(object).str("default_payment_method"))
	switch {
	case err != nil:
		return nil, err
	case with.method == "":
		return nil, invalid("resource_missing", "", "This customer has no attached payment source or default payment method.")
	}
	refused := s.chargeTender(sess, total, with)
	s.subscribe(sess, refused == nil)
	if refused != nil {
		s.invoiceFails(s.objects[sess.str("invoice")], 0)
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
		"mode": "payment", "customer": cus["id"], "payment_method_types": []string{"card"}, "payment_method_options": object{},
		"automatic_tax": object{"enabled": false, "liability": nil},
	}}
}

// cancelSubscriptionOverAPI ends a subscription at once: https://docs.stripe.com/api/subscriptions/cancel
func (s *Server) cancelSubscriptionOverAPI(c *call) (object, *apiError) {
	sub, err := s.openSubscription(c)
	if err == nil {
		err = only(c.params, "expand", "invoice_now", "prorate")
	}
	if err != nil {
		return nil, err
	}
	s.cancelSubscription(sub, c)
	return sub, nil
}

// updateSubscription changes the metadata and the description, and whether the subscription ends with its period.
func (s *Server) updateSubscription(c *call) (object, *apiError) {
	sub, err := s.openSubscription(c)
	if err != nil {
		return nil, err
	}
	return sub, s.update(c, sub, "customer.subscription.updated", func(o object, p *formparams.Param) *apiError {
		if err := only(p, "cancel_at_period_end", "description", "expand", "metadata"); err != nil {
			return err
		}
		if end := p.Get("cancel_at_period_end"); end != nil && end.Bool() != (o["cancel_at_period_end"] == true) {
			o["cancel_at_period_end"], o["cancel_at"], o["canceled_at"] = end.Bool(), nil, nil
			if end.Bool() {
				o["cancel_at"], o["canceled_at"] = itemsOf(o)[0]["current_period_end"], s.Now().Unix()
			}
		}
		o.set(p, "description")
		return o.setMetadata(p)
	})
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
