package checkouttest_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// A customer cancels a subscription on the portal, changes the mind, and gives another card.
func TestBillingPortal(t *testing.T) {
	t.Parallel()
	srv, in, session, id := club(t, checkouttest.CardOK)
	customer := retrieve(t, srv, session).Customer.ID
	portal, err := srv.Client().V1BillingPortalSessions.Create(context.Background(), &stripe.BillingPortalSessionCreateParams{
		Customer: &customer, ReturnURL: stripe.String("https://shop.example/account"),
	})
	require.NoError(t, err)
	require.Equal(t, "https://shop.example/account", portal.ReturnURL)
	srv.Flush()
	require.Contains(t, in.types(t), "billing_portal.session.created")
	visit := func(form url.Values) (int, string) {
		t.Helper()
		method, body := http.MethodGet, ""
		if form != nil {
			method, body = http.MethodPost, form.Encode()
		}
		r, err := http.NewRequestWithContext(context.Background(), method, portal.URL, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := srv.Transport().RoundTrip(r)
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(text)
	}
	press := func(action, card string) {
		t.Helper()
		status, _ := visit(form("subscription", id, "action", action, "card", card))
		require.Equal(t, http.StatusSeeOther, status)
	}
	status, page := visit(nil)
	require.Equal(t, http.StatusOK, status)
	for _, want := range []string{"Tea club", "€9.00 every month", "Renews on 28 February 2027", "•••• 4242", "https://shop.example/account", "Cancel subscription"} {
		require.Contains(t, page, want)
	}
	in.types(t)
	press("cancel", "")
	require.True(t, subscription(t, srv, id).CancelAtPeriodEnd)
	_, page = visit(nil)
	require.Contains(t, page, "Ends on 28 February 2027")
	press("cancel", "")
	press("keep", "")
	require.Zero(t, subscription(t, srv, id).CancelAt)
	press("card", "4000000000000002")
	press("card", "1234")
	require.Equal(t, []string{"customer.subscription.updated", "customer.subscription.updated", "payment_method.attached", "customer.subscription.updated"}, in.types(t))
	require.NoError(t, srv.Renew(id))
	require.EqualValues(t, "past_due", subscription(t, srv, id).Status)
	press("card", "4242424242424242")
	srv.Advance(3 * day)
	require.EqualValues(t, "active", subscription(t, srv, id).Status)

	schedule, err := srv.Client().V1SubscriptionSchedules.Create(t.Context(), &stripe.SubscriptionScheduleCreateParams{FromSubscription: &id})
	require.NoError(t, err)
	_, page = visit(nil)
	require.NotContains(t, page, "Cancel subscription", "the schedule decides on the end")
	press("cancel", "")
	require.Zero(t, subscription(t, srv, id).CancelAt)
	_, err = srv.Client().V1SubscriptionSchedules.Release(t.Context(), schedule.ID, nil)
	require.NoError(t, err)
	press("cancel", "")
	require.NoError(t, srv.Renew(id))
	require.EqualValues(t, "canceled", subscription(t, srv, id).Status)
	press("keep", "")
	_, page = visit(nil)
	require.Contains(t, page, "canceled")
	require.NotContains(t, page, "Cancel subscription")
	require.ErrorIs(t, srv.Renew(id), checkouttest.ErrNotPending)
	require.ErrorIs(t, srv.Renew("sub_1"), checkouttest.ErrNoSubscription)

	portal.URL += "x"
	status, _ = visit(nil)
	require.Equal(t, http.StatusNotFound, status)
	status, _ = visit(form("action", "cancel"))
	require.Equal(t, http.StatusNotFound, status)
	refusal(t, srv, "/v1/billing_portal/sessions")
	refusal(t, srv, "/v1/billing_portal/sessions", "customer", "cus_1")
	refusal(t, srv, "/v1/billing_portal/sessions", "customer", customer, "return_url", "javascript:alert(1)")
	refusal(t, srv, "/v1/billing_portal/sessions", "customer", customer, "flow_data[type]", "subscription_cancel")
	toldLast(t, srv)
}

// A customer sees only subscriptions of their own.
func TestBillingPortalOfAnotherCustomer(t *testing.T) {
	t.Parallel()
	srv, _, _, id := club(t, checkouttest.CardOK)
	other, err := srv.Client().V1Customers.Create(context.Background(), &stripe.CustomerCreateParams{Email: stripe.String("eve@example.org")})
	require.NoError(t, err)
	_, portal := request(t, srv, "POST", "/v1/billing_portal/sessions", form("customer", other.ID))
	r, err := http.NewRequestWithContext(context.Background(), "POST", portal["url"].(string), strings.NewReader(form("subscription", id, "action", "cancel").Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, err = srv.Transport().RoundTrip(r)
	require.NoError(t, err)
	require.False(t, subscription(t, srv, id).CancelAtPeriodEnd)
}
