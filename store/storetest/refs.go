package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/gofulfil/fulfil/store"
)

func refChecks[Tx any]() []check[Tx] {
	return []check[Tx]{
		{name: "FindRef/finds by every reference", fn: (*kit[Tx]).refEach},
		{name: "FindRef/a reference stays with its first order", fn: (*kit[Tx]).refFirst},
		{name: "FindRef/a reference that is rolled back is free", fn: (*kit[Tx]).refRollback},
		{name: "FindRef/one of concurrent orders keeps a reference", fn: (*kit[Tx]).refRace},
		{name: "FindRef/a save that waited does not take the reference", fn: (*kit[Tx]).refWaits},
	}
}

func withRefs(id string, attempts ...store.Attempt) *store.Order {
	o := order(id)
	o.Attempts = attempts
	return o
}

// leads fails unless ref leads to the order with that ID. An empty ID stands for no order.
func (k *kit[Tx]) leads(ref, id, why string) {
	k.Helper()
	o, err := k.st.FindRef(k.ctx, ref)
	switch {
	case id == "" && !errors.Is(err, store.ErrNotFound):
		k.Errorf("%s: FindRef(%q) must return store.ErrNotFound; it returned %v, %v", why, ref, o, err)
	case id != "" && err != nil:
		k.Errorf("%s: FindRef(%q) must return order %s; it returned: %v", why, ref, id, err)
	case id != "" && o.ID != id:
		k.Errorf("%s: FindRef(%q) must return order %s; it returned order %s", why, ref, id, o.ID)
	}
}

func (k *kit[Tx]) refEach() {
	k.insert(
		withRefs("a", store.Attempt{SessionID: "cs_1", PaymentIntent: "pi_1", Charge: "ch_1"}, store.Attempt{SessionID: "cs_2", Subscription: "sub_2"}),
		withRefs("b"),
	)
	for _, ref := range []string{"cs_1", "pi_1", "ch_1", "cs_2", "sub_2"} {
		k.leads(ref, "a", "Insert writes every reference")
	}
	for _, ref := range []string{"", "cs_", "CS_1", "cs_10", "cs_3", "a"} {
		k.leads(ref, "", "nothing was saved with this reference")
	}
	long := "cs_live_" + fmt.Sprintf("%0240d", 7)
	if err := k.update("b", func(o *store.Order) {
		o.Attempts = []store.Attempt{{SessionID: long}, {SessionID: "cs_3", Charge: "ch_3"}}
	}); err != nil {
		k.Fatalf("Save with references returned: %v", err)
	}
	for _, ref := range []string{long, "cs_3", "ch_3"} {
		k.leads(ref, "b", "Save writes every reference")
	}
	if err := k.update("b", func(o *store.Order) { o.Attempts = nil }); err != nil {
		k.Fatalf("Save returned: %v", err)
	}
	k.leads("cs_3", "b", "a reference leads to its order even if a later save lacks it")
}

func (k *kit[Tx]) refFirst() {
	k.insert(withRefs("a", store.Attempt{SessionID: "cs_1"}), withRefs("b", store.Attempt{SessionID: "cs_1", Charge: "ch_b"}))
	k.leads("cs_1", "a", "if two orders of one Insert have the same reference, the first gets it")
	k.leads("ch_b", "b", "an order that does not get one reference keeps its others")
	err := k.update("b", func(o *store.Order) {
		o.Attempts = append(o.Attempts, store.Attempt{SessionID: "cs_b2", PaymentIntent: "pi_b2"})
	})
	if err != nil {
		k.Fatalf("Save of an order with a reference that belongs to another must not fail: %v", err)
	}
	k.leads("cs_1", "a", "a reference that already belongs to another order stays with it")
	k.leads("pi_b2", "b", "an order that does not get one reference keeps its others")
	k.insert(withRefs("c", store.Attempt{SessionID: "cs_b2"}))
	k.leads("cs_b2", "b", "a reference that already belongs to another order stays with it")
}

func (k *kit[Tx]) refRollback() {
	k.insert(order("a"), order("b"))
	no := errors.New("no")
	err := k.st.InTx(k.ctx, func(tx Tx) error {
		return errors.Join(k.updateIn(tx, "a", func(o *store.Order) { o.Attempts = []store.Attempt{{SessionID: "cs_1"}} }), no)
	})
	if !errors.Is(err, no) {
		k.Fatalf("InTx must return its function's error so that errors.Is finds it; it returned: %v", err)
	}
	k.leads("cs_1", "", "the transaction that saved it was rolled back")
	if err := k.update("b", func(o *store.Order) { o.Attempts = []store.Attempt{{SessionID: "cs_1"}} }); err != nil {
		k.Fatalf("Save returned: %v", err)
	}
	k.leads("cs_1", "b", "the transaction that had it before was rolled back")
}

func (k *kit[Tx]) refRace() {
	ids := []string{"a", "b", "c", "d"}
	for _, id := range ids {
		k.insert(order(id))
	}
	k.race(len(ids), func(i int) error {
		shared := []store.Attempt{{SessionID: "cs_1"}, {SessionID: "cs_2"}, {SessionID: "cs_" + ids[i]}}
		if i%2 == 1 { // a clashing sequence
			shared[0], shared[1] = shared[1], shared[0]
		}
		err := k.update(ids[i], func(o *store.Order) { o.Attempts = shared })
		if err != nil {
			return fmt.Errorf("orders that are saved with one reference at once must all be saved: %w", err)
		}
		return nil
	})
	for i, id := range ids {
		k.leads("cs_"+id, id, "a reference of its own")
		if o := k.find(id); len(o.Attempts) != 3 {
			k.Errorf("order %d of those saved with one reference at once was not saved", i)
		}
	}
	for _, ref := range []string{"cs_1", "cs_2"} {
		if o, err := k.st.FindRef(k.ctx, ref); err != nil || o.AttemptBySession(ref) == nil {
			k.Errorf("one of the orders saved with the same reference must keep it; FindRef(%q) returned %v, %v", ref, o, err)
		}
	}
}

func (k *kit[Tx]) refWaits() {
	for _, end := range []error{nil, &trouble{"rolled back"}} {
		n := fmt.Sprint(end == nil)
		a, b, ref := "a-"+n, "b-"+n, "cs_"+n
		k.insert(order(a), order(b))
		save := func(o *store.Order) { o.Attempts = []store.Attempt{{SessionID: ref}} }
		keeps := a
		k.meanwhile(func(tx Tx) error { return k.updateIn(tx, a, save) }, end, func(ended *atomic.Bool) error {
			err := k.update(b, save)
			if !ended.Load() || end != nil {
				keeps = b
			}
			return err
		})
		k.leads(ref, keeps, "another order was saved with the same reference and committed later")
	}
}
