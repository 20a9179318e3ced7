package checkouttest

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// A session can be paid for 24 hours, or until expires_at. These are the limits of expires_at, in seconds from the
// session's creation. https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-expires_at
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
	meta, err := metadataOf(p.Get("metadata"))
	if err != nil {
		return nil, err
	}
	for _, data := range []string{"payment_intent_data", "setup_intent_data", "subscription_data"} {
		if _, err := metadataOf(p.Get(data, "metadata")); err != nil {
			return nil, err
		}
	}
	fields, err := customFields(p.Get("custom_fields"))
	if err != nil {
		return nil, err
	}
	asked, err := consentCollection(p.Get("consent_collection"))
	if err != nil {
		return nil, err
	}
	var customer object
	if sent := p.Get("customer"); sent != nil {
		customer, err = s.objectInParam(c, "customer", sent)
		if err != nil {
			return nil, err
		}
	}
	sess := &session{account: c.account, sent: p}
	sess.lines, err = s.newLines(sess, now)
	if err != nil {
		return nil, err
	}
	id := s.newID("cs_test_a1", 52)
	mode := p.Get("mode").String()
	o := object{
		"id": id, "object": "checkout.session", "created": now, "livemode": false,
		"mode": mode, "status": "open", "payment_status": "unpaid",
		"expires_at": now + maxLife, "metadata": meta,

		"adaptive_pricing":                     valueOr(p.Get("adaptive_pricing"), object{"enabled": false}),
		"after_expiration":                     nil,
		"allow_promotion_codes":                value(p.Get("allow_promotion_codes")),
		"automatic_tax":                        object{"enabled": false, "liability": nil, "provider": nil, "status": nil},
		"billing_address_collection":           value(p.Get("billing_address_collection")),
		"cancel_url":                           value(p.Get("cancel_url")),
		"client_reference_id":                  value(p.Get("client_reference_id")),
		"client_secret":                        nil,
		"collected_information":                nil,
		"consent":                              nil,
		"consent_collection":                   asked,
		"currency_conversion":                  nil,
		"custom_fields":                        fields,
		"custom_text":                          object{"after_submit": nil, "shipping_address": nil, "submit": nil, "terms_of_service_acceptance": nil},
		"customer":                             value(p.Get("customer")),
		"customer_creation":                    nil,
		"customer_details":                     nil,
		"customer_email":                       value(p.Get("customer_email")),
		"discounts":                            []any{},
		"invoice":                              nil,
		"invoice_creation":                     nil,
		"locale":                               value(p.Get("locale")),
		"optional_items":                       nil,
		"origin_context":                       value(p.Get("origin_context")),
		"payment_intent":                       nil, // until the customer tries to pay
		"payment_link":                         nil,
		"payment_method_collection":            valueOr(p.Get("payment_method_collection"), "if_required"),
		"payment_method_configuration_details": nil,
		"payment_method_options":               nil, // setMethods sets it, with the types
		"permissions":                          nil,
		"phone_number_collection":              valueOr(p.Get("phone_number_collection"), object{"enabled": false}),
		"recovered_from":                       nil,
		"saved_payment_method_options":         savedMethodOptions(p),
		"setup_intent":                         nil,
		"shipping_address_collection":          value(p.Get("shipping_address_collection")),
		"submit_type":                          value(p.Get("submit_type")),
		"subscription":                         nil,
		"success_url":                          value(p.Get("success_url")),
		"tax_id_collection":                    object{"enabled": p.Get("tax_id_collection", "enabled").Bool(), "required": valueOr(p.Get("tax_id_collection", "required"), "never")},
		"ui_mode":                              valueOr(p.Get("ui_mode"), "hosted"),
		"url":                                  nil,
		"wallet_options":                       value(p.Get("wallet_options")),
	}
	sess.object = o
	if at := p.Get("expires_at"); at != nil {
		o["expires_at"] = at.Int()
	}
	if email := p.Get("customer_email"); email != nil {
		o["customer_details"] = Buyer{Email: email.String()}.details(nil)
	}
	if customer != nil {
		o["customer_details"] = Buyer{Email: customer.str("email")}.details(nil)
	}
	if recovery := p.Get("after_expiration", "recovery"); recovery != nil {
		o["after_expiration"] = object{"recovery": object{
			"allow_promotion_codes": recovery.Get("allow_promotion_codes").Bool(), "enabled": recovery.Get("enabled").Bool(), "expires_at": nil, "url": nil,
		}}
	}
	if p.Get("automatic_tax", "enabled").Bool() {
		o["automatic_tax"] = object{
			"enabled": true, "liability": valueOr(p.Get("automatic_tax", "liability"), object{"type": "self"}), "provider": "stripe", "status": "requires_location_inputs",
		}
	}
	if texts := p.Get("custom_text"); texts != nil {
		shown := object{"after_submit": nil, "shipping_address": nil, "submit": nil, "terms_of_service_acceptance": nil}
		for k, v := range texts.Fields {
			shown[k] = value(v)
		}
		o["custom_text"] = shown
	}
	switch o["ui_mode"] {
	case "hosted":
		o["url"] = s.base + "/c/pay/" + id
	default:
		o["client_secret"] = s.newID(id+"_secret_", 26)
		o["redirect_on_completion"] = valueOr(p.Get("redirect_on_completion"), "always")
		if back := p.Get("return_url"); back != nil {
			o["return_url"] = back.String()
		}
	}
	if err := s.setReduction(c, sess); err != nil {
		return nil, err
	}
	if err := s.setExtras(sess); err != nil {
		return nil, err
	}
	if err := s.setTaxes(sess); err != nil {
		return nil, err
	}
	if err := s.fillByMode(sess); err != nil {
		return nil, err
	}
	return sess, checkTotal(o)
}

// fillByMode sets the fields that depend on the mode and on the amounts.
func (s *Server) fillByMode(sess *session) *apiError {
	o, p := sess.object, sess.sent
	mode := o.str("mode")
	o["currency"], o["amount_subtotal"], o["amount_total"] = nil, nil, nil
	o["total_details"], o["shipping_cost"], o["shipping_options"] = nil, nil, []any{}
	if mode == "setup" {
		o["currency"] = value(p.Get("currency"))
		o["payment_status"] = "no_payment_required"
		sess.setMethods(p, "usd")
		o["payment_method_collection"] = "always"
		o["customer_creation"] = value(p.Get("customer_creation"))
		intent := s.newSetupIntent(sess)
		o["setup_intent"] = intent["id"]
		sess.made = append(sess.made, intent)
		return nil
	}
	currency := sess.lines[0].str("currency")
	if named := p.Get("currency"); named != nil && strings.ToLower(named.String()) != currency {
		return invalid("", "currency", "The price specified only supports `%s`. This doesn't match the expected currency: `%s`.", currency, named.String())
	}
	if err := s.setShipping(sess, currency); err != nil {
		return err
	}
	o["currency"] = currency
	s.total(sess)
	sess.setMethods(p, currency)
	if sess.offers(customerBalance) {
		if err := checkTransfer(p, currency); err != nil {
			return err
		}
	}
	if o["amount_total"] == int64(0) {
		o["payment_status"] = "no_payment_required"
	}
	if mode == "subscription" {
		o["payment_method_collection"] = valueOr(p.Get("payment_method_collection"), "always")
		if o["saved_payment_method_options"] == nil {
			o["saved_payment_method_options"] = object{"allow_redisplay_filters": []string{"always"}, "payment_method_remove": nil, "payment_method_save": nil}
		}
		return nil
	}
	o["customer_creation"] = valueOr(p.Get("customer_creation"), "if_required")
	if p.Get("customer") != nil {
		o["customer_creation"] = nil
	}
	creation, err := sess.invoiceCreation()
	o["invoice_creation"] = creation
	return err
}

// savedMethodOptions shows how the session offers and saves payment methods of a returning customer.
func savedMethodOptions(p *formparams.Param) any {
	sent := p.Get("saved_payment_method_options")
	if sent == nil {
		return nil
	}
	return object{
		"allow_redisplay_filters": value(sent.Get("allow_redisplay_filters")), "payment_method_remove": value(sent.Get("payment_method_remove")),
		"payment_method_save": value(sent.Get("payment_method_save")),
	}
}

// setMethods sets the types of payment methods that a session takes, and the settings of single types. Cards have settings
// also if none were sent.
func (sess *session) setMethods(p *formparams.Param, currency string) {
	types := methodTypes(p, currency)
	options, sent := value(p.Get("payment_method_options")).(object)
	if !sent {
		options = object{}
	}
	card, sent := options["card"].(object)
	if sent || slices.Contains(types, "card") {
		options["card"] = object{"request_three_d_secure": "automatic"}.with(card)
	}
	sess.object["payment_method_types"], sess.object["payment_method_options"] = types, options
}

// intentOptions shows a session's settings of payment methods as its payment intent does.
func (sess *session) intentOptions() object {
	options := maps.Clone(sess.object["payment_method_options"].(object))
	if card, ok := options["card"].(object); ok {
		options["card"] = object{"installments": nil, "mandate_options": nil, "network": nil}.with(card)
	}
	return options
}

// methodTypes returns the types of payment methods that a session takes: those that the request lists, or the server's.
func methodTypes(p *formparams.Param, currency string) []string {
	if asked := p.Get("payment_method_types").Strings(); asked != nil {
		return asked
	}
	if p.Get("payment_intent_data", "capture_method").String() == "manual" {
		return []string{"card"} // a bank debit can't be captured later
	}
	return []string{"card", debitType(currency)}
}

// debitType returns a bank debit for a currency. Every currency has one, so that a test has a delayed method in each.
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

// offers reports whether a session takes a type of payment method.
func (sess *session) offers(methodType string) bool {
	types, _ := sess.object["payment_method_types"].([]string)
	return slices.Contains(types, methodType)
}

// offersDebit reports whether a session takes a bank debit.
func (sess *session) offersDebit() bool {
	types, _ := sess.object["payment_method_types"].([]string)
	return slices.ContainsFunc(types, func(t string) bool { return slices.Contains(debits, t) })
}

// checkSession refuses the parameters of a session that Stripe refuses. newLines checks those of the lines.
// https://docs.stripe.com/api/checkout/sessions/create
func checkSession(p *formparams.Param, now int64) *apiError {
	for _, check := range []func(p *formparams.Param) *apiError{checkEnums, checkURLs, checkReferences, checkTexts, checkModeFits} {
		if err := check(p); err != nil {
			return err
		}
	}
	trial := p.Get("subscription_data")
	if err := checkTrial(trial, now); err != nil {
		return err
	}
	if end := trial.Get("trial_end"); end != nil && end.Int() < now+int64(minTrial.Seconds()) {
		return invalid("", end.Name, "The `trial_end` date has to be at least 2 days in the future.")
	}
	if at := p.Get("expires_at"); at != nil {
		life := at.Int() - now
		switch {
		case life < minLife:
			return invalid("", "expires_at", "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.")
		case life > maxLife:
			return invalid("", "expires_at", "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.")
		}
	}
	return nil
}

func checkEnums(p *formparams.Param) *apiError {
	if p.Get("mode") == nil {
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
		{[]string{"locale"}, locales},
		{[]string{"tax_id_collection", "required"}, []string{"if_supported", "never"}},
	} {
		if err := oneOf(p.Get(e.path...), e.allowed...); err != nil {
			return err
		}
	}
	return nil
}

func checkURLs(p *formparams.Param) *apiError {
	ui := p.Get("ui_mode").String()
	switch {
	case ui == "" || ui == "hosted":
		if p.Get("success_url") == nil {
			return missing("success_url")
		}
		if p.Get("return_url") != nil {
			return invalid("", "return_url", "`return_url` can only be used with `ui_mode: embedded` or `ui_mode: custom`.")
		}
	case p.Get("success_url") != nil || p.Get("cancel_url") != nil:
		return invalid("", "success_url", "`success_url` and `cancel_url` can not be used with `ui_mode: %s`. Use `return_url` instead.", ui)
	case p.Get("return_url") == nil && p.Get("redirect_on_completion").String() != "never":
		return missing("return_url")
	}
	for _, name := range []string{"success_url", "cancel_url", "return_url"} {
		if got := p.Get(name); got != nil {
			if utf8.RuneCountInString(got.String()) > 5000 {
				return invalid("url_invalid", name, "Invalid URL: URL must be 5000 characters or less.")
			}
			u, err := url.Parse(strings.ReplaceAll(got.String(), "{CHECKOUT_SESSION_ID}", "id"))
			if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
				return invalid("url_invalid", name, "Not a valid URL")
			}
		}
	}
	return nil
}

func checkReferences(p *formparams.Param) *apiError {
	if err := atMost(200, p.Get("client_reference_id")); err != nil {
		return err
	}
	if p.Get("customer") != nil && p.Get("customer_email") != nil {
		return invalid("", "customer_email", "You may only specify one of these parameters: customer, customer_email.")
	}
	if email := p.Get("customer_email"); email != nil && !validEmail(email.String()) {
		return invalid("email_invalid", "customer_email", "Invalid email address.")
	}
	return nil
}

// checkTotal refuses a session whose total is too small to be charged. A total of 0 is free and allowed.
func checkTotal(o object) *apiError {
	total, _ := o["amount_total"].(int64)
	least := minimums[o.str("currency")]
	if total == 0 || total >= least {
		return nil
	}
	return invalid("amount_too_small", "", "The Checkout Session's total amount due must add up to at least %s", money(least, o.str("currency")))
}

// checkModeFits refuses parameters that the session's mode does not allow.
func checkModeFits(p *formparams.Param) *apiError {
	mode := p.Get("mode").String()
	only := map[string][]string{
		"payment_intent_data": {"payment"}, "setup_intent_data": {"setup"}, "subscription_data": {"subscription"},
		"discounts": {"payment", "subscription"}, "invoice_creation": {"payment"}, "submit_type": {"payment", "subscription"}, "customer_creation": {"payment", "setup"},
		"shipping_options": {"payment"}, "line_items": {"payment", "subscription"}, "optional_items": {"payment", "subscription"}, "payment_method_collection": {"subscription"},
	}
	for _, name := range []string{
		"payment_intent_data", "setup_intent_data", "subscription_data", "discounts", "invoice_creation", "submit_type", "customer_creation",
		"shipping_options", "line_items", "optional_items", "payment_method_collection",
	} {
		if p.Get(name) != nil && !slices.Contains(only[name], mode) {
			return invalid("", name, "You can not pass `%s` in `%s` mode.", name, mode)
		}
	}
	switch {
	case mode == "setup":
		if p.Get("currency") == nil && p.Get("payment_method_types") == nil {
			return missing("currency")
		}
	case p.Get("line_items") == nil:
		return missing("line_items")
	}
	return nil
}

// checkTexts refuses texts that are longer than Stripe's OpenAPI description allows, and countries that it does not list.
// The limit of an image's URL is that of https://docs.stripe.com/api/products/create#create_product-url.
func checkTexts(p *formparams.Param) *apiError {
	for _, item := range p.Get("line_items").List() {
		product := item.Get("price_data", "product_data")
		images := product.Get("images")
		if len(images.List()) > 8 {
			return invalid("", images.Name, "You can only specify up to 8 images.")
		}
		for _, image := range images.List() {
			if utf8.RuneCountInString(image.String()) > 2048 {
				return invalid("url_invalid", image.Name, "Invalid URL: URL must be 2048 characters or less.")
			}
		}
		if err := atMost(5000, product.Get("name")); err != nil {
			return err
		}
		if err := atMost(40_000, product.Get("description")); err != nil {
			return err
		}
	}
	for _, option := range p.Get("shipping_options").List() {
		if err := atMost(100, option.Get("shipping_rate_data", "display_name")); err != nil {
			return err
		}
	}
	for _, country := range p.Get("shipping_address_collection", "allowed_countries").List() {
		if err := oneOf(country, shippingCountries...); err != nil {
			return err
		}
	}
	return nil
}

// atMost refuses a text of more than so many characters.
func atMost(most int, p *formparams.Param) *apiError {
	if text := []rune(p.String()); len(text) > most {
		return invalid("parameter_invalid_string", p.Name, "Invalid string: %s…; must be at most %d characters", string(text[:20]), most)
	}
	return nil
}

// locales are the languages that a session can name for its page.
// https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-locale
var locales = strings.Fields(`auto bg cs da de el en en-GB es es-419 et fi fil fr fr-CA hr hu id it ja ko lt lv ms mt nb nl pl pt
pt-BR ro ru sk sl sv th tr vi zh zh-HK zh-TW`)

// shippingCountries are the countries that can be asked for a shipping address.
var shippingCountries = strings.Fields(`AC AD AE AF AG AI AL AM AO AQ AR AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR
BS BT BV BW BY BZ CA CD CF CG CH CI CK CL CM CN CO CR CV CW CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FO FR GA GB GD
GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HN HR HT HU ID IE IL IM IN IO IQ IS IT JE JM JO JP KE KG KH KI KM KN KR KW KY
KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MK ML MM MN MO MQ MR MS MT MU MV MW MX MY MZ NA NC NE NG NI NL NO NP NR NU
NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SZ TA TC
TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VG VN VU WF WS XK YE YT ZA ZM ZW ZZ`)
