package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store"
)

// countingStore counts transactions, and reads of orders.
type countingStore struct {
	store.Store[tx]
	transactions, reads atomic.Int64
}

func (s *countingStore) List(ctx context.Context, q store.Query) ([]*store.Order, error) {
	s.reads.Add(1)
	return s.Store.List(ctx, q)
}

func (s *countingStore) Find(ctx context.Context, id string) (*store.Order, error) {
	s.reads.Add(1)
	return s.Store.Find(ctx, id)
}

func (s *countingStore) InTx(ctx context.Context, fn func(tx tx) error) error {
	s.transactions.Add(1)
	return s.Store.InTx(ctx, fn)
}

// countingReserver counts previews and holds each up until it may go on.
type countingReserver struct {
	*memreserver.Reserver
	previews atomic.Int64
	goOn     chan struct{}
}

func (r *countingReserver) Preview(ctx context.Context, holds ...reservation.Hold) ([]error, error) {
	r.previews.Add(1)
	<-r.goOn
	return r.Reserver.Preview(ctx, holds...)
}

// However many want what is sold out, one of them asks the database at a time, for all that wait. Each gets its own answer.
func TestRefusalsTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		counting, reserver := &countingStore{Store: s.st}, &countingReserver{Reserver: s.stock.WithStore(s.st), goOn: make(chan struct{})}
		s.runAs(func(c *checkout.Config[tx]) { c.Store, c.Reserver = counting, reserver })
		held := s.begin(cartOf("holder", "last"))
		_, err := s.flow.Begin(t.Context(), cartOf("first", "last"))
		require.Error(t, err)
		before, reads := counting.transactions.Load(), counting.reads.Load()

		const callers = 101
		var refused atomic.Int64
		var done sync.WaitGroup
		for i := range callers {
			done.Go(func() {
				id := fmt.Sprint("o", i)
				_, err := s.flow.Begin(t.Context(), cartOf(id, "last"))
				var short *reservation.ShortageError
				if errors.As(err, &short) && short.Hold == id+"/1" {
					refused.Add(1)
				}
			})
			synctest.Wait()
		}
		done.Go(func() {
			again, err := s.flow.Begin(t.Context(), cartOf("holder", "last"))
			if err != nil || again.SessionID != held.SessionID {
				t.Errorf("who holds the last one is refused: %v", err)
			}
		})
		synctest.Wait()
		require.EqualValues(t, 1, reserver.previews.Load(), "the others wait for the first")
		close(reserver.goOn)
		done.Wait()
		require.EqualValues(t, callers, refused.Load())
		require.EqualValues(t, 3, reserver.previews.Load(), "the first caller, a full batch, and the others")
		require.EqualValues(t, 3, counting.reads.Load()-reads, "which of their orders exist")
		require.EqualValues(t, before+1, counting.transactions.Load(), "only who holds the last one has a transaction")
	})
}

// A Reserver that has nothing to preview from is asked in vain, and those that wait still share transactions.
func TestNoPreview(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		held := &heldUpStore{Store: s.st, goOn: make(chan struct{})}
		s.runAs(func(c *checkout.Config[tx]) { c.Store = held })
		s.rushForTheLast(held)
		require.EqualValues(t, 1+4+1, held.transactions.Load(), "the first caller's two, and one for each 64 others")
	})
}

// heldUpStore holds up transactions, and counts the orders that are inserted.
type heldUpStore struct {
	store.Store[tx]
	inserts, transactions atomic.Int64
	goOn                  chan struct{}
}

func (s *heldUpStore) InTx(ctx context.Context, fn func(tx tx) error) error {
	s.transactions.Add(1)
	<-s.goOn
	return s.Store.InTx(ctx, fn)
}

func (s *heldUpStore) Insert(ctx context.Context, t tx, orders ...*store.Order) ([]bool, error) {
	s.inserts.Add(int64(len(orders)))
	return s.Store.Insert(ctx, t, orders...)
}

// rushForTheLast has 200 customers want the last thing while transactions are held up, lets them go on, and checks that one gets it and
// each other is refused.
func (s *testShop) rushForTheLast(held *heldUpStore) {
	s.t.Helper()
	var bought, refused atomic.Int64
	var done sync.WaitGroup
	for i := range 200 {
		done.Go(func() {
			_, err := s.flow.Begin(s.t.Context(), cartOf(fmt.Sprint("o", i), "last"))
			var short *reservation.ShortageError
			switch {
			case err == nil:
				bought.Add(1)
			case errors.As(err, &short):
				refused.Add(1)
			}
		})
		synctest.Wait()
	}
	close(held.goOn)
	done.Wait()
	require.EqualValues(s.t, 1, bought.Load())
	require.EqualValues(s.t, 199, refused.Load())
}

// Those that wait for a transaction while something is sold out are refused without one.
func TestSoldOutWhileTheyWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		gated := &heldUpStore{Store: s.st, goOn: make(chan struct{})}
		s.runAs(func(c *checkout.Config[tx]) { c.Store, c.Reserver = gated, s.stock.WithStore(s.st) })
		s.rushForTheLast(gated)
		require.EqualValues(t, 1+64, gated.inserts.Load(), "the first caller, and the batch that finds that nothing is left")
	})
}

// Once a SKU was short, further refusals need no transaction, until there is stock again. Whoever holds stock keeps it.
func TestSoldOutTakesNoTransaction(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	counting := &countingStore{Store: s.st}
	s.runAs(func(c *checkout.Config[tx]) { c.Store, c.Reserver = counting, s.stock.WithStore(s.st) })
	first := s.begin(cartOf("o1", "last"))
	refused := func(id string) {
		t.Helper()
		var short *reservation.ShortageError
		_, err := s.flow.Begin(t.Context(), cartOf(id, "last"))
		require.ErrorAs(t, err, &short)
		require.Equal(t, &reservation.ShortageError{Hold: id + "/1", Lines: []reservation.Shortage{{SKU: "last", Wanted: 1}}}, short)
		_, err = s.flow.Order(t.Context(), id)
		require.ErrorIs(t, err, checkout.ErrNotFound)
	}
	before := counting.transactions.Load()
	refused("o2")
	require.Greater(t, counting.transactions.Load(), before, "nobody knew yet")
	before = counting.transactions.Load()
	refused("o2")
	refused("o3")
	require.Equal(t, before, counting.transactions.Load(), "a refusal must take no transaction")

	again := s.begin(cartOf("o1", "last"))
	require.True(t, again.Reused, "an order that holds the last one is not refused")
	require.Equal(t, first.SessionID, again.SessionID)

	s.setStock("last", 2)
	s.begin(cartOf("o3", "last"))
	refused("o2")
}
