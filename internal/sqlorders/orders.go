package sqlorders

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/store"
)

// Insert adds the orders whose IDs are free, as [store.Store] says. An ID has 1 to 200 bytes of UTF-8.
func (s *Store[Tx]) Insert(ctx context.Context, tx Tx, orders ...*store.Order) (inserted []bool, err error) {
	first := map[string]int{}
	for i, o := range orders {
		if !validKey(o.ID, maxID) {
			return nil, fmt.Errorf(s.name+": insert an order: its ID has %d bytes; give it 1 to %d bytes of UTF-8 without U+0000", len(o.ID), maxID)
		}
		if _, repeated := first[o.ID]; !repeated {
			first[o.ID] = i
		}
	}
	rows := make([][]any, 0, len(first))
	for _, id := range slices.Sorted(maps.Keys(first)) {
		row, err := s.row(orders[first[id]], written{known: true})
		if err != nil {
			return nil, fmt.Errorf(s.name+": insert: %w", err)
		}
		rows = append(rows, row)
	}
	if t := s.in(tx); s.dialect == sqlkit.MySQL && len(rows) > 1 && t != nil && !t.checks {
		if rows, err = s.withoutTaken(ctx, tx, rows); err != nil {
			return nil, err
		}
	}
	added, err := s.grammar.add(ctx, s.db.In(tx), ordersTable, rows)
	if err != nil {
		return nil, s.fail(ctx, "insert orders", err)
	}
	inserted = make([]bool, len(orders))
	var fresh []*store.Order
	for i, o := range orders {
		if added[o.ID] && first[o.ID] == i {
			inserted[i] = true
			fresh = append(fresh, o)
		}
	}
	more, err := s.beside(tx, fresh)
	if err != nil {
		return nil, err
	}
	return inserted, s.writeBeside(ctx, tx, more)
}

// withoutTaken leaves out the rows of orders that exist. On MySQL an INSERT would wait for whoever has locked one of them, and all
// other orders of the same INSERT with it. The read takes the snapshot of the transaction, which must be one of the library's own:
// the library decides by what it has locked or written, and never by a snapshot.
func (s *Store[Tx]) withoutTaken(ctx context.Context, tx Tx, rows [][]any) ([][]any, error) {
	taken := map[string]bool{}
	for chunk := range slices.Chunk(rows, maxParams) {
		var ids []any
		for _, row := range chunk {
			ids = append(ids, row[0])
		}
		query := "SELECT id FROM fulfil_orders" + s.grammar.byKey + " WHERE id IN " + sqlkit.List(len(ids))
		if err := addKeys(ctx, s.db.In(tx), query, ids, taken); err != nil {
			return nil, s.fail(ctx, "insert orders", err)
		}
	}
	return slices.DeleteFunc(rows, func(row []any) bool { return taken[row[0].(string)] }), nil
}

// Lock returns orders and keeps other transactions from locking them, as [store.Store] says.
func (s *Store[Tx]) Lock(ctx context.Context, tx Tx, ids ...string) ([]*store.Order, error) {
	wanted := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !validKey(id, maxID) })
	slices.Sort(wanted)
	t := s.in(tx)
	isOpen := s.grammar.yes
	if t != nil && t.unchecked {
		isOpen = "COALESCE(" + sqlkit.PostgresMark + ", false)" // so the check takes no statement of its own
	}
	found := map[string]storedOrder{}
	for chunk := range slices.Chunk(slices.Compact(wanted), maxParams) {
		query := "SELECT id, " + s.grammar.storedColumns() + ", " + isOpen + " FROM fulfil_orders" + s.grammar.byKey +
			" WHERE id IN " + sqlkit.List(len(chunk)) + " ORDER BY id" + s.grammar.lock
		err := s.db.In(tx).Send(ctx, sqlkit.Statement{Query: s.dialect.Rebind(query), Args: texts(chunk), Row: func(scan sqlkit.Scan) error {
			var id string
			var open bool
			var r storedOrder
			err := scan(slices.Concat([]any{&id}, r.fields(), []any{&open})...)
			found[id] = r
			if err == nil && open && t != nil {
				t.unchecked = false
			}
			return err
		}})
		if err != nil {
			return nil, s.fail(ctx, "lock orders", err)
		}
	}
	if t != nil {
		if err := s.check(ctx, tx, t); err != nil {
			return nil, err
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
			return nil, fmt.Errorf(s.name+": lock order %s: %w", id, err)
		}
		orders[i] = o
		t.found(o, stored.session)
	}
	return orders, nil
}

// Save writes orders with their references, as [store.Store] says. If an order is missing, Save returns an error that matches
// [store.ErrNotFound], and the transaction must be rolled back.
func (s *Store[Tx]) Save(ctx context.Context, tx Tx, orders ...*store.Order) error {
	last := map[string]*store.Order{}
	for _, o := range orders {
		last[o.ID] = o
	}
	t := s.in(tx)
	rows := make([][]any, 0, len(last))
	for _, id := range slices.Sorted(maps.Keys(last)) {
		row, err := s.row(last[id], t.knows(id))
		if err != nil {
			return fmt.Errorf(s.name+": save: %w", err)
		}
		rows = append(rows, row)
	}
	more, err := s.beside(tx, orders)
	if err != nil {
		return err
	}
	checks := t != nil && t.checks
	for chunk := range slices.Chunk(rows, saveRows) {
		with := beside{}
		if len(chunk) == len(rows) && !checks && s.grammar.savesBeside && len(more.refs)+len(more.terms) <= saveRows {
			with.refs, with.terms, more.refs, more.terms = more.refs, more.terms, nil, nil
		}
		saved, err := s.grammar.save(ctx, s.db.In(tx), checks, chunk, with)
		if err == nil && saved != int64(len(chunk)) {
			err = fmt.Errorf("found %d of %d: %w", saved, len(chunk), store.ErrNotFound)
		}
		if err != nil {
			return s.fail(ctx, "save orders", err)
		}
	}
	return s.writeBeside(ctx, tx, more)
}

// Delete removes orders with their references, as [store.Store] says.
func (s *Store[Tx]) Delete(ctx context.Context, tx Tx, orders ...*store.Order) error {
	byID := map[string]*store.Order{}
	for _, o := range orders {
		byID[o.ID] = o
	}
	ids := slices.Sorted(maps.Keys(byID))
	var statements []sqlkit.Statement
	add := func(query string, args ...any) {
		statements = append(statements, sqlkit.Statement{Query: s.dialect.Rebind(query), Args: args})
	}
	for _, id := range ids {
		// The references are looked up by their key, as there is no index on the order that they lead to.
		for refs := range slices.Chunk(byID[id].Refs(), maxParams-1) {
			add("DELETE FROM fulfil_refs WHERE order_id = ? AND ref IN "+sqlkit.List(len(refs)), append([]any{id}, texts(refs)...)...)
		}
		statements = append(statements, s.deleteTerms(tx, byID[id])...)
	}
	together := maxParams
	if s.dialect == sqlkit.MySQL {
		together = 1 // a DELETE with a list of keys would read, and lock, the whole of a small table
	}
	for chunk := range slices.Chunk(ids, together) {
		add("DELETE FROM fulfil_orders WHERE id IN "+sqlkit.List(len(chunk)), texts(chunk)...)
	}
	return s.fail(ctx, "delete orders", s.db.In(tx).Send(ctx, statements...))
}

// Find returns the last committed order, as [store.Store] says.
func (s *Store[Tx]) Find(ctx context.Context, id string) (*store.Order, error) {
	return s.find(ctx, "find an order", validKey(id, maxID), "id = ?", id)
}

// FindRef returns the order that a Stripe ID leads to, as [store.Store] says.
func (s *Store[Tx]) FindRef(ctx context.Context, ref string) (*store.Order, error) {
	return s.find(ctx, "find an order by reference", validKey(ref, maxRef), "id = (SELECT order_id FROM fulfil_refs WHERE ref = ?)", ref)
}

func (s *Store[Tx]) find(ctx context.Context, doing string, valid bool, where, arg string) (*store.Order, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !valid {
		return nil, store.ErrNotFound
	}
	query := s.dialect.Rebind("SELECT " + s.grammar.storedColumns() + " FROM fulfil_orders WHERE " + where)
	var found *storedOrder
	err := s.read(ctx, func() error {
		found = nil
		return s.db.Send(ctx, sqlkit.Statement{Query: query, Args: []any{arg}, Row: func(scan sqlkit.Scan) error {
			found = new(storedOrder)
			return scan(found.fields()...)
		}})
	})
	if err != nil {
		return nil, s.fail(ctx, doing, err)
	}
	if found == nil {
		return nil, store.ErrNotFound
	}
	o, err := found.order()
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", s.name, doing, err)
	}
	return o, nil
}
