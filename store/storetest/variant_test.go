package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/gofulfil/fulfil/internal/suite"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
)

type (
	tx     = *memstore.Tx
	orders = []*store.Order
)

// variant is a memstore with some of its methods replaced.
type variant struct {
	*memstore.Store
	inTx    func(ctx context.Context, fn func(tx) error) error
	insert  func(ctx context.Context, tx tx, orders ...*store.Order) ([]bool, error)
	lock    func(ctx context.Context, tx tx, ids ...string) ([]*store.Order, error)
	save    func(ctx context.Context, tx tx, orders ...*store.Order) error
	delete  func(ctx context.Context, tx tx, orders ...*store.Order) error
	find    func(ctx context.Context, id string) (*store.Order, error)
	findRef func(ctx context.Context, ref string) (*store.Order, error)
	list    func(ctx context.Context, q store.Query) ([]*store.Order, error)
	claim   func(ctx context.Context, tx tx, now time.Time, keys ...string) ([]bool, error)
	prune   func(ctx context.Context, before time.Time, limit int) (int, error)
	due     func(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]string, error)
	count   func(ctx context.Context, now time.Time) (store.Counts, error)
	shopID  func(ctx context.Context, fresh string) (string, error)
	cursor  func(ctx context.Context, name string) (string, error)
}

func newVariant(breakIt func(v *variant)) *variant {
	st := memstore.New()
	v := &variant{
		Store: st, inTx: st.InTx, insert: st.Insert, lock: st.Lock, save: st.Save, delete: st.Delete, find: st.Find, findRef: st.FindRef,
		list: st.List, claim: st.Claim, prune: st.Prune, due: st.Due, count: st.Count, shopID: st.ShopID, cursor: st.Cursor,
	}
	breakIt(v)
	return v
}

func (v *variant) Count(ctx context.Context, now time.Time) (store.Counts, error) {
	return v.count(ctx, now)
}
func (v *variant) InTx(ctx context.Context, fn func(tx) error) error { return v.inTx(ctx, fn) }
func (v *variant) Insert(ctx context.Context, tx tx, o ...*store.Order) ([]bool, error) {
	return v.insert(ctx, tx, o...)
}
func (v *variant) Lock(ctx context.Context, tx tx, ids ...string) ([]*store.Order, error) {
	return v.lock(ctx, tx, ids...)
}
func (v *variant) Save(ctx context.Context, tx tx, o ...*store.Order) error {
	return v.save(ctx, tx, o...)
}
func (v *variant) Delete(ctx context.Context, tx tx, o ...*store.Order) error {
	return v.delete(ctx, tx, o...)
}
func (v *variant) Find(ctx context.Context, id string) (*store.Order, error) { return v.find(ctx, id) }
func (v *variant) FindRef(ctx context.Context, ref string) (*store.Order, error) {
	return v.findRef(ctx, ref)
}
func (v *variant) List(ctx context.Context, q store.Query) ([]*store.Order, error) {
	return v.list(ctx, q)
}
func (v *variant) Claim(ctx context.Context, tx tx, now time.Time, keys ...string) ([]bool, error) {
	return v.claim(ctx, tx, now, keys...)
}
func (v *variant) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	return v.prune(ctx, before, limit)
}
func (v *variant) Due(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]string, error) {
	return v.due(ctx, now, lease, limit)
}
func (v *variant) ShopID(ctx context.Context, fresh string) (string, error) {
	return v.shopID(ctx, fresh)
}
func (v *variant) Cursor(ctx context.Context, name string) (string, error) {
	return v.cursor(ctx, name)
}

// watch runs a check and returns its messages.
func watch(t *testing.T, c check[tx], st func() store.Store[tx]) []string {
	return suite.Watch(t, func(r suite.Reporter) { c.run(r, st()) })
}
