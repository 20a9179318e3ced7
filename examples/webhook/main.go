// Command webhook receives Stripe's events with typed handlers, for a program that has no orders of this library: it keeps the
// total of what was sold, and tells the staff of disputes.
//
//	go run ./examples/webhook
//
// Alone it plays with a test server in this process and prints what happens. With STRIPE_WEBHOOK_SECRET set it serves Stripe's own
// events. This file is the part to copy.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/webhook"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	secret := os.Getenv("STRIPE_WEBHOOK_SECRET")
	var err error
	if secret == "" {
		err = demo(os.Stdout)
	} else {
		err = serve(ctx, secret)
	}
	if err != nil {
		log.Fatal("webhook: ", err)
	}
}

// books is what the program keeps. It takes the place of a database: a program with one uses sqlstore, whose transaction is *sql.Tx.
type books struct {
	st  *memstore.Store
	out io.Writer
}

// newHook returns the handler of all events.
func newHook(b *books, cfg webhook.Config) (*webhook.Handler, error) {
	hook, err := webhook.New(cfg)
	if err != nil {
		return nil, err
	}
	// To add is not idempotent, so it happens once per event, in the transaction that also remembers the event. The name stays the
	// same from one deployment to the next.
	webhook.On(hook, webhook.CheckoutSessionCompleted, webhook.Once("total", b.st, b.addSale))
	// To tell is idempotent by the event's key, so it needs no transaction.
	webhook.On(hook, webhook.ChargeDisputeCreated, b.tellStaff)
	return hook, nil
}

// addSale adds a sale to the total. An error would roll the addition back, and Stripe would deliver the event again.
func (b *books) addSale(ctx context.Context, tx *memstore.Tx, e *webhook.Event[stripe.CheckoutSession]) error {
	if e.Object.PaymentStatus != stripe.CheckoutSessionPaymentStatusPaid {
		return nil // a debit: another event comes when the money is there
	}
	const key = "books/total"
	if err := tx.Lock(ctx, key); err != nil {
		return err
	}
	total, _ := tx.Get(key)
	before, _ := total.(int64)
	return tx.Set(ctx, key, before+e.Object.AmountTotal)
}

// total returns what was sold, in minor units.
func (b *books) total() int64 {
	value, _ := b.st.Get("books/total")
	total, _ := value.(int64)
	return total
}

// tellStaff stands for a message to a chat. The chat would drop a second message with the same key.
func (b *books) tellStaff(_ context.Context, e *webhook.Event[stripe.Dispute]) error {
	fmt.Fprintf(b.out, "  chat: a customer disputes %d %s, reason: %s\n", e.Object.Amount, e.Object.Currency, e.Object.Reason)
	return nil
}

// serve receives the events that Stripe sends.
func serve(ctx context.Context, secret string) error {
	hook, err := newHook(&books{memstore.New(), os.Stdout}, webhook.Config{
		Secrets: []string{secret},
		Observe: func(ctx context.Context) (context.Context, func(webhook.Result)) {
			return ctx, func(r webhook.Result) {
				slog.Info("event", "type", r.EventType, "duplicate", r.Duplicate, "error", r.Err)
			}
		},
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /stripe/webhook", hook)
	server := &http.Server{Addr: "localhost:8080", Handler: mux, ReadTimeout: 15 * time.Second, WriteTimeout: time.Minute}
	stopped := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stopped()
	fmt.Println("Events are received on http://localhost:8080/stripe/webhook. Ctrl-C stops it.")
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
