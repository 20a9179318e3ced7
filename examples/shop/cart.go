package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
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

// cart is the customer's choice. It is kept in a cookie, so that any process can answer the next request. The cookie also holds a
// random secret, and the ID of the cart's order is a hash of it. IDs of orders stand in logs and in answers, and who reads one
// must not be able to make the cookie. A customer who returns to the cart continues its order instead of making a second one.
type cart struct {
	ID       string // of the order
	secret   string
	Note     string
	Quantity map[string]int64 // SKU to quantity
}

// cartOf returns the visitor's cart, or a new one.
func cartOf(r *http.Request, products []product) cart {
	c := cart{Quantity: map[string]int64{}}
	if cookie, err := r.Cookie("cart"); err == nil {
		secret, rest, _ := strings.Cut(cookie.Value, ".")
		values, err := url.ParseQuery(rest)
		if err == nil {
			c.secret = secret
			c.read(values, products)
		}
	}
	if len(c.secret) != len(rand.Text()) {
		c.secret = rand.Text()
	}
	sum := sha256.Sum256([]byte("order of " + c.secret))
	c.ID = base32.StdEncoding.EncodeToString(sum[:15])
	return c
}

// read applies the values of a form or a cookie: the note, quantities as sku.NAME, and additional quantities as add.NAME. It
// ignores invalid values, and reports whether all were valid.
func (c *cart) read(values url.Values, products []product) bool {
	ok := true
	if values.Has("note") {
		note := strings.ReplaceAll(strings.TrimSpace(values.Get("note")), "\r\n", "\n") // browsers count a line break as one character
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
	s.cookie(w, c.secret+"."+values.Encode(), 30*24*3600)
}

// drop removes the cart.
func (s *shop) drop(w http.ResponseWriter) { s.cookie(w, "", -1) }

func (s *shop) cookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: "cart", Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, // sent on the way back from the payment page, but not with a form of another site
		Secure:   strings.HasPrefix(s.url, "https:"),
	})
}

// lines returns the products in the cart at their present prices. It leaves out products that are no longer sold.
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
