package checkout_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
)

// slowStore takes a tenth of a second to insert orders, and to lock them if locks is not nil. In that time other callers come to wait.
type slowStore struct {
	*memstore.Store
	// end ends each transaction that inserted or slowly locked several orders.
	end func(commit func() error) error

	mu      sync.Mutex
	several map[tx]bool
	batches []string // the IDs of the orders of each insert
	locks   []string // and of each lock
}

func (s *slowStore) Insert(ctx context.Context, t tx, orders ...*store.Order) ([]bool, error) {
	time.Sleep(time.Second / 10)
	inserted, err := s.Store.Insert(ctx, t, orders...)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, o := range orders {
		ids = append(ids, o.ID)
	}
	s.mu.Lock()
	s.batches = append(s.batches, strings.Join(ids, " "))
	s.several[t] = len(ids) > 1
	s.mu.Unlock()
	return inserted, nil
}

func (s *slowStore) Lock(ctx context.Context, t tx, ids ...string) ([]*store.Order, error) {
	s.mu.Lock()
	slow := s.locks != nil
	s.mu.Unlock()
	if !slow {
		return s.Store.Lock(ctx, t, ids...)
	}
	time.Sleep(time.Second / 10)
	orders, err := s.Store.Lock(ctx, t, ids...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.locks = append(s.locks, strings.Join(ids, " "))
		s.several[t] = len(ids) > 1
	}
	return orders, err
}

// lockSlowly has the store lock slowly from now on.
func (s *slowStore) lockSlowly() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.locks = []string{}
}

func (s *slowStore) InTx(ctx context.Context, fn func(tx) error) error {
	several := false
	rolledBack := errors.New("rolled back")
	commit := true
	var answer error
	err := s.Store.InTx(ctx, func(t tx) error {
		if err := fn(t); err != nil {
			return err
		}
		s.mu.Lock()
		several = s.several[t]
		s.mu.Unlock()
		if !several || s.end == nil {
			return nil
		}
		commit = false
		answer = s.end(func() error { commit = true; return nil })
		if !commit {
			return rolledBack
		}
		return nil
	})
	if answer != nil {
		return answer
	}
	return err
}

// beginning is what a Begin returned.
type beginning struct {
	id      string
	started *checkout.Started
	err     error
	took    time.Duration
}

// start calls Begin in a goroutine, and returns when all goroutines wait. The result is for when Begin has returned.
func start(ctx context.Context, flow *checkout.Flow[tx], session checkout.Session) (result func() beginning) {
	returned, began := make(chan beginning, 1), time.Now()
	go func() {
		started, err := flow.Begin(ctx, session)
		returned <- beginning{session.OrderID, started, err, time.Since(began)}
	}()
	synctest.Wait()
	return func() beginning { return <-returned }
}

// beginAtOnce begins sessions at one time, in this sequence, and waits for all.
func beginAtOnce(t *testing.T, flow *checkout.Flow[tx], sessions ...checkout.Session) (all []beginning) {
	t.Helper()
	var results []func() beginning
	for _, session := range sessions {
		results = append(results, start(t.Context(), flow, session))
	}
	for _, result := range results {
		all = append(all, result())
	}
	return all
}

// slowShop is a shop in a bubble whose Store is slow.
func slowShop(t *testing.T, fn func(t *testing.T, s *testShop, st *slowStore, flow *checkout.Flow[tx])) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		st := &slowStore{Store: s.st, several: map[tx]bool{}}
		flow, _ := s.processOn(st, s.stock, s.wire)
		fn(t, s, st, flow)
	})
}

func (s *testShop) requireStarted(all ...beginning) {
	s.t.Helper()
	for _, b := range all {
		require.NoError(s.t, b.err, b.id)
		require.Equal(s.t, b.id, b.started.OrderID)
		require.Equal(s.t, b.id, s.stripeSession(b.started.SessionID).Metadata["fulfil_order"])
		require.Equal(s.t, b.started.SessionID, s.order(b.id).OpenAttempt().SessionID)
		require.Equal(s.t, "open", s.stripeStatus(b.started.SessionID))
	}
}

// Callers that wait at the same time share a transaction, and each gets its own answer.
func TestBeginTogether(t *testing.T) {
	t.Parallel()
	slowShop(t, func(t *testing.T, s *testShop, st *slowStore, flow *checkout.Flow[tx]) {
		s.setStock("other", 9)
		untracked := cartOf("order-8", "tee")
		untracked.Lines[0].SKU = ""
		old := s.begin(cartOf("old", "other"))
		all := beginAtOnce(t, flow, cartOf("order-0", "tee"), cartOf("order-1", "tee", "tee"), cartOf("order-2", "last"), cartOf("order-3", "last"),
			cartOf("order-4", "tee", "tee", "tee"), cartOf("old", "other"), cartOf("order-5", "tee", "tee"), cartOf("order-6", "tee"), cartOf("order-7", "none"), untracked)
		require.Equal(t, []string{"order-0", "order-1 order-2 order-3 order-4 old order-5 order-6 order-7 order-8", "old"}, st.batches)
		s.requireStarted(all[0], all[1], all[2], all[5], all[6], all[9])
		require.Equal(t, old.SessionID, all[5].started.SessionID)
		require.True(t, all[5].started.Reused)
		for i, want := range map[int][]reservation.Shortage{
			3: {{SKU: "last", Wanted: 1, Available: 0}}, 4: {{SKU: "tee", Wanted: 3, Available: 2}}, 7: {{SKU: "tee", Wanted: 1, Available: 0}},
		} {
			var short *reservation.ShortageError
			require.ErrorAs(t, all[i].err, &short)
			require.Equal(t, &reservation.ShortageError{Hold: all[i].id + "/1", Lines: want}, short)
		}
		require.ErrorIs(t, all[8].err, reservation.ErrUnknownSKU)
		for _, i := range []int{3, 4, 7, 8} {
			_, err := s.flow.Order(t.Context(), all[i].id)
			require.ErrorIs(t, err, checkout.ErrNotFound, "an order that was refused does not stay")
		}
		s.requireStock("tee", 0, 5, 0)
		s.requireStock("last", 0, 1, 0)
		s.requireStock("other", 8, 1, 0)
	})
}

// A commit of several callers fails, or its answer is lost. Each of them begins alone then.
func TestBeginTogetherFails(t *testing.T) {
	t.Parallel()
	failed := errors.New("the database failed")
	for name, end := range map[string]func(commit func() error) error{
		"not committed":           func(func() error) error { return failed },
		"the answer is lost":      func(commit func() error) error { return errors.Join(commit(), failed) },
		"panic before the commit": func(func() error) error { panic(failed) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slowShop(t, func(t *testing.T, s *testShop, st *slowStore, flow *checkout.Flow[tx]) {
				st.end = end
				all := beginAtOnce(t, flow, cartOf("order-0", "tee"), cartOf("order-1", "tee"), cartOf("order-2", "tee", "tee"), cartOf("order-3", "last"))
				s.requireStarted(all...)
				require.Equal(t, []string{"order-0", "order-1 order-2 order-3"}, st.batches[:2])
				slices.Sort(st.batches[2:])
				require.Equal(t, []string{"order-1", "order-2", "order-3"}, st.batches[2:])
				s.requireStock("tee", 1, 4, 0)
				s.requireStock("last", 0, 1, 0)
				require.Len(t, s.sessionIDs(), 4)
				require.Contains(t, s.log.String(), "each runs alone")
			})
		})
	}
}

// A caller whose row somebody has locked keeps the others for half a second, and not for longer.
func TestBeginTogetherWithALockedRow(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]string{"an order": "fulfil_order/order-2", "a SKU": "fulfil_stock/last"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slowShop(t, func(t *testing.T, s *testShop, _ *slowStore, flow *checkout.Flow[tx]) {
				var locking sync.WaitGroup
				locking.Go(func() {
					require.NoError(t, s.st.InTx(t.Context(), func(t tx) error {
						err := t.Lock(context.Background(), row)
						time.Sleep(time.Minute)
						return err
					}))
				})
				synctest.Wait()
				all := beginAtOnce(t, flow, cartOf("order-0", "tee"), cartOf("order-1", "tee"), cartOf("order-2", "last"), cartOf("order-3", "tee"))
				locking.Wait()
				s.requireStarted(all...)
				for i, b := range all {
					if i == 2 {
						require.GreaterOrEqual(t, b.took, time.Minute)
					} else {
						require.Less(t, b.took, time.Second, b.id)
					}
				}
			})
		})
	}
}

// A caller that leaves while a transaction runs for it and others is answered at once. What was stored for it is found by its next
// Begin.
func TestLeaveBeginTogether(t *testing.T) {
	t.Parallel()
	slowShop(t, func(t *testing.T, s *testShop, st *slowStore, flow *checkout.Flow[tx]) {
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		session := cartOf("order-1", "tee")
		session.Metadata = map[string]string{"note": "first"}
		first, stays, leaves := start(t.Context(), flow, cartOf("order-0", "tee")), start(t.Context(), flow, cartOf("order-2", "tee")), start(ctx, flow, session)
		gone := leaves()
		require.ErrorIs(t, gone.err, context.DeadlineExceeded)
		require.Equal(t, 150*time.Millisecond, gone.took)
		session.Metadata["note"] = "changed" // the map is the caller's own again
		s.requireStarted(first(), stays())
		require.Equal(t, []string{"order-0", "order-2 order-1"}, st.batches)
		require.Equal(t, "first", s.order("order-1").Metadata["note"])
		again, err := flow.Begin(t.Context(), session)
		s.requireStarted(beginning{id: "order-1", started: again, err: err})
		s.requireStock("tee", 2, 3, 0)
	})
}
