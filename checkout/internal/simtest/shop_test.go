// Package simtest holds the simulation of a whole shop, and the bugs that the simulation must find. It has no code but tests.
package simtest

import (
	"net/http"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store/memstore"
)

type tx = *memstore.Tx

// testStart is when every history begins.
var testStart = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// cartOf is a session for one of each SKU named.
func cartOf(orderID string, skus ...string) checkout.Session {
	s := checkout.Session{
		OrderID:    orderID,
		SuccessURL: "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}",
		CancelURL:  "https://shop.example/cart",
	}
	for _, sku := range skus {
		s.Lines = append(s.Lines, checkout.Line{
			SKU: sku, Name: "Item " + sku, UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 1,
		})
	}
	return s
}

// isCreate reports whether a request creates a session.
func isCreate(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Path == "/v1/checkout/sessions"
}
