package storetest

import (
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"github.com/gofulfil/fulfil/internal/suite"
	"github.com/gofulfil/fulfil/store"
)

func saveChecks[Tx any]() []check[Tx] {
	return []check[Tx]{
		{name: "Save/every field comes back", fn: (*kit[Tx]).saveRoundTrip},
		{name: "Save/times come back in UTC to the microsecond", fn: (*kit[Tx]).saveTimes},
		{name: "Save/an order that is not there is an error", fn: (*kit[Tx]).saveUnknown},
		{name: "Save/an order that can't be encoded is an error", fn: (*kit[Tx]).saveMalformed},
		{name: "Save/shares no memory with the caller", fn: (*kit[Tx]).saveMemory},
		{name: "Find/shows committed orders and never waits", fn: (*kit[Tx]).findCommitted},
	}
}

func (k *kit[Tx]) saveRoundTrip() {
	full := FullOrder("full")
	k.insert(full)
	k.same("inserted with every field set", k.find("full"), FullOrder("full"))

	bare := &store.Order{ID: "bare", CreatedAt: base, Mode: "setup"}
	k.insert(bare)
	k.same("inserted with few fields set", k.find("bare"), &store.Order{ID: "bare", CreatedAt: base, Mode: "setup"})

	swap := func(id string, with *store.Order) error { return k.update(id, func(o *store.Order) { *o = *with }) }
	filled, emptied := FullOrder("bare"), &store.Order{ID: "full", CreatedAt: base.Add(time.Second), Mode: "payment"}
	if err := errors.Join(swap("bare", filled), swap("full", emptied)); err != nil {
		k.Fatalf("Save of a locked order returned: %v", err)
	}
	k.same("saved with every field set, few before", k.find("bare"), FullOrder("bare"))
	k.same("saved with few fields set, all before", k.find("full"), emptied)

	k.inTx(func(tx Tx) error {
		o, err := k.lockIn(tx, "bare")
		if err == nil {
			k.same("locked", o, FullOrder("bare"))
		}
		return err
	})
	byRef, err := k.st.FindRef(k.ctx, filled.Attempts[1].Charge)
	if err != nil {
		k.Fatalf("FindRef of a saved charge returned: %v", err)
	}
	k.same("found by reference", byRef, FullOrder("bare"))
	page, err := k.st.List(k.ctx, store.Query{Status: []store.Status{filled.Status()}})
	if err != nil || len(page) != 1 {
		k.Fatalf("List of the one %s order returned %d, %v", filled.Status(), len(page), err)
	}
	k.same("listed", page[0], FullOrder("bare"))
}

func (k *kit[Tx]) saveTimes() {
	at := func(ns int) time.Time {
		return time.Date(2026, 3, 29, 2, 30, 0, ns, time.FixedZone("far", -11*3600))
	}
	o := order("a")
	o.CreatedAt, o.UpdatedAt, o.DueAt, o.FulfilledAt = at(1999), at(2999), at(999_999_999), at(4999)
	o.Attempts = []store.Attempt{{N: 1, PaidAt: at(5999), CheckedAt: at(6999)}}
	o.Notices = []store.Notice{{N: 1, At: at(7999)}}
	want := order("a")
	want.CreatedAt, want.UpdatedAt, want.DueAt, want.FulfilledAt = at(1000).UTC(), at(2000).UTC(), at(999_999_000).UTC(), at(4000).UTC()
	want.Attempts = []store.Attempt{{N: 1, PaidAt: at(5000).UTC(), CheckedAt: at(6000).UTC()}}
	want.Notices = []store.Notice{{N: 1, At: at(7000).UTC()}}
	k.insert(o)
	k.same("with times of another zone, to the nanosecond", k.find("a"), want)
}

func (k *kit[Tx]) saveUnknown() {
	err := k.st.InTx(k.ctx, func(tx Tx) error {
		if _, err := k.st.Lock(k.ctx, tx, "nobody"); err != nil {
			return nil
		}
		return k.st.Save(k.ctx, tx, order("nobody"))
	})
	if err == nil {
		k.Errorf("Save of an order that was never inserted must be an error; it was none")
	}
	k.missing("nobody", "a refused Save must store nothing")
}

func (k *kit[Tx]) saveMalformed() {
	k.insert(order("a"))
	err := k.update("a", func(o *store.Order) { o.Session = json.RawMessage(`{"id":`) })
	if err == nil {
		k.Errorf("Save of an order whose session is not JSON must be an error; it was none")
	}
	k.same("after a Save that failed", k.find("a"), order("a"))
}

func (k *kit[Tx]) saveMemory() {
	spoil := func(o *store.Order) {
		o.Currency, o.Lines[0].Name, o.Metadata["k"] = "spoilt", "spoilt", "spoilt"
	}
	fresh := func() *store.Order {
		o := order("a")
		o.Metadata = map[string]string{"k": "v"}
		return o
	}
	k.inTx(func(tx Tx) error {
		o := fresh()
		if _, err := k.st.Insert(k.ctx, tx, o); err != nil {
			return err
		}
		spoil(o)
		return nil
	})
	k.same("changed by the caller after Insert", k.find("a"), fresh())
	k.inTx(func(tx Tx) error {
		o, err := k.lockIn(tx, "a")
		if err != nil {
			return err
		}
		if err := k.st.Save(k.ctx, tx, o); err != nil {
			return err
		}
		spoil(o)
		return nil
	})
	k.same("changed by the caller after Save", k.find("a"), fresh())
	k.inTx(func(tx Tx) error {
		o, err := k.lockIn(tx, "a")
		if err == nil {
			spoil(o)
		}
		return err
	})
	k.same("locked and changed, but not saved", k.find("a"), fresh())
	spoil(k.find("a"))
	k.same("found and changed, but not saved", k.find("a"), fresh())
	page, err := k.st.List(k.ctx, store.Query{})
	if err != nil || len(page) != 1 {
		k.Fatalf("List returned %d orders, %v", len(page), err)
	}
	spoil(page[0])
	k.same("listed and changed, but not saved", k.find("a"), fresh())
}

func (k *kit[Tx]) findCommitted() {
	old := order("a")
	old.Attempts = []store.Attempt{{N: 1, SessionID: "cs_a"}}
	k.insert(old)
	hold := func(tx Tx) error {
		err := k.updateIn(tx, "a", func(o *store.Order) { o.Currency = "eur" })
		if err != nil {
			return err
		}
		// This runs in the goroutine of the transaction. If a read waited for the lock, it would wait for ever.
		o, err := k.st.Find(k.ctx, "a")
		if err != nil {
			return suite.Wrongf("Find of an order that a transaction has locked must not wait: %w", err)
		}
		k.same("found while a transaction is changing it", o, old)
		o, err = k.st.FindRef(k.ctx, "cs_a")
		if err != nil {
			return suite.Wrongf("FindRef of an order that a transaction has locked must not wait: %w", err)
		}
		k.same("found by reference while a transaction is changing it", o, old)
		return nil
	}
	k.meanwhile(hold, nil, func(*atomic.Bool) error { return nil })
	if o := k.find("a"); o.Currency != "eur" {
		k.Errorf("Find must show the last commit; it showed the order from before")
	}
}
