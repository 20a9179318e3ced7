package checkout_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/webhook"
)

// exampleShop is a shop in memory with three T-shirts, on a Stripe in memory. The options change its configuration.
func exampleShop(options ...func(*checkout.Config[*memstore.Tx])) (*checkouttest.Server, *checkout.Flow[*memstore.Tx]) {
	srv := checkouttest.NewServer(checkouttest.Config{})
	st, stock := memstore.New(), memreserver.New()
	must(st.InTx(context.Background(), func(tx *memstore.Tx) error {
		return stock.Set(context.Background(), tx, "tee-m", 3)
	}))
	config := checkout.Config[*memstore.Tx]{
		Stripe: srv.Client(), Store: st, Reserver: stock, Clock: srv.Now, Logger: slog.New(slog.DiscardHandler),
		Fulfil: func(ctx context.Context, tx *memstore.Tx, o *store.Order) error {
			fmt.Println("ship", o.ID)
			return tx.Set(ctx, "shipments/"+o.ID, o.Lines)
		},
		OnChange: func(_ context.Context, _ *memstore.Tx, c checkout.Change) error {
			fmt.Println(c.Order.ID, "is", c.Kind)
			return nil
		},
	}
	for _, change := range options {
		change(&config)
	}
	flow, err := checkout.New(config)
	must(err)
	hook, err := webhook.New(webhook.Config{Secrets: []string{srv.WebhookSecret()}, Clock: srv.Now, Logger: config.Logger})
	must(err)
	flow.Handle(hook)
	srv.Deliver(hook)
	return srv, flow
}

// must ends an example whose setting went wrong.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func exampleSession(orderID string) checkout.Session {
	return checkout.Session{
		OrderID:    orderID,
		Lines:      []checkout.Line{{SKU: "tee-m", Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 2}},
		SuccessURL: "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}",
		HoldFor:    15 * time.Minute,
	}
}

func Example() {
	srv, flow := exampleShop()
	defer srv.Close()
	ctx := context.Background()

	started, err := flow.Begin(ctx, exampleSession("order-42"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(srv.Pay(started.SessionID, checkouttest.CardDeclined))
	fmt.Println(srv.Pay(started.SessionID, checkouttest.CardOK))
	o, err := flow.Order(ctx, "order-42")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(checkout.Display(o), o.Amounts.Total)
	// Output:
	// checkouttest: payment refused: card_declined (generic_decline)
	// ship order-42
	// <nil>
	// fulfilled 3998
}

func ExampleFlow_Begin() {
	srv, flow := exampleShop()
	defer srv.Close()
	ctx := context.Background()

	_, err := flow.Begin(ctx, exampleSession("order-1")) // holds two of three
	fmt.Println(err)
	_, err = flow.Begin(ctx, exampleSession("order-2"))
	fmt.Println(err)
	// Output:
	// <nil>
	// reservation: hold order-2/1 is short of "tee-m": 2 wanted, 1 available
}

func ExampleFlow_Sweep() {
	srv, flow := exampleShop()
	defer srv.Close()
	ctx := context.Background()

	if _, err := flow.Begin(ctx, exampleSession("order-1")); err != nil {
		fmt.Println(err)
		return
	}
	srv.Advance(15 * time.Minute)
	swept, err := flow.Sweep(ctx)
	fmt.Println(swept.Orders, err)
	_, err = flow.Begin(ctx, exampleSession("order-2"))
	fmt.Println(err)
	// Output:
	// order-1 is expired
	// 1 <nil>
	// <nil>
}

func ExampleFlow_StatusHandler() {
	srv, flow := exampleShop()
	defer srv.Close()

	started, err := flow.Begin(context.Background(), exampleSession("order-1"))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := srv.Pay(started.SessionID, checkouttest.BankDebit); err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/checkout/status?session_id="+started.SessionID, nil)
	flow.StatusHandler().ServeHTTP(w, r)
	fmt.Print(w.Body)
	// Output:
	// order-1 is processing
	// {"order_id":"order-1","status":"processing"}
}
