package checkout_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
)

// countingStore counts transactions.
type countingStore struct {
	store.Store[tx]
	transactions atomic.Int64
}

func (s *countingStore) InTx(ctx context.Context, fn func(tx tx) error) error {
	s.transactions.Add(1)
	return s.Store.InTx(ctx, fn)
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
