package checkout_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

func TestBackfillOfConnectedAccounts(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connected = []string{"acct_1"}
	id := s.beginOn("acct_1", "paid")
	backup := s.order("paid")
	s.loseWebhooks()
	s.pay(id)
	s.refund(id, 500)
	r := s.rewound(backup)
	r.connected = []string{"acct_1", "", "acct_1"} // each account is looked at once
	ours, err := r.flow.Backfill(t.Context(), testStart)
	require.NoError(t, err)
	require.Equal(t, 1, ours)
	r.requireStatus("paid", "partially_refunded")
}

// A paid copy on another account than the order's is nothing to the order.
func TestBackfillOfCopies(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connected = []string{"acct_1"}
	ours := s.begin(cartOf("order-1", "tee")).SessionID
	s.loseWebhooks()
	copied := s.foreignSession(func(p *stripe.CheckoutSessionCreateParams) {
		p.Metadata = s.stripeSession(ours).Metadata
		p.SetStripeAccount("acct_1")
	})
	s.pay(copied)
	found, err := s.flow.Backfill(t.Context(), testStart)
	require.NoError(t, err)
	require.Equal(t, 1, found)
	require.False(t, s.order("order-1").Paid(), "the payment of another account is never the order's")
}

// Backfill goes on behind an account that answers 403, and says so.
func TestBackfillBehindADeadAccount(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connected = []string{"acct_dead", "acct_1"}
	s.loseWebhooks()
	s.pay(s.beginOn("acct_1", "order-1"))
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.Header.Get("Stripe-Account") == "acct_dead" {
			return answer(r, http.StatusForbidden, `{"error":{"type":"invalid_request_error","code":"account_invalid"}}`), nil
		}
		return send()
	})
	ours, err := s.flow.Backfill(t.Context(), testStart)
	require.ErrorContains(t, err, "account_invalid")
	require.Equal(t, 1, ours)
	require.True(t, s.order("order-1").Paid())
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
