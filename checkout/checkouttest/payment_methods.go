package checkouttest

import (
	"maps"
	"net/http"
	"strings"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// createMethod makes a payment method from the number or token of a test card, or from a bank account.
func (s *Server) createMethod(c *call) (object, *apiError) {
	p, typ := c.params, c.params.Get("type").String()
	if p.Get("payment_method") != nil {
		return s.shareMethod(c)
	}
	if err := only(p, "allow_redisplay", "billing_details", "card", "expand", "metadata", "sepa_debit", "type"); err != nil {
		return nil, err
	}
	meta, err := metadataOf(p.Get("metadata"))
	if err != nil {
		return nil, err
	}
	b := p.Get("billing_details")
	addr := b.Get("address")
	billing := object{
		"address": object{
			"city": value(addr.Get("city")), "country": value(addr.Get("country")), "line1": value(addr.Get("line1")),
			"line2": value(addr.Get("line2")), "postal_code": value(addr.Get("postal_code")), "state": value(addr.Get("state")),
		},
		"email": value(b.Get("email")), "name": value(b.Get("name")), "phone": value(b.Get("phone")), "tax_id": value(b.Get("tax_id")),
	}
	var details object
	switch typ {
	case "":
		return nil, missing("type")
	case "card":
		card, err := s.cardIn(p.Get("card"))
		if err != nil {
			return nil, err
		}
		details = card.asMethod(billing["address"].(object)).with(s.sandboxExpiry())
		details["checks"] = unchecked(billing["address"].(object))
		details.set(p.Get("card"), "exp_month", "exp_year")
	case "sepa_debit":
		iban := p.Get("sepa_debit", "iban").String()
		if len(iban) < 15 {
			return nil, invalid("invalid_bank_account_iban", "sepa_debit[iban]", "The IBAN you provided is invalid.")
		}
		details = object{
			"bank_code": iban[4:9], "branch_code": "", "country": iban[:2], "fingerprint": "test" + iban[len(iban)-4:],
			"generated_from": object{"charge": nil, "setup_attempt": nil}, "last4": iban[len(iban)-4:],
		}
	default:
		return nil, invalid("", "type", "This test server makes payment methods of the types card and sepa_debit only.")
	}
	o := newMethod(s.newID("pm_1", 23), typ, details, billing, s.Now().Unix())
	o["allow_redisplay"], o["metadata"] = valueOr(p.Get("allow_redisplay"), "unspecified"), meta
	s.keep(&session{account: c.account}, o)
	return o, nil
}

// shareMethod copies a payment method of the platform to the connected account that the request is for.
// https://docs.stripe.com/connect/direct-charges-multiple-accounts
func (s *Server) shareMethod(c *call) (object, *apiError) {
	p := c.params
	if err := only(p, "customer", "expand", "metadata", "payment_method"); err != nil {
		return nil, err
	}
	if c.account == "" {
		return nil, invalid("", "payment_method", "A payment method can be shared only with a connected account. Send the header Stripe-Account.")
	}
	original := s.find("", "payment_method", p.Get("payment_method").String())
	cus := p.Get("customer")
	switch {
	case original == nil:
		return nil, noSuch(http.StatusBadRequest, "PaymentMethod", p.Get("payment_method").String(), "payment_method")
	case cus != nil && original["customer"] != cus.String():
		return nil, noSuch(http.StatusBadRequest, "customer", cus.String(), "customer")
	}
	typ := original.str("type")
	o := newMethod(s.newID("pm_1", 23), typ, original[typ].(object), original["billing_details"].(object), s.Now().Unix())
	if err := o.setMetadata(p); err != nil {
		return nil, err
	}
	s.keep(&session{account: c.account}, o)
	return o, nil
}

// cardIn returns the test card that the parameter `card` names by its number or its token. The errors of a wrong number,
// date or security code are those of https://docs.stripe.com/testing#invalid-data.
func (s *Server) cardIn(p *formparams.Param) (*testCard, *apiError) {
	name := PaymentMethod(p.Get("number").String())
	if token := p.Get("token"); token != nil {
		name = PaymentMethod(token.String())
	}
	wrong := func(code, param, message string) *apiError {
		return &apiError{status: http.StatusPaymentRequired, typ: "card_error", code: code, param: param, message: message}
	}
	card := name.card()
	month, year, cvc := p.Get("exp_month"), p.Get("exp_year"), p.Get("cvc")
	switch {
	case string(name) == badNumber:
		return nil, wrong("incorrect_number", "number", "Your card number is incorrect.")
	case card == nil:
		return nil, invalid("", "card", "This test server takes the test cards and tokens of https://docs.stripe.com/testing only.")
	case month != nil && (month.Int() < 1 || month.Int() > 12):
		return nil, wrong("invalid_expiry_month", "exp_month", "Your card's expiration month is invalid.")
	case year != nil && year.Int() < int64(s.Now().Year()):
		return nil, wrong("invalid_expiry_year", "exp_year", "Your card's expiration year is invalid.")
	case cvc != nil && (len(cvc.String()) < 3 || len(digits(cvc.String())) != len(cvc.String())):
		return nil, wrong("invalid_cvc", "cvc", "Your card's security code is invalid.")
	}
	return card, nil
}

// newMethod returns a payment method: https://docs.stripe.com/api/payment_methods/object
func newMethod(id, typ string, details, billing object, created int64) object {
	return object{
		"id": id, "object": "payment_method", "allow_redisplay": "unspecified", "billing_details": billing, "created": created,
		"customer": nil, "livemode": false, "metadata": object{}, "type": typ, typ: details,
	}
}

// keepMethod stores a payment method that a session's customer has given, and attaches it to the customer.
func (s *Server) keepMethod(sess *session, method PaymentMethod) object {
	typ, details, buyer := sess.methodType(method), debitDetails(), sess.buyer
	if typ == "card" {
		details = method.card().asMethod(buyer.Address.shown())
	}
	pm := newMethod(s.newID("pm_1", 23), typ, details, object{
		"address": buyer.Address.shown(), "email": orNull(buyer.Email), "name": orNull(buyer.Name), "phone": nil, "tax_id": nil,
	}, s.Now().Unix())
	pm["customer"] = sess.object["customer"]
	s.keepAttached(sess, pm)
	return pm
}

// keepCharged stores the payment method with which a session was just paid, and attaches it to the customer. It does nothing
// for a method that was attached before. https://docs.stripe.com/payments/save-during-payment
func (s *Server) keepCharged(sess *session) {
	ch := s.latestCharge(sess)
	if ch == nil {
		return
	}
	if pm := s.objects[ch.str("payment_method")]; pm != nil {
		if customer := s.objects[sess.pi]["customer"]; pm["customer"] == nil && customer != nil {
			pm["customer"] = customer
			delete(s.usedUp, pm.str("id"))
			s.emit(sess, "payment_method.attached", pm, nil)
		}
		return
	}
	if sess.id() == "" {
		return
	}
	pm := methodOfCharge(ch)
	pm["customer"] = sess.object["customer"]
	s.keepAttached(sess, pm)
}

func (s *Server) keepAttached(sess *session, pm object) {
	s.keep(sess, pm)
	if pm["customer"] != nil {
		s.emit(sess, "payment_method.attached", pm, nil)
	}
}

// retrieveMethod shows a payment method that the API made, or that a charge was paid with. Of a test card that every sandbox has, it
// makes a copy.
func (s *Server) retrieveMethod(c *call) (object, *apiError) {
	if strings.HasPrefix(c.path("id"), "pm_card_") {
		return s.ownMethod(c, &formparams.Param{Name: "payment_method", Text: c.path("id")})
	}
	o, err := s.objectInPath(c, "payment_method")
	if err == nil {
		return o, nil
	}
	if ch := s.chargeBy(c.path("id")); ch != nil && s.accountOf(ch) == c.account {
		return methodOfCharge(ch), nil
	}
	return nil, err
}

// methodOfCharge returns the payment method of a charge. The server makes the object only when a client asks for it.
func methodOfCharge(ch object) object {
	typ, details := ch["payment_method_details"].(object).str("type"), debitDetails()
	if typ == customerBalance {
		details = object{}
	}
	if typ == "card" {
		details = cardOf(ch).asMethod(ch["billing_details"].(object)["address"].(object))
	}
	o := newMethod(ch.str("payment_method"), typ, details, ch["billing_details"].(object), ch["created"].(int64))
	o["customer"] = ch["customer"]
	return o
}

// attachMethod gives a payment method to a customer: https://docs.stripe.com/api/payment_methods/attach
func (s *Server) attachMethod(c *call) (object, *apiError) {
	if c.params.Get("customer") == nil {
		return nil, missing("customer")
	}
	cus, err := s.objectInParam(c, "customer", c.params.Get("customer"))
	if err != nil {
		return nil, err
	}
	pm, err := s.ownMethod(c, &formparams.Param{Name: "payment_method", Text: c.path("id")})
	if err != nil && err.code == "resource_missing" {
		err.status = http.StatusNotFound // the path names it
	}
	if err == nil {
		err = s.refuseUsedUp(pm)
	}
	if err == nil {
		err = refuseToSave(pm)
	}
	if err != nil {
		return nil, err
	}
	if pm["customer"] != nil && pm["customer"] != cus["id"] {
		return nil, invalid("", "", "The payment method you provided has already been attached to a customer.")
	}
	pm["customer"] = cus["id"]
	check(pm)
	s.emitChange("payment_method.attached", pm, nil, c)
	return pm, nil
}

// listMethods lists the payment methods of a customer. Without a customer, it lists those of the account:
// https://docs.stripe.com/api/payment_methods/customer_list
func (s *Server) listMethods(c *call) (object, *apiError) {
	if c.params.Get("customer") != nil {
		if _, err := s.objectInParam(c, "customer", c.params.Get("customer")); err != nil {
			return nil, err
		}
	}
	return s.list("payment_method", "customer", "type")(c)
}

// listMethodsOfCustomer lists the payment methods of the customer in the path.
func (s *Server) listMethodsOfCustomer(c *call) (object, *apiError) {
	if _, err := s.objectInPath(c, "customer"); err != nil {
		return nil, err
	}
	all := s.listIf("payment_method", map[string]condition{"customer": func(o object, p *formparams.Param) bool { return o["customer"] == p.String() }}, "allow_redisplay", "type")
	c.params.SetField("customer", c.path("id"))
	return all(c)
}

// updateMethod changes the billing details and the metadata of a payment method: https://docs.stripe.com/api/payment_methods/update
func (s *Server) updateMethod(c *call) (object, *apiError) {
	o, err := s.objectInPath(c, "payment_method")
	if err != nil {
		return nil, err
	}
	if err := only(c.params, "allow_redisplay", "billing_details", "card", "expand", "metadata"); err != nil {
		return nil, err
	}
	if err := only(c.params.Get("card"), "exp_month", "exp_year"); err != nil {
		return nil, err
	}
	return o, s.update(c, o, "payment_method.updated", func(o object, p *formparams.Param) *apiError {
		if b := p.Get("billing_details"); b != nil {
			details := maps.Clone(o["billing_details"].(object))
			details.set(b, "email", "name", "phone", "tax_id")
			if b.Get("address") != nil {
				details["address"] = addressOf(b.Get("address"))
			}
			o["billing_details"] = details
		}
		if card, ok := o["card"].(object); ok && p.Get("card") != nil {
			card = maps.Clone(card)
			card.set(p.Get("card"), "exp_month", "exp_year")
			o["card"] = card
		}
		o.set(p, "allow_redisplay")
		return o.setMetadata(p)
	})
}

// detachMethod takes a payment method from its customer, for good: https://docs.stripe.com/api/payment_methods/detach
func (s *Server) detachMethod(c *call) (object, *apiError) {
	o, err := s.objectInPath(c, "payment_method")
	if err != nil {
		return nil, err
	}
	if o["customer"] == nil {
		return nil, invalid("", "", "The payment method you provided is not attached to a customer so detachment is impossible.")
	}
	was := maps.Clone(o)
	o["customer"], s.usedUp[o.str("id")] = nil, true
	s.emitChange("payment_method.detached", o, was, c)
	return o, nil
}

// refuseToSave returns Stripe's answer to an attempt to attach a card that is declined, or nil for a card that can be saved.
func refuseToSave(pm object) *apiError {
	card, isCard := pm["card"].(object)
	if !isCard {
		return nil
	}
	refusal := cardByFingerprint(card.str("fingerprint")).Number.saveRefusal()
	if refusal == nil {
		return nil
	}
	return cardError(refusal)
}

// ownMethod returns a payment method of the account. For a test card that every sandbox has, it makes a copy.
func (s *Server) ownMethod(c *call, p *formparams.Param) (object, *apiError) {
	if pm := s.find(c.account, "payment_method", p.String()); pm != nil {
		return pm, nil
	}
	with, err := s.tenderOf(c, p.String())
	if err != nil {
		return nil, err
	}
	address := Address{}.shown()
	card := with.method.card().asMethod(address).with(s.sandboxExpiry()).with(object{"checks": unchecked(address)})
	pm := newMethod(s.newID("pm_1", 23), "card", card, object{
		"address": address, "email": nil, "name": nil, "phone": nil, "tax_id": nil,
	}, s.Now().Unix())
	s.keep(&session{account: c.account}, pm)
	return pm, nil
}

// methodOfCustomer returns a payment method that is attached to a customer.
func (s *Server) methodOfCustomer(c *call, customer any, p *formparams.Param) (object, *apiError) {
	pm, err := s.objectInParam(c, "payment_method", p)
	if err == nil && pm["customer"] != customer {
		err = invalid("resource_missing", p.Name, "The payment method must be attached to the customer: %s.", p.String())
	}
	return pm, err
}

// ownTender is tenderOf for the payment method that a parameter names. Of a test card that every sandbox has, it makes a copy. A nil
// parameter names none.
func (s *Server) ownTender(c *call, p *formparams.Param) (tender, *apiError) {
	if p == nil {
		return tender{}, nil
	}
	pm, err := s.ownMethod(c, p)
	if err == nil {
		err = s.refuseUsedUp(pm)
	}
	if err != nil {
		return tender{}, err
	}
	return s.tenderOf(c, pm.str("id"))
}

// use notes that a payment method is charged. Whether the bank pays or declines, a method without a customer is used up by that.
func (s *Server) use(pm object) {
	check(pm)
	if pm["customer"] == nil {
		s.usedUp[pm.str("id")] = true
	}
}

// refuseUsedUp returns Stripe's answer to a payment method that was charged without a customer, or detached from one. It returns nil for
// a method that can be used. https://docs.stripe.com/api/payment_methods/detach
func (s *Server) refuseUsedUp(pm object) *apiError {
	if !s.usedUp[pm.str("id")] {
		return nil
	}
	return invalid("", "", "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with a connected account without Customer attachment, or was detached from a Customer. It may not be used again. To use a PaymentMethod multiple times, you must attach it to a Customer first.")
}

// tenderOf returns the tender that a payment_method names: one that the API made, or a test card of every sandbox. An empty
// ID names none.
func (s *Server) tenderOf(c *call, id string) (tender, *apiError) {
	if id == "" {
		return tender{}, nil
	}
	if name, ok := strings.CutPrefix(id, "pm_card_"); ok {
		if card := cardByName(name); card != nil {
			return tender{method: card.Number}, nil
		}
	}
	pm := s.find(c.account, "payment_method", id)
	if pm == nil {
		return tender{}, noSuch(http.StatusBadRequest, "PaymentMethod", id, "payment_method")
	}
	details := pm["billing_details"].(object)
	address := details["address"].(object)
	with := tender{id: id, method: BankDebit, buyer: Buyer{
		Email: details.str("email"), Name: details.str("name"), Phone: details.str("phone"), Address: Address{
			Line1: address.str("line1"), Line2: address.str("line2"), City: address.str("city"), State: address.str("state"),
			PostalCode: address.str("postal_code"), Country: address.str("country"),
		},
	}}
	if card, ok := pm["card"].(object); ok {
		with.method = cardByFingerprint(card.str("fingerprint")).Number
	} else if account, ok := pm["sepa_debit"].(object); ok {
		if outcome, ok := debitOutcomes[account.str("last4")]; ok {
			with.outcome = &outcome
		}
	}
	return with, nil
}
