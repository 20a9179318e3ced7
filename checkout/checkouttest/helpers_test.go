package checkouttest_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// newServer starts a server that the test closes.
func newServer(t testing.TB, cfg checkouttest.Config) *checkouttest.Server {
	t.Helper()
	srv := checkouttest.NewServer(cfg)
	t.Cleanup(srv.Close)
	return srv
}

// tee returns the parameters of the smallest session: one T-shirt for 19.99 USD.
func tee() *stripe.CheckoutSessionCreateParams {
	return &stripe.CheckoutSessionCreateParams{
		Mode:              stripe.String("payment"),
		SuccessURL:        stripe.String("https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}"),
		CancelURL:         stripe.String("https://shop.example/cart"),
		ClientReferenceID: stripe.String("order-42"),
		LineItems: []*stripe.CheckoutSessionCreateLineItemParams{{
			PriceData: &stripe.CheckoutSessionCreateLineItemPriceDataParams{
				Currency:    stripe.String("usd"),
				ProductData: &stripe.CheckoutSessionCreateLineItemPriceDataProductDataParams{Name: stripe.String("T-shirt")},
				UnitAmount:  stripe.Int64(1999),
			},
			Quantity: stripe.Int64(1),
		}},
	}
}

func create(t testing.TB, srv *checkouttest.Server, params *stripe.CheckoutSessionCreateParams) *stripe.CheckoutSession {
	t.Helper()
	sess, err := srv.Client().V1CheckoutSessions.Create(context.Background(), params)
	require.NoError(t, err)
	return sess
}

func retrieve(t testing.TB, srv *checkouttest.Server, id string, expand ...string) *stripe.CheckoutSession {
	t.Helper()
	params := &stripe.CheckoutSessionRetrieveParams{}
	for _, path := range expand {
		params.AddExpand(path)
	}
	sess, err := srv.Client().V1CheckoutSessions.Retrieve(context.Background(), id, params)
	require.NoError(t, err)
	return sess
}

// An inbox is a webhook receiver that checks signatures and keeps the events that it has accepted.
type inbox struct {
	srv *checkouttest.Server

	mu     sync.Mutex
	answer func(e stripe.Event) int // nil: always 200
	events []stripe.Event
	bodies [][]byte // of events
	bad    []string
}

func newInbox(srv *checkouttest.Server) *inbox {
	in := &inbox{srv: srv}
	srv.Deliver(in)
	return in
}

func (in *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var e stripe.Event
	if err == nil {
		err = verify(r, body, in.srv.WebhookSecret(), in.srv.Now())
	}
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	in.mu.Lock()
	answer := in.answer
	in.mu.Unlock()
	status := http.StatusOK
	if answer != nil {
		status = answer(e)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case err != nil:
		in.bad = append(in.bad, err.Error())
		status = http.StatusBadRequest
	case status == http.StatusOK:
		in.events, in.bodies = append(in.events, e), append(in.bodies, body)
	}
	w.WriteHeader(status)
}

// respond sets the inbox's answers from now on.
func (in *inbox) respond(answer func(e stripe.Event) int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.answer = answer
}

// types returns the types of the accepted events, and empties the inbox.
func (in *inbox) types(t testing.TB) []string {
	t.Helper()
	in.mu.Lock()
	defer in.mu.Unlock()
	require.Empty(t, in.bad)
	out := []string{}
	for _, e := range in.events {
		out = append(out, string(e.Type))
	}
	in.events, in.bodies = nil, nil
	return out
}

// verify checks the headers of a delivery as Stripe documents them, without a library.
func verify(r *http.Request, body []byte, secret string, now time.Time) error {
	ts, v1, ok := strings.Cut(strings.TrimPrefix(r.Header.Get("Stripe-Signature"), "t="), ",v1=")
	if !ok {
		return fmt.Errorf("signature header %q", r.Header.Get("Stripe-Signature"))
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(ts + "." + string(body)))
	v1, v0, ok := strings.Cut(v1, ",v0=")
	if !ok || len(v0) != 64 { // https://docs.stripe.com/webhooks#verify-manually
		return fmt.Errorf("the signature header %q lacks the v0 of a sandbox", r.Header.Get("Stripe-Signature"))
	}
	if want := hex.EncodeToString(mac.Sum(nil)); v1 != want || v0 == want {
		return fmt.Errorf("signature %s, want %s", v1, want)
	}
	if want := fmt.Sprint(now.Unix()); ts != want {
		return fmt.Errorf("signed at %s, want %s", ts, want)
	}
	if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") || !strings.HasPrefix(r.Header.Get("User-Agent"), "Stripe/1.0") {
		return fmt.Errorf("%s with headers %v", r.Method, r.Header)
	}
	return nil
}

// request sends a request without stripe-go, and returns the answer and its decoded body.
func request(t testing.TB, srv *checkouttest.Server, method, path string, form url.Values, header ...string) (*http.Response, map[string]any) {
	t.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	} else if form != nil {
		path += "?" + form.Encode()
	}
	r, err := http.NewRequestWithContext(context.Background(), method, srv.URL()+path, body)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+srv.Key())
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := srv.Transport().RoundTrip(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	var decoded map[string]any
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&decoded))
	return resp, decoded
}

// teeForm returns tee as a form. Pairs of keys and values change the form; the value "-" removes a key.
func teeForm(pairs ...string) url.Values {
	v := url.Values{
		"mode": {"payment"}, "success_url": {"https://shop.example/thanks"},
		"line_items[0][price_data][currency]": {"usd"}, "line_items[0][price_data][product_data][name]": {"T-shirt"},
		"line_items[0][price_data][unit_amount]": {"1999"}, "line_items[0][quantity]": {"1"},
	}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "-" {
			v.Del(pairs[i])
		}
	}
	return v
}

// form returns a form of pairs of keys and values.
func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

func long(n int) string { return strings.Repeat("x", n) }

func str(v any) string { s, _ := v.(string); return s }

// refusal posts a form, which the server must refuse with status 400. It returns the error's code, parameter and message.
func refusal(t *testing.T, srv *checkouttest.Server, path string, pairs ...string) (code, param, message string) {
	t.Helper()
	resp, body := request(t, srv, "POST", path, form(pairs...))
	require.Equal(t, http.StatusBadRequest, resp.StatusCode, "%s %v", path, pairs)
	e := body["error"].(map[string]any)
	require.Equal(t, "invalid_request_error", e["type"])
	return str(e["code"]), str(e["param"]), str(e["message"])
}

// eventTypes returns the types of all events so far.
func eventTypes(srv *checkouttest.Server) []string {
	var types []string
	for _, e := range srv.Events() {
		types = append(types, e.Type)
	}
	return types
}

// call sends a form to a path that stripe-go does not know.
func call(t *testing.T, srv *checkouttest.Server, method, path string, form url.Values) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequest(method, srv.URL()+path, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+srv.Key())
	resp, err := srv.Transport().RoundTrip(r)
	require.NoError(t, err)
	var answer map[string]any
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	return resp.StatusCode, answer
}

// ids returns the IDs of a list.
func ids(t *testing.T, srv *checkouttest.Server, path string) []string {
	t.Helper()
	resp, body := request(t, srv, "GET", path, nil)
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	require.Equal(t, "list", body["object"])
	out := []string{}
	for _, o := range body["data"].([]any) {
		out = append(out, str(o.(map[string]any)["id"]))
	}
	return out
}

// paid returns a session that was paid with a method, and an empty inbox.
func paid(t *testing.T, method checkouttest.PaymentMethod) (*checkouttest.Server, *inbox, *stripe.CheckoutSession) {
	t.Helper()
	srv := newServer(t, checkouttest.Config{})
	in := newInbox(srv)
	id := create(t, srv, tee()).ID
	require.NoError(t, srv.Pay(id, method))
	if method == checkouttest.BankDebit {
		require.NoError(t, srv.Settle(id))
	}
	srv.Advance(time.Minute) // the capture is asynchronous
	in.types(t)
	return srv, in, retrieve(t, srv, id, "payment_intent")
}
