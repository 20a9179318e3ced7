package storetest

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gofulfil/fulfil/internal/suite"
)

func pruneChecks[Tx any]() []check[Tx] {
	return []check[Tx]{
		{name: "Prune/frees older claims, the oldest first", fn: (*kit[Tx]).pruneOldest},
		{name: "Prune/counts from the first claim of a key", fn: (*kit[Tx]).pruneFirst},
		{name: "Prune/many at once", fn: (*kit[Tx]).pruneMany},
		{name: "Prune/each key is freed by one of concurrent callers", fn: (*kit[Tx]).pruneRace},
		{name: "Prune/leaves out open claims, without waiting", fn: (*kit[Tx]).pruneNoWait, writers: true},
	}
}

// claimAt claims keys that must be free.
func (k *kit[Tx]) claimAt(at time.Time, keys ...string) {
	k.Helper()
	k.inTx(func(tx Tx) error {
		first, err := k.st.Claim(k.ctx, tx, at, keys...)
		if err == nil && slices.Contains(first, false) {
			return suite.Wrongf("Claim of %d new keys answered %v", len(keys), first)
		}
		return err
	})
}

// prune fails unless Prune says that it freed want keys.
func (k *kit[Tx]) prune(before time.Time, limit, want int, why string) {
	k.Helper()
	got, err := k.st.Prune(k.ctx, before, limit)
	if err != nil {
		k.Fatalf("Prune returned: %v", err)
	}
	if got != want {
		k.Errorf("%s: Prune must free %d keys; it says %d", why, want, got)
	}
}

func (k *kit[Tx]) pruneOldest() {
	us := time.Microsecond
	k.prune(base, 10, 0, "no claims")
	// Older claims have later names.
	k.claimAt(base.Add(us), "a, later")
	k.claimAt(base, "b, at base")
	k.claimAt(base.Add(-us), "c, before")
	k.claimAt(base.Add(-time.Hour), "e, first")
	k.claimAt(base.Add(-time.Minute), "d, second")
	k.prune(base, 0, 0, "a limit of 0")
	k.prune(base, -1, 0, "a negative limit")
	k.prune(base.Add(-2*time.Hour), 10, 0, "nothing was claimed before that")
	k.prune(base, 2, 2, "two of three that are older")
	k.claims("the oldest claims must be freed first, and no others", []bool{true, true, false, false, false},
		"e, first", "d, second", "c, before", "b, at base", "a, later")
	k.prune(base, 10, 1, "the rest of the older claims, not those at that time or later")
	k.claims("claims at the given time or later must stay", []bool{true, false, false}, "c, before", "b, at base", "a, later")
}

func (k *kit[Tx]) pruneFirst() {
	k.claimAt(base, "a")
	k.inTx(func(tx Tx) error {
		first, err := k.st.Claim(k.ctx, tx, base.Add(2*time.Hour), "a")
		if err == nil && slices.Contains(first, true) {
			return fmt.Errorf("a claimed key must not be free; Claim answered %v", first)
		}
		return err
	})
	k.prune(base.Add(time.Hour), 10, 1, "a repeated claim must not make the key younger")
}

func (k *kit[Tx]) pruneMany() {
	keys := make([]string, 2500)
	for i := range keys {
		keys[i] = fmt.Sprint("evt_", i)
	}
	k.claimAt(base, keys...)
	k.prune(base.Add(time.Hour), 2000, 2000, "more keys than some databases allow as parameters of a statement")
	k.prune(base.Add(time.Hour), 1_000_000, 500, "the rest, with a limit far above")
	k.claimAt(base, keys...)
}

func (k *kit[Tx]) pruneRace() {
	const callers, claims = 8, 100
	keys := make([]string, claims)
	for i := range keys {
		keys[i] = fmt.Sprint("evt_", i)
	}
	k.claimAt(base, keys...)
	var freed atomic.Int64
	after := base.Add(time.Hour)
	k.race(callers, func(int) error {
		for {
			n, err := k.st.Prune(k.ctx, after, 7)
			if err != nil || n == 0 {
				return err
			}
			freed.Add(int64(n))
		}
	})
	// For a moment a caller may find all remaining claims in the hands of another caller.
	rest, err := k.st.Prune(k.ctx, after, claims)
	if err != nil {
		k.Fatalf("Prune returned: %v", err)
	}
	if got := int(freed.Load()) + rest; got != claims {
		k.Errorf("concurrent calls of Prune: each key must be freed once, %d in all; they say %d", claims, got)
	}
	k.claimAt(base, keys...)
}

func (k *kit[Tx]) pruneNoWait() {
	const claims = 50 // so few that a planner may prefer to read the whole table
	keys := make([]string, claims)
	for i := range keys {
		keys[i] = fmt.Sprint("evt_", i)
	}
	k.claimAt(base, keys...)
	freed := 0 // by all runs of the function
	k.inTx(func(tx Tx) error {
		if _, err := k.st.Claim(k.ctx, tx, base, "evt_7", "new"); err != nil {
			return err
		}
		// This runs in the goroutine of the transaction. If Prune waited for the claims, it would wait for ever.
		n, err := k.st.Prune(k.ctx, base.Add(time.Hour), 2*claims)
		freed += n
		return err
	})
	if freed < claims-1 || freed > claims {
		k.Errorf("while a transaction looks at one of %d old claims, Prune must free the others and may free that one; it says %d", claims, freed)
	}
	k.claims("Prune must not free a claim that is not committed yet", []bool{false}, "new")
}
