package checkouttest

import (
	"net/http"
	"slices"
)

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

func ofSubscription(o object, p *param) bool {
	parent, ok := o["parent"].(object)
	return ok && parent["subscription_details"].(object)["subscription"] == p.str()
}
