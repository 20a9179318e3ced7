package checkout_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
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
	r.connected = s.connected
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
