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

// encodeParams returns the application/x-www-form-urlencoded body stripe-go would send, in the same order every time.
// Headers (account, idempotency key) are not part of it.
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

// wireParams turns a body of encodeParams back into parameters that send exactly its keys and values. The caller sets
// the account and the idempotency key on them.
func wireParams(body string) (*stripe.CheckoutSessionCreateParams, error) {
	values, err := url.ParseQuery(body)
	if err != nil || len(values) == 0 {
		// The cause would repeat a piece of the body.
		return nil, errors.New("checkout: stored session parameters are not a form body")
	}
	p := &stripe.CheckoutSessionCreateParams{}
	for key, all := range values {
		for _, value := range all {
			p.AddExtra(key, value)
		}
	}
	return p, nil
}

// sessionValues returns what parameters send, by key.
func sessionValues(p *stripe.CheckoutSessionCreateParams) url.Values {
	values := &form.Values{}
	form.AppendTo(values, p)
	return values.ToValues()
}

// fingerprint is the same for two sessions exactly when they ask for the same: all parameters but those of the single
// attempt, the account, the stock and the time to pay.
func (s Session) fingerprint() (string, error) {
	// A fixed attempt at a fixed time: Session.Params sees what it sees in a real one, with the same result.
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

// isAttemptKey reports whether a key belongs to the single attempt.
func isAttemptKey(key string) bool {
	return key == "expires_at" || slices.ContainsFunc(identityKeys[:], func(own string) bool {
		return key == "metadata["+own+"]" || strings.HasSuffix(key, "[metadata]["+own+"]")
	})
}
