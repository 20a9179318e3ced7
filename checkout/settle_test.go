package checkout_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
)

// beginUnrecorded begins an order whose session exists at Stripe and was never recorded, and returns the session's ID.
func (s *testShop) beginUnrecorded(session checkout.Session) string {
	s.t.Helper()
	s.crash(session, true)
	ids := s.sessionIDs()
	return ids[len(ids)-1]
}

// An unknown payment status is not paid, whatever the type of the event.
func TestUnknownIsNotPaid(t *testing.T) {
	t.Parallel()
	for _, status := range []any{"unpaid", "partially_paid", "", nil} {
		for _, eventType := range []string{"checkout.session.completed", "checkout.session.async_payment_succeeded"} {
			s := newShop(t)
			started := s.begin(cartOf("order-1", "last"))
			require.NoError(t, s.dispatch(eventType, map[string]any{
				"id": started.SessionID, "object": "checkout.session", "payment_status": status, "mode": "payment",
				"currency": "usd", "amount_subtotal": 1999, "livemode": false,
			}))
			s.requireStatus("order-1", "processing")
			require.Zero(t, s.fulfilRuns())
			s.requireStock("last", 0, 1, 0)
		}
	}
}

// What is in the event is paid even where an old API version has no status and sets other fields.
func TestOldAPIVersion(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	started := s.begin(cartOf("order-1", "last"))
	require.NoError(t, s.dispatch("checkout.session.completed", map[string]any{
		"id": started.SessionID, "object": "checkout.session", "payment_status": "paid", "mode": "payment",
		"currency": "usd", "amount_subtotal": 1999, "livemode": false,
		"payment_intent": map[string]any{"id": "pi_1", "status": "succeeded", "latest_charge": "ch_1"},
		"customer_email": "old@shop.example",
		"shipping":       map[string]any{"name": "A", "address": map[string]any{"line1": "1 Street", "line2": nil, "country": "DE"}},
	}))
	s.requireStatus("order-1", checkout.Fulfilled)
	o := s.order("order-1")
	require.Equal(t, store.Customer{
		Email: "old@shop.example", ShippingName: "A", ShippingAddress: store.Address{Line1: "1 Street", Country: "DE"},
	}, o.Customer)
	require.Equal(t, []string{started.SessionID, "pi_1", "ch_1"}, o.Refs())
}

func TestLateMoney(t *testing.T) {
	t.Parallel()
	t.Run("finds its stock", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		id := s.beginUnrecorded(cartOf("order-1", "last"))
		s.srv.Advance(3 * time.Minute)
		s.sweep()
		s.requireStock("last", 1, 0, 0)
		s.pay(id)
		s.requireStatus("order-1", checkout.Fulfilled)
		s.requireStock("last", 0, 0, 1)
		require.Empty(t, s.order("order-1").Shortfall)
	})
	t.Run("or says that it is gone", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		id := s.beginUnrecorded(cartOf("order-1", "last"))
		s.srv.Advance(3 * time.Minute)
		s.sweep()
		s.pay(s.begin(cartOf("order-2", "last")).SessionID)
		s.pay(id)
		o := s.order("order-1")
		require.Equal(t, store.Paid, o.Status())
		require.Equal(t, []store.Shortage{{SKU: "last", Wanted: 1}}, o.Shortfall)
		require.True(t, o.Stuck())
		require.Equal(t, []checkout.ChangeKind{checkout.ChangeShortfall}, s.kinds())
		require.Zero(t, s.shipments("order-1"))
		s.requireStock("last", 0, 0, 1)
		s.srv.Advance(48 * time.Hour)
		s.sweep()
		require.Zero(t, s.shipments("order-1"))
	})
}

func TestSecondPayment(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	old := s.beginUnrecorded(cartOf("order-1", "tee"))
	started := s.begin(cartOf("order-1", "tee"))
	s.pay(started.SessionID)
	s.requireStatus("order-1", checkout.Fulfilled)
	s.pay(old)
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeDuplicatePayment}, s.kinds())
	s.requireStatus("order-1", checkout.Fulfilled)
	require.Equal(t, 1, s.shipments("order-1"))
	s.requireStock("tee", 4, 0, 1)
	paid := 0
	for _, a := range s.order("order-1").Attempts {
		if a.Paid {
			paid++
		}
	}
	require.Equal(t, 2, paid, "a second payment is recorded as such")
}

// An order that is paid in one attempt has no session left that can be paid.
func TestPaidOrderEndsItsOtherSessions(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	old := s.beginUnrecorded(cartOf("order-1", "tee"))
	started := s.begin(cartOf("order-1", "tee"))
	s.pay(old)
	s.requireStatus("order-1", checkout.Fulfilled)
	s.sweep()
	require.Equal(t, "expired", s.stripeStatus(started.SessionID))
	s.requireStock("tee", 4, 0, 1)
	require.Equal(t, 1, s.shipments("order-1"))
	require.Empty(t, s.kinds())
}

// The expired event of an old attempt changes nothing.
func TestOldSessionExpires(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.beginUnrecorded(cartOf("order-1", "last"))
	s.srv.Advance(time.Hour)
	started := s.begin(cartOf("order-1", "last"))
	s.srv.Advance(23*time.Hour + 30*time.Minute)
	events := s.srv.Events()
	require.Equal(t, "checkout.session.expired", events[len(events)-1].Type)
	s.requireStatus("order-1", "open")
	s.requireStock("last", 0, 1, 0)
	s.pay(started.SessionID)
	s.requireStatus("order-1", checkout.Fulfilled)
}

// A payment in the last second of a hold: Stripe decides, not the clock of the shop.
func TestPaidAtTheEndOfTheHold(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	session := cartOf("order-1", "last")
	session.HoldFor = 15 * time.Minute
	started := s.begin(session)
	s.loseWebhooks()
	s.srv.Advance(15 * time.Minute)
	s.pay(started.SessionID)
	_, err := s.flow.Begin(t.Context(), cartOf("order-2", "last"))
	require.Error(t, err, "the stock is held until Stripe says otherwise")
	s.sweep()
	s.requireStatus("order-1", checkout.Fulfilled)
	s.requireStock("last", 0, 0, 1)
}

// While Stripe is down nothing is given back.
func TestStripeDownAtTheEndOfTheHold(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	session := cartOf("order-1", "last")
	session.HoldFor = 15 * time.Minute
	s.begin(session)
	s.loseWebhooks()
	s.wire.on(func(r *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		return answer(r, http.StatusServiceUnavailable, `{"error":{"type":"api_error"}}`), nil
	})
	for range 10 {
		s.srv.Advance(15 * time.Minute)
		swept := s.sweep()
		require.Equal(t, swept.Orders, swept.Failed)
		s.requireStock("last", 0, 1, 0)
	}
	s.wire.on(nil)
	s.srv.Advance(time.Hour)
	require.Equal(t, checkout.Swept{Orders: 1}, s.sweep())
	s.requireStatus("order-1", "expired")
	s.requireStock("last", 1, 0, 0)
}

func TestModes(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	setup := checkout.Session{
		OrderID: "order-1", Mode: checkout.ModeSetup, Currency: "usd", SuccessURL: "https://shop.example/thanks",
	}
	saving := s.begin(setup)
	_, status := s.status(saving.SessionID) // open, though Stripe says that no payment is required
	require.Equal(t, "open", status)
	s.pay(saving.SessionID)
	s.requireStatus("order-1", checkout.Fulfilled)

	embedded := cartOf("order-2", "tee")
	embedded.SuccessURL, embedded.CancelURL = "", ""
	embedded.UIMode, embedded.ReturnURL = checkout.UIModeEmbedded, "https://shop.example/return"
	started := s.begin(embedded)
	require.NotEmpty(t, started.ClientSecret)
	require.Empty(t, started.URL)
	s.pay(started.SessionID)
	s.requireStatus("order-2", checkout.Fulfilled)

	subscription := cartOf("order-3", "tee")
	subscription.Mode = checkout.ModeSubscription
	subscription.Lines[0].Recurring.Interval = checkout.IntervalMonth
	s.pay(s.begin(subscription).SessionID)
	s.requireStatus("order-3", checkout.Fulfilled)
	require.NotEmpty(t, s.order("order-3").Attempts[0].Subscription)
}

func TestErase(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	require.NotEmpty(t, s.order("order-1").Session)
	require.NoError(t, s.flow.Erase(t.Context(), "order-1"))
	o := s.order("order-1")
	require.Empty(t, o.Session)
	require.Empty(t, o.Customer.Email)
	require.Equal(t, store.Paid, o.Status())
	require.ErrorIs(t, s.flow.Erase(t.Context(), "order-9"), store.ErrNotFound)
}

func TestStatusHandler(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.loseWebhooks()
	started := s.begin(cartOf("order-1", "tee"))
	retrieve := "GET /v1/checkout/sessions/" + started.SessionID
	_, status := s.status(started.SessionID)
	require.Equal(t, "open", status)
	for range 20 {
		s.status(started.SessionID)
	}
	require.Equal(t, 1, s.wire.count(retrieve), "one question in two seconds")
	s.pay(started.SessionID)
	head := func() int {
		w := httptest.NewRecorder()
		s.flow.StatusHandler().ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/?session_id="+started.SessionID, nil))
		return w.Code
	}
	s.srv.Advance(2 * time.Second)
	require.Equal(t, http.StatusOK, head())
	require.Equal(t, 1, s.wire.count(retrieve), "HEAD never asks")
	_, status = s.status(started.SessionID)
	require.Equal(t, string(checkout.Fulfilled), status)
	s.srv.Advance(time.Hour)
	s.status(started.SessionID)
	require.Equal(t, 2, s.wire.count(retrieve), "what is settled is not asked for")

	for _, id := range []string{"", "cs_test_unknown", "%00", string(make([]byte, 300))} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		q := r.URL.Query()
		q.Set("session_id", id)
		r.URL.RawQuery = q.Encode()
		s.flow.StatusHandler().ServeHTTP(w, r)
		require.Equal(t, http.StatusNotFound, w.Code)
	}
	require.Equal(t, 2, s.wire.count(retrieve))
	w := httptest.NewRecorder()
	s.flow.StatusHandler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)

	// Stripe down: what is known is shown.
	other := s.begin(cartOf("order-2", "tee"))
	s.wire.on(func(r *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		return answer(r, http.StatusServiceUnavailable, `{"error":{"type":"api_error"}}`), nil
	})
	code, status := s.status(other.SessionID)
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "open", status)
}

func TestSettleUnknownSession(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	_, err := s.flow.Settle(t.Context(), "cs_test_unknown")
	require.ErrorIs(t, err, checkout.ErrNotFound)
	started := s.begin(cartOf("order-1", "tee"))
	require.NoError(t, s.srv.Pay(started.SessionID, checkouttest.Card3DS))
	// A payment intent leads to the order, and is no session.
	_, err = s.flow.Settle(t.Context(), s.order("order-1").Attempts[0].PaymentIntent)
	require.ErrorIs(t, err, checkout.ErrNotFound)
}
