package main

import (
	"net/http"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// demoRoutes serves the buttons by which a visitor plays time and the bank. The buttons exist only with the test server. Each
// waits until the webhooks that it causes have been answered.
func (s *site) demoRoutes(mux *http.ServeMux) {
	if s.pay.test == nil {
		return
	}
	mux.HandleFunc("POST /demo/pass", s.letTimePass)
	mux.HandleFunc("POST /demo/card", s.changeCard)
	mux.HandleFunc("POST /demo/visitor", func(w http.ResponseWriter, r *http.Request) {
		setCookie(w, "", -1)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
}

// letTimePass moves the clock of the test server. Trials end, invoices are made and charged, and their webhooks arrive.
func (s *site) letTimePass(w http.ResponseWriter, r *http.Request) {
	now := s.pay.now()
	until := now.AddDate(0, 0, 1)
	switch r.PostFormValue("time") {
	case "month":
		// The invoice of a renewal is a draft for an hour before it is charged.
		until = now.AddDate(0, 1, 0).Add(2 * time.Hour)
	case "year":
		until = now.AddDate(1, 0, 0).Add(2 * time.Hour)
	}
	s.pay.test.Advance(until.Sub(now))
	if _, err := s.flow.Sweep(r.Context()); err != nil { // Run would do the same within half a minute
		s.failed(w, r, err)
		return
	}
	http.Redirect(w, r, "/account?done=passed", http.StatusSeeOther)
}

// changeCard has the bank refuse the charges of the visitor's card, or accept them again.
func (s *site) changeCard(w http.ResponseWriter, r *http.Request) {
	memberships, err := s.memberships(r.Context(), userOf(r))
	if err != nil {
		s.failed(w, r, err)
		return
	}
	o := current(memberships)
	if o == nil || o.Subscription() == nil {
		s.message(w, http.StatusConflict, "There is no membership", "Sign up first.")
		return
	}
	card, done := checkouttest.CardOK, "works"
	if r.PostFormValue("card") == "fails" {
		card, done = checkouttest.CardDeclined, "fails"
	}
	if err := s.pay.test.ReplaceMethod(o.Subscription().ID, card); err != nil {
		s.failed(w, r, err)
		return
	}
	http.Redirect(w, r, "/account?done="+done, http.StatusSeeOther)
}
