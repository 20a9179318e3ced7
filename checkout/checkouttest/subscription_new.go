package checkouttest

import (
	"time"
)

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
