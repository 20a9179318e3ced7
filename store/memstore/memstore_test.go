package memstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/store"
)

var (
	errNo    = errors.New("no")
	testTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func TestRowsCommitTogether(t *testing.T) {
	t.Parallel()
	ctx, st := t.Context(), New()
	require.NoError(t, st.InTx(ctx, func(tx *Tx) error {
		require.NoError(t, tx.Set(ctx, "a/1", 1))
		require.NoError(t, tx.Set(ctx, "a/2", 2))
		require.NoError(t, tx.Set(ctx, "b/1", []int{3})) // a value that can't be compared
		return nil
	}))
	err := st.InTx(ctx, func(tx *Tx) error {
		require.NoError(t, tx.Set(ctx, "a/0", 0))
		require.NoError(t, tx.Set(ctx, "a/1", 10))
		require.NoError(t, tx.Delete(ctx, "a/2"))
		require.NoError(t, tx.Delete(ctx, "a/ghost"))

		require.Equal(t, []Row{{"a/0", 0}, {"a/1", 10}}, tx.Scan("a/"), "a transaction scans what it wrote")
		require.Equal(t, []Row{{"a/1", 1}, {"a/2", 2}}, st.Scan("a/"), "others scan what is committed")
		_, ok := tx.Get("a/2")
		require.False(t, ok, "a transaction does not see what it deleted")
		value, ok := tx.Get("a/1")
		require.True(t, ok)
		require.Equal(t, 10, value)
		value, ok = tx.Get("b/1")
		require.True(t, ok)
		require.Equal(t, []int{3}, value)
		value, ok = st.Get("a/1")
		require.True(t, ok)
		require.Equal(t, 1, value)
		return errNo
	})
	require.ErrorIs(t, err, errNo)
	require.Equal(t, []Row{{"a/1", 1}, {"a/2", 2}, {"b/1", []int{3}}}, st.Scan(""), "a rollback changes nothing")

	require.NoError(t, st.InTx(ctx, func(tx *Tx) error { return tx.Delete(ctx, "a/1") }))
	require.Equal(t, []Row{{"a/2", 2}}, st.Scan("a"))
	require.Empty(t, st.locks, "no lock outlives its transaction")
}

func TestTxAfterItsEnd(t *testing.T) {
	t.Parallel()
	ctx, st := t.Context(), New()
	var tx *Tx
	require.NoError(t, st.InTx(ctx, func(inner *Tx) error { tx = inner; return nil }))
	require.ErrorIs(t, tx.Set(ctx, "a", 1), ErrTxDone)
	require.ErrorIs(t, tx.Delete(ctx, "a"), ErrTxDone)
	require.ErrorIs(t, tx.Lock(ctx, "a"), ErrTxDone)
	_, err := st.Insert(ctx, tx, &store.Order{ID: "a"})
	require.ErrorIs(t, err, ErrTxDone)
	_, err = st.Claim(ctx, tx, testTime, "a")
	require.ErrorIs(t, err, ErrTxDone)
	require.PanicsWithError(t, ErrTxDone.Error(), func() { tx.Get("a") })
	require.PanicsWithError(t, ErrTxDone.Error(), func() { tx.Scan("a") })
	require.Empty(t, st.locks)
}

func TestTxOfAnotherStore(t *testing.T) {
	t.Parallel()
	ctx, st := t.Context(), New()
	require.NoError(t, New().InTx(ctx, func(tx *Tx) error {
		for _, tx := range []*Tx{tx, nil} {
			_, insert := st.Insert(ctx, tx, &store.Order{ID: "a"})
			_, lock := st.Lock(ctx, tx, "a")
			_, claim := st.Claim(ctx, tx, testTime, "a")
			for _, err := range []error{insert, lock, claim, st.Save(ctx, tx, &store.Order{ID: "a"})} {
				require.ErrorContains(t, err, "not a transaction of this store")
			}
		}
		return nil
	}))
}

func TestSaveRefusesAnOrderThatWasNotLocked(t *testing.T) {
	t.Parallel()
	ctx, st := t.Context(), New()
	insert := func(tx *Tx) error { _, err := st.Insert(ctx, tx, &store.Order{ID: "a"}); return err }
	require.NoError(t, st.InTx(ctx, insert))
	err := st.InTx(ctx, func(tx *Tx) error { return st.Save(ctx, tx, &store.Order{ID: "a"}) })
	require.ErrorContains(t, err, "not locked")
}

// A transaction that goes on makes others wait for the rows that it locked, and for no other row.
func TestOnlyTheSameRowsWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, st := t.Context(), New()
		waited := make(chan struct{})
		require.NoError(t, st.InTx(ctx, func(tx *Tx) error {
			require.NoError(t, tx.Set(ctx, "a", 1))
			require.NoError(t, st.InTx(ctx, func(other *Tx) error { return other.Set(ctx, "b", 2) }), "another row")
			go func() {
				defer close(waited)
				if err := st.InTx(ctx, func(other *Tx) error { return other.Set(ctx, "a", 3) }); err != nil {
					t.Errorf("the transaction that waits: %v", err)
				}
			}()
			synctest.Wait()
			select {
			case <-waited:
				t.Error("a second transaction wrote a row that the first has locked")
			default:
			}
			return nil
		}))
		<-waited
		value, _ := st.Get("a")
		require.Equal(t, 3, value)
	})
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, st := t.Context(), New()
		require.NoError(t, st.InTx(ctx, func(tx *Tx) error {
			require.NoError(t, tx.Lock(ctx, "a"))
			brief, cancel := context.WithCancel(ctx)
			done := make(chan error, 1)
			go func() {
				done <- st.InTx(ctx, func(other *Tx) error {
					err := other.Lock(brief, "a")
					if err := other.Lock(ctx, "b"); err != nil {
						t.Errorf("a transaction may go on after a wait that was cut short: %v", err)
					}
					return err
				})
			}()
			synctest.Wait()
			cancel()
			require.ErrorIs(t, <-done, context.Canceled)
			return nil
		}))
		require.Empty(t, st.locks, "no transaction waits or owns a lock any more")
	})
}

// Of two transactions that wait for each other the younger is run again, whichever of them began to wait last.
func TestDeadlockEndsTheYounger(t *testing.T) {
	t.Parallel()
	for _, olderCloses := range []bool{true, false} {
		t.Run(fmt.Sprintf("olderCloses=%t", olderCloses), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, st := t.Context(), New()
				var runs [2]int
				goOn := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
				var wg sync.WaitGroup
				for i, keys := range [][2]string{{"a", "b"}, {"b", "a"}} {
					wg.Go(func() {
						err := st.InTx(ctx, func(tx *Tx) error {
							runs[i]++
							if err := tx.Set(ctx, keys[0], i); err != nil {
								return err
							}
							<-goOn[i]
							return tx.Set(ctx, keys[1], i)
						})
						if err != nil {
							t.Errorf("transaction %d: %v", i, err)
						}
					})
					synctest.Wait() // the first is the older
				}
				first, second := goOn[1], goOn[0]
				if !olderCloses {
					first, second = second, first
				}
				close(first)
				synctest.Wait()
				close(second)
				wg.Wait()
				require.Equal(t, [2]int{1, 2}, runs)
				require.Equal(t, []Row{{"a", 1}, {"b", 1}}, st.Scan(""), "the younger must commit last, with both rows")
				require.Empty(t, st.locks)
			})
		})
	}
}

// Many transactions that deadlock at random, some swallowing the error: none hangs, and no write is lost.
func TestDeadlocksUnderLoad(t *testing.T) {
	t.Parallel()
	ctx, st := t.Context(), New()
	const callers, rounds, rows = 8, 100, 5
	var wg sync.WaitGroup
	for i := range callers {
		random := rand.New(rand.NewPCG(4, uint64(i)))
		wg.Go(func() {
			for range rounds {
				err := st.InTx(ctx, func(tx *Tx) error {
					for _, row := range random.Perm(rows) {
						key := fmt.Sprint("row/", row)
						if tx.Lock(ctx, key) != nil {
							return nil // swallowed: the transaction must be run again all the same
						}
						n, _ := tx.Get(key)
						sum, _ := n.(int)
						if tx.Set(ctx, key, sum+1) != nil {
							return nil
						}
					}
					return nil
				})
				if err != nil {
					t.Errorf("a transaction gave up: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for _, row := range st.Scan("row/") {
		require.Equal(t, callers*rounds, row.Value, row.Key)
	}
	require.Empty(t, st.locks)
}

// Lock sorts its keys, so that calls with clashing sequences of keys meet no deadlock: each function runs once.
func TestLockOfClashingSequencesRunsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, st := t.Context(), New()
		var runs [2]int
		var wg sync.WaitGroup
		require.NoError(t, st.InTx(ctx, func(tx *Tx) error {
			require.NoError(t, tx.Lock(ctx, "m")) // both stop here, each with what it has locked before
			for i, keys := range [][]string{{"a", "m", "z", "a"}, {"z", "m", "a"}} {
				wg.Go(func() {
					err := st.InTx(ctx, func(tx *Tx) error {
						runs[i]++
						return tx.Lock(ctx, keys...)
					})
					if err != nil {
						t.Errorf("lock %v: %v", keys, err)
					}
				})
				synctest.Wait()
			}
			return nil
		}))
		wg.Wait()
		require.Equal(t, [2]int{1, 1}, runs)
	})
}

func TestInTxGivesUpAtLast(t *testing.T) {
	t.Parallel()
	runs := 0
	err := New().InTx(t.Context(), func(tx *Tx) error {
		runs++
		tx.doomed = true // as a deadlock would
		return nil
	})
	require.ErrorIs(t, err, ErrDeadlock)
	require.ErrorContains(t, err, "gave up after 100 tries")
	require.Equal(t, maxTries, runs)
}
