package checkouttest

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// checkSession refuses what Stripe refuses of a session's parameters, besides what newLines looks at.
// https://docs.stripe.com/api/checkout/sessions/create
func checkSession(p *param, now int64) *apiError {
	for _, check := range []func(p *param) *apiError{checkEnums, checkURLs, checkReferences, checkTexts, checkModeFits} {
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
			if utf8.RuneCountInString(got.str()) > 5000 {
				return invalid("url_invalid", name, "Invalid URL: URL must be 5000 characters or less.")
			}
			u, err := url.Parse(strings.ReplaceAll(got.str(), "{CHECKOUT_SESSION_ID}", "id"))
			if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
				return invalid("url_invalid", name, "Not a valid URL")
			}
		}
	}
	return nil
}

func checkReferences(p *param) *apiError {
	if err := atMost(200, p.get("client_reference_id")); err != nil {
		return err
	}
	if p.get("customer") != nil && p.get("customer_email") != nil {
		return invalid("", "customer_email", "You may only specify one of these parameters: customer, customer_email.")
	}
	if email := p.get("customer_email"); email != nil && !validEmail(email.str()) {
		return invalid("email_invalid", "customer_email", "Invalid email address.")
	}
	return nil
}

// checkTexts refuses texts that are longer than Stripe's OpenAPI description allows, and countries that it does not list.
// The limit of an image's URL is that of https://docs.stripe.com/api/products/create#create_product-url.
func checkTexts(p *param) *apiError {
	for _, item := range p.get("line_items").list() {
		product := item.get("price_data", "product_data")
		images := product.get("images")
		if len(images.list()) > 8 {
			return invalid("", images.name, "You can only specify up to 8 images.")
		}
		for _, image := range images.list() {
			if utf8.RuneCountInString(image.str()) > 2048 {
				return invalid("url_invalid", image.name, "Invalid URL: URL must be 2048 characters or less.")
			}
		}
		if err := atMost(5000, product.get("name")); err != nil {
			return err
		}
		if err := atMost(40_000, product.get("description")); err != nil {
			return err
		}
	}
	for _, option := range p.get("shipping_options").list() {
		if err := atMost(100, option.get("shipping_rate_data", "display_name")); err != nil {
			return err
		}
	}
	for _, country := range p.get("shipping_address_collection", "allowed_countries").list() {
		if err := oneOf(country, shippingCountries...); err != nil {
			return err
		}
	}
	return nil
}

// atMost refuses a text of more than so many characters.
func atMost(most int, p *param) *apiError {
	if text := []rune(p.str()); len(text) > most {
		return invalid("parameter_invalid_string", p.name, "Invalid string: %s…; must be at most %d characters", string(text[:20]), most)
	}
	return nil
}

// shippingCountries are the countries that can be asked for a shipping address.
var shippingCountries = strings.Fields(`AC AD AE AF AG AI AL AM AO AQ AR AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR
BS BT BV BW BY BZ CA CD CF CG CH CI CK CL CM CN CO CR CV CW CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FO FR GA GB GD
GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HN HR HT HU ID IE IL IM IN IO IQ IS IT JE JM JO JP KE KG KH KI KM KN KR KW KY
KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MK ML MM MN MO MQ MR MS MT MU MV MW MX MY MZ NA NC NE NG NI NL NO NP NR NU
NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SZ TA TC
TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VG VN VU WF WS XK YE YT ZA ZM ZW ZZ`)

// validEmail accepts what has one @ between two parts without spaces; more is for the receiving server to say.
func validEmail(s string) bool {
	user, host, ok := strings.Cut(s, "@")
	return ok && user != "" && host != "" && !strings.ContainsAny(s, " \t\r\n") && !strings.Contains(host, "@") && len(s) <= 512
}

// minimums are the least that can be charged, in minor units; of other currencies Stripe asks for the worth of 0.50 USD.
// https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
var minimums = map[string]int64{
	"aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500,
	"inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000, "usd": 50,
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
