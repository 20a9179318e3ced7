package checkouttest

import (
	"net/url"
	"slices"
	"strings"
)

// A session can be paid for 24 hours, or for what expires_at says within these limits, in seconds from its creation.
// https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-expires_at
const (
	minLife = 30 * 60
	maxLife = 24 * 60 * 60
)

// newSession builds the session that a request asks for.
func (s *Server) newSession(c *call) (*session, *apiError) {
	p, now := c.params, s.Now().Unix()
	if err := checkSession(p, now); err != nil {
		return nil, err
	}
	meta, err := p.get("metadata").metadata()
	if err != nil {
		return nil, err
	}
	for _, data := range []string{"payment_intent_data", "setup_intent_data", "subscription_data"} {
		if _, err := p.get(data, "metadata").metadata(); err != nil {
			return nil, err
		}
	}
	fields, err := customFields(p.get("custom_fields"))
	if err != nil {
		return nil, err
	}
	asked, err := consentCollection(p.get("consent_collection"))
	if err != nil {
		return nil, err
	}
	var customer object
	if sent := p.get("customer"); sent != nil {
		if customer, err = s.given(c, "customer", sent); err != nil {
			return nil, err
		}
	}
	sess := &session{account: c.account, sent: p}
	if sess.lines, err = s.newLines(sess, now); err != nil {
		return nil, err
	}
	id := s.newID("cs_test_a1", 52)
	mode := p.get("mode").str()
	o := object{
		"id": id, "object": "checkout.session", "created": now, "livemode": false,
		"mode": mode, "status": "open", "payment_status": "unpaid",
		"expires_at": now + maxLife, "metadata": meta,

		"adaptive_pricing":                     p.get("adaptive_pricing").or(object{"enabled": false}),
		"after_expiration":                     nil,
		"allow_promotion_codes":                p.get("allow_promotion_codes").value(),
		"automatic_tax":                        object{"enabled": false, "liability": nil, "provider": nil, "status": nil},
		"billing_address_collection":           p.get("billing_address_collection").value(),
		"cancel_url":                           p.get("cancel_url").value(),
		"client_reference_id":                  p.get("client_reference_id").value(),
		"client_secret":                        nil,
		"collected_information":                nil,
		"consent":                              nil,
		"consent_collection":                   asked,
		"currency_conversion":                  nil,
		"custom_fields":                        fields,
		"custom_text":                          object{"after_submit": nil, "shipping_address": nil, "submit": nil, "terms_of_service_acceptance": nil},
		"customer":                             p.get("customer").value(),
		"customer_creation":                    nil,
		"customer_details":                     nil,
		"customer_email":                       p.get("customer_email").value(),
		"discounts":                            []any{},
		"invoice":                              nil,
		"invoice_creation":                     nil,
		"locale":                               p.get("locale").value(),
		"optional_items":                       nil,
		"origin_context":                       p.get("origin_context").value(),
		"payment_intent":                       nil, // until a payment is tried
		"payment_link":                         nil,
		"payment_method_collection":            p.get("payment_method_collection").or("if_required"),
		"payment_method_configuration_details": nil,
		"payment_method_options":               methodOptions(p),
		"permissions":                          nil,
		"phone_number_collection":              p.get("phone_number_collection").or(object{"enabled": false}),
		"recovered_from":                       nil,
		"saved_payment_method_options":         savedMethodOptions(p),
		"setup_intent":                         nil,
		"shipping_address_collection":          p.get("shipping_address_collection").value(),
		"submit_type":                          p.get("submit_type").value(),
		"subscription":                         nil,
		"success_url":                          p.get("success_url").value(),
		"tax_id_collection":                    object{"enabled": p.get("tax_id_collection", "enabled").bool(), "required": p.get("tax_id_collection", "required").or("never")},
		"ui_mode":                              p.get("ui_mode").or("hosted"),
		"url":                                  nil,
		"wallet_options":                       p.get("wallet_options").value(),
	}
	sess.object = o
	if at := p.get("expires_at"); at != nil {
		o["expires_at"] = at.int()
	}
	if email := p.get("customer_email"); email != nil {
		o["customer_details"] = Buyer{Email: email.str()}.details(nil)
	}
	if customer != nil {
		o["customer_details"] = Buyer{Email: customer.str("email")}.details(nil)
	}
	if recovery := p.get("after_expiration", "recovery"); recovery != nil {
		o["after_expiration"] = object{"recovery": object{
			"allow_promotion_codes": recovery.get("allow_promotion_codes").bool(), "enabled": recovery.get("enabled").bool(), "expires_at": nil, "url": nil,
		}}
	}
	if p.get("automatic_tax", "enabled").bool() {
		o["automatic_tax"] = object{
			"enabled": true, "liability": p.get("automatic_tax", "liability").or(object{"type": "self"}), "provider": "stripe", "status": "requires_location_inputs",
		}
	}
	if texts := p.get("custom_text"); texts != nil {
		shown := object{"after_submit": nil, "shipping_address": nil, "submit": nil, "terms_of_service_acceptance": nil}
		for k, v := range texts.fields {
			shown[k] = v.value()
		}
		o["custom_text"] = shown
	}
	switch o["ui_mode"] {
	case "hosted":
		o["url"] = s.base + "/c/pay/" + id
	default:
		o["client_secret"] = s.newID(id+"_secret_", 26)
		o["redirect_on_completion"] = p.get("redirect_on_completion").or("always")
		if back := p.get("return_url"); back != nil {
			o["return_url"] = back.str()
		}
	}
	if err := s.fillByMode(sess); err != nil {
		return nil, err
	}
	return sess, checkTotal(o)
}

// fillByMode sets what depends on the mode and on the amounts.
func (s *Server) fillByMode(sess *session) *apiError {
	o, p := sess.object, sess.sent
	mode := o.str("mode")
	o["currency"], o["amount_subtotal"], o["amount_total"] = nil, nil, nil
	o["total_details"], o["shipping_cost"], o["shipping_options"] = nil, nil, []any{}
	if mode == "setup" {
		o["currency"] = p.get("currency").value()
		o["payment_status"] = "no_payment_required"
		o["payment_method_types"] = methodTypes(p, "usd")
		o["payment_method_collection"] = "always"
		o["customer_creation"] = p.get("customer_creation").value()
		return nil
	}
	currency := sess.lines[0].str("currency")
	if named := p.get("currency"); named != nil && strings.ToLower(named.str()) != currency {
		return invalid("", "currency", "The price specified only supports `%s`. This doesn't match the expected currency: `%s`.", currency, named.str())
	}
	var subtotal int64
	for _, line := range sess.lines {
		subtotal += line["amount_total"].(int64)
	}
	shipping, err := s.shipping(sess, currency)
	if err != nil {
		return err
	}
	o["currency"], o["amount_subtotal"], o["amount_total"] = currency, subtotal, subtotal+shipping
	o["total_details"] = object{"amount_discount": int64(0), "amount_shipping": shipping, "amount_tax": int64(0)}
	o["payment_method_types"] = methodTypes(p, currency)
	if subtotal+shipping == 0 {
		o["payment_status"] = "no_payment_required"
	}
	if mode == "subscription" {
		o["payment_method_collection"] = p.get("payment_method_collection").or("always")
		if o["saved_payment_method_options"] == nil {
			o["saved_payment_method_options"] = object{"allow_redisplay_filters": []string{"always"}, "payment_method_remove": nil, "payment_method_save": nil}
		}
		return nil
	}
	o["customer_creation"] = p.get("customer_creation").or("if_required")
	if p.get("customer") != nil {
		o["customer_creation"] = nil
	}
	o["invoice_creation"] = object{
		"enabled": p.get("invoice_creation", "enabled").bool(),
		"invoice_data": object{
			"account_tax_ids": nil, "custom_fields": nil, "description": nil, "footer": nil, "issuer": nil, "metadata": object{}, "rendering_options": nil,
		},
	}
	return nil
}

// savedMethodOptions is how a returning customer's payment methods are shown and saved.
func savedMethodOptions(p *param) any {
	sent := p.get("saved_payment_method_options")
	if sent == nil {
		return nil
	}
	return object{
		"allow_redisplay_filters": sent.get("allow_redisplay_filters").value(), "payment_method_remove": sent.get("payment_method_remove").value(),
		"payment_method_save": sent.get("payment_method_save").value(),
	}
}

// methodOptions are the settings of single payment methods, as they were sent.
func methodOptions(p *param) object {
	shown, ok := p.get("payment_method_options").value().(object)
	if !ok {
		return object{}
	}
	if card, ok := shown["card"].(object); ok {
		shown["card"] = object{"request_three_d_secure": "automatic"}.with(card)
	}
	return shown
}

// methodTypes is what the session lets its customer pay with: what was asked for, or what the server offers.
func methodTypes(p *param, currency string) []string {
	if asked := p.get("payment_method_types").strings(); asked != nil {
		return asked
	}
	if p.get("payment_intent_data", "capture_method").str() == "manual" {
		return []string{"card"} // a bank debit can't be captured later
	}
	return []string{"card", debitType(currency)}
}

// debitType is the bank debit for a currency. There is one for each: a test wants a delayed method whatever it sells in.
func debitType(currency string) string {
	switch currency {
	case "usd":
		return "us_bank_account"
	case "gbp":
		return "bacs_debit"
	case "cad":
		return "acss_debit"
	case "aud":
		return "au_becs_debit"
	default:
		return "sepa_debit"
	}
}

func (sess *session) offers(methodType string) bool {
	types, _ := sess.object["payment_method_types"].([]string)
	return slices.Contains(types, methodType)
}

func (sess *session) offersDebit() bool {
	types, _ := sess.object["payment_method_types"].([]string)
	return slices.ContainsFunc(types, func(t string) bool { return slices.Contains(debits, t) })
}

// checkSession refuses what Stripe refuses of a session's parameters, besides what newLines looks at.
// https://docs.stripe.com/api/checkout/sessions/create
func checkSession(p *param, now int64) *apiError {
	for _, check := range []func(p *param) *apiError{checkEnums, checkURLs, checkReferences, checkModeFits} {
		if err := check(p); err != nil {
			return err
		}
	}
	if at := p.get("expires_at"); at != nil {
		switch life := at.int() - now; {
		case life < minLife:
			return invalid("", "expires_at", "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.")
		case life > maxLife:
			return invalid("", "expires_at", "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.")
		}
	}
	return nil
}

func checkEnums(p *param) *apiError {
	if p.get("mode") == nil {
		return missing("mode")
	}
	for _, e := range []struct {
		path    []string
		allowed []string
	}{
		{[]string{"mode"}, []string{"payment", "setup", "subscription"}},
		{[]string{"ui_mode"}, []string{"custom", "embedded", "hosted"}},
		{[]string{"billing_address_collection"}, []string{"auto", "required"}},
		{[]string{"customer_creation"}, []string{"always", "if_required"}},
		{[]string{"payment_method_collection"}, []string{"always", "if_required"}},
		{[]string{"redirect_on_completion"}, []string{"always", "if_required", "never"}},
		{[]string{"submit_type"}, []string{"auto", "book", "donate", "pay", "subscribe"}},
		{[]string{"payment_intent_data", "capture_method"}, []string{"automatic", "automatic_async", "manual"}},
		{[]string{"payment_intent_data", "setup_future_usage"}, []string{"off_session", "on_session"}},
	} {
		if err := oneOf(p.get(e.path...), e.allowed...); err != nil {
			return err
		}
	}
	return nil
}

func checkURLs(p *param) *apiError {
	switch ui := p.get("ui_mode").str(); {
	case ui == "" || ui == "hosted":
		if p.get("success_url") == nil {
			return missing("success_url")
		}
		if p.get("return_url") != nil {
			return invalid("", "return_url", "`return_url` can only be used with `ui_mode: embedded` or `ui_mode: custom`.")
		}
	case p.get("success_url") != nil || p.get("cancel_url") != nil:
		return invalid("", "success_url", "`success_url` and `cancel_url` can not be used with `ui_mode: %s`. Use `return_url` instead.", ui)
	case p.get("return_url") == nil && p.get("redirect_on_completion").str() != "never":
		return missing("return_url")
	}
	for _, name := range []string{"success_url", "cancel_url", "return_url"} {
		if got := p.get(name); got != nil {
			u, err := url.Parse(strings.ReplaceAll(got.str(), "{CHECKOUT_SESSION_ID}", "id"))
			if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
				return invalid("url_invalid", name, "Not a valid URL")
			}
		}
	}
	return nil
}

func checkReferences(p *param) *apiError {
	if ref := p.get("client_reference_id").str(); len(ref) > 200 {
		return invalid("parameter_invalid_string", "client_reference_id", "Invalid string: %s…; must be at most 200 characters", ref[:20])
	}
	if p.get("customer") != nil && p.get("customer_email") != nil {
		return invalid("", "customer_email", "You may only specify one of these parameters: customer, customer_email.")
	}
	if email := p.get("customer_email"); email != nil && !validEmail(email.str()) {
		return invalid("email_invalid", "customer_email", "Invalid email address.")
	}
	return nil
}

// checkTotal refuses a session that is not free and of less than can be charged.
func checkTotal(o object) *apiError {
	total, _ := o["amount_total"].(int64)
	least := minimums[o.str("currency")]
	if total == 0 || total >= least {
		return nil
	}
	return invalid("amount_too_small", "", "The Checkout Session's total amount due must add up to at least %s", money(least, o.str("currency")))
}

// checkModeFits refuses parameters that the mode does not allow.
func checkModeFits(p *param) *apiError {
	mode := p.get("mode").str()
	only := map[string][]string{
		"payment_intent_data": {"payment"}, "setup_intent_data": {"setup"}, "subscription_data": {"subscription"},
		"invoice_creation": {"payment"}, "submit_type": {"payment", "subscription"}, "customer_creation": {"payment", "setup"},
		"shipping_options": {"payment"}, "line_items": {"payment", "subscription"}, "payment_method_collection": {"subscription"},
	}
	for _, name := range []string{
		"payment_intent_data", "setup_intent_data", "subscription_data", "invoice_creation", "submit_type", "customer_creation",
		"shipping_options", "line_items", "payment_method_collection",
	} {
		if p.get(name) != nil && !slices.Contains(only[name], mode) {
			return invalid("", name, "You can not pass `%s` in `%s` mode.", name, mode)
		}
	}
	for _, name := range []string{"billing_cycle_anchor", "trial_end", "trial_period_days", "trial_settings"} {
		if sent := p.get("subscription_data", name); sent != nil {
			return notDone(sent)
		}
	}
	switch {
	case mode == "setup":
		if p.get("currency") == nil && p.get("payment_method_types") == nil {
			return missing("currency")
		}
	case p.get("line_items") == nil:
		return missing("line_items")
	}
	return nil
}
