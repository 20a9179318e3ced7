package reservationtest

import (
	"context"
	"sync"
	"testing"

	"github.com/gofulfil/fulfil/internal/suite"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store/memstore"
)

type tx = *memstore.Tx

// variant is a memreserver with some of its methods replaced. A replacement can change rows behind the memreserver's back.
type variant struct {
	*memreserver.Reserver
	st      *memstore.Store
	lines   sync.Map // hold ID to merged lines
	inTx    func(ctx context.Context, fn func(tx) error) error
	hold    func(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error)
	commit  func(ctx context.Context, tx tx, ids ...string) ([]error, error)
	release func(ctx context.Context, tx tx, ids ...string) ([]error, error)
	set     func(ctx context.Context, tx tx, sku string, onHand int64) error
	setNew  func(ctx context.Context, tx tx, sku string, onHand int64) error
	adjust  func(ctx context.Context, tx tx, sku string, delta int64) error
	stock   func(ctx context.Context, tx tx, skus ...string) ([]reservation.Stock, error)
	forget  func(ctx context.Context, tx tx, ids ...string) error
	preview func(ctx context.Context, holds ...reservation.Hold) ([]error, error)
	holds   func(ctx context.Context, tx tx, after string, limit int) ([]reservation.Hold, error)
}

func newVariant(breakIt func(v *variant)) *variant {
	st := memstore.New()
	r := memreserver.New().WithStore(st)
	v := &variant{
		Reserver: r, st: st, inTx: st.InTx, hold: r.Hold, commit: r.Commit, release: r.Release,
		set: r.Set, setNew: r.SetNew, adjust: r.Adjust, stock: r.Stock, holds: r.Holds, preview: r.Preview, forget: r.Forget,
	}
	breakIt(v)
	return v
}

func (v *variant) subject() Subject[tx] {
	return Subject[tx]{Reserver: v, Stock: v, InTx: v.inTx}
}

func (v *variant) Forget(ctx context.Context, tx tx, ids ...string) error {
	return v.forget(ctx, tx, ids...)
}

func (v *variant) Hold(ctx context.Context, tx tx, holds ...reservation.Hold) ([]error, error) {
	for _, h := range holds {
		if lines, err := h.Merge(); err == nil {
			v.lines.LoadOrStore(h.ID, lines)
		}
	}
	return v.hold(ctx, tx, holds...)
}
func (v *variant) Commit(ctx context.Context, tx tx, ids ...string) ([]error, error) {
	return v.commit(ctx, tx, ids...)
}
func (v *variant) Release(ctx context.Context, tx tx, ids ...string) ([]error, error) {
	return v.release(ctx, tx, ids...)
}
func (v *variant) Set(ctx context.Context, tx tx, sku string, onHand int64) error {
	return v.set(ctx, tx, sku, onHand)
}
func (v *variant) SetNew(ctx context.Context, tx tx, sku string, onHand int64) error {
	return v.setNew(ctx, tx, sku, onHand)
}
func (v *variant) Adjust(ctx context.Context, tx tx, sku string, delta int64) error {
	return v.adjust(ctx, tx, sku, delta)
}
func (v *variant) Stock(ctx context.Context, tx tx, skus ...string) ([]reservation.Stock, error) {
	return v.stock(ctx, tx, skus...)
}
func (v *variant) Holds(ctx context.Context, tx tx, after string, limit int) ([]reservation.Hold, error) {
	return v.holds(ctx, tx, after, limit)
}
func (v *variant) Preview(ctx context.Context, holds ...reservation.Hold) ([]error, error) {
	return v.preview(ctx, holds...)
}

// edit changes the stock of every line of a hold.
func (v *variant) edit(ctx context.Context, tx tx, id string, change func(s *reservation.Stock, quantity int64)) error {
	lines, _ := v.lines.Load(id)
	for _, l := range lines.([]reservation.Line) {
		if err := tx.Lock(ctx, "fulfil_stock/"+l.SKU); err != nil {
			return err
		}
		value, ok := tx.Get("fulfil_stock/" + l.SKU)
		if !ok {
			continue
		}
		s := value.(reservation.Stock)
		change(&s, l.Quantity)
		if err := tx.Set(ctx, "fulfil_stock/"+l.SKU, s); err != nil {
			return err
		}
	}
	return nil
}

// committed returns the last committed stock of a SKU.
func (v *variant) committed(sku string) reservation.Stock {
	value, _ := v.st.Get("fulfil_stock/" + sku)
	s, _ := value.(reservation.Stock)
	return s
}

// watch runs a check and returns its messages.
func watch(t *testing.T, c check[tx], breakIt func(v *variant)) []string {
	return suite.Watch(t, func(r suite.Reporter) { c.run(r, newVariant(breakIt).subject()) })
}
