package checkout_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
)

// Stock is adjusted once for what a person saw, whatever was sold and held since.
func TestAdjustStock(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	read := func() reservation.Stock {
		stock, err := s.flow.Stock(t.Context(), "tee")
		require.NoError(t, err)
		return stock[0]
	}
	seen := read()
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	s.begin(cartOf("order-2", "tee"))
	require.NoError(t, s.flow.AdjustStock(t.Context(), seen, 10))
	s.requireStock("tee", 13, 1, 1)

	require.ErrorIs(t, s.flow.AdjustStock(t.Context(), seen, 10), checkout.ErrStockChanged)
	require.ErrorIs(t, s.flow.AdjustStock(t.Context(), seen, -3), checkout.ErrStockChanged)
	s.requireStock("tee", 13, 1, 1)

	require.NoError(t, s.flow.AdjustStock(t.Context(), read(), -13))
	s.requireStock("tee", 0, 1, 1)
	require.ErrorIs(t, s.flow.AdjustStock(t.Context(), read(), -1), reservation.ErrBelowHeld)
	require.ErrorIs(t, s.flow.AdjustStock(t.Context(), read(), -2), reservation.ErrInvalidStock)
	require.ErrorIs(t, s.flow.AdjustStock(t.Context(), reservation.Stock{SKU: "nix"}, 1), reservation.ErrUnknownSKU)
	s.requireStock("tee", 0, 1, 1)

	all, err := s.flow.Stock(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2)
}

// A Reserver that can't list its stock is said so, and no Reserver as well.
func TestStockOfOtherReservers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	none, _ := s.untracked()
	plain, _ := s.processOn(s.st, struct{ reservation.Reserver[tx] }{s.stock}, s.wire)
	for _, flow := range []*checkout.Flow[tx]{none, plain} {
		_, err := flow.Stock(t.Context())
		require.ErrorIs(t, err, checkout.ErrNoStock)
		require.ErrorIs(t, flow.AdjustStock(t.Context(), reservation.Stock{SKU: "tee"}, 1), checkout.ErrNoStock)
	}
}

// unsold is a Reserver that sells nothing.
type unsold struct{ reservation.Reserver[tx] }

func (unsold) Commit(_ context.Context, _ tx, ids ...string) ([]error, error) {
	errs := make([]error, len(ids))
	for i := range errs {
		errs[i] = reservation.ErrNotHeld
	}
	return errs, nil
}

// A payment is recorded whatever the Reserver answers. A person decides about the stock.
func TestReserverThatSellsNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.runAs(func(c *checkout.Config[tx]) { c.Reserver = unsold{s.stock} })
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	require.Equal(t, "stock is short", s.order("order-1").StuckReason())
}
