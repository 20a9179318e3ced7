package checkouttest_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// thinReceiver prints the thin events that it gets. secret returns the secret that they are signed with.
func thinReceiver(api *stripe.Client, secret func() string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			log.Fatal(err)
		}
		e, err := api.ParseThinEvent(body, r.Header.Get("Stripe-Signature"), secret())
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		fmt.Println(e.Type, "about a", e.RelatedObject.Type)
	})
}

// The program under test gets thin events, and nothing else.
func ExampleServer_Deliver_thin() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	srv.Deliver(thinReceiver(srv.Client(), srv.WebhookSecret), checkouttest.Thin)
	srv.Faults(checkouttest.Drop().For("v1.payment_intent.*", "v1.charge.*"))

	err := srv.Pay(newSession(srv).ID, checkouttest.CardOK)
	if err != nil {
		log.Fatal(err)
	}
	// Output: v1.checkout.session.completed about a checkout.session
}

// Each change makes a snapshot event and a thin event, which names the snapshot event.
func ExampleServer_ThinEvents() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	err := srv.Pay(newSession(srv).ID, checkouttest.CardOK)
	if err != nil {
		log.Fatal(err)
	}
	snapshots := srv.Events()
	for i, e := range srv.ThinEvents() {
		fmt.Println(e.Type, e.Snapshot == snapshots[i].ID)
	}
	// Output:
	// v1.charge.succeeded true
	// v1.payment_intent.succeeded true
	// v1.payment_intent.created true
	// v1.checkout.session.completed true
}

// A shop that moves to thin events makes a second destination, with a secret of its own, and pings it.
func Example_eventDestination() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	var secret string
	shop := httptest.NewServer(thinReceiver(srv.Client(), func() string { return secret }))
	defer shop.Close()

	made, err := srv.Client().V2CoreEventDestinations.Create(context.Background(), &stripe.V2CoreEventDestinationCreateParams{
		Name:            stripe.String("orders, thin"),
		Type:            stripe.String("webhook_endpoint"),
		WebhookEndpoint: &stripe.V2CoreEventDestinationCreateWebhookEndpointParams{URL: stripe.String(shop.URL)},
		EventPayload:    stripe.String("thin"),
		EnabledEvents:   stripe.StringSlice([]string{"v1.checkout.session.completed"}),
		Include:         stripe.StringSlice([]string{"webhook_endpoint.signing_secret"}), // shown only now
	})
	if err != nil {
		log.Fatal(err)
	}
	secret = made.WebhookEndpoint.SigningSecret
	_, err = srv.Client().V2CoreEventDestinations.Ping(made.ID, nil)
	if err != nil {
		log.Fatal(err)
	}
	err = srv.Pay(newSession(srv).ID, checkouttest.CardOK)
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// v2.core.event_destination.ping about a v2.core.event_destination
	// v1.checkout.session.completed about a checkout.session
}
