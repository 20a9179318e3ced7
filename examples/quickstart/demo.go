package main

import (
	"net/http"
	"strconv"
	"time"
)

// demoRoutes serves the buttons by which a visitor plays the bank, Stripe and time. The buttons exist only with the test
// server. Each waits until the webhooks that it causes have been answered.
func (s *shop) demoRoutes(mux *http.ServeMux) {
	test := s.pay.test
	if test == nil {
		mux.Handle("GET /{$}", http.RedirectHandler("/shop", http.StatusSeeOther))
		return
	}
	mux.HandleFunc("GET /{$}", s.showStage)
	mux.HandleFunc("POST /demo/play", s.play)
	demo := func(name, done string, do func(r *http.Request) error) {
		mux.HandleFunc("POST /demo/"+name, func(w http.ResponseWriter, r *http.Request) {
			if err := do(r); err != nil {
				s.message(w, http.StatusConflict, "That can’t be done now", err.Error())
				return
			}
			http.Redirect(w, r, "/orders?done="+done, http.StatusSeeOther)
		})
	}
	demo("settle", "settled", func(r *http.Request) error { return test.Settle(r.PostFormValue("session")) })
	demo("bounce", "bounced", func(r *http.Request) error { return test.Bounce(r.PostFormValue("session")) })
	demo("refund", "refunded", func(r *http.Request) error {
		o, err := s.store.FindRef(r.Context(), r.PostFormValue("session"))
		if err != nil {
			return err
		}
		_, err = test.Refund(r.PostFormValue("session"), orderView{Order: o}.Total())
		return err
	})
	demo("dispute", "disputed", func(r *http.Request) error {
		_, err := test.Dispute(r.PostFormValue("session"))
		return err
	})
	demo("redeliver", "delivered", func(r *http.Request) error { return test.Redeliver(r.PostFormValue("event")) })
	demo("advance", "advanced", func(r *http.Request) error {
		hours, err := strconv.Atoi(r.PostFormValue("hours"))
		if err != nil || hours < 1 || hours > 24 {
			hours = 1
		}
		test.Advance(time.Duration(hours) * time.Hour)
		_, err = s.flow.Sweep(r.Context()) // Run would do the same within half a minute
		return err
	})
}
