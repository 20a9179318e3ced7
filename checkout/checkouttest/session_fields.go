package checkouttest

import (
	"strings"
)

// What a session asks of its customer besides the payment, and what the customer answers here: whatever is asked for.

// customFields shows the fields that a session asks for, without values yet.
// https://docs.stripe.com/payments/checkout/custom-fields
func customFields(p *param) ([]any, *apiError) {
	shown := []any{}
	for _, f := range p.list() {
		typ := f.get("type")
		for _, name := range []string{"key", "label", "type"} {
			if f.get(name) == nil {
				return nil, missing(f.nameOf(name))
			}
		}
		if err := oneOf(typ, "dropdown", "numeric", "text"); err != nil {
			return nil, err
		}
		if len(shown) == 3 {
			return nil, invalid("", p.name, "You can only specify up to 3 custom fields.")
		}
		kind := object{"default_value": f.get(typ.str(), "default_value").value(), "value": nil}
		if typ.str() == "dropdown" {
			if kind["options"] = f.get("dropdown", "options").or([]any{}); f.get("dropdown", "options") == nil {
				return nil, missing(f.nameOf("dropdown") + "[options]")
			}
		} else {
			kind["maximum_length"], kind["minimum_length"] = f.get(typ.str(), "maximum_length").value(), f.get(typ.str(), "minimum_length").value()
		}
		shown = append(shown, object{
			"key": f.get("key").value(), "label": object{"custom": f.get("label", "custom").value(), "type": f.get("label", "type").or("custom")},
			"optional": f.get("optional").bool(), "type": typ.str(), typ.str(): kind,
		})
	}
	return shown, nil
}

// filledIn are the fields as the customer leaves them: with their defaults and, where something is required, with the first
// choice, or with as many ones as will do.
func filledIn(fields []any) []any {
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

// consentCollection shows what a session asks consent to. https://docs.stripe.com/payments/checkout/promotional-emails-consent
func consentCollection(p *param) (any, *apiError) {
	if p == nil {
		return nil, nil
	}
	if err := oneOf(p.get("promotions"), "auto", "none"); err != nil {
		return nil, err
	}
	if err := oneOf(p.get("terms_of_service"), "none", "required"); err != nil {
		return nil, err
	}
	return object{
		"payment_method_reuse_agreement": p.get("payment_method_reuse_agreement").value(), "promotions": p.get("promotions").or("none"),
		"terms_of_service": p.get("terms_of_service").or("none"),
	}, nil
}

// consent is what the customer agreed to: to the terms, and to no e-mails.
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

// answerAll has the session show what its customer answered.
func (s *Server) answerAll(sess *session) {
	o, p, buyer := sess.object, sess.sent, sess.buyer
	if !p.get("phone_number_collection", "enabled").bool() {
		buyer.Phone = ""
	}
	o["customer_details"] = buyer.details(buyer.Address.shown())
	collected := object{"shipping_details": nil}
	if p.get("shipping_address_collection") != nil {
		collected["shipping_details"] = object{"address": buyer.Address.shown(), "name": buyer.Name}
	}
	o["collected_information"] = collected
	o["custom_fields"] = filledIn(o["custom_fields"].([]any))
	if asked, ok := o["consent_collection"].(object); ok {
		o["consent"] = consent(asked)
	}
	if tax := o["automatic_tax"].(object); tax["enabled"] == true {
		o["automatic_tax"] = tax.with(object{"status": "complete"}) // the shop is registered nowhere: there is no tax to collect
	}
	s.saveToCustomer(sess)
}
