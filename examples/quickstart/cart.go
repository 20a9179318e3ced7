package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"net/http"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

// cartCookie is the name of the cookie that makes a visitor the owner of an order.
const cartCookie = "quickstart_cart"

// orderOf returns the ID of the order that belongs to a cookie. It is a hash, because IDs of orders stand in addresses, in
// logs and in answers: who reads one must not be able to make the cookie.
func orderOf(cookie string) string {
	sum := sha256.Sum256([]byte("order of " + cookie))
	return base32.StdEncoding.EncodeToString(sum[:15])
}

// ownOrder returns the visitor's order, or nil.
func (s *shop) ownOrder(r *http.Request) (*store.Order, error) {
	cookie, err := r.Cookie(cartCookie)
	if err != nil {
		return nil, nil
	}
	o, err := s.flow.Order(r.Context(), orderOf(cookie.Value))
	if errors.Is(err, checkout.ErrNotFound) {
		return nil, nil
	}
	return o, err
}

// newOrder gives the visitor a cookie and returns the ID of the order that belongs to it.
func newOrder(w http.ResponseWriter) string {
	secret := rand.Text()
	http.SetCookie(w, &http.Cookie{
		Name: cartCookie, Value: secret, Path: "/", MaxAge: 30 * 24 * 3600, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, // sent when the payment page leads back, and with no form of another site
		// A shop on https adds Secure: true.
	})
	return orderOf(secret)
}

// closed reports whether a cart can't go on: its order is paid, or about to be, or canceled.
func closed(o *store.Order) bool {
	return o.Paid() || o.Status() == store.Processing || !o.CancelRequestedAt.IsZero()
}
