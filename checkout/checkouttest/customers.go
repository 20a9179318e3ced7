package checkouttest

import (
	"maps"
	"slices"
	"strings"
)

// newCustomer is a customer without any details.
func (s *Server) newCustomer(now int64) object {
	return object{
		"id": s.newID("cus_", 14), "object": "customer", "address": nil, "balance": int64(0), "created": now, "currency": nil,
		"default_source": nil, "delinquent": false, "description": nil, "discount": nil, "email": nil, "invoice_prefix": s.newID("", 8),
		"invoice_settings": object{"custom_fields": nil, "default_payment_method": nil, "footer": nil, "rendering_options": nil},
		"livemode":         false, "metadata": object{}, "name": nil, "next_invoice_sequence": int64(1), "phone": nil, "preferred_locales": []any{},
		"shipping": nil, "tax_exempt": "none", "test_clock": nil,
	}
}

// createCustomer: https://docs.stripe.com/api/customers/create
func (s *Server) createCustomer(c *call) (object, *apiError) {
	p, o := c.params, s.newCustomer(s.Now().Unix())
	method, preferred := p.get("payment_method"), p.get("invoice_settings", "default_payment_method")
	if preferred != nil && preferred.str() != method.str() {
		return nil, invalid("", preferred.name, "The default payment method must be the one in `payment_method`.")
	}
	if err := setCustomer(o, p); err != nil {
		return nil, err
	}
	var pm object
	if method != nil {
		var err *apiError
		if pm, err = s.ownMethod(c, method); err != nil {
			return nil, err
		}
		pm["customer"] = o["id"]
	}
	if preferred != nil {
		o["invoice_settings"] = o["invoice_settings"].(object).with(object{"default_payment_method": pm["id"]})
	}
	s.keep(&session{account: c.account}, o)
	s.report("customer.created", o, nil, c)
	if pm != nil {
		s.report("payment_method.attached", pm, nil, c)
	}
	return o, nil
}

// retrieveCustomer shows of a customer who was deleted only that.
func (s *Server) retrieveCustomer(c *call) (object, *apiError) {
	if o := s.objects[c.path("id")]; o["deleted"] == true && s.accountOf(o) == c.account {
		return o, nil
	}
	return s.named(c, "customer")
}

// deleteCustomer ends the customer's subscriptions, too: https://docs.stripe.com/api/customers/delete
func (s *Server) deleteCustomer(c *call) (object, *apiError) {
	o, err := s.named(c, "customer")
	if err != nil {
		return nil, err
	}
	for _, sub := range s.kinds["subscription"] {
		if sub["customer"] == o["id"] && !subscriptionOver(sub) {
			s.cancelSubscription(sub, c)
		}
	}
	s.report("customer.deleted", o, nil, c)
	s.kinds["customer"] = slices.DeleteFunc(s.kinds["customer"], func(k object) bool { return k["id"] == o["id"] })
	gone := object{"id": o["id"], "object": "customer", "deleted": true}
	s.objects[o.str("id")] = gone
	return gone, nil
}

func (s *Server) updateCustomer(c *call) (object, *apiError) {
	o, err := s.named(c, "customer")
	if err != nil {
		return nil, err
	}
	if sent := c.params.get("invoice_settings"); sent != nil {
		return nil, notDone(sent)
	}
	return o, s.update(c, o, "customer.updated", setCustomer)
}

// setCustomer puts what was sent into a customer.
func setCustomer(o object, p *param) *apiError {
	if err := p.only("address", "description", "email", "expand", "invoice_settings", "metadata", "name", "payment_method", "phone", "preferred_locales", "shipping", "tax_exempt"); err != nil {
		return err
	}
	if email := p.get("email"); email != nil && !validEmail(email.str()) {
		return invalid("email_invalid", "email", "Invalid email address.")
	}
	if err := oneOf(p.get("tax_exempt"), "exempt", "none", "reverse"); err != nil {
		return err
	}
	if err := o.setMetadata(p); err != nil {
		return err
	}
	if a := p.get("address"); a != nil {
		o["address"] = addressOf(a)
	}
	if sh := p.get("shipping"); sh != nil {
		o["shipping"] = object{"address": addressOf(sh.get("address")), "name": sh.get("name").value(), "phone": sh.get("phone").value()}
	}
	o.set(p, "description", "email", "name", "phone", "preferred_locales", "tax_exempt")
	return nil
}

// addressOf is an address with every key.
func addressOf(p *param) object {
	out := Address{}.shown()
	for k := range out {
		out[k] = p.get(k).value()
	}
	return out
}

// ensureCustomer makes the customer that a session asks for, unless it has one. Its buyer is known.
func (s *Server) ensureCustomer(sess *session) {
	o := sess.object
	if o["customer"] != nil || o.str("mode") != "subscription" && o.str("customer_creation") != "always" {
		return
	}
	cus := s.newCustomer(s.Now().Unix())
	cus["email"], cus["name"], cus["address"] = sess.buyer.Email, sess.buyer.Name, sess.buyer.Address.shown()
	if sess.sent.get("phone_number_collection", "enabled").bool() {
		cus["phone"] = sess.buyer.Phone
	}
	s.keep(sess, cus)
	o["customer"] = cus["id"]
	if pi := s.objects[sess.pi]; pi != nil {
		pi["customer"] = cus["id"]
	}
	s.emit(sess, "customer.created", cus, nil)
}

// saveToCustomer saves what the customer gave where `customer_update` asks for it.
// https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-customer_update
func (s *Server) saveToCustomer(sess *session) {
	cus, ask := s.objects[sess.str("customer")], sess.sent.get("customer_update")
	if cus == nil || ask == nil {
		return
	}
	was := maps.Clone(cus)
	if ask.get("address").str() == "auto" {
		cus["address"] = sess.buyer.Address.shown()
	}
	if ask.get("name").str() == "auto" {
		cus["name"] = sess.buyer.Name
	}
	if ask.get("shipping").str() == "auto" && sess.sent.get("shipping_address_collection") != nil {
		cus["shipping"] = object{"address": sess.buyer.Address.shown(), "name": sess.buyer.Name, "phone": nil}
	}
	if len(previous(was, cus)) > 0 {
		s.report("customer.updated", cus, was, nil)
	}
}

// validEmail accepts what has one @ between two parts without spaces; more is for the receiving server to say.
func validEmail(s string) bool {
	user, host, ok := strings.Cut(s, "@")
	return ok && user != "" && host != "" && !strings.ContainsAny(s, " \t\r\n") && !strings.Contains(host, "@") && len(s) <= 512
}
