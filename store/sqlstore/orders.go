package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/store"
)

// Insert adds the orders whose IDs are free, as [store.Store] says. An ID has 1 to 200 bytes of UTF-8.
func (s *Store) Insert(ctx context.Context, tx *sql.Tx, orders ...*store.Order) (inserted []bool, err error) {
	first := map[string]int{}
	for i, o := range orders {
		if !validKey(o.ID, maxID) {
			return nil, fmt.Errorf("sqlstore: insert an order: its ID has %d bytes; give it 1 to %d bytes of UTF-8 without U+0000", len(o.ID), maxID)
		}
		if _, repeated := first[o.ID]; !repeated {
			first[o.ID] = i
		}
	}
	rows := make([][]any, 0, len(first))
	for _, id := range slices.Sorted(maps.Keys(first)) {
		row, err := s.row(orders[first[id]])
		if err != nil {
			return nil, fmt.Errorf("sqlstore: insert: %w", err)
		}
		rows = append(rows, row)
	}
	added, err := s.grammar.add(ctx, tx, ordersTable, rows)
	if err != nil {
		return nil, sqlkit.Fail(ctx, "sqlstore: insert orders", err)
	}
	inserted = make([]bool, len(orders))
	var fresh []*store.Order
	for i, o := range orders {
		if added[o.ID] && first[o.ID] == i {
			inserted[i] = true
			fresh = append(fresh, o)
		}
	}
	if err := s.keepRefs(ctx, tx, fresh); err != nil {
		return nil, err
	}
	return inserted, s.keepTerms(ctx, tx, fresh)
}

// Lock returns orders and keeps other transactions from locking them, as [store.Store] says.
func (s *Store) Lock(ctx context.Context, tx *sql.Tx, ids ...string) ([]*store.Order, error) {
	wanted := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !validKey(id, maxID) })
	slices.Sort(wanted)
	found := map[string]storedOrder{}
	for chunk := range slices.Chunk(slices.Compact(wanted), maxParams) {
		query := "SELECT id, data, " + s.grammar.dueText + " FROM fulfil_orders" + s.grammar.byKey +
			" WHERE id IN " + sqlkit.List(len(chunk)) + " ORDER BY id" + s.grammar.lock
		err := each(ctx, tx, s.dialect.Rebind(query), texts(chunk), func(scan func(...any) error) error {
			var id string
			var r storedOrder
			err := scan(&id, &r.data, &r.due)
			found[id] = r
			return err
		})
		if err != nil {
			return nil, sqlkit.Fail(ctx, "sqlstore: lock orders", err)
		}
	}
	orders := make([]*store.Order, len(ids))
	for i, id := range ids {
		stored, ok := found[id]
		if !ok {
			continue
		}
		o, err := stored.order()
		if err != nil {
			return nil, fmt.Errorf("sqlstore: lock order %s: %w", id, err)
		}
		orders[i] = o
		s.knownIn(tx).set(id, o.Terms())
	}
	return orders, nil
}

// Save writes orders with their references, as [store.Store] says. If an order is missing, Save returns an error that matches
// [store.ErrNotFound], and the transaction must be rolled back.
func (s *Store) Save(ctx context.Context, tx *sql.Tx, orders ...*store.Order) error {
	last := map[string]*store.Order{}
	for _, o := range orders {
		last[o.ID] = o
	}
	rows := make([][]any, 0, len(last))
	for _, id := range slices.Sorted(maps.Keys(last)) {
		row, err := s.row(last[id])
		if err != nil {
			return fmt.Errorf("sqlstore: save: %w", err)
		}
		rows = append(rows, row)
	}
	_, marked := s.begun.Load(tx)
	for chunk := range slices.Chunk(rows, saveRows) {
		saved, err := s.grammar.save(ctx, tx, marked, chunk)
		if err == nil && saved != int64(len(chunk)) {
			err = fmt.Errorf("found %d of %d: %w", saved, len(chunk), store.ErrNotFound)
		}
		if err != nil {
			return sqlkit.Fail(ctx, "sqlstore: save orders", err)
		}
	}
	if err := s.keepRefs(ctx, tx, orders); err != nil {
		return err
	}
	return s.keepTerms(ctx, tx, slices.Collect(maps.Values(last)))
}

// keepRefs stores the references of orders. A reference that already leads to another order stays. If several orders have the
// same reference, the first gets it.
func (s *Store) keepRefs(ctx context.Context, tx *sql.Tx, orders []*store.Order) error {
	leads := map[string]string{}
	for _, o := range orders {
		for _, ref := range o.Refs() {
			if !validKey(ref, maxRef) {
				return fmt.Errorf("sqlstore: save order %s: a reference has %d bytes; give it 1 to %d bytes of UTF-8 without U+0000", o.ID, len(ref), maxRef)
			}
			if _, taken := leads[ref]; !taken {
				leads[ref] = o.ID
			}
		}
	}
	rows := make([][]any, 0, len(leads))
	for _, ref := range slices.Sorted(maps.Keys(leads)) {
		rows = append(rows, []any{ref, leads[ref]})
	}
	return sqlkit.Fail(ctx, "sqlstore: save references", s.keep(ctx, tx, refsTable, rows))
}

// Delete removes orders with their references, as [store.Store] says.
func (s *Store) Delete(ctx context.Context, tx *sql.Tx, orders ...*store.Order) error {
	byID := map[string]*store.Order{}
	for _, o := range orders {
		byID[o.ID] = o
	}
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		// The references are looked up by their key, as there is no index on the order that they lead to.
		for refs := range slices.Chunk(byID[id].Refs(), maxParams-1) {
			statement := s.dialect.Rebind("DELETE FROM fulfil_refs WHERE order_id = ? AND ref IN " + sqlkit.List(len(refs)))
			if _, err := tx.ExecContext(ctx, statement, append([]any{id}, texts(refs)...)...); err != nil {
				return sqlkit.Fail(ctx, "sqlstore: delete references", err)
			}
		}
		if err := s.deleteTerms(ctx, tx, byID[id]); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, s.dialect.Rebind("DELETE FROM fulfil_orders WHERE id = ?"), id); err != nil {
			return sqlkit.Fail(ctx, "sqlstore: delete an order", err)
		}
	}
	return nil
}

// Find returns the last committed order, as [store.Store] says.
func (s *Store) Find(ctx context.Context, id string) (*store.Order, error) {
	return s.find(ctx, "find an order", validKey(id, maxID), "id = ?", id)
}

// FindRef returns the order that a Stripe ID leads to, as [store.Store] says.
func (s *Store) FindRef(ctx context.Context, ref string) (*store.Order, error) {
	return s.find(ctx, "find an order by reference", validKey(ref, maxRef), "id = (SELECT order_id FROM fulfil_refs WHERE ref = ?)", ref)
}

func (s *Store) find(ctx context.Context, doing string, valid bool, where, arg string) (*store.Order, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !valid {
		return nil, store.ErrNotFound
	}
	query := s.dialect.Rebind("SELECT data, " + s.grammar.dueText + " FROM fulfil_orders WHERE " + where)
	var r storedOrder
	err := s.read(ctx, func() error { return s.db.QueryRowContext(ctx, query, arg).Scan(&r.data, &r.due) })
	if errors.Is(err, sql.ErrNoRows) {
		return nil, store.ErrNotFound
	}
	if err != nil {
		return nil, sqlkit.Fail(ctx, "sqlstore: "+doing, err)
	}
	o, err := r.order()
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %s: %w", doing, err)
	}
	return o, nil
}
