package checkoutotel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

// Config is what [New] needs.
type Config struct {
	// TracerProvider makes the spans. Default: otel.GetTracerProvider().
	TracerProvider trace.TracerProvider
	// MeterProvider makes the metrics. Default: otel.GetMeterProvider().
	MeterProvider metric.MeterProvider
}

// scope names the library in spans and metrics.
const scope = "github.com/gofulfil/fulfil/checkout/checkoutotel"

// The attributes of this library's own.
const (
	keyOperation = attribute.Key("fulfil.operation")
	keyOutcome   = attribute.Key("fulfil.outcome")
	keyOrderID   = attribute.Key("fulfil.order.id") // of spans alone
	keyStatus    = attribute.Key("fulfil.order.status")
	keyCause     = attribute.Key("fulfil.cause") // of spans alone
	keyCallback  = attribute.Key("fulfil.callback")
	keyTry       = attribute.Key("fulfil.try") // of spans alone
	keyReused    = attribute.Key("fulfil.session.reused")
	keyOvertaken = attribute.Key("fulfil.overtaken")
	keyBatch     = attribute.Key("fulfil.batch")
	keyCallers   = attribute.Key("fulfil.batch.size")
	keyWaited    = attribute.Key("fulfil.batch.wait")
	keyOrders    = attribute.Key("fulfil.sweep.orders")
	keyFailed    = attribute.Key("fulfil.sweep.failed")
	keyEventID   = attribute.Key("fulfil.event.id") // of spans alone
	keyEventType = attribute.Key("fulfil.event.type")
	keyRequestID = attribute.Key("stripe.request.id") // of spans alone
)

// seconds are the bounds of the histograms: those of OpenTelemetry's conventions for HTTP, and longer ones for sweeps.
var seconds = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300}

// Telemetry makes spans and metrics of a shop. It is safe for concurrent use, and can observe several Flows and Handlers.
type Telemetry struct {
	tracer trace.Tracer
	meter  metric.Meter

	operations metric.Float64Histogram
	requests   metric.Float64Histogram
	deliveries metric.Float64Histogram
	batchSize  metric.Int64Histogram
	batchWait  metric.Float64Histogram
	swept      metric.Int64Counter
}

// New returns a Telemetry. The error is that of the meter.
func New(c Config) (*Telemetry, error) {
	if c.TracerProvider == nil {
		c.TracerProvider = otel.GetTracerProvider()
	}
	if c.MeterProvider == nil {
		c.MeterProvider = otel.GetMeterProvider()
	}
	t := &Telemetry{tracer: c.TracerProvider.Tracer(scope), meter: c.MeterProvider.Meter(scope)}
	var failed error
	duration := func(name, description string) metric.Float64Histogram {
		h, err := t.meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description), metric.WithExplicitBucketBoundaries(seconds...))
		failed = errors.Join(failed, err)
		return h
	}
	t.operations = duration("fulfil.operation.duration", "How long the operations of a Flow take.")
	t.requests = duration("http.client.request.duration", "How long Stripe takes to answer a request.")
	t.deliveries = duration("fulfil.webhook.duration", "How long deliveries of events take.")
	t.batchWait = duration("fulfil.batch.wait", "How long the first caller of a transaction has waited for it.")
	var err error
	t.batchSize, err = t.meter.Int64Histogram("fulfil.batch.size", metric.WithUnit("{caller}"),
		metric.WithDescription("How many callers share a transaction."), metric.WithExplicitBucketBoundaries(1, 2, 4, 8, 16, 32, 64))
	failed = errors.Join(failed, err)
	t.swept, err = t.meter.Int64Counter("fulfil.sweep.orders", metric.WithUnit("{order}"),
		metric.WithDescription("How many orders sweeps dealt with."))
	if failed = errors.Join(failed, err); failed != nil {
		return nil, fmt.Errorf("checkoutotel: %w", failed)
	}
	return t, nil
}

// Observe is for checkout.Config.Observe.
func (t *Telemetry) Observe(ctx context.Context, op checkout.Operation) (_ context.Context, ended func(checkout.Outcome)) {
	if op.Kind == checkout.OperationRequest {
		return t.observeRequest(ctx, op)
	}
	name, attrs := spanOf(op)
	ctx, span := t.tracer.Start(ctx, name, trace.WithAttributes(attrs...))
	if op.Kind == checkout.OperationBatch {
		of := metric.WithAttributeSet(attribute.NewSet(keyBatch.String(string(op.Batch))))
		t.batchSize.Record(ctx, int64(op.Callers), of)
		t.batchWait.Record(ctx, op.Waited.Seconds(), of)
	}
	began := time.Now()
	return ctx, func(o checkout.Outcome) {
		labels := []attribute.KeyValue{keyOperation.String(string(op.Kind))}
		if op.Callback != "" {
			labels = append(labels, keyCallback.String(op.Callback))
		}
		outcome, class := classify(o.Err)
		labels = append(labels, end(span, outcome, class)...)
		span.SetAttributes(outcomeOf(op, o)...)
		t.operations.Record(ctx, time.Since(began).Seconds(), metric.WithAttributes(labels...))
		if op.Kind == checkout.OperationSweep {
			t.swept.Add(ctx, int64(o.Swept.Orders-o.Swept.Failed), metric.WithAttributes(keyOutcome.String(outcomeOK)))
			t.swept.Add(ctx, int64(o.Swept.Failed), metric.WithAttributes(keyOutcome.String(outcomeFailed)))
		}
		span.End()
	}
}

// end sets the status of a span, and returns the attributes that say how it ended.
func end(span trace.Span, outcome, class string) []attribute.KeyValue {
	attrs := []attribute.KeyValue{keyOutcome.String(outcome)}
	if class != "" {
		attrs = append(attrs, semconv.ErrorTypeKey.String(class))
	}
	if outcome == outcomeFailed {
		span.SetStatus(codes.Error, class)
	}
	span.SetAttributes(attrs...)
	return attrs
}

// spanOf is the name of an operation's span, and what is known of the operation when it begins.
func spanOf(op checkout.Operation) (name string, attrs []attribute.KeyValue) {
	name = "checkout." + string(op.Kind)
	if op.OrderID != "" {
		attrs = append(attrs, keyOrderID.String(op.OrderID))
	}
	switch op.Kind {
	case checkout.OperationSettle:
		attrs = append(attrs, keyCause.String(op.Cause))
	case checkout.OperationDeliver:
		name += " " + op.Callback
		attrs = append(attrs, keyCallback.String(op.Callback), keyTry.Int(op.Try))
	case checkout.OperationBatch:
		name += " " + string(op.Batch)
		attrs = append(attrs, keyBatch.String(string(op.Batch)), keyCallers.Int(op.Callers), keyWaited.Float64(op.Waited.Seconds()))
	}
	return name, attrs
}

// outcomeOf is what is known of an operation when it has ended, beside its error.
func outcomeOf(op checkout.Operation, o checkout.Outcome) (attrs []attribute.KeyValue) {
	switch op.Kind {
	case checkout.OperationBegin:
		if o.Err == nil {
			attrs = append(attrs, keyReused.Bool(o.Reused))
		}
	case checkout.OperationSettle:
		if o.Status != "" {
			attrs = append(attrs, keyStatus.String(string(o.Status)))
		}
	case checkout.OperationDeliver:
		if o.Overtaken {
			attrs = append(attrs, keyOvertaken.Bool(true))
		}
	case checkout.OperationSweep:
		attrs = append(attrs, keyOrders.Int(o.Swept.Orders), keyFailed.Int(o.Swept.Failed))
	}
	return attrs
}

// observeRequest follows OpenTelemetry's conventions for HTTP clients
// (https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span).
func (t *Telemetry) observeRequest(ctx context.Context, op checkout.Operation) (context.Context, func(checkout.Outcome)) {
	host, port := hostPort(op.Host)
	labels := []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(op.Method), semconv.URLTemplate(op.Path), semconv.ServerAddress(host), semconv.ServerPort(port),
	}
	ctx, span := t.tracer.Start(ctx, op.Method+" "+op.Path, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(labels...))
	if op.Try > 1 {
		span.SetAttributes(semconv.HTTPRequestResendCount(op.Try - 1))
	}
	began := time.Now()
	return ctx, func(o checkout.Outcome) {
		_, failure := classify(o.Err)
		var ended []attribute.KeyValue
		if o.HTTPStatus != 0 {
			ended = append(ended, semconv.HTTPResponseStatusCode(o.HTTPStatus))
		}
		if o.HTTPStatus >= http.StatusBadRequest {
			failure = strconv.Itoa(o.HTTPStatus)
		}
		if failure != "" {
			ended = append(ended, semconv.ErrorTypeKey.String(failure))
			span.SetStatus(codes.Error, "")
		}
		span.SetAttributes(ended...)
		if o.RequestID != "" {
			span.SetAttributes(keyRequestID.String(o.RequestID))
		}
		t.requests.Record(ctx, time.Since(began).Seconds(), metric.WithAttributes(append(labels, ended...)...))
		span.End()
	}
}

// hostPort splits a host that may have a port. Stripe's is that of HTTPS.
func hostPort(host string) (name string, port int) {
	name, text, err := net.SplitHostPort(host)
	if err != nil {
		return host, 443
	}
	port, _ = strconv.Atoi(text)
	return name, port
}

// Healthy is what [Telemetry.ObserveHealth] reads: a *checkout.Flow.
type Healthy interface {
	Health(ctx context.Context) (checkout.Health, error)
	Now() time.Time
}

var _ Healthy = (*checkout.Flow[any])(nil)

// healthTimeout is how long a collection waits for the database.
const healthTimeout = 5 * time.Second

// ObserveHealth registers gauges of a Flow's Health, which is read from the Store whenever metrics are collected. Of the processes of one
// shop each reports the same. A gauge is left out as long as there is no value: before the first sweep, or if the Store or the Reserver
// can't count. The error is that of the meter.
func (t *Telemetry) ObserveHealth(flow Healthy) error {
	var failed error
	gauge := func(name, unit, description string) metric.Float64ObservableGauge {
		g, err := t.meter.Float64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description))
		failed = errors.Join(failed, err)
		return g
	}
	stuck := gauge("fulfil.orders.stuck", "{order}", "How many orders need a person.")
	due := gauge("fulfil.orders.due", "{order}", "How many orders wait for a sweep.")
	lateness := gauge("fulfil.orders.lateness", "s", "For how long the order that is longest due has been waiting for a sweep.")
	held := gauge("fulfil.stock.held", "{unit}", "How many units of stock are held.")
	age := gauge("fulfil.sweep.age", "s", "How long ago the last sweep of any process ended.")
	events := gauge("fulfil.events.failed", "{event}", "How many events sweeps found and could not handle.")
	wrong := gauge("fulfil.account.wrong", "", "1 if the key is of another Stripe account than the orders.")
	if failed != nil {
		return fmt.Errorf("checkoutotel: %w", failed)
	}
	_, err := t.meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		ctx, cancel := context.WithTimeout(ctx, healthTimeout)
		defer cancel()
		h, err := flow.Health(ctx)
		if err != nil {
			return fmt.Errorf("checkoutotel: reading the health of the shop: %w", err)
		}
		now := flow.Now()
		if h.Orders != nil {
			o.ObserveFloat64(stuck, float64(h.Orders.Stuck))
			o.ObserveFloat64(due, float64(h.Orders.Due))
			o.ObserveFloat64(lateness, late(*h.Orders, now).Seconds())
		}
		if h.Held != nil {
			o.ObserveFloat64(held, float64(*h.Held))
		}
		if !h.SweptAt.IsZero() {
			o.ObserveFloat64(age, max(now.Sub(h.SweptAt), 0).Seconds())
		}
		o.ObserveFloat64(events, float64(h.FailedEvents))
		isWrong := 0.0
		if h.WrongAccount {
			isWrong = 1
		}
		o.ObserveFloat64(wrong, isWrong)
		return nil
	}, stuck, due, lateness, held, age, events, wrong)
	if err != nil {
		return fmt.Errorf("checkoutotel: %w", err)
	}
	return nil
}

// late is for how long the order that is longest due has been due.
func late(c store.Counts, now time.Time) time.Duration {
	if c.DueSince.IsZero() {
		return 0
	}
	return max(now.Sub(c.DueSince), 0)
}
