package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofulfil/fulfil/internal/suite"
	"github.com/gofulfil/fulfil/store"
)

func dueChecks[Tx any]() []check[Tx] {
	return []check[Tx]{
		{name: "Due/the longest due first", fn: (*kit[Tx]).dueSorted},
		{name: "Due/leases the orders it returns", fn: (*kit[Tx]).dueLease},
		{name: "Due/a save ends the lease", fn: (*kit[Tx]).dueSaved},
		{name: "Due/gives each order to one of concurrent callers", fn: (*kit[Tx]).dueRace},
		{name: "Due/leaves out orders that are being saved", fn: (*kit[Tx]).dueLocked},
		{name: "Due/leaves out locked orders, without waiting", fn: (*kit[Tx]).dueNoWait, writers: true},
		{name: "Due/returns only committed orders", fn: (*kit[Tx]).dueCommitted},
	}
}

const lease = 2 * time.Minute

func dueAt(id string, at time.Time) *store.Order {
	o := order(id)
	o.DueAt = at
	return o
}

func (k *kit[Tx]) due(now time.Time, limit int, why string, want ...string) {
	k.Helper()
	got, err := k.st.Due(k.ctx, now, lease, limit)
	if err != nil {
		k.Fatalf("Due returned: %v", err)
	}
	if !slices.Equal(got, want) {
		k.Errorf("%s: Due must return %q; it returned %q", why, want, got)
	}
}

func (k *kit[Tx]) dueSorted() {
	us := time.Microsecond
	k.due(base, 10, "no orders")
	k.insert(
		dueAt("later", base.Add(us)), dueAt("b", base.Add(-us)), dueAt("never", time.Time{}),
		dueAt("c", base), dueAt("a", base.Add(-time.Hour)), dueAt("a2", base.Add(-time.Hour)),
	)
	k.due(base, 0, "a limit of 0")
	k.due(base, -1, "a negative limit")
	k.due(base.Add(-2*time.Hour), 10, "nothing is due yet")
	k.due(base, 3, "three of four that are due, the longest due first", "a", "a2", "b")
	k.due(base, 10, "the rest: due now, not in the next microsecond and not without DueAt", "c")
	k.due(base.Add(us), 10, "an order that has become due meanwhile", "later")
}

func (k *kit[Tx]) dueLease() {
	k.insert(dueAt("a", base))
	now := base.Add(time.Second)
	k.due(now, 10, "an order that is due", "a")
	k.due(now, 10, "the order was returned a moment ago and its lease holds")
	k.due(now.Add(lease-time.Microsecond), 10, "the lease holds to its end")
	if at := k.find("a").DueAt; !at.Equal(now.Add(lease)) {
		k.Errorf("Due must move DueAt to the end of the lease, %s; Find shows %s", now.Add(lease), at)
	}
	k.inTx(func(tx Tx) error {
		o, err := k.lockIn(tx, "a")
		if err == nil && !o.DueAt.Equal(now.Add(lease)) {
			return suite.Wrongf("Due must move DueAt to the end of the lease, %s; Lock shows %s", now.Add(lease), o.DueAt)
		}
		return err
	})
	k.due(now.Add(lease), 10, "the order was not saved within its lease, so it is returned again", "a")
	k.due(now.Add(lease), 10, "the order is leased again")
}

func (k *kit[Tx]) dueSaved() {
	k.insert(dueAt("a", base), dueAt("b", base))
	k.due(base, 10, "orders that are due", "a", "b")
	err := errors.Join(
		k.update("a", func(o *store.Order) { o.DueAt = time.Time{} }),
		k.update("b", func(o *store.Order) { o.DueAt = base.Add(time.Second) }),
	)
	if err != nil {
		k.Fatalf("Save returned: %v", err)
	}
	if at := k.find("a").DueAt; !at.IsZero() {
		k.Errorf("Save writes DueAt: it must be zero and is %s", at)
	}
	k.due(base.Add(time.Second), 10, "saved with another DueAt", "b")
	k.due(base.Add(24*time.Hour), 10, "the order whose DueAt has come; the other was saved without DueAt", "b")
}

func (k *kit[Tx]) dueRace() {
	const callers, orders = 8, 40
	for i := range orders {
		k.insert(dueAt(fmt.Sprintf("order-%02d", i), base))
	}
	var mu sync.Mutex
	handed := map[string]int{}
	k.race(callers, func(int) error {
		for {
			ids, err := k.st.Due(k.ctx, base, lease, 3)
			if err != nil {
				return err
			}
			if len(ids) > 3 {
				return suite.Wrongf("Due with a limit of 3 returned %d orders", len(ids))
			}
			mu.Lock()
			before := len(handed)
			for _, id := range ids {
				handed[id]++
			}
			done := len(ids) == 0 || before == len(handed)
			mu.Unlock()
			if done {
				return nil
			}
		}
	})
	// For a moment a caller may find all remaining orders locked by another caller, so orders that no caller got are still due.
	for {
		ids, err := k.st.Due(k.ctx, base, lease, orders)
		if err != nil || len(ids) == 0 || len(handed) > orders {
			break
		}
		before := len(handed)
		for _, id := range ids {
			handed[id]++
		}
		if before == len(handed) {
			break
		}
	}
	for id, n := range handed {
		if n != 1 {
			k.Errorf("concurrent calls of Due: each order must go to one caller; %s went to %d", id, n)
			return
		}
	}
	if len(handed) != orders {
		k.Errorf("Due must return every order that is due, %d; it returned %d", orders, len(handed))
	}
}

func (k *kit[Tx]) dueLocked() {
	k.insert(dueAt("a", base))
	hold := func(tx Tx) error { return k.updateIn(tx, "a", func(o *store.Order) { o.DueAt = time.Time{} }) }
	k.meanwhile(hold, nil, func(*atomic.Bool) error {
		ids, err := k.st.Due(k.ctx, base, lease, 10)
		if err == nil && len(ids) > 0 {
			return suite.Wrongf("Due must leave out an order that a transaction has locked; it returned %q", ids)
		}
		return err
	})
	if at := k.find("a").DueAt; !at.IsZero() {
		k.Errorf("Due must not undo the save of a concurrent transaction: DueAt must be zero and is %s", at)
	}
}

func (k *kit[Tx]) dueNoWait() {
	k.insert(dueAt("a", base), dueAt("b", base))
	var handed []string // of all runs of the function
	k.inTx(func(tx Tx) error {
		if _, err := k.lockIn(tx, "a"); err != nil {
			return err
		}
		// This runs in the goroutine of the transaction. If Due waited for the lock, it would wait for ever.
		ids, err := k.st.Due(k.ctx, base, lease, 10)
		handed = append(handed, ids...)
		return err
	})
	if !slices.Equal(handed, []string{"b"}) {
		k.Errorf("Due must leave out the order that is locked and return the other; it returned %q", handed)
	}
	k.due(base, 10, "the lock is over and the order was not saved", "a")
}

func (k *kit[Tx]) dueCommitted() {
	hold := func(tx Tx) error { _, err := k.st.Insert(k.ctx, tx, dueAt("a", base)); return err }
	k.meanwhile(hold, &trouble{"rolled back"}, func(*atomic.Bool) error {
		ids, err := k.st.Due(k.ctx, base, lease, 10)
		if err == nil && len(ids) > 0 {
			return suite.Wrongf("Due must leave out an order whose insert is not committed; it returned %q", ids)
		}
		return err
	})
}
