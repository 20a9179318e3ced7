package checkoutotel_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkoutotel"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/webhook"
	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

// shop is a shop in memory on the test Stripe, observed with OpenTelemetry. Its stock is five of "tee".
type shop struct {
	t     *testing.T
	srv   *checkouttest.Server
	st    *memstore.Store
	flow  *checkout.Flow[*memstore.Tx]
	hook  *webhook.Handler
	spans *tracetest.SpanRecorder

	mu     sync.Mutex
	fulfil func() error
}

func newShop(t *testing.T, reader metric.Reader) *shop {
	t.Helper()
	s := &shop{
		t: t, srv: checkouttest.NewServer(checkouttest.Config{Start: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}),
		st: memstore.New(), spans: tracetest.NewSpanRecorder(),
	}
	t.Cleanup(s.srv.Close)
	stock := memreserver.New().WithStore(s.st)
	require.NoError(t, s.st.InTx(t.Context(), func(tx *memstore.Tx) error { return stock.Set(t.Context(), tx, "tee", 5) }))
	telemetry, err := checkoutotel.New(checkoutotel.Config{
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(s.spans)),
		MeterProvider:  metric.NewMeterProvider(metric.WithReader(reader)),
	})
	require.NoError(t, err)
	quiet := slog.New(slog.DiscardHandler)
	s.flow, err = checkout.New(checkout.Config[*memstore.Tx]{
		Stripe: s.srv.Client(), Store: s.st, Reserver: stock, Clock: s.srv.Now, Logger: quiet, Observe: telemetry.Observe,
		Fulfil: func(context.Context, *memstore.Tx, *store.Order) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.fulfil == nil {
				return nil
			}
			return s.fulfil()
		},
		OnChange: func(context.Context, *memstore.Tx, checkout.Change) error { return nil },
	})
	require.NoError(t, err)
	s.hook, err = webhook.New(webhook.Config{
		Secrets: []string{s.srv.WebhookSecret()}, Clock: s.srv.Now, Logger: quiet, Observe: telemetry.ObserveWebhook,
	})
	require.NoError(t, err)
	s.flow.Handle(s.hook)
	s.srv.Deliver(s.hook)
	require.NoError(t, telemetry.ObserveHealth(s.flow))
	return s
}

func (s *shop) onFulfil(fn func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fulfil = fn
}

func (s *shop) begin(ctx context.Context, orderID string, quantity int64) (*checkout.Started, error) {
	return s.flow.Begin(ctx, checkout.Session{
		OrderID:    orderID,
		Lines:      []checkout.Line{{SKU: "tee", Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: quantity}},
		SuccessURL: "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}",
	})
}

// errPersonal is an error of a callback with personal data in it.
var errPersonal = errors.New("no parcel for ada@example.com")

// trade has the shop do everything that it does: it sells, refuses, fails, refunds and sweeps.
func (s *shop) trade() {
	s.t.Helper()
	ctx := s.t.Context()
	sell := func(orderID string) {
		started, err := s.begin(ctx, orderID, 1)
		require.NoError(s.t, err)
		require.NoError(s.t, s.srv.Pay(started.SessionID, checkouttest.CardOK))
	}
	sell("order-sold")
	_, err := s.begin(ctx, "order-short", 9)
	require.Error(s.t, err)
	s.onFulfil(func() error { return errPersonal })
	sell("order-late")
	s.onFulfil(func() error { panic("ada@example.com") })
	sell("order-panic")
	s.onFulfil(nil)
	require.NoError(s.t, s.flow.Refund(ctx, "order-sold", checkout.Refund{Key: "a"}))
	s.srv.Advance(time.Minute)
	_, err = s.flow.Sweep(ctx)
	require.NoError(s.t, err)
	s.srv.Faults(checkouttest.ServerError().For("POST /v1/checkout/sessions"))
	_, err = s.begin(ctx, "order-down", 1)
	require.Error(s.t, err)
	s.srv.Faults()
	forged := webhooktest.NewRequest("/stripe/webhook", []byte(`{}`), "whsec_of_another", s.srv.Now())
	answer := httptest.NewRecorder()
	s.hook.ServeHTTP(answer, forged)
	require.Equal(s.t, http.StatusBadRequest, answer.Code)
}
