package checkouttest

import (
	"net/http"
	"slices"
	"strings"
)

// createMethod makes a payment method of a test card's number or token, or of a bank account.
func (s *Server) createMethod(c *call) (object, *apiError) {
	p, typ := c.params, c.params.get("type").str()
	if err := p.only("allow_redisplay", "billing_details", "card", "expand", "metadata", "sepa_debit", "type"); err != nil {
		return nil, err
	}
	meta, err := p.get("metadata").metadata()
	if err != nil {
		return nil, err
	}
	b := p.get("billing_details")
	addr := b.get("address")
	billing := object{
		"address": object{
			"city": addr.get("city").value(), "country": addr.get("country").value(), "line1": addr.get("line1").value(),
			"line2": addr.get("line2").value(), "postal_code": addr.get("postal_code").value(), "state": addr.get("state").value(),
		},
		"email": b.get("email").value(), "name": b.get("name").value(), "phone": b.get("phone").value(), "tax_id": b.get("tax_id").value(),
	}
	var details object
	switch typ {
	case "":
		return nil, missing("type")
	case "card":
		method := PaymentMethod(p.get("card", "number").str())
		if token := p.get("card", "token"); token != nil {
			method = testMethods[strings.TrimPrefix(token.str(), "tok_")]
		}
		if !method.isCard() {
			return nil, invalid("", "card", "This test server takes the test cards and tokens of https://docs.stripe.com/testing only.")
		}
		details = cardDetails(method)
		details.set(p.get("card"), "exp_month", "exp_year")
	case "sepa_debit":
		iban := p.get("sepa_debit", "iban").str()
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
	o["allow_redisplay"], o["metadata"] = p.get("allow_redisplay").or("unspecified"), meta
	s.keep(&session{account: c.account}, o)
	return o, nil
}

// newMethod is a payment method: https://docs.stripe.com/api/payment_methods/object
func newMethod(id, typ string, details, billing object, created int64) object {
	return object{
		"id": id, "object": "payment_method", "allow_redisplay": "unspecified", "billing_details": billing, "created": created,
		"customer": nil, "livemode": false, "metadata": object{}, "type": typ, typ: details,
	}
}

// retrieveMethod finds a payment method that was made by itself, or with a charge.
func (s *Server) retrieveMethod(c *call) (object, *apiError) {
	o, err := s.named(c, "payment_method")
	if err == nil {
		return o, nil
	}
	if ch := s.chargeBy(c.path("id")); ch != nil && s.accountOf(ch) == c.account {
		return methodOfCharge(ch), nil
	}
	return nil, err
}

// methodOfCharge is what a charge was made with. It is made when it is asked for: few ask.
func methodOfCharge(ch object) object {
	typ, details := ch["payment_method_details"].(object).str("type"), debitDetails()
	if typ == "card" {
		details = cardDetails(cardOf(ch))
	}
	o := newMethod(ch.str("payment_method"), typ, details, ch["billing_details"].(object), ch["created"].(int64))
	o["customer"] = ch["customer"]
	return o
}

// attachMethod gives a payment method to a customer: https://docs.stripe.com/api/payment_methods/attach
func (s *Server) attachMethod(c *call) (object, *apiError) {
	if c.params.get("customer") == nil {
		return nil, missing("customer")
	}
	cus, err := s.given(c, "customer", c.params.get("customer"))
	if err != nil {
		return nil, err
	}
	pm, err := s.ownMethod(c, &param{name: "payment_method", scalar: c.path("id")})
	if err != nil {
		return nil, err
	}
	if pm["customer"] != nil && pm["customer"] != cus["id"] {
		return nil, invalid("", "", "The payment method you provided has already been attached to a customer.")
	}
	pm["customer"] = cus["id"]
	s.report("payment_method.attached", pm, nil, c)
	return pm, nil
}

// ownMethod is a payment method of the account's own: of those that every sandbox has, a copy.
func (s *Server) ownMethod(c *call, p *param) (object, *apiError) {
	if pm := s.find(c.account, "payment_method", p.str()); pm != nil {
		return pm, nil
	}
	with, err := s.means(c, p.str())
	if err != nil {
		return nil, err
	}
	pm := newMethod(s.newID("pm_1", 23), "card", cardDetails(with.method), object{
		"address": Address{}.shown(), "email": nil, "name": nil, "phone": nil, "tax_id": nil,
	}, s.Now().Unix())
	s.keep(&session{account: c.account}, pm)
	return pm, nil
}

// means is what a payment_method names: one that was made, or one of every sandbox. Empty: none.
func (s *Server) means(c *call, id string) (means, *apiError) {
	if id == "" {
		return means{}, nil
	}
	if name, ok := strings.CutPrefix(id, "pm_card_"); ok && testMethods[name] != "" {
		return means{method: testMethods[name], disputed: strings.HasPrefix(name, "createDispute"), inquiry: name == "createDisputeInquiry"}, nil
	}
	pm := s.find(c.account, "payment_method", id)
	if pm == nil {
		return means{}, noSuch(http.StatusBadRequest, "PaymentMethod", id, "payment_method")
	}
	details := pm["billing_details"].(object)
	address := details["address"].(object)
	with := means{method: BankDebit, buyer: Buyer{
		Email: details.str("email"), Name: details.str("name"), Phone: details.str("phone"), Address: Address{
			Line1: address.str("line1"), Line2: address.str("line2"), City: address.str("city"), State: address.str("state"),
			PostalCode: address.str("postal_code"), Country: address.str("country"),
		},
	}}
	if card, ok := pm["card"].(object); ok {
		with.method = methods[slices.IndexFunc(methods, func(m PaymentMethod) bool { return strings.HasSuffix(string(m), card.str("last4")) })]
	} else if e, ok := endings[pm["sepa_debit"].(object).str("last4")]; ok {
		with.ending = &e
	}
	return with, nil
}
