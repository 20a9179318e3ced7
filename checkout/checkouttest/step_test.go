package checkouttest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// A stepper makes steps, and keeps them so that another server can make them again.
type stepper struct {
	srv  *checkouttest.Server
	done []func(srv *checkouttest.Server)
}

var stepStart = time.Unix(1_800_000_000, 0)

func (p *stepper) post(after time.Duration, path, form string) map[string]any {
	n := uint64(len(p.done) + 1)
	var body []byte
	do := func(srv *checkouttest.Server, replay bool) {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form))
		r.SetBasicAuth(srv.Key(), "")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		srv.Step(checkouttest.Step{Number: n, At: stepStart.Add(after), Wait: time.Minute, Replay: replay}, func() {
			if !replay {
				_, _ = srv.Client().V1Prices.Retrieve(context.Background(), "price_none", nil) // must not change the IDs that come
			}
			srv.ServeHTTP(w, r)
		})
		body = w.Body.Bytes()
	}
	p.done = append(p.done, func(srv *checkouttest.Server) { do(srv, true) })
	do(p.srv, false)
	var o map[string]any
	_ = json.Unmarshal(body, &o)
	return o
}

const stepSession = "mode=subscription&success_url=https://shop.example/&line_items[0][quantity]=1&line_items[0][price_data][currency]=usd" +
	"&line_items[0][price_data][unit_amount]=500&line_items[0][price_data][recurring][interval]=month&line_items[0][price_data][product_data][name]=Tea"

// What others read is the same after a replay: sessions, events, renewals and the secret. That holds though requests were read in
// between, and though a receiver failed, so that there were retries.
func TestStepsAreReplayed(t *testing.T) {
	t.Parallel()
	cfg := checkouttest.Config{Seed: 7, Start: stepStart, Key: "sk_test_steps"}
	p := &stepper{srv: newServer(t, cfg)}
	failing := 0
	p.srv.Deliver(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		failing++
		w.WriteHeader(http.StatusInternalServerError)
	}))
	list := func(srv *checkouttest.Server, path string) string {
		_, body := request(t, srv, http.MethodGet, path, nil)
		require.NotEmpty(t, body["data"], path)
		text, err := json.Marshal(body)
		require.NoError(t, err)
		return strings.ReplaceAll(string(text), `"pending_webhooks":1`, `"pending_webhooks":0`)
	}
	first := p.post(time.Second, "/v1/checkout/sessions", stepSession)
	require.Contains(t, first["id"], "cs_test_")
	p.post(2*time.Second, "/v1/payment_pages/"+first["id"].(string)+"/confirm", "payment_method=pm_card_visa")
	p.srv.Step(checkouttest.Step{Number: 1000, At: stepStart.Add(10 * 24 * time.Hour)}, nil) // nor must time that goes by
	p.post(40*24*time.Hour, "/v1/checkout/sessions", stepSession)                            // the subscription renews on the way
	require.Positive(t, failing)

	again := newServer(t, cfg)
	again.Deliver(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a replayed step was delivered") }))
	for _, do := range p.done {
		do(again)
	}
	for _, path := range []string{"/v1/checkout/sessions", "/v1/events?limit=100", "/v1/invoices", "/v1/subscriptions", "/v1/charges"} {
		require.Equal(t, list(p.srv, path), list(again, path), path)
	}
	require.Equal(t, p.srv.Now(), again.Now())
	require.Equal(t, p.srv.WebhookSecret(), again.WebhookSecret())
}

// A receiver that calls the API in a step of its own does not wait for the step that it hears of.
func TestReceiverMakesAStep(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{Seed: 7, Start: stepStart})
	called := 0
	srv.Deliver(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		srv.Step(checkouttest.Step{Number: 99, At: srv.Now()}, func() { called++ })
	}))
	r := httptest.NewRequest(http.MethodPost, "/v1/customers", nil)
	r.SetBasicAuth(srv.Key(), "")
	srv.Step(checkouttest.Step{Number: 1, At: srv.Now(), Wait: time.Minute}, func() {
		srv.ServeHTTP(httptest.NewRecorder(), r)
		srv.Flush()
	})
	require.Positive(t, called)
	require.Panics(t, func() {
		newServer(t, checkouttest.Config{WallClock: true}).Step(checkouttest.Step{}, nil)
	})
}
