// Package webhook receives Stripe's webhook events: it verifies, decodes and dispatches them.
//
//	hook, err := webhook.New(webhook.Config{Secrets: []string{os.Getenv("STRIPE_WEBHOOK_SECRET")}})
//	…
//	webhook.On(hook, webhook.InvoicePaid, func(ctx context.Context, e *webhook.Event[stripe.Invoice]) error {
//		return markPaid(ctx, e.Object.ID)
//	})
//	mux.Handle("POST /stripe/webhook", hook)
//
// An event type is a constant that knows the Go type of its object, so a handler of the wrong object does not compile.
// Stripe delivers events at least once and in no particular order (https://docs.stripe.com/webhooks#event-ordering);
// [Once] keeps a handler from running twice, in the transaction of its own database writes.
//
// Handlers see an event whatever API version it was rendered with, as a payment is worth more than a field that moved;
// [Handler.APIVersions] and a warning tell when the endpoint's version is not stripe-go's. To be independent of
// versions decode the few fields that matter into a struct of your own, with a [Type] of your own.
//
// Mount the handler where no middleware reads or changes the body, and give the server a ReadTimeout. The signature is
// that of the body's exact bytes.
package webhook

//go:generate go run github.com/gofulfil/fulfil/internal/geneventtypes
