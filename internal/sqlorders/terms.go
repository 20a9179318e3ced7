package sqlorders

import (
	"context"
	"crypto/sha256"
	"slices"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/store"
)

// The orders of a customer are found by terms: see [store.Order.Terms]. The table holds the hash of each, so that a term of any
// length can be a key. A row may be out of date, as when a transaction saved an order that it did not lock, so that what a term
// leads to is compared with the query.
var termsTable = table{"fulfil_terms", []string{"term", "created_at", "order_id"}}

func hashTerm(term string) []byte {
	sum := sha256.Sum256([]byte(term))
	return sum[:]
}

// Index makes orders findable by e-mail address, customer's ID and metadata that were saved before schema version 4, or by a process
// of an older version. Without it, [store.Query] finds such an order by these only after one of them has changed. Index takes one
// page of the orders behind after, the oldest first, and returns the place to go on from: after an error the same place, and the zero
// Position when no order is left. limit is that of [store.Query]. Index may be called again, and while the Store is in use.
//
// A program that had orders before calls it once for all pages, after the last process of the older version has ended.
func (s *Store[Tx]) Index(ctx context.Context, after store.Position, limit int) (next store.Position, err error) {
	page, err := s.List(ctx, store.Query{After: after, Limit: limit})
	if err != nil {
		return after, err
	}
	if len(page) == 0 {
		return store.Position{}, nil
	}
	ids := make([]string, len(page))
	for i, o := range page {
		ids[i] = o.ID
	}
	err = s.InTx(ctx, func(tx Tx) error {
		orders, err := s.Lock(ctx, tx, ids...)
		if err != nil {
			return err
		}
		orders = slices.DeleteFunc(orders, func(o *store.Order) bool { return o == nil }) // deleted meanwhile
		for _, o := range orders {
			s.in(tx).set(o.ID, written{refs: o.Refs()}) // that an order has a term does not say that the table has it
		}
		terms, err := s.beside(tx, orders)
		if err != nil {
			return err
		}
		return s.writeBeside(ctx, tx, terms)
	})
	if err != nil {
		return after, err
	}
	last := page[len(page)-1]
	return store.Position{CreatedAt: last.CreatedAt, ID: last.ID}, nil
}

// deleteTerms returns the statements that delete the terms of an order that is deleted: those that it has, and those that the
// transaction knows of it.
func (s *Store[Tx]) deleteTerms(tx Tx, o *store.Order) (statements []sqlkit.Statement) {
	terms := append(o.Terms(), s.in(tx).set(o.ID, written{}).terms...)
	slices.Sort(terms)
	for _, term := range slices.Compact(terms) {
		statements = append(statements, s.deleteTerm(term, o.ID))
	}
	return statements
}

func (s *Store[Tx]) deleteTerm(term, id string) sqlkit.Statement {
	query := s.dialect.Rebind("DELETE FROM fulfil_terms WHERE term = ? AND order_id = ?")
	return sqlkit.Statement{Query: query, Args: []any{hashTerm(term), id}}
}

// listByTerm returns a page of the orders that have a term and match q.
func (s *Store[Tx]) listByTerm(ctx context.Context, q store.Query, term string) ([]*store.Order, error) {
	var page []*store.Order
	for at := q.After; ; {
		query, args := s.termPage(q, term, at)
		read, err := s.readOrders(ctx, query, args)
		if err != nil {
			return nil, s.fail(ctx, "list the orders of a customer", err)
		}
		for _, o := range read {
			if len(page) < q.PageSize() && q.Matches(o) {
				page = append(page, o)
			}
		}
		if len(page) == q.PageSize() || len(read) < q.PageSize() {
			return page, nil
		}
		last := read[len(read)-1]
		at = store.Position{CreatedAt: last.CreatedAt, ID: last.ID}
	}
}

// termPage returns the query for the orders behind a place in the list of those that have a term. It reads the keys from the index
// first, and then the orders with those keys.
func (s *Store[Tx]) termPage(q store.Query, term string, at store.Position) (query string, args []any) {
	compare, descending := ">", ""
	if q.Newest {
		compare, descending = "<", " DESC"
	}
	where := "term = ?"
	args = []any{hashTerm(term)}
	if at != (store.Position{}) {
		created := s.dialect.Time(at.CreatedAt)
		where += " AND created_at " + compare + "= ? AND (created_at " + compare + " ? OR order_id " + compare + " ?)"
		args = append(args, created, created, at.ID)
	}
	by := func(prefix string) string {
		return " ORDER BY " + prefix + "created_at" + descending + ", " + prefix + "order_id" + descending
	}
	query = "SELECT " + s.grammar.storedColumns() + " FROM (" +
		"SELECT created_at, order_id FROM fulfil_terms WHERE " + where + by("") + " LIMIT ?" +
		") AS page JOIN fulfil_orders ON fulfil_orders.id = page.order_id" + by("page.")
	return s.dialect.Rebind(query), append(args, q.PageSize())
}
