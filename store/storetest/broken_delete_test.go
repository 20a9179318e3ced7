package storetest

import (
	"context"

	"github.com/gofulfil/fulfil/store"
)

var brokenDelete = []broken{
	{"the references stay", "Delete/removes the order with its references, and no other", "must be free for another", func(v *variant) {
		v.delete = func(ctx context.Context, tx tx, orders ...*store.Order) error {
			for _, o := range orders {
				if err := v.Store.Delete(ctx, tx, order(o.ID)); err != nil { // it has no references
					return err
				}
			}
			return nil
		}
	}},
	{"the references of other orders go, too", "Delete/removes the order with its references, and no other", "the reference of another order must stay", func(v *variant) {
		v.delete = func(ctx context.Context, tx tx, orders ...*store.Order) error {
			for _, o := range orders {
				for _, ref := range o.Refs() {
					if err := tx.Delete(ctx, "fulfil_ref/"+ref); err != nil {
						return err
					}
				}
			}
			return v.Store.Delete(ctx, tx, orders...)
		}
	}},
	{"an order is deleted at once", "Delete/rolled back", "must change nothing", func(v *variant) {
		v.delete = func(ctx context.Context, tx tx, orders ...*store.Order) error {
			gone := map[string]bool{}
			for _, o := range orders {
				gone[o.ID] = true
			}
			find := v.findRef
			v.findRef = func(ctx context.Context, ref string) (*store.Order, error) {
				o, err := find(ctx, ref)
				if err == nil && gone[o.ID] {
					return nil, store.ErrNotFound
				}
				return o, err
			}
			return v.Store.Delete(ctx, tx, orders...)
		}
	}},
}
