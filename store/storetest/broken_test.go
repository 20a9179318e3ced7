package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gofulfil/fulfil/internal/suite"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
)

// broken is a backend that breaks one promise, the check that must reject it, and the message that the check must give. Says
// holds several messages between bars if the message depends on which of two goroutines is faster.
type broken struct {
	name, check, says string
	breakIt           func(v *variant)
}

func TestSuiteRejectsBrokenBackends(t *testing.T) {
	t.Parallel()
	all := checks[tx]()
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.name
	}
	var breaches []suite.Breach
	for _, b := range slices.Concat(brokenTx, brokenOrders, brokenQueries, brokenClaims, brokenPrune, brokenDelete, brokenDue, brokenCount) {
		breaches = append(breaches, suite.Breach{Name: b.name, Check: b.check, Says: b.says, Watch: func(t *testing.T) []string {
			i := slices.Index(names, b.check)
			return watch(t, all[i], func() store.Store[tx] { return newVariant(b.breakIt) })
		}})
	}
	suite.Rejects(t, names, breaches)
}

var brokenTx = []broken{
	{"uncommitted saves can be read", "InTx/commits all of it at once", "a saved order must be unchanged", func(v *variant) {
		var dirty sync.Map
		v.save = func(ctx context.Context, tx tx, o ...*store.Order) error {
			for _, o := range o {
				dirty.Store(o.ID, o)
			}
			return v.Store.Save(ctx, tx, o...)
		}
		v.find = func(ctx context.Context, id string) (*store.Order, error) {
			if o, ok := dirty.Load(id); ok {
				return o.(*store.Order), nil
			}
			return v.Store.Find(ctx, id)
		}
	}},
	{"an error commits", "InTx/an error rolls all of it back", "after an error, an inserted order must not be there", func(v *variant) {
		v.inTx = func(ctx context.Context, fn func(tx) error) (err error) {
			return errors.Join(v.Store.InTx(ctx, func(tx tx) error { err = fn(tx); return nil }), err)
		}
	}},
	{"an error is replaced by its text", "InTx/an error rolls all of it back", "errors.As", func(v *variant) {
		v.inTx = func(ctx context.Context, fn func(tx) error) error {
			if err := v.Store.InTx(ctx, fn); err != nil {
				return errors.New(err.Error())
			}
			return nil
		}
	}},
	{"a panic commits", "InTx/a panic rolls all of it back and goes on", "after a panic, a claimed key must be free", func(v *variant) {
		v.inTx = func(ctx context.Context, fn func(tx) error) error {
			var p any
			err := v.Store.InTx(ctx, func(tx tx) (err error) {
				defer func() { p = recover() }()
				return fn(tx)
			})
			if p != nil {
				panic(p)
			}
			return err
		}
	}},
	{"a panic becomes an error", "InTx/a panic rolls all of it back and goes on", "a panic must go on through InTx", func(v *variant) {
		v.inTx = func(ctx context.Context, fn func(tx) error) error {
			return v.Store.InTx(ctx, func(tx tx) (err error) {
				defer func() {
					if p := recover(); p != nil {
						err = fmt.Errorf("%v", p)
					}
				}()
				return fn(tx)
			})
		}
	}},
	{"an ended context is ignored", "InTx/an ended context commits nothing", "must not commit; InTx returned nil", func(v *variant) {
		v.inTx = func(ctx context.Context, fn func(tx) error) error {
			return v.Store.InTx(context.WithoutCancel(ctx), fn)
		}
	}},
	{"a deadlock is returned", "InTx/runs again after a deadlock", "must be run again until they succeed", noRetry},
	{"every call returns fresh", "ShopID/is made once", "must return the ID of the first call", func(v *variant) {
		v.shopID = func(_ context.Context, fresh string) (string, error) { return fresh, nil }
	}},
	{"the shop ID is read and then written", "ShopID/is made once by concurrent callers", "must agree on one", func(v *variant) {
		v.shopID = func(ctx context.Context, fresh string) (string, error) {
			id, err := v.Store.Cursor(ctx, "shop")
			if err != nil || id != "" {
				return id, err
			}
			runtime.Gosched()
			return fresh, v.Store.SetCursor(ctx, "shop", fresh)
		}
	}},
	{"a cursor is found by any case of its name", "Cursor/keeps the last value of each name", `Cursor("events")`, func(v *variant) {
		v.cursor = func(ctx context.Context, name string) (string, error) {
			if value, err := v.Store.Cursor(ctx, strings.ToTitle(name[:1])+name[1:]); err != nil || value != "" {
				return value, err
			}
			return v.Store.Cursor(ctx, name)
		}
	}},
	{"Find ignores its context", "reads return the error of an ended context", "Find with an ended context", func(v *variant) {
		v.find = func(ctx context.Context, id string) (*store.Order, error) {
			return v.Store.Find(context.WithoutCancel(ctx), id)
		}
	}},
}

// noRetry runs the function of a transaction once.
func noRetry(v *variant) {
	v.inTx = func(ctx context.Context, fn func(tx) error) error {
		runs := 0
		return v.Store.InTx(ctx, func(tx tx) error {
			runs++
			if runs > 1 {
				return memstore.ErrDeadlock
			}
			return fn(tx)
		})
	}
}
