package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

var errBoom = errors.New("boom")

// invoicePaid is a small event.
func invoicePaid(id string) []byte {
	return webhooktest.Event{ID: id, Type: "invoice.paid", APIVersion: stripe.APIVersion,
		Object: map[string]any{"id": "in_1", "object": "invoice"}}.Payload()
}

func TestEventHasWhatStripeSent(t *testing.T) {
	t.Parallel()
	var seen results
	ticks := testNow
	h := newTestHandler(t, Config{Observe: seen.observe, Clock: func() time.Time {
		ticks = ticks.Add(time.Millisecond)
		return ticks
	}})
	var got *Event[stripe.Customer]
	On(h, CustomerUpdated, func(_ context.Context, e *Event[stripe.Customer]) error {
		got = e
		return nil
	})
	payload := webhooktest.Event{
		ID: "evt_1", Type: "customer.updated", Created: time.Unix(1_600_000_000, 0), APIVersion: "2020-08-27",
		Account: "acct_1", Livemode: true, Previous: json.RawMessage(`{"name":null}`),
		Object: json.RawMessage(`{"id":"cus_1","object":"customer","name":"Jenny","metadata":{"a":"b"}}`),
	}.Payload()
	require.Equal(t, http.StatusOK, serve(h, payload).Code)

	require.Equal(t, "evt_1", got.ID)
	require.Equal(t, "customer.updated", got.Type)
	require.True(t, got.Created.Equal(time.Unix(1_600_000_000, 0)))
	require.Equal(t, "2020-08-27", got.APIVersion)
	require.Equal(t, "acct_1", got.Account)
	require.True(t, got.Livemode)
	require.Equal(t, "Jenny", got.Object.Name)
	require.Equal(t, map[string]string{"a": "b"}, got.Metadata())
	require.JSONEq(t, `{"name":null}`, string(got.Previous))
	require.Equal(t, string(payload), string(got.Raw))
	require.Contains(t, string(got.RawObject), `"name": "Jenny"`)

	require.Equal(t, Result{
		EventID: "evt_1", EventType: "customer.updated", APIVersion: "2020-08-27", Account: "acct_1", Livemode: true,
		Created: got.Created, Status: 200, Handlers: 1, Bytes: len(payload),
		Read: time.Millisecond, Verify: time.Millisecond, Handle: time.Millisecond,
	}, seen.only(t))
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	for object, want := range map[string]map[string]string{
		`{}`:                              nil,
		`{"metadata":null}`:               nil,
		`{"metadata":{}}`:                 {},
		`{"metadata":{"a":"1","b":""}}`:   {"a": "1", "b": ""},
		`{"metadata":{"a":1}}`:            nil,
		`{"metadata":"x"}`:                nil,
		`{"lines":{"metadata":{"a":""}}}`: nil,
	} {
		require.Equal(t, want, (&Event[int]{RawObject: json.RawMessage(object)}).Metadata(), object)
	}
}

// Handlers of one type run in order, each with an object of its own; the first error stops them.
func TestSeveralHandlers(t *testing.T) {
	t.Parallel()
	var seen results
	h := newTestHandler(t, Config{Observe: seen.observe})
	var order []int
	for i := range 4 {
		On(h, InvoicePaid, func(_ context.Context, e *Event[stripe.Invoice]) error {
			order = append(order, i)
			require.Equal(t, "in_1", e.Object.ID)
			e.Object.ID = "changed"
			if i == 2 {
				return errBoom
			}
			return nil
		})
	}
	Fallback(h, func(context.Context, *Event[json.RawMessage]) error {
		t.Error("fallback was called for a type with handlers")
		return nil
	})
	require.Equal(t, http.StatusInternalServerError, serve(h, invoicePaid("evt_1")).Code)
	require.Equal(t, []int{0, 1, 2}, order)
	res := seen.only(t)
	require.ErrorIs(t, res.Err, errBoom)
	require.Equal(t, 3, res.Handlers)
}

// A permanent failure is acknowledged, and the other handlers still get the event.
func TestPermanent(t *testing.T) {
	t.Parallel()
	require.NoError(t, Permanent(nil))
	var seen results
	var log logs
	h := newTestHandler(t, Config{Observe: seen.observe, Logger: slog.New(&log)})
	calls := 0
	On(h, InvoicePaid, func(context.Context, *Event[stripe.Invoice]) error {
		return fmt.Errorf("wrapped: %w", Permanent(errBoom))
	})
	var second error
	On(h, InvoicePaid, func(context.Context, *Event[stripe.Invoice]) error { calls++; return second })
	require.Equal(t, http.StatusOK, serve(h, invoicePaid("evt_1")).Code)
	require.Equal(t, 1, calls)
	res := seen.only(t)
	require.ErrorIs(t, res.Err, ErrPermanent)
	require.ErrorIs(t, res.Err, errBoom)
	require.Equal(t, 2, res.Handlers)
	require.Len(t, log.records, 1)
	require.Contains(t, log.records[0], "ERROR webhook: handler failed")
	require.NoError(t, h.Dispatch(t.Context(), invoicePaid("evt_1")), "acknowledged by Dispatch too")

	second = errors.New("another")
	require.Equal(t, http.StatusInternalServerError, serve(h, invoicePaid("evt_1")).Code, "a passing failure must be retried")
}

func TestPanicsAreFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value any
		want  string
	}{
		{"ouch", "callback panicked: ouch"},
		{errBoom, "callback panicked: boom"},
		{map[string]string{"card": "4242424242424242"}, "callback panicked with a map[string]string"},
		{nil, "panic called with nil"},
	} {
		var seen results
		var log logs
		h := newTestHandler(t, Config{Observe: seen.observe, Logger: slog.New(&log)})
		On(h, InvoicePaid, func(context.Context, *Event[stripe.Invoice]) error { panic(c.value) })
		require.Equal(t, http.StatusInternalServerError, serve(h, invoicePaid("evt_1")).Code)
		var p *PanicError
		require.ErrorAs(t, seen.only(t).Err, &p)
		require.ErrorContains(t, p, c.want)
		require.Contains(t, string(p.Stack), "TestPanicsAreFailures")
		if err, ok := c.value.(error); ok {
			require.ErrorIs(t, p, err)
		}
		require.Len(t, log.records, 1)
		require.Contains(t, log.records[0], "TestPanicsAreFailures", "the stack is logged")
		require.NotContains(t, log.records[0], "4242424242424242")
		require.NotContains(t, log.records[0], "in_1", "the payload is not logged")
	}
}

// A panic with http.ErrAbortHandler closes the connection without a log entry, as in every net/http handler.
func TestAbort(t *testing.T) {
	t.Parallel()
	var seen results
	var log logs
	h := newTestHandler(t, Config{Observe: seen.observe, Logger: slog.New(&log)})
	On(h, InvoicePaid, func(context.Context, *Event[stripe.Invoice]) error { panic(http.ErrAbortHandler) })
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { serve(h, invoicePaid("evt_1")) })
	require.ErrorIs(t, seen.only(t).Err, http.ErrAbortHandler)
	require.Empty(t, log.records)
	require.ErrorIs(t, h.Dispatch(t.Context(), invoicePaid("evt_1")), http.ErrAbortHandler)
}

// An object that does not fit the handler's type is delivered again, because the type can be corrected. The error does not quote
// the object.
func TestDecodeFailure(t *testing.T) {
	t.Parallel()
	type facts struct {
		Amount int `json:"amount"`
	}
	type nested struct {
		At time.Time `json:"amount"`
	}
	for name, register := range map[string]func(*Handler){
		"own":    func(h *Handler) { On(h, Type[facts](ChargeFailed), ignore[facts]) },
		"stripe": func(h *Handler) { On(h, ChargeFailed, ignore[stripe.Charge]) },
		"custom": func(h *Handler) { On(h, Type[nested](ChargeFailed), ignore[nested]) },
		"once":   func(h *Handler) { On(h, ChargeFailed, Once("a", newFakeStore(), ignoreTx[stripe.Charge])) },
	} {
		var seen results
		h := newTestHandler(t, Config{Observe: seen.observe})
		register(h)
		payload := webhooktest.Event{Type: "charge.failed",
			Object: map[string]any{"object": "charge", "amount": "jenny@shop.example"}}.Payload()
		require.Equal(t, http.StatusInternalServerError, serve(h, payload).Code, name)
		require.ErrorIs(t, seen.only(t).Err, ErrDecode, name)
		require.NotContains(t, seen.only(t).Err.Error(), "jenny", name)

		payload = bytes.Replace(payload, []byte(`"jenny@shop.example"`), []byte("4242424242.5"), 1)
		err := h.Dispatch(t.Context(), payload)
		require.ErrorIs(t, err, ErrDecode, name)
		require.NotContains(t, err.Error(), "4242", name)
	}
}

func ignore[T any](context.Context, *Event[T]) error { return nil }

func ignoreTx[T any](context.Context, *fakeTx, *Event[T]) error { return nil }

func TestNotifications(t *testing.T) {
	t.Parallel()
	const thin = `{"id":"evt_1","object":"v2.core.event","type":"invoice.paid","created":"2025-08-27T10:00:00.000Z",
		"livemode":true,"context":"acct_1","reason":null,"related_object":{"id":"in_1","type":"invoice","url":"/v1/invoices/in_1"}}`
	var seen results
	h := newTestHandler(t, Config{Observe: seen.observe})
	On(h, InvoicePaid, func(context.Context, *Event[stripe.Invoice]) error {
		t.Error("a thin event reached a handler of full ones")
		return nil
	})
	Fallback(h, func(context.Context, *Event[json.RawMessage]) error {
		t.Error("a thin event reached the fallback")
		return nil
	})
	var got *Notification
	var fail error
	h.OnNotification(func(_ context.Context, n *Notification) error {
		got = n
		return fail
	})
	require.Equal(t, http.StatusOK, serve(h, []byte(thin)).Code)
	require.Equal(t, &Notification{
		ID: "evt_1", Type: "invoice.paid", Created: time.Date(2025, 8, 27, 10, 0, 0, 0, time.UTC), Livemode: true,
		Context: "acct_1", RelatedObject: &RelatedObject{ID: "in_1", Type: "invoice", URL: "/v1/invoices/in_1"}, Raw: []byte(thin),
	}, got)
	res := seen.only(t)
	require.Equal(t, "evt_1", res.EventID)
	require.Equal(t, 1, res.Handlers)
	require.Empty(t, h.APIVersions())

	fail = errBoom
	require.ErrorIs(t, h.Dispatch(t.Context(), []byte(thin)), errBoom)
	broken := strings.Replace(thin, "2025-08-27T", "yesterday ", 1)
	require.ErrorIs(t, h.Dispatch(t.Context(), []byte(broken)), ErrDecode)

	unhandled := newTestHandler(t, Config{})
	require.NoError(t, unhandled.Dispatch(t.Context(), []byte(thin)))
}

func TestConcurrentDeliveries(t *testing.T) {
	t.Parallel()
	var seen results
	h := newTestHandler(t, Config{Observe: seen.observe})
	On(h, CustomerUpdated, func(_ context.Context, e *Event[stripe.Customer]) error {
		if e.Metadata()["n"] != e.ID || e.Object.Metadata["n"] != e.ID {
			return fmt.Errorf("event %s has the object of %s", e.ID, e.Metadata()["n"])
		}
		return nil
	})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				id := fmt.Sprintf("evt_%d_%d", g, i)
				serve(h, webhooktest.Event{ID: id, Type: "customer.updated", APIVersion: fmt.Sprint(i % 3),
					Object: map[string]any{"object": "customer", "metadata": map[string]string{"n": id}, "name": strings.Repeat("x", i)}}.Payload())
			}
		})
	}
	wg.Wait()
	require.Len(t, seen.all, 400)
	for _, res := range seen.all {
		require.NoError(t, res.Err)
		require.Equal(t, 1, res.Handlers)
	}
	require.EqualValues(t, 400, h.APIVersions()["0"]+h.APIVersions()["1"]+h.APIVersions()["2"])
}

// A handler may keep an event: later deliveries, which reuse the buffers, do not change it.
func TestKeptBytesStay(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, Config{})
	var kept []*Event[stripe.Customer]
	On(h, CustomerUpdated, func(_ context.Context, e *Event[stripe.Customer]) error {
		kept = append(kept, e)
		return nil
	})
	var want [][]byte
	for i := range 5 {
		payload := webhooktest.Event{ID: fmt.Sprint("evt_", i), Type: "customer.updated",
			Object:   map[string]any{"id": fmt.Sprint("cus_", i), "object": "customer", "metadata": map[string]int{}},
			Previous: map[string]string{"name": fmt.Sprint("name ", i)}}.Payload()
		want = append(want, payload)
		require.Equal(t, http.StatusOK, serve(h, payload).Code)
		payload = webhooktest.Event{Type: "unhandled", Object: map[string]string{"padding": strings.Repeat("#", 2*len(payload))}}.Payload()
		require.Equal(t, http.StatusOK, serve(h, payload).Code)
	}
	for i, e := range kept {
		require.Equal(t, string(want[i]), string(e.Raw))
		require.Contains(t, string(e.RawObject), fmt.Sprint("cus_", i))
		require.JSONEq(t, fmt.Sprintf(`{"name":"name %d"}`, i), string(e.Previous))
		require.Equal(t, fmt.Sprint("evt_", i), e.ID)
	}
}
