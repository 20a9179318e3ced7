package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/store"
)

func valueChecks[Tx any]() []check[Tx] {
	return []check[Tx]{
		{name: "ShopID/is made once", fn: (*kit[Tx]).shopID},
		{name: "ShopID/is made once by concurrent callers", fn: (*kit[Tx]).shopIDRace},
		{name: "Cursor/keeps the last value of each name", fn: (*kit[Tx]).cursors},
		{name: "reads return the error of an ended context", fn: (*kit[Tx]).endedContext},
	}
}

func (k *kit[Tx]) shopID() {
	if id, err := k.st.ShopID(k.ctx, ""); err == nil {
		k.Errorf("ShopID with an empty fresh must be an error; it returned %q", id)
	}
	for _, fresh := range []string{"shop-1", "shop-2", "shop-1"} {
		if id, err := k.st.ShopID(k.ctx, fresh); err != nil || id != "shop-1" {
			k.Errorf("ShopID(%q) must return the ID of the first call, shop-1; it returned %q, %v", fresh, id, err)
		}
	}
}

func (k *kit[Tx]) shopIDRace() {
	const callers = 8
	var ids [callers]string
	k.race(callers, func(i int) (err error) {
		ids[i], err = k.st.ShopID(k.ctx, fmt.Sprint("shop-", i))
		return err
	})
	last, err := k.st.ShopID(k.ctx, "late")
	if err != nil {
		k.Fatalf("ShopID returned: %v", err)
	}
	for _, id := range ids {
		if id != last || !strings.HasPrefix(id, "shop-") {
			k.Fatalf("%d concurrent calls of ShopID must agree on one of the IDs offered; they returned %q, and a later call %q", callers, ids, last)
		}
	}
}

func (k *kit[Tx]) cursors() {
	long := strings.Repeat("n", 100)
	is := func(name, want string) {
		k.Helper()
		if got, err := k.st.Cursor(k.ctx, name); err != nil || got != want {
			k.Errorf("Cursor(%q) must return the value last set, %q; it returned %q, %v", name, want, got, err)
		}
	}
	set := func(name, value string) {
		k.Helper()
		if err := k.st.SetCursor(k.ctx, name, value); err != nil {
			k.Fatalf("SetCursor(%q, %q) returned: %v", name, value, err)
		}
	}
	is("events", "")
	set("events", "evt_1 ✓")
	set("Events", "other case")
	set(long, strings.Repeat("v", 500))
	is("events", "evt_1 ✓")
	is("Events", "other case")
	is(long, strings.Repeat("v", 500))
	set("events", "evt_2")
	set("events", "evt_2")
	is("events", "evt_2")
	set("events", "")
	is("events", "")
	is("event", "")
	if id, err := k.st.ShopID(k.ctx, "shop-1"); err != nil || id != "shop-1" {
		k.Errorf("a cursor must not become the shop ID; ShopID returned %q, %v", id, err)
	}
	k.race(8, func(i int) error { return k.st.SetCursor(k.ctx, "shared", "same") })
	is("shared", "same")
}

func (k *kit[Tx]) endedContext() {
	k.insert(dueAt("a", base))
	k.claimAt(base, "evt_1")
	ctx, cancel := context.WithCancel(k.ctx)
	cancel()
	_, find := k.st.Find(ctx, "a")
	_, ref := k.st.FindRef(ctx, "cs_1")
	_, list := k.st.List(ctx, store.Query{})
	_, prune := k.st.Prune(ctx, base.Add(time.Hour), 1)
	_, due := k.st.Due(ctx, base, lease, 1)
	_, shop := k.st.ShopID(ctx, "shop-1")
	_, cursor := k.st.Cursor(ctx, "events")
	set := k.st.SetCursor(ctx, "events", "evt_1")
	for name, err := range map[string]error{
		"Find": find, "FindRef": ref, "List": list, "Prune": prune, "Due": due, "ShopID": shop, "Cursor": cursor, "SetCursor": set,
	} {
		if !errors.Is(err, context.Canceled) {
			k.Errorf("%s with an ended context must return its error; it returned: %v", name, err)
		}
	}
	k.claims("a Prune with an ended context must free nothing", []bool{false}, "evt_1")
	k.due(base, 1, "a call with an ended context must lease nothing", "a")
}
