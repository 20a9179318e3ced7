package reservationtest

import (
	"errors"
	"fmt"

	"github.com/gofulfil/fulfil/reservation"
)

func forgetChecks[Tx any]() []check[Tx] {
	return []check[Tx]{
		{name: "Forget/forgets sold and released holds", fn: (*kit[Tx]).forgetEnded, forget: true},
		{name: "Forget/leaves holds that stand", fn: (*kit[Tx]).forgetStanding, forget: true},
		{name: "Forget/frees the ID", fn: (*kit[Tx]).forgetFrees, forget: true},
		{name: "Forget/is rolled back with its transaction", fn: (*kit[Tx]).forgetRolledBack, forget: true},
		{name: "Forget/many at once", fn: (*kit[Tx]).forgetMany, forget: true},
	}
}

func (k *kit[Tx]) forgetIn(ids ...string) func(tx Tx) error {
	return func(tx Tx) error { return k.Reserver.(reservation.Forgetter[Tx]).Forget(k.ctx, tx, ids...) }
}

// ended makes two holds, h1 that was sold and h2 that was released, of 2 and 3 of 10 tees.
func (k *kit[Tx]) ended() {
	k.Helper()
	k.set("tee", 10)
	k.answers("new holds", k.hold(hold("h1", "tee", 2), hold("h2", "tee", 3)), nil, nil)
	k.answers("a commit", k.commit("h1"), nil)
	k.answers("a release", k.release("h2"), nil)
}

func (k *kit[Tx]) forgetEnded() {
	k.ended()
	k.inTx(k.forgetIn("h1"))
	k.answers("a hold that was not named must be remembered", k.release("h2"), nil)
	k.inTx(k.forgetIn("h2", "h2", "h1", "ghost", ""))
	k.inTx(k.forgetIn())
	k.stock("the stock must stay as it was before the holds were forgotten", "tee", 8, 0, 2)
	unknown := []error{reservation.ErrNotHeld, reservation.ErrNotHeld}
	k.answers("forgotten holds are unknown", k.commit("h1", "h2"), unknown...)
	k.answers("forgotten holds are unknown", k.release("h1", "h2"), unknown...)
	k.stock("a late commit or release of a forgotten hold must change nothing", "tee", 8, 0, 2)
}

func (k *kit[Tx]) forgetStanding() {
	k.ended()
	k.answers("a new hold", k.hold(hold("h3", "tee", 4)), nil)
	k.inTx(k.forgetIn("h3", "h1"))
	k.stock("a hold that stands must not be forgotten", "tee", 8, 4, 2)
	k.answers("a hold that stands must not be forgotten", k.hold(hold("h3", "tee", 4)), nil)
	k.answers("a commit of the hold that stood", k.commit("h3"), nil)
	k.stock("the sale of the hold that stood", "tee", 4, 0, 6)
}

func (k *kit[Tx]) forgetFrees() {
	k.ended()
	k.answers("the ID of an ended hold is taken", k.hold(hold("h1", "tee", 1)), reservation.ErrHoldExists)
	k.inTx(func(tx Tx) error {
		if err := k.forgetIn("h1", "h2")(tx); err != nil {
			return err
		}
		return answersIn(tx, "the ID of a forgotten hold can be held again, in the same transaction, too", k.hold(hold("h1", "tee", 1)), nil)
	})
	k.answers("the ID of a forgotten hold can be held again", k.hold(hold("h2", "tee", 5)), nil)
	k.stock("the new holds count", "tee", 8, 6, 2)
	k.answers("the new holds can be ended", k.commit("h1", "h2"), nil, nil)
	k.stock("the new holds were sold", "tee", 2, 0, 8)
}

func (k *kit[Tx]) forgetRolledBack() {
	k.ended()
	k.refuses("a Forget that is rolled back", errRolledBack, func(tx Tx) error {
		return errors.Join(k.forgetIn("h1", "h2")(tx), errRolledBack)
	})
	k.answers("a Forget that was rolled back forgets nothing", k.commit("h1"), nil)
	k.answers("a Forget that was rolled back forgets nothing", k.release("h2"), nil)
}

func (k *kit[Tx]) forgetMany() {
	const n = 2500 // more than some databases allow as parameters of a statement
	k.set("tee", n)
	holds, ids, sold := make([]reservation.Hold, n), make([]string, n), make([]error, n)
	for i := range holds {
		ids[i] = fmt.Sprint("h", i)
		holds[i] = hold(ids[i], "tee", 1)
	}
	k.answers("many holds", k.hold(holds...), sold...)
	k.answers("many commits", k.commit(ids...), sold...)
	k.inTx(k.forgetIn(ids...))
	k.answers("the last of many is forgotten", k.commit(ids[n-1]), reservation.ErrNotHeld)
	k.stock("the stock after many sales", "tee", 0, 0, n)
}
