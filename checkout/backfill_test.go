package checkout_test

import (
	"net/http"
	"strings"
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

// The database knows what its backup knew of a subscription that began before the time of the loss. Stripe delivered the event that says
// more, and will not send it again. The sweeps after Backfill find it on each account.
func TestBackfillOfSubscriptions(t *testing.T) {
	t.Parallel()
	changes := map[string]struct {
		params stripe.SubscriptionUpdateParams
		told   checkout.ChangeKind
	}{
		"end":   {stripe.SubscriptionUpdateParams{CancelAtPeriodEnd: stripe.Bool(true)}, checkout.ChangeCancellationScheduled},
		"pause": {stripe.SubscriptionUpdateParams{PauseCollection: &stripe.SubscriptionUpdatePauseCollectionParams{Behavior: stripe.String("void")}}, ""},
	}
	for name, change := range changes {
		for _, account := range []string{"", "acct_1"} {
			t.Run(name+" on "+account, func(t *testing.T) {
				t.Parallel()
				s := newShop(t)
				s.connected = []string{"acct_1"}
				club := clubOf("club")
				club.Connect.Account = account
				s.pay(s.begin(club).SessionID)
				s.srv.Advance(10 * day)
				backup := s.order("club")
				params := change.params
				if account != "" {
					params.SetStripeAccount(account)
				}
				_, err := s.srv.Client().V1Subscriptions.Update(t.Context(), backup.Subscription().ID, &params)
				require.NoError(t, err)
				s.srv.Flush()
				want := s.order("club").Subscription()
				require.NotEqual(t, backup.Subscription().Answers, want.Answers)
				s.srv.Advance(2 * day)

				r := s.rewound(backup)
				r.connected = s.connected
				ours, err := r.flow.Backfill(t.Context(), s.srv.Now().Add(-3*day))
				require.NoError(t, err)
				require.Zero(t, ours, "its session is older")
				r.sweep()
				is := r.order("club").Subscription()
				is.AskedAt, is.Answers = want.AskedAt, want.Answers
				require.Equal(t, want, is)
				if change.told != "" {
					require.Equal(t, []checkout.ChangeKind{change.told}, r.kinds())
				}
				r.sweep()
				lost, err := r.st.Cursor(t.Context(), strings.TrimSuffix("lost/"+account, "/"))
				require.NoError(t, err)
				require.Empty(t, lost, "the events are read once")
			})
		}
	}
}
