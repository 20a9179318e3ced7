package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

const (
	webhookSecret = "whsec_benchmark"
	unitAmount    = 1999
)

// stubStripe answers every request at once, without a network. It knows the sessions that were created by their IDs alone.
type stubStripe struct {
	requests atomic.Int64
	created  atomic.Int64
}

func (s *stubStripe) client() *stripe.Client {
	return stripe.NewClient("sk_test_benchmark", stripe.WithBackends(stripe.NewBackendsWithConfig(&stripe.BackendConfig{
		HTTPClient: &http.Client{Transport: s}, MaxNetworkRetries: stripe.Int64(0), EnableTelemetry: stripe.Bool(false),
		LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
	})))
}

// RoundTrip answers for POST /v1/checkout/sessions and for GET of a session.
func (s *stubStripe) RoundTrip(r *http.Request) (*http.Response, error) {
	s.requests.Add(1)
	form := url.Values{}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if form, err = url.ParseQuery(string(body)); err != nil {
			return nil, err
		}
	}
	session := map[string]any{
		"object": "checkout.session", "status": "open", "payment_status": "unpaid", "mode": "payment", "currency": "usd", "livemode": false,
		"created": time.Now().Unix(), "url": "https://checkout.stripe.com/c/pay",
	}
	if r.Method == http.MethodPost {
		session["id"] = fmt.Sprintf("cs_test_%d", s.created.Add(1))
		session["expires_at"], _ = strconv.ParseInt(form.Get("expires_at"), 10, 64)
		session["client_reference_id"] = form.Get("client_reference_id")
		metadata, lines := map[string]string{}, 0
		for name := range form {
			if key, ok := strings.CutPrefix(name, "metadata["); ok {
				metadata[strings.TrimSuffix(key, "]")] = form.Get(name)
			}
			if strings.HasSuffix(name, "[quantity]") {
				lines++
			}
		}
		session["metadata"] = metadata
		session["amount_subtotal"], session["amount_total"] = lines*unitAmount, lines*unitAmount
	} else {
		session["id"] = path.Base(r.URL.Path)
	}
	answer, err := json.Marshal(session)
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {"application/json"}, "Date": {time.Now().UTC().Format(http.TimeFormat)}}
	return &http.Response{
		StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(strings.NewReader(string(answer))),
		ContentLength: int64(len(answer)), Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// event is the payload of a checkout.session.completed event, of the size that Stripe sends.
func event(id, sessionID, paymentStatus string) []byte {
	object := map[string]any{
		"id": sessionID, "object": "checkout.session", "status": "complete", "payment_status": paymentStatus, "mode": "payment",
		"currency": "usd", "livemode": false, "amount_subtotal": unitAmount, "amount_total": unitAmount, "created": time.Now().Unix(),
		"expires_at": time.Now().Add(24 * time.Hour).Unix(), "payment_intent": "pi_" + sessionID, "customer": nil,
		"customer_details": map[string]any{"email": "buyer@shop.example", "name": "Example Buyer", "phone": nil, "address": map[string]any{
			"line1": "1 Example Street", "line2": nil, "city": "Springfield", "state": "CA", "postal_code": "90001", "country": "US",
		}},
		"metadata":     map[string]string{},
		"custom_text":  map[string]any{"after_submit": nil, "shipping_address": nil, "submit": nil, "terms_of_service_acceptance": nil},
		"success_url":  "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}",
		"cancel_url":   "https://shop.example/cart",
		"custom_field": strings.Repeat("x", 2000),
	}
	payload, err := json.MarshalIndent(map[string]any{
		"id": id, "object": "event", "api_version": stripe.APIVersion, "created": time.Now().Unix(), "type": "checkout.session.completed",
		"livemode": false, "pending_webhooks": 1, "data": map[string]any{"object": object},
	}, "", "  ")
	if err != nil {
		panic(err)
	}
	return payload
}

// delivery is a signed request with an event.
func delivery(payload []byte) *http.Request {
	return webhooktest.NewRequest("/stripe/webhook", payload, webhookSecret, time.Now())
}
