package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/webhook"
	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

// demo sells through a test server, whose deliveries go wrong as Stripe's may, and prints what the handlers made of them.
func demo(out io.Writer) error {
	srv := checkouttest.NewServer(checkouttest.Config{Sequential: true, LiveRetries: true})
	defer srv.Close()
	b := &books{memstore.New(), out}
	hook, err := newHook(b, webhook.Config{Secrets: []string{srv.WebhookSecret()}, Clock: srv.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	srv.Deliver(hook)

	fmt.Fprintln(out, "A sale of 20.00, whose event arrives three times:")
	srv.Faults(checkouttest.Duplicate(3).For("checkout.session.completed"))
	session, err := sell(srv, 2000)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  total: %d\n", b.total())

	fmt.Fprintln(out, "A sale of 5.00, whose event is lost on its way:")
	srv.Faults(checkouttest.DropFirst(1).For("checkout.session.completed"))
	if _, err := sell(srv, 500); err != nil {
		return err
	}
	fmt.Fprintf(out, "  total: %d\n", b.total())
	srv.Advance(2 * time.Hour)
	fmt.Fprintf(out, "  total after Stripe tried again: %d\n", b.total())

	fmt.Fprintln(out, "The first customer disputes the payment:")
	if _, err := srv.Dispute(session); err != nil {
		return err
	}

	fmt.Fprintln(out, "Somebody else claims a sale of 900.00:")
	forged := webhooktest.Event{Type: "checkout.session.completed", Object: map[string]any{"object": "checkout.session", "payment_status": "paid", "amount_total": 90000}}
	w := httptest.NewRecorder()
	hook.ServeHTTP(w, webhooktest.NewRequest("/stripe/webhook", forged.Payload(), "whsec_guessed", srv.Now()))
	fmt.Fprintf(out, "  answer: %d %s, total: %d\n", w.Code, http.StatusText(w.Code), b.total())
	return nil
}

// sell creates a session for an amount and has it paid.
func sell(srv *checkouttest.Server, cents int64) (sessionID string, err error) {
	session, err := srv.Client().V1CheckoutSessions.Create(context.Background(), &stripe.CheckoutSessionCreateParams{
		Mode:       stripe.String("payment"),
		SuccessURL: stripe.String("https://shop.example/thanks"),
		LineItems: []*stripe.CheckoutSessionCreateLineItemParams{{
			Quantity: stripe.Int64(1),
			PriceData: &stripe.CheckoutSessionCreateLineItemPriceDataParams{
				Currency:    stripe.String("usd"),
				UnitAmount:  stripe.Int64(cents),
				ProductData: &stripe.CheckoutSessionCreateLineItemPriceDataProductDataParams{Name: stripe.String("Tea")},
			},
		}},
	})
	if err != nil {
		return "", err
	}
	return session.ID, srv.Pay(session.ID, checkouttest.CardOK)
}
