package reservationtest

import (
	"errors"
	"fmt"
	"math"
	"reflect"

	"github.com/gofulfil/fulfil/internal/suite"
	"github.com/gofulfil/fulfil/reservation"
)

func adminChecks[Tx any]() []check[Tx] {
	return []check[Tx]{
		{name: "Set/records stock with held units and without sold ones", fn: (*kit[Tx]).adminSet},
		{name: "Set/refuses impossible stock", fn: (*kit[Tx]).adminSetRefuses},
		{name: "SetNew/sets only stock that was never set", fn: (*kit[Tx]).adminSetNew, newStock: true},
		{name: "Stock/answers for each SKU, or for all", fn: (*kit[Tx]).adminStock},
		{name: "Adjust/adds and takes away", fn: (*kit[Tx]).adminAdjust, admin: true},
		{name: "Adjust/loses nothing under concurrency", fn: (*kit[Tx]).adminAdjustRace, admin: true},
		{name: "Holds/lists the holds that stand", fn: (*kit[Tx]).adminHolds, admin: true},
	}
}

// refuses fails unless fn returns an error that matches want.
func (k *kit[Tx]) refuses(why string, want error, fn func(tx Tx) error) {
	k.Helper()
	if err := k.InTx(k.ctx, fn); !errors.Is(err, want) {
		k.Errorf("%s: it must return <%v>; it returned <%v>", why, want, err)
	}
}

func (k *kit[Tx]) setIn(sku string, onHand int64) func(tx Tx) error {
	return func(tx Tx) error { return k.Stock.Set(k.ctx, tx, sku, onHand) }
}

func (k *kit[Tx]) adminSet() {
	k.set("tee", 5)
	k.stock("set for the first time", "tee", 5, 0, 0)
	k.answers("new holds", k.hold(hold("h1", "tee", 2), hold("h2", "tee", 1)), nil, nil)
	k.answers("a commit", k.commit("h2"), nil)
	k.set("tee", 10)
	k.stock("set while some are held and some sold", "tee", 10, 2, 1)
	k.set("tee", 2)
	k.stock("set to the held quantity", "tee", 2, 2, 1)
	k.answers("nothing is left", k.hold(hold("h3", "tee", 1)), short("h3", "tee", 1, 0))
	k.answers("a release", k.release("h1"), nil)
	k.set("tee", 0)
	k.stock("set to none", "tee", 0, 0, 1)
}

func (k *kit[Tx]) adminSetRefuses() {
	k.set("tee", 5)
	k.answers("a new hold", k.hold(hold("h1", "tee", 3)), nil)
	k.refuses("stock below the held quantity", reservation.ErrBelowHeld, k.setIn("tee", 2))
	k.refuses("stock below zero", reservation.ErrInvalidStock, k.setIn("cap", -1))
	k.refuses("stock of an empty SKU", reservation.ErrInvalidStock, k.setIn("", 1))
	k.refuses("stock of a SKU of 256 bytes", reservation.ErrInvalidStock, k.setIn(long("y")+"z", 1))
	k.refuses("stock of a SKU that is no UTF-8", reservation.ErrInvalidStock, k.setIn("a\xffb", 1))
	k.refuses("stock of a SKU with a zero byte", reservation.ErrInvalidStock, k.setIn("a\x00b", 1))
	k.stock("a Set that is refused changes nothing", "tee", 5, 3, 0)
	k.answers("a Set that is refused makes no SKU known", k.hold(hold("h2", "cap", 1)), reservation.ErrUnknownSKU)
}

func (k *kit[Tx]) adminSetNew() {
	setNew := func(sku string, onHand int64) func(tx Tx) error {
		return func(tx Tx) error { return k.Stock.(NewStock[Tx]).SetNew(k.ctx, tx, sku, onHand) }
	}
	k.inTx(setNew("tee", 10))
	k.stock("stock of a new SKU", "tee", 10, 0, 0)
	k.answers("new holds", k.hold(hold("h1", "tee", 4), hold("h2", "tee", 6)), nil, nil)
	k.answers("a commit", k.commit("h1"), nil)
	k.inTx(setNew("tee", 10))
	k.stock("SetNew at the next start changes nothing", "tee", 6, 6, 4)
	k.answers("a commit of the rest", k.commit("h2"), nil)
	k.inTx(setNew("tee", 10))
	k.stock("SetNew of a sold-out SKU changes nothing", "tee", 0, 0, 10)
	k.set("cap", 0)
	k.inTx(setNew("cap", 3))
	k.stock("SetNew changes nothing where the stock was set to 0", "cap", 0, 0, 0)
	k.refuses("new stock below zero", reservation.ErrInvalidStock, setNew("mug", -1))
	k.refuses("stock below zero of a known SKU", reservation.ErrInvalidStock, setNew("tee", -1))
	k.refuses("new stock of an empty SKU", reservation.ErrInvalidStock, setNew("", 1))
	k.refuses("new stock that is rolled back", errRolledBack, func(tx Tx) error {
		return errors.Join(setNew("mug", 1)(tx), errRolledBack)
	})
	k.inTx(setNew("mug", 2))
	k.stock("new stock that was rolled back before", "mug", 2, 0, 0)
}

func (k *kit[Tx]) adminStock() {
	read := func(skus ...string) (stock []reservation.Stock) {
		k.inTx(func(tx Tx) (err error) {
			stock, err = k.Stock.Stock(k.ctx, tx, skus...)
			return err
		})
		return stock
	}
	if all := read(); len(all) != 0 {
		k.Errorf("no stock was set: Stock must return none; it returned %+v", all)
	}
	k.set("tee", 5, "cap", 2, "Cap", 3)
	tee, cap2, upper := reservation.Stock{SKU: "tee", OnHand: 5}, reservation.Stock{SKU: "cap", OnHand: 2}, reservation.Stock{SKU: "Cap", OnHand: 3}
	ghost := reservation.Stock{SKU: "ghost"}
	if got := read("tee", "ghost", "cap", "tee"); !reflect.DeepEqual(got, []reservation.Stock{tee, ghost, cap2, tee}) {
		k.Errorf("Stock must answer in the sequence given, with no stock for an unknown SKU; it answered %+v", got)
	}
	if got := read(); !reflect.DeepEqual(got, []reservation.Stock{upper, cap2, tee}) {
		k.Errorf("Stock without a SKU must answer for all, sorted by SKU; it answered %+v", got)
	}
}

func (k *kit[Tx]) adminAdjust() {
	adjust := func(sku string, delta int64) func(tx Tx) error {
		return func(tx Tx) error { return k.Stock.(Admin[Tx]).Adjust(k.ctx, tx, sku, delta) }
	}
	k.refuses("a SKU whose stock was never set", reservation.ErrUnknownSKU, adjust("tee", 5))
	k.set("tee", 5)
	k.answers("a new hold", k.hold(hold("h1", "tee", 3)), nil)
	k.inTx(adjust("tee", 4))
	k.stock("goods that came in", "tee", 9, 3, 0)
	k.inTx(adjust("tee", -6))
	k.stock("goods that went away, down to the held quantity", "tee", 3, 3, 0)
	k.inTx(adjust("tee", 0))
	k.refuses("an adjustment below the held quantity", reservation.ErrBelowHeld, adjust("tee", -1))
	k.refuses("an adjustment below zero", reservation.ErrInvalidStock, adjust("tee", math.MinInt64))
	k.refuses("an adjustment to more than fits in 64 bits", reservation.ErrInvalidStock, adjust("tee", math.MaxInt64-2))
	k.refuses("an adjustment of an empty SKU", reservation.ErrInvalidStock, adjust("", 1))
	k.stock("an adjustment that is refused changes nothing", "tee", 3, 3, 0)
	k.refuses("an adjustment that is rolled back", errRolledBack, func(tx Tx) error {
		return errors.Join(adjust("tee", 7)(tx), errRolledBack)
	})
	k.stock("a rolled-back adjustment must have no effect", "tee", 3, 3, 0)
}

var errRolledBack = errors.New("rolled back")

func (k *kit[Tx]) adminAdjustRace() {
	const callers, rounds = 8, 10
	k.set("tee", 0)
	k.race(callers, func(i int) error {
		for range rounds {
			err := k.InTx(k.ctx, func(tx Tx) error {
				suite.Yield()
				err := k.Stock.(Admin[Tx]).Adjust(k.ctx, tx, "tee", 1)
				suite.Yield()
				return err
			})
			if err != nil {
				return fmt.Errorf("adjust: %w", err)
			}
		}
		return nil
	})
	k.stock("concurrent adjustments must all count", "tee", callers*rounds, 0, 0)
}

func (k *kit[Tx]) adminHolds() {
	list := func(why, after string, limit int, want ...reservation.Hold) {
		k.Helper()
		k.inTx(func(tx Tx) error {
			got, err := k.Stock.(Admin[Tx]).Holds(k.ctx, tx, after, limit)
			if err == nil && (len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want)) {
				return fmt.Errorf("%s: Holds(%q, %d) must return %+v; it returned %+v", why, after, limit, want, got)
			}
			return err
		})
	}
	list("there are none", "", 10)
	k.set("tee", 9, "cap", 9)
	k.answers("new holds", k.hold(
		hold("d", "tee", 1), hold("b", "tee", 1, "cap", 1, "tee", 1), hold("c", "cap", 1), hold("a", "tee", 2), hold("B", "tee", 1),
	), nil, nil, nil, nil, nil)
	k.answers("a commit", k.commit("c"), nil)
	a, b, d, upper := hold("a", "tee", 2), hold("b", "cap", 1, "tee", 2), hold("d", "tee", 1), hold("B", "tee", 1)
	list("all that stand, sorted by ID, each SKU once", "", 10, upper, a, b, d)
	list("the first page", "", 2, upper, a)
	list("the second page", "a", 2, b, d)
	list("behind the last", "d", 2)
	list("a limit of 0", "", 0)
	k.answers("a release", k.release("b"), nil)
	list("a released hold is no longer listed", "a", 10, d)
}
