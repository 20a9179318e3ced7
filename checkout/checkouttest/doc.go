// Package checkouttest is a Stripe Checkout for tests: a server in this process that creates sessions, takes payments and
// delivers signed webhooks, with a clock that the test moves.
//
// A Server is used with the real client, stripe-go, and with the real webhook handler of the program under test. It opens
// no socket unless Config.Addr or Config.WebhookURL ask for one, so that it also runs within a testing/synctest bubble.
// Tests act as the customer with [Server.Pay], as the bank with [Server.Settle] and [Server.Bounce], and let time pass
// with [Server.Advance]: sessions expire, subscriptions renew and deliveries that failed are tried again, each at its time.
// What comes after the sale is there, too: [Server.Refund] and [Server.FailRefund], [Server.Dispute], [Server.WinDispute]
// and [Server.LoseDispute], and [Server.ReplaceMethod] for subscriptions whose renewals are to fail.
//
// # Failures
//
// [Server.Faults] loses, delays, repeats, reorders and spoils deliveries, and limits, fails, cuts and slows requests to the
// API, by event type or request, by attempt, or by a seeded chance. [Server.Log] is the history of all requests and
// attempts, [Server.WaitFor] waits for something in it, [Server.LogOnFailure] shows it when a test fails:
//
//	func TestFulfilledOnce(t *testing.T) {
//		srv := checkouttest.NewServer(checkouttest.Config{})
//		defer srv.Close()
//		srv.LogOnFailure(t)
//		fulfilled := 0
//		flow, err := checkout.New(checkout.Config[*memstore.Tx]{
//			Stripe: srv.Client(), Clock: srv.Now, Store: memstore.New(),
//			Fulfil: func(context.Context, *memstore.Tx, *store.Order) error { fulfilled++; return nil },
//		})
//		require.NoError(t, err)
//		hook, err := webhook.New(webhook.Config{Secrets: []string{srv.WebhookSecret()}, Clock: srv.Now})
//		require.NoError(t, err)
//		flow.Handle(hook)
//		srv.Deliver(hook)
//		started, err := flow.Begin(t.Context(), checkout.Session{
//			OrderID: "order-42", SuccessURL: "https://shop.example/thanks",
//			Lines: []checkout.Line{{Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 1}},
//		})
//		require.NoError(t, err)
//		srv.Faults(checkouttest.DropFirst(2), checkouttest.Duplicate(3))
//		require.NoError(t, srv.Pay(started.SessionID, checkouttest.CardOK))
//		require.Zero(t, fulfilled)
//		srv.Advance(time.Hour)
//		require.Equal(t, 1, fulfilled)
//	}
//
// # Stripe's command line
//
// Stripe's own CLI works with a server that has Config.Addr. It signs with a secret of its own, which it prints:
//
//	export STRIPE_API_KEY=sk_test_… # the server's key, of at least 12 characters
//	stripe listen --all-snapshot --forward-to http://127.0.0.1:8080/stripe/webhook --api-base http://127.0.0.1:12111
//	stripe trigger checkout.session.completed --api-base http://127.0.0.1:12111
//
// # Limits
//
// It knows the version of the API that stripe-go is made for. What Stripe refuses, it refuses: unknown parameters at any
// depth, a session's limits, requests without the key. Other known versions are answered in the server's own, as the
// Stripe-Version header says. Discounts, tax rates, trials, prorations, optional items and invoices of single payments are
// not done, and automatic tax is always none. Parameters that would have to be ignored where they matter are refused, and
// the error says so. It takes no live key, and listens and delivers on loopback only.
package checkouttest
