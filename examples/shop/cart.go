package main

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gofulfil/fulfil/checkout"
)

const (
	maxQuantity = 99
	maxNote     = 200 // characters; a cookie holds about 4,000 bytes
)

// cart is what a customer wants. It is kept in a cookie, so that any process can answer the next request. The ID of the
// order that it becomes is made with it and is random: it is what entitles to see the order, and going on with a cart goes
// on with its order instead of making a second one.
type cart struct {
	ID       string
	Note     string
	Quantity map[string]int64 // by SKU
}

// cartOf returns the visitor's cart, an empty one if there is none.
func cartOf(r *http.Request, products []product) cart {
	c := cart{Quantity: map[string]int64{}}
	if cookie, err := r.Cookie("cart"); err == nil {
		order, rest, _ := strings.Cut(cookie.Value, ".")
		values, err := url.ParseQuery(rest)
		if err == nil {
			c.ID = order
			c.read(values, products)
		}
	}
	if len(c.ID) != len(rand.Text()) {
		c.ID = rand.Text()
	}
	return c
}

// read takes over what a form or a cookie says: the note, quantities as sku.NAME, and what comes on top of them as add.NAME.
// It reports whether all of it makes sense; what does not is left as it was.
func (c *cart) read(values url.Values, products []product) bool {
	ok := true
	if values.Has("note") {
		note := strings.ReplaceAll(strings.TrimSpace(values.Get("note")), "\r\n", "\n") // one character, as browsers count it
		if utf8.ValidString(note) && utf8.RuneCountInString(note) <= maxNote {
			c.Note = note
		} else {
			ok = false
		}
	}
	for _, p := range products {
		for key, base := range map[string]int64{"sku." + p.SKU: 0, "add." + p.SKU: c.Quantity[p.SKU]} {
			if !values.Has(key) {
				continue
			}
			number, err := strconv.ParseInt(values.Get(key), 10, 64)
			if err == nil && number >= 0 && number <= maxQuantity-base {
				c.Quantity[p.SKU] = base + number
			} else {
				ok = false
			}
		}
	}
	return ok
}

// keep writes the cart to the visitor's cookie.
func (s *shop) keep(w http.ResponseWriter, c cart) {
	values := url.Values{}
	for sku, quantity := range c.Quantity {
		if quantity > 0 {
			values.Set("sku."+sku, strconv.FormatInt(quantity, 10))
		}
	}
	if c.Note != "" {
		values.Set("note", c.Note)
	}
	s.cookie(w, c.ID+"."+values.Encode(), 30*24*3600)
}

// drop ends a cart that was bought.
func (s *shop) drop(w http.ResponseWriter) { s.cookie(w, "", -1) }

func (s *shop) cookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: "cart", Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, // sent when the payment page leads back here, and with no form of another site
		Secure:   strings.HasPrefix(s.url, "https:"),
	})
}

// lines are the products in the cart with what they cost now. Products that are sold no longer are left out.
func (c cart) lines(products []product) ([]checkout.Line, error) {
	var lines []checkout.Line
	for _, p := range products {
		if quantity := c.Quantity[p.SKU]; quantity > 0 {
			l, err := p.line(quantity)
			if err != nil {
				return nil, err
			}
			lines = append(lines, l)
		}
	}
	return lines, nil
}
