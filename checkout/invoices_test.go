package checkout

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/store"
)

// The shapes of an invoice before and since API version 2025-03-31 name the same subscription. An invoice whose fields are those
// of both, as some versions between had them, does, too.
func TestInvoiceOfEveryShape(t *testing.T) {
	t.Parallel()
	const rest = `"id":"in_1","status":"paid","amount_paid":900,"amount_due":900,"attempt_count":1,"next_payment_attempt":null,
		"lines":{"data":[{"period":{"start":5,"end":9}},{"period":{"start":10,"end":20}}]}`
	for name, object := range map[string]string{
		"before 2023":     `{` + rest + `,"subscription":"sub_1"}`,
		"before 2025":     `{` + rest + `,"subscription":"sub_1","subscription_details":{"metadata":{"fulfil_order":"o"}},"payment_intent":"pi_1","charge":"ch_1"}`,
		"with an object":  `{` + rest + `,"subscription":{"id":"sub_1"},"payment_intent":{"id":"pi_1"}}`,
		"acacia":          `{` + rest + `,"subscription":"sub_1","subscription_details":{"metadata":{"fulfil_order":"o"}},"parent":null}`,
		"of both":         `{` + rest + `,"subscription":"sub_1","parent":{"type":"subscription_details","subscription_details":{"subscription":"sub_1","metadata":{"fulfil_order":"o"}}}}`,
		"since 2025":      `{` + rest + `,"parent":{"type":"subscription_details","subscription_details":{"subscription":"sub_1","metadata":{"fulfil_order":"o"}}}}`,
		"expanded parent": `{` + rest + `,"parent":{"subscription_details":{"subscription":{"id":"sub_1"},"metadata":{"fulfil_order":"o"}}}}`,
	} {
		var i invoiceFacts
		require.NoError(t, json.Unmarshal([]byte(object), &i), name)
		id, metadata := i.subscription()
		require.Equal(t, "sub_1", id, name)
		if name != "before 2023" && name != "with an object" {
			require.Equal(t, "o", metadata[metadataOrder], name)
		}
		entry := i.entry(1, id)
		require.Equal(t, store.InvoicePaid, entry.State)
		require.Equal(t, time.Unix(20, 0).UTC(), entry.PeriodEnd)
		require.Equal(t, time.Unix(10, 0).UTC(), entry.PeriodStart)
		require.True(t, i.tellsNothingNew(&entry))
	}
}

// A subscription has its period on itself before API version 2025-03-31, and on its items since.
func TestSubscriptionOfEveryShape(t *testing.T) {
	t.Parallel()
	const rest = `"id":"sub_1","status":"active","cancel_at_period_end":true,"cancel_at":null,"pause_collection":null,"cancellation_details":null`
	for name, object := range map[string]string{
		"before 2025": `{` + rest + `,"current_period_start":10,"current_period_end":20,"items":{"data":[{"id":"si_1","quantity":2,"price":{"id":"price_1","product":"prod_1"}}]}}`,
		"since 2025":  `{` + rest + `,"items":{"data":[{"id":"si_1","quantity":2,"current_period_start":10,"current_period_end":20,"price":{"id":"price_1","product":{"id":"prod_1"}}}]}}`,
	} {
		var s subscriptionFacts
		require.NoError(t, json.Unmarshal([]byte(object), &s), name)
		at := func(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
		require.Equal(t, store.Subscription{
			ID: "sub_1", Attempt: 1, Status: store.SubscriptionActive, PeriodStart: at(10), PeriodEnd: at(20), CancelAt: at(20),
			Items: []store.SubscriptionItem{{ID: "si_1", Price: "price_1", Product: "prod_1", Quantity: 2}},
		}, s.entry(1), name)
	}
	mixed := subscriptionFacts{}
	mixed.Items.Data = []itemFacts{{PeriodStart: 10, PeriodEnd: 20}, {PeriodStart: 12, PeriodEnd: 90}}
	entry := mixed.entry(1)
	require.EqualValues(t, 12, entry.PeriodStart.Unix())
	require.EqualValues(t, 20, entry.PeriodEnd.Unix(), "access asks for what ends first")
}

// Every recorded event of a subscription or an invoice can be read, whatever its API version.
func TestCorpusOfSubscriptions(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("FULFIL_CORPUS")
	if dir == "" {
		t.Skip("FULFIL_CORPUS is not set")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(t, err)
	subscriptions, invoices, named := 0, 0, 0
	for _, file := range files {
		name := filepath.Base(file)
		payload, err := os.ReadFile(file)
		require.NoError(t, err)
		var e struct {
			Data struct{ Object json.RawMessage }
		}
		object := json.RawMessage(payload)
		if json.Unmarshal(payload, &e) == nil && e.Data.Object != nil {
			object = e.Data.Object
		}
		switch {
		case strings.HasPrefix(name, "customer.subscription."):
			var s subscriptionFacts
			require.NoError(t, json.Unmarshal(object, &s), name)
			entry := s.entry(1)
			require.NotEmpty(t, entry.ID, name)
			require.NotEmpty(t, entry.Status, name)
			if !strings.Contains(name, "stripe-mock--") { // whose objects have no periods
				require.False(t, entry.PeriodEnd.IsZero(), name)
			}
			subscriptions++
		case strings.HasPrefix(name, "invoice."):
			var i invoiceFacts
			require.NoError(t, json.Unmarshal(object, &i), name)
			require.NotEmpty(t, i.ID, name)
			if id, _ := i.subscription(); id != "" {
				named++
			} else {
				require.NotContains(t, i.Reason, "subscription", name)
			}
			invoices++
		}
	}
	require.NotZero(t, subscriptions)
	require.NotZero(t, named)
	t.Logf("%d events of subscriptions, %d of invoices, of which %d name a subscription", subscriptions, invoices, named)
}
