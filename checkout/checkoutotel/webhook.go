package checkoutotel

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"

	"github.com/gofulfil/fulfil/webhook"
)

// otherType stands for the types of events that have no handler. Their number has no bound that the shop sets.
const otherType = "_OTHER"

// ObserveWebhook is for webhook.Config.Observe. What a Flow does for an event is within the event's span.
func (t *Telemetry) ObserveWebhook(ctx context.Context) (_ context.Context, ended func(webhook.Result)) {
	ctx, span := t.tracer.Start(ctx, "webhook")
	began := time.Now()
	return ctx, func(r webhook.Result) {
		eventType := r.EventType
		if r.Handlers == 0 && !r.Duplicate {
			eventType = otherType
		}
		if r.EventType != "" {
			span.SetName("webhook " + r.EventType)
			span.SetAttributes(keyEventID.String(r.EventID))
		}
		_, class := classify(r.Err)
		labels := []attribute.KeyValue{keyEventType.String(eventType), semconv.HTTPResponseStatusCode(r.Status)}
		span.SetAttributes(labels...)
		labels = append(labels, end(span, deliveryOutcome(r), class)...)
		t.deliveries.Record(ctx, time.Since(began).Seconds(), metric.WithAttributes(labels...))
		span.End()
	}
}

// deliveryOutcome says in a word how a delivery ended.
func deliveryOutcome(r webhook.Result) string {
	switch {
	case r.Err != nil && r.Status >= http.StatusBadRequest && r.Status < http.StatusInternalServerError:
		return outcomeRefused
	case r.Err != nil:
		return outcomeFailed
	case r.Handlers > 0:
		return outcomeOK
	case r.Duplicate:
		return "duplicate"
	}
	return "unhandled"
}
