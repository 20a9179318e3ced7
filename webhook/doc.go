// Package webhook receives Stripe's webhook events: it verifies them, decodes them and calls their handlers.
//
//	hook, err := webhook.New(webhook.Config{Secrets: []string{os.Getenv("STRIPE_WEBHOOK_SECRET")}})
//	if err != nil {
//		return err
//	}
//	webhook.On(hook, webhook.InvoicePaid, func(ctx context.Context, e *webhook.Event[stripe.Invoice]) error {
//		return markPaid(ctx, e.Object.ID)
//	})
//	mux.Handle("POST /stripe/webhook", hook)
//
// Each event type is a constant of type [Type] that knows the Go type of the event's object. A handler for another object
// does not compile.
//
// # Snapshot events and thin events
//
// Stripe tells of a change by a snapshot event, which holds the object as it was, or by a thin event, which only names it; the
// event destination decides (https://docs.stripe.com/event-destinations/overview). A handler is registered once, by the type of the
// snapshot event, and gets both. For a thin event, the Handler fetches the object with Config.Client. [Handler.Types] and
// [Handler.ThinTypes] list what a destination of each kind must send.
//
// Each destination has a secret of its own. An app that moves from one kind to the other lists both in Config.Secrets, and mounts
// one Handler for both. A [Once] handler then runs once for a change, and any other twice; [Event].Key tells both forms of a change
// apart from other changes.
//
// # Repeated and failed deliveries
//
// Stripe delivers an event at least once, and events in no particular order
// (https://docs.stripe.com/webhooks#event-ordering). A handler that returns an error gets the event again. A handler made by
// [Once] runs once per event, in the transaction of its own database writes. A handler that returns [Permanent] has failed for
// good.
//
// # API versions
//
// Handlers get the events of every API version, because losing a payment is worse than a field that moved.
// [Handler.APIVersions] and a logged warning show when the endpoint has another version than stripe-go. A handler becomes
// independent of versions by a [Type] of its own, which decodes the few fields it needs into a struct.
//
// # Mounting
//
// The signature covers the exact bytes of the body. Mount the Handler outside of any middleware that reads or changes bodies, and
// set a ReadTimeout on the server.
package webhook

//go:generate go run github.com/gofulfil/fulfil/internal/geneventtypes
