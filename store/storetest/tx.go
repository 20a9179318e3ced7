package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/gofulfil/fulfil/internal/suite"
	"github.com/gofulfil/fulfil/store"
)

func txChecks[Tx any]() []check[Tx] {
	return []check[Tx]{
		{name: "InTx/commits all of it at once", fn: (*kit[Tx]).txCommits},
		{name: "InTx/an error rolls all of it back", fn: (*kit[Tx]).txError},
		{name: "InTx/a panic rolls all of it back and goes on", fn: (*kit[Tx]).txPanic},
		{name: "InTx/an ended context commits nothing", fn: (*kit[Tx]).txContext},
		{name: "InTx/runs again after a deadlock", fn: (*kit[Tx]).txDeadlock},
	}
}

// write does each kind of write once. The store must have the order "old".
func (k *kit[Tx]) write(tx Tx) error {
	fresh := order("new")
	fresh.Attempts = []store.Attempt{{N: 1, SessionID: "cs_new"}}
	if _, err := k.st.Insert(k.ctx, tx, fresh); err != nil {
		return err
	}
	if _, err := k.st.Claim(k.ctx, tx, base, "evt_1"); err != nil {
		return err
	}
	return k.updateIn(tx, "old", func(o *store.Order) {
		o.Currency = "eur"
		o.Attempts = []store.Attempt{{N: 1, SessionID: "cs_old"}}
	})
}

// unwritten fails if a change of write can be seen.
func (k *kit[Tx]) unwritten(when string) {
	k.Helper()
	k.missing("new", when+", an inserted order must not be there")
	if o := k.find("old"); o.Currency != "usd" {
		k.Errorf("%s, a saved order must be unchanged; it has changed", when)
	}
	for _, ref := range []string{"cs_new", "cs_old"} {
		if o, err := k.st.FindRef(k.ctx, ref); !errors.Is(err, store.ErrNotFound) {
			k.Errorf("%s, a reference must not be there; FindRef(%q) returned %v, %v", when, ref, o, err)
		}
	}
	all, err := k.st.List(k.ctx, store.Query{})
	if err != nil || len(all) != 1 {
		k.Errorf("%s, List must show the one order from before; it returned %d, %v", when, len(all), err)
	}
}

func (k *kit[Tx]) free(key, when string) {
	k.Helper()
	k.inTx(func(tx Tx) error {
		first, err := k.st.Claim(k.ctx, tx, base, key)
		if err == nil && (len(first) != 1 || !first[0]) {
			return fmt.Errorf("%s, a claimed key must be free again; Claim answered %v", when, first)
		}
		return err
	})
}

func (k *kit[Tx]) txCommits() {
	k.insert(order("old"))
	k.inTx(func(tx Tx) error {
		if err := k.write(tx); err != nil {
			return err
		}
		k.unwritten("before the commit")
		return nil
	})
	k.find("new")
	if o := k.find("old"); o.Currency != "eur" {
		k.Errorf("after the commit, a saved order must have changed; it is unchanged")
	}
	for ref, id := range map[string]string{"cs_new": "new", "cs_old": "old"} {
		if o, err := k.st.FindRef(k.ctx, ref); err != nil || o.ID != id {
			k.Errorf("after the commit, FindRef(%q) must return order %q; it returned %v, %v", ref, id, o, err)
		}
	}
}

// trouble is an error that checks look for with errors.As.
type trouble struct{ what string }

func (e *trouble) Error() string { return e.what }

func (k *kit[Tx]) txError() {
	k.insert(order("old"))
	err := k.st.InTx(k.ctx, func(tx Tx) error {
		if err := k.write(tx); err != nil {
			return err
		}
		return &trouble{"no"}
	})
	var back *trouble
	if !errors.As(err, &back) || back.what != "no" {
		k.Errorf("InTx must return its function's error so that errors.As finds it; it returned: %v", err)
	}
	k.unwritten("after an error")
	k.free("evt_1", "after an error")
	if err := k.update("old", func(*store.Order) {}); err != nil {
		k.Errorf("after an error, a locked order must be free to lock again: %v", err)
	}
}

func (k *kit[Tx]) txPanic() {
	k.insert(order("old"))
	func() {
		defer func() {
			if p := recover(); p != "boom" {
				k.Errorf("InTx must pass a panic on with its value; recovered %v", p)
			}
		}()
		err := k.st.InTx(k.ctx, func(tx Tx) error {
			if err := k.write(tx); err != nil {
				return err
			}
			panic("boom")
		})
		k.Errorf("a panic must go on through InTx; instead InTx returned: %v", err)
	}()
	k.unwritten("after a panic")
	k.free("evt_1", "after a panic")
	if err := k.update("old", func(*store.Order) {}); err != nil {
		k.Errorf("after a panic, a locked order must be free to lock again: %v", err)
	}
}

func (k *kit[Tx]) txContext() {
	k.insert(order("old"))
	ctx, cancel := context.WithCancel(k.ctx)
	err := k.st.InTx(ctx, func(tx Tx) error {
		defer cancel()
		return k.write(tx)
	})
	if err == nil {
		k.Errorf("a transaction whose context ended before its function returned must not commit; InTx returned nil")
	}
	k.unwritten("after the context ended")
	err = k.st.InTx(ctx, func(tx Tx) error {
		_, err := k.st.Insert(ctx, tx, order("late"))
		return err
	})
	if !errors.Is(err, context.Canceled) {
		k.Errorf("InTx with an ended context must return its error; it returned: %v", err)
	}
	k.missing("late", "with an ended context nothing may be written")
}

func (k *kit[Tx]) txDeadlock() {
	k.insert(order("a"), order("b"))
	const callers, rounds = 6, 20
	k.race(callers, func(i int) error {
		first, second := "a", "b"
		if i%2 == 1 {
			first, second = second, first
		}
		for range rounds {
			err := k.st.InTx(k.ctx, func(tx Tx) error {
				if err := k.updateIn(tx, first, func(o *store.Order) { o.Amounts.Total++ }); err != nil {
					return err
				}
				suite.Yield()
				return k.updateIn(tx, second, func(o *store.Order) { o.Amounts.Total++ })
			})
			if err != nil {
				return fmt.Errorf("transactions that lock two orders in clashing sequences must be run again until they succeed: %w", err)
			}
		}
		return nil
	})
	for _, id := range []string{"a", "b"} {
		if n := k.find(id).Amounts.Total; n != callers*rounds {
			k.Errorf("%d transactions each added 1 to order %s, some in a second run after a deadlock; the order has %d", callers*rounds, id, n)
		}
	}
}
