package checkouttest

import (
	"maps"
	"net/http"
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

// newSubscription is the subscription that a completed session starts, incomplete until it is paid for.
func (s *Server) newSubscription(sess *session) object {
	now := s.Now().Unix()
	id := s.newID("sub_1", 23)
	data := sess.sent.get("subscription_data")
	meta, _ := data.get("metadata").metadata() // checked when the session was created
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
		"id": id, "object": "subscription", "application": nil, "application_fee_percent": data.get("application_fee_percent").value(),
		"automatic_tax": object{"disabled_reason": nil, "enabled": taxed["enabled"], "liability": taxed["liability"]}, "billing_cycle_anchor": now,
		"billing_cycle_anchor_config": nil, "billing_mode": object{"type": data.get("billing_mode", "type").or("classic")}, "billing_thresholds": nil, "cancel_at": nil,
		"cancel_at_period_end": false, "canceled_at": nil, "cancellation_details": object{"comment": nil, "feedback": nil, "reason": nil},
		"collection_method": "charge_automatically", "created": now, "currency": sess.object["currency"], "customer": sess.object["customer"],
		"days_until_due": nil, "default_payment_method": nil, "default_source": nil, "default_tax_rates": []any{},
		"description": data.get("description").value(), "discounts": []any{}, "ended_at": nil,
		"invoice_settings": object{"account_tax_ids": nil, "issuer": data.get("invoice_settings", "issuer").or(object{"type": "self"})},
		"items":            object{"object": "list", "data": items, "has_more": false, "total_count": len(items), "url": "/v1/subscription_items?subscription=" + id},
		"latest_invoice":   nil, "livemode": false, "metadata": meta, "next_pending_invoice_item_invoice": nil, "on_behalf_of": data.get("on_behalf_of").value(),
		"pause_collection":              nil,
		"payment_settings":              object{"payment_method_options": nil, "payment_method_types": nil, "save_default_payment_method": "off"},
		"pending_invoice_item_interval": nil, "pending_setup_intent": nil, "pending_update": nil, "schedule": nil, "start_date": now,
		"status": "incomplete", "test_clock": nil, "transfer_data": data.get("transfer_data").value(), "trial_end": nil,
		"trial_settings": object{"end_behavior": object{"missing_payment_method": "create_invoice"}}, "trial_start": nil,
	}
}

// planOf is a recurring price under its old name, which subscription items still show.
func planOf(price object) object {
	r := price["recurring"].(object)
	return object{
		"id": price["id"], "object": "plan", "active": price["active"], "amount": price["unit_amount"], "amount_decimal": price["unit_amount_decimal"],
		"billing_scheme": "per_unit", "created": price["created"], "currency": price["currency"], "interval": r["interval"],
		"interval_count": r["interval_count"], "livemode": false, "metadata": price["metadata"], "meter": nil, "nickname": price["nickname"],
		"product": price["product"], "tiers_mode": nil, "transform_usage": nil, "trial_period_days": nil, "usage_type": "licensed",
	}
}

// itemsOf are a subscription's items.
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

// period is the time at which the nth period of a subscription begins. Months that lack its day end it early.
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
	if at.Day() != anchor.Day() { // it ran over into the next month
		at = at.AddDate(0, 0, -at.Day())
	}
	return at
}

// Subscriptions and invoices without a session, as far as `stripe trigger` makes them. As with payment intents, each is
// paid through a session that has no ID.

// createSubscription starts a subscription that is paid at once, with its customer's default payment method.
// https://docs.stripe.com/api/subscriptions/create
func (s *Server) createSubscription(c *call) (object, *apiError) {
	p := c.params
	if err := p.only("customer", "description", "expand", "items", "metadata"); err != nil {
		return nil, err
	}
	if p.get("customer") == nil {
		return nil, missing("customer")
	}
	cus, err := s.given(c, "customer", p.get("customer"))
	if err != nil {
		return nil, err
	}
	if _, err := p.get("metadata").metadata(); err != nil {
		return nil, err
	}
	sess := s.payer(c, cus, &param{fields: map[string]*param{"subscription_data": p, "line_items": linesOf(p.get("items"))}})
	sess.object["mode"] = "subscription"
	if sess.lines, err = s.newLines(sess, s.Now().Unix()); err != nil {
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
	with, err := s.means(c, cus["invoice_settings"].(object).str("default_payment_method"))
	switch {
	case err != nil:
		return nil, err
	case with.method == "":
		return nil, invalid("resource_missing", "", "This customer has no attached payment source or default payment method.")
	}
	refused := s.charged(sess, total, with)
	s.subscribe(sess, refused == nil)
	if refused != nil {
		s.invoiceFails(s.objects[sess.str("invoice")], 0)
	}
	return sess.plan.sub, nil
}

// linesOf are the items of a subscription as the lines of a session. Their quantity is 1 unless they say otherwise.
func linesOf(items *param) *param {
	for _, item := range items.list() {
		if item.get("quantity") == nil {
			item.field("quantity", item.nameOf("quantity")).scalar = "1"
		}
	}
	return items
}

// payer is the session without an ID that a customer pays through.
func (s *Server) payer(c *call, cus object, sent *param) *session {
	return &session{account: c.account, sent: sent, object: object{
		"mode": "payment", "customer": cus["id"], "payment_method_types": []string{"card"}, "payment_method_options": object{},
		"automatic_tax": object{"enabled": false, "liability": nil},
	}}
}

// cancelNow ends a subscription at once: https://docs.stripe.com/api/subscriptions/cancel
func (s *Server) cancelNow(c *call) (object, *apiError) {
	sub, err := s.openSubscription(c)
	if err == nil {
		err = c.params.only("expand", "invoice_now", "prorate")
	}
	if err != nil {
		return nil, err
	}
	s.cancelSubscription(sub, c)
	return sub, nil
}

// updateSubscription changes metadata, the description, and whether the subscription ends with its period.
func (s *Server) updateSubscription(c *call) (object, *apiError) {
	sub, err := s.openSubscription(c)
	if err != nil {
		return nil, err
	}
	return sub, s.update(c, sub, "customer.subscription.updated", func(o object, p *param) *apiError {
		if err := p.only("cancel_at_period_end", "description", "expand", "metadata"); err != nil {
			return err
		}
		if end := p.get("cancel_at_period_end"); end != nil && end.bool() != (o["cancel_at_period_end"] == true) {
			o["cancel_at_period_end"], o["cancel_at"], o["canceled_at"] = end.bool(), nil, nil
			if end.bool() {
				o["cancel_at"], o["canceled_at"] = itemsOf(o)[0]["current_period_end"], s.Now().Unix()
			}
		}
		o.set(p, "description")
		return o.setMetadata(p)
	})
}

// openSubscription is the subscription that the path names. One that has ended can't be changed.
func (s *Server) openSubscription(c *call) (object, *apiError) {
	sub, err := s.named(c, "subscription")
	if err == nil && subscriptionOver(sub) {
		err = noSuch(http.StatusNotFound, "subscription", sub.str("id"), "id")
	}
	return sub, err
}

// listSubscriptions leaves out those that were canceled, unless it is asked for them.
// https://docs.stripe.com/api/subscriptions/list
func (s *Server) listSubscriptions() endpoint {
	all := s.listIf("subscription", map[string]condition{"status": subscriptionStatus, "price": subscribesTo}, "customer", "collection_method")
	return func(c *call) (object, *apiError) {
		status := c.params.get("status")
		if err := oneOf(status, "active", "all", "canceled", "ended", "incomplete", "incomplete_expired", "past_due", "paused", "trialing", "unpaid"); err != nil {
			return nil, err
		}
		if status == nil {
			c.params.field("status", "status").scalar = "uncanceled"
		}
		return all(c)
	}
}

func subscriptionStatus(o object, p *param) bool {
	switch p.str() {
	case "all":
		return true
	case "uncanceled":
		return o["status"] != "canceled"
	case "ended":
		return subscriptionOver(o)
	default:
		return o["status"] == p.str()
	}
}

func subscribesTo(o object, p *param) bool {
	return slices.ContainsFunc(itemsOf(o), func(item object) bool { return item["price"].(object)["id"] == p.str() })
}
