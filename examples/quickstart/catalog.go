package main

import (
	"context"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store/memstore"
)

// product is a product that the shop sells.
type product struct {
	SKU, Name, About string
	Price            checkout.Amount
	Stock            int64 // when the shop opens
}

var catalog = []product{
	{"notebook", "Notebook", "Dotted, 160 pages, lies flat.", checkout.MustAmount("14.50", "usd"), 12},
	{"pencils", "Pencil set", "Six cedar pencils, HB.", checkout.MustAmount("9.00", "usd"), 20},
	{"ink", "Bottle of ink", "Blue-black, 50 ml.", checkout.MustAmount("18.00", "usd"), 8},
	{"letters", "Letter set", "Twenty sheets, ten envelopes.", checkout.MustAmount("12.75", "usd"), 6},
	{"calendar", "Desk calendar", "One week to a page.", checkout.MustAmount("22.00", "usd"), 3},
	{"ruler", "Brass ruler", "15 cm, engraved scale.", checkout.MustAmount("26.00", "usd"), 1},
}

func productOf(sku string) (product, bool) {
	for _, p := range catalog {
		if p.SKU == sku {
			return p, true
		}
	}
	return product{}, false
}

// fillShelves sets the opening stock.
func (s *shop) fillShelves(ctx context.Context) error {
	return s.store.InTx(ctx, func(tx *memstore.Tx) error {
		for _, p := range catalog {
			if err := s.stock.Set(ctx, tx, p.SKU, p.Stock); err != nil {
				return err
			}
		}
		return nil
	})
}

// shelf is a product with its present stock.
type shelf struct {
	product
	Available, Held, Sold int64
}

// shelves returns all products, in the sequence of the catalog.
func (s *shop) shelves(ctx context.Context) ([]shelf, error) {
	var shelves []shelf
	err := s.store.InTx(ctx, func(tx *memstore.Tx) error {
		shelves = nil // InTx may run this function again
		for _, p := range catalog {
			stock, err := s.stock.Stock(ctx, tx, p.SKU)
			if err != nil {
				return err
			}
			shelves = append(shelves, shelf{p, stock[0].Available(), stock[0].Held, stock[0].Sold})
		}
		return nil
	})
	return shelves, err
}

// shipment is the shop's own row for an order that is sent.
type shipment struct {
	Name, Email string
	Parcels     int
}
