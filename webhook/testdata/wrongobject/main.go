// Command wrongobject must not compile.
package main

import (
	"context"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/webhook"
)

func main() {
	hook, _ := webhook.New(webhook.Config{Secrets: []string{"whsec_test"}})
	// The next line is wrong.
	webhook.On(hook, webhook.CheckoutSessionCompleted, func(context.Context, *webhook.Event[stripe.PaymentIntent]) error { return nil })
}
