package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/webhook"
)

// payments takes the money: Stripe, or a test server in this process.
type payments struct {
	client        *stripe.Client
	webhookSecret string
	now           func() time.Time     // the clock of the test server, which can be moved, or the system's
	test          *checkouttest.Server // nil: payments go to Stripe
}

// connect uses Stripe if both of its secrets are set, and starts a test server if none is.
func connect(getenv func(string) string, address string) (payments, error) {
	key, secret := getenv("STRIPE_SECRET_KEY"), getenv("STRIPE_WEBHOOK_SECRET")
	switch {
	case key == "" && secret == "":
		test := checkouttest.NewServer(checkouttest.Config{Addr: "127.0.0.1:0", WallClock: true, WebhookURL: address + "/stripe/webhook"})
		// Client would take a shortcut within the process. ClientOver uses the socket, as with Stripe.
		return payments{test.ClientOver(http.DefaultTransport), test.WebhookSecret(), test.Now, test}, nil
	case key == "":
		return payments{}, errors.New("STRIPE_WEBHOOK_SECRET is set but STRIPE_SECRET_KEY is not: " +
			"set both to sell through Stripe, or none for the test server")
	case secret == "":
		return payments{}, errors.New("STRIPE_SECRET_KEY is set but STRIPE_WEBHOOK_SECRET is not: " +
			"set both to sell through Stripe (stripe listen --print-secret shows it), or none for the test server")
	case strings.Contains(key, "_live_"): // sk_live_, rk_live_, sk_org_live_
		return payments{}, errors.New("STRIPE_SECRET_KEY is a live key, and this site answers on this machine only: use a test key")
	}
	return payments{stripe.NewClient(key), secret, time.Now, nil}, nil
}

// describe says where payments go, and how to get their webhooks.
func (p payments) describe(address string, hook *webhook.Handler) string {
	if p.test != nil {
		return "go to a test server in this process; no money moves, and nothing is kept.\n" +
			"          Set STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET to sell through Stripe."
	}
	return fmt.Sprintf("go to Stripe. Have its webhooks forwarded to this site:\n"+
		"          stripe listen --forward-to %s/stripe/webhook --events %s", address, strings.Join(hook.Types(), ","))
}

func (p payments) close() {
	if p.test != nil {
		p.test.Close()
	}
}
