// Command wrongthin must not compile.
package main

import (
	"context"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/webhook"
)

func main() {
	hook, _ := webhook.New(webhook.Config{Secrets: []string{"whsec_test"}, Client: stripe.NewClient("sk_test")})
	// The next line is wrong.
	webhook.On(hook, webhook.V1CustomerSubscriptionPastDue, func(context.Context, *webhook.Event[stripe.Invoice]) error { return nil })
}
