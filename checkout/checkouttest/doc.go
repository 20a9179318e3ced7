// Package checkouttest is a Stripe Checkout for tests: a server in this process that creates sessions, takes payments and
// delivers signed webhooks, with a clock that the test moves.
//
// A Server is used with the real client, stripe-go, and with the real webhook handler of the program under test. It opens
// no socket unless Config.Addr or Config.WebhookURL ask for one, so that it also runs within a testing/synctest bubble.
// Tests act as the customer with [Server.Pay], as the bank with [Server.Settle] and [Server.Bounce], and let time pass
// with [Server.Advance]: sessions expire and deliveries that failed are tried again, each at its time.
//
// It knows the version of the API that stripe-go is made for. What Stripe refuses, it refuses: unknown parameters at any
// depth, a session's limits, requests without the key. It takes no live key, and listens and delivers on loopback only.
package checkouttest
