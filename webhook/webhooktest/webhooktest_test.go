package webhooktest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
	stripewebhook "github.com/stripe/stripe-go/v82/webhook"

	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

// stripe-go accepts the signature and the event.
func TestStripeAcceptsRequests(t *testing.T) {
	t.Parallel()
	at := time.Now()
	want := webhooktest.Event{
		ID: "evt_1", Type: "customer.updated", Created: time.Unix(1700000000, 0), APIVersion: stripe.APIVersion,
		Account: "acct_1", Livemode: true,
		Object:   map[string]any{"id": "cus_1", "object": "customer"},
		Previous: map[string]any{"name": "old"},
	}
	r := webhooktest.NewRequest("https://shop.example/hook", want.Payload(), "whsec_a", at)
	require.Equal(t, http.MethodPost, r.Method)
	require.Equal(t, "application/json; charset=utf-8", r.Header.Get("Content-Type"))
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.EqualValues(t, len(body), r.ContentLength)

	got, err := stripewebhook.ConstructEvent(body, r.Header.Get("Stripe-Signature"), "whsec_a")
	require.NoError(t, err)
	require.Equal(t, want.ID, got.ID)
	require.EqualValues(t, want.Type, got.Type)
	require.Equal(t, want.Created.Unix(), got.Created)
	require.Equal(t, want.Account, got.Account)
	require.True(t, got.Livemode)
	require.Equal(t, "cus_1", got.Data.Object["id"])
	require.Equal(t, "old", got.Data.PreviousAttributes["name"])

	_, err = stripewebhook.ConstructEvent(body, r.Header.Get("Stripe-Signature"), "whsec_b")
	require.Error(t, err)
}

func TestSignIsWhatStripeGoSigns(t *testing.T) {
	t.Parallel()
	at := time.Unix(1700000000, 999)
	payload := []byte(`{"a":1}`)
	want := stripewebhook.GenerateTestSignedPayload(&stripewebhook.UnsignedPayload{Payload: payload, Secret: "s", Timestamp: at})
	require.Equal(t, want.Header, webhooktest.Sign(payload, "s", at))
}

func TestPayloadDefaults(t *testing.T) {
	t.Parallel()
	var got map[string]any
	require.NoError(t, json.Unmarshal(webhooktest.Event{Type: "x", Object: json.RawMessage(`{}`)}.Payload(), &got))
	require.Equal(t, "evt_test", got["id"])
	require.Nil(t, got["api_version"])
	require.NotContains(t, got, "account")
	require.NotContains(t, got["data"], "previous_attributes")
}

func TestMisuseOfTheBuildersPanics(t *testing.T) {
	t.Parallel()
	require.Panics(t, func() { webhooktest.NewRequest("://", nil, "s", time.Now()) })
	require.Panics(t, func() { webhooktest.Event{Object: func() {}}.Payload() })
}

func ExampleSign() {
	fmt.Println(webhooktest.Sign([]byte(`{}`), "whsec_test", time.Unix(1700000000, 0))[:16])
	// Output: t=1700000000,v1=
}

func ExampleNewRequest() {
	payload := webhooktest.Event{
		Type:   "invoice.paid",
		Object: map[string]any{"id": "in_1", "object": "invoice", "amount_paid": 1999},
	}.Payload()
	r := webhooktest.NewRequest("/stripe/webhook", payload, "whsec_test", time.Now())
	fmt.Println(r.Method, r.URL, r.Header.Get("Content-Type"))
	// Output: POST /stripe/webhook application/json; charset=utf-8
}

func ExampleEvent_Payload() {
	payload := webhooktest.Event{
		ID: "evt_1", Type: "customer.updated", Created: time.Unix(1700000000, 0),
		Object:   map[string]any{"id": "cus_1", "object": "customer", "name": "New"},
		Previous: map[string]any{"name": "Old"},
	}.Payload()
	var event struct{ ID, Type string }
	if err := json.Unmarshal(payload, &event); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(event.ID, event.Type)
	// Output: evt_1 customer.updated
}

func TestThinEventPayload(t *testing.T) {
	t.Parallel()
	require.JSONEq(t, `{"id":"evt_1","object":"v2.core.event","type":"v1.invoice.paid","created":"2026-10-01T09:00:00.250Z","livemode":true,
		"context":"acct_1","related_object":{"id":"in_1","type":"invoice","url":"/v1/invoices/in_1"},"snapshot_event":"evt_2"}`,
		string(webhooktest.ThinEvent{
			ID: "evt_1", Type: "v1.invoice.paid", Created: time.Date(2026, 10, 1, 9, 0, 0, 250e6, time.UTC), Livemode: true, Context: "acct_1",
			Object: webhooktest.RelatedObject{ID: "in_1", Type: "invoice", URL: "/v1/invoices/in_1"}, SnapshotEvent: "evt_2",
		}.Payload()))
	require.JSONEq(t, `{"id":"evt_test","object":"v2.core.event","type":"v1.x","created":"0001-01-01T00:00:00.000Z","livemode":false}`,
		string(webhooktest.ThinEvent{Type: "v1.x"}.Payload()))
}
