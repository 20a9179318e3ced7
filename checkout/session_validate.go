package checkout

import (
	"fmt"
	"maps"
	"net/mail"
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
