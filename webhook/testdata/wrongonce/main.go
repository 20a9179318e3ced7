// Command wrongonce must not compile.
package main

import (
	"context"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/webhook"
)

func main() {
	hook, _ := webhook.New(webhook.Config{Secrets: []string{"whsec_test"}})
	// The next line is wrong.
	webhook.On(hook, webhook.CheckoutSessionCompleted, webhook.Once("once", store{},
		func(context.Context, tx, *webhook.Event[stripe.PaymentIntent]) error { return nil }))
}

type tx struct{}

type store struct{}

func (store) InTx(_ context.Context, fn func(tx) error) error { return fn(tx{}) }

func (store) Claim(context.Context, tx, time.Time, ...string) ([]bool, error) {
	return []bool{true}, nil
}
