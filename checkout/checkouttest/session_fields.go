package checkouttest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

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

// answeredFields returns the fields as the customer leaves them. A field that a buyer in a test does not answer has its default, and a
// required field without a default gets its first choice, or as many ones as its minimum length asks for.
func (b Buyer) answeredFields(fields []any) []any {
	filled := []any{}
	for _, f := range fields {
		field := f.(object)
		kind := field[field.str("type")].(object)
		answer, answered := b.Answers[field.str("key")]
		value := orNull(answer)
		if !answered && !b.typed {
			value = defaultAnswer(field)
		}
		filled = append(filled, field.with(object{field.str("type"): kind.with(object{"value": value})}))
	}
	return filled
}

// defaultAnswer returns the answer that a field has by default, or nil.
func defaultAnswer(field object) any {
	kind := field[field.str("type")].(object)
	switch {
	case kind["default_value"] != nil, field["optional"] == true:
		return kind["default_value"]
	case field["type"] == "dropdown":
		return kind["options"].([]any)[0].(object)["value"]
	default:
		least, _ := kind["minimum_length"].(int64)
		return strings.Repeat("1", max(1, int(least)))
	}
}

// wrongAnswer says what is wrong with an answer to a field, as a text of the page with its arguments. It returns "" for a good answer.
func wrongAnswer(field object, answer string) (text string, args []any) {
	kind := field[field.str("type")].(object)
	least, _ := kind["minimum_length"].(int64)
	most, limited := kind["maximum_length"].(int64)
	length := int64(utf8.RuneCountInString(answer))
	switch {
	case answer == "" && field["optional"] == true:
		return "", nil
	case answer == "":
		return "This field is required.", nil
	case field["type"] == "dropdown":
		if !slices.ContainsFunc(kind["options"].([]any), func(o any) bool { return o.(object)["value"] == answer }) {
			return "Choose one of the options.", nil
		}
		return "", nil
	case field["type"] == "numeric" && digits(answer) != answer:
		return "Enter digits only.", nil
	case length < least:
		return "Enter at least %d characters.", []any{least}
	case limited && length > most, length > maxAnswer:
		return "Enter at most %d characters.", []any{min(cmp.Or(most, maxAnswer), maxAnswer)}
	}
	return "", nil
}

// maxAnswer is the greatest length of an answer: https://docs.stripe.com/payments/checkout/custom-fields
const maxAnswer = 255

// checkAnswers refuses answers that the session's fields do not take.
func (sess *session) checkAnswers(answers map[string]string) error {
	fields := sess.object["custom_fields"].([]any)
	for _, key := range slices.Sorted(maps.Keys(answers)) {
		i := slices.IndexFunc(fields, func(f any) bool { return f.(object)["key"] == key })
		if i < 0 {
			return fmt.Errorf("%w: it has no custom field %q", ErrAnswer, key)
		}
		if text, args := wrongAnswer(fields[i].(object), answers[key]); text != "" {
			return fmt.Errorf("%w: %s: %s", ErrAnswer, key, english.Say(text, args...))
		}
	}
	return nil
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

// consent returns the customer's answers. Nobody completes a session without accepting the terms that it requires.
func (b Buyer) consent(asked object) any {
	given := object{"promotions": nil, "terms_of_service": nil}
	if asked["promotions"] == "auto" {
		given["promotions"] = "opt_out"
		if b.AcceptsEmails {
			given["promotions"] = "opt_in"
		}
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
	if !sess.collectsTaxID() {
		buyer.TaxID, buyer.BusinessName = "", ""
	}
	o["customer_details"] = buyer.details(buyer.Address.shown())
	collected := object{"shipping_details": nil}
	if p.Get("shipping_address_collection") != nil {
		collected["shipping_details"] = object{"address": buyer.ShipTo.Address.shown(), "name": orNull(buyer.ShipTo.Name)}
	}
	o["collected_information"] = collected
	o["custom_fields"] = buyer.answeredFields(o["custom_fields"].([]any))
	if asked, ok := o["consent_collection"].(object); ok {
		o["consent"] = buyer.consent(asked)
	}
	if tax := o["automatic_tax"].(object); tax["enabled"] == true {
		o["automatic_tax"] = tax.with(object{"status": "complete"})
	}
	s.saveToCustomer(sess)
}

// collectsTaxID reports whether the session asks businesses for their tax ID.
func (sess *session) collectsTaxID() bool {
	return sess.sent.Get("tax_id_collection", "enabled").Bool()
}

// requiresTaxID reports whether a customer from a country must give a tax ID.
// https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-tax_id_collection-required
func (sess *session) requiresTaxID(country string) bool {
	return sess.collectsTaxID() && sess.sent.Get("tax_id_collection", "required").String() == "if_supported" && taxIDType(country) != ""
}
