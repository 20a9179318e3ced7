package webhook

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

func TestAPIVersions(t *testing.T) {
	t.Parallel()
	var log logs
	var seen results
	h := newTestHandler(t, Config{Logger: slog.New(&log)})
	strict := newTestHandler(t, Config{StrictAPIVersion: true, Observe: seen.observe})
	On(strict, InvoicePaid, ignore[stripe.Invoice])
	for _, version := range []string{"2020-08-27", stripe.APIVersion, "", "2020-08-27", stripe.APIVersion} {
		payload := webhooktest.Event{ID: "evt_1", Type: "invoice.paid", APIVersion: version,
			Object: map[string]string{"object": "invoice"}}.Payload()
		require.Equal(t, http.StatusOK, serve(h, payload).Code)
		w := serve(strict, payload)
		if version == stripe.APIVersion {
			require.Equal(t, http.StatusOK, w.Code)
		} else {
			require.Equal(t, http.StatusBadRequest, w.Code)
			require.ErrorIs(t, seen.all[len(seen.all)-1].Err, ErrAPIVersion)
		}
	}
	want := map[string]int64{"2020-08-27": 2, stripe.APIVersion: 2, "": 1}
	require.Equal(t, want, h.APIVersions())
	require.Equal(t, want, strict.APIVersions())
	require.Len(t, log.records, 2, "one warning per other version: %v", log.records)
	require.Contains(t, log.records[0], "WARN webhook: events come with another API version")
	require.Contains(t, log.records[0], "2020-08-27")
}

func TestRefusalsAreLogged(t *testing.T) {
	t.Parallel()
	var log logs
	h := newTestHandler(t, Config{Logger: slog.New(&log)})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, webhooktest.NewRequest("/", []byte(completedPayload), "whsec_other", testNow))
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.Len(t, log.records, 1)
	require.Contains(t, log.records[0], ErrSignature.Error())
	require.NotContains(t, log.records[0], "whsec_")
}

// Anyone can send requests without a signature, so they must not fill the log.
func TestRefusalsAreLoggedOnceASecond(t *testing.T) {
	t.Parallel()
	var log logs
	now := testNow
	h := newTestHandler(t, Config{Logger: slog.New(&log), Clock: func() time.Time { return now }})
	for range 5 {
		serveUnsigned(t, h)
	}
	require.Len(t, log.records, 1)
	now = now.Add(time.Second)
	serveUnsigned(t, h)
	require.Len(t, log.records, 2)
	require.Contains(t, log.records[1], "refused_before=4")
	now = now.Add(-time.Hour) // a clock that was set back must not keep the log silent
	serveUnsigned(t, h)
	require.Len(t, log.records, 3)
}

func serveUnsigned(t *testing.T, h *Handler) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(completedPayload))
	r.Header.Set("Content-Type", "application/json")
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusBadRequest, w.Code)
}

// The default logger is slog's own.
func TestDefaultLogger(t *testing.T) {
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(before)
	h, err := New(Config{Secrets: []string{testSecret}})
	require.NoError(t, err)
	require.Error(t, h.Dispatch(t.Context(), []byte("{}")))
	require.Contains(t, out.String(), "delivery refused")
}

// Handlers go on with the context that Observe returns, and each delivery ends once.
func TestObservedDelivery(t *testing.T) {
	t.Parallel()
	type key struct{}
	var seen results
	var begun, handled int
	h := newTestHandler(t, Config{Observe: func(ctx context.Context) (context.Context, func(Result)) {
		begun++
		if begun == 3 {
			return ctx, nil
		}
		_, ended := seen.observe(ctx)
		return context.WithValue(ctx, key{}, begun), ended
	}})
	On(h, CheckoutSessionCompleted, func(ctx context.Context, _ *Event[stripe.CheckoutSession]) error {
		handled, _ = ctx.Value(key{}).(int)
		return nil
	})
	require.Equal(t, http.StatusOK, serve(h, []byte(completedPayload)).Code)
	require.Equal(t, 1, handled)
	require.NoError(t, h.Dispatch(t.Context(), []byte(completedPayload)))
	require.Equal(t, 2, handled)
	require.NoError(t, h.Dispatch(t.Context(), []byte(completedPayload)), "a nil func is not called")
	require.Len(t, seen.all, 2)
}

// A handler whose request to Stripe failed is logged with Stripe's ID of the request.
func TestFailureNamesTheRequest(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := newTestHandler(t, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	failure := error(&stripe.Error{HTTPStatusCode: 500, RequestID: "req_1"})
	On(h, CheckoutSessionCompleted, func(context.Context, *Event[stripe.CheckoutSession]) error { return failure })
	require.Equal(t, http.StatusInternalServerError, serve(h, []byte(completedPayload)).Code)
	require.Contains(t, log.String(), "stripe_request_id=req_1")
	log.Reset()
	failure = errors.New("no printer")
	require.Equal(t, http.StatusInternalServerError, serve(h, []byte(completedPayload)).Code)
	require.NotContains(t, log.String(), "stripe_request_id")
}
