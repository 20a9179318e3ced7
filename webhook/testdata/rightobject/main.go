// Command rightobject shows that what the other programs get wrong compiles when it is right.
package main

import (
	"context"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/webhook"
)

func main() {
	hook, _ := webhook.New(webhook.Config{Secrets: []string{"whsec_test"}, Client: stripe.NewClient("sk_test")})
	webhook.On(hook, webhook.CheckoutSessionCompleted, func(context.Context, *webhook.Event[stripe.CheckoutSession]) error { return nil })
	webhook.On(hook, webhook.CheckoutSessionCompleted, webhook.Once("once", store{},
		func(context.Context, tx, *webhook.Event[stripe.CheckoutSession]) error { return nil }))
	webhook.On(hook, webhook.V1CustomerSubscriptionPastDue, func(context.Context, *webhook.Event[stripe.Subscription]) error { return nil })
	const completed = webhook.Type[webhook.Ref[stripe.CheckoutSession]](webhook.CheckoutSessionCompleted)
	webhook.On(hook, completed, func(context.Context, *webhook.Event[webhook.Ref[stripe.CheckoutSession]]) error { return nil })
}

type tx struct{}

type store struct{}

func (store) InTx(_ context.Context, fn func(tx) error) error { return fn(tx{}) }

func (store) Claim(context.Context, tx, time.Time, ...string) ([]bool, error) {
	return []bool{true}, nil
}
