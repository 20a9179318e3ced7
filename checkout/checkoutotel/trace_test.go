package checkoutotel_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// tree is the ended spans as indented lines, in the sequence in which they began, each with the attributes that are named.
func tree(spans []sdktrace.ReadOnlySpan, keys ...attribute.Key) string {
	spans = slices.Clone(spans)
	slices.SortStableFunc(spans, func(a, b sdktrace.ReadOnlySpan) int { return a.StartTime().Compare(b.StartTime()) })
	var text strings.Builder
	var write func(parent trace.SpanID, indent string)
	write = func(parent trace.SpanID, indent string) {
		for _, span := range spans {
			if span.Parent().SpanID() != parent {
				continue
			}
			text.WriteString(indent + span.Name())
			for _, key := range keys {
				if v := valueOf(span, key); v != "" {
					text.WriteString(" " + v)
				}
			}
			text.WriteByte('\n')
			write(span.SpanContext().SpanID(), indent+"  ")
		}
	}
	write(trace.SpanID{}, "")
	return text.String()
}

func valueOf(span sdktrace.ReadOnlySpan, key attribute.Key) string {
	for _, a := range span.Attributes() {
		if a.Key == key {
			return a.Value.String()
		}
	}
	return ""
}

func (s *shop) span(name string) sdktrace.ReadOnlySpan {
	s.t.Helper()
	for _, span := range slices.Backward(s.spans.Ended()) {
		if span.Name() == name {
			return span
		}
	}
	require.Fail(s.t, "no such span", name)
	return nil
}

// An order from Begin to fulfilled: the trace of the customer, and those of the events.
func TestTraceOfAnOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t, metric.NewManualReader())
	started, err := s.begin(t.Context(), "order-1", 1)
	require.NoError(t, err)
	require.NoError(t, s.srv.Pay(started.SessionID, checkouttest.CardOK))
	require.Equal(t, strings.TrimLeft(`
checkout.begin order-1 ok
  checkout.hold order-1 ok
    checkout.batch hold ok
  POST /v1/checkout/sessions 200
  checkout.batch record ok
webhook charge.succeeded unhandled 200
webhook payment_intent.succeeded ok 200
webhook payment_intent.created unhandled 200
webhook checkout.session.completed ok 200
  checkout.settle order-1 ok paid
    checkout.batch record ok
  checkout.deliver fulfil order-1 ok
`, "\n"), tree(s.spans.Ended(), "fulfil.order.id", "fulfil.outcome", "fulfil.order.status", "http.response.status_code"))

	request := s.span("POST /v1/checkout/sessions")
	require.Equal(t, trace.SpanKindClient, request.SpanKind())
	for key, want := range map[attribute.Key]string{
		"http.request.method": "POST", "url.template": "/v1/checkout/sessions", "server.address": "stripe.test", "server.port": "443",
	} {
		require.Equal(t, want, valueOf(request, key), key)
	}
	require.Regexp(t, "^req_", valueOf(request, "stripe.request.id"))
	require.Regexp(t, "^evt_", valueOf(s.span("checkout.settle"), "fulfil.cause"))
}

// What went wrong shows: failures are errors, refusals are none.
func TestTraceOfFailures(t *testing.T) {
	t.Parallel()
	s := newShop(t, metric.NewManualReader())
	s.trade()
	var ends []string
	for _, span := range s.spans.Ended() {
		if class := valueOf(span, "error.type"); class != "" {
			ends = append(ends, fmt.Sprint(span.Name(), ": ", class, " ", valueOf(span, "fulfil.outcome"), " ", span.Status().Code == codes.Error))
		}
	}
	slices.Sort(ends)
	require.Equal(t, []string{
		"POST /v1/checkout/sessions: 500  true",
		"checkout.begin: shortage refused false",
		"checkout.begin: stripe_500 failed true",
		"checkout.deliver fulfil: _OTHER failed true",
		"checkout.deliver fulfil: panic failed true",
		"checkout.hold: shortage refused false",
		"webhook checkout.session.completed: _OTHER failed true",
		"webhook checkout.session.completed: panic failed true",
		"webhook: signature refused false",
	}, slices.Compact(ends))
}

// No span has personal data, a secret or the text of an error. Only Stripe's request and event IDs are there, and the order's.
func TestSpansHoldNoPersonalData(t *testing.T) {
	t.Parallel()
	s := newShop(t, metric.NewManualReader())
	s.trade()
	var text strings.Builder
	for _, span := range s.spans.Ended() {
		fmt.Fprintln(&text, span.Name(), span.Attributes(), span.Events(), span.Status(), span.Links())
	}
	require.NotEmpty(t, s.spans.Ended())
	requireNothingPersonal(t, s, text.String())
}

func requireNothingPersonal(t *testing.T, s *shop, text string) {
	t.Helper()
	for _, secret := range []string{
		"@example.com", "Test Buyer", "no parcel", "cs_test_", "pi_", "ch_", "cus_", "T-shirt", "success_url", s.srv.Key(), s.srv.WebhookSecret(),
	} {
		require.NotContains(t, text, secret)
	}
}
