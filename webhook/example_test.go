package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/webhook"
	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

const secret = "whsec_test"

// quiet keeps the examples' logs out of the test output.
var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// deliver sends an event as Stripe would, and prints the status of the answer.
func deliver(hook *webhook.Handler, payload []byte) {
	w := httptest.NewRecorder()
	hook.ServeHTTP(w, webhooktest.NewRequest("/stripe/webhook", payload, secret, time.Now()))
	fmt.Println(w.Code)
}

func Example() {
	hook, err := webhook.New(webhook.Config{Secrets: []string{secret}, Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	webhook.On(hook, webhook.InvoicePaid, func(_ context.Context, e *webhook.Event[stripe.Invoice]) error {
		fmt.Println(e.ID, e.Object.ID, e.Object.AmountPaid, e.Metadata()["plan"])
		return nil
	})

	// In a server: mux.Handle("POST /stripe/webhook", hook)
	deliver(hook, webhooktest.Event{ID: "evt_1", Type: "invoice.paid", Object: map[string]any{
		"id": "in_1", "object": "invoice", "amount_paid": 1999, "metadata": map[string]string{"plan": "basic"},
	}}.Payload())
	// Output:
	// evt_1 in_1 1999 basic
	// 200
}

func ExampleNew() {
	_, err := webhook.New(webhook.Config{Secrets: []string{"whsec_one", "we_1Example"}})
	fmt.Println(err)
	// Output:
	// webhook: Config.Secrets[1] is the ID of a webhook endpoint: the signing secret begins with whsec_; the endpoint's page in the Dashboard shows it, and so does stripe listen
}

func ExampleOn() {
	hook, err := webhook.New(webhook.Config{Secrets: []string{secret}, Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	webhook.On(hook, webhook.ChargeDisputeCreated, func(_ context.Context, e *webhook.Event[stripe.Dispute]) error {
		fmt.Println("dispute", e.Object.ID, "of", e.Object.Amount, e.Object.Currency)
		return nil // an error would make Stripe deliver the event again
	})
	deliver(hook, webhooktest.Event{Type: "charge.dispute.created", Object: map[string]any{
		"id": "dp_1", "object": "dispute", "amount": 1999, "currency": "usd",
	}}.Payload())
	// Output:
	// dispute dp_1 of 1999 usd
	// 200
}

// Observe sees every delivery, for metrics and alerts.
func ExampleConfig_observe() {
	hook, err := webhook.New(webhook.Config{
		Secrets: []string{secret},
		Logger:  quiet,
		Observe: func(ctx context.Context) (context.Context, func(webhook.Result)) {
			return ctx, func(r webhook.Result) {
				switch {
				case errors.Is(r.Err, webhook.ErrSignature):
					fmt.Println("refused: is the secret that of this endpoint?")
				case r.Err != nil:
					fmt.Println("failed:", r.EventType, r.Err)
				case r.Handlers == 0 && !r.Duplicate:
					fmt.Println("no handler for", r.EventType)
				default:
					fmt.Println("handled", r.EventType)
				}
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	webhook.On(hook, webhook.InvoicePaid, func(context.Context, *webhook.Event[stripe.Invoice]) error { return nil })
	webhook.On(hook, webhook.PayoutFailed, func(context.Context, *webhook.Event[stripe.Payout]) error { panic("no account") })

	deliver(hook, webhooktest.Event{Type: "invoice.paid", Object: map[string]any{"object": "invoice"}}.Payload())
	deliver(hook, webhooktest.Event{Type: "payout.failed", Object: map[string]any{"object": "payout"}}.Payload())
	deliver(hook, webhooktest.Event{Type: "charge.failed", Object: map[string]any{"object": "charge"}}.Payload())
	w := httptest.NewRecorder()
	hook.ServeHTTP(w, webhooktest.NewRequest("/stripe/webhook", []byte(`{}`), "whsec_of_another_endpoint", time.Now()))
	fmt.Println(w.Code)
	// Output:
	// handled invoice.paid
	// 200
	// failed: payout.failed callback panicked: no account
	// 500
	// no handler for charge.failed
	// 200
	// refused: is the secret that of this endpoint?
	// 400
}

// A handler that decodes only the fields it needs is independent of API versions.
func ExampleOn_ownType() {
	type facts struct {
		ID            string `json:"id"`
		PaymentStatus string `json:"payment_status"`
	}
	const completed = webhook.Type[facts](webhook.CheckoutSessionCompleted)

	hook, err := webhook.New(webhook.Config{Secrets: []string{secret}, Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	webhook.On(hook, completed, func(_ context.Context, e *webhook.Event[facts]) error {
		fmt.Println(e.Object.ID, e.Object.PaymentStatus)
		return nil
	})
	deliver(hook, webhooktest.Event{Type: "checkout.session.completed", Object: map[string]any{
		"id": "cs_1", "object": "checkout.session", "payment_status": "paid",
	}}.Payload())
	// Output:
	// cs_1 paid
	// 200
}

// memory is an OnceStore for this example. A real one keeps the claims in the database that the handler writes to.
type memory map[string]bool

func (m memory) InTx(_ context.Context, fn func(tx memory) error) error {
	tx := memory{}
	if err := fn(tx); err != nil {
		return err
	}
	for key := range tx {
		m[key] = true
	}
	return nil
}

func (m memory) Claim(_ context.Context, tx memory, _ time.Time, keys ...string) ([]bool, error) {
	first := make([]bool, len(keys))
	for i, key := range keys {
		first[i] = !m[key] && !tx[key]
		tx[key] = true
	}
	return first, nil
}

func ExampleOnce() {
	st := memory{}
	hook, err := webhook.New(webhook.Config{Secrets: []string{secret}, Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	webhook.On(hook, webhook.CustomerUpdated, webhook.Once("crm", st,
		func(_ context.Context, _ memory, e *webhook.Event[stripe.Customer]) error {
			fmt.Println("update", e.Object.Name, "before:", string(e.Previous))
			return nil
		}))
	payload := webhooktest.Event{
		Type:     "customer.updated",
		Object:   map[string]any{"id": "cus_1", "object": "customer", "name": "New Name"},
		Previous: json.RawMessage(`{"name":"Old Name"}`),
	}.Payload()
	deliver(hook, payload)
	deliver(hook, payload)
	// Output:
	// update New Name before: {
	//       "name": "Old Name"
	//     }
	// 200
	// 200
}

func ExampleFallback() {
	hook, err := webhook.New(webhook.Config{Secrets: []string{secret}, Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	webhook.Fallback(hook, func(_ context.Context, e *webhook.Event[json.RawMessage]) error {
		fmt.Println("unhandled:", e.Type)
		return nil
	})
	deliver(hook, webhooktest.Event{Type: "some.new.type", Object: map[string]any{"object": "novelty"}}.Payload())
	// Output:
	// unhandled: some.new.type
	// 200
}

func ExampleHandler_OnNotification() {
	hook, err := webhook.New(webhook.Config{Secrets: []string{secret}, Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	hook.OnNotification(func(_ context.Context, n *webhook.Notification) error {
		fmt.Println(n.Type, n.RelatedObject.URL)
		return nil
	})
	deliver(hook, []byte(`{"id":"evt_1","object":"v2.core.event","type":"v1.billing.meter.error_report_triggered",
		"created":"2025-08-27T10:00:00.000Z","livemode":false,
		"related_object":{"id":"mtr_1","type":"billing.meter","url":"/v1/billing/meters/mtr_1"}}`))
	// Output:
	// v1.billing.meter.error_report_triggered /v1/billing/meters/mtr_1
	// 200
}

func ExamplePermanent() {
	hook, err := webhook.New(webhook.Config{
		Secrets: []string{secret},
		Logger:  quiet,
		Observe: func(ctx context.Context) (context.Context, func(webhook.Result)) {
			return ctx, func(r webhook.Result) { fmt.Println(r.Status, errors.Is(r.Err, webhook.ErrPermanent), r.Err) }
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	webhook.On(hook, webhook.PayoutFailed, func(context.Context, *webhook.Event[stripe.Payout]) error {
		return webhook.Permanent(errors.New("no such account"))
	})
	deliver(hook, webhooktest.Event{Type: "payout.failed", Object: map[string]any{"object": "payout"}}.Payload())
	// Output:
	// 200 true webhook: permanent failure: no such account
	// 200
}

// A receiver verifies events and queues them, and a worker dispatches them.
func ExampleHandler_Dispatch() {
	hook, err := webhook.New(webhook.Config{Secrets: []string{secret}, Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	webhook.On(hook, webhook.RefundCreated, func(_ context.Context, e *webhook.Event[stripe.Refund]) error {
		fmt.Println("refund", e.Object.ID)
		return nil
	})
	payload := webhooktest.Event{Type: "refund.created", Object: map[string]any{"id": "re_1", "object": "refund"}}.Payload()

	fmt.Println(hook.Verify(payload, webhooktest.Sign(payload, secret, time.Now())))
	fmt.Println(hook.Dispatch(context.Background(), payload))
	// Output:
	// <nil>
	// refund re_1
	// <nil>
}

func ExampleHandler_Verify() {
	hook, err := webhook.New(webhook.Config{Secrets: []string{secret}})
	if err != nil {
		fmt.Println(err)
		return
	}
	payload := []byte(`{}`)
	err = hook.Verify(payload, webhooktest.Sign(payload, "whsec_of_another_endpoint", time.Now()))
	fmt.Println(errors.Is(err, webhook.ErrSignature))
	// Output: true
}

func ExampleHandler_Types() {
	hook, err := webhook.New(webhook.Config{Secrets: []string{secret}})
	if err != nil {
		fmt.Println(err)
		return
	}
	webhook.On(hook, webhook.InvoicePaid, func(context.Context, *webhook.Event[stripe.Invoice]) error { return nil })
	webhook.On(hook, webhook.ChargeRefunded, func(context.Context, *webhook.Event[stripe.Charge]) error { return nil })

	params := &stripe.WebhookEndpointCreateParams{EnabledEvents: stripe.StringSlice(hook.Types())}
	for _, event := range params.EnabledEvents {
		fmt.Println(*event)
	}
	// Output:
	// charge.refunded
	// invoice.paid
}

func ExampleHandler_ThinTypes() {
	hook, err := webhook.New(webhook.Config{Secrets: []string{secret}, Client: stripe.NewClient("sk_test_…")})
	if err != nil {
		fmt.Println(err)
		return
	}
	webhook.On(hook, webhook.InvoicePaid, func(context.Context, *webhook.Event[stripe.Invoice]) error { return nil })
	webhook.On(hook, webhook.V1CustomerSubscriptionPastDue, func(context.Context, *webhook.Event[stripe.Subscription]) error { return nil })

	thin := &stripe.V2CoreEventDestinationCreateParams{EventPayload: stripe.String("thin"), EnabledEvents: stripe.StringSlice(hook.ThinTypes())}
	for _, event := range thin.EnabledEvents {
		fmt.Println("thin:", *event)
	}
	snapshot := &stripe.V2CoreEventDestinationCreateParams{EventPayload: stripe.String("snapshot"), EnabledEvents: stripe.StringSlice(hook.Types())}
	for _, event := range snapshot.EnabledEvents {
		fmt.Println("snapshot:", *event)
	}
	// Output:
	// thin: v1.customer.subscription.past_due
	// thin: v1.invoice.paid
	// snapshot: invoice.paid
}

// answer is a transport that answers every request with the same object.
type answer string

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) {
	fmt.Println(r.Method, r.URL.Path)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(a))), Request: r}, nil
}

// With a client, a handler gets both forms of its events: snapshot and thin.
func ExampleConfig_client() {
	client := stripe.NewClient("sk_test_…", stripe.WithBackends(stripe.NewBackends(&http.Client{
		Transport: answer(`{"id":"in_1","object":"invoice","amount_paid":1999}`), // in a server: stripe.NewClient(key)
	})))
	hook, err := webhook.New(webhook.Config{Secrets: []string{secret}, Client: client, Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	webhook.On(hook, webhook.InvoicePaid, func(_ context.Context, e *webhook.Event[stripe.Invoice]) error {
		fmt.Println(e.Key, "thin:", e.Thin != nil, e.Object.AmountPaid)
		return nil
	})
	deliver(hook, webhooktest.ThinEvent{ID: "evt_2", Type: "v1.invoice.paid", SnapshotEvent: "evt_1",
		Object: webhooktest.RelatedObject{ID: "in_1", Type: "invoice", URL: "/v1/invoices/in_1"}}.Payload())
	// Output:
	// GET /v1/invoices/in_1
	// evt_1 thin: true 1999
	// 200
}

// A handler that needs the ID alone makes no request.
func ExampleRef() {
	hook, err := webhook.New(webhook.Config{Secrets: []string{secret}, Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	const paid = webhook.Type[webhook.Ref[stripe.Invoice]](webhook.InvoicePaid)
	webhook.On(hook, paid, func(_ context.Context, e *webhook.Event[webhook.Ref[stripe.Invoice]]) error {
		fmt.Println("to look at later:", e.Object.ID()) // or now: e.Object.Get(ctx)
		return nil
	})
	deliver(hook, webhooktest.ThinEvent{Type: "v1.invoice.paid",
		Object: webhooktest.RelatedObject{ID: "in_1", Type: "invoice", URL: "/v1/invoices/in_1"}}.Payload())
	// Output:
	// to look at later: in_1
	// 200
}

// A function behind an EventBridge rule for the source of Stripe's event destination. An error has the event sent again.
func ExampleFromEventBridge() {
	hook, err := webhook.New(webhook.Config{Secrets: []string{secret}, Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	webhook.On(hook, webhook.InvoicePaid, func(_ context.Context, e *webhook.Event[stripe.Invoice]) error {
		fmt.Println(e.ID, e.Object.ID)
		return nil
	})
	handle := func(ctx context.Context, envelope []byte) error {
		payload, err := webhook.FromEventBridge(envelope)
		if err != nil {
			return err
		}
		return hook.Dispatch(ctx, payload)
	}
	fmt.Println(handle(context.Background(), []byte(`{"source":"aws.partner/stripe.com/ed_1","detail-type":"invoice.paid",
		"detail":{"id":"evt_1","object":"event","type":"invoice.paid","data":{"object":{"id":"in_1","object":"invoice"}}}}`)))
	// Output:
	// evt_1 in_1
	// <nil>
}

// A reader of a queue that an Event Grid subscription of Stripe's partner topic writes to.
func ExampleFromEventGrid() {
	payload, err := webhook.FromEventGrid([]byte(`{"specversion":"1.0","source":"/providers/stripe/ed_1","type":"v1.invoice.paid",
		"data":{"id":"evt_1","object":"v2.core.event","type":"v1.invoice.paid"}}`))
	fmt.Println(string(payload), err)
	// Output:
	// {"id":"evt_1","object":"v2.core.event","type":"v1.invoice.paid"} <nil>
}

func ExampleHandler_APIVersions() {
	hook, err := webhook.New(webhook.Config{Secrets: []string{secret}, Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	deliver(hook, webhooktest.Event{Type: "ping", APIVersion: "2020-08-27", Object: map[string]any{}}.Payload())
	fmt.Println(hook.APIVersions())
	// Output:
	// 200
	// map[2020-08-27:1]
}

func ExampleEvent_Metadata() {
	hook, err := webhook.New(webhook.Config{Secrets: []string{secret}, Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	type ignored struct{} // the handler needs only the metadata
	const refunded = webhook.Type[ignored](webhook.ChargeRefunded)
	webhook.On(hook, refunded, func(_ context.Context, e *webhook.Event[ignored]) error {
		fmt.Println(e.Metadata()["order"])
		return nil
	})
	deliver(hook, webhooktest.Event{Type: "charge.refunded", Object: map[string]any{
		"id": "ch_1", "object": "charge", "metadata": map[string]string{"order": "order-42"},
	}}.Payload())
	// Output:
	// order-42
	// 200
}
