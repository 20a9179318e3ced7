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

// tee is the smallest session: one T-shirt for 19.99 USD.
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

// inbox is a webhook receiver that checks signatures and keeps what it accepted.
type inbox struct {
	srv *checkouttest.Server

	mu     sync.Mutex
	answer func(e stripe.Event) int // nil: always 200
	events []stripe.Event
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
		in.events = append(in.events, e)
	}
	w.WriteHeader(status)
}

// respond sets how the inbox answers from now on.
func (in *inbox) respond(answer func(e stripe.Event) int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.answer = answer
}

// types lists what was accepted and starts afresh.
func (in *inbox) types(t testing.TB) []string {
	t.Helper()
	in.mu.Lock()
	defer in.mu.Unlock()
	require.Empty(t, in.bad)
	out := []string{}
	for _, e := range in.events {
		out = append(out, string(e.Type))
	}
	in.events = nil
	return out
}

// verify checks a delivery's headers as Stripe documents them, without any library.
func verify(r *http.Request, body []byte, secret string, now time.Time) error {
	ts, v1, ok := strings.Cut(strings.TrimPrefix(r.Header.Get("Stripe-Signature"), "t="), ",v1=")
	if !ok {
		return fmt.Errorf("signature header %q", r.Header.Get("Stripe-Signature"))
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(ts + "." + string(body)))
	if want := hex.EncodeToString(mac.Sum(nil)); v1 != want {
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
