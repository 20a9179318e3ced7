package webhook

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
)

// The envelopes are in the shape that https://docs.stripe.com/event-destinations/eventbridge and …/eventgrid document. Every value
// is made up.
const (
	bridgeEnvelope = `{"version":"0","id":"0a1b2c3d-0000-4000-8000-000000000001","detail-type":"invoice.paid",
		"source":"aws.partner/stripe.com/ed_1","account":"123456789012","time":"2026-10-01T09:00:01Z","region":"eu-central-1","resources":[],
		"detail":{"id":"evt_1","object":"event","api_version":"2025-08-27.basil","created":1790845200,"livemode":false,"pending_webhooks":0,
			"data":{"object":{"id":"in_1","object":"invoice"}},"request":{"id":null,"idempotency_key":null},"type":"invoice.paid"}}`
	gridEnvelope = `{"specversion":"1.0","type":"v1.invoice.paid","source":"/providers/stripe/ed_1","id":"0a1b2c3d-0000-4000-8000-000000000002",
		"time":"2026-10-01T09:00:01Z","subject":null,"dataContentType":"application/cloudevents+json",
		"data":{"id":"evt_2","object":"v2.core.event","type":"v1.invoice.paid","created":"2026-10-01T09:00:00.000Z","livemode":false,
			"related_object":{"id":"in_1","type":"invoice","url":"/v1/invoices/in_1"},"snapshot_event":"evt_1"}}`
)

// Events come out of the clouds' envelopes and reach the same handlers, in both forms.
func TestEventsFromTheClouds(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, Config{})
	var got []string
	On(h, Type[Ref[stripe.Invoice]](InvoicePaid), func(_ context.Context, e *Event[Ref[stripe.Invoice]]) error {
		got = append(got, e.ID+" "+e.Key+" "+e.Object.ID())
		return nil
	})
	payload, err := FromEventBridge([]byte(bridgeEnvelope))
	require.NoError(t, err)
	require.NoError(t, h.Dispatch(t.Context(), payload))
	payload, err = FromEventGrid([]byte(gridEnvelope))
	require.NoError(t, err)
	require.NoError(t, h.Dispatch(t.Context(), payload))
	require.Equal(t, []string{"evt_1 evt_1 in_1", "evt_2 evt_1 in_1"}, got)
}

func TestEnvelopesThatAreNotStripes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ old, new, want string }{
		{"aws.partner/stripe.com/ed_1", "aws.partner/other.example/ed_1", "its source is not"},
		{`"detail-type":"invoice.paid"`, `"detail-type":"charge.failed"`, "types of the envelope and of its detail differ"},
		{`"detail":{`, `"other":{`, "payload is not an event"},
		{`"object":"invoice"`, `"object":"charge"`, "want invoice"},
		{`"id":"evt_1"`, `"id":""`, "no id"},
		{`}`, ``, "invalid JSON"},
	} {
		_, err := FromEventBridge([]byte(strings.ReplaceAll(bridgeEnvelope, c.old, c.new)))
		require.ErrorContains(t, err, c.want)
	}
	for _, c := range []struct{ old, new, want string }{
		{"/providers/stripe/ed_1", "/providers/other/ed_1", "its source is not"},
		{`"specversion":"1.0",`, ``, "it is no CloudEvent"},
		{`,"type":"v1.invoice.paid","source"`, `,"type":"v1.charge.failed","source"`, "types of the envelope and of its data differ"},
		{`"data":{`, `"other":{`, "payload is not an event"},
		{`{"specversion"`, `[{"specversion"`, "invalid JSON"},
	} {
		_, err := FromEventGrid([]byte(strings.ReplaceAll(gridEnvelope, c.old, c.new)))
		require.ErrorIs(t, err, ErrEnvelope)
		require.ErrorContains(t, err, c.want)
	}
	_, err := FromEventBridge([]byte(gridEnvelope))
	require.ErrorIs(t, err, ErrEnvelope)
	_, err = FromEventGrid([]byte(bridgeEnvelope))
	require.ErrorIs(t, err, ErrEnvelope)
}
