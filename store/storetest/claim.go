package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gofulfil/fulfil/internal/suite"
)

func claimChecks[Tx any]() []check[Tx] {
	return []check[Tx]{
		{name: "Claim/answers for each key", fn: (*kit[Tx]).claimAnswers},
		{name: "Claim/keys are exact and up to 500 bytes", fn: (*kit[Tx]).claimKeys},
		{name: "Claim/refuses an empty or too long key", fn: (*kit[Tx]).claimMalformed},
		{name: "Claim/many at once", fn: (*kit[Tx]).claimMany},
		{name: "Claim/one of concurrent callers is the first", fn: (*kit[Tx]).claimRace},
		{name: "Claim/waits for a concurrent claim that commits", fn: (*kit[Tx]).claimWaits},
		{name: "Claim/waits for a concurrent claim that rolls back", fn: (*kit[Tx]).claimTakesOver},
	}
}

// claims fails unless Claim of keys, in a transaction of its own, returns want.
func (k *kit[Tx]) claims(why string, want []bool, keys ...string) {
	k.Helper()
	k.inTx(func(tx Tx) error { return k.claimsIn(tx, why, want, keys...) })
}

func (k *kit[Tx]) claimsIn(tx Tx, why string, want []bool, keys ...string) error {
	got, err := k.st.Claim(k.ctx, tx, base, keys...)
	if err == nil && !slices.Equal(got, want) {
		return fmt.Errorf("%s: Claim must answer %v; it answered %v", why, want, got)
	}
	return err
}

func (k *kit[Tx]) claimAnswers() {
	k.inTx(func(tx Tx) error {
		return errors.Join(
			k.claimsIn(tx, "new keys", []bool{true, true}, "a", "b"),
			k.claimsIn(tx, "a key that this transaction has claimed", []bool{false}, "a"),
		)
	})
	k.claims("keys that were claimed and one that was not, in the sequence given", []bool{true, false, false}, "c", "b", "a")
	k.claims("a key repeated in one call: only its first occurrence is first", []bool{true, true, false, false}, "d", "e", "d", "d")
	k.claims("no keys", nil)
}

func (k *kit[Tx]) claimKeys() {
	long := strings.Repeat("k", 499)
	keys := []string{
		"evt_1", "EVT_1", "evt_10", "evt_1 ", " evt_1", "evt_1\t", "evt%1", "evt_%", "é", "e\u0301", "ß", "ss", "✓", "😀",
		`'"\`, "a/b", "a", "a/", long + "a", long + "b", long + "A", long, strings.Repeat("é", 250),
	}
	for _, key := range keys {
		k.claims(fmt.Sprintf("keys must be told apart byte by byte, up to 500 of them; %q is new", key), []bool{true}, key)
	}
	for _, key := range keys {
		k.claims(fmt.Sprintf("%q was claimed", key), []bool{false}, key)
	}
}

func (k *kit[Tx]) claimMalformed() {
	for _, key := range []string{"", strings.Repeat("k", 501), strings.Repeat("é", 251)} {
		err := k.st.InTx(k.ctx, func(tx Tx) error {
			_, err := k.st.Claim(k.ctx, tx, base, "fine", key)
			return err
		})
		if err == nil {
			k.Errorf("Claim of a key of %d bytes must be an error; it was none", len(key))
		}
	}
	k.free("fine", "after a Claim that failed")
}

func (k *kit[Tx]) claimMany() {
	keys, want := make([]string, 1000), make([]bool, 1000)
	for i := range keys {
		keys[i] = fmt.Sprintf("evt_%d", i/2) // each twice
		want[i] = i%2 == 0
	}
	k.claims("a thousand keys, each twice", want, keys...)
}

func (k *kit[Tx]) claimRace() {
	const callers, rounds = 8, 5
	for round := range rounds {
		keys := []string{fmt.Sprint("a", round), fmt.Sprint("b", round), fmt.Sprint("c", round)}
		var firsts [3]atomic.Int64
		k.race(callers, func(i int) error {
			var first []bool
			mine := slices.Clone(keys)
			if i%2 == 1 { // a clashing sequence
				slices.Reverse(mine)
			}
			err := k.st.InTx(k.ctx, func(tx Tx) (err error) {
				suite.Yield()
				first, err = k.st.Claim(k.ctx, tx, base, mine...)
				suite.Yield()
				return err
			})
			for n, is := range first {
				if is && err == nil {
					firsts[slices.Index(keys, mine[n])].Add(1)
				}
			}
			return err
		})
		for n := range firsts {
			if got := firsts[n].Load(); got != 1 {
				k.Fatalf("%d concurrent claims of one key: exactly one must win, %d did", callers, got)
			}
		}
	}
}

func (k *kit[Tx]) claimWaits() {
	k.claimBeside(nil, false, "commits, so that the second is not the first")
}

func (k *kit[Tx]) claimTakesOver() {
	k.claimBeside(&trouble{"rolled back"}, true, "rolls back, so that the second is the first")
}

func (k *kit[Tx]) claimBeside(end error, want bool, what string) {
	k.Helper()
	for round := range 5 {
		key := fmt.Sprint("evt_", round)
		claim := func(tx Tx) ([]bool, error) { return k.st.Claim(k.ctx, tx, base, key) }
		k.meanwhile(func(tx Tx) error { _, err := claim(tx); return err }, end, func(ended *atomic.Bool) error {
			return k.st.InTx(k.ctx, func(tx Tx) error {
				got, err := claim(tx)
				switch {
				case err != nil:
					return err
				case !ended.Load():
					return fmt.Errorf("a second claim of a key must wait until the first transaction ends; it answered %v before", got)
				case len(got) != 1 || got[0] != want:
					return fmt.Errorf("the first of two concurrent claims %s; the second answered %v", what, got)
				}
				return nil
			})
		})
	}
}
