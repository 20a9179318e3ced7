package memstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// The library's tables, by the prefix of their keys.
const (
	orderTable  = "fulfil_order/"
	refTable    = "fulfil_ref/" // its values are order IDs
	claimTable  = "fulfil_claim/"
	cursorTable = "fulfil_cursor/"
	shopKey     = "fulfil_shop/id"
)

// record is a stored order with the values that are queried. It is never changed, only replaced. Kept has been encoded and
// decoded, as a database would do.
type record struct {
	id      string
	kept    *store.Order
	created time.Time
	due     time.Time
	status  store.Status
	stuck   bool
	terms   []string
}

func newRecord(o *store.Order) (*record, error) {
	data, err := o.Encode()
	if err != nil {
		return nil, err
	}
	kept, err := store.DecodeOrder(data)
	if err != nil {
		return nil, err
	}
	return &record{
		id:      o.ID,
		kept:    kept,
		created: store.Time(o.CreatedAt),
		due:     store.Time(o.DueAt),
		status:  o.Status(),
		stuck:   o.Stuck(),
		terms:   kept.Terms(),
	}, nil
}

// order returns a copy of the stored order.
func (r *record) order() *store.Order {
	o := r.kept.Clone()
	o.DueAt = r.due // Due changes only r.due
	return o
}

// Insert adds orders that are not there yet, as [store.Store] says.
func (s *Store) Insert(ctx context.Context, tx *Tx, orders ...*store.Order) (inserted []bool, err error) {
	if err := tx.of(s); err != nil {
		return nil, err
	}
	ids := make([]string, len(orders))
	for i, o := range orders {
		if o.ID == "" {
			return nil, errors.New("memstore: insert: an order has no ID: set Order.ID")
		}
		ids[i] = o.ID
	}
	if err := tx.Lock(ctx, orderKeys(ids)...); err != nil {
		return nil, err
	}
	inserted = make([]bool, len(orders))
	var added []*store.Order
	for i, o := range orders {
		if _, taken := tx.Get(orderTable + o.ID); taken {
			continue
		}
		if err := tx.putOrder(ctx, o); err != nil {
			return nil, err
		}
		inserted[i] = true
		added = append(added, o)
	}
	return inserted, tx.putRefs(ctx, added)
}

// Lock returns orders and locks them, as [store.Store] says.
func (s *Store) Lock(ctx context.Context, tx *Tx, ids ...string) ([]*store.Order, error) {
	if err := tx.of(s); err != nil {
		return nil, err
	}
	if err := tx.Lock(ctx, orderKeys(ids)...); err != nil {
		return nil, err
	}
	orders := make([]*store.Order, len(ids))
	for i, id := range ids {
		if value, ok := tx.Get(orderTable + id); ok {
			orders[i] = value.(*record).order()
		}
	}
	return orders, nil
}

// Save writes orders with their references, as [store.Store] says. An order that this transaction has neither inserted nor
// locked is an error.
func (s *Store) Save(ctx context.Context, tx *Tx, orders ...*store.Order) error {
	if err := tx.of(s); err != nil {
		return err
	}
	for _, o := range orders {
		if !tx.owns(orderTable + o.ID) {
			return fmt.Errorf("memstore: save order %q: it is not locked: call Lock or Insert first, in the same transaction", o.ID)
		}
		if _, ok := tx.Get(orderTable + o.ID); !ok {
			return fmt.Errorf("memstore: save order %q: %w", o.ID, store.ErrNotFound)
		}
	}
	for _, o := range orders {
		if err := tx.putOrder(ctx, o); err != nil {
			return err
		}
	}
	return tx.putRefs(ctx, orders)
}

// Delete removes orders with their references, as [store.Store] says. An order that this transaction has neither inserted nor
// locked is an error.
func (s *Store) Delete(ctx context.Context, tx *Tx, orders ...*store.Order) error {
	if err := tx.of(s); err != nil {
		return err
	}
	for _, o := range orders {
		if !tx.owns(orderTable + o.ID) {
			return fmt.Errorf("memstore: delete order %q: it is not locked: call Lock or Insert first, in the same transaction", o.ID)
		}
		for _, ref := range o.Refs() {
			key := refTable + ref
			if id, kept := tx.Get(key); !kept || id != o.ID {
				continue
			}
			if err := tx.Delete(ctx, key); err != nil {
				return err
			}
		}
		if err := tx.Delete(ctx, orderTable+o.ID); err != nil {
			return err
		}
	}
	return nil
}

// Find returns the last committed order, as [store.Store] says.
func (s *Store) Find(ctx context.Context, id string) (*store.Order, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	value, ok := s.Get(orderTable + id)
	if !ok {
		return nil, store.ErrNotFound
	}
	return value.(*record).order(), nil
}

// FindRef returns the order that a Stripe ID leads to, as [store.Store] says.
func (s *Store) FindRef(ctx context.Context, ref string) (*store.Order, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	id, ok := s.Get(refTable + ref)
	if !ok {
		return nil, store.ErrNotFound
	}
	return s.Find(ctx, id.(string))
}

func (tx *Tx) putOrder(ctx context.Context, o *store.Order) error {
	r, err := newRecord(o)
	if err != nil {
		return err
	}
	return tx.Set(ctx, orderTable+o.ID, r)
}

// putRefs stores the references of orders. A reference that already leads to another order stays. If several orders of one call
// have the same reference, the first order gets it.
func (tx *Tx) putRefs(ctx context.Context, orders []*store.Order) error {
	fresh := map[string]string{}
	var keys []string
	for _, o := range orders {
		for _, ref := range o.Refs() {
			key := refTable + ref
			if _, kept := tx.Get(key); kept || fresh[key] != "" {
				continue
			}
			fresh[key] = o.ID
			keys = append(keys, key)
		}
	}
	if err := tx.Lock(ctx, keys...); err != nil {
		return err
	}
	for _, key := range keys {
		if _, kept := tx.Get(key); kept {
			continue // another transaction committed it while this one waited
		}
		if err := tx.Set(ctx, key, fresh[key]); err != nil {
			return err
		}
	}
	return nil
}

func orderKeys(ids []string) []string {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = orderTable + id
	}
	return keys
}
