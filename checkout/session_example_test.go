package checkout_test

import (
	"errors"
	"fmt"
	"time"

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
