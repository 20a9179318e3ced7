package checkout

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/stripe/stripe-go/v82"
)

// soldKey matches what says how much of what is sold for how much. Lines are counted by it, too.
var soldKey = regexp.MustCompile(`^line_items\[[^\]]*\]\[(quantity|price|amount` +
	`|price_data\]\[(currency|product|unit_amount|unit_amount_decimal|recurring))\]`)

// metadataKey matches a metadata key: where it is, and its name.
var metadataKey = regexp.MustCompile(`^(metadata|.*?\[metadata\])\[(.*)\]$`)

// checkChanged refuses what Session.Params must not have changed. It looks at what would be sent, so that a value
// added with AddExtra is seen like any other.
func (s Session) checkChanged(before url.Values, params *stripe.CheckoutSessionCreateParams) error {
	var p sessionProblems
	s.checkHeaders(&p, params)
	after := sessionValues(params)
	keys := maps.Clone(before)
	maps.Copy(keys, after)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		switch {
		case slices.Equal(before[key], after[key]):
		case key == "client_reference_id" || key == "mode" || isAttemptKey(key):
			p.add("Params", "must not change %s", key)
		case s.mayDropQuantity(key) && !after.Has(key):
		case soldKey.MatchString(key):
			p.add("Params", "must not change %s: what is sold is set by Lines", key)
		}
	}
	if s.tracked() {
		checkNothingElse(&p, after)
	}
	checkWireMetadata(&p, after)
	return p.err()
}

// checkHeaders refuses what would be lost, because only the body is stored.
func (s Session) checkHeaders(p *sessionProblems, params *stripe.CheckoutSessionCreateParams) {
	account := ""
	if params.StripeAccount != nil {
		account = *params.StripeAccount
	}
	p.require(account == s.Connect.Account, "Params", "must not set the account: use Connect.Account")
	p.require(params.IdempotencyKey == nil && params.StripeContext == nil && len(params.Headers) == 0,
		"Params", "must not set headers")
}

// mayDropQuantity reports whether key is a quantity that may be taken out: Stripe wants none of a metered price.
func (s Session) mayDropQuantity(key string) bool {
	for i, l := range s.Lines {
		if key == fmt.Sprintf("line_items[%d][quantity]", i) {
			return l.SKU == "" && l.Price != ""
		}
	}
	return false
}

// checkNothingElse refuses every way in which a customer could buy something else than was held, or buy it again.
func checkNothingElse(p *sessionProblems, values url.Values) {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		off := slices.Equal(values[key], []string{"false"})
		switch {
		case key == "after_expiration[recovery][enabled]" && !off:
			p.add("Params", "must not enable recovery of an expired session while a line has a SKU")
		case strings.HasSuffix(key, "[adjustable_quantity][enabled]") && !off:
			p.add("Params", "must not make quantities adjustable while a line has a SKU")
		case strings.HasPrefix(key, "optional_items"):
			p.add("Params", "must not add optional items while a line has a SKU")
		case strings.Contains(key, "[custom_unit_amount]"):
			p.add("Params", "must not let the customer choose a price while a line has a SKU")
		}
	}
}

// checkWireMetadata applies Stripe's limits to all metadata, now that Session.Params had its turn.
func checkWireMetadata(p *sessionProblems, values url.Values) {
	count := map[string]int{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		m := metadataKey.FindStringSubmatch(key)
		if m == nil {
			continue
		}
		where, name := m[1], m[2]
		count[where]++
		if count[where] == maxMetadataKeys+1 {
			p.add("Params", "must leave at most 50 keys in %s", where)
		}
		p.require(utf8.RuneCountInString(name) <= maxMetadataKey && !strings.ContainsAny(name, "[]"),
			"Params", "must not set a metadata key of more than 40 characters, or with [ or ]")
		p.require(utf8.RuneCountInString(values.Get(key)) <= maxMetadataValue,
			"Params", "must not set a metadata value of more than 500 characters")
	}
}
