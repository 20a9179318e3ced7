package store

import (
	"maps"
	"slices"
)

// Clone returns a deep copy of the order.
func (o *Order) Clone() *Order {
	c := *o
	c.Lines = slices.Clone(o.Lines)
	c.Metadata = maps.Clone(o.Metadata)
	c.Attempts = slices.Clone(o.Attempts)
	for i := range c.Attempts {
		a := &c.Attempts[i]
		a.Lines = slices.Clone(a.Lines)
		a.Metadata = maps.Clone(a.Metadata)
		if a.Quote != nil {
			quote := *a.Quote
			a.Quote = &quote
		}
	}
	c.Subscriptions = slices.Clone(o.Subscriptions)
	for i := range c.Subscriptions {
		c.Subscriptions[i].Items = slices.Clone(c.Subscriptions[i].Items)
	}
	c.Invoices = slices.Clone(o.Invoices)
	for i := range c.Invoices {
		c.Invoices[i].PaymentIntents = slices.Clone(c.Invoices[i].PaymentIntents)
		c.Invoices[i].Charges = slices.Clone(c.Invoices[i].Charges)
	}
	c.Refunds = slices.Clone(o.Refunds)
	c.Disputes = slices.Clone(o.Disputes)
	c.Session = slices.Clone(o.Session)
	c.Shortfall = slices.Clone(o.Shortfall)
	c.Notices = slices.Clone(o.Notices)
	return &c
}
