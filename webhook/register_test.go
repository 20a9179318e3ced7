package webhook

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
)

// namedHandler is a handler's type as a program might name it.
type namedHandler func(context.Context, *Event[stripe.Invoice]) error

// A wrong registration panics with the reason and registers nothing.
func TestRegistrationPanics(t *testing.T) {
	t.Parallel()
	st := newFakeStore()
	var nilFunc func(context.Context, *Event[stripe.Invoice]) error
	var nilRaw func(context.Context, *Event[json.RawMessage]) error
	var nilStore OnceStore[*fakeTx]
	var nilTx func(context.Context, *fakeTx, *Event[stripe.Invoice]) error
	for _, c := range []struct {
		name, want string
		do         func(h *Handler)
	}{
		{"wrong object for a literal", `webhook: events of type "checkout.session.completed" carry CheckoutSession, not stripe.PaymentIntent`,
			func(h *Handler) {
				On(h, Type[stripe.PaymentIntent]("checkout.session.completed"), ignore[stripe.PaymentIntent])
			}},
		{"pointer to the wrong object", `webhook: events of type "invoice.paid" carry Invoice, not stripe.Charge`,
			func(h *Handler) { On(h, Type[*stripe.Charge]("invoice.paid"), ignore[*stripe.Charge]) }},
		{"the event itself", `webhook: events of type "invoice.paid" carry Invoice, not stripe.Event`,
			func(h *Handler) { On(h, Type[stripe.Event]("invoice.paid"), ignore[stripe.Event]) }},
		{"no type", "webhook: On without an event type", func(h *Handler) { On(h, Type[stripe.Invoice](""), ignore[stripe.Invoice]) }},
		{"nil handler", "webhook: invoice.paid with a nil handler", func(h *Handler) { On(h, InvoicePaid, nilFunc) }},
		{"nil named handler", "webhook: invoice.paid with a nil handler", func(h *Handler) { On(h, InvoicePaid, namedHandler(nil)) }},
		{"nil fallback", "webhook: Fallback with a nil handler", func(h *Handler) { Fallback(h, nilRaw) }},
		{"nil notification handler", "webhook: OnNotification with a nil handler", func(h *Handler) { h.OnNotification(nil) }},
		{"zero OnceFunc", "webhook: invoice.paid with an OnceFunc that Once has not made", func(h *Handler) { On(h, InvoicePaid, OnceFunc[stripe.Invoice]{}) }},
		{"Once without a name", "webhook: Once without a name", func(*Handler) { Once("", st, ignoreTx[stripe.Invoice]) }},
		{"Once with a long name", `webhook: Once name "` + long + `" is longer than 64 bytes`, func(*Handler) { Once(long, st, ignoreTx[stripe.Invoice]) }},
		{"Once without a store", `webhook: Once "a" has no store`, func(*Handler) { Once("a", nilStore, ignoreTx[stripe.Invoice]) }},
		{"Once without a handler", `webhook: Once "a" has no handler`, func(*Handler) { Once("a", st, nilTx) }},
		{"after the first delivery", "webhook: a handler was registered after the first delivery", func(h *Handler) {
			_ = h.Dispatch(context.Background(), nil)
			On(h, InvoicePaid, ignore[stripe.Invoice])
		}},
		{"notification after the first request", "webhook: a handler was registered after the first delivery", func(h *Handler) {
			serve(h, nil)
			h.OnNotification(func(context.Context, *Notification) error { return nil })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newTestHandler(t, Config{})
			require.PanicsWithValue(t, c.want, func() { c.do(h) })
			require.Empty(t, h.Types())
		})
	}
}

const long = "a name that is a good deal longer than anybody should have any use for"

func TestRepeatedOnceNamePanics(t *testing.T) {
	t.Parallel()
	h, st := newTestHandler(t, Config{}), newFakeStore()
	On(h, InvoicePaid, Once("a", st, ignoreTx[stripe.Invoice]))
	On(h, InvoicePaid, Once("b", st, ignoreTx[stripe.Invoice]))
	require.Panics(t, func() { On(h, InvoicePaid, Once("a", st, ignoreTx[stripe.Invoice])) })
	require.Panics(t, func() { On(h, ChargeFailed, Once("a", st, ignoreTx[stripe.Charge])) })
	require.Panics(t, func() { Fallback(h, Once("b", st, ignoreTx[json.RawMessage])) })
	other := newTestHandler(t, Config{})
	require.NotPanics(t, func() { On(other, InvoicePaid, Once("a", st, ignoreTx[stripe.Invoice])) })
}

func TestWhatMayBeRegistered(t *testing.T) {
	t.Parallel()
	type facts struct {
		ID string `json:"id"`
	}
	h := newTestHandler(t, Config{})
	var calls []string
	On(h, InvoicePaid, namedHandler(func(_ context.Context, e *Event[stripe.Invoice]) error {
		calls = append(calls, "named "+e.Object.ID)
		return nil
	}))
	On(h, Type[*stripe.Invoice](InvoicePaid), func(_ context.Context, e *Event[*stripe.Invoice]) error {
		calls = append(calls, "pointer "+e.Object.ID)
		return nil
	})
	On(h, Type[facts](InvoicePaid), func(_ context.Context, e *Event[facts]) error {
		calls = append(calls, "own "+e.Object.ID)
		return nil
	})
	On(h, Type[json.RawMessage](InvoicePaid), func(_ context.Context, e *Event[json.RawMessage]) error {
		require.Equal(t, string(e.RawObject), string(e.Object))
		calls = append(calls, "raw")
		return nil
	})
	On(h, Type[map[string]any](InvoicePaid), func(_ context.Context, e *Event[map[string]any]) error {
		calls = append(calls, "map "+e.Object["id"].(string))
		return nil
	})
	On(h, Type[stripe.Invoice]("invoice.newer_than_this_package"), ignore[stripe.Invoice])
	On(h, SourceMandateNotification, ignore[json.RawMessage])
	require.Equal(t, []string{"invoice.newer_than_this_package", "invoice.paid", "source.mandate_notification"}, h.Types())

	require.Equal(t, http.StatusOK, serve(h, invoicePaid("evt_1")).Code)
	require.Equal(t, []string{"named in_1", "pointer in_1", "own in_1", "raw", "map in_1"}, calls)
	require.Len(t, h.Types(), 3, "Types may be asked for at any time")
}
