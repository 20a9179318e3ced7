// Command wrongref must not compile.
package main

import (
	"context"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/webhook"
)

func main() {
	hook, _ := webhook.New(webhook.Config{Secrets: []string{"whsec_test"}})
	const completed = webhook.Type[webhook.Ref[stripe.CheckoutSession]](webhook.CheckoutSessionCompleted)
	// The next line is wrong.
	webhook.On(hook, completed, func(context.Context, *webhook.Event[webhook.Ref[stripe.PaymentIntent]]) error { return nil })
}
