package main

import (
	"slices"
	"strings"

	"github.com/gofulfil/fulfil/store"
)

// total returns the price of all lines, in minor units.
func total(o *store.Order) (sum int64) {
	for _, l := range o.Lines {
		sum += l.UnitAmount * l.Quantity
	}
	return sum
}

// oneLine returns an address on one line.
func oneLine(a store.Address) string {
	var parts []string
	for _, part := range []string{a.Line1, a.Line2, strings.TrimSpace(a.PostalCode + " " + a.City), a.State, a.Country} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

// holds reports whether an order has a line of this product; a nil order has none.
func holds(o *store.Order, sku string) bool {
	return o != nil && slices.ContainsFunc(o.Lines, func(l store.Line) bool { return l.SKU == sku })
}
