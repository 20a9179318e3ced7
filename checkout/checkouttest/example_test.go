package checkouttest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
