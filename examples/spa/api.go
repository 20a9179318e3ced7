package main

import (
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/examples/internal/loopback"
	"github.com/gofulfil/fulfil/reservation"
)

var (
	//go:embed page.html
	page []byte
	//go:embed app.js
	script []byte
)

// handler serves the page, the API and the webhook.
func (s *shop) handler() http.Handler {
	site := http.NewServeMux()
	site.HandleFunc("GET /{$}", s.showPage)
	site.HandleFunc("GET /app.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		_, _ = w.Write(script)
	})
	site.HandleFunc("GET /api/config", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"publishable_key": s.pay.publishableKey})
	})
	site.HandleFunc("POST /api/orders", s.order)
	site.Handle("GET /api/status", s.flow.StatusHandler()) // JSON, also its errors
	if s.pay.test != nil {
		site.HandleFunc("POST /api/demo/pay", s.payDemo)
	}
	// Pages of other sites must not order in a visitor's name. Stripe is not a browser: its requests are signed.
	browsers := http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(site, 16<<10))
	mux := http.NewServeMux()
	mux.Handle("/", loopback.Only("this shop answers on this machine only", browsers))
	mux.Handle("POST /stripe/webhook", s.hook)
	return mux
}

func (s *shop) showPage(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	// What Stripe's form needs: https://docs.stripe.com/security/guide#content-security-policy
	h.Set("Content-Security-Policy", "default-src 'self'; script-src 'self' https://*.js.stripe.com https://js.stripe.com; "+
		"frame-src https://*.js.stripe.com https://js.stripe.com https://hooks.stripe.com; connect-src 'self' https://api.stripe.com; "+
		"img-src 'self' https://*.stripe.com; base-uri 'none'; frame-ancestors 'none'")
	_, _ = w.Write(page)
}

// prices are read here and not from the request: whatever the page sends, it chooses only product and quantity.
var prices = map[string]checkout.Line{
	"tee-m": {SKU: "tee-m", Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd")},
}

// problem is the body of every answer of the API that is no success. Code is for the program, and Lines says what is short.
type problem struct {
	Code  string                 `json:"code"`
	Error string                 `json:"error"`
	Lines []reservation.Shortage `json:"lines,omitempty"`
}

// order begins an order and answers with a checkout.Started: the page needs its client_secret.
func (s *shop) order(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		SKU      string `json:"sku"`
		Quantity int64  `json:"quantity"`
	}
	if err := json.NewDecoder(r.Body).Decode(&wanted); err != nil {
		answer(w, http.StatusBadRequest, problem{Code: "invalid", Error: "the body is no JSON object with sku and quantity"})
		return
	}
	line, known := prices[wanted.SKU]
	if !known || wanted.Quantity < 1 || wanted.Quantity > 10 {
		answer(w, http.StatusBadRequest, problem{Code: "invalid", Error: "there is no such product, or the quantity is not from 1 to 10"})
		return
	}
	line.Quantity = wanted.Quantity
	started, err := s.flow.Begin(r.Context(), checkout.Session{
		OrderID:   "order-" + rand.Text(),
		UIMode:    checkout.UIModeEmbedded,
		Lines:     []checkout.Line{line},
		ReturnURL: s.url + "/?session_id={CHECKOUT_SESSION_ID}",
		HoldFor:   15 * time.Minute,
	})
	var short *reservation.ShortageError
	switch {
	case errors.As(err, &short):
		answer(w, http.StatusConflict, problem{Code: "sold_out", Error: "there is not as much left", Lines: short.Lines})
	case err != nil:
		s.log.Error("begin", "error", err)
		answer(w, http.StatusBadGateway, problem{Code: "unavailable", Error: "checkout is not available now"})
	default:
		answer(w, http.StatusCreated, started)
	}
}

// payDemo stands for Stripe's form, which the test server does not have.
func (s *shop) payDemo(w http.ResponseWriter, r *http.Request) {
	var paid struct {
		SessionID string `json:"session_id"`
		Declined  bool   `json:"declined"`
	}
	if err := json.NewDecoder(r.Body).Decode(&paid); err != nil {
		answer(w, http.StatusBadRequest, problem{Code: "invalid", Error: "the body is no JSON object"})
		return
	}
	card := checkouttest.CardOK
	if paid.Declined {
		card = checkouttest.CardDeclined
	}
	if err := s.pay.test.Pay(paid.SessionID, card); err != nil {
		answer(w, http.StatusPaymentRequired, problem{Code: "declined", Error: err.Error()})
		return
	}
	answer(w, http.StatusOK, map[string]any{})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
