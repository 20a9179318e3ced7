package checkouttest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// newSession creates a session for one T-shirt, as the program under test would.
func newSession(srv *checkouttest.Server) *stripe.CheckoutSession {
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
		log.Fatal(err)
	}
	return sess
}

// show prints the session as the API shows it now.
func show(srv *checkouttest.Server, id string) {
	sess, err := srv.Client().V1CheckoutSessions.Retrieve(context.Background(), id, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sess.Status, sess.PaymentStatus)
}

// printEvents prints the types of all events so far that begin with prefix.
func printEvents(srv *checkouttest.Server, prefix string) {
	for _, e := range srv.Events() {
		if strings.HasPrefix(e.Type, prefix) {
			fmt.Println(e.Type)
		}
	}
}

// A customer's card is declined, and the customer pays with another one. The shop's webhook is down at first. It gets the
// event when Stripe retries.
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
		log.Fatal(err)
	}

	var refusal *checkouttest.PaymentError
	err = srv.Pay(sess.ID, checkouttest.CardDeclined)
	if !errors.As(err, &refusal) {
		log.Fatal(err)
	}
	fmt.Println(refusal.Message)
	if err := srv.Pay(sess.ID, checkouttest.CardOK); err != nil {
		log.Fatal(err)
	}

	up = true
	srv.Advance(time.Hour)
	for _, e := range srv.Events() {
		if e.Type == "checkout.session.completed" {
			fmt.Println(e.Type, "accepted after", len(e.Attempts), "attempts")
		}
	}
	// Output:
	// Your card was declined.
	// checkout.session.completed accepted after 2 attempts
}

// The server's clock stands still until the test moves it.
func ExampleServer_Advance() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	sess := newSession(srv)

	srv.Advance(24 * time.Hour)
	show(srv, sess.ID)
	err := srv.Pay(sess.ID, checkouttest.CardOK)
	fmt.Println(errors.Is(err, checkouttest.ErrExpired))
	// Output:
	// expired unpaid
	// true
}

// A test waits for a delivery that another goroutine causes, without sleeping.
func ExampleServer_WaitFor() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	srv.Deliver(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	sess := newSession(srv)
	go func() { _ = srv.Pay(sess.ID, checkouttest.CardOK) }() // the customer, at some time

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := srv.WaitFor(ctx, func() bool {
		for _, entry := range srv.Log() {
			if entry.EventType == "checkout.session.completed" && entry.Status == http.StatusOK {
				return true
			}
		}
		return false
	})
	if err != nil {
		log.Fatal(err)
	}
	show(srv, sess.ID)
	// Output: complete paid
}

// The customer gives a name and an address of their own.
func ExampleServer_PayAs() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	sess := newSession(srv)

	err := srv.PayAs(sess.ID, checkouttest.CardOK, checkouttest.Buyer{
		Email:   "ada@example.com",
		Name:    "Ada Lovelace",
		Address: checkouttest.Address{Line1: "12 St James's Square", City: "London", PostalCode: "SW1Y 4JH", Country: "GB"},
	})
	if err != nil {
		log.Fatal(err)
	}
	sess, err = srv.Client().V1CheckoutSessions.Retrieve(context.Background(), sess.ID, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sess.CustomerDetails.Name, sess.CustomerDetails.Email, sess.CustomerDetails.Address.City)
	// Output: Ada Lovelace ada@example.com London
}

// A bank debit takes days: the session is complete, and is paid only when the debit settles.
func ExampleServer_Settle() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	sess := newSession(srv)

	if err := srv.Pay(sess.ID, checkouttest.BankDebit); err != nil {
		log.Fatal(err)
	}
	show(srv, sess.ID)
	if err := srv.Settle(sess.ID); err != nil {
		log.Fatal(err)
	}
	show(srv, sess.ID)
	// Output:
	// complete unpaid
	// complete paid
}

// A bank debit fails days after the customer has completed the session.
func ExampleServer_Bounce() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	sess := newSession(srv)

	if err := srv.Pay(sess.ID, checkouttest.BankDebit); err != nil {
		log.Fatal(err)
	}
	if err := srv.Bounce(sess.ID); err != nil {
		log.Fatal(err)
	}
	show(srv, sess.ID)
	printEvents(srv, "checkout.")
	// Output:
	// complete unpaid
	// checkout.session.completed
	// checkout.session.async_payment_failed
}

// The program under test sells by the ID of a recurring price. Advance renews the subscription.
func ExampleServer_AddPrice() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	price := srv.AddPrice(checkouttest.Price{Name: "Tea club", Currency: "eur", UnitAmount: 900, Interval: "month"})

	sess, err := srv.Client().V1CheckoutSessions.Create(context.Background(), &stripe.CheckoutSessionCreateParams{
		Mode:       stripe.String("subscription"),
		SuccessURL: stripe.String("https://shop.example/thanks"),
		LineItems:  []*stripe.CheckoutSessionCreateLineItemParams{{Price: stripe.String(price), Quantity: stripe.Int64(1)}},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := srv.Pay(sess.ID, checkouttest.CardOK); err != nil {
		log.Fatal(err)
	}
	srv.Advance(32 * 24 * time.Hour)
	printEvents(srv, "invoice.paid")
	// Output:
	// invoice.paid
	// invoice.paid
}

// The card of a subscription stops working, so the next renewal fails.
func ExampleServer_ReplaceMethod() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	price := srv.AddPrice(checkouttest.Price{Name: "Tea club", Currency: "eur", UnitAmount: 900, Interval: "month"})
	sess, err := srv.Client().V1CheckoutSessions.Create(context.Background(), &stripe.CheckoutSessionCreateParams{
		Mode:       stripe.String("subscription"),
		SuccessURL: stripe.String("https://shop.example/thanks"),
		LineItems:  []*stripe.CheckoutSessionCreateLineItemParams{{Price: stripe.String(price), Quantity: stripe.Int64(1)}},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := srv.Pay(sess.ID, checkouttest.CardOK); err != nil {
		log.Fatal(err)
	}

	sess, err = srv.Client().V1CheckoutSessions.Retrieve(context.Background(), sess.ID, nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := srv.ReplaceMethod(sess.Subscription.ID, checkouttest.CardExpired); err != nil {
		log.Fatal(err)
	}
	srv.Advance(32 * 24 * time.Hour)
	sub, err := srv.Client().V1Subscriptions.Retrieve(context.Background(), sess.Subscription.ID, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sub.Status)
	// Output: past_due
}

// A refund of a part succeeds at once. A refund of CardRefundPending is pending for a day.
// A trial needs no card. It ends unpaid, and the customer gives a card then.
func ExampleServer_Renew() {
	srv := checkouttest.NewServer(checkouttest.Config{DunningEnd: checkouttest.DunningMarksUnpaid})
	defer srv.Close()
	price := srv.AddPrice(checkouttest.Price{Name: "Tea club", Currency: "eur", UnitAmount: 900, Interval: "month"})
	sess, err := srv.Client().V1CheckoutSessions.Create(context.Background(), &stripe.CheckoutSessionCreateParams{
		Mode:                    stripe.String("subscription"),
		SuccessURL:              stripe.String("https://shop.example/thanks"),
		PaymentMethodCollection: stripe.String("if_required"),
		SubscriptionData:        &stripe.CheckoutSessionCreateSubscriptionDataParams{TrialPeriodDays: stripe.Int64(14)},
		LineItems:               []*stripe.CheckoutSessionCreateLineItemParams{{Price: stripe.String(price), Quantity: stripe.Int64(1)}},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := srv.Pay(sess.ID, checkouttest.CardOK); err != nil { // the session asks for no card
		log.Fatal(err)
	}
	sess, err = srv.Client().V1CheckoutSessions.Retrieve(context.Background(), sess.ID, nil)
	if err != nil {
		log.Fatal(err)
	}
	status := func() {
		sub, err := srv.Client().V1Subscriptions.Retrieve(context.Background(), sess.Subscription.ID, nil)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(sub.Status)
	}
	status()
	if err := srv.Renew(sess.Subscription.ID); err != nil {
		log.Fatal(err)
	}
	status()
	if err := srv.ReplaceMethod(sess.Subscription.ID, checkouttest.CardOK); err != nil {
		log.Fatal(err)
	}
	srv.Advance(3 * 24 * time.Hour)
	status()
	// Output:
	// trialing
	// past_due
	// active
}

func ExampleServer_Refund() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	sess := newSession(srv)
	if err := srv.Pay(sess.ID, checkouttest.CardRefundPending); err != nil {
		log.Fatal(err)
	}

	refund, err := srv.Refund(sess.ID, 500)
	if err != nil {
		log.Fatal(err)
	}
	if err := srv.SettleRefund(refund); err != nil {
		log.Fatal(err)
	}
	_, err = srv.Refund(sess.ID, 1500) // 14.99 are left
	fmt.Println(errors.Is(err, checkouttest.ErrOverRefund))
	printEvents(srv, "refund.")
	// Output:
	// true
	// refund.created
	// refund.updated
}

// A refund fails after it has succeeded, and the money comes back to the shop.
func ExampleServer_FailRefund() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	sess := newSession(srv)
	if err := srv.Pay(sess.ID, checkouttest.CardOK); err != nil {
		log.Fatal(err)
	}

	refund, err := srv.Refund(sess.ID, 0)
	if err != nil {
		log.Fatal(err)
	}
	if err := srv.FailRefund(refund); err != nil {
		log.Fatal(err)
	}
	printEvents(srv, "refund.")
	// Output:
	// refund.created
	// refund.updated
	// refund.failed
}

// The customer disputes a payment, and the shop loses.
func ExampleServer_Dispute() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	sess := newSession(srv)
	if err := srv.Pay(sess.ID, checkouttest.CardOK); err != nil {
		log.Fatal(err)
	}

	dispute, err := srv.Dispute(sess.ID)
	if err != nil {
		log.Fatal(err)
	}
	if err := srv.LoseDispute(dispute); err != nil {
		log.Fatal(err)
	}
	printEvents(srv, "charge.dispute.")
	// Output:
	// charge.dispute.created
	// charge.dispute.funds_withdrawn
	// charge.dispute.closed
}

// The link of an expired session leads to a copy of it.
func ExampleServer_Recover() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	sess, err := srv.Client().V1CheckoutSessions.Create(context.Background(), &stripe.CheckoutSessionCreateParams{
		Mode: stripe.String("setup"), Currency: stripe.String("usd"), SuccessURL: stripe.String("https://shop.example/thanks"),
		AfterExpiration: &stripe.CheckoutSessionCreateAfterExpirationParams{
			Recovery: &stripe.CheckoutSessionCreateAfterExpirationRecoveryParams{Enabled: stripe.Bool(true)},
		},
	})
	if err != nil {
		log.Fatal(err)
	}

	srv.Advance(24 * time.Hour)
	recovered, err := srv.Recover(sess.ID)
	if err != nil {
		log.Fatal(err)
	}
	if err := srv.Pay(recovered, checkouttest.CardOK); err != nil {
		log.Fatal(err)
	}
	show(srv, sess.ID)
	show(srv, recovered)
	// Output:
	// expired no_payment_required
	// complete no_payment_required
}

// The webhook handler of the program under test receives every event.
func ExampleServer_Deliver() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	srv.Deliver(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.Header.Get("Stripe-Signature") != "")
	}))

	sess := newSession(srv)
	_, err := srv.Client().V1CheckoutSessions.Expire(context.Background(), sess.ID, nil)
	if err != nil {
		log.Fatal(err)
	}
	srv.Flush() // the API does not wait for deliveries
	// Output: POST true
}

// An event that the receiver has accepted comes once more.
func ExampleServer_Redeliver() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	srv.Deliver(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	sess := newSession(srv)
	if err := srv.Pay(sess.ID, checkouttest.CardOK); err != nil {
		log.Fatal(err)
	}

	events := srv.Events()
	last := events[len(events)-1]
	if err := srv.Redeliver(last.ID); err != nil {
		log.Fatal(err)
	}
	events = srv.Events()
	fmt.Println(last.Type, len(events[len(events)-1].Attempts))
	// Output: checkout.session.completed 2
}

// For a day, deliveries carry a signature of the old secret and one of the new secret.
func ExampleServer_RollSecret() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	old := srv.WebhookSecret()
	secret, err := srv.RollSecret("", 24*time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(secret == srv.WebhookSecret(), secret == old)
	// Output: true false
}

// The answer to a request is lost after the request has made the session. A second request with the same idempotency key
// gets the same answer.
func ExampleServer_Faults() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	srv.Faults(checkouttest.Reset().AfterWrite().For("POST /v1/checkout/sessions").On(1))

	params := &stripe.CheckoutSessionCreateParams{Mode: stripe.String("setup"), Currency: stripe.String("usd"), SuccessURL: stripe.String("https://shop.example/thanks")}
	params.SetIdempotencyKey("order-42")
	_, err := srv.Client().V1CheckoutSessions.Create(context.Background(), params)
	fmt.Println("connection reset:", errors.Is(err, syscall.ECONNRESET))
	_, err = srv.Client().V1CheckoutSessions.Create(context.Background(), params)
	if err != nil {
		log.Fatal(err)
	}
	for _, entry := range srv.Log() {
		fmt.Println(entry.Method, entry.Path, entry.Status, entry.Replayed, entry.Faults)
	}
	// Output:
	// connection reset: true
	// POST /v1/checkout/sessions 0 false [reset after the write]
	// POST /v1/checkout/sessions 200 true []
}

// The first two attempts to deliver each event are lost, and the third arrives three times.
func ExampleDropFirst() {
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	srv.Deliver(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.Faults(checkouttest.DropFirst(2).For("checkout.session.completed"), checkouttest.Duplicate(3).For("checkout.session.completed"))

	sess := newSession(srv)
	if err := srv.Pay(sess.ID, checkouttest.CardOK); err != nil {
		log.Fatal(err)
	}
	srv.Advance(time.Hour)
	for _, entry := range srv.Log() {
		if entry.EventType == "checkout.session.completed" {
			fmt.Printf("attempt %d: status %d %s\n", entry.Attempt, entry.Status, strings.Join(entry.Faults, ", "))
		}
	}
	// Output:
	// attempt 1: status 0 drop, duplicate 3
	// attempt 2: status 0 drop, duplicate 3
	// attempt 3: status 200 duplicate 3
	// attempt 3: status 200 duplicate 3
	// attempt 3: status 200 duplicate 3
}
