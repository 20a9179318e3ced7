package storetest

import (
	"errors"
	"time"

	"github.com/gofulfil/fulfil/store"
)

func countChecks[Tx any]() []check[Tx] {
	return []check[Tx]{
		{name: "Count/counts what is stuck and due", fn: (*kit[Tx]).countOrders},
		{name: "Count/counts only committed orders, without waiting", fn: (*kit[Tx]).countCommitted},
	}
}

// counts checks what a [store.Counter] answers. A Store that is none passes.
func (k *kit[Tx]) counts(now time.Time, why string, want store.Counts) {
	k.Helper()
	counter, ok := k.st.(store.Counter)
	if !ok {
		return
	}
	got, err := counter.Count(k.ctx, now)
	if err != nil {
		k.Fatalf("Count returned: %v", err)
	}
	if got != want {
		k.Errorf("%s: Count must answer %+v; it answered %+v", why, want, got)
	}
}

func (k *kit[Tx]) countOrders() {
	us := time.Microsecond
	k.counts(base, "no orders", store.Counts{})
	tried, both := order("tried"), dueAt("both", base.Add(us))
	tried.ChangeDelivery.Tries, both.ChangeDelivery.Tries = store.StuckAfter, store.StuckAfter
	k.insert(order("fine"), tried, both, dueAt("now", base), dueAt("later", base.Add(time.Hour)))
	k.counts(base.Add(-us), "nothing is due yet", store.Counts{Stuck: 2})
	k.counts(base, "one is due from now on", store.Counts{Stuck: 2, Due: 1, DueSince: base})
	k.counts(base.Add(us), "two are due", store.Counts{Stuck: 2, Due: 2, DueSince: base})
	k.due(base, 10, "Count must take no lease", "now")
	k.counts(base.Add(us), "one is leased to a caller of Due, and so not due", store.Counts{Stuck: 2, Due: 1, DueSince: base.Add(us)})
}

func (k *kit[Tx]) countCommitted() {
	k.insert(dueAt("locked", base))
	rolledBack := errors.New("rolled back")
	err := k.st.InTx(k.ctx, func(tx Tx) error {
		if _, err := k.st.Lock(k.ctx, tx, "locked"); err != nil {
			return err
		}
		if _, err := k.st.Insert(k.ctx, tx, dueAt("uncommitted", base)); err != nil {
			return err
		}
		k.counts(base, "one order is locked, and one not committed", store.Counts{Due: 1, DueSince: base})
		return rolledBack
	})
	if !errors.Is(err, rolledBack) {
		k.Fatalf("InTx must return its function's error; it returned: %v", err)
	}
}
