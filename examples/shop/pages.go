package main

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/examples/internal/htmlpage"
	"github.com/gofulfil/fulfil/examples/internal/orderview"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed templates/style.css templates/thanks.js
var staticFiles embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"dollars": orderview.Dollars, "display": orderview.Display, "total": total, "when": orderview.When, "clock": orderview.Clock, "short": orderview.Short, "holds": holds,
}).ParseFS(templateFiles, "templates/*.html"))

// page is the part that all pages share.
type page struct {
	Title   string
	Here    string // the navigation's link to this page
	Footer  string
	Refresh int // seconds after which a browser without JavaScript reloads the page; 0: never
	Data    any
}

func (s *shop) showShop(w http.ResponseWriter, r *http.Request) {
	shelves, err := s.shelves(r.Context())
	if err != nil {
		s.failed(w, r, err)
		return
	}
	own, err := s.openOrder(r)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.render(w, http.StatusOK, "shop", page{Title: "Shop", Here: "shop", Data: struct {
		Shelves []shelf
		Own     *store.Order // nil: the visitor has no order that is open
	}{shelves, own}})
}

// openOrder returns the visitor's order if it is open, or nil.
func (s *shop) openOrder(r *http.Request) (*store.Order, error) {
	o, err := s.flow.Order(r.Context(), cartOf(r, nil).ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil || o.Status() != store.Open:
		return nil, err
	}
	return o, nil
}

// cartPage is the cart with its order, if the order was begun.
type cartPage struct {
	cart
	Lines []checkout.Line
	Order *store.Order // nil: not begun
}

// Open reports whether the order is waiting for its payment, with its stock held.
func (p cartPage) Open() bool { return p.Order != nil && p.Order.Status() == store.Open }

// Closed reports whether the order can no longer be begun.
func (p cartPage) Closed() bool {
	return p.Order != nil && (p.Order.Paid() || p.Order.Status() == store.Processing || !p.Order.CancelRequestedAt.IsZero())
}

// Total returns the price of all lines, in minor units.
func (p cartPage) Total() (sum int64) {
	for _, l := range p.Lines {
		sum += l.UnitAmount.Minor() * l.Quantity
	}
	return sum
}

func (s *shop) showCart(w http.ResponseWriter, r *http.Request) {
	products, err := s.products(r.Context())
	if err != nil {
		s.failed(w, r, err)
		return
	}
	c := cartOf(r, products)
	lines, err := c.lines(products)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	o, err := s.flow.Order(r.Context(), c.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		s.failed(w, r, err)
		return
	}
	s.render(w, http.StatusOK, "cart", page{Title: "Your cart", Here: "cart", Data: cartPage{c, lines, o}})
}

// changeCart adds a product to the cart, from the shop's page, or changes the cart, from the cart's page.
func (s *shop) changeCart(w http.ResponseWriter, r *http.Request) {
	if _, _, ok := s.readCart(w, r); ok {
		http.Redirect(w, r, "/cart", http.StatusSeeOther)
	}
}

// readCart reads the visitor's cart, applies the form to it and keeps it. If ok is false, readCart has answered the request.
func (s *shop) readCart(w http.ResponseWriter, r *http.Request) (c cart, lines []checkout.Line, ok bool) {
	products, err := s.products(r.Context())
	if err != nil {
		s.failed(w, r, err)
		return c, nil, false
	}
	c = cartOf(r, products)
	if err := r.ParseForm(); err != nil || !c.read(r.PostForm, products) {
		s.message(w, http.StatusBadRequest, "That can’t be ordered", fmt.Sprintf("Quantities go up to %d, and notes to %d characters.", maxQuantity, maxNote))
		return c, nil, false
	}
	lines, err = c.lines(products)
	if err != nil {
		s.failed(w, r, err)
		return c, nil, false
	}
	s.keep(w, c)
	return c, lines, true
}

// newCart cancels the order of the cart, if possible, so that its stock comes back at once. The visitor's next cart is a new
// one.
func (s *shop) newCart(w http.ResponseWriter, r *http.Request) {
	products, err := s.products(r.Context())
	if err != nil {
		s.failed(w, r, err)
		return
	}
	err = s.flow.Cancel(r.Context(), cartOf(r, products).ID)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, checkout.ErrAlreadyPaid), errors.Is(err, checkout.ErrProcessing):
	case err != nil:
		s.log.Warn("a sweep will cancel the order of a dropped cart", "error", err)
	}
	s.drop(w)
	http.Redirect(w, r, "/", http.StatusSeeOther)
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
		*store.Order
		SessionID string
	}{o, sessionID}}
	switch o.Status() {
	case store.Open:
		p.Refresh = 3
	case store.Paid:
		if o.FulfilledAt.IsZero() {
			p.Refresh = 3
		}
	case store.Processing:
		p.Refresh = 15 // a bank debit takes days
	}
	if cartOf(r, nil).ID == o.ID && (o.Paid() || o.Status() == store.Processing) {
		s.drop(w) // the next cart is another order
	}
	s.render(w, http.StatusOK, "thanks", p)
}

func (s *shop) notFound(w http.ResponseWriter, _ *http.Request) {
	s.message(w, http.StatusNotFound, "There is no such page", "The address may be mistyped, or the page has moved.")
}

// failed tells the customer what an error means.
func (s *shop) failed(w http.ResponseWriter, r *http.Request, err error) {
	var invalid *checkout.InvalidSessionError
	switch {
	case errors.Is(err, checkout.ErrNotFound):
		s.message(w, http.StatusNotFound, "There is no such order", "The address may be mistyped.")
	case errors.As(err, &invalid): // a cart without lines
		s.message(w, http.StatusBadRequest, "That can’t be ordered", "Put something into the cart first.")
	case errors.Is(err, checkout.ErrAlreadyPaid):
		s.drop(w)
		s.message(w, http.StatusConflict, "This order is paid", "Nothing is charged a second time. What you put into the cart now is a new order.")
	case errors.Is(err, checkout.ErrProcessing):
		s.drop(w)
		s.message(w, http.StatusConflict, "Your payment is on its way", "The bank is moving the money. What you put into the cart now is a new order.")
	case errors.Is(err, checkout.ErrCanceled):
		s.drop(w)
		s.message(w, http.StatusConflict, "This order was canceled", "What you put into the cart now is a new order.")
	case r.Context().Err() != nil: // the visitor closed the page
	default:
		s.log.Error("request failed", "error", err)
		s.message(w, http.StatusBadGateway, "That did not work", "Nothing was charged. Please try again in a moment.")
	}
}

func (s *shop) soldOut(w http.ResponseWriter, short []reservation.Shortage, lines []checkout.Line) {
	names := map[string]string{}
	for _, l := range lines {
		names[l.SKU] = l.Name
	}
	text := ""
	for _, l := range short {
		if l.Available == 0 {
			text += names[l.SKU] + ": somebody else has bought the last one, or is paying for it now. "
		} else {
			text += fmt.Sprintf("%s: there are %d left. ", names[l.SKU], l.Available)
		}
	}
	s.message(w, http.StatusConflict, "Not enough left", text+"Please change your cart.")
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
	p.Footer = "Payments: " + s.payments.name + ". Database: " + s.dialect.String() + "."
	htmlpage.Write(w, s.log, status, templates, name, p)
}
