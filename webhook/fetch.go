package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"
)

// fetchTimeout limits the request for the object of a thin event, as the sender waits for an answer.
const fetchTimeout = 15 * time.Second

// fetched is the object of a thin event.
type fetched struct {
	object, previous json.RawMessage // object is nil if the event is about no single object
	apiVersion       string
	asOf             time.Time
}

// fetchObject fetches the object of a thin event as it is now. Of some events, Stripe can only say how the object was: those about
// an object that was deleted, and those whose related object is none or another one than the snapshot event carries. Then the
// object is taken from the snapshot event, if there is one.
func (h *Handler) fetchObject(ctx context.Context, n *Notification) (fetched, error) {
	if h.cfg.Client == nil {
		return fetched{}, ErrNoClient
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	names := thinObjects(n.Type)
	related, asOf := n.RelatedObject, h.cfg.Clock()
	if related != nil && related.URL != "" && (names == nil || slices.Contains(names, related.Type)) {
		raw, err := h.get(ctx, n.Context, related.URL)
		switch {
		case err == nil:
			return fetched{object: raw, apiVersion: stripe.APIVersion, asOf: asOf}, checkObject(raw, names)
		case statusCode(err) != http.StatusNotFound || n.SnapshotEvent == "":
			return fetched{}, err
		}
	}
	if n.SnapshotEvent == "" {
		return fetched{}, nil
	}
	raw, err := h.get(ctx, n.Context, "/v1/events/"+n.SnapshotEvent)
	if err != nil {
		return fetched{}, err
	}
	env, err := readEnvelope(raw)
	if err != nil {
		return fetched{}, fmt.Errorf("%w: its snapshot event: %w", ErrFetch, err)
	}
	return fetched{object: env.data, previous: env.previous, apiVersion: string(env.apiVersion), asOf: n.Created}, nil
}

// thinObjects returns the "object" of the objects that events of a thin type are about; nil: the type is not known.
func thinObjects(typ string) []string {
	names := knownObjects([]byte(typ))
	if names == "" {
		names = knownObjects([]byte(strings.TrimPrefix(typ, thinPrefix)))
	}
	if names == "" {
		return nil
	}
	return strings.Split(names, "|")
}

// checkObject returns an error if raw is no object, or not one of these names.
func checkObject(raw json.RawMessage, names []string) error {
	var object struct {
		Object string `json:"object"`
	}
	if err := json.Unmarshal(raw, &object); err != nil {
		return fmt.Errorf("%w: %w", ErrFetch, withoutValues(err))
	}
	if names != nil && !slices.Contains(names, object.Object) {
		return fmt.Errorf("%w: want %s", ErrWrongObject, strings.Join(names, "|"))
	}
	return nil
}

// get makes a request in the context that a thin event names. Stripe-Context stands in for Stripe-Account, and Stripe refuses both
// together (https://docs.stripe.com/context).
func (h *Handler) get(ctx context.Context, authentication, path string) (json.RawMessage, error) {
	if !fetchable(path) {
		return nil, fmt.Errorf("%w: its URL is not a path of Stripe's v1 API", ErrFetch)
	}
	params := &stripe.Params{Context: ctx}
	if authentication != "" {
		params.SetStripeContext(authentication)
	}
	var answer stripe.APIResource
	events := h.cfg.Client.V1Events // any service has the client's backend and key
	err := events.B.Call(http.MethodGet, path, events.Key, params, &answer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFetch, &stripeError{err})
	}
	if answer.LastResponse == nil {
		return nil, fmt.Errorf("%w: stripe answered nothing", ErrFetch)
	}
	return answer.LastResponse.RawJSON, nil
}

// fetchable reports whether a path leads to an object of the v1 API, and to nothing else.
func fetchable(path string) bool {
	if !strings.HasPrefix(path, "/v1/") || strings.Contains(path, "..") || strings.Contains(path, "//") {
		return false
	}
	return !strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' || r == '#' })
}

// statusCode returns the HTTP status that Stripe answered with; 0: Stripe did not answer.
func statusCode(err error) int {
	var se *stripe.Error
	if !errors.As(err, &se) {
		return 0
	}
	return se.HTTPStatusCode
}

// stripeError is a failed request to Stripe. errors.As finds the *stripe.Error in it. Its text leaves out what Stripe and
// stripe-go quote, such as an e-mail address.
type stripeError struct{ err error }

func (e *stripeError) Error() string {
	var se *stripe.Error
	var ne net.Error
	switch {
	case errors.As(e.err, &se):
		text := "stripe answered " + strconv.Itoa(se.HTTPStatusCode)
		for _, part := range []string{string(se.Type), string(se.Code), se.RequestID} {
			if part != "" {
				text += " " + part
			}
		}
		if se.HTTPStatusCode == http.StatusNotFound {
			text += ": the object was deleted, or the key of Config.Client is of another account or mode"
		}
		return text
	case errors.Is(e.err, context.Canceled), errors.Is(e.err, context.DeadlineExceeded), errors.As(e.err, &ne):
		return e.err.Error()
	}
	return fmt.Sprintf("stripe's answer could not be read (%T)", e.err)
}

func (e *stripeError) Unwrap() error { return e.err }
