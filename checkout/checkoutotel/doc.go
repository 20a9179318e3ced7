// Package checkoutotel observes a shop with OpenTelemetry: spans and metrics of a checkout.Flow and of its webhook.Handler. It is a
// module of its own, so that only a shop that uses it depends on OpenTelemetry.
//
// [New] makes the instruments. One line of each configuration, and one for the gauges, has them used:
//
//	telemetry, err := checkoutotel.New(checkoutotel.Config{})
//	flow, err := checkout.New(checkout.Config[*sql.Tx]{Observe: telemetry.Observe, …})
//	hook, err := webhook.New(webhook.Config{Observe: telemetry.ObserveWebhook, …})
//	err = telemetry.ObserveHealth(flow)
//
// # Spans
//
// Each operation of a Flow is a span: checkout.begin, checkout.hold, checkout.settle, checkout.deliver, checkout.sweep and
// checkout.batch. Each HTTP request to Stripe is a client span as OpenTelemetry's conventions for HTTP have it, such as
// "POST /v1/checkout/sessions", with Stripe's request ID as stripe.request.id. Each delivery of an event is a span, such as
// "webhook checkout.session.completed". A span is a child of the span in its context, such as that of the HTTP request which the shop
// serves.
//
// Stripe's events carry no trace, so an order has several: that of the customer who began it, and those of the events about it. They have
// the attribute fulfil.order.id in common.
//
// # Metrics
//
// Their attributes have few values each: no IDs.
//
//   - fulfil.operation.duration: how long begin, hold, settle, deliver, sweep and batch take, with fulfil.operation, fulfil.outcome,
//     error.type, and for deliver fulfil.callback.
//   - http.client.request.duration: how long Stripe takes to answer, with the attributes of OpenTelemetry's conventions and
//     url.template.
//   - fulfil.webhook.duration: how long a delivery of an event takes, with fulfil.event.type, fulfil.outcome, error.type and
//     http.response.status_code.
//   - fulfil.batch.size and fulfil.batch.wait: how many callers share a transaction, and how long the first of them waits for it.
//   - fulfil.sweep.orders: how many orders sweeps dealt with, by fulfil.outcome.
//   - Gauges of Flow.Health: fulfil.orders.stuck, fulfil.orders.due, fulfil.orders.lateness (of the longest due), fulfil.stock.held,
//     fulfil.sweep.age, fulfil.events.failed and fulfil.account.wrong.
//
// The outcome is ok, refused or failed. Refused means that the shop works and the customer gets nothing: what was asked for is sold out,
// or the order is paid or canceled already. Only a failed operation is an error in its span. A delivery of an event has the outcomes ok,
// duplicate, unhandled, refused and failed. The type of an event without a handler counts as _OTHER.
//
// Spans and metrics hold no personal data and no secrets. The text of an error stays out of them, as a callback may have put anything
// into it. The full URL of a request stays out, because it has IDs in it.
//
// The folder dashboards has a dashboard for Grafana and alert rules for Prometheus, under the names that OpenTelemetry's Prometheus
// exporter gives to these metrics.
package checkoutotel
