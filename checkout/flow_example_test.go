package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/webhook"
)

// sell begins an order and has the customer pay it by card.
func sell(srv *checkouttest.Server, flow *checkout.Flow[*memstore.Tx], orderID string) (sessionID string) {
	started, err := flow.Begin(context.Background(), exampleSession(orderID))
	must(err)
	must(srv.Pay(started.SessionID, checkouttest.CardOK))
	return started.SessionID
}

// display prints the status of an order.
func display(flow *checkout.Flow[*memstore.Tx], orderID string) {
	o, err := flow.Order(context.Background(), orderID)
	must(err)
	fmt.Println(o.ID, "is", checkout.Display(o))
}

// An order that is not paid is canceled, and its stock is back. A paid order can't be canceled.
func ExampleFlow_Cancel() {
	srv, flow := exampleShop()
	defer srv.Close()
	ctx := context.Background()

	if _, err := flow.Begin(ctx, exampleSession("order-1")); err != nil {
		fmt.Println(err)
		return
	}
	if err := flow.Cancel(ctx, "order-1"); err != nil {
		fmt.Println(err)
		return
	}
	sell(srv, flow, "order-2")
	err := flow.Cancel(ctx, "order-2")
	fmt.Println(errors.Is(err, checkout.ErrAlreadyPaid))
	// Output:
	// order-1 is canceled
	// ship order-2
	// true
}

// Fulfil said that it can't ship the order. A person finds the order, mends the cause, and has the Flow try again.
func ExampleFlow_Resolve() {
	shipsThere := false
	srv, flow := exampleShop(func(c *checkout.Config[*memstore.Tx]) {
		c.Fulfil = func(ctx context.Context, tx *memstore.Tx, o *store.Order) error {
			if !shipsThere {
				return webhook.Permanent(errors.New("no carrier goes there"))
			}
			fmt.Println("ship", o.ID)
			return nil
		}
	})
	defer srv.Close()
	ctx := context.Background()

	sell(srv, flow, "order-1")
	stuck, err := flow.List(ctx, store.Query{Stuck: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range stuck {
		fmt.Println(o.ID+":", o.StuckReason())
	}
	shipsThere = true
	if err := flow.Resolve(ctx, "order-1", checkout.Retry); err != nil {
		fmt.Println(err)
		return
	}
	display(flow, "order-1")
	// Output:
	// order-1: fulfil: webhook: permanent failure: no carrier goes there
	// ship order-1
	// order-1 is fulfilled
}

// No webhook arrived, and nothing swept. Backfill asks Stripe for all sessions since then; the next sweep delivers.
func ExampleFlow_Backfill() {
	srv, flow := exampleShop()
	defer srv.Close()
	ctx := context.Background()
	srv.Deliver(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))

	outage := srv.Now()
	sell(srv, flow, "order-1")
	ours, err := flow.Backfill(ctx, outage)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("sessions of this shop:", ours)
	display(flow, "order-1")
	srv.Advance(time.Minute)
	if _, err := flow.Sweep(ctx); err != nil {
		fmt.Println(err)
		return
	}
	// Output:
	// sessions of this shop: 1
	// order-1 is paid
	// ship order-1
}

// The order is there if the merchant's own transaction commits, together with a row of the merchant's.
func ExampleFlow_DraftTx() {
	var st store.Store[*memstore.Tx]
	srv, flow := exampleShop(func(c *checkout.Config[*memstore.Tx]) { st = c.Store })
	defer srv.Close()
	ctx := context.Background()

	err := st.InTx(ctx, func(tx *memstore.Tx) error {
		if err := tx.Set(ctx, "carts/7", "checked out"); err != nil {
			return err
		}
		_, err := flow.DraftTx(ctx, tx, exampleSession("order-1"))
		return err
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	display(flow, "order-1")
	if _, err := flow.Begin(ctx, exampleSession("order-1")); err != nil {
		fmt.Println(err)
		return
	}
	display(flow, "order-1")
	// Output:
	// order-1 is draft
	// order-1 is open
}

// Orders are listed a page at a time.
func ExampleFlow_List() {
	srv, flow := exampleShop(func(c *checkout.Config[*memstore.Tx]) { c.Reserver = nil })
	defer srv.Close()
	ctx := context.Background()

	session := exampleSession("")
	session.Lines[0].SKU = ""
	for i := range 3 {
		session.OrderID = fmt.Sprintf("order-%d", i+1)
		if _, err := flow.Begin(ctx, session); err != nil {
			fmt.Println(err)
			return
		}
		srv.Advance(time.Second)
	}
	query := store.Query{Status: []store.Status{store.Open}, Newest: true, Limit: 2}
	for {
		page, err := flow.List(ctx, query)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, o := range page {
			fmt.Println(o.ID, o.Status())
		}
		if len(page) < query.PageSize() {
			break
		}
		last := page[len(page)-1]
		query.After = store.Position{CreatedAt: last.CreatedAt, ID: last.ID}
		fmt.Println("next page")
	}
	// Output:
	// order-3 open
	// order-2 open
	// next page
	// order-1 open
}

// A customer asks to be forgotten. What was bought and paid stays.
func ExampleFlow_Erase() {
	srv, flow := exampleShop()
	defer srv.Close()
	ctx := context.Background()

	started, err := flow.Begin(ctx, exampleSession("order-1"))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := srv.PayAs(started.SessionID, checkouttest.CardOK, checkouttest.Buyer{Email: "ada@shop.example"}); err != nil {
		fmt.Println(err)
		return
	}
	if err := flow.Erase(ctx, "order-1"); err != nil {
		fmt.Println(err)
		return
	}
	o, err := flow.Order(ctx, "order-1")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%q %d\n", o.Customer.Email, o.Amounts.Total)
	// Output:
	// ship order-1
	// "" 3998
}

// OnChange receives what happened to an order beside its fulfilment. Key tells repetitions apart.
func ExampleConfig_onChange() {
	srv, flow := exampleShop(func(c *checkout.Config[*memstore.Tx]) {
		c.OnChange = func(_ context.Context, _ *memstore.Tx, c checkout.Change) error {
			fmt.Println(c.Key, c.Kind, "from", c.From, "to", c.To)
			return nil
		}
	})
	defer srv.Close()

	session := sell(srv, flow, "order-1")
	if _, err := srv.Refund(session, 500); err != nil {
		fmt.Println(err)
		return
	}
	// Output:
	// ship order-1
	// order-1/2 refunded from paid to partially_refunded
}

// The answer to creating a session is lost, so the Flow creates another one, and the customer manages to pay both. The second
// payment is given back without a person.
func ExampleConfig_refund() {
	srv, flow := exampleShop(func(c *checkout.Config[*memstore.Tx]) {
		c.Refund = []checkout.ChangeKind{checkout.ChangeDuplicatePayment}
	})
	defer srv.Close()
	ctx := context.Background()

	srv.Faults(checkouttest.Reset().AfterWrite().For("POST /v1/checkout/sessions").On(1))
	sell(srv, flow, "order-1")
	for session, err := range srv.Client().V1CheckoutSessions.List(ctx, nil) {
		must(err)
		if session.Status == stripe.CheckoutSessionStatusOpen {
			must(srv.Pay(session.ID, checkouttest.CardOK))
		}
	}
	if _, err := flow.Sweep(ctx); err != nil {
		fmt.Println(err)
		return
	}
	display(flow, "order-1")
	// Output:
	// ship order-1
	// order-1 is duplicate_payment
	// order-1 is refunded
	// order-1 is fulfilled
}

// Next says what happens next to an order, when and why.
func ExampleFlow_Next() {
	srv, flow := exampleShop()
	defer srv.Close()
	ctx := context.Background()

	if _, err := flow.Begin(ctx, exampleSession("order-1")); err != nil {
		fmt.Println(err)
		return
	}
	o, err := flow.Order(ctx, "order-1")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, step := range flow.Next(o) {
		fmt.Printf("%s of attempt %d in %v: %s\n", step.Action, step.Attempt, step.At.Sub(o.CreatedAt), step.Reason)
	}
	// Output:
	// end session of attempt 1 in 15m0s: its hold is over
}

// A page for members needs an order that gives access. The query is for the orders of the user who is logged in.
func ExampleFlow_RequireAccess() {
	srv, flow := exampleShop()
	defer srv.Close()
	members := flow.RequireAccess(checkout.Gate{
		Customer: func(r *http.Request) (store.Query, bool) {
			user, _, ok := r.BasicAuth() // or a session of the merchant's
			return store.Query{Metadata: map[string]string{"user": user}}, ok
		},
		Grace: 7 * 24 * time.Hour,
	})
	page := members(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "welcome,", checkout.OrderOf(r.Context()).Metadata["user"])
	}))
	visit := func() {
		r := httptest.NewRequest(http.MethodGet, "/members", nil)
		r.SetBasicAuth("zoe", "secret")
		w := httptest.NewRecorder()
		page.ServeHTTP(w, r)
		fmt.Print(w.Code, " ", w.Body)
	}

	visit()
	session := exampleSession("order-1")
	session.Mode, session.Metadata = checkout.ModeSubscription, map[string]string{"user": "zoe"}
	session.Lines = []checkout.Line{{
		Name: "Membership", UnitAmount: checkout.MustAmount("9.00", "usd"), Quantity: 1,
		Recurring: checkout.Recurring{Interval: checkout.IntervalMonth},
	}}
	started, err := flow.Begin(context.Background(), session)
	must(err)
	must(srv.Pay(started.SessionID, checkouttest.CardOK))
	visit()
	// Output:
	// 402 payment required
	// ship order-1
	// 200 welcome, zoe
}

// A subscription is fulfilled once. Renewals, failed payments and the end are changes.
func Example_subscription() {
	srv, flow := exampleShop(func(c *checkout.Config[*memstore.Tx]) {
		c.Fulfil = func(_ context.Context, _ *memstore.Tx, o *store.Order) error {
			fmt.Println("welcome:", o.Access(c.Clock(), 0).Reason)
			return nil
		}
		c.OnChange = func(_ context.Context, _ *memstore.Tx, change checkout.Change) error {
			switch change.Kind {
			case checkout.ChangeRenewed:
				fmt.Println("renewed:", change.When.Equal(change.Order.Subscription().PeriodEnd)) // until then
			case checkout.ChangePaymentFailed:
				fmt.Println("try", change.Try, "failed: please replace your card")
			case checkout.ChangeEnded:
				fmt.Println("ended:", change.Detail)
			}
			return nil
		}
	})
	defer srv.Close()

	session := exampleSession("order-1")
	session.Mode = checkout.ModeSubscription
	session.Lines = []checkout.Line{{
		Name: "Membership", UnitAmount: checkout.MustAmount("9.00", "usd"), Quantity: 1,
		Recurring: checkout.Recurring{Interval: checkout.IntervalMonth},
	}}
	started, err := flow.Begin(context.Background(), session)
	must(err)
	must(srv.Pay(started.SessionID, checkouttest.CardOK))
	srv.Advance(32 * 24 * time.Hour)
	o, err := flow.Order(context.Background(), "order-1")
	must(err)
	must(srv.ReplaceMethod(o.Subscription().ID, checkouttest.CardDeclined))
	srv.Advance(50 * 24 * time.Hour)
	// Output:
	// welcome: active
	// renewed: true
	// try 1 failed: please replace your card
	// try 2 failed: please replace your card
	// try 3 failed: please replace your card
	// try 4 failed: please replace your card
	// ended: payment_failed
}

// A customer asks for the page on which to replace a card or cancel. The merchant makes the link and redirects to it.
func ExampleFlow_Portal() {
	srv, flow := exampleShop()
	defer srv.Close()
	session := exampleSession("order-1")
	session.Mode = checkout.ModeSubscription
	session.Lines = []checkout.Line{{
		Name: "Membership", UnitAmount: checkout.MustAmount("9.00", "usd"), Quantity: 1,
		Recurring: checkout.Recurring{Interval: checkout.IntervalMonth},
	}}
	account := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		url, err := flow.Portal(r.Context(), "order-1", "https://shop.example/account") // the order of the user who is logged in
		switch {
		case errors.Is(err, checkout.ErrNoCustomer):
			http.Error(w, "subscribe first", http.StatusConflict)
		case err != nil:
			http.Error(w, "the portal is not available", http.StatusBadGateway)
		default:
			http.Redirect(w, r, url, http.StatusSeeOther)
		}
	})
	visit := func() {
		w := httptest.NewRecorder()
		account.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/account/portal", nil))
		fmt.Println(w.Code)
	}

	started, err := flow.Begin(context.Background(), session)
	must(err)
	visit()
	must(srv.Pay(started.SessionID, checkouttest.CardOK))
	visit()
	// Output:
	// 409
	// ship order-1
	// 303
}
