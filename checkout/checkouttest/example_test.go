package checkouttest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// A customer whose card is declined tries another one. The shop's webhook is down at first, and gets the event later.
func Example() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()

	up := false // the webhook of the program under test, which would verify with srv.WebhookSecret()
	srv.Deliver(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !up {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))

	sess, err := srv.Client().V1CheckoutSessions.Create(context.Background(), &stripe.CheckoutSessionCreateParams{
		Mode:       stripe.String("payment"),
		SuccessURL: stripe.String("https://shop.example/thanks"),
		LineItems: []*stripe.CheckoutSessionCreateLineItemParams{{
			PriceData: &stripe.CheckoutSessionCreateLineItemPriceDataParams{
				Currency:    stripe.String("usd"),
				ProductData: &stripe.CheckoutSessionCreateLineItemPriceDataProductDataParams{Name: stripe.String("T-shirt")},
				UnitAmount:  stripe.Int64(1999),
			},
			Quantity: stripe.Int64(1),
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	var refused *checkouttest.PaymentError
	if errors.As(srv.Pay(sess.ID, checkouttest.CardDeclined), &refused) {
		fmt.Println(refused.Message)
	}
	fmt.Println("second card:", srv.Pay(sess.ID, checkouttest.CardOK))

	up = true
	srv.Advance(time.Hour) // Stripe tries again
	for _, e := range srv.Events() {
		if e.Type == "checkout.session.completed" {
			fmt.Println(e.Type, "accepted after", len(e.Attempts), "attempts")
		}
	}
	// Output:
	// Your card was declined.
	// second card: <nil>
	// checkout.session.completed accepted after 2 attempts
}

// The answer to a request is lost after the session was made. With the same idempotency key the second request gets it.
func ExampleServer_Faults() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	srv.Faults(checkouttest.Reset().AfterWrite().For("POST /v1/checkout/sessions").On(1))

	params := &stripe.CheckoutSessionCreateParams{Mode: stripe.String("setup"), Currency: stripe.String("usd"), SuccessURL: stripe.String("https://shop.example/thanks")}
	params.SetIdempotencyKey("order-42")
	_, err := srv.Client().V1CheckoutSessions.Create(context.Background(), params)
	fmt.Println(errors.Is(err, syscall.ECONNRESET))
	_, err = srv.Client().V1CheckoutSessions.Create(context.Background(), params)
	fmt.Println(err)
	for _, e := range srv.Log() {
		fmt.Println(e.Method, e.Path, e.Status, e.Replayed, e.Faults)
	}
	// Output:
	// true
	// <nil>
	// POST /v1/checkout/sessions 0 false [reset after the write]
	// POST /v1/checkout/sessions 200 true []
}
