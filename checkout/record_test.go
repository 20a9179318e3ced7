package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/memreserver"
)

// countedStock notes the holds of each request to end some.
type countedStock struct {
	*memreserver.Reserver

	mu             sync.Mutex
	sold, released []string
}

func (r *countedStock) Commit(ctx context.Context, t tx, ids ...string) ([]error, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sold = append(r.sold, strings.Join(ids, " "))
	return r.Reserver.Commit(ctx, t, ids...)
}

func (r *countedStock) Release(ctx context.Context, t tx, ids ...string) ([]error, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.released = append(r.released, strings.Join(ids, " "))
	return r.Reserver.Release(ctx, t, ids...)
}

var _ reservation.Reserver[tx] = (*countedStock)(nil)

// busyShop is a shop in a bubble that has begun the sessions of order-0 to order-4 and locks slowly from now on.
func busyShop(t *testing.T, fn func(t *testing.T, s *testShop, st *slowStore, stock *countedStock, flow *checkout.Flow[tx], sessions []string)) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		st, stock := &slowStore{Store: s.st, several: map[tx]bool{}}, &countedStock{Reserver: s.stock}
		flow, hook := s.processOn(st, stock, s.wire)
		s.hook = hook
		var sessions []string
		for i := range 5 {
			started, err := flow.Begin(t.Context(), cartOf(fmt.Sprint("order-", i), "tee"))
			require.NoError(t, err)
			sessions = append(sessions, started.SessionID)
		}
		st.lockSlowly()
		fn(t, s, st, stock, flow, sessions)
	})
}

// sideBySide runs functions in goroutines, in this sequence, and waits for all.
func sideBySide(fns ...func() error) []error {
	errs := make([]error, len(fns))
	var running sync.WaitGroup
	for i, fn := range fns {
		running.Go(func() { errs[i] = fn() })
		synctest.Wait()
	}
	running.Wait()
	return errs
}

// payments pays sessions, and returns what has the shop hear of each.
func (s *testShop) payments(ctx context.Context, sessions ...string) (hear []func() error) {
	all := s.recordEvents()
	for _, id := range sessions {
		require.NoError(s.t, s.srv.Pay(id, checkouttest.CardOK))
	}
	for _, e := range *all {
		if e.eventType == "checkout.session.completed" {
			hear = append(hear, func() error { return s.hook.Dispatch(ctx, e.payload) })
		}
	}
	return hear
}

// Payments that are heard of at the same time are recorded in one transaction, and their stock is sold by one request. Each is
// fulfilled once.
func TestSettleTogether(t *testing.T) {
	t.Parallel()
	busyShop(t, func(t *testing.T, s *testShop, _ *slowStore, stock *countedStock, _ *checkout.Flow[tx], sessions []string) {
		require.NoError(t, errors.Join(sideBySide(s.payments(t.Context(), sessions...)...)...))
		require.Equal(t, []string{"order-0/1", "order-1/1 order-2/1 order-3/1 order-4/1"}, stock.sold)
		for i := range sessions {
			s.requireStatus(fmt.Sprint("order-", i), checkout.Fulfilled)
			require.Equal(t, 1, s.shipments(fmt.Sprint("order-", i)))
		}
		s.requireStock("tee", 0, 0, 5)
	})
}

// Sessions that are ended at the same time give their stock back by one request.
func TestReleaseTogether(t *testing.T) {
	t.Parallel()
	busyShop(t, func(t *testing.T, s *testShop, _ *slowStore, stock *countedStock, flow *checkout.Flow[tx], sessions []string) {
		s.loseWebhooks()
		var cancels []func() error
		for i := range sessions {
			cancels = append(cancels, func() error { return flow.Cancel(t.Context(), fmt.Sprint("order-", i)) })
		}
		require.NoError(t, errors.Join(sideBySide(cancels...)...))
		require.Less(t, len(stock.released), 4)
		released := strings.Split(strings.Join(stock.released, " "), " ")
		slices.Sort(released)
		require.Equal(t, []string{"order-0/1", "order-1/1", "order-2/1", "order-3/1", "order-4/1"}, released)
		s.requireStock("tee", 5, 0, 0)
	})
}

// Each caller gets its own error. Callers about the same order come one after the other.
func TestRecordTogether(t *testing.T) {
	t.Parallel()
	busyShop(t, func(t *testing.T, s *testShop, st *slowStore, _ *countedStock, flow *checkout.Flow[tx], _ []string) {
		erase := func(id string) func() error { return func() error { return flow.Erase(t.Context(), id) } }
		errs := sideBySide(erase("order-0"), erase("order-1"), erase("none"), erase("order-2"), erase("order-1"), erase("order-1"))
		require.Equal(t, []string{"order-0", "order-1 none order-2", "order-1", "order-1"}, st.locks)
		for i, err := range errs {
			if i == 2 {
				require.ErrorIs(t, err, checkout.ErrNotFound)
				require.ErrorContains(t, err, "none")
			} else {
				require.NoError(t, err)
			}
		}
		for i := range 5 {
			require.Equal(t, i > 2, s.order(fmt.Sprint("order-", i)).ErasedAt.IsZero())
		}
	})
}

// A commit of several callers fails, or its answer is lost. Each of them records alone then.
func TestRecordTogetherFails(t *testing.T) {
	t.Parallel()
	failed := errors.New("the database failed")
	for name, end := range map[string]func(commit func() error) error{
		"not committed":           func(func() error) error { return failed },
		"the answer is lost":      func(commit func() error) error { return errors.Join(commit(), failed) },
		"panic before the commit": func(func() error) error { panic(failed) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			busyShop(t, func(t *testing.T, s *testShop, st *slowStore, _ *countedStock, _ *checkout.Flow[tx], sessions []string) {
				st.end = end
				require.NoError(t, errors.Join(sideBySide(s.payments(t.Context(), sessions[:3]...)...)...))
				for i := range 3 {
					s.requireStatus(fmt.Sprint("order-", i), checkout.Fulfilled)
					require.Equal(t, 1, s.shipments(fmt.Sprint("order-", i)))
				}
				s.requireStock("tee", 0, 2, 3)
				require.Contains(t, s.log.String(), "each runs alone")
			})
		})
	}
}

// An order that somebody has locked keeps the others up for half a second, and not for longer: whether its caller runs alone or
// together with them.
func TestRecordTogetherWithALockedRow(t *testing.T) {
	t.Parallel()
	for _, locked := range []int{0, 2} {
		t.Run(fmt.Sprint(locked), func(t *testing.T) {
			t.Parallel()
			busyShop(t, func(t *testing.T, s *testShop, _ *slowStore, _ *countedStock, flow *checkout.Flow[tx], _ []string) {
				var locking sync.WaitGroup
				locking.Go(func() {
					require.NoError(t, s.st.InTx(t.Context(), func(t tx) error {
						_, err := s.st.Lock(context.Background(), t, fmt.Sprint("order-", locked))
						time.Sleep(time.Minute)
						return err
					}))
				})
				synctest.Wait()
				took := make([]time.Duration, 4)
				var erases []func() error
				began := time.Now()
				for i := range took {
					erases = append(erases, func() error {
						err := flow.Erase(t.Context(), fmt.Sprint("order-", i))
						took[i] = time.Since(began)
						return err
					})
				}
				require.NoError(t, errors.Join(sideBySide(erases...)...))
				locking.Wait()
				for i, d := range took {
					if i == locked {
						require.GreaterOrEqual(t, d, time.Minute)
					} else {
						require.Less(t, d, time.Second, i)
					}
				}
			})
		})
	}
}

// A caller whose context ends while a transaction records for it and others stays for the end, so that no lease is taken that nobody
// delivers by.
func TestLeaveRecordTogether(t *testing.T) {
	t.Parallel()
	busyShop(t, func(t *testing.T, s *testShop, st *slowStore, _ *countedStock, flow *checkout.Flow[tx], sessions []string) {
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		errs := sideBySide(
			func() error { return flow.Erase(t.Context(), "order-3") },
			func() error { return flow.Erase(ctx, "order-4") },
			s.payments(ctx, sessions[0])[0],
		)
		require.NoError(t, errors.Join(errs...))
		require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
		require.Equal(t, []string{"order-3", "order-4 order-0"}, st.locks[:2])
		require.False(t, s.order("order-4").ErasedAt.IsZero())
		s.requireStatus("order-0", checkout.Fulfilled)
	})
}
