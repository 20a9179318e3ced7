package reservationtest

import (
	"context"
	"errors"

	"github.com/gofulfil/fulfil/reservation"
)

func endChecks[Tx any]() []check[Tx] {
	return []check[Tx]{
		{name: "Commit/sells held stock", fn: (*kit[Tx]).commitSells},
		{name: "Commit/repeated sells once", fn: (*kit[Tx]).commitRepeated},
		{name: "Commit/is refused after a release", fn: (*kit[Tx]).commitReleased},
		{name: "Release/gives held stock back", fn: (*kit[Tx]).releaseGives},
		{name: "Release/repeated gives back once", fn: (*kit[Tx]).releaseRepeated},
		{name: "Release/is refused after a commit", fn: (*kit[Tx]).releaseCommitted},
		{name: "Commit and Release/answer for each", fn: (*kit[Tx]).endEach},
	}
}

func (k *kit[Tx]) commitSells() {
	k.set("tee", 5, "cap", 1)
	k.answers("new holds", k.hold(hold("h1", "tee", 2, "cap", 1), hold("h2", "tee", 1)), nil, nil)
	k.answers("a commit", k.commit("h1"), nil)
	k.stock("goods sold are no longer on hand nor held", "tee", 3, 1, 2)
	k.stock("goods sold are no longer on hand nor held", "cap", 0, 0, 1)
	k.answers("sold goods must not come back", k.hold(hold("h3", "tee", 3)), short("h3", "tee", 3, 2))
}

func (k *kit[Tx]) commitRepeated() {
	k.set("tee", 5)
	k.answers("a new hold", k.hold(hold("h1", "tee", 2)), nil)
	for range 2 {
		k.answers("a commit that is repeated", k.commit("h1"), nil)
		k.stock("a commit that is repeated must sell once", "tee", 3, 0, 2)
	}
	k.answers("a commit repeated in one call", k.commit("h1", "h1"), nil, nil)
	k.answers("a new hold", k.hold(hold("h2", "tee", 1)), nil)
	k.answers("a hold committed twice in one call", k.commit("h2", "h2"), nil, nil)
	k.stock("a commit that is repeated must sell once", "tee", 2, 0, 3)
}

func (k *kit[Tx]) commitReleased() {
	k.set("tee", 5)
	k.answers("a new hold", k.hold(hold("h1", "tee", 2)), nil)
	k.answers("a release", k.release("h1"), nil)
	k.answers("a commit after a release must be refused, as the stock may belong to another hold by now", k.commit("h1"), reservation.ErrNotHeld)
	k.stock("a commit that is refused changes nothing", "tee", 5, 0, 0)
}

func (k *kit[Tx]) releaseGives() {
	k.set("tee", 5, "cap", 1)
	k.answers("new holds", k.hold(hold("h1", "tee", 2, "cap", 1), hold("h2", "tee", 1)), nil, nil)
	k.answers("a release", k.release("h1"), nil)
	k.stock("goods released are available again", "tee", 5, 1, 0)
	k.stock("goods released are available again", "cap", 1, 0, 0)
	k.answers("goods released can be held again", k.hold(hold("h3", "tee", 4, "cap", 1)), nil)
}

func (k *kit[Tx]) releaseRepeated() {
	k.set("tee", 5)
	k.answers("new holds", k.hold(hold("h1", "tee", 2), hold("h2", "tee", 3)), nil, nil)
	for range 2 {
		k.answers("a release that is repeated", k.release("h1"), nil)
		k.stock("a release that is repeated must give back once, or stock is made out of nothing", "tee", 5, 3, 0)
	}
	k.answers("a hold released twice in one call", k.release("h2", "h2"), nil, nil)
	k.stock("a release that is repeated must give back once, or stock is made out of nothing", "tee", 5, 0, 0)
}

func (k *kit[Tx]) releaseCommitted() {
	k.set("tee", 5)
	k.answers("a new hold", k.hold(hold("h1", "tee", 2)), nil)
	k.answers("a commit", k.commit("h1"), nil)
	k.answers("a release after a commit must be refused, as the goods are sold", k.release("h1"), reservation.ErrNotHeld)
	k.stock("a release that is refused changes nothing", "tee", 3, 0, 2)
}

func (k *kit[Tx]) endEach() {
	k.set("tee", 9)
	k.answers("new holds", k.hold(hold("a", "tee", 1), hold("b", "tee", 2), hold("c", "tee", 3)), nil, nil, nil)
	none := reservation.ErrNotHeld
	k.answers("a commit of some holds that are unknown: each has its answer, in the sequence given",
		k.commit("ghost", "b", "", "a"), none, nil, none, nil)
	k.answers("a release of some holds that are unknown or sold: each has its answer, in the sequence given",
		k.release("c", "ghost", "b", "", "c"), nil, none, none, none, nil)
	k.stock("a refused hold leaves the others as they are", "tee", 6, 0, 3)
	k.answers("no commits", k.commit())
	k.answers("no releases", k.release())
}

func txChecks[Tx any]() []check[Tx] {
	return []check[Tx]{
		{name: "a transaction sees its own changes", fn: (*kit[Tx]).txOwn},
		{name: "a rollback undoes everything", fn: (*kit[Tx]).txRollback},
		{name: "a refusal leaves the transaction as it is", fn: (*kit[Tx]).txRefusal},
		{name: "an ended context is the error of the call", fn: (*kit[Tx]).txContext},
	}
}

func (k *kit[Tx]) txOwn() {
	k.inTx(func(tx Tx) error {
		return errors.Join(
			k.Stock.Set(k.ctx, tx, "tee", 5),
			answersIn(tx, "a hold of stock set in this transaction", k.hold(hold("h1", "tee", 3), hold("h2", "tee", 1)), nil, nil),
			k.stockIn(tx, "after holds in this transaction", "tee", 5, 4, 0),
			answersIn(tx, "a release in the hold's transaction", k.release("h1"), nil),
			answersIn(tx, "a hold of stock that this transaction released", k.hold(hold("h3", "tee", 4)), nil),
			answersIn(tx, "a commit in the hold's transaction", k.commit("h3"), nil),
			k.stockIn(tx, "after all that in one transaction", "tee", 1, 1, 4),
		)
	})
	k.stock("after the commit of the transaction", "tee", 1, 1, 4)
}

func (k *kit[Tx]) txRollback() {
	k.set("tee", 9)
	k.answers("new holds", k.hold(hold("a", "tee", 1), hold("b", "tee", 2)), nil, nil)
	no := errors.New("no")
	err := k.InTx(k.ctx, func(tx Tx) error {
		return errors.Join(
			answersIn(tx, "a hold", k.hold(hold("c", "tee", 3)), nil),
			answersIn(tx, "a commit", k.commit("a"), nil),
			answersIn(tx, "a release", k.release("b"), nil),
			k.Stock.Set(k.ctx, tx, "cap", 7),
			no,
		)
	})
	if !errors.Is(err, no) {
		k.Fatalf("InTx must return its function's error; it returned: %v", err)
	}
	k.stock("a rollback must undo holds, commits and releases", "tee", 9, 3, 0)
	k.answers("a hold that was rolled back does not exist", k.release("c"), reservation.ErrNotHeld)
	k.answers("a commit that was rolled back did not happen", k.release("a"), nil)
	k.answers("a release that was rolled back did not happen", k.commit("b"), nil)
	k.answers("stock set in a transaction that was rolled back is unknown", k.hold(hold("d", "cap", 1)), reservation.ErrUnknownSKU)
	k.stock("after the end of the holds", "tee", 7, 0, 2)
}

func (k *kit[Tx]) txRefusal() {
	k.set("tee", 1)
	k.inTx(func(tx Tx) error {
		return errors.Join(
			answersIn(tx, "a hold", k.hold(hold("h1", "tee", 1)), nil),
			answersIn(tx, "a hold that is short", k.hold(hold("h2", "tee", 1)), short("h2", "tee", 1, 0)),
			answersIn(tx, "a hold that exists", k.hold(hold("h1", "tee", 2)), reservation.ErrHoldExists),
			answersIn(tx, "a commit of nothing", k.commit("ghost"), reservation.ErrNotHeld),
			answersIn(tx, "a commit", k.commit("h1"), nil),
		)
	})
	k.stock("calls before and after a refusal must commit", "tee", 0, 0, 1)
}

func (k *kit[Tx]) txContext() {
	k.set("tee", 5)
	k.answers("a new hold", k.hold(hold("h1", "tee", 1)), nil)
	ctx, cancel := context.WithCancel(k.ctx)
	cancel()
	for name, c := range map[string]call[Tx]{
		"Hold":    func(tx Tx) ([]error, error) { return k.Reserver.Hold(ctx, tx, hold("h2", "tee", 1)) },
		"Commit":  func(tx Tx) ([]error, error) { return k.Reserver.Commit(ctx, tx, "h1") },
		"Release": func(tx Tx) ([]error, error) { return k.Reserver.Release(ctx, tx, "h1") },
	} {
		err := k.InTx(k.ctx, func(tx Tx) error { _, err := c(tx); return err })
		if !errors.Is(err, context.Canceled) {
			k.Errorf("%s with an ended context must return its error beside the answers; it returned: %v", name, err)
		}
	}
	k.stock("after calls with an ended context", "tee", 5, 1, 0)
}
