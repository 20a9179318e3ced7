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
	"unicode/utf8"
)

// Bounds of a session's life. Stripe takes 30 minutes to 24 hours from its own clock; a minute is left at either end.
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

// localeTag matches every locale of https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-locale
// and what may be added to them.
var localeTag = regexp.MustCompile(`^(auto|[a-z]{2,3}(-[A-Z]{2}|-[0-9]{3}|-[A-Z][a-z]{3})?)$`)

var countryCode = regexp.MustCompile(`^[A-Z]{2}$`)

// mode returns the mode with its default.
func (s Session) mode() Mode {
	if s.Mode == "" {
		return ModePayment
	}
	return s.Mode
}

// currency returns the lower-case currency of the session: the one it names, else that of its lines.
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

// tracked reports whether any line takes from stock.
func (s Session) tracked() bool {
	return slices.ContainsFunc(s.Lines, func(l Line) bool { return l.SKU != "" })
}

// sessionLife is how long the session will be open at Stripe.
func (s Session) sessionLife() time.Duration {
	if s.HoldFor == 0 {
		return maxSessionLife
	}
	return max(s.HoldFor, minSessionLife)
}

// validate checks everything that can be told without Stripe.
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
	return p.err()
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
	_, known := currencyRuleOf(strings.ToLower(s.Currency))
	switch {
	case s.Currency != "":
		p.require(known, "Currency", "is not among those Stripe lists")
	case s.mode() == ModeSetup:
		p.require(len(s.PaymentMethodTypes) > 0, "Currency", "is required in setup mode without PaymentMethodTypes")
	case len(s.Lines) > 0 && !slices.ContainsFunc(s.Lines, func(l Line) bool { return l.Price == "" }):
		p.add("Currency", "is required when every line has a Price")
	}
}

const idCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

func (s Session) checkCustomer(p *sessionProblems) {
	p.require(s.Customer == "" || isStripeID(s.Customer, "cus_"), "Customer", "must be the ID of a customer, cus_…")
	if s.CustomerEmail != "" {
		p.require(s.Customer == "", "CustomerEmail", "is not allowed together with Customer")
		addr, err := mail.ParseAddress(s.CustomerEmail)
		p.require(err == nil && addr.Address == s.CustomerEmail, "CustomerEmail", "is not an e-mail address")
	}
	p.require(s.Locale == "" || localeTag.MatchString(s.Locale), "Locale",
		`must be "auto" or a language tag like "de" or "pt-BR"`)
}

// checkModes refuses what a mode has no use for.
func (s Session) checkModes(p *sessionProblems) {
	if s.mode() != ModePayment {
		p.require(!s.ManualCapture, "ManualCapture", "is allowed in payment mode only")
	}
	if s.mode() == ModeSetup {
		p.require(!s.AllowPromotionCodes, "AllowPromotionCodes", "is not allowed in setup mode")
		p.require(!s.AutomaticTax, "AutomaticTax", "is not allowed in setup mode")
	}
}

func (s Session) checkShipping(p *sessionProblems) {
	if s.mode() == ModeSetup && (len(s.Shipping.Countries) > 0 || len(s.Shipping.Options) > 0) {
		p.add("Shipping", "is not allowed in setup mode")
		return
	}
	for i, c := range s.Shipping.Countries {
		field := fmt.Sprintf("Shipping.Countries[%d]", i)
		p.require(countryCode.MatchString(c), field, "must be an upper-case two-letter country code")
		p.require(!slices.Contains(s.Shipping.Countries[:i], c), field, "is there twice")
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
	s.checkMoney(p, field+".Amount", o.Amount)
	p.require(o.MinDays >= 0, field+".MinDays", "must not be negative")
	p.require(o.MaxDays >= 0, field+".MaxDays", "must not be negative")
	p.require(o.MaxDays == 0 || o.MinDays <= o.MaxDays, field+".MinDays", "must not be more than MaxDays")
}

// checkMoney wants an amount that is set, not negative, in the session's currency and within Stripe's limit.
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
		p.require(t != "" && t == strings.ToLower(strings.TrimSpace(t)), field, `must be a type like "card" or "sepa_debit"`)
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
	p.require(c.Account != "" || c.Destination != "", "Connect.ApplicationFee", "needs Account or Destination")
	s.checkMoney(p, "Connect.ApplicationFee", c.ApplicationFee)
}

func (s Session) checkMetadata(p *sessionProblems) {
	p.require(len(s.Metadata) <= maxMetadataKeys-len(identityKeys), "Metadata", "must have at most 47 keys")
	for _, k := range slices.Sorted(maps.Keys(s.Metadata)) {
		field := fmt.Sprintf("Metadata[%q]", k)
		p.require(k != "" && utf8.RuneCountInString(k) <= maxMetadataKey, field, "the key must have 1 to 40 characters")
		p.require(!strings.ContainsAny(k, "[]"), field, "the key must not contain [ or ]")
		p.require(!strings.HasPrefix(k, identityPrefix), field, "keys that begin with fulfil_ are this library's own")
		p.require(utf8.RuneCountInString(s.Metadata[k]) <= maxMetadataValue, field, "the value must have at most 500 characters")
	}
}

// isStripeID reports whether id is prefix and at least one letter, digit or underscore.
func isStripeID(id, prefix string) bool {
	rest, ok := strings.CutPrefix(id, prefix)
	return ok && rest != "" && len(id) <= 255 && strings.Trim(rest, idCharacters) == ""
}

// escapedSessionID is the placeholder as net/url writes it.
var escapedSessionID = regexp.MustCompile(`(?i)%7B(CHECKOUT_SESSION_ID)%7D`)

// literalSessionID turns an escaped placeholder back into the one Stripe replaces.
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
	u, err := url.Parse(literalSessionID(raw))
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		p.add(field, "must be an absolute https URL")
	case u.Scheme == "http" && !isLoopbackHost(u.Hostname()):
		p.add(field, "must be https, except on localhost or a loopback address")
	case u.User != nil:
		p.add(field, "must not contain a user name or password")
	}
}

func isLoopbackHost(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// Limits on lines: https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-line_items and
// https://docs.stripe.com/api/products/create#create_product-images. The bounds of SKU and quantity are this library's.
const (
	maxPaymentLines   = 100
	maxRecurringLines = 20
	maxOneTimeLines   = 20
	maxImages         = 8
	maxSKU            = 255
	maxQuantity       = 1_000_000_000
)

func (s Session) checkLines(p *sessionProblems) {
	if s.mode() == ModeSetup {
		p.require(len(s.Lines) == 0, "Lines", "are not allowed in setup mode")
		return
	}
	recurring, byPrice := 0, 0
	for i, l := range s.Lines {
		field := fmt.Sprintf("Lines[%d]", i)
		s.checkLine(p, field, l)
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
		// What a Price is, only Stripe knows: it counts for neither kind, but for the sum.
		p.require(recurring <= maxRecurringLines, "Lines", "must be at most 20 recurring ones")
		p.require(oneTime <= maxOneTimeLines, "Lines", "must be at most 20 one-time ones")
		p.require(len(s.Lines) <= maxRecurringLines+maxOneTimeLines, "Lines", "must be at most 40")
		p.require(recurring+byPrice > 0, "Lines", "at least one must recur in subscription mode")
	}
	s.checkTotal(p)
}

func (s Session) checkLine(p *sessionProblems, field string, l Line) {
	p.require(len(l.SKU) <= maxSKU && l.SKU == strings.TrimSpace(l.SKU) && utf8.ValidString(l.SKU),
		field+".SKU", "must be at most 255 bytes of text without spaces around it")
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
	p.require(len(l.Images) <= maxImages, field+".Images", "must be at most 8")
	for i, image := range l.Images {
		u, err := url.Parse(image)
		p.require(err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "",
			fmt.Sprintf("%s.Images[%d]", field, i), "must be an absolute http or https URL")
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

// checkTotal adds up the inline lines. There is no lower limit: an order can cost nothing
// (https://docs.stripe.com/payments/checkout/no-cost-orders), a promotion code changes the sum, and the least that can
// be charged depends on the currency the account is paid out in.
func (s Session) checkTotal(p *sessionProblems) {
	rule, known := currencyRuleOf(s.currency())
	total := Amount{currency: s.currency()}
	for _, l := range s.Lines {
		if l.UnitAmount.currency != total.currency || l.UnitAmount.minor < 0 || l.Quantity < 1 {
			continue // reported with its line
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

// isReference reports whether id can name a price or product. Both may be of the merchant's own making (plans and
// products used to be), so that only the usual mix-up is told by its prefix.
func isReference(id, mixedUp string) bool {
	return isStripeID(id, "") && !strings.HasPrefix(id, mixedUp)
}
