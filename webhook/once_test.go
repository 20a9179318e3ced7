package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
)

// fakeStore is an OnceStore with a second table, which shows the rows that commit together with a claim.
type fakeStore struct {
	mu        sync.Mutex
	claims    map[string]time.Time
	rows      []string
	conflicts int // how often InTx runs fn and rolls back
	answers   int // how many answers Claim gives too many
	claimErr  error
}

type fakeTx struct {
	claims map[string]time.Time
	rows   []string
}

func newFakeStore() *fakeStore { return &fakeStore{claims: map[string]time.Time{}} }

// InTx is serial: one transaction at a time.
func (s *fakeStore) InTx(_ context.Context, fn func(tx *fakeTx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; s.conflicts > 0; s.conflicts-- {
		_ = fn(&fakeTx{claims: map[string]time.Time{}})
	}
	tx := &fakeTx{claims: map[string]time.Time{}}
	if err := fn(tx); err != nil {
		return err
	}
	maps.Copy(s.claims, tx.claims)
	s.rows = append(s.rows, tx.rows...)
	return nil
}

func (s *fakeStore) Claim(_ context.Context, tx *fakeTx, now time.Time, keys ...string) ([]bool, error) {
	first := make([]bool, len(keys)+s.answers)
	for i, key := range keys {
		_, taken := s.claims[key]
		first[i] = !taken
		tx.claims[key] = now
	}
	return first, s.claimErr
}

func TestOnce(t *testing.T) {
	t.Parallel()
	st := newFakeStore()
	var seen results
	h := newTestHandler(t, Config{Observe: seen.observe})
	var fail error
	handler := func(row string) func(context.Context, *fakeTx, *Event[stripe.Invoice]) error {
		return func(_ context.Context, tx *fakeTx, e *Event[stripe.Invoice]) error {
			tx.rows = append(tx.rows, row+" "+e.ID+" "+e.Object.ID)
			if row == "b" && fail != nil {
				return fail
			}
			return nil
		}
	}
	On(h, InvoicePaid, Once("a", st, handler("a")))
	On(h, InvoicePaid, Once("b", st, handler("b")))

	deliver := func(id string, status, handlers int, duplicate bool) {
		t.Helper()
		seen.all = nil
		require.Equal(t, status, serve(h, invoicePaid(id)).Code)
		res := seen.only(t)
		require.Equal(t, duplicate, res.Duplicate, "duplicate")
		require.Equal(t, handlers, res.Handlers, "handlers")
	}
	fail = errBoom
	deliver("evt_1", http.StatusInternalServerError, 2, false)
	require.Equal(t, []string{"a evt_1 in_1"}, st.rows)
	deliver("evt_1", http.StatusInternalServerError, 1, true) // a is done; b has claimed nothing and is tried again
	fail = nil
	deliver("evt_1", http.StatusOK, 1, true)
	require.Equal(t, []string{"a evt_1 in_1", "b evt_1 in_1"}, st.rows)
	deliver("evt_1", http.StatusOK, 0, true)
	deliver("evt_2", http.StatusOK, 2, false)
	require.Len(t, st.rows, 4)

	fail = Permanent(errBoom)
	deliver("evt_3", http.StatusOK, 2, false)
	require.ErrorIs(t, seen.only(t).Err, ErrPermanent)
	require.Len(t, st.rows, 5, "a permanent failure rolls back what it wrote")
	require.Len(t, st.claims, 5, "and its claim")
	for key, at := range st.claims {
		require.Equal(t, testNow, at, key)
		require.Contains(t, key, "once/")
	}
}

// An event is handled once, also if many deliveries of it arrive at the same time.
func TestOnceConcurrently(t *testing.T) {
	t.Parallel()
	st := newFakeStore()
	var seen results
	h := newTestHandler(t, Config{Observe: seen.observe})
	On(h, InvoicePaid, Once("a", st, func(_ context.Context, tx *fakeTx, e *Event[stripe.Invoice]) error {
		tx.rows = append(tx.rows, e.ID)
		return nil
	}))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { serve(h, invoicePaid("evt_1")) })
	}
	wg.Wait()
	require.Equal(t, []string{"evt_1"}, st.rows)
	duplicates := 0
	for _, res := range seen.all {
		require.Equal(t, http.StatusOK, res.Status)
		if res.Duplicate {
			duplicates++
		}
	}
	require.Equal(t, 19, duplicates)
}

// When the store runs a transaction again, fn gets the event unchanged, and the last run decides.
func TestOnceRunAgain(t *testing.T) {
	t.Parallel()
	st := newFakeStore()
	st.conflicts = 2
	h := newTestHandler(t, Config{})
	runs := 0
	On(h, InvoicePaid, Once("a", st, func(_ context.Context, tx *fakeTx, e *Event[stripe.Invoice]) error {
		runs++
		tx.rows = append(tx.rows, e.Object.ID)
		e.Object.ID = "changed"
		return nil
	}))
	require.Equal(t, http.StatusOK, serve(h, invoicePaid("evt_1")).Code)
	require.Equal(t, 3, runs)
	require.Equal(t, []string{"in_1"}, st.rows)
}

func TestOnceStoreFailures(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]*fakeStore{
		"claim fails":         {claimErr: errBoom},
		"claim says too much": {answers: 1},
	} {
		broken.claims = map[string]time.Time{}
		h := newTestHandler(t, Config{})
		On(h, InvoicePaid, Once("a", broken, func(context.Context, *fakeTx, *Event[stripe.Invoice]) error {
			t.Error("called without a claim")
			return nil
		}))
		require.Equal(t, http.StatusInternalServerError, serve(h, invoicePaid("evt_1")).Code, name)
	}
}

// A panic passes through the store, which rolls back, and the delivery is answered with 500.
func TestOncePanic(t *testing.T) {
	t.Parallel()
	st := newFakeStore()
	h := newTestHandler(t, Config{})
	Fallback(h, Once("a", st, func(_ context.Context, tx *fakeTx, _ *Event[json.RawMessage]) error {
		tx.rows = append(tx.rows, "lost")
		panic("ouch")
	}))
	require.Equal(t, http.StatusInternalServerError, serve(h, invoicePaid("evt_1")).Code)
	require.Empty(t, st.rows)
	require.Empty(t, st.claims)
	var p *PanicError
	require.True(t, errors.As(h.Dispatch(t.Context(), invoicePaid("evt_1")), &p))
}
