package checkout

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
)

// OperationKind says what a Flow does: see [Operation].
type OperationKind string

const (
	// OperationBegin is a call of [Flow.Begin]. What follows of holds and requests happens within it.
	OperationBegin OperationKind = "begin"
	// OperationHold is step one of Begin: it stores an order with its attempt and holds the stock, in one transaction. Callers that
	// wait at the same time share the transaction.
	OperationHold OperationKind = "hold"
	// OperationRecord records facts of an order, in a transaction that callers share who wait at the same time: it is only seen as
	// Operation.Batch.
	OperationRecord OperationKind = "record"
	// OperationSettle brings an order in line with what Stripe says of one of its sessions.
	OperationSettle OperationKind = "settle"
	// OperationDeliver is one run of Config.Fulfil or Config.OnChange, with its transaction.
	OperationDeliver OperationKind = "deliver"
	// OperationSweep is one sweep, of [Flow.Sweep] or [Flow.Run]. The callbacks that it has run are not within it, as they may
	// outlast it.
	OperationSweep OperationKind = "sweep"
	// OperationRequest is one HTTP request to Stripe, until the header of the answer. When stripe-go tries a request again, each try
	// is an operation.
	OperationRequest OperationKind = "request"
	// OperationBatch is a transaction of callers that waited at the same time. The context of a batch of several callers has none
	// of their values.
	OperationBatch OperationKind = "batch"
)

// Operation is something that a Flow begins to do. It holds no personal data and no secrets. OrderID and Cause are different for
// each order or event, so they suit traces and logs, not the labels of metrics.
type Operation struct {
	Kind OperationKind
	// OrderID is the order of a begin, hold, settle or deliver; empty for the others.
	OrderID string
	// Cause is what a settle was caused by: the ID of an event, or the name of an operation such as a sweep.
	Cause string
	// Callback is what a deliver delivers: store.NoticeFulfil, or a [ChangeKind].
	Callback string
	// Try counts the tries of a request or of a deliver, from 1. The tries of a deliver are counted anew for each outbox entry.
	Try int
	// Method, Host and Path describe a request. Path has {id} in place of each ID, and no query.
	Method, Host, Path string
	// Batch is what a batch's callers do: [OperationHold] or [OperationRecord]. Callers is their number. Waited is how long the first of them has waited
	// for the batch to begin.
	Batch   OperationKind
	Callers int
	Waited  time.Duration
}

// Outcome is how an operation ended.
type Outcome struct {
	// Err is the error; nil: the operation did what it was to do. The error of a begin may be a refusal, such as a
	// [*reservation.ShortageError]. The text of an error is not free of personal data if a callback or a database returned it.
	Err error
	// Reused says that a begin returned a session that was there already.
	Reused bool
	// Status is the status of the order after a settle; empty if the settle failed.
	Status store.Status
	// Overtaken says that a deliver rolled its transaction back without an error: the order was refunded, disputed or parked while
	// the callback ran, or another process delivered the entry.
	Overtaken bool
	// HTTPStatus and RequestID are those of Stripe's answer to a request. They are zero if there was no answer. An answer that refuses
	// the request is no Err.
	HTTPStatus int
	RequestID  string
	// Swept is what a sweep did, without the callbacks that still run.
	Swept Swept
}

// observer is Config.Observe.
type observer func(ctx context.Context, op Operation) (context.Context, func(Outcome))

// begin begins an operation. Without an observer it costs nothing.
func (o observer) begin(ctx context.Context, op Operation) (context.Context, func(Outcome)) {
	if o == nil {
		return ctx, unobserved
	}
	ctx, ended := o(ctx, op)
	if ended == nil {
		ended = unobserved
	}
	return ctx, ended
}

func unobserved(Outcome) {}

// batches returns the observer of a combiner; nil: there is none.
func (o observer) batches(kind OperationKind) func(ctx context.Context, callers int, waited time.Duration) (context.Context, func(error)) {
	if o == nil {
		return nil
	}
	return func(ctx context.Context, callers int, waited time.Duration) (context.Context, func(error)) {
		ctx, ended := o.begin(ctx, Operation{Kind: OperationBatch, Batch: kind, Callers: callers, Waited: waited})
		return ctx, func(err error) { ended(Outcome{Err: err}) }
	}
}

func begunOutcome(begun *Started, err error) Outcome {
	return Outcome{Err: err, Reused: begun != nil && begun.Reused}
}

func settledOutcome(h handover, err error) Outcome {
	if h.order == nil {
		return Outcome{Err: err}
	}
	return Outcome{Err: err, Status: h.order.Status()}
}

func deliveredOutcome(err error) Outcome {
	if errors.Is(err, errTaken) || errors.Is(err, errChanged) {
		return Outcome{Overtaken: true}
	}
	return Outcome{Err: err}
}

// client returns a copy of client whose requests are observed.
func (o observer) client(client *stripe.Client) *stripe.Client {
	if o == nil {
		return client
	}
	observed := *client
	services := reflect.ValueOf(&observed).Elem()
	for i := range services.NumField() {
		service := services.Field(i)
		if !service.CanSet() || service.Kind() != reflect.Pointer || service.IsNil() || service.Elem().Kind() != reflect.Struct {
			continue
		}
		copied := reflect.New(service.Type().Elem())
		copied.Elem().Set(service.Elem())
		field := copied.Elem().FieldByName("B") // each service of stripe-go has its backend there
		if !field.IsValid() {
			continue
		}
		if backend, ok := field.Interface().(stripe.Backend); ok {
			field.Set(reflect.ValueOf(o.backend(backend)))
			service.Set(copied)
		}
	}
	return &observed
}

// backend returns a copy of a backend whose requests are observed. A backend that is none of stripe-go's stays as it is.
func (o observer) backend(b stripe.Backend) stripe.Backend {
	switch b := b.(type) {
	case *stripe.UsageBackend:
		copied := *b
		copied.B = o.backend(b.B)
		return &copied
	case *stripe.BackendImplementation:
		copied, client := *b, *b.HTTPClient
		client.Transport = observedTransport{o, client.Transport}
		copied.HTTPClient = &client
		return countedBackend{&copied}
	}
	return b
}

// countedBackend has the tries of each request counted.
type countedBackend struct{ stripe.Backend }

func (b countedBackend) Call(method, path, key string, params stripe.ParamsContainer, v stripe.LastResponseSetter) error {
	countTries(params.GetParams())
	return b.Backend.Call(method, path, key, params, v)
}

func (b countedBackend) CallRaw(method, path, key string, body []byte, params *stripe.Params, v stripe.LastResponseSetter) error {
	countTries(params)
	return b.Backend.CallRaw(method, path, key, body, params, v)
}

// triesKey is the key of a *int that the context of a request carries: how many tries there were.
type triesKey struct{}

func countTries(params *stripe.Params) {
	if params != nil && params.Context != nil {
		params.Context = context.WithValue(params.Context, triesKey{}, new(int))
	}
}

// observedTransport observes each HTTP request.
type observedTransport struct {
	observe observer
	base    http.RoundTripper // nil: http.DefaultTransport
}

// RoundTrip implements http.RoundTripper.
func (t observedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	op := Operation{Kind: OperationRequest, Method: r.Method, Host: r.URL.Host, Path: pathTemplate(r.URL.Path), Try: 1}
	if tries, ok := r.Context().Value(triesKey{}).(*int); ok {
		*tries++
		op.Try = *tries
	}
	base := t.base
	if base == nil {
		base = http.DefaultTransport
	}
	ctx, ended := t.observe.begin(r.Context(), op)
	response, err := base.RoundTrip(r.WithContext(ctx))
	outcome := Outcome{Err: err}
	if response != nil {
		outcome.HTTPStatus, outcome.RequestID = response.StatusCode, response.Header.Get("Request-Id")
	}
	ended(outcome)
	return response, err
}

// pathWords are the parts of the paths of Stripe's API that a Flow asks for. Every other part is an ID.
var pathWords = map[string]bool{
	"v1": true, "checkout": true, "sessions": true, "expire": true, "line_items": true, "billing_portal": true, "charges": true,
	"disputes": true, "events": true, "invoices": true, "invoice_payments": true, "payment_intents": true, "radar": true,
	"early_fraud_warnings": true, "refunds": true, "reviews": true, "subscriptions": true,
}

// pathTemplate is a path with {id} in place of IDs, so that few different ones exist.
func pathTemplate(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if part != "" && !pathWords[part] {
			parts[i] = "{id}"
		}
	}
	return strings.Join(parts, "/")
}
