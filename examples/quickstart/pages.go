package main

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/examples/internal/htmlpage"
	"github.com/gofulfil/fulfil/examples/internal/orderview"
	"github.com/gofulfil/fulfil/store"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed templates/style.css templates/thanks.js
var staticFiles embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"dollars": orderview.Dollars, "display": orderview.Display, "when": orderview.When, "clock": orderview.Clock, "short": orderview.Short,
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
		s.failed(w, r, err)
		return
	}
	own, err := s.ownOrder(r)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.render(w, http.StatusOK, "shop", page{Title: "Shop", Here: "shop", Data: struct {
		Shelves []shelf
		Own     *ownCart // nil: the visitor has no open order
	}{shelves, s.openCart(own)}})
}

// ownCart is the visitor's open order.
type ownCart struct {
	store.Line
	Until    time.Time // the stock is held until then
	Minutes  int       // that are left
	LeftOver int       // of the minutes that the stock is held, those that are left, in percent
}

// openCart returns the cart of an order that is open, or nil.
func (s *shop) openCart(o *store.Order) *ownCart {
	if o == nil || o.Status() != store.Open || o.OpenAttempt() == nil {
		return nil
	}
	attempt := o.OpenAttempt()
	left := max(attempt.PayBy.Sub(s.pay.now()), 0)
	return &ownCart{
		Line: o.Lines[0], Until: attempt.PayBy,
		Minutes: int((left + time.Minute - 1) / time.Minute), LeftOver: int(100 * left / holdFor),
	}
}

// showCart shows the visitor's own cart, also to a customer who turned back from the payment page.
func (s *shop) showCart(w http.ResponseWriter, r *http.Request) {
	own, err := s.ownOrder(r)
	switch {
	case err != nil:
		s.failed(w, r, err)
	case own == nil:
		s.message(w, http.StatusOK, "Your cart is empty", "What you buy stands here until it is paid.")
	default:
		s.render(w, http.StatusOK, "cart", page{Title: "Your cart", Here: "cart", Data: struct {
			*store.Order
			Own *ownCart
		}{own, s.openCart(own)}})
	}
}

// showThanks is the page after the payment page. Settle asks Stripe if the webhook has not come yet.
func (s *shop) showThanks(w http.ResponseWriter, r *http.Request) {
	sessionID := r.URL.Query().Get("session_id")
	o, err := s.flow.Settle(r.Context(), sessionID)
	if o == nil {
		s.failed(w, r, err)
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

// cancel ends the visitor's own order.
func (s *shop) cancel(w http.ResponseWriter, r *http.Request) {
	own, err := s.ownOrder(r)
	if err == nil && own != nil {
		err = s.flow.Cancel(r.Context(), own.ID)
	}
	if err != nil {
		s.failed(w, r, err)
		return
	}
	http.Redirect(w, r, "/cart", http.StatusSeeOther)
}

func (s *shop) notFound(w http.ResponseWriter, _ *http.Request) {
	s.message(w, http.StatusNotFound, "There is no such page", "The address may be mistyped, or the page has moved.")
}

// failed tells the customer what an error means.
func (s *shop) failed(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, checkout.ErrNotFound):
		s.message(w, http.StatusNotFound, "There is no such order", "The shop forgets its orders when it stops.")
	case errors.Is(err, checkout.ErrAlreadyPaid):
		s.message(w, http.StatusConflict, "This order is paid", "Nothing is charged a second time.")
	case errors.Is(err, checkout.ErrProcessing):
		s.message(w, http.StatusConflict, "Your payment is on its way", "The bank is moving the money. There is nothing more to do.")
	case errors.Is(err, checkout.ErrCanceled):
		s.message(w, http.StatusConflict, "This order was canceled", "What you buy now is a new order.")
	case r.Context().Err() != nil: // the visitor closed the page
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
	htmlpage.Write(w, s.log, status, templates, name, p)
}
