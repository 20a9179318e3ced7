package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed templates/style.css templates/thanks.js
var staticFiles embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"dollars": dollars, "display": display, "when": when,
}).ParseFS(templateFiles, "templates/*.html"))

// page is the part that all pages share.
type page struct {
	Title   string
	Here    string // the navigation's link to this page
	Demo    bool   // payments go to the test server
	Refresh int    // seconds after which a browser without JavaScript reloads the page; 0: never
	Data    any
}

func (s *shop) showShop(w http.ResponseWriter, r *http.Request) {
	shelves, err := s.shelves(r.Context())
	if err != nil {
		s.failed(w, err)
		return
	}
	s.render(w, http.StatusOK, "shop", page{Title: "Shop", Here: "shop", Data: shelves})
}

// showCart shows the cart to a customer who turned back from the payment page.
func (s *shop) showCart(w http.ResponseWriter, r *http.Request) {
	o, err := s.flow.Order(r.Context(), r.FormValue("order"))
	if err != nil {
		s.failed(w, err)
		return
	}
	s.render(w, http.StatusOK, "cart", page{Title: "Your cart", Data: o})
}

// showThanks is the page after the payment page. Settle asks Stripe if the webhook has not come yet.
func (s *shop) showThanks(w http.ResponseWriter, r *http.Request) {
	sessionID := r.FormValue("session_id")
	o, err := s.flow.Settle(r.Context(), sessionID)
	if o == nil {
		s.failed(w, err)
		return
	}
	if err != nil {
		s.log.Warn("showing an order as last known", "error", err)
	}
	p := page{Title: "Your order", Data: struct {
		orderView
		SessionID string
	}{orderView{Order: o}, sessionID}}
	switch checkout.Display(o) {
	case checkout.DisplayStatus(store.Open), checkout.DisplayStatus(store.Paid):
		p.Refresh = 3
	case checkout.DisplayStatus(store.Processing):
		p.Refresh = 15 // a bank debit takes days
	}
	s.render(w, http.StatusOK, "thanks", p)
}

func (s *shop) cancel(w http.ResponseWriter, r *http.Request) {
	id := r.PostFormValue("order")
	if err := s.flow.Cancel(r.Context(), id); err != nil {
		s.failed(w, err)
		return
	}
	if r.PostFormValue("back") == "orders" {
		http.Redirect(w, r, "/orders?done=canceled", http.StatusSeeOther)
		return
	}
	http.Redirect(w, r, "/cart?order="+id, http.StatusSeeOther)
}

// failed tells the customer what an error means.
func (s *shop) failed(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, checkout.ErrNotFound):
		s.message(w, http.StatusNotFound, "There is no such order", "The shop forgets its orders when it stops.")
	case errors.Is(err, checkout.ErrAlreadyPaid):
		s.message(w, http.StatusConflict, "This order is paid", "Nothing is charged a second time.")
	case errors.Is(err, checkout.ErrProcessing):
		s.message(w, http.StatusConflict, "Your payment is on its way", "The bank is moving the money. There is nothing more to do.")
	case errors.Is(err, checkout.ErrCanceled):
		s.message(w, http.StatusConflict, "This order was canceled", "What you buy now is a new order.")
	default:
		s.log.Error("request failed", "error", err)
		s.message(w, http.StatusBadGateway, "That did not work", "Nothing was charged. Please try again in a moment.")
	}
}

func (s *shop) soldOut(w http.ResponseWriter, p product, left int64) {
	if left == 0 {
		s.message(w, http.StatusConflict, "Sold out", p.Name+": somebody else has bought the last one, "+
			"or is paying for it now. If they do not pay, it comes back.")
		return
	}
	s.message(w, http.StatusConflict, "Not enough left", fmt.Sprintf("%s: there are %d left. Please choose fewer.", p.Name, left))
}

// asset serves a file unchanged. Its name decides its content type.
func asset(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, staticFiles, "templates/"+name)
	})
}

func (s *shop) message(w http.ResponseWriter, status int, title, text string) {
	s.render(w, status, "message", page{Title: title, Data: text})
}

func (s *shop) render(w http.ResponseWriter, status int, name string, p page) {
	p.Demo = s.pay.test != nil
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, p); err != nil {
		s.log.Error("page failed", "page", name, "error", err)
		http.Error(w, "the page could not be made: see the log", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	// form-action is left out: a browser would apply it to the redirect to the payment page, too.
	h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}
