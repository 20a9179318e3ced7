package checkouttest

import (
	"maps"
	"slices"
	"strings"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// newCustomer returns a customer without details.
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
	method, preferred := p.Get("payment_method"), p.Get("invoice_settings", "default_payment_method")
	if preferred != nil && preferred.String() != method.String() {
		return nil, invalid("", preferred.Name, "The default payment method must be the one in `payment_method`.")
	}
	if err := setCustomer(o, p.Without("source")); err != nil {
		return nil, err
	}
	if clock := p.Get("test_clock"); clock != nil {
		if _, err := s.objectInParam(c, "test_helpers.test_clock", clock); err != nil {
			return nil, err
		}
		o["test_clock"] = clock.String()
	}
	var pm object
	if method != nil {
		var err *apiError
		pm, err = s.ownMethod(c, method)
		if err == nil {
			err = s.refuseUsedUp(pm)
		}
		if err == nil {
			err = refuseToSave(pm)
		}
		if err != nil {
			return nil, err
		}
		pm["customer"] = o["id"]
		check(pm)
	}
	if preferred != nil {
		o["invoice_settings"] = o["invoice_settings"].(object).with(object{"default_payment_method": pm["id"]})
	}
	source, err := s.newCardSource(c, o, p.Get("source"))
	if err != nil {
		return nil, err
	}
	s.keep(&session{account: c.account}, o)
	s.emitChange("customer.created", o, nil, c)
	if source != nil {
		s.emitFor(c.account, "", "customer.source.created", shownAsSource(source), nil, c)
	}
	if pm != nil {
		s.emitChange("payment_method.attached", pm, nil, c)
	}
	return o, nil
}

// retrieveCustomer shows a customer. Of a deleted customer it shows only the deletion.
func (s *Server) retrieveCustomer(c *call) (object, *apiError) {
	if o := s.objects[c.path("id")]; o["deleted"] == true && s.accountOf(o) == c.account {
		return o, nil
	}
	return s.objectInPath(c, "customer")
}

// deleteCustomer deletes a customer and ends the customer's subscriptions: https://docs.stripe.com/api/customers/delete
func (s *Server) deleteCustomer(c *call) (object, *apiError) {
	o, err := s.objectInPath(c, "customer")
	if err != nil {
		return nil, err
	}
	for _, sub := range s.byKind["subscription"] {
		if sub["customer"] == o["id"] && !subscriptionOver(sub) {
			s.cancelSubscription(sub, c)
		}
	}
	for _, sched := range s.byKind["subscription_schedule"] {
		if sched["customer"] == o["id"] && scheduleRuns(sched) { // its subscription has not started yet
			s.endSchedule(sched, "canceled", c)
		}
	}
	s.emitChange("customer.deleted", o, nil, c)
	return s.remove(o), nil
}

func (s *Server) updateCustomer(c *call) (object, *apiError) {
	o, err := s.objectInPath(c, "customer")
	if err != nil {
		return nil, err
	}
	if err := only(c.params.Get("invoice_settings"), "default_payment_method"); err != nil {
		return nil, err
	}
	return o, s.update(c, o, "customer.updated", func(o object, p *formparams.Param) *apiError {
		if id := p.Get("invoice_settings", "default_payment_method"); id != nil && id.String() == "" {
			o["invoice_settings"] = o["invoice_settings"].(object).with(object{"default_payment_method": nil})
		} else if id != nil {
			pm, err := s.methodOfCustomer(c, o["id"], id)
			if err != nil {
				return err
			}
			o["invoice_settings"] = o["invoice_settings"].(object).with(object{"default_payment_method": pm["id"]})
		}
		return setCustomer(o, p)
	})
}

// setCustomer copies the parameters that were sent into a customer.
func setCustomer(o object, p *formparams.Param) *apiError {
	if err := only(p, "address", "description", "email", "expand", "invoice_settings", "metadata", "name", "payment_method", "phone", "preferred_locales", "shipping", "tax_exempt", "test_clock"); err != nil {
		return err
	}
	if email := p.Get("email"); email.String() != "" && !validEmail(email.String()) {
		return invalid("email_invalid", "email", "Invalid email address.")
	}
	if err := oneOf(p.Get("tax_exempt"), "exempt", "none", "reverse"); err != nil {
		return err
	}
	if err := o.setMetadata(p); err != nil {
		return err
	}
	if a := p.Get("address"); a != nil {
		o["address"] = nil
		if a.Fields != nil {
			o["address"] = addressOf(a)
		}
	}
	if sh := p.Get("shipping"); sh != nil && sh.Fields == nil {
		o["shipping"] = nil
	} else if sh != nil {
		o["shipping"] = object{"address": addressOf(sh.Get("address")), "name": value(sh.Get("name")), "phone": value(sh.Get("phone"))}
	}
	o.set(p, "description", "email", "name", "phone", "preferred_locales", "tax_exempt")
	return nil
}

// addressOf returns an address with every key.
func addressOf(p *formparams.Param) object {
	out := Address{}.shown()
	for k := range out {
		out[k] = value(p.Get(k))
	}
	return out
}

// ensureCustomer makes the customer that a session asks for. It does nothing if the session has a customer, or asks for
// none.
func (s *Server) ensureCustomer(sess *session) {
	o := sess.object
	if o["customer"] != nil || o.str("mode") != "subscription" && o.str("customer_creation") != "always" && !sess.createsInvoice() {
		return
	}
	cus := s.newCustomer(s.Now().Unix())
	cus["email"], cus["name"], cus["address"] = sess.buyer.Email, sess.buyer.details(nil)["name"], sess.buyer.Address.shown()
	if sess.sent.Get("phone_number_collection", "enabled").Bool() {
		cus["phone"] = sess.buyer.Phone
	}
	s.keep(sess, cus)
	o["customer"] = cus["id"]
	if pi := s.objects[sess.pi]; pi != nil {
		pi["customer"] = cus["id"]
	}
	s.emit(sess, "customer.created", cus, nil)
}

// saveToCustomer saves the customer's answers in the customer object, where `customer_update` asks for it.
// https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-customer_update
func (s *Server) saveToCustomer(sess *session) {
	cus, ask := s.objects[sess.str("customer")], sess.sent.Get("customer_update")
	if cus == nil || ask == nil {
		return
	}
	was := maps.Clone(cus)
	if ask.Get("address").String() == "auto" {
		cus["address"] = sess.buyer.Address.shown()
	}
	if ask.Get("name").String() == "auto" {
		cus["name"] = sess.buyer.details(nil)["name"]
	}
	if ask.Get("shipping").String() == "auto" && sess.sent.Get("shipping_address_collection") != nil {
		cus["shipping"] = object{"address": sess.buyer.ShipTo.Address.shown(), "name": orNull(sess.buyer.ShipTo.Name), "phone": nil}
	}
	if len(previous(was, cus)) > 0 {
		s.emitChange("customer.updated", cus, was, nil)
	}
}

// validEmail accepts text with one @ between two parts without spaces. Stripe, too, leaves the rest to the mail server.
func validEmail(s string) bool {
	user, host, ok := strings.Cut(s, "@")
	return ok && user != "" && host != "" && !strings.ContainsAny(s, " \t\r\n") && !strings.Contains(host, "@") && len(s) <= 512
}

// includeOfCustomer returns the value of a key that a customer shows only on request.
func (s *Server) includeOfCustomer(cus object, key string) object {
	id := cus.str("id")
	switch key {
	case "invoice_credit_balance":
		if balance, _ := cus["balance"].(int64); balance != 0 && cus["currency"] != nil {
			return object{cus.str("currency"): balance}
		}
		return object{}
	case "tax":
		return s.taxOfCustomer(cus)
	}
	kind, shown := "subscription", func(o object) object { return o }
	if key == "sources" {
		kind, shown = "payment_method", shownAsSource
	}
	found := []object{}
	for _, o := range s.byKind[kind] {
		listed := kind == "subscription" && !subscriptionOver(o) || strings.HasPrefix(o.str("id"), "card_")
		if o["customer"] == id && listed {
			found = append(found, shown(o))
		}
	}
	slices.Reverse(found)
	list, _ := listPage(found, "/v1/customers/"+id+"/"+key, kind, nil)
	return list
}

// taxOfCustomer shows whether automatic tax is due for a customer: https://docs.stripe.com/api/customers/object#customer_object-tax
func (s *Server) taxOfCustomer(cus object) object {
	o := object{"automatic_tax": "unrecognized_location", "ip_address": nil, "location": nil}
	address, _ := cus["address"].(object)
	country := address.str("country")
	if country == "" {
		return o
	}
	o["automatic_tax"] = "not_collecting"
	if slices.Contains(s.registrations, country) {
		o["automatic_tax"] = "supported"
	}
	o["location"] = object{"country": country, "source": "billing_address", "state": address["state"]}
	return o
}
