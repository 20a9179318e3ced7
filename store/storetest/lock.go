package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"github.com/gofulfil/fulfil/internal/suite"
	"github.com/gofulfil/fulfil/store"
)

func lockChecks[Tx any]() []check[Tx] {
	return []check[Tx]{
		{name: "Lock/answers in the sequence given", fn: (*kit[Tx]).lockAnswers},
		{name: "Lock/shows the transaction's own writes", fn: (*kit[Tx]).lockOwnWrites},
		{name: "Lock/loses no update", fn: (*kit[Tx]).lockExcludes},
		{name: "Lock/waits and then shows the last commit", fn: (*kit[Tx]).lockWaits},
		{name: "Lock/of many in clashing sequences", fn: (*kit[Tx]).lockSorted},
		{name: "Lock/of one order leaves others alone", fn: (*kit[Tx]).lockOne, writers: true},
	}
}

func (k *kit[Tx]) lockAnswers() {
	k.insert(order("a"), order("b"), order("c"))
	k.inTx(func(tx Tx) error {
		ids := []string{"c", "nobody", "a", "c", "b"}
		orders, err := k.st.Lock(k.ctx, tx, ids...)
		if err != nil {
			return err
		}
		if len(orders) != len(ids) {
			return suite.Wrongf("Lock of %d IDs must give as many answers; it gave %d", len(ids), len(orders))
		}
		for i, id := range ids {
			o := orders[i]
			if id == "nobody" && o != nil {
				return suite.Wrongf("Lock must answer nil for an unknown ID; it answered order %q", o.ID)
			}
			if id != "nobody" && (o == nil || o.ID != id) {
				return suite.Wrongf("Lock must answer in the sequence of its IDs; at %d, for %q, it answered %v", i, id, o)
			}
		}
		orders[0].Lines[0].Quantity = 99
		if orders[3].Lines[0].Quantity == 99 {
			return suite.Wrongf("Lock of a repeated ID must answer a copy each time; two answers share their lines")
		}
		none, err := k.st.Lock(k.ctx, tx)
		if err == nil && len(none) != 0 {
			return suite.Wrongf("Lock of no IDs must answer nothing; it answered %d orders", len(none))
		}
		return err
	})
}

func (k *kit[Tx]) lockOwnWrites() {
	k.insert(order("a"))
	k.inTx(func(tx Tx) error {
		if _, err := k.st.Insert(k.ctx, tx, order("b")); err != nil {
			return err
		}
		for n := range int64(2) {
			for _, id := range []string{"a", "b"} {
				o, err := k.lockIn(tx, id)
				if err != nil {
					return err
				}
				if o.Amounts.Total != n {
					return suite.Wrongf("Lock must show the order as this transaction saved it: order %s must have %d and has %d", id, n, o.Amounts.Total)
				}
				o.Amounts.Total++
				if err := k.st.Save(k.ctx, tx, o); err != nil {
					return err
				}
			}
		}
		return nil
	})
	for _, id := range []string{"a", "b"} {
		if n := k.find(id).Amounts.Total; n != 2 {
			k.Errorf("of two saves in one transaction the last must count: order %s must have 2 and has %d", id, n)
		}
	}
}

func (k *kit[Tx]) lockExcludes() {
	k.insert(order("a"))
	const callers, rounds = 8, 20
	k.race(callers, func(int) error {
		for range rounds {
			err := k.st.InTx(k.ctx, func(tx Tx) error {
				return k.updateIn(tx, "a", func(o *store.Order) {
					suite.Yield()
					o.Amounts.Total++
				})
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if n := k.find("a").Amounts.Total; n != callers*rounds {
		k.Errorf("Lock must keep others out until the transaction ends: %d transactions each added 1, and %d updates were lost",
			callers*rounds, callers*rounds-n)
	}
}

func (k *kit[Tx]) lockWaits() {
	for range 5 {
		id := fmt.Sprintf("a%d", rand.Int64())
		k.insert(order(id), order("other-"+id))
		hold := func(tx Tx) error {
			return k.updateIn(tx, id, func(o *store.Order) { o.Amounts.Total = 1 })
		}
		k.meanwhile(hold, nil, func(ended *atomic.Bool) error {
			return k.st.InTx(k.ctx, func(tx Tx) error {
				// Some databases take their snapshot at this read. The snapshot must not hide a commit that happens while the
				// transaction waits.
				if _, err := k.lockIn(tx, "other-"+id); err != nil {
					return err
				}
				o, err := k.lockIn(tx, id)
				switch {
				case err != nil:
					return err
				case !ended.Load():
					return errors.New("a second Lock of an order must wait until the first transaction ends; it answered before")
				case o.Amounts.Total != 1:
					return errors.New("a Lock that waited must show the order as committed meanwhile; it showed the order from before")
				}
				return nil
			})
		})
	}
}

func (k *kit[Tx]) lockSorted() {
	ids := []string{"a", "b", "c", "d", "e"}
	for _, id := range ids {
		k.insert(order(id))
	}
	const callers, rounds = 6, 15
	k.race(callers, func(i int) error {
		random := rand.New(rand.NewPCG(1, uint64(i)))
		for range rounds {
			mine := slices.Clone(ids)
			random.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
			err := k.st.InTx(k.ctx, func(tx Tx) error {
				orders, err := k.st.Lock(k.ctx, tx, mine...)
				if err != nil {
					return err
				}
				for _, o := range orders {
					o.Amounts.Total++
				}
				return k.st.Save(k.ctx, tx, orders...)
			})
			if err != nil {
				return fmt.Errorf("transactions that lock the same orders in clashing sequences must not stop each other, as Lock takes "+
					"its locks by ascending ID: %w", err)
			}
		}
		return nil
	})
	for _, id := range ids {
		if n := k.find(id).Amounts.Total; n != callers*rounds {
			k.Errorf("%d transactions locked five orders and added 1 to each; order %s has %d", callers*rounds, id, n)
		}
	}
}

func (k *kit[Tx]) lockOne() {
	k.insert(order("a"), order("b"))
	k.inTx(func(tx Tx) error {
		if _, err := k.lockIn(tx, "a"); err != nil {
			return err
		}
		if err := k.update("b", func(o *store.Order) { o.Amounts.Total = 1 }); err != nil {
			return fmt.Errorf("a transaction that has locked one order must not block the others: %w", err)
		}
		return nil
	})
}
