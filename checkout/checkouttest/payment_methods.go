package checkouttest

import (
	"net/http"
	"strings"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// createMethod makes a payment method from the number or token of a test card, or from a bank account.
func (s *Server) createMethod(c *call) (object, *apiError) {
	p, typ := c.params, c.params.Get("type").String()
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
		method := PaymentMethod(p.Get("card", "number").String())
		if token := p.Get("card", "token"); token != nil {
			method = ""
			if card := cardByToken(strings.TrimPrefix(token.String(), "tok_")); card != nil {
				method = card.Number
			}
		}
		if !method.isCard() {
			return nil, invalid("", "card", "This test server takes the test cards and tokens of https://docs.stripe.com/testing only.")
		}
		details = cardDetails(method)
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
		details = cardDetails(method)
	}
	pm := newMethod(s.newID("pm_1", 23), typ, details, object{
		"address": buyer.Address.shown(), "email": orNull(buyer.Email), "name": orNull(buyer.Name), "phone": nil, "tax_id": nil,
	}, s.Now().Unix())
	pm["customer"] = sess.object["customer"]
	s.keep(sess, pm)
	return pm
}

// retrieveMethod shows a payment method that the API made, or that a charge was paid with.
func (s *Server) retrieveMethod(c *call) (object, *apiError) {
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
	if typ == "card" {
		details = cardDetails(cardOf(ch).Number)
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
	if err != nil {
		return nil, err
	}
	if pm["customer"] != nil && pm["customer"] != cus["id"] {
		return nil, invalid("", "", "The payment method you provided has already been attached to a customer.")
	}
	pm["customer"] = cus["id"]
	s.emitChange("payment_method.attached", pm, nil, c)
	return pm, nil
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
	pm := newMethod(s.newID("pm_1", 23), "card", cardDetails(with.method), object{
		"address": Address{}.shown(), "email": nil, "name": nil, "phone": nil, "tax_id": nil,
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

// tenderOf returns the tender that a payment_method names: one that the API made, or a test card of every sandbox. An empty
// ID names none.
func (s *Server) tenderOf(c *call, id string) (tender, *apiError) {
	if id == "" {
		return tender{}, nil
	}
	if token, ok := strings.CutPrefix(id, "pm_card_"); ok {
		if card := cardByToken(token); card != nil {
			return tender{method: card.Number, disputed: card.disputed, inquiry: card.inquiry}, nil
		}
	}
	pm := s.find(c.account, "payment_method", id)
	if pm == nil {
		return tender{}, noSuch(http.StatusBadRequest, "PaymentMethod", id, "payment_method")
	}
	details := pm["billing_details"].(object)
	address := details["address"].(object)
	with := tender{method: BankDebit, buyer: Buyer{
		Email: details.str("email"), Name: details.str("name"), Phone: details.str("phone"), Address: Address{
			Line1: address.str("line1"), Line2: address.str("line2"), City: address.str("city"), State: address.str("state"),
			PostalCode: address.str("postal_code"), Country: address.str("country"),
		},
	}}
	if card, ok := pm["card"].(object); ok {
		with.method = cardByLast4(card.str("last4")).Number
	} else if outcome, ok := debitOutcomes[pm["sepa_debit"].(object).str("last4")]; ok {
		with.outcome = &outcome
	}
	return with, nil
}
