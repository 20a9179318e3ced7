package storetest

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofulfil/fulfil/store"
)

var brokenQueries = []broken{
	{"Insert forgets the references", "FindRef/finds by every reference", "Insert writes every reference", func(v *variant) {
		v.insert = func(ctx context.Context, tx tx, o ...*store.Order) ([]bool, error) {
			inserted, err := v.Store.Insert(ctx, tx, o...)
			for _, ref := range o[0].Refs() {
				err = errors.Join(err, tx.Delete(ctx, "fulfil_ref/"+ref))
			}
			return inserted, err
		}
	}},
	{"the last order steals a reference", "FindRef/a reference stays with its first order", "must return order a; it returned order b", func(v *variant) {
		v.save = func(ctx context.Context, tx tx, o ...*store.Order) error {
			err := v.Store.Save(ctx, tx, o...)
			for _, ref := range o[0].Refs() {
				err = errors.Join(err, tx.Set(ctx, "fulfil_ref/"+ref, o[0].ID))
			}
			return err
		}
	}},
	{"references are written outside of the transaction", "FindRef/a reference that is rolled back is free", "was rolled back", func(v *variant) {
		var refs sync.Map
		v.save = func(ctx context.Context, tx tx, o ...*store.Order) error {
			for _, ref := range o[0].Refs() {
				refs.LoadOrStore(ref, o[0].ID)
			}
			return v.Store.Save(ctx, tx, o...)
		}
		v.findRef = func(ctx context.Context, ref string) (*store.Order, error) {
			if id, ok := refs.Load(ref); ok {
				return v.Store.Find(ctx, id.(string))
			}
			return nil, store.ErrNotFound
		}
	}},
	{"a taken reference refuses the save", "FindRef/one of concurrent orders keeps a reference", "must all be saved", func(v *variant) {
		v.save = func(ctx context.Context, tx tx, o ...*store.Order) error {
			if err := v.Store.Save(ctx, tx, o...); err != nil {
				return err
			}
			for _, ref := range o[0].Refs() {
				if id, _ := tx.Get("fulfil_ref/" + ref); id != o[0].ID {
					return errors.New("unique violation")
				}
			}
			return nil
		}
	}},
	{"a save looks whether a reference is taken before it has the lock", "FindRef/a save that waited does not take the reference", "committed later", func(v *variant) {
		v.save = func(ctx context.Context, tx tx, o ...*store.Order) error {
			ref := "fulfil_ref/" + o[0].Attempts[0].SessionID
			_, taken := v.Store.Get(ref)
			err := v.Store.Save(ctx, tx, o...)
			if err == nil && !taken {
				err = tx.Set(ctx, ref, o[0].ID)
			}
			return err
		}
	}},
	{"the next page begins at the next time", "List/pages by time of creation and then by ID", "must show each order once", func(v *variant) {
		v.list = func(ctx context.Context, q store.Query) ([]*store.Order, error) {
			if q.After != (store.Position{}) {
				q.After, q.CreatedFrom = store.Position{}, q.After.CreatedAt.Add(time.Microsecond)
			}
			return v.Store.List(ctx, q)
		}
	}},
	{"one status is enough", "List/by status", "by several statuses", func(v *variant) {
		v.list = func(ctx context.Context, q store.Query) ([]*store.Order, error) {
			q.Status = q.Status[:min(len(q.Status), 1)]
			return v.Store.List(ctx, q)
		}
	}},
	{"stuck is ignored", "List/stuck orders", "stuck orders", func(v *variant) {
		v.list = func(ctx context.Context, q store.Query) ([]*store.Order, error) {
			q.Stuck = false
			return v.Store.List(ctx, q)
		}
	}},
	{"e-mail addresses are compared exactly", "List/the orders of a customer", "in any case", func(v *variant) {
		v.list = func(ctx context.Context, q store.Query) ([]*store.Order, error) {
			orders, err := v.Store.List(ctx, q)
			return slices.DeleteFunc(orders, func(o *store.Order) bool { return q.Email != "" && o.Customer.Email != q.Email }), err
		}
	}},
	{"one term is enough", "List/the orders of a customer", "by two pairs of metadata", func(v *variant) {
		v.list = func(ctx context.Context, q store.Query) ([]*store.Order, error) {
			if len(q.Metadata) > 1 {
				q.Metadata = map[string]string{"shop": q.Metadata["shop"]}
			}
			return v.Store.List(ctx, q)
		}
	}},
	{"IDs are ignored", "List/by ID", "by ID", func(v *variant) {
		v.list = func(ctx context.Context, q store.Query) ([]*store.Order, error) {
			q.IDs = nil
			return v.Store.List(ctx, q)
		}
	}},
	{"CreatedTo is included", "List/by time of creation", "created before the third", func(v *variant) {
		v.list = func(ctx context.Context, q store.Query) ([]*store.Order, error) {
			if !q.CreatedTo.IsZero() {
				q.CreatedTo = q.CreatedTo.Add(time.Microsecond)
			}
			return v.Store.List(ctx, q)
		}
	}},
}

var brokenClaims = []broken{
	{"a repeated key is the first twice", "Claim/answers for each key", "a key repeated in one call", func(v *variant) {
		v.claim = func(ctx context.Context, tx tx, now time.Time, keys ...string) ([]bool, error) {
			first, err := v.Store.Claim(ctx, tx, now, keys...)
			for i, key := range keys {
				first[i] = first[slices.Index(keys, key)]
			}
			return first, err
		}
	}},
	{"keys are folded", "Claim/keys are exact and up to 500 bytes", `"EVT_1" is new`, func(v *variant) {
		v.claim = func(ctx context.Context, tx tx, now time.Time, keys ...string) ([]bool, error) {
			return v.Store.Claim(ctx, tx, now, strings.ToLower(keys[0]))
		}
	}},
	{"keys are padded", "Claim/keys are exact and up to 500 bytes", `"evt_1 " is new`, func(v *variant) {
		v.claim = func(ctx context.Context, tx tx, now time.Time, keys ...string) ([]bool, error) {
			return v.Store.Claim(ctx, tx, now, strings.TrimRight(keys[0], " "))
		}
	}},
	{"long keys are cut", "Claim/refuses an empty or too long key", "must be an error", func(v *variant) {
		v.claim = func(ctx context.Context, tx tx, now time.Time, keys ...string) ([]bool, error) {
			for i, key := range keys {
				keys[i] = key[:min(len(key), 500)]
			}
			return v.Store.Claim(ctx, tx, now, keys...)
		}
	}},
	{"a statement has 999 parameters", "Claim/many at once", "too many parameters", func(v *variant) {
		v.claim = func(ctx context.Context, tx tx, now time.Time, keys ...string) ([]bool, error) {
			if len(keys) > 999 {
				return nil, errors.New("too many parameters")
			}
			return v.Store.Claim(ctx, tx, now, keys...)
		}
	}},
	{"two callers claim one key", "Claim/one of concurrent callers is the first", "exactly one must win", claimAsksFirst},
	{"a claim that waited answers what it saw before", "Claim/waits for a concurrent claim that commits", "the second answered [true]", claimAsksFirst},
	{"claims are kept outside of the transaction", "Claim/waits for a concurrent claim that rolls back", "must wait until the first transaction ends|the second answered [false]", claimOutside},
	{"a claim survives a rollback", "InTx/an error rolls all of it back", "after an error, a claimed key must be free again", claimOutside},
}

func claimAsksFirst(v *variant) {
	v.claim = func(ctx context.Context, tx tx, now time.Time, keys ...string) ([]bool, error) {
		first := make([]bool, len(keys))
		for i, key := range keys {
			_, taken := v.Store.Get("fulfil_claim/" + key)
			first[i] = !taken
		}
		_, err := v.Store.Claim(ctx, tx, now, keys...)
		return first, err
	}
}

func claimOutside(v *variant) {
	var taken sync.Map
	v.claim = func(_ context.Context, _ tx, _ time.Time, keys ...string) ([]bool, error) {
		first := make([]bool, len(keys))
		for i, key := range keys {
			_, loaded := taken.LoadOrStore(key, true)
			first[i] = !loaded
		}
		return first, nil
	}
}

var brokenDue = []broken{
	{"the newest due comes first", "Due/the longest due first", "the longest due first", func(v *variant) {
		v.due = func(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]string, error) {
			ids, err := v.Store.Due(ctx, now, lease, limit)
			slices.Reverse(ids)
			return ids, err
		}
	}},
	{"nothing is leased", "Due/leases the orders it returns", "its lease holds", func(v *variant) { v.due = v.selectDue }},
	{"a lease is too long", "Due/leases the orders it returns", "must move DueAt to the end of the lease", func(v *variant) {
		v.due = func(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]string, error) {
			return v.Store.Due(ctx, now, 2*lease, limit)
		}
	}},
	{"leases are kept beside the orders", "Due/a save ends the lease", "must return", leasesBeside},
	{"orders are selected and then leased", "Due/gives each order to one of concurrent callers", "each order must go to one caller", selectThenLease},
	{"locks are ignored", "Due/leaves out orders that are being saved", "must leave out an order that a transaction has locked", leasesBeside},
	{"locks are waited for", "Due/leaves out locked orders, without waiting", "context deadline exceeded", selectThenLease},
	{"inserts are due before they are committed", "Due/returns only committed orders", "not committed", func(v *variant) {
		var mu sync.Mutex
		var due []string
		v.insert = func(ctx context.Context, tx tx, o ...*store.Order) ([]bool, error) {
			mu.Lock()
			due = append(due, o[0].ID)
			mu.Unlock()
			return v.Store.Insert(ctx, tx, o...)
		}
		v.due = func(context.Context, time.Time, time.Duration, int) ([]string, error) {
			mu.Lock()
			defer mu.Unlock()
			return due, nil
		}
	}},
}

// selectDue returns orders that are due without leasing them.
func (v *variant) selectDue(ctx context.Context, now time.Time, _ time.Duration, limit int) (ids []string, err error) {
	all, err := v.Store.List(ctx, store.Query{})
	for _, o := range all {
		if !o.DueAt.IsZero() && !o.DueAt.After(now) && len(ids) < limit {
			ids = append(ids, o.ID)
		}
	}
	return ids, err
}

func selectThenLease(v *variant) {
	v.due = func(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]string, error) {
		ids, err := v.selectDue(ctx, now, lease, limit)
		if err != nil {
			return nil, err
		}
		runtime.Gosched()
		return ids, v.Store.InTx(ctx, func(tx tx) error {
			due, err := v.Store.Lock(ctx, tx, ids...)
			for _, o := range due {
				o.DueAt = now.Add(lease)
			}
			return errors.Join(err, v.Store.Save(ctx, tx, due...))
		})
	}
}

func leasesBeside(v *variant) {
	var mu sync.Mutex
	leased := map[string]time.Time{}
	v.due = func(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]string, error) {
		mu.Lock()
		defer mu.Unlock()
		ids, err := v.selectDue(ctx, now, lease, limit)
		ids = slices.DeleteFunc(ids, func(id string) bool { return leased[id].After(now) })
		for _, id := range ids {
			leased[id] = now.Add(lease)
		}
		return ids, err
	}
}
