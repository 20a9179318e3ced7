// Command minimal is a shop with one product and stock in memory, on a Stripe account of your own.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/webhook"
)

func main() {
	ctx, st, stock := context.Background(), memstore.New(), memreserver.New()
	must(st.InTx(ctx, func(tx *memstore.Tx) error { return stock.Set(ctx, tx, "tee-m", 10) }))

	flow, err := checkout.New(checkout.Config[*memstore.Tx]{
		Stripe:   stripe.NewClient(os.Getenv("STRIPE_SECRET_KEY")),
		Store:    st,
		Reserver: stock,
		Fulfil: func(ctx context.Context, tx *memstore.Tx, o *store.Order) error {
			return tx.Set(ctx, "shipments/"+o.ID, o.Lines) // commits once per paid order; tried again after an error
		},
	})
	must(err)
	hook, err := webhook.New(webhook.Config{Secrets: []string{os.Getenv("STRIPE_WEBHOOK_SECRET")}})
	must(err)
	flow.Handle(hook)

	http.Handle("POST /stripe/webhook", hook)
	http.Handle("GET /checkout/status", flow.StatusHandler())
	http.HandleFunc("POST /checkout", func(w http.ResponseWriter, r *http.Request) {
		started, err := flow.Begin(r.Context(), checkout.Session{
			OrderID:    "order-" + rand.Text(),
			Lines:      []checkout.Line{{SKU: "tee-m", Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 2}},
			SuccessURL: "http://localhost:8080/checkout/status?session_id={CHECKOUT_SESSION_ID}",
			HoldFor:    15 * time.Minute,
		})
		var short *reservation.ShortageError
		switch {
		case errors.As(err, &short):
			http.Error(w, "sold out", http.StatusConflict)
		case err != nil:
			log.Print(err)
			http.Error(w, "checkout is not available", http.StatusBadGateway)
		default:
			http.Redirect(w, r, started.URL, http.StatusSeeOther)
		}
	})
	go flow.Run(ctx) // releases stock that was held in vain, retries failed callbacks, finds missed events
	log.Fatal(http.ListenAndServe("localhost:8080", nil))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
