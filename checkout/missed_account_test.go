package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

// beginOn begins an order of one tee on a connected account, and returns its session.
func (s *testShop) beginOn(account, orderID string) string {
	s.t.Helper()
	c := cartOf(orderID, "tee")
	c.Connect.Account = account
	return s.begin(c).SessionID
}

// On a connected account too, refunds and disputes are found though every webhook is lost, once an hour, and though another
// account answers nothing.
func TestMissedOnConnectedAccounts(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connected = []string{"acct_gone", "acct_down", "acct_1", "acct_2"}
	s.loseWebhooks()
	refunded, disputed := s.beginOn("acct_1", "refunded"), s.beginOn("acct_2", "disputed")
	s.pay(refunded)
	s.pay(disputed)
	_, err := s.flow.Settle(t.Context(), refunded)
	require.NoError(t, err)
	_, err = s.flow.Settle(t.Context(), disputed)
	require.NoError(t, err)
	s.refund(refunded, 500)
	s.disputePayment(disputed)
	asked := map[string]int{}
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		account := r.Header.Get("Stripe-Account")
		asked[account+r.URL.Path]++
		switch account {
		case "acct_gone":
			return answer(r, http.StatusForbidden, `{"error":{"type":"invalid_request_error","code":"account_invalid"}}`), nil
		case "acct_down":
			return nil, errors.New("connection reset")
		}
		return send()
	})
	s.sweep()
	s.sweep()
	s.requireStatus("refunded", "partially_refunded")
	s.requireStatus("disputed", "disputed")
	require.Equal(t, 1, asked["/v1/refunds"])
	require.Equal(t, 1, asked["acct_1/v1/refunds"])
	require.Equal(t, 1, asked["acct_gone/v1/refunds"], "an account that refuses is left alone for an hour")
	require.Greater(t, asked["acct_down/v1/refunds"], 1, "one that does not answer is not")
	s.srv.Advance(61 * time.Minute)
	s.sweep()
	require.Equal(t, 2, asked["acct_1/v1/refunds"])
}

// Many accounts take half of a sweep's requests, and all have their turn.
func TestManyConnectedAccounts(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var accounts []string
	for i := range 40 {
		accounts = append(accounts, fmt.Sprintf("acct_%d", i))
	}
	flow, err := checkout.New(checkout.Config[tx]{
		Stripe: s.srv.ClientOver(s.wire), Store: s.st, Reserver: s.stock, Clock: s.srv.Now, Logger: slog.New(slog.DiscardHandler),
		SweepBudget: 20, Accounts: func(context.Context) ([]string, error) { return accounts, nil },
		Fulfil: func(context.Context, tx, *store.Order) error { return nil },
	})
	require.NoError(t, err)
	var asked []string
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.URL.Path == "/v1/disputes" {
			asked = append(asked, r.Header.Get("Stripe-Account"))
		}
		return send()
	})
	for range 20 {
		before := len(s.wire.calls)
		_, err := flow.Sweep(t.Context())
		require.NoError(t, err)
		require.LessOrEqual(t, len(s.wire.calls)-before, 12, "half of 20, and the merchant's own account")
		s.srv.Advance(30 * time.Second)
	}
	slices.Sort(asked)
	require.Len(t, slices.Compact(asked), 41)
}

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
