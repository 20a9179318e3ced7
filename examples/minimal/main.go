// Command minimal is a shop with one product and stock in memory, on a Stripe account of your own.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	stripe.DefaultLeveledLogger = &stripe.LeveledLogger{} // it would print e-mail addresses; errors are returned anyway
	st, stock := memstore.New(), memreserver.New()
	must(st.InTx(ctx, func(tx *memstore.Tx) error { return stock.Set(ctx, tx, "tee-m", 10) }))

	flow, err := checkout.New(checkout.Config[*memstore.Tx]{
		Stripe:   stripe.NewClient(env("STRIPE_SECRET_KEY")),
		Store:    st,
		Reserver: stock,
		Fulfil: func(ctx context.Context, tx *memstore.Tx, o *store.Order) error {
			return tx.Set(ctx, "shipments/"+o.ID, o.Lines) // once per paid order, or an error: tried again
		},
	})
	must(err)
	hook, err := webhook.New(webhook.Config{Secrets: []string{env("STRIPE_WEBHOOK_SECRET")}})
	must(err)
	flow.Handle(hook)

	pages := http.NewServeMux()
	pages.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<title>Shop</title><form method="post" action="/checkout"><button>Buy two T-shirts</button></form>`)
	})
	pages.HandleFunc("POST /checkout", func(w http.ResponseWriter, r *http.Request) {
		started, err := flow.Begin(r.Context(), checkout.Session{
			OrderID:    "order-" + rand.Text(),
			Lines:      []checkout.Line{{SKU: "tee-m", Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 2}},
			SuccessURL: "http://localhost:8080/thanks?session_id={CHECKOUT_SESSION_ID}",
			HoldFor:    15 * time.Minute,
		})
		var short *reservation.ShortageError
		switch {
		case errors.As(err, &short):
			http.Error(w, "Sold out.", http.StatusConflict)
		case err != nil:
			log.Print(err)
			http.Error(w, "Checkout is not available.", http.StatusBadGateway)
		default:
			http.Redirect(w, r, started.URL, http.StatusSeeOther)
		}
	})
	pages.HandleFunc("GET /thanks", func(w http.ResponseWriter, r *http.Request) {
		o, err := flow.Settle(r.Context(), r.URL.Query().Get("session_id")) // asks Stripe if the webhook is late
		if o == nil {
			log.Print(err)
			http.Error(w, "There is no such order.", http.StatusNotFound)
			return
		}
		fmt.Fprintf(w, "Thank you! Your order is %s. We write to %s when it is sent.\n", checkout.Display(o), o.Customer.Email)
	})
	mux := http.NewServeMux()
	mux.Handle("POST /stripe/webhook", hook) // its requests are signed; pages refuse other sites and uploads
	mux.Handle("/", http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(pages, 16<<10)))

	server := &http.Server{Addr: "localhost:8080", Handler: mux, ReadTimeout: 15 * time.Second, WriteTimeout: time.Minute}
	go func() {
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			log.Fatal(err)
		}
	}()
	_ = flow.Run(ctx) // gives back what was held in vain, retries what failed, finds what webhooks missed
	last, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	must(server.Shutdown(last)) // open requests are finished
}

func env(name string) string {
	value := os.Getenv(name)
	if value == "" {
		log.Fatalf("set %s: the Dashboard and the Stripe CLI show it", name)
	}
	return value
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
