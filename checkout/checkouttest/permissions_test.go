package checkouttest_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// A restricted key may do what its permissions say, and a refusal names the permission that is missing.
func TestPermissions(t *testing.T) {
	t.Parallel()
	srv := checkouttest.NewServer(checkouttest.Config{Key: "rk_test_few", Permissions: []string{"refund_read", "charge_write", "event_destination_read"}})
	t.Cleanup(srv.Close)
	ask := func(method, path string) error {
		events := srv.Client().V1Events
		return events.B.Call(method, path, events.Key, &stripe.Params{Context: t.Context()}, &stripe.APIResource{})
	}
	for _, permitted := range []string{"/v1/refunds", "/v1/charges", "/v2/core/event_destinations"} {
		require.NoError(t, ask(http.MethodGet, permitted), permitted)
	}
	for request, permission := range map[[2]string]string{
		{http.MethodPost, "/v1/refunds"}:                       "rak_refund_write",
		{http.MethodGet, "/v1/events/evt_1"}:                   "rak_event_read",
		{http.MethodPost, "/v1/checkout/sessions/cs_1/expire"}: "rak_checkout_session_write",
		{http.MethodGet, "/v1/webhook_endpoints"}:              "rak_webhook_read",
		{http.MethodDelete, "/v1/subscriptions/sub_1"}:         "rak_subscription_write",
		{http.MethodGet, "/v1/account"}:                        "rak_accounts_kyc_basic_read",
	} {
		err := ask(request[0], request[1])
		var refusal *stripe.Error
		require.True(t, errors.As(err, &refusal), "%v: %v", request, err)
		require.Equal(t, http.StatusForbidden, refusal.HTTPStatusCode, request)
		require.Contains(t, refusal.Error(), permission, request)
	}
}

func TestAccount(t *testing.T) {
	t.Parallel()
	for _, unverified := range []bool{false, true} {
		srv := checkouttest.NewServer(checkouttest.Config{Unverified: unverified})
		t.Cleanup(srv.Close)
		account, err := srv.Client().V1Accounts.Retrieve(t.Context(), nil)
		require.NoError(t, err)
		require.Regexp(t, `^acct_\w+$`, account.ID)
		require.Equal(t, !unverified, account.ChargesEnabled)
		require.Equal(t, unverified, len(account.Requirements.CurrentlyDue) > 0)

		params := &stripe.AccountRetrieveParams{}
		params.SetStripeAccount("acct_connected")
		account, err = srv.Client().V1Accounts.Retrieve(t.Context(), params)
		require.NoError(t, err)
		require.Equal(t, "acct_connected", account.ID)
	}
}
