package checkouttest_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// An endpoint of an API version before basil gets invoices and subscriptions with the fields that basil removed.
func TestEventsOfOlderVersions(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{EventVersion: "2024-06-20"})
	in := newInbox(srv)
	session := create(t, srv, monthly()).ID
	require.NoError(t, srv.Pay(session, checkouttest.CardOK))
	sub := retrieve(t, srv, session, "subscription.latest_invoice.payments").Subscription
	payment := sub.LatestInvoice.Payments.Data[0].Payment.PaymentIntent.ID

	decoded := in.last(t, "invoice.paid")
	require.Equal(t, "2024-06-20", decoded["api_version"])
	inv := decoded["data"].(map[string]any)["object"].(map[string]any)
	require.Equal(t, payment, inv["payment_intent"])
	require.Contains(t, inv["charge"], "ch_")
	require.Equal(t, sub.ID, inv["subscription"])
	require.Equal(t, true, inv["paid"])
	require.Equal(t, map[string]any{"metadata": map[string]any{"order": "42"}}, inv["subscription_details"])
	require.NotContains(t, inv, "parent")
	previous := decoded["data"].(map[string]any)["previous_attributes"].(map[string]any)
	require.Equal(t, false, previous["paid"])
	lines := inv["lines"].(map[string]any)["data"].([]any)
	for i, typ := range []string{"invoiceitem", "subscription"} {
		line := lines[i].(map[string]any)
		require.Equal(t, typ, line["type"])
		require.Equal(t, sub.ID, line["subscription"])
		require.Contains(t, line["price"].(map[string]any)["id"], "price_")
	}

	srv.Advance(31 * 24 * time.Hour)
	decoded = in.last(t, "customer.subscription.updated")
	data := decoded["data"].(map[string]any)
	end := subscription(t, srv, sub.ID).Items.Data[0].CurrentPeriodEnd
	require.EqualValues(t, end, data["object"].(map[string]any)["current_period_end"])
	require.Contains(t, data["previous_attributes"], "current_period_end")
	item := data["object"].(map[string]any)["items"].(map[string]any)["data"].([]any)[0].(map[string]any)
	require.NotContains(t, item, "current_period_end")
	for _, typ := range []string{"charge.succeeded", "payment_intent.succeeded"} {
		object := in.last(t, typ)["data"].(map[string]any)["object"].(map[string]any)
		require.Contains(t, object["invoice"], "in_", typ)
	}
	require.Panics(t, func() { checkouttest.NewServer(checkouttest.Config{EventVersion: "newest"}) })
}

// last returns the last event of a type as it was delivered.
func (in *inbox) last(t *testing.T, typ string) (decoded map[string]any) {
	t.Helper()
	in.mu.Lock()
	defer in.mu.Unlock()
	for i, e := range in.events {
		if string(e.Type) == typ {
			decoded = nil
			require.NoError(t, json.Unmarshal(in.bodies[i], &decoded))
		}
	}
	require.NotNil(t, decoded, typ)
	return decoded
}
