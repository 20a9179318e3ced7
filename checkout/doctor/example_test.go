package doctor_test

import (
	"context"
	"fmt"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/checkout/doctor"
	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/webhook"
)

// A new shop has a restricted key that may not read disputes, no event destination, and no stock of one of its products.
func ExampleExamine() {
	srv := checkouttest.NewServer(checkouttest.Config{
		Start: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
		Key:   "rk_test_example",
		Permissions: []string{
			"checkout_session_write", "payment_intent_read", "charge_read", "refund_read", "event_read", "webhook_read", "event_destination_read",
		},
	})
	defer srv.Close()
	st := memstore.New()
	stock := memreserver.New().WithStore(st)
	flow, err := checkout.New(checkout.Config[*memstore.Tx]{
		Stripe: srv.Client(), Store: st, Reserver: stock, Clock: srv.Now,
		Fulfil: func(context.Context, *memstore.Tx, *store.Order) error { return nil },
	})
	must(err)
	hook, err := webhook.New(webhook.Config{Secrets: []string{"whsec_example"}})
	must(err)
	flow.Handle(hook)

	report, err := doctor.Examine(context.Background(), doctor.Config{
		Stripe: srv.Client(), Handler: hook, URL: "https://shop.example/stripe/webhook",
		Flow: flow, Stock: stock, SKUs: []string{"tee-m"}, Clock: srv.Now,
	})
	must(err)
	fmt.Print(report)
	// Output:
	// Examined an account that the key may not read, test mode, at 2026-03-02T09:00:00Z.
	//
	// ERROR: No event destination of the account has the URL https://shop.example/stripe/webhook.
	//   why:  Stripe sends nothing to the webhook; orders are settled late, by sweeps.
	//   cure: Create an event destination for this URL in the Dashboard, with the types that Handler.Types or Handler.ThinTypes lists.
	//
	// ERROR: The key lacks a permission: Disputes, read (dispute_read).
	//   why:  The shop needs it so that nothing disputed is shipped.
	//   cure: Give the restricted key this permission in the Dashboard.
	//
	// ERROR: There is no stock of one SKU: tee-m.
	//   why:  Orders with this SKU can't be begun.
	//   cure: Set the stock of each once, by SetNew or Set of the Reserver.
	//
	// NOTE: No process has swept yet, and there are no orders.
	//   why:  What webhooks missed is not found, and stock of expired sessions is not released.
	//   cure: Run Flow.Run in every process, or Flow.Sweep from cron every minute.
	//
	// Not looked at:
	//   whether the webhook answers: Config.Secrets is empty
	//   whether the account can take payments: the key lacks the permission accounts_kyc_basic_read
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
