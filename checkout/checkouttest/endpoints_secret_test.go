package checkouttest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// While an earlier secret lives, a delivery is signed with each.
func TestRollSecret(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	shop := newShop(t)
	made, err := srv.Client().V1WebhookEndpoints.Create(context.Background(), &stripe.WebhookEndpointCreateParams{
		URL: &shop.URL, EnabledEvents: stripe.StringSlice([]string{"*"}),
	})
	require.NoError(t, err)
	one := made.Secret
	two, err := srv.RollSecret(made.ID, 24*time.Hour)
	require.NoError(t, err)
	signed := func(want int, valid ...bool) func(secrets ...string) {
		return func(secrets ...string) {
			t.Helper()
			require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
			n, got := shop.signedWith(t, srv.Now(), secrets...)
			require.Equal(t, want, n)
			require.Equal(t, valid, got)
		}
	}
	signed(2, true, true, false)(one, two, srv.WebhookSecret())
	three, err := srv.RollSecret(made.ID, time.Hour)
	require.NoError(t, err)
	signed(3, true, true, true)(one, two, three)
	srv.Advance(time.Hour)
	signed(1, false, false, true)(one, two, three)
	four, err := srv.RollSecret(made.ID, 0)
	require.NoError(t, err)
	signed(1, false, true)(three, four)

	for _, overlap := range []time.Duration{-1, 24*time.Hour + 1} {
		_, err = srv.RollSecret("", overlap)
		require.Error(t, err)
	}
	before := srv.WebhookSecret()
	five, err := srv.RollSecret("", time.Minute)
	require.NoError(t, err)
	require.Equal(t, five, srv.WebhookSecret())
	require.NotEqual(t, before, five)
	_, err = srv.RollSecret("we_none", 0)
	require.ErrorIs(t, err, checkouttest.ErrNoEndpoint)
}

// A secret that was to live longer does not outlive a shorter overlap, nor the other way around.
func TestRollSecretKeepsTheShorterOverlap(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	var header string
	srv.Deliver(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { header = r.Header.Get("Stripe-Signature") }))
	_, err := srv.RollSecret("", time.Minute)
	require.NoError(t, err)
	_, err = srv.RollSecret("", time.Hour)
	require.NoError(t, err)
	srv.Advance(time.Minute)
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	require.Equal(t, 2, strings.Count(header, "v1="))
}
