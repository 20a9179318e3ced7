// Package checkouttest is a Stripe Checkout for tests. Its Server runs in the test's own process: it creates sessions, takes
// payments and delivers signed webhooks, and the test moves its clock.
//
// The program under test talks to a [Server] with the real client, stripe-go, and receives events in its real webhook
// handler:
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
// The server opens no socket unless Config.Addr or Config.WebhookURL asks for one. It therefore also runs within a
// testing/synctest bubble.
//
// # What a test does
//
//   - The customer: [Server.Pay] and [Server.PayAs] pay a session, with [BankDebit] or with any test card of
//     https://docs.stripe.com/testing, by its number or its name, such as [CardOK] or "pm_card_visa_chargeDeclinedLostCard".
//     [Server.Recover] opens the recovery link of an expired session. A browser can open the session's hosted page.
//   - The bank: [Server.Settle] and [Server.Bounce] end a bank debit. [Server.Transfer] brings a part of a [BankTransfer], or all of it,
//     or too much. [Server.Dispute], [Server.WinDispute] and
//     [Server.LoseDispute] play a dispute. [Server.SettleRefund] and [Server.FailRefund] end a refund.
//   - The dashboard: [Server.Refund] refunds a payment, [Server.AddPrice] adds a price, [Server.Redeliver] delivers an event again,
//     [Server.RollSecret] replaces a signing secret.
//   - Time: [Server.Advance] moves the clock. Sessions expire, subscriptions renew and failed deliveries are tried again, each
//     at its own time.
//   - Subscriptions: [Server.Renew] moves the clock to the next invoice. [Server.ReplaceMethod] makes renewals fail or recover,
//     and [Server.Authenticate] plays the customer whose card asks for it. The API changes plans, ends trials, pauses and cancels.
//
// # Subscriptions
//
// A subscription of a session is paid with the session, or begins with a trial (subscription_data). At the end of a period the
// server makes a draft of the invoice and moves the period on. An hour later it collects the invoice. If that fails, the
// subscription is past due, and the server tries again after 3, 5 and 7 more days. After the last try, [Config].DunningEnd says
// what happens. Each try of an invoice uses the same payment intent; invoice_payments lead from it to the invoice.
//
// A change of plan or quantity makes prorations, which the next invoice bills. A coupon or a promotion code makes a discount,
// in sessions of both modes. A session of the billing portal has a page on which the customer cancels or gives another card.
//
// A credit note lowers what an open invoice asks for, or gives back what was paid for it by a refund, as the customer's credit, or outside
// of Stripe. It credits lines only of invoices without discounts, taxes and shipping.
//
// A subscription schedule takes a subscription through phases with prices and quantities of their own. A schedule starts the
// subscription, or is made from one. The first invoice of a schedule is a draft for an hour, and the subscription is active meanwhile.
//
// Endpoints of an API version before 2025-03-31.basil get invoices, subscriptions, charges and payment intents in the older
// shape. [Config].EventVersion sets the version of the default endpoint.
//
// # The hosted page
//
// The page asks for what the session asks for: name, country and postal code, addresses, custom fields, quantities, optional items, a
// promotion code, consent and a tax ID. The session reports what the customer has typed, and nothing else. The page works without
// JavaScript. Its inputs have the names and IDs of Stripe's own page (email, cardNumber, cardExpiry, cardCvc, billingName, billingCountry,
// billingPostalCode, shippingAddressLine1, phoneNumber, promotionCode, termsOfServiceConsentCheckbox, …), and the button that pays has the
// class SubmitButton, so that browser scripts made for that page work on this one. The inputs for quantities, optional items, custom
// fields (custom- and the field's key), and businesses have names of this server.
//
// The page speaks English, German, French and Spanish: the session's locale, or else what the browser asks for.
//
// A charge that has succeeded has a receipt_url. It leads to a page with the amount, the date, the payment method and the refunds.
//
// # Taxes
//
// Lines take tax rates in payment mode. Automatic tax is due in the countries of [Config].TaxRegistrations, by a fixed table of standard
// rates, and by the customer's shipping or billing address. Shipping is not taxed, and neither are subscriptions.
//
// # Thin events
//
// Each change makes two events: a snapshot event, which holds the object, and a thin event, which names the object.
// Config.Payloads says which of them the default endpoint gets, and [Server.Deliver] changes it:
//
//	srv := checkouttest.NewServer(checkouttest.Config{Payloads: checkouttest.Thin})
//	srv.Deliver(hook, checkouttest.Both)
//
// An app that moves from snapshot events to thin ones makes a second event destination over the API. The API has
// /v2/core/event_destinations with snapshot and thin destinations at webhook endpoints, and /v2/core/events. A thin event
// that was not accepted is tried again as a snapshot event is. It does not count in pending_webhooks and delivery_success of
// its snapshot event: Stripe does not say whether it does.
//
// # Order of events
//
// The events of a payment come in the order in which Stripe's come: payment_intent.created after payment_intent.succeeded, and
// in subscription mode checkout.session.completed before customer.subscription.created. An event holds its object as it was at
// the event. The capture of a payment is asynchronous unless its intent asks for another: the charge has no balance transaction
// in charge.succeeded, and charge.updated brings it after two seconds of the server's clock. A refund that has succeeded gets
// its reference after a second, with refund.updated and charge.refund.updated.
//
// Failed deliveries are tried again three times over a few hours, as in a sandbox. [Config].LiveRetries makes it three days.
//
// # Failures
//
// [Server.Faults] makes things go wrong. Deliveries are lost, delayed, repeated, reordered or spoiled. Requests to the API
// are limited, fail, lose their connection or take long. A [Fault] selects event types or requests, numbers of attempts, or a
// chance drawn from a seed.
//
// [Server.Log] returns the history of all requests and deliveries. [Server.WaitFor] waits for something in it, and
// [Server.LogOnFailure] writes it to the log of a test that fails.
//
// # Stripe's command line
//
// Stripe's own CLI works with a server that has Config.Addr. The CLI prints the secret that it signs with, which differs
// from the server's:
//
//	export STRIPE_API_KEY=sk_test_… # the server's key, of at least 12 characters
//	stripe listen --all-snapshot --forward-to http://127.0.0.1:8080/stripe/webhook --api-base http://127.0.0.1:12111
//	stripe trigger checkout.session.completed --api-base http://127.0.0.1:12111
//
// With --all-thin in place of --all-snapshot the CLI forwards thin events.
//
// # Limits
//
// The server speaks the API version that stripe-go is made for. It answers requests for other known versions in its own
// version, and says so in the Stripe-Version header.
//
// It refuses what Stripe refuses: unknown parameters at any depth, sessions beyond Stripe's limits, requests without the key.
// It also refuses parameters that it does not implement, where ignoring them could mislead a test; the error names them.
// Resources that it lacks are refused by their names. Metered prices are not implemented, and phases of schedules
// have no trials, discounts and settings of their own. All test clocks are names for the
// server's one clock, which goes forward only. A search finds an object at once. The server sends no invoice.upcoming and no events of discounts, and finalizes a renewal's invoice after an hour
// even if no endpoint has accepted invoice.created. A subscription paid by bank debit is incomplete until the debit settles, unless
// [Config].DebitActivates.
//
// docs/test-stripe-flows.md shows ten flows of the server beside those that Stripe documents, and lists the differences.
//
// The server takes no live key, and listens and delivers on loopback only.
package checkouttest
