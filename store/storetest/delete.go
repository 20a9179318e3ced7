package storetest

import (
	"errors"

	"github.com/gofulfil/fulfil/store"
)

func deleteChecks[Tx any]() []check[Tx] {
	return []check[Tx]{
		{name: "Delete/removes the order with its references, and no other", fn: (*kit[Tx]).deleteOrder},
		{name: "Delete/rolled back", fn: (*kit[Tx]).deleteRollback},
	}
}

// deletes deletes locked orders in a transaction that ends with fail.
func (k *kit[Tx]) deletes(fail error, ids ...string) error {
	return k.st.InTx(k.ctx, func(tx Tx) error {
		locked, err := k.st.Lock(k.ctx, tx, ids...)
		if err != nil {
			return err
		}
		return errors.Join(k.st.Delete(k.ctx, tx, locked...), fail)
	})
}

func (k *kit[Tx]) deleteOrder() {
	k.insert(
		withRefs("a", store.Attempt{SessionID: "cs_1", PaymentIntent: "pi_1"}, store.Attempt{SessionID: "cs_2"}),
		withRefs("b", store.Attempt{SessionID: "cs_1"}, store.Attempt{SessionID: "cs_3"}), // cs_1 stays with a
		withRefs("c", store.Attempt{SessionID: "cs_4"}),
	)
	if err := k.deletes(nil, "b", "c"); err != nil {
		k.Fatalf("Delete of two orders returned: %v", err)
	}
	k.missing("b", "a deleted order must not be there")
	k.missing("c", "a deleted order must not be there")
	k.leads("cs_3", "", "a reference must go with its order")
	k.leads("cs_4", "", "a reference must go with its order")
	k.leads("cs_1", "a", "the reference of another order must stay")
	k.lists(store.Query{}, "only the other order is left", "a")

	k.insert(withRefs("b"), withRefs("d", store.Attempt{SessionID: "cs_3"})) // the ID and the reference are free
	k.leads("cs_3", "d", "a reference that went with its order must be free for another")
	k.inTx(func(tx Tx) error {
		if _, err := k.st.Lock(k.ctx, tx, "a", "x"); err != nil {
			return err
		}
		return k.st.Delete(k.ctx, tx, order("x"), k.find("a"), k.find("a"))
	})
	k.missing("a", "an order that is deleted twice beside one that does not exist")
	k.leads("pi_1", "", "a reference must go with its order")
}

func (k *kit[Tx]) deleteRollback() {
	k.insert(withRefs("a", store.Attempt{SessionID: "cs_1"}))
	fail := errors.New("no")
	if err := k.deletes(fail, "a"); !errors.Is(err, fail) {
		k.Fatalf("InTx must return the error of its function; it returned: %v", err)
	}
	k.leads("cs_1", "a", "a deletion that is rolled back must change nothing")
	k.lists(store.Query{}, "a deletion that is rolled back must change nothing", "a")
}
