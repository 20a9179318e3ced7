package checkout_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
)

// With every webhook lost, sweeping alone finds that a debit bounced, that money was given back, and that it is disputed.
func TestEveryWebhookLost(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.loseWebhooks()
	hours := func(n int) {
		for range n {
			s.srv.Advance(time.Hour)
			s.sweep()
		}
	}
	bounced := s.begin(cartOf("bounced", "tee")).SessionID
	refunded := s.begin(cartOf("refunded", "tee")).SessionID
	disputed := s.begin(cartOf("disputed", "tee")).SessionID
	abandoned := cartOf("abandoned", "last")
	abandoned.HoldFor = 10 * time.Minute
	s.begin(abandoned)
	require.NoError(t, s.srv.Pay(bounced, checkouttest.BankDebit))
	s.pay(refunded)
	s.pay(disputed)
	hours(25)
	s.requireStatus("bounced", "processing")
	s.requireStatus("refunded", checkout.Fulfilled)
	s.requireStatus("abandoned", "expired")

	require.NoError(t, s.srv.Bounce(bounced))
	refund := s.refund(refunded, 1000)
	dispute, err := s.srv.Dispute(disputed)
	require.NoError(t, err)
	hours(8)
	s.requireStatus("bounced", "failed")
	s.requireStatus("refunded", "partially_refunded")
	s.requireStatus("disputed", "disputed")

	require.NoError(t, s.srv.FailRefund(refund))
	require.NoError(t, s.srv.WinDispute(dispute))
	hours(2)
	s.requireStatus("refunded", checkout.Fulfilled)
	s.requireStatus("disputed", checkout.Fulfilled)
	s.requireStock("tee", 3, 0, 2)
	s.requireStock("last", 1, 0, 0)
	require.Subset(t, s.kinds(), []checkout.ChangeKind{
		checkout.ChangeRefunded, checkout.ChangeRefundFailed, checkout.ChangeDisputed, checkout.ChangeDisputeWon, checkout.ChangeFailed, checkout.ChangeExpired,
	})
}

// While the endpoint is down for days, sweeping reads what Stripe could not deliver, each event once it is there.
func TestUndeliveredEventsAreRead(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.srv.Deliver(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	const orders = 5
	for i := range orders {
		session := cartOf(fmt.Sprintf("order-%d", i), "tee")
		s.pay(s.begin(session).SessionID)
		s.srv.Advance(20 * time.Hour)
	}
	require.Zero(t, s.fulfilRuns())
	asked := s.wire.count("GET /v1/events")
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		switch {
		case r.Method == http.MethodGet && r.URL.Path != "/v1/events" && r.URL.Path != "/v1/refunds" && r.URL.Path != "/v1/disputes":
			return answer(r, http.StatusServiceUnavailable, `{"error":{"type":"api_error"}}`), nil // sessions can't be read
		}
		return send()
	})
	s.sweep()
	for i := range orders {
		s.requireStatus(fmt.Sprintf("order-%d", i), checkout.Fulfilled)
		require.Equal(t, 1, s.shipments(fmt.Sprintf("order-%d", i)))
	}
	require.Less(t, s.wire.count("GET /v1/events")-asked, 20, "windows of hours, not of seconds")
	asked = s.wire.count("GET /v1/events")
	s.sweep()
	require.Equal(t, 1, s.wire.count("GET /v1/events")-asked, "the next sweep goes on where this one stopped")
}

// More events than the requests of a sweep fetch are read by several, as long as those of any hour can be fetched.
func TestBurstsOfUndeliveredEvents(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	flow, err := checkout.New(checkout.Config[tx]{
		Stripe: s.srv.ClientOver(s.wire), Store: s.st, Reserver: s.stock, Clock: s.srv.Now, Logger: slog.New(slog.DiscardHandler),
		SweepBudget: 6, Fulfil: func(context.Context, tx, *store.Order) error { return nil },
	})
	require.NoError(t, err)
	s.srv.Deliver(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	id := s.begin(cartOf("order-1", "tee")).SessionID
	for range 2 {
		s.srv.Advance(4 * time.Hour)
		for range 450 {
			s.pay(s.foreignSession(func(*stripe.CheckoutSessionCreateParams) {}))
		}
	}
	s.srv.Advance(4 * time.Hour)
	s.pay(id)
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.URL.Path != "/v1/events" {
			return answer(r, http.StatusServiceUnavailable, `{"error":{"type":"api_error"}}`), nil
		}
		return send()
	})
	sweeps := 0
	for ; !s.order("order-1").Paid() && sweeps < 20; sweeps++ {
		_, err := flow.Sweep(t.Context())
		require.NoError(t, err)
	}
	require.True(t, s.order("order-1").Paid())
	t.Logf("%d sweeps", sweeps)
}

// What another application on the account missed costs a sweep no requests.
func TestMissedByOthers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.srv.Deliver(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	for range 5 {
		refunded := s.foreignSession(func(*stripe.CheckoutSessionCreateParams) {})
		disputed := s.foreignSession(func(*stripe.CheckoutSessionCreateParams) {})
		s.pay(refunded)
		s.pay(disputed)
		s.refund(refunded, 0)
		s.disputePayment(disputed)
	}
	before := len(s.wire.calls)
	s.sweep()
	require.Less(t, len(s.wire.calls)-before, 6, "the lists, and nothing else")
}

// A list that does not end does not keep a sweep.
func TestSweepBudgetOfAList(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	page, err := json.Marshal(map[string]any{
		"object": "list", "has_more": true, "data": slices.Repeat([]map[string]string{{"id": "re_1", "object": "refund"}}, 100),
	})
	require.NoError(t, err)
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.URL.Path == "/v1/refunds" {
			return answer(r, http.StatusOK, string(page)), nil
		}
		return send()
	})
	s.sweep()
	require.Less(t, s.wire.count("GET /v1/refunds"), 501)
}

// A sweep makes no more requests than it may, and the next goes on.
func TestSweepBudget(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.setStock("tee", 100)
	s.loseWebhooks()
	for i := range 30 {
		session := cartOf(fmt.Sprintf("order-%d", i), "tee")
		session.HoldFor = 10 * time.Minute
		s.begin(session)
	}
	flow, err := checkout.New(checkout.Config[tx]{
		Stripe: s.srv.ClientOver(s.wire), Store: s.st, Reserver: s.stock, Clock: s.srv.Now, Logger: slog.New(slog.DiscardHandler), SweepBudget: 10,
		Fulfil: func(_ context.Context, _ tx, _ *store.Order) error { return nil },
	})
	require.NoError(t, err)
	s.srv.Advance(11 * time.Minute)
	ended := func() (n int) {
		for i := range 30 {
			if s.order(fmt.Sprintf("order-%d", i)).Status() == store.Expired {
				n++
			}
		}
		return n
	}
	for range 4 {
		before := len(s.wire.calls)
		_, err := flow.Sweep(t.Context())
		require.NoError(t, err)
		require.LessOrEqual(t, len(s.wire.calls)-before, 13)
		s.srv.Advance(3 * time.Minute)
	}
	require.Equal(t, 30, ended())
}
