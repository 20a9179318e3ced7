package checkout

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"
	"github.com/stripe/stripe-go/v82/form"
)

// encodeParams returns the application/x-www-form-urlencoded body that stripe-go would send, with its keys in the same
// order every time. The body does not contain the headers: the account and the idempotency key.
func encodeParams(p *stripe.CheckoutSessionCreateParams) string {
	plain := *p
	extra := plain.Extra
	plain.Extra = nil // stripe-go writes it in the random order of a map
	values := &form.Values{}
	form.AppendTo(values, &plain)
	if extra != nil {
		for _, key := range slices.Sorted(maps.Keys(extra.Values)) {
			for _, value := range extra.Values[key] {
				values.Add(key, value)
			}
		}
	}
	return values.Encode()
}

// wireParams turns a body that encodeParams has made into parameters that send exactly its keys and values. The caller
// sets the account and the idempotency key on them.
func wireParams(body string) (*stripe.CheckoutSessionCreateParams, error) {
	values, err := url.ParseQuery(body)
	if err != nil || len(values) == 0 {
		// The error of ParseQuery is left out, because it quotes the body.
		return nil, errors.New("checkout: the stored session parameters are not a form body")
	}
	p := &stripe.CheckoutSessionCreateParams{}
	for key, all := range values {
		for _, value := range all {
			p.AddExtra(key, value)
		}
	}
	return p, nil
}

// sessionValues returns the form keys and values that the parameters send.
func sessionValues(p *stripe.CheckoutSessionCreateParams) url.Values {
	values := &form.Values{}
	form.AppendTo(values, p)
	return values.ToValues()
}

// fingerprint returns a hash that is equal for two sessions exactly when they ask for the same. It covers the account, the
// SKUs, the names, HoldFor, and all parameters except those that differ between two attempts.
func (s Session) fingerprint() (string, error) {
	// The attempt and the time are the same for every fingerprint, and so is the result of Session.Params.
	params, err := s.createParams(sessionIdentity{shop: "-", order: s.OrderID, attempt: 1}, time.Unix(0, 0))
	if err != nil {
		return "", err
	}
	values := sessionValues(params)
	maps.DeleteFunc(values, func(key string, _ []string) bool { return isAttemptKey(key) })
	skus, names := make([]string, len(s.Lines)), make([]string, len(s.Lines))
	for i, l := range s.Lines {
		skus[i], names[i] = l.SKU, l.Name
	}
	text := fmt.Sprintf("%q %q %q %q %d", values.Encode(), s.Connect.Account, skus, names, s.HoldFor)
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:]), nil
}

// isAttemptKey reports whether the form key may differ between two attempts of one order.
func isAttemptKey(key string) bool {
	if key == "expires_at" {
		return true
	}
	for _, own := range identityKeys {
		if key == "metadata["+own+"]" || strings.HasSuffix(key, "[metadata]["+own+"]") {
			return true
		}
	}
	return false
}
