package checkouttest

import (
	"net/http"
	"strings"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// A card that a token gives to a customer is a source, Stripe's older kind of payment method. It has an ID of its own kind, and can be
// used and retrieved as a payment method. https://docs.stripe.com/payments/payment-methods/transitioning

// newCardSource makes the card of a token the default source of a new customer. It returns nil if the request names no token.
// https://docs.stripe.com/api/customers/create
func (s *Server) newCardSource(c *call, cus object, token *formparams.Param) (object, *apiError) {
	if token == nil {
		return nil, nil
	}
	name, isToken := strings.CutPrefix(token.String(), "tok_")
	card := cardByName(name)
	if !isToken || card == nil {
		return nil, noSuch(http.StatusBadRequest, "token", token.String(), token.Name)
	}
	if refusal := card.Number.saveRefusal(); refusal != nil {
		return nil, cardError(refusal)
	}
	address := Address{}.shown()
	source := newMethod(s.newID("card_1", 23), "card", card.asMethod(address), object{
		"address": address, "email": nil, "name": nil, "phone": nil, "tax_id": nil,
	}, s.Now().Unix())
	source["customer"] = cus["id"]
	s.keep(&session{account: c.account}, source)
	cus["default_source"] = source["id"]
	return source, nil
}

// brandsOfSources are the names that a source has for brands, where they are not those of a payment method in upper case.
// https://docs.stripe.com/api/cards/object#card_object-brand
var brandsOfSources = map[string]string{
	"amex": "American Express", "diners": "Diners Club", "discover": "Discover", "mastercard": "MasterCard", "unionpay": "UnionPay",
	"unknown": "Unknown", "visa": "Visa",
}

// shownAsSource shows a payment method as the card that events of sources hold: https://docs.stripe.com/api/cards/object
func shownAsSource(method object) object {
	card := method["card"].(object)
	checks := card["checks"].(object)
	brand, named := brandsOfSources[card.str("brand")]
	if !named {
		brand = strings.ToUpper(card.str("brand"))
	}
	return object{
		"id": method["id"], "object": "card", "address_city": nil, "address_country": nil, "address_line1": nil, "address_line1_check": nil,
		"address_line2": nil, "address_state": nil, "address_zip": nil, "address_zip_check": nil, "allow_redisplay": "unspecified", "brand": brand,
		"country": card["country"], "customer": method["customer"], "cvc_check": checks["cvc_check"], "dynamic_last4": nil,
		"exp_month": card["exp_month"], "exp_year": card["exp_year"], "fingerprint": card["fingerprint"], "funding": card["funding"],
		"last4": card["last4"], "metadata": object{}, "name": nil, "regulated_status": card["regulated_status"], "tokenization_method": nil,
	}
}

// defaultMethodOf returns the ID of the payment method that a customer's invoices are paid with, or "".
// https://docs.stripe.com/api/customers/object#customer_object-default_source
func (s *Server) defaultMethodOf(customer string) string {
	cus := s.objects[customer]
	settings, _ := cus["invoice_settings"].(object)
	if id := settings.str("default_payment_method"); id != "" {
		return id
	}
	return cus.str("default_source")
}
