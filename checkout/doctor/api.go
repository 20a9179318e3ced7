package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"
)

// api makes the requests.
type api struct{ client *stripe.Client }

// mode is the mode of the key, "live" or "test"; empty: the key does not say (https://docs.stripe.com/keys).
func (a api) mode() string {
	switch kind := a.client.V1Events.Key; {
	case strings.HasPrefix(kind, "sk_live_"), strings.HasPrefix(kind, "rk_live_"):
		return "live"
	case strings.HasPrefix(kind, "sk_test_"), strings.HasPrefix(kind, "rk_test_"):
		return "test"
	}
	return ""
}

// unknownID returns the ID of an object that does not exist.
func (a api) unknownID(prefix string) string { return prefix + "_fulfil_doctor_looks_for_nothing" }

// call makes a request and reads the answer into v. A request may take ten seconds.
func (a api) call(ctx context.Context, method, path string, values url.Values, v stripe.LastResponseSetter) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	params := &stripe.Params{Context: ctx}
	for name, all := range values {
		for _, value := range all {
			params.AddExtra(name, value)
		}
	}
	events := a.client.V1Events // any service has the client's backend and key
	return events.B.Call(method, path, events.Key, params, v)
}

// one is a request for one object of a list, which is the cheapest that shows whether a key may read them.
func (a api) one(ctx context.Context, path string) error {
	return a.call(ctx, http.MethodGet, path, url.Values{"limit": {"1"}}, &stripe.APIResource{})
}

// status returns the HTTP status that Stripe answered with; 0: Stripe did not answer.
func status(err error) int {
	var se *stripe.Error
	if !errors.As(err, &se) {
		return 0
	}
	return se.HTTPStatusCode
}

// permissionInText finds the name of the missing permission in a refusal (https://github.com/stripe/stripe-node/issues/2246).
var permissionInText = regexp.MustCompile(`'rak_([a-z0-9_]+)'`)

// missingPermission returns the name of the permission that a refusal asks for; empty: it names none.
func missingPermission(err error) string {
	var text string
	var v1 *stripe.Error
	var v2 *stripe.V2RawError
	switch {
	case errors.As(err, &v1):
		text = v1.Msg
	case errors.As(err, &v2):
		text = v2.Message
	}
	if found := permissionInText.FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return ""
}

// reason says why a request failed, without what Stripe quotes of the request.
func reason(err error) string {
	var se *stripe.Error
	var v2 *stripe.V2RawError // has no status
	switch {
	case missingPermission(err) != "":
		return "the key lacks the permission " + missingPermission(err)
	case errors.As(err, &v2):
		return "stripe answered with an error " + v2.Code
	case errors.Is(err, context.DeadlineExceeded):
		return "stripe did not answer in time"
	case !errors.As(err, &se):
		return "stripe did not answer"
	case se.HTTPStatusCode == http.StatusForbidden:
		return "the key lacks the permission"
	}
	text := fmt.Sprintf("stripe answered %d", se.HTTPStatusCode)
	for _, part := range []string{string(se.Code), se.RequestID} {
		if part != "" {
			text += " " + part
		}
	}
	return text
}
