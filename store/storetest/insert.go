package storetest

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/gofulfil/fulfil/internal/suite"
	"github.com/gofulfil/fulfil/store"
)

func insertChecks[Tx any]() []check[Tx] {
	return []check[Tx]{
		{name: "Insert/answers for each order", fn: (*kit[Tx]).insertAnswers},
		{name: "Insert/refuses an order without an ID", fn: (*kit[Tx]).insertMalformed},
		{name: "Insert/IDs are exact and up to 200 bytes", fn: (*kit[Tx]).insertIDs},
		{name: "Insert/a thousand at once", fn: (*kit[Tx]).insertMany},
		{name: "Insert/one of concurrent callers adds an order", fn: (*kit[Tx]).insertRace},
		{name: "Insert/waits for a concurrent insert that commits", fn: (*kit[Tx]).insertWaits},
		{name: "Insert/waits for a concurrent insert that rolls back", fn: (*kit[Tx]).insertTakesOver},
	}
}

func (k *kit[Tx]) insertAnswers() {
	expect := func(want []bool, orders ...*store.Order) {
		k.Helper()
		k.inTx(func(tx Tx) error {
			got, err := k.st.Insert(k.ctx, tx, orders...)
			if err == nil && (len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want)) {
				return suite.Wrongf("Insert must answer for each order whether it was added, %v; it answered %v", want, got)
			}
			return err
		})
	}
	second, again := order("b"), order("a")
	second.Currency, again.Currency = "eur", "jpy"
	expect([]bool{})
	expect([]bool{true, true, false}, order("a"), order("b"), second)
	expect([]bool{false, true}, again, order("c"))
	for _, id := range []string{"a", "b", "c"} {
		if o := k.find(id); o.Currency != "usd" {
			k.Errorf("an Insert that answers false must change nothing; it overwrote order %s", id)
		}
	}
}

func (k *kit[Tx]) insertMalformed() {
	err := k.st.InTx(k.ctx, func(tx Tx) error {
		_, err := k.st.Insert(k.ctx, tx, order(""))
		return err
	})
	if err == nil {
		k.Errorf("Insert of an order without an ID must be an error; it was none")
	}
}

func (k *kit[Tx]) insertIDs() {
	long := strings.Repeat("x", 199)
	ids := []string{"order-1", "Order-1", "ORDER-1", "order_1", "order-10", "-", "_", long + "1", long + "2", long + "X", long + "x"}
	for i, id := range ids {
		o := order(id)
		o.Amounts.Total = int64(i)
		k.insert(o)
	}
	for i, id := range ids {
		if o := k.find(id); o.ID != id || o.Amounts.Total != int64(i) {
			k.Errorf("IDs must be told apart byte by byte; Find(%q) returned order %q", id, o.ID)
		}
	}
	k.missing("oRDER-1", "IDs must be told apart by case")
	k.missing(long, "IDs must be told apart by length")
	k.missing("", "no order has an empty ID")
}

func (k *kit[Tx]) insertMany() {
	orders := make([]*store.Order, store.MaxLimit+1)
	for i := range orders {
		orders[i] = order("order-" + strconv.Itoa(i))
	}
	k.insert(orders...)
	k.find(orders[store.MaxLimit].ID)
	for limit, want := range map[int]int{0: store.DefaultLimit, -1: store.DefaultLimit, 2 * store.MaxLimit: store.MaxLimit} {
		page, err := k.st.List(k.ctx, store.Query{Limit: limit})
		if err != nil || len(page) != want {
			k.Errorf("of %d orders, List with Limit %d must return %d; it returned %d, %v", len(orders), limit, want, len(page), err)
		}
	}
}

func (k *kit[Tx]) insertRace() {
	const callers = 8
	inserted := make([][]bool, callers)
	k.race(callers, func(i int) error {
		mine := []*store.Order{order("a"), order("b")}
		for _, o := range mine {
			o.Amounts.Total = int64(i)
		}
		if i%2 == 1 { // a clashing sequence
			mine[0], mine[1] = mine[1], mine[0]
		}
		return k.st.InTx(k.ctx, func(tx Tx) error {
			suite.Yield()
			added, err := k.st.Insert(k.ctx, tx, mine...)
			suite.Yield()
			if err == nil && i%2 == 1 {
				added[0], added[1] = added[1], added[0]
			}
			inserted[i] = added
			return err
		})
	})
	for n, id := range []string{"a", "b"} {
		winners, winner := 0, 0
		for i := range inserted {
			if inserted[i][n] {
				winners, winner = winners+1, i
			}
		}
		if winners != 1 {
			k.Fatalf("of %d concurrent inserts of one ID exactly one must answer true; %d did", callers, winners)
		}
		if o := k.find(id); o.Amounts.Total != int64(winner) {
			k.Errorf("of concurrent inserts of one ID the stored order must be that of the caller that got true")
		}
	}
}

func (k *kit[Tx]) insertWaits() {
	k.insertBeside(nil, false, "commits, so that the second must answer false")
}

func (k *kit[Tx]) insertTakesOver() {
	k.insertBeside(&trouble{"rolled back"}, true, "rolls back, so that the second must answer true")
}

func (k *kit[Tx]) insertBeside(end error, want bool, what string) {
	k.Helper()
	insert := func(tx Tx) ([]bool, error) { return k.st.Insert(k.ctx, tx, order("a")) }
	k.meanwhile(func(tx Tx) error { _, err := insert(tx); return err }, end, func(ended *atomic.Bool) error {
		return k.st.InTx(k.ctx, func(tx Tx) error {
			got, err := insert(tx)
			switch {
			case err != nil:
				return err
			case !ended.Load():
				return fmt.Errorf("a second insert of an ID must wait until the first ends; it answered %v before", got)
			case len(got) != 1 || got[0] != want:
				return fmt.Errorf("the first insert of an ID %s; it answered %v", what, got)
			}
			return nil
		})
	})
}
