package checkout_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
)

// waiting asks the status endpoint in a goroutine of its own.
func (s *testShop) waiting(sessionID, wait string) (answer chan *httptest.ResponseRecorder) {
	answer = make(chan *httptest.ResponseRecorder, 1)
	go func() {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/?session_id="+sessionID+"&wait="+wait, nil)
		s.flow.StatusHandler().ServeHTTP(w, r)
		answer <- w
	}()
	return answer
}

func TestStatusWaits(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		do   func(s *testShop, session string)
		wait string
		took time.Duration
		says string
	}{
		"for nothing":           {func(*testShop, string) {}, "10s", 10 * time.Second, "open"},
		"no longer than it may": {func(*testShop, string) {}, "1h", checkout.MaxWait, "open"},
		"not at all":            {func(*testShop, string) {}, "0s", 0, "open"},
		"for the payment": {func(s *testShop, session string) {
			time.Sleep(5 * time.Second)
			require.NoError(s.t, s.srv.Pay(session, checkouttest.CardOK))
		}, "10s", 6 * time.Second, "fulfilled"},
		"not for a debit": {func(s *testShop, session string) {
			require.NoError(s.t, s.srv.Pay(session, checkouttest.BankDebit))
		}, "10s", 2 * time.Second, "processing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				session := s.begin(cartOf("order-1", "tee")).SessionID
				began := time.Now()
				answer := s.waiting(session, tt.wait)
				synctest.Wait()
				tt.do(s, session)
				w := <-answer
				require.Equal(t, tt.took, time.Since(began))
				require.Contains(t, w.Body.String(), `"`+tt.says+`"`)
			})
		})
	}
	t.Run("until the shop shuts down", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newShop(t)
			session := s.begin(cartOf("order-1", "tee")).SessionID
			ctx, cancel := context.WithCancel(t.Context())
			ran := make(chan error)
			go func() { ran <- s.flow.Run(ctx) }()
			answer := s.waiting(session, "20s")
			synctest.Wait()
			began := time.Now()
			cancel()
			<-ran
			require.Contains(t, (<-answer).Body.String(), "open")
			require.Zero(t, time.Since(began))
		})
	})
	s := newShop(t)
	session := s.begin(cartOf("order-1", "tee")).SessionID
	for _, bad := range []string{"soon", "-1s", "10"} {
		require.Equal(t, http.StatusBadRequest, (<-s.waiting(session, bad)).Code)
	}
}

// A shop whose database was restored from a backup of weeks ago settles what it began before.
func TestBackfill(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	paid := s.begin(cartOf("paid", "tee")).SessionID
	refunded := s.begin(cartOf("refunded", "tee")).SessionID
	backup := []*store.Order{s.order("paid"), s.order("refunded")}
	lost := s.begin(cartOf("lost", "tee")).SessionID
	s.loseWebhooks()
	for _, id := range []string{paid, refunded, lost} {
		s.pay(id)
	}
	s.refund(refunded, 0)
	params, err := cartOf("foreign", "tee").CreateParams(s.srv.Now())
	require.NoError(t, err)
	_, err = s.srv.Client().V1CheckoutSessions.Create(t.Context(), params)
	require.NoError(t, err)
	s.srv.Advance(50 * 24 * time.Hour)

	r := s.rewound(backup...)
	ours, err := r.flow.Backfill(t.Context(), testStart)
	require.NoError(t, err)
	require.Equal(t, 3, ours)
	found := r.order("lost")
	require.True(t, found.Paid() && found.Stuck(), found.StuckReason())
	require.Zero(t, r.shipments("lost"))
	s.srv.Advance(time.Minute)
	r.sweep()
	r.requireStatus("paid", checkout.Fulfilled)
	r.requireStatus("refunded", "refunded")
	require.Equal(t, 1, r.shipments("paid"))
	require.Zero(t, r.shipments("refunded"))
	require.Contains(t, s.log.String(), "without an order")

	again, err := r.flow.Backfill(t.Context(), s.srv.Now())
	require.NoError(t, err)
	require.Zero(t, again)
}

// Where customers may change quantities, the order has what they bought.
func TestChangedQuantities(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	session := cartOf("order-1", "")
	session.Params = func(p *stripe.CheckoutSessionCreateParams) {
		p.LineItems[0].AdjustableQuantity = &stripe.CheckoutSessionCreateLineItemAdjustableQuantityParams{Enabled: stripe.Bool(true)}
	}
	id := s.begin(session).SessionID
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/line_items") {
			return answer(r, http.StatusOK, `{"object":"list","has_more":false,"data":[{"id":"li_1","object":"item",`+
				`"description":"Item","quantity":3,"price":{"id":"price_1","object":"price","unit_amount":1999}}]}`), nil
		}
		return send()
	})
	require.NoError(t, s.dispatch("checkout.session.completed", map[string]any{
		"id": id, "object": "checkout.session", "status": "complete", "payment_status": "paid",
		"mode": "payment", "currency": "usd", "amount_subtotal": 5997, "amount_total": 5997, "livemode": false,
	}))
	s.requireStatus("order-1", checkout.Fulfilled)
	require.Equal(t, []store.Line{{Name: "Item", UnitAmount: 1999, Quantity: 3}}, s.order("order-1").Lines)
}
