package checkout

import (
	"fmt"
	"maps"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of a session's life. Stripe takes 30 minutes to 24 hours, measured by its own clock. A minute is left at both
// ends in case the clocks differ.
// Source: https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-expires_at.
const (
	minSessionLife = 31 * time.Minute
	maxSessionLife = 24*time.Hour - time.Minute
)

// Limits of metadata: https://docs.stripe.com/metadata.
const (
	maxMetadataKeys  = 50
	maxMetadataKey   = 40
	maxMetadataValue = 500
)

// Limits of texts, in characters, as Stripe's OpenAPI description has them (https://github.com/stripe/openapi). It has
// none for URLs and e-mail addresses; those are the limits that Stripe's error messages name.
const (
	maxName        = 5000
	maxDescription = 40_000
	maxOptionName  = 100
	maxURL         = 5000
	maxImageURL    = 2048
	maxEmail       = 512
)

// maxBody is the size of the encoded parameters in bytes. Stripe documents no limit. This one keeps an order small enough
// for every database: MySQL takes packets of 16 to 64 MB by default.
const (
	maxBody     = 1_000_000
	maxBodyText = "1 MB of parameters"
)

// Limits of lines: https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-line_items and
// https://docs.stripe.com/api/products/create#create_product-images. The limits of SKU and quantity are this package's.
const (
	maxPaymentLines   = 100
	maxRecurringLines = 20
	maxOneTimeLines   = 20
	maxImages         = 8
	maxSKU            = 255
	maxQuantity       = 1_000_000_000
)

const idCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

// localeTag matches the locales of https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-locale, and
// others of the same form, because Stripe adds locales without a new API version.
var localeTag = regexp.MustCompile(`^(auto|[a-z]{2,3}(-[A-Z]{2}|-[0-9]{3}|-[A-Z][a-z]{3})?)$`)

// methodType matches the form of a payment method type. Stripe adds types without a new API version.
var methodType = regexp.MustCompile(`^[a-z0-9_]+$`)

// shippingCountries are the countries that Stripe can ask a shipping address in, in the order of
// https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-shipping_address_collection-allowed_countries.
const shippingCountries = " AC AD AE AF AG AI AL AM AO AQ AR AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW" +
	" BY BZ CA CD CF CG CH CI CK CL CM CN CO CR CV CW CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FO FR GA GB GD GE GF" +
	" GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HN HR HT HU ID IE IL IM IN IO IQ IS IT JE JM JO JP KE KG KH KI KM KN KR KW KY" +
	" KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MK ML MM MN MO MQ MR MS MT MU MV MW MX MY MZ NA NC NE NG NI NL NO NP" +
	" NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV" +
	" SX SZ TA TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VG VN VU WF WS XK YE YT ZA ZM ZW ZZ "

// mode returns the mode, or the default.
func (s Session) mode() Mode {
	if s.Mode == "" {
		return ModePayment
	}
	return s.Mode
}

// currency returns the lower-case currency of the session: Currency if it is set, else the currency of the lines.
func (s Session) currency() string {
	if s.Currency != "" {
		return strings.ToLower(s.Currency)
	}
	for _, l := range s.Lines {
		if l.UnitAmount.currency != "" {
			return l.UnitAmount.currency
		}
	}
	return ""
}

// tracked reports whether any line has a SKU.
func (s Session) tracked() bool {
	return slices.ContainsFunc(s.Lines, func(l Line) bool { return l.SKU != "" })
}

// sessionLife returns how long the session stays open at Stripe.
func (s Session) sessionLife() time.Duration {
	if s.HoldFor == 0 {
		return maxSessionLife
	}
	return max(s.HoldFor, minSessionLife)
}

// validate checks everything that can be checked without asking Stripe.
func (s Session) validate() error {
	var p sessionProblems
	s.checkOrder(&p)
	s.checkLines(&p)
	s.checkURLs(&p)
	p.require(s.HoldFor >= 0 && s.HoldFor <= maxSessionLife, "HoldFor", "must be between 0 and 23h59m")
	s.checkCustomer(&p)
	s.checkModes(&p)
	s.checkShipping(&p)
	s.checkPaymentMethodTypes(&p)
	s.checkConnect(&p)
	s.checkMetadata(&p)
	s.checkVariable(&p)
	return p.err()
}

// storable reports whether every database can store the text and Stripe takes it. PostgreSQL refuses NUL, Stripe refuses
// invalid UTF-8, and package encoding/json replaces invalid UTF-8 by other characters.
func storable(text string) bool {
	return utf8.ValidString(text) && !strings.Contains(text, "\x00")
}

// checkText requires storable text of at most most characters.
func checkText(p *sessionProblems, field, text string, most int) {
	p.require(storable(text), field, "must be valid UTF-8 without NUL")
	if utf8.RuneCountInString(text) > most {
		p.add(field, "must have at most %d characters", most)
	}
}

func (s Session) checkOrder(p *sessionProblems) {
	switch {
	case s.OrderID == "":
		p.add("OrderID", "is required")
	case len(s.OrderID) > 200 || strings.Trim(s.OrderID, idCharacters) != "":
		p.add("OrderID", "must be 1 to 200 characters of A-Z, a-z, 0-9, _ and -")
	}
	switch s.mode() {
	case ModePayment, ModeSubscription, ModeSetup:
	default:
		p.add("Mode", "must be payment, subscription or setup")
	}
	allPrices := len(s.Lines) > 0
	for _, l := range s.Lines {
		allPrices = allPrices && l.Price != ""
	}
	switch {
	case s.Currency != "":
		_, known := currencyRuleOf(strings.ToLower(s.Currency))
		p.require(known, "Currency", "must be a currency that Stripe lists")
	case s.mode() == ModeSetup:
		p.require(len(s.PaymentMethodTypes) > 0, "Currency", "is required in setup mode without PaymentMethodTypes")
	case allPrices:
		p.add("Currency", "is required when every line has a Price")
	}
}

func (s Session) checkCustomer(p *sessionProblems) {
	p.require(s.Customer == "" || isStripeID(s.Customer, "cus_"), "Customer", "must be the ID of a customer, cus_…")
	if s.CustomerEmail != "" {
		p.require(s.Customer == "", "CustomerEmail", "is not allowed together with Customer")
		addr, err := mail.ParseAddress(s.CustomerEmail)
		p.require(err == nil && addr.Address == s.CustomerEmail, "CustomerEmail", "must be an e-mail address")
		checkText(p, "CustomerEmail", s.CustomerEmail, maxEmail)
	}
	p.require(s.Locale == "" || localeTag.MatchString(s.Locale), "Locale",
		`must be "auto" or a language tag like "de" or "pt-BR"`)
}

// checkModes refuses fields that the mode has no use for.
func (s Session) checkModes(p *sessionProblems) {
	if s.mode() != ModePayment {
		p.require(!s.ManualCapture, "ManualCapture", "is allowed in payment mode only")
	}
	p.require(s.TrialDays == 0 || s.mode() == ModeSubscription, "TrialDays", "is allowed in subscription mode only")
	p.require(s.TrialDays >= 0 && s.TrialDays <= 730, "TrialDays", "must be between 0 and 730")
	if s.mode() == ModeSetup {
		p.require(!s.AllowPromotionCodes, "AllowPromotionCodes", "is not allowed in setup mode")
		p.require(!s.AutomaticTax, "AutomaticTax", "is not allowed in setup mode")
	}
}

func (s Session) checkVariable(p *sessionProblems) {
	if !s.Variable {
		return
	}
	p.require(s.mode() != ModeSetup, "Variable", "is not allowed in setup mode")
	p.require(!s.tracked(), "Variable", "is not allowed while a line has a SKU: the customer could buy more than is held")
}

func (s Session) checkShipping(p *sessionProblems) {
	if s.mode() == ModeSetup && (len(s.Shipping.Countries) > 0 || len(s.Shipping.Options) > 0) {
		p.add("Shipping", "is not allowed in setup mode")
		return
	}
	for i, c := range s.Shipping.Countries {
		field := fmt.Sprintf("Shipping.Countries[%d]", i)
		p.require(len(c) == 2 && strings.Contains(shippingCountries, " "+c+" "), field,
			"must be the upper-case two-letter code of a country that Stripe lists for shipping")
		p.require(!slices.Contains(s.Shipping.Countries[:i], c), field, "is there twice")
	}
	if s.mode() == ModeSubscription && len(s.Shipping.Options) > 0 {
		p.add("Shipping.Options", "are allowed in payment mode only: add a line for the shipping of a subscription")
		return
	}
	p.require(len(s.Shipping.Options) <= 5, "Shipping.Options", "must be at most 5")
	for i, o := range s.Shipping.Options {
		s.checkShippingOption(p, fmt.Sprintf("Shipping.Options[%d]", i), o)
	}
}

func (s Session) checkShippingOption(p *sessionProblems, field string, o ShippingOption) {
	if o.Rate != "" {
		p.require(isStripeID(o.Rate, "shr_"), field+".Rate", "must be the ID of a shipping rate, shr_…")
		p.require(o == ShippingOption{Rate: o.Rate}, field, "must have either a Rate or the other fields")
		return
	}
	p.require(strings.TrimSpace(o.Name) != "", field+".Name", "is required without Rate")
	checkText(p, field+".Name", o.Name, maxOptionName)
	s.checkMoney(p, field+".Amount", o.Amount)
	p.require(o.MinDays >= 0, field+".MinDays", "must not be negative")
	p.require(o.MaxDays >= 0, field+".MaxDays", "must not be negative")
	p.require(o.MaxDays == 0 || o.MinDays <= o.MaxDays, field+".MinDays", "must not be more than MaxDays")
}

// checkMoney requires an amount that is set, is not negative, is in the session's currency and is within Stripe's limit.
func (s Session) checkMoney(p *sessionProblems, field string, a Amount) {
	rule, _ := currencyRuleOf(a.currency)
	switch {
	case a.currency == "":
		p.add(field, "is required")
	case a.currency != s.currency():
		p.add(field, "is in %s, which is not the session's currency", a.currency)
	case a.minor < 0:
		p.add(field, "must not be negative")
	case a.minor > rule.max:
		p.add(field, "is more than Stripe takes in %s", a.currency)
	}
}

func (s Session) checkPaymentMethodTypes(p *sessionProblems) {
	for i, t := range s.PaymentMethodTypes {
		field := fmt.Sprintf("PaymentMethodTypes[%d]", i)
		p.require(methodType.MatchString(t), field, `must be a type like "card" or "sepa_debit"`)
		p.require(!slices.Contains(s.PaymentMethodTypes[:i], t), field, "is there twice")
	}
}

func (s Session) checkConnect(p *sessionProblems) {
	c := s.Connect
	for _, f := range []struct{ field, id string }{
		{"Connect.Account", c.Account}, {"Connect.Destination", c.Destination}, {"Connect.OnBehalfOf", c.OnBehalfOf},
	} {
		p.require(f.id == "" || isStripeID(f.id, "acct_"), f.field, "must be the ID of a connected account, acct_…")
	}
	p.require(c.Destination == "" || s.mode() != ModeSetup, "Connect.Destination", "is not allowed in setup mode")
	if c.ApplicationFee == (Amount{}) {
		return
	}
	p.require(s.mode() == ModePayment, "Connect.ApplicationFee", "is allowed in payment mode only")
	p.require(c.Account != "" || c.Destination != "", "Connect.ApplicationFee", "requires Account or Destination")
	s.checkMoney(p, "Connect.ApplicationFee", c.ApplicationFee)
}

func (s Session) checkMetadata(p *sessionProblems) {
	most := maxMetadataKeys - len(identityKeys)
	if s.Variable {
		most-- // for metadataVariable
	}
	if len(s.Metadata) > most {
		p.add("Metadata", "must have at most %d keys", most)
	}
	for _, k := range slices.Sorted(maps.Keys(s.Metadata)) {
		field := fmt.Sprintf("Metadata[%q]", k)
		p.require(k != "" && utf8.RuneCountInString(k) <= maxMetadataKey, field, "the key must have 1 to 40 characters")
		p.require(storable(k), field, "the key must be valid UTF-8 without NUL")
		p.require(!strings.ContainsAny(k, "[]"), field, "the key must not contain [ or ]")
		p.require(!strings.HasPrefix(k, identityPrefix), field, "the key must not begin with fulfil_, which this package uses")
		p.require(storable(s.Metadata[k]), field, "the value must be valid UTF-8 without NUL")
		p.require(utf8.RuneCountInString(s.Metadata[k]) <= maxMetadataValue, field, "the value must have at most 500 characters")
	}
}

// isStripeID reports whether id is the prefix followed by at least one letter, digit, underscore or hyphen.
func isStripeID(id, prefix string) bool {
	rest, ok := strings.CutPrefix(id, prefix)
	return ok && rest != "" && len(id) <= 255 && strings.Trim(rest, idCharacters) == ""
}

// isReference reports whether id can be the ID of a price or of a product. Merchants can choose both IDs, so no prefix is
// required. Only the prefix of the other kind is refused, because it shows that the two were mixed up.
func isReference(id, otherPrefix string) bool {
	return isStripeID(id, "") && !strings.HasPrefix(id, otherPrefix)
}

// escapedSessionID matches the placeholder for the session's ID as package net/url writes it.
var escapedSessionID = regexp.MustCompile(`(?i)%7B(CHECKOUT_SESSION_ID)%7D`)

// literalSessionID turns an escaped placeholder into the literal one that Stripe replaces.
// Source: https://docs.stripe.com/payments/checkout/custom-success-page.
func literalSessionID(raw string) string {
	return escapedSessionID.ReplaceAllString(raw, "{CHECKOUT_SESSION_ID}")
}

func (s Session) checkURLs(p *sessionProblems) {
	switch s.UIMode {
	case "", UIModeHosted:
		checkSessionURL(p, "SuccessURL", s.SuccessURL, true)
		checkSessionURL(p, "CancelURL", s.CancelURL, false)
		p.require(s.ReturnURL == "", "ReturnURL", "is not allowed in a hosted session")
	case UIModeEmbedded:
		p.require(s.SuccessURL == "", "SuccessURL", "is not allowed in an embedded session")
		p.require(s.CancelURL == "", "CancelURL", "is not allowed in an embedded session")
		checkSessionURL(p, "ReturnURL", s.ReturnURL, true)
	default:
		p.add("UIMode", "must be hosted or embedded")
	}
}

func checkSessionURL(p *sessionProblems, field, raw string, required bool) {
	if raw == "" {
		p.require(!required, field, "is required")
		return
	}
	raw = literalSessionID(raw)
	checkText(p, field, raw, maxURL)
	u, ok := webURL(raw)
	switch {
	case strings.ContainsFunc(raw, unicode.IsSpace):
		p.add(field, "must not contain spaces: escape them")
	case !ok:
		p.add(field, "must be an absolute https URL")
	case u.Scheme == "http" && !isLoopbackHost(u.Hostname()):
		p.add(field, "must be https, except on localhost or a loopback address")
	case u.User != nil:
		p.add(field, "must not contain a user name or password")
	}
}

// webURL parses an absolute http or https URL.
func webURL(raw string) (_ *url.URL, ok bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" {
		return nil, false
	}
	return u, u.Scheme == "https" || u.Scheme == "http"
}

func isLoopbackHost(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

func (s Session) checkLines(p *sessionProblems) {
	if s.mode() == ModeSetup {
		p.require(len(s.Lines) == 0, "Lines", "are not allowed in setup mode")
		return
	}
	recurring, byPrice := 0, 0
	for i, l := range s.Lines {
		s.checkLine(p, fmt.Sprintf("Lines[%d]", i), l)
		switch {
		case l.Price != "":
			byPrice++
		case l.Recurring != (Recurring{}):
			recurring++
		}
	}
	oneTime := len(s.Lines) - recurring - byPrice
	switch {
	case len(s.Lines) == 0:
		p.add("Lines", "at least one is required")
	case s.mode() == ModePayment:
		p.require(len(s.Lines) <= maxPaymentLines, "Lines", "must be at most 100")
	case s.mode() == ModeSubscription:
		// Only Stripe knows whether a Price recurs, so a line with a Price counts for the sum alone.
		p.require(recurring <= maxRecurringLines, "Lines", "must be at most 20 recurring ones")
		p.require(oneTime <= maxOneTimeLines, "Lines", "must be at most 20 one-time ones")
		p.require(len(s.Lines) <= maxRecurringLines+maxOneTimeLines, "Lines", "must be at most 40")
		p.require(recurring+byPrice > 0, "Lines", "at least one must recur in subscription mode")
		s.checkPeriods(p)
	}
	s.checkTotal(p)
}

func (s Session) checkLine(p *sessionProblems, field string, l Line) {
	p.require(len(l.SKU) <= maxSKU && l.SKU == strings.TrimSpace(l.SKU) && storable(l.SKU),
		field+".SKU", "must be at most 255 bytes of valid UTF-8 without NUL and without spaces around it")
	p.require(l.Quantity >= 1 && l.Quantity <= maxQuantity, field+".Quantity", "must be between 1 and 1000000000")
	s.checkRecurring(p, field+".Recurring", l)
	if l.Price != "" {
		p.require(isReference(l.Price, "prod_"), field+".Price", "must be the ID of a price, price_…")
		p.require(l.UnitAmount == Amount{}, field+".UnitAmount", "is not allowed together with Price")
		p.require(l.Product == "", field+".Product", "is not allowed together with Price")
	} else {
		s.checkMoney(p, field+".UnitAmount", l.UnitAmount)
		p.require(l.Product == "" || isReference(l.Product, "price_"), field+".Product", "must be the ID of a product, prod_…")
		p.require(l.Product != "" || strings.TrimSpace(l.Name) != "", field+".Name", "is required without Price and Product")
	}
	if l.Price != "" || l.Product != "" {
		p.require(l.Description == "", field+".Description", "is not allowed together with Price or Product")
		p.require(len(l.Images) == 0, field+".Images", "are not allowed together with Price or Product")
	}
	checkText(p, field+".Name", l.Name, maxName)
	checkText(p, field+".Description", l.Description, maxDescription)
	p.require(len(l.Images) <= maxImages, field+".Images", "must be at most 8")
	for i, image := range l.Images {
		imageField := fmt.Sprintf("%s.Images[%d]", field, i)
		checkText(p, imageField, image, maxImageURL)
		_, ok := webURL(image)
		switch {
		case strings.ContainsFunc(image, unicode.IsSpace):
			p.add(imageField, "must not contain spaces: escape them")
		case !ok:
			p.add(imageField, "must be an absolute http or https URL")
		}
	}
}

func (s Session) checkRecurring(p *sessionProblems, field string, l Line) {
	r := l.Recurring
	if r == (Recurring{}) {
		return
	}
	p.require(s.mode() == ModeSubscription, field, "is allowed in subscription mode only")
	p.require(l.Price == "", field, "is not allowed together with Price")
	// A period is at most three years: https://docs.stripe.com/api/prices/create#create_price-recurring-interval_count.
	longest := map[Interval]int64{IntervalDay: 3 * 365, IntervalWeek: 156, IntervalMonth: 36, IntervalYear: 3}[r.Interval]
	if longest == 0 {
		p.add(field+".Interval", "must be day, week, month or year")
		return
	}
	p.require(r.Count >= 0 && r.Count <= longest, field+".Count", "must make a period of at most three years")
}

// checkPeriods requires one period of all recurring lines. Stripe takes mixed periods in subscriptions that are created
// without Checkout: https://docs.stripe.com/changelog/basil/2025-07-30/support-mixed-intervals.
func (s Session) checkPeriods(p *sessionProblems) {
	var first Recurring
	for i, l := range s.Lines {
		if l.Recurring == (Recurring{}) {
			continue
		}
		period := Recurring{Interval: l.Recurring.Interval, Count: max(l.Recurring.Count, 1)}
		if first == (Recurring{}) {
			first = period
		}
		p.require(period == first, fmt.Sprintf("Lines[%d].Recurring", i), "must be the period of the other recurring lines")
	}
}

// checkTotal adds up the inline lines and compares the sum with the most that Stripe takes. There is no lower limit: an
// order can cost nothing (https://docs.stripe.com/payments/checkout/no-cost-orders), a promotion code changes the total, and
// the smallest charge depends on the currency that the account is paid out in.
func (s Session) checkTotal(p *sessionProblems) {
	rule, known := currencyRuleOf(s.currency())
	total := Amount{currency: s.currency()}
	for _, l := range s.Lines {
		if l.UnitAmount.currency != total.currency || l.UnitAmount.minor < 0 || l.Quantity < 1 {
			continue // checkLine has reported it
		}
		sum, err := l.UnitAmount.Mul(l.Quantity)
		if err == nil {
			total, err = total.Add(sum)
		}
		if err != nil {
			p.add("Lines", "the total does not fit into an amount")
			return
		}
	}
	p.require(!known || total.minor <= rule.max, "Lines", "the total is more than Stripe takes in "+s.currency())
}
