package main

import (
	"context"
	"database/sql"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
)

// currency is the currency of all prices.
const currency = "usd"

// product is a row of the products table.
type product struct {
	SKU, Name, About string
	Price            int64 // minor units
}

// opening is the products and stock of a new shop.
var opening = []struct {
	product
	stock int64
}{
	{product{"mug", "Everyday mug", "Stoneware, 300 ml. Speckled white.", 2400}, 24},
	{product{"bowl", "Soup bowl", "Stoneware, 16 cm. Deep green.", 2800}, 18},
	{product{"plate", "Dinner plate", "Stoneware, 27 cm. Speckled white.", 3200}, 20},
	{product{"teapot", "Teapot", "Holds a litre, pours without a drip.", 6850}, 5},
	{product{"vase", "Bud vase", "For one stem. Ash glaze.", 3950}, 3},
	{product{"jar", "Moon jar", "Thrown once, fired once. There is only this one.", 24000}, 1},
}

// products returns all products, in the sequence in which the page shows them.
func (s *shop) products(ctx context.Context) ([]product, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT sku, name, about, price FROM products ORDER BY position, sku`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []product
	for rows.Next() {
		var p product
		if err := rows.Scan(&p.SKU, &p.Name, &p.About, &p.Price); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, rows.Err()
}

// shelf is a product with its present stock.
type shelf struct {
	product
	Stock reservation.Stock
}

func (s *shop) shelves(ctx context.Context) ([]shelf, error) {
	products, err := s.products(ctx)
	if err != nil || len(products) == 0 {
		return nil, err
	}
	skus := make([]string, len(products))
	for i, p := range products {
		skus[i] = p.SKU
	}
	// Reading needs no InTx of the Store, which on SQLite waits for the write lock.
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	stock, err := s.stock.Stock(ctx, tx, skus...)
	if err != nil {
		return nil, err
	}
	shelves := make([]shelf, len(products))
	for i := range products {
		shelves[i] = shelf{products[i], stock[i]}
	}
	return shelves, nil
}

// line returns a product as a line of an order. The price is the shop's, not one of a form.
func (p product) line(quantity int64) (checkout.Line, error) {
	price, err := checkout.AmountOf(p.Price, currency)
	return checkout.Line{SKU: p.SKU, Name: p.Name, UnitAmount: price, Quantity: quantity}, err
}
