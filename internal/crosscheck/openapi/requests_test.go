package openapi

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
	"github.com/stripe/stripe-mock/embedded"
	"github.com/stripe/stripe-mock/server"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/webhook"
	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

// stripeMock returns stripe-mock v0.197.0 as a handler in this process, without a socket.
func stripeMock(t *testing.T) http.HandlerFunc {
	t.Helper()
	description, err := server.LoadSpec(embedded.OpenAPISpec, "")
	require.NoError(t, err)
	fixtures, err := server.LoadFixtures(embedded.OpenAPIFixtures, "")
	require.NoError(t, err)
	mock, err := server.NewStubServer(fixtures, description, false, false)
	require.NoError(t, err)
	return mock.HandleRequest
}

// tee returns a line with a tracked SKU.
func tee(quantity int64) checkout.Line {
	return checkout.Line{SKU: "tee-m", Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: quantity}
}

// sessions returns sessions that together use every field of checkout.Session, and every kind of line.
func sessions() map[string]checkout.Session {
	usd := func(s string) checkout.Amount { return checkout.MustAmount(s, "usd") }
	base := func(change func(s *checkout.Session)) checkout.Session {
		s := checkout.Session{
			Lines:      []checkout.Line{tee(2)},
			SuccessURL: "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}", CancelURL: "https://shop.example/cart",
		}
		change(&s)
		return s
	}
	embedded := func(s *checkout.Session) {
		s.UIMode, s.SuccessURL, s.CancelURL, s.ReturnURL = checkout.UIModeEmbedded, "", "", "https://shop.example/back"
	}
	return map[string]checkout.Session{
		"smallest": base(func(*checkout.Session) {}),
		"lines": base(func(s *checkout.Session) {
			s.Lines = []checkout.Line{
				{Name: "Mug", Description: "Blue", Images: []string{"https://shop.example/mug.png"}, UnitAmount: usd("8.00"), Quantity: 1},
				{Price: "price_1", Quantity: 3}, {Product: "prod_1", UnitAmount: usd("5"), Quantity: 1},
			}
			s.Currency = "usd"
		}),
		"customer and texts": base(func(s *checkout.Session) {
			s.Customer, s.Locale, s.AllowPromotionCodes, s.AutomaticTax = "cus_1", "pt-BR", true, true
			s.Metadata = map[string]string{"campaign": "spring", "note": "ä [x]"}
		}),
		"e-mail, methods, capture": base(func(s *checkout.Session) {
			s.CustomerEmail, s.PaymentMethodTypes, s.ManualCapture, s.HoldFor = "a@shop.example", []string{"card", "link"}, true, time.Hour
		}),
		"shipping": base(func(s *checkout.Session) {
			s.Shipping = checkout.Shipping{Countries: []string{"DE", "US"}, Options: []checkout.ShippingOption{
				{Rate: "shr_1"}, {Name: "Fast", Amount: usd("9.90"), MinDays: 1, MaxDays: 3}, {Name: "Free", Amount: usd("0")},
			}}
		}),
		"direct charge": base(func(s *checkout.Session) { s.Connect = checkout.Connect{Account: "acct_1", ApplicationFee: usd("1")} }),
		"destination charge": base(func(s *checkout.Session) {
			s.Connect = checkout.Connect{Destination: "acct_1", OnBehalfOf: "acct_1", ApplicationFee: usd("1")}
		}),
		"embedded": base(embedded),
		"other parameters": base(func(s *checkout.Session) {
			s.Params = func(p *stripe.CheckoutSessionCreateParams) {
				p.SubmitType = stripe.String("pay")
				p.PhoneNumberCollection = &stripe.CheckoutSessionCreatePhoneNumberCollectionParams{Enabled: stripe.Bool(true)}
			}
		}),
		"subscription": base(func(s *checkout.Session) {
			s.Mode = checkout.ModeSubscription
			s.Lines = []checkout.Line{
				{Name: "Box", UnitAmount: usd("20"), Quantity: 1, Recurring: checkout.Recurring{Interval: checkout.IntervalMonth, Count: 3}},
				{Name: "Set-up", UnitAmount: usd("5"), Quantity: 1},
			}
			s.Connect = checkout.Connect{Destination: "acct_1", OnBehalfOf: "acct_1"}
		}),
		"setup": base(func(s *checkout.Session) { s.Mode, s.Lines, s.Currency = checkout.ModeSetup, nil, "eur" }),
		"setup by methods": base(func(s *checkout.Session) {
			s.Mode, s.Lines, s.PaymentMethodTypes = checkout.ModeSetup, nil, []string{"card"}
		}),
	}
}

// shop is a Flow on a test server that has the price that sessions use. The Flow's requests go through a tap.
type shop struct {
	srv  *checkouttest.Server
	tap  *tap
	flow *checkout.Flow[*memstore.Tx]
	hook *webhook.Handler
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{srv: checkouttest.NewServer(checkouttest.Config{})}
	t.Cleanup(s.srv.Close)
	s.srv.AddPrice(checkouttest.Price{ID: "price_1", Product: "prod_1", Name: "Cap", Currency: "usd", UnitAmount: 700})
	s.tap = &tap{to: s.srv.Transport()}
	st, stock := memstore.New(), memreserver.New()
	require.NoError(t, st.InTx(t.Context(), func(tx *memstore.Tx) error { return stock.Set(t.Context(), tx, "tee-m", 1000) }))
	var err error
	s.flow, err = checkout.New(checkout.Config[*memstore.Tx]{
		Stripe: s.srv.ClientOver(s.tap), Store: st, Reserver: stock, Clock: s.srv.Now, Logger: slog.New(slog.DiscardHandler),
		Fulfil: func(context.Context, *memstore.Tx, *store.Order) error { return nil },
		Refund: []checkout.ChangeKind{checkout.ChangeMismatch},
	})
	require.NoError(t, err)
	s.hook, err = webhook.New(webhook.Config{Secrets: []string{s.srv.WebhookSecret()}, Clock: s.srv.Now, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	s.flow.Handle(s.hook)
	return s
}

// live makes the Flow send every kind of request that it has.
func (s *shop) live(t *testing.T) {
	ctx := t.Context()
	begin := func(id string, quantity int64) string {
		session := sessions()["smallest"]
		session.OrderID, session.Lines = id, []checkout.Line{tee(quantity)}
		started, err := s.flow.Begin(ctx, session)
		require.NoError(t, err)
		return started.SessionID
	}
	sweep := func() {
		_, err := s.flow.Sweep(ctx)
		require.NoError(t, err)
	}
	s.srv.Deliver(s.hook)
	paid := begin("paid", 1)
	require.NoError(t, s.srv.Pay(paid, checkouttest.CardOK))
	_, err := s.srv.Refund(paid, 500)
	require.NoError(t, err)
	changed := begin("changed", 1)
	require.NotEqual(t, changed, begin("changed", 3), "another cart must get another session")
	begin("canceled", 1)
	require.NoError(t, s.flow.Cancel(ctx, "canceled"))

	s.srv.Deliver(nil) // from here on every webhook is lost
	lost := begin("lost", 1)
	require.NoError(t, s.srv.Pay(lost, checkouttest.CardOK))
	begin("left", 1)
	s.srv.Advance(25 * time.Hour)
	sweep()
	_, err = s.srv.Refund(lost, 0)
	require.NoError(t, err)
	s.srv.Advance(25 * time.Hour)
	sweep()

	// Events in the wrong sequence, in conflict, or of another amount make the Flow ask Stripe.
	early := begin("early", 1)
	require.NoError(t, s.srv.Pay(early, checkouttest.CardOK))
	charge := s.charge(t, early)
	s.tell("charge.dispute.created", map[string]any{"object": "dispute", "id": "dp_1", "status": "needs_response", "amount": 1999, "charge": charge})
	for _, status := range []string{"won", "lost"} {
		s.tell("charge.dispute.closed", map[string]any{"object": "dispute", "id": "dp_1", "status": status, "amount": 1999, "charge": charge})
	}
	for _, status := range []string{"failed", "canceled"} {
		s.tell("refund.failed", map[string]any{"object": "refund", "id": "re_1", "status": status, "amount": 1999, "charge": charge})
	}
	other := begin("other", 1)
	require.NoError(t, s.srv.Pay(other, checkouttest.CardOK))
	session := s.show(t, other)
	session["amount_subtotal"] = 1
	s.tell("checkout.session.completed", session)
	s.srv.Advance(time.Hour)
	sweep()
}

// tell sends the shop an event that did not happen at the server.
func (s *shop) tell(typ string, object map[string]any) {
	payload := webhooktest.Event{ID: "evt_" + rand.Text(), Type: typ, Created: s.srv.Now(), Object: object}.Payload()
	s.hook.ServeHTTP(httptest.NewRecorder(), webhooktest.NewRequest("/", payload, s.srv.WebhookSecret(), s.srv.Now()))
}

// show returns a session as the server shows it.
func (s *shop) show(t *testing.T, sessionID string) (session map[string]any) {
	t.Helper()
	got, err := s.srv.Client().V1CheckoutSessions.Retrieve(t.Context(), sessionID, nil)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(got.LastResponse.RawJSON, &session))
	return session
}

func (s *shop) charge(t *testing.T, sessionID string) string {
	t.Helper()
	pi, err := s.srv.Client().V1PaymentIntents.Retrieve(t.Context(), s.show(t, sessionID)["payment_intent"].(string), nil)
	require.NoError(t, err)
	return pi.LatestCharge.ID
}

// stripe-mock v0.197.0 accepts every request that the library sends, and the description has all of its keys.
func TestRequests(t *testing.T) {
	t.Parallel()
	check, mock, s := checker(t), stripeMock(t), newShop(t)
	client := s.srv.ClientOver(s.tap)
	for name, session := range sessions() {
		session.OrderID = "order-42"
		params, err := session.CreateParams(s.srv.Now())
		require.NoError(t, err, name)
		_, err = client.V1CheckoutSessions.Create(t.Context(), params)
		if refused := (*stripe.Error)(nil); errors.As(err, &refused) { // the server may only lack these two objects
			require.Equal(t, stripe.ErrorCodeResourceMissing, refused.Code, "%s: %s", name, refused.Msg)
			require.Contains(t, []string{"No such customer: 'cus_1'", "No such shipping_rate: 'shr_1'"}, refused.Msg)
		}
	}
	s.live(t)

	calls := map[string]int{}
	for _, x := range s.tap.seen {
		what := x.method + " " + x.path + "?" + x.values().Encode()
		_, pattern := check.Later.Find(x.method, x.path)
		calls[x.method+" "+pattern]++
		require.Empty(t, check.Later.Unknown(x.method, x.path, x.values()), what)
		target := x.path
		if x.query != "" {
			target += "?" + x.query
		}
		r := httptest.NewRequest(x.method, target, strings.NewReader(x.body))
		r.Header = x.header
		w := httptest.NewRecorder()
		mock(w, r)
		require.Equal(t, http.StatusOK, w.Code, "%s: %s", what, w.Body)
	}
	t.Logf("%d requests checked: %s", len(s.tap.seen), fmt.Sprint(calls))
	require.ElementsMatch(t, []string{
		"POST /v1/checkout/sessions", "GET /v1/checkout/sessions", "GET /v1/checkout/sessions/{session}",
		"POST /v1/checkout/sessions/{session}/expire", "GET /v1/charges/{charge}", "GET /v1/events", "GET /v1/disputes",
		"GET /v1/disputes/{dispute}", "GET /v1/refunds", "POST /v1/refunds", "GET /v1/refunds/{refund}",
	}, slices.Collect(maps.Keys(calls)), "the calls that the library makes")
}
