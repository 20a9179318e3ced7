package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store/memstore"
)

// demo sells through a test server and prints on which account each payment was made.
func demo(out io.Writer) error {
	ctx := context.Background()
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	client := srv.Client()

	// The endpoints of a real platform are made once, in the Dashboard.
	var m *market
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.hook.ServeHTTP(w, r) }))
	defer receiver.Close()
	var secrets []string
	for _, connected := range []bool{false, true} {
		endpoint, err := client.V1WebhookEndpoints.Create(ctx, &stripe.WebhookEndpointCreateParams{
			URL:           stripe.String(receiver.URL),
			Connect:       stripe.Bool(connected),
			EnabledEvents: []*string{stripe.String("*")},
		})
		if err != nil {
			return err
		}
		secrets = append(secrets, endpoint.Secret)
	}

	sellers := map[string]seller{"potter": {"acct_potter", true}, "carver": {"acct_carver", false}}
	m, err := newMarket(sellers, checkout.Config[*memstore.Tx]{Stripe: client, Clock: srv.Now, Logger: slog.New(slog.DiscardHandler)}, secrets)
	if err != nil {
		return err
	}
	buy := func(id, seller string) error {
		started, err := m.sell(ctx, id, seller, checkout.MustAmount("40.00", "usd"))
		if err != nil {
			return err
		}
		return srv.Pay(started.SessionID, checkouttest.CardOK)
	}
	if err := errors.Join(buy("order-1", "potter"), m.show(ctx, out, "order-1")); err != nil {
		return err
	}
	if err := errors.Join(buy("order-2", "carver"), m.show(ctx, out, "order-2")); err != nil {
		return err
	}
	fmt.Fprintln(out, "The webhooks of another order are lost:")
	srv.Faults(checkouttest.Drop())
	if err := errors.Join(buy("order-3", "potter"), m.show(ctx, out, "order-3")); err != nil {
		return err
	}
	srv.Advance(time.Hour)
	if _, err := m.flow.Sweep(ctx); err != nil { // a server has flow.Run do it
		return err
	}
	fmt.Fprintln(out, "A sweep has read the undelivered events of the sellers' accounts:")
	return m.show(ctx, out, "order-3")
}

// show prints an order.
func (m *market) show(ctx context.Context, out io.Writer, id string) error {
	o, err := m.flow.Order(ctx, id)
	if err != nil {
		return err
	}
	account := o.Account
	if account == "" {
		account = "the platform"
	}
	fmt.Fprintf(out, "%s, sold by %s: %s, on the account of %s\n", o.ID, o.Metadata["seller"], checkout.Display(o), account)
	return nil
}
