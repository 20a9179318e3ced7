package checkout

import (
	"time"

	"github.com/gofulfil/fulfil/store"
)

// cart is a session that was checked, and what is derived from it.
type cart struct {
	Session
	fingerprint string
	shop        string
	lines       []store.Line
}

func (s Session) cart() (*cart, error) {
	fingerprint, err := s.fingerprint()
	if err != nil {
		return nil, err
	}
	c := &cart{Session: s, fingerprint: fingerprint}
	for _, l := range s.Lines {
		c.lines = append(c.lines, store.Line{SKU: l.SKU, Name: l.Name, UnitAmount: l.UnitAmount.Minor(), Quantity: l.Quantity})
	}
	return c, nil
}

// order is a new order for the cart, without attempts.
func (c *cart) order(now time.Time) *store.Order {
	o := &store.Order{ID: c.OrderID, CreatedAt: now, UpdatedAt: now}
	c.describe(o)
	return o
}

// describe makes the order be about this cart.
func (c *cart) describe(o *store.Order) {
	o.Mode, o.Currency, o.Account = string(c.mode()), c.currency(), c.Connect.Account
	o.Lines, o.Metadata = c.lines, c.Metadata
}
