package checkouttest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

func recoverableParams(srv *checkouttest.Server) *stripe.CheckoutSessionCreateParams {
	p := tee()
	p.Metadata, p.ExpiresAt = map[string]string{"cart": "7"}, stripe.Int64(srv.Now().Add(time.Hour).Unix())
	p.AfterExpiration = &stripe.CheckoutSessionCreateAfterExpirationParams{
		Recovery: &stripe.CheckoutSessionCreateAfterExpirationRecoveryParams{Enabled: stripe.Bool(true)},
	}
	return p
}

func TestRecover(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	first := create(t, srv, recoverableParams(srv))
	_, err := srv.Recover(first.ID)
	require.ErrorIs(t, err, checkouttest.ErrNotRecoverable, "it is open")
	srv.Advance(time.Hour)
	expired := retrieve(t, srv, first.ID)
	offer := expired.AfterExpiration.Recovery
	require.True(t, offer.Enabled)
	require.Equal(t, expired.ExpiresAt+30*24*60*60, offer.ExpiresAt)

	id, err := srv.Recover(first.ID)
	require.NoError(t, err)
	copied := retrieve(t, srv, id)
	require.Equal(t, first.ID, copied.RecoveredFrom)
	require.Equal(t, stripe.CheckoutSessionStatusOpen, copied.Status)
	require.Equal(t, srv.Now().Add(24*time.Hour).Unix(), copied.ExpiresAt)
	require.Equal(t, first.Metadata, copied.Metadata)
	require.Equal(t, first.AmountTotal, copied.AmountTotal)
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))

	// The link works more than once.
	answer := visit(t, srv, offer.URL)
	require.Equal(t, http.StatusSeeOther, answer.StatusCode)
	require.Contains(t, answer.Header.Get("Location"), "/c/pay/cs_test_")
	srv.Advance(30 * 24 * time.Hour)
	require.Equal(t, http.StatusGone, visit(t, srv, offer.URL).StatusCode)
	require.Equal(t, http.StatusNotFound, visit(t, srv, offer.URL+"x").StatusCode)

	plain := create(t, srv, tee())
	srv.Advance(25 * time.Hour)
	_, err = srv.Recover(plain.ID)
	require.ErrorIs(t, err, checkouttest.ErrNotRecoverable)
	_, err = srv.Recover("cs_test_none")
	require.ErrorIs(t, err, checkouttest.ErrNoSession)
}

func visit(t *testing.T, srv *checkouttest.Server, url string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	answer, err := srv.Transport().RoundTrip(request)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer
}
