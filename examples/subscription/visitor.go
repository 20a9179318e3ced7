package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"net/http"
	"slices"

	"github.com/gofulfil/fulfil/store"
)

// visitorCookie is the name of the cookie that tells visitors apart, in place of a login.
const visitorCookie = "subscription_visitor"

// userOf returns the visitor who makes a request, or "". It is a hash of the cookie, because it stands in metadata at Stripe, in
// IDs of orders and in logs: who reads it must not be able to make the cookie.
func userOf(r *http.Request) string {
	cookie, err := r.Cookie(visitorCookie)
	if err != nil {
		return ""
	}
	return userOfCookie(cookie.Value)
}

func userOfCookie(secret string) string {
	sum := sha256.Sum256([]byte("user of " + secret))
	return base32.StdEncoding.EncodeToString(sum[:15])
}

// newUser gives the visitor a cookie.
func newUser(w http.ResponseWriter) string {
	secret := rand.Text()
	setCookie(w, secret, 400*24*3600)
	return userOfCookie(secret)
}

func setCookie(w http.ResponseWriter, secret string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: visitorCookie, Value: secret, Path: "/", MaxAge: maxAge, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, // sent when the payment page leads back, and with no form of another site
		// A site on https adds Secure: true.
	})
}

// memberships returns the memberships of a user that began, the latest first. An order that was not paid is none.
func (s *site) memberships(ctx context.Context, user string) ([]*store.Order, error) {
	if user == "" {
		return nil, nil
	}
	orders, err := s.flow.List(ctx, store.Query{Metadata: map[string]string{"user": user}, Newest: true})
	return slices.DeleteFunc(orders, func(o *store.Order) bool { return !o.Paid() }), err
}

// current returns the membership that goes on, or nil. It may give no access, as when it is not paid for.
func current(memberships []*store.Order) *store.Order {
	if len(memberships) == 0 {
		return nil
	}
	if sub := memberships[0].Subscription(); sub != nil && sub.Ended() {
		return nil
	}
	return memberships[0]
}
