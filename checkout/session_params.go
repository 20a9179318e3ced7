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

// soldKey matches the form keys that fix a line item's quantity, product and price. It also detects added or removed
// lines.
var soldKey = regexp.MustCompile(`^line_items\[[^\]]*\]\[(quantity|price|amount` +
	`|price_data\]\[(currency|product|unit_amount|unit_amount_decimal|recurring))\]`)

// metadataKey matches the form key of a metadata entry. Its groups are the place and the entry's own key.
var metadataKey = regexp.MustCompile(`(?s)^(metadata|.*?\[metadata\])\[(.*)\]$`)

// checkChanged refuses the changes that Session.Params must not make. It compares the form keys and values that would be
// sent, so it also sees values that were added with AddExtra.
func (s Session) checkChanged(before url.Values, params *stripe.CheckoutSessionCreateParams) error {
	var p sessionProblems
	s.checkHeaders(&p, params)
	after := sessionValues(params)
	keys := maps.Clone(before)
	maps.Copy(keys, after)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if slices.Equal(before[key], after[key]) {
			continue
		}
		removed := !after.Has(key)
		switch {
		case isOwnMetadata(key):
			p.add("Params", "must not change %s: change the struct that is there instead of replacing it", key)
		case key == "client_reference_id" || key == "mode" || key == "expires_at":
			p.add("Params", "must not change %s", key)
		case removed && s.mayRemoveQuantity(key):
		case soldKey.MatchString(key):
			p.add("Params", "must not change %s: Lines sets what is sold", key)
		}
	}
	if s.tracked() {
		checkNothingElse(&p, after)
	}
	checkWireTexts(&p, after)
	checkWireMetadata(&p, after)
	if len(encodeParams(params)) > maxBody {
		p.add("Params", "must leave at most %s", maxBodyText)
	}
	return p.err()
}

// checkHeaders refuses headers. They would be lost, because only the body of the request is stored.
func (s Session) checkHeaders(p *sessionProblems, params *stripe.CheckoutSessionCreateParams) {
	account := ""
	if params.StripeAccount != nil {
		account = *params.StripeAccount
	}
	p.require(account == s.Connect.Account, "Params", "must not set the account: use Connect.Account")
	p.require(params.IdempotencyKey == nil && params.StripeContext == nil && len(params.Headers) == 0,
		"Params", "must not set headers")
}

// isOwnMetadata reports whether key is that of a metadata entry of this package.
func isOwnMetadata(key string) bool {
	m := metadataKey.FindStringSubmatch(key)
	return m != nil && strings.HasPrefix(m[2], identityPrefix)
}

// mayRemoveQuantity reports whether key is a quantity that may be removed. Stripe takes no quantity for a metered price.
func (s Session) mayRemoveQuantity(key string) bool {
	for i, l := range s.Lines {
		if key == fmt.Sprintf("line_items[%d][quantity]", i) {
			return l.SKU == "" && l.Price != ""
		}
	}
	return false
}

// checkNothingElse refuses everything that lets the customer buy something else than was held, or buy it again.
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

// wireTexts are the parameters whose length Session.validate limits.
var wireTexts = []struct {
	key  *regexp.Regexp
	most int
}{
	{regexp.MustCompile(`^(success|cancel|return)_url$`), maxURL},
	{regexp.MustCompile(`\[product_data\]\[name\]$`), maxName},
	{regexp.MustCompile(`\[product_data\]\[description\]$`), maxDescription},
	{regexp.MustCompile(`\[product_data\]\[images\]\[[0-9]*\]$`), maxImageURL},
	{regexp.MustCompile(`\[shipping_rate_data\]\[display_name\]$`), maxOptionName},
}

// checkWireTexts applies the limits of Session.validate to the texts that Session.Params has set.
func checkWireTexts(p *sessionProblems, values url.Values) {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		for _, value := range values[key] {
			if !storable(key) || !storable(value) {
				p.add("Params", "must not set %q to text that is not valid UTF-8 or contains NUL", key)
			}
			for _, limit := range wireTexts {
				if limit.key.MatchString(key) && utf8.RuneCountInString(value) > limit.most {
					p.add("Params", "must not set %s to more than %d characters", key, limit.most)
				}
			}
		}
	}
}

// checkWireMetadata applies Stripe's limits to all metadata, after Session.Params has run.
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
