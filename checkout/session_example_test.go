package checkout_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
)

func ExampleSession_CreateParams() {
	session := checkout.Session{
		OrderID: "order-42",
		Lines: []checkout.Line{
			{Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 2},
			{Name: "Sticker", UnitAmount: checkout.MustAmount("1.50", "usd"), Quantity: 1},
		},
		SuccessURL: "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}",
		HoldFor:    time.Hour,
	}
	params, err := session.CreateParams(time.Unix(1_790_000_000, 0))
	if err != nil {
		fmt.Println(err)
		return
	}
	// client.V1CheckoutSessions.Create(ctx, params) sends it.
	fmt.Println(*params.ClientReferenceID, *params.LineItems[0].PriceData.UnitAmount, *params.ExpiresAt)
	// Output: order-42 1999 1790003600
}

func ExampleInvalidSessionError() {
	_, err := checkout.Session{
		OrderID:    "order-42",
		Lines:      []checkout.Line{{Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd")}},
		SuccessURL: "/thanks",
	}.CreateParams(time.Now())

	var invalid *checkout.InvalidSessionError
	if errors.As(err, &invalid) {
		for _, p := range invalid.Problems {
			fmt.Println(p.Field, "-", p.Message)
		}
	}
	// Output:
	// Lines[0].Quantity - must be between 1 and 1000000000
	// SuccessURL - must be an absolute https URL
}

// A subscription has at least one recurring line. A one-time line is charged with the first invoice.
func ExampleSession_subscription() {
	params, err := checkout.Session{
		OrderID: "club-7",
		Mode:    checkout.ModeSubscription,
		Lines: []checkout.Line{
			{Name: "Tea club", UnitAmount: checkout.MustAmount("9", "eur"), Quantity: 1,
				Recurring: checkout.Recurring{Interval: checkout.IntervalMonth, Count: 3}},
			{Name: "Teapot", UnitAmount: checkout.MustAmount("25", "eur"), Quantity: 1},
		},
		SuccessURL: "https://shop.example/thanks",
		Metadata:   map[string]string{"plan": "quarterly"},
	}.CreateParams(time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	every := params.LineItems[0].PriceData.Recurring
	fmt.Println(*params.Mode, *every.IntervalCount, *every.Interval, params.SubscriptionData.Metadata["plan"])
	// Output: subscription 3 month quarterly
}

// Stripe's form on the merchant's own page. The page gets Started.ClientSecret of Flow.Begin.
func ExampleSession_embedded() {
	params, err := checkout.Session{
		OrderID:   "order-42",
		UIMode:    checkout.UIModeEmbedded,
		Lines:     []checkout.Line{{Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 1}},
		ReturnURL: "https://shop.example/back?session_id={CHECKOUT_SESSION_ID}",
	}.CreateParams(time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(*params.UIMode, *params.ReturnURL)
	// Output: embedded https://shop.example/back?session_id={CHECKOUT_SESSION_ID}
}

// Params sets parameters that Session has no field for.
func ExampleSession_params() {
	session := checkout.Session{
		OrderID:    "order-42",
		Lines:      []checkout.Line{{Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 1}},
		SuccessURL: "https://shop.example/thanks",
		Params: func(p *stripe.CheckoutSessionCreateParams) {
			p.SubmitType = stripe.String("book")
			p.AddExtra("branding_settings[display_name]", "The Shop") // newer than this stripe-go
		},
	}
	params, err := session.CreateParams(time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(*params.SubmitType)

	session.Params = func(p *stripe.CheckoutSessionCreateParams) { p.LineItems[0].Quantity = stripe.Int64(2) }
	_, err = session.CreateParams(time.Now())
	fmt.Println(err)
	// Output:
	// book
	// checkout: invalid session: Params: must not change line_items[0][quantity]: Lines sets what is sold
}

// The customer of a shop with cross-sells buys more than the cart holds. Variable accepts that, for lines without a SKU.
func ExampleSession_variable() {
	session := checkout.Session{
		OrderID:    "order-42",
		Lines:      []checkout.Line{{Name: "E-book", UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 1}},
		SuccessURL: "https://shop.example/thanks",
		Variable:   true,
	}
	_, err := session.CreateParams(time.Now())
	fmt.Println(err)

	session.Lines[0].SKU = "paperback"
	_, err = session.CreateParams(time.Now())
	fmt.Println(err)
	// Output:
	// <nil>
	// checkout: invalid session: Variable: is not allowed while a line has a SKU: the customer could buy more than is held
}

// A platform charges on its own account, sends the money to the seller, and keeps a fee.
func ExampleConnect() {
	params, err := checkout.Session{
		OrderID:    "order-42",
		Lines:      []checkout.Line{{Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 1}},
		SuccessURL: "https://shop.example/thanks",
		Connect:    checkout.Connect{Destination: "acct_seller", ApplicationFee: checkout.MustAmount("1.50", "usd")},
	}.CreateParams(time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	data := params.PaymentIntentData
	fmt.Println(*data.TransferData.Destination, *data.ApplicationFeeAmount)
	// Output: acct_seller 150
}
