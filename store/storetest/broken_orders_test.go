package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofulfil/fulfil/store"
)

var brokenOrders = []broken{
	{"a taken ID is overwritten", "Insert/answers for each order", "it overwrote order a", func(v *variant) {
		v.insert = func(ctx context.Context, tx tx, o ...*store.Order) ([]bool, error) {
			inserted, err := v.Store.Insert(ctx, tx, o...)
			return inserted, errors.Join(err, v.Store.Save(ctx, tx, o...))
		}
	}},
	{"an order without an ID is taken", "Insert/refuses an order without an ID", "without an ID must be an error", func(v *variant) {
		v.insert = func(ctx context.Context, tx tx, o ...*store.Order) ([]bool, error) {
			if o[0].ID == "" {
				return []bool{true}, nil
			}
			return v.Store.Insert(ctx, tx, o...)
		}
	}},
	{"IDs are found by any case", "Insert/IDs are exact and up to 200 bytes", "told apart by case", func(v *variant) {
		v.find = func(ctx context.Context, id string) (*store.Order, error) {
			all, err := v.Store.List(ctx, store.Query{})
			for _, o := range all {
				if strings.EqualFold(o.ID, id) && o.ID != id {
					if exact, err := v.Store.Find(ctx, id); err == nil {
						return exact, nil
					}
					return o, err
				}
			}
			return v.Store.Find(ctx, id)
		}
	}},
	{"a statement has 999 parameters", "Insert/a thousand at once", "too many parameters", func(v *variant) {
		v.insert = func(ctx context.Context, tx tx, o ...*store.Order) ([]bool, error) {
			if len(o) > 999 {
				return nil, errors.New("too many parameters")
			}
			return v.Store.Insert(ctx, tx, o...)
		}
	}},
	{"a page has no bounds", "Insert/a thousand at once", "List with Limit 0 must return 100", func(v *variant) {
		v.list = func(ctx context.Context, q store.Query) (all []*store.Order, err error) {
			for {
				page, err := v.Store.List(ctx, q)
				all = append(all, page...)
				if err != nil || len(page) == 0 || len(all) == q.Limit {
					return all, err
				}
				q.After = store.Position{CreatedAt: page[len(page)-1].CreatedAt, ID: page[len(page)-1].ID}
			}
		}
	}},
	{"an insert looks whether an ID is taken before it has the lock", "Insert/one of concurrent callers adds an order", "exactly one must answer true", insertAsksFirst},
	{"an insert that waited answers what it saw before", "Insert/waits for a concurrent insert that commits", "must answer false; it answered [true]", insertAsksFirst},
	{"taken IDs are kept outside of the transaction", "Insert/waits for a concurrent insert that rolls back", "must wait until the first ends|must answer true", func(v *variant) {
		var taken sync.Map
		v.insert = func(ctx context.Context, tx tx, o ...*store.Order) ([]bool, error) {
			if _, loaded := taken.LoadOrStore(o[0].ID, true); loaded {
				return []bool{false}, nil
			}
			return v.Store.Insert(ctx, tx, o...)
		}
	}},
	{"locked orders come sorted", "Lock/answers in the sequence given", "must answer", func(v *variant) {
		v.lock = func(ctx context.Context, tx tx, ids ...string) ([]*store.Order, error) {
			return v.Store.Lock(ctx, tx, slices.Sorted(slices.Values(ids))...)
		}
	}},
	{"a repeated ID answers the same order", "Lock/answers in the sequence given", "must answer a copy each time", func(v *variant) {
		v.lock = func(ctx context.Context, tx tx, ids ...string) ([]*store.Order, error) {
			answers, err := v.Store.Lock(ctx, tx, ids...)
			for i, id := range ids {
				answers[i] = answers[slices.Index(ids, id)]
			}
			return answers, err
		}
	}},
	{"a lock shows the committed order", "Lock/shows the transaction's own writes", "this transaction saved", func(v *variant) {
		v.lock = func(ctx context.Context, tx tx, ids ...string) ([]*store.Order, error) {
			answers, err := v.Store.Lock(ctx, tx, ids...)
			for i, id := range ids {
				if o, err := v.Store.Find(ctx, id); err == nil {
					answers[i] = o
				}
			}
			return answers, err
		}
	}},
	{"a lock locks nothing", "Lock/loses no update", "updates were lost", noLock},
	{"a lock answers at once", "Lock/waits and then shows the last commit", "must wait until the first transaction ends|showed the order from before", noLock},
	{"a lock shows an old snapshot", "Lock/waits and then shows the last commit", "it showed the order from before", staleLock},
	{"locks are taken in the sequence given", "Lock/of many in clashing sequences", "must not stop each other", func(v *variant) {
		noRetry(v)
		v.lock = func(ctx context.Context, tx tx, ids ...string) (answers []*store.Order, err error) {
			for _, id := range ids {
				o, err := v.Store.Lock(ctx, tx, id)
				if err != nil {
					return nil, err
				}
				runtime.Gosched()
				answers = append(answers, o...)
			}
			return answers, nil
		}
	}},
	{"a lock locks the table", "Lock/of one order leaves others alone", "must not block the others", func(v *variant) {
		v.lock = func(ctx context.Context, tx tx, ids ...string) ([]*store.Order, error) {
			if err := tx.Lock(ctx, "the table"); err != nil {
				return nil, err
			}
			return v.Store.Lock(ctx, tx, ids...)
		}
	}},
	{"a column is missing", "Save/every field comes back", "ShippingAddress.PostalCode", func(v *variant) {
		v.save = func(ctx context.Context, tx tx, o ...*store.Order) error {
			o[0].Customer.ShippingAddress.PostalCode = ""
			return v.Store.Save(ctx, tx, o...)
		}
	}},
	{"times come in the zone of the server", "Save/times come back in UTC to the microsecond", "instead of UTC", func(v *variant) {
		v.find = func(ctx context.Context, id string) (*store.Order, error) {
			o, err := v.Store.Find(ctx, id)
			if err == nil {
				o.CreatedAt = o.CreatedAt.In(time.FixedZone("server", 3600))
			}
			return o, err
		}
	}},
	{"times are rounded", "Save/times come back in UTC to the microsecond", "Order.DueAt is", func(v *variant) {
		v.insert = func(ctx context.Context, tx tx, o ...*store.Order) ([]bool, error) {
			rounded := *o[0]
			rounded.DueAt = rounded.DueAt.Round(time.Microsecond)
			return v.Store.Insert(ctx, tx, &rounded)
		}
	}},
	{"an unknown order is added", "Save/an order that is not there is an error", "never inserted must be an error", func(v *variant) {
		v.save = func(ctx context.Context, tx tx, o ...*store.Order) error {
			_, err := v.Store.Insert(ctx, tx, o...)
			return errors.Join(err, v.Store.Save(ctx, tx, o...))
		}
	}},
	{"a session that is not JSON is dropped", "Save/an order that can't be encoded is an error", "not JSON must be an error", func(v *variant) {
		v.save = func(ctx context.Context, tx tx, o ...*store.Order) error {
			if !json.Valid(o[0].Session) {
				o[0].Session = nil
			}
			return v.Store.Save(ctx, tx, o...)
		}
	}},
	{"found orders are shared", "Save/shares no memory with the caller", "found and changed", func(v *variant) {
		var mu sync.Mutex
		var cache, kept orders
		v.find = func(ctx context.Context, id string) (*store.Order, error) {
			o, err := v.Store.Find(ctx, id)
			mu.Lock()
			defer mu.Unlock()
			for i := range cache {
				if reflect.DeepEqual(kept[i], o) {
					return cache[i], err
				}
			}
			if err == nil {
				c, _ := v.Store.Find(ctx, id)
				cache, kept = append(cache, c), append(kept, o)
				return c, nil
			}
			return o, err
		}
	}},
	{"orders are encoded at the commit", "Save/shares no memory with the caller", "changed by the caller after Save", func(v *variant) {
		var last *store.Order
		v.inTx = func(ctx context.Context, fn func(tx) error) error {
			last = nil
			return v.Store.InTx(ctx, func(tx tx) error {
				if err := fn(tx); err != nil || last == nil {
					return err
				}
				return v.Store.Save(ctx, tx, last)
			})
		}
		v.save = func(ctx context.Context, tx tx, o ...*store.Order) error {
			last = o[0]
			return nil
		}
	}},
	{"Find waits for locks", "Find/shows committed orders and never waits", "must not wait", func(v *variant) {
		v.find = func(ctx context.Context, id string) (o *store.Order, err error) {
			err = v.Store.InTx(ctx, func(tx tx) error {
				found, err := v.Store.Lock(ctx, tx, id)
				if err == nil && found[0] == nil {
					return store.ErrNotFound
				}
				if err == nil {
					o = found[0]
				}
				return err
			})
			return o, err
		}
	}},
}

// noLock makes Lock return orders without locking them.
func noLock(v *variant) {
	v.lock = func(ctx context.Context, _ tx, ids ...string) (answers []*store.Order, err error) {
		for _, id := range ids {
			o, err := v.Store.Find(ctx, id)
			if err != nil {
				return nil, err
			}
			answers = append(answers, o)
		}
		return answers, nil
	}
	v.save = func(ctx context.Context, tx tx, o ...*store.Order) error {
		if _, err := v.Store.Lock(ctx, tx, o[0].ID); err != nil {
			return err
		}
		return v.Store.Save(ctx, tx, o...)
	}
}

func staleLock(v *variant) {
	v.lock = func(ctx context.Context, tx tx, ids ...string) ([]*store.Order, error) {
		var before []*store.Order
		for _, id := range ids {
			o, err := v.Store.Find(ctx, id)
			if err != nil {
				return nil, err
			}
			before = append(before, o)
		}
		_, err := v.Store.Lock(ctx, tx, ids...)
		return before, err
	}
}

func insertAsksFirst(v *variant) {
	v.insert = func(ctx context.Context, tx tx, o ...*store.Order) ([]bool, error) {
		first := make([]bool, len(o))
		for i := range o {
			_, err := v.Store.Find(ctx, o[i].ID)
			first[i] = errors.Is(err, store.ErrNotFound)
		}
		_, err := v.Store.Insert(ctx, tx, o...)
		return first, err
	}
}
