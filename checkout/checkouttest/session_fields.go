package checkouttest

import (
	"strings"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// customFields shows the fields that a session asks for, without values yet.
// https://docs.stripe.com/payments/checkout/custom-fields
func customFields(p *formparams.Param) ([]any, *apiError) {
	shown := []any{}
	for _, f := range p.List() {
		typ := f.Get("type")
		for _, name := range []string{"key", "label", "type"} {
			if f.Get(name) == nil {
				return nil, missing(f.NameOf(name))
			}
		}
		if err := oneOf(typ, "dropdown", "numeric", "text"); err != nil {
			return nil, err
		}
		if len(shown) == 3 {
			return nil, invalid("", p.Name, "You can only specify up to 3 custom fields.")
		}
		kind := object{"default_value": value(f.Get(typ.String(), "default_value")), "value": nil}
		if typ.String() == "dropdown" {
			options := f.Get("dropdown", "options")
			if options == nil {
				return nil, missing(f.NameOf("dropdown") + "[options]")
			}
			kind["options"] = value(options)
		} else {
			kind["maximum_length"], kind["minimum_length"] = value(f.Get(typ.String(), "maximum_length")), value(f.Get(typ.String(), "minimum_length"))
		}
		shown = append(shown, object{
			"key": value(f.Get("key")), "label": object{"custom": value(f.Get("label", "custom")), "type": valueOr(f.Get("label", "type"), "custom")},
			"optional": f.Get("optional").Bool(), "type": typ.String(), typ.String(): kind,
		})
	}
	return shown, nil
}

// answeredFields returns the fields as the customer leaves them, with their defaults. A required field without a default
// gets its first choice, or as many ones as its minimum length asks for.
func answeredFields(fields []any) []any {
	filled := []any{}
	for _, f := range fields {
		field := f.(object)
		typ := field.str("type")
		kind := field[typ].(object)
		value := kind["default_value"]
		if value == nil && field["optional"] == false {
			if typ == "dropdown" {
				value = kind["options"].([]any)[0].(object)["value"]
			} else {
				least, _ := kind["minimum_length"].(int64)
				value = strings.Repeat("1", max(1, int(least)))
			}
		}
		filled = append(filled, field.with(object{typ: kind.with(object{"value": value})}))
	}
	return filled
}

// consentCollection shows the consent that a session asks for.
// https://docs.stripe.com/payments/checkout/promotional-emails-consent
func consentCollection(p *formparams.Param) (any, *apiError) {
	if p == nil {
		return nil, nil
	}
	if err := oneOf(p.Get("promotions"), "auto", "none"); err != nil {
		return nil, err
	}
	if err := oneOf(p.Get("terms_of_service"), "none", "required"); err != nil {
		return nil, err
	}
	return object{
		"payment_method_reuse_agreement": value(p.Get("payment_method_reuse_agreement")), "promotions": valueOr(p.Get("promotions"), "none"),
		"terms_of_service": valueOr(p.Get("terms_of_service"), "none"),
	}, nil
}

// consent returns the customer's answers: the customer accepts the terms and wants no e-mails.
func consent(asked object) any {
	given := object{"promotions": nil, "terms_of_service": nil}
	if asked["promotions"] == "auto" {
		given["promotions"] = "opt_out"
	}
	if asked["terms_of_service"] == "required" {
		given["terms_of_service"] = "accepted"
	}
	return given
}

// collectAnswers makes the session show what its customer has answered.
func (s *Server) collectAnswers(sess *session) {
	o, p, buyer := sess.object, sess.sent, sess.buyer
	if !p.Get("phone_number_collection", "enabled").Bool() {
		buyer.Phone = ""
	}
	o["customer_details"] = buyer.details(buyer.Address.shown())
	collected := object{"shipping_details": nil}
	if p.Get("shipping_address_collection") != nil {
		collected["shipping_details"] = object{"address": buyer.Address.shown(), "name": buyer.Name}
	}
	o["collected_information"] = collected
	o["custom_fields"] = answeredFields(o["custom_fields"].([]any))
	if asked, ok := o["consent_collection"].(object); ok {
		o["consent"] = consent(asked)
	}
	if tax := o["automatic_tax"].(object); tax["enabled"] == true {
		o["automatic_tax"] = tax.with(object{"status": "complete"}) // the shop is registered for taxes nowhere, so the tax is 0
	}
	s.saveToCustomer(sess)
}
