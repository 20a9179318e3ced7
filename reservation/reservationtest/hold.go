package reservationtest

import (
	"fmt"
	"math"

	"github.com/gofulfil/fulfil/reservation"
)

func holdChecks[Tx any]() []check[Tx] {
	return []check[Tx]{
		{name: "Hold/sets stock aside", fn: (*kit[Tx]).holdTakes},
		{name: "Hold/is whole or not at all", fn: (*kit[Tx]).holdWhole},
		{name: "Hold/counts lines of one SKU together", fn: (*kit[Tx]).holdMerges},
		{name: "Hold/answers for each in the sequence given", fn: (*kit[Tx]).holdEach},
		{name: "Hold/repeated holds once", fn: (*kit[Tx]).holdRepeated},
		{name: "Hold/refuses another hold of the same ID", fn: (*kit[Tx]).holdExists},
		{name: "Hold/refuses a SKU without stock", fn: (*kit[Tx]).holdUnknown},
		{name: "Hold/refuses malformed holds", fn: (*kit[Tx]).holdMalformed},
		{name: "Hold/IDs and SKUs are exact and up to 255 bytes", fn: (*kit[Tx]).holdIDs},
		{name: "Hold/counts to 64 bits", fn: (*kit[Tx]).holdHuge},
		{name: "Hold/many at once", fn: (*kit[Tx]).holdMany},
	}
}

func (k *kit[Tx]) holdTakes() {
	k.set("tee", 5, "cap", 2)
	k.answers("a hold of stock that is there", k.hold(hold("h1", "tee", 3, "cap", 2)), nil)
	k.stock("after a hold", "tee", 5, 3, 0)
	k.stock("after a hold", "cap", 2, 2, 0)
	k.answers("a hold of all that is left", k.hold(hold("h2", "tee", 2)), nil)
	k.answers("a hold of one when none is left", k.hold(hold("h3", "tee", 1)), short("h3", "tee", 1, 0))
	k.stock("after a hold that was refused", "tee", 5, 5, 0)
	k.answers("no holds", k.hold())
}

func (k *kit[Tx]) holdWhole() {
	k.set("tee", 5, "cap", 1, "mug", 0, "pin", 9)
	k.answers("a hold with two of four SKUs short: the shortage names these two, sorted by SKU",
		k.hold(hold("h1", "tee", 5, "mug", 1, "cap", 2, "pin", 1)), short("h1", "cap", 2, 1, "mug", 1, 0))
	for sku, onHand := range map[string]int64{"tee": 5, "cap": 1, "mug": 0, "pin": 9} {
		k.stock("a hold that does not fit is refused whole", sku, onHand, 0, 0)
	}
	k.answers("a hold that was refused is not held", k.release("h1"), reservation.ErrNotHeld)
	k.answers("a hold that was refused may be tried again with less", k.hold(hold("h1", "tee", 5, "cap", 1)), nil)
	k.stock("after a hold that was tried again", "tee", 5, 5, 0)
}

func (k *kit[Tx]) holdMerges() {
	k.set("tee", 5, "cap", 9)
	k.answers("lines that fit one by one but not together",
		k.hold(hold("h1", "tee", 3, "cap", 1, "tee", 3)), short("h1", "tee", 6, 5))
	k.stock("lines of one SKU must count together", "tee", 5, 0, 0)
	k.answers("lines that fit together", k.hold(hold("h1", "tee", 2, "cap", 1, "tee", 3)), nil)
	k.stock("lines of one SKU must count together", "tee", 5, 5, 0)
	k.answers("the same stock in other lines", k.hold(hold("h1", "cap", 1, "tee", 5)), nil)
	k.answers("release of lines that count together", k.release("h1"), nil)
	k.stock("all lines of one SKU must come back", "tee", 5, 0, 0)
}

func (k *kit[Tx]) holdEach() {
	k.set("tee", 5, "cap", 5)
	k.answers("of holds that want the same stock the first of them gets it; a refused hold leaves the others as they are", k.hold(
		hold("z", "tee", 3), hold("bad"), hold("y", "tee", 3, "cap", 1), hold("x", "tee", 2), hold("w", "ghost", 1),
		hold("v", "cap", 5), hold("z", "tee", 3), hold("x", "tee", 1),
	), nil, reservation.ErrInvalidHold, short("y", "tee", 3, 2), nil, reservation.ErrUnknownSKU,
		nil, nil, reservation.ErrHoldExists)
	k.stock("after a call with good and bad holds", "tee", 5, 5, 0)
	k.stock("after a call with good and bad holds", "cap", 5, 5, 0)
}

func (k *kit[Tx]) holdRepeated() {
	k.set("tee", 5)
	for range 2 {
		k.answers("a hold that is repeated while it stands", k.hold(hold("h1", "tee", 3)), nil)
		k.stock("a hold that is repeated must hold nothing more", "tee", 5, 3, 0)
	}
	k.answers("a hold of the rest", k.hold(hold("h2", "tee", 2)), nil)
	k.answers("a repeated hold that stands is not short, though nothing is left", k.hold(hold("h1", "tee", 3)), nil)
	k.inTx(func(tx Tx) error {
		if err := answersIn(tx, "repeated in a transaction", k.hold(hold("h1", "tee", 3), hold("h1", "tee", 3)), nil, nil); err != nil {
			return err
		}
		return k.stockIn(tx, "a hold that is repeated must hold nothing more", "tee", 5, 5, 0)
	})
}

func (k *kit[Tx]) holdExists() {
	k.set("tee", 9, "cap", 9)
	k.answers("new holds", k.hold(hold("stands", "tee", 2), hold("sold", "tee", 2), hold("back", "tee", 2)), nil, nil, nil)
	k.answers("a commit", k.commit("sold"), nil)
	k.answers("a release", k.release("back"), nil)
	const why = "a hold must be refused if its ID has other stock or has ended"
	exists := reservation.ErrHoldExists
	k.answers(why, k.hold(
		hold("stands", "tee", 1), hold("stands", "tee", 3), hold("stands", "cap", 2), hold("stands", "tee", 2, "cap", 1),
		hold("sold", "tee", 2), hold("back", "tee", 2),
	), exists, exists, exists, exists, exists, exists)
	k.stock(why, "tee", 7, 2, 2)
	k.stock(why, "cap", 9, 0, 0)
}

func (k *kit[Tx]) holdUnknown() {
	k.set("none", 0)
	k.answers("a SKU whose stock was never set is unknown, a SKU whose stock was set to 0 is short",
		k.hold(hold("h1", "ghost", 1), hold("h2", "none", 1)), reservation.ErrUnknownSKU, short("h2", "none", 1, 0))
	k.set("ghost", 1)
	k.answers("stock was set since", k.hold(hold("h1", "ghost", 1)), nil)
}

func (k *kit[Tx]) holdMalformed() {
	k.set("tee", 5)
	huge := hold("huge", "tee", 1, "tee", 1)
	huge.Lines[1].Quantity = math.MaxInt64
	for what, h := range map[string]reservation.Hold{
		"without an ID": hold("", "tee", 1), "with an ID of 256 bytes": hold(long("y")+"z", "tee", 1),
		"without lines": hold("h1"), "without a SKU": hold("h1", "tee", 1, "", 1),
		"of a SKU of 256 bytes": hold("h1", long("y")+"z", 1), "of none": hold("h1", "tee", 0),
		"with an ID that is no UTF-8": hold("a\xffb", "tee", 1), "with a zero byte in its ID": hold("a\x00b", "tee", 1),
		"of a SKU that is no UTF-8": hold("h1", "a\xffb", 1), "of a SKU with a zero byte": hold("h1", "a\x00b", 1),
		"of less than none": hold("h1", "tee", 1, "tee", -1), "of more than fits in 64 bits": huge,
	} {
		k.answers("a hold "+what+", and beside it a good one", k.hold(h, hold("good", "tee", 1)), reservation.ErrInvalidHold, nil)
	}
	k.stock("after malformed holds and a good one", "tee", 5, 1, 0)
	k.answers("a commit of impossible IDs and a good one",
		k.commit("a\xffb", "a\x00b", long("y")+"z", "", "good"), reservation.ErrNotHeld, reservation.ErrNotHeld, reservation.ErrNotHeld, reservation.ErrNotHeld, nil)
}

func (k *kit[Tx]) holdIDs() {
	ids := []string{"h", "H", "h ", "é", "e\u0301", "✓😀", `'"\%_`, "a/b", "a", long("1"), long("2"), long("A"), long("a"), long("é")}
	for i, id := range ids {
		k.set(id, i+1)
		k.answers(fmt.Sprintf("IDs must be told apart byte by byte, up to %d of them; hold %q is new", reservation.MaxIDBytes, id),
			k.hold(hold(id, id, 1)), nil)
	}
	for i, id := range ids {
		k.stock("SKUs must be told apart byte by byte", id, int64(i+1), 1, 0)
		k.answers("IDs must be told apart byte by byte", k.release(id), nil)
		k.stock("SKUs must be told apart byte by byte", id, int64(i+1), 0, 0)
	}
}

func (k *kit[Tx]) holdHuge() {
	const all = int64(math.MaxInt64)
	k.set("tee", all)
	k.answers("a hold of nearly all there can be, another and the rest",
		k.hold(hold("h1", "tee", all-2), hold("h2", "tee", all), hold("h3", "tee", 2)), nil, short("h2", "tee", all, 2), nil)
	k.stock("after holds of all there can be", "tee", all, all, 0)
	k.answers("a commit of nearly all there can be", k.commit("h1"), nil)
	k.stock("after a commit of nearly all there can be", "tee", 2, 2, all-2)
}

func (k *kit[Tx]) holdMany() {
	const n = 500
	var stock []any
	holds, ids, want := make([]reservation.Hold, n), make([]string, n), make([]error, n)
	for i := range n {
		sku := fmt.Sprintf("sku-%03d", i)
		stock = append(stock, sku, 2)
		ids[i] = fmt.Sprintf("hold-%d", i)
		holds[i] = hold(ids[i], sku, 1, fmt.Sprintf("sku-%03d", (i+1)%n), 1)
	}
	k.set(stock...)
	k.answers("many holds at once", k.hold(holds...), want...)
	k.stock("after many holds at once", "sku-007", 2, 2, 0)
	k.answers("half of many committed at once", k.commit(ids[:n/2]...), want[:n/2]...)
	k.answers("half of many released at once", k.release(ids[n/2:]...), want[n/2:]...)
	k.stock("after many commits at once", "sku-007", 0, 0, 2)
	k.stock("after many releases at once", "sku-499", 2, 0, 0)
}
