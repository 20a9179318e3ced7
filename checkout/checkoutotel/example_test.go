package checkoutotel_test

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stripe/stripe-go/v82"
	"go.opentelemetry.io/otel"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkoutotel"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/webhook"
)

// Observed makes a shop whose spans and metrics go to the providers of the program.
func Observed(stripeKey, webhookSecret string) (*checkout.Flow[*memstore.Tx], *webhook.Handler, error) {
	telemetry, err := checkoutotel.New(checkoutotel.Config{})
	if err != nil {
		return nil, nil, err
	}
	flow, err := checkout.New(checkout.Config[*memstore.Tx]{
		Stripe:  stripe.NewClient(stripeKey),
		Store:   memstore.New(),
		Fulfil:  func(context.Context, *memstore.Tx, *store.Order) error { return nil },
		Observe: telemetry.Observe,
	})
	if err != nil {
		return nil, nil, err
	}
	hook, err := webhook.New(webhook.Config{Secrets: []string{webhookSecret}, Observe: telemetry.ObserveWebhook})
	if err != nil {
		return nil, nil, err
	}
	flow.Handle(hook)
	return flow, hook, telemetry.ObserveHealth(flow)
}

// ServeMetrics has Prometheus scrape the program's metrics at /metrics.
func ServeMetrics(mux *http.ServeMux) error {
	exporter, err := otelprometheus.New()
	if err != nil {
		return err
	}
	otel.SetMeterProvider(metric.NewMeterProvider(metric.WithReader(exporter)))
	mux.Handle("GET /metrics", promhttp.HandlerFor(prometheus.DefaultGatherer, promhttp.HandlerOpts{}))
	return nil
}

// The providers of the program come first, then the shop.
func Example() {
	mux := http.NewServeMux()
	if err := ServeMetrics(mux); err != nil {
		slog.Error("metrics can't be served", "error", err)
		return
	}
	_, hook, err := Observed("sk_test_example", "whsec_example")
	if err != nil {
		slog.Error("the shop can't be made", "error", err)
		return
	}
	mux.Handle("POST /stripe/webhook", hook)
	// Output:
}
