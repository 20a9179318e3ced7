package checkout_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

// A machine whose clock is minutes off still sells: the end of a session is computed by Stripe's clock, which the first
// refusal brings to light.
func TestClockThatIsOff(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-2 * time.Minute, -10 * time.Second, 2 * time.Minute, 10 * time.Minute} {
		t.Run(off.String(), func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			flow, err := checkout.New(checkout.Config[tx]{
				Stripe: s.srv.ClientOver(s.wire), Store: s.st, Reserver: s.stock, Logger: slog.New(slog.NewTextHandler(s.log, nil)),
				Clock:  func() time.Time { return s.srv.Now().Add(off) },
				Fulfil: func(context.Context, tx, *store.Order) error { return nil },
			})
			require.NoError(t, err)
			for _, holdFor := range []time.Duration{10 * time.Minute, 0} {
				cart := cartOf("order-"+holdFor.String(), "tee")
				cart.HoldFor = holdFor
				_, err := flow.Begin(t.Context(), cart)
				require.NoError(t, err)
			}
		})
	}
}

// A sweep learns Stripe's time on an account that has no events yet, too.
func TestTimeOfANewAccount(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	flow, err := checkout.New(checkout.Config[tx]{
		Stripe: s.srv.ClientOver(s.wire), Store: s.st, Reserver: s.stock, Logger: slog.New(slog.NewTextHandler(s.log, nil)),
		Clock:  func() time.Time { return s.srv.Now().Add(2 * time.Minute) },
		Fulfil: func(context.Context, tx, *store.Order) error { return nil },
	})
	require.NoError(t, err)
	_, err = flow.Sweep(t.Context())
	require.NoError(t, err)
	require.Contains(t, s.log.String(), "the clock of this machine differs from stripe's")
}

// A process whose clock is weeks ahead takes no order away from the sweeps of others, also before it heard of Stripe's time, however few
// requests its sweeps make.
func TestClockFarAheadSweepsNothing(t *testing.T) {
	t.Parallel()
	for _, budget := range []int{0, 1, 2} {
		t.Run(fmt.Sprint(budget), func(t *testing.T) {
			t.Parallel()
			sweepFarAhead(t, budget)
		})
	}
}

func sweepFarAhead(t *testing.T, budget int) {
	s := newShop(t)
	s.loseWebhooks()
	s.failFulfil()
	paid := s.begin(cartOf("order-1", "tee")).SessionID
	s.pay(paid)
	_, err := s.flow.Settle(t.Context(), paid)
	require.NoError(t, err)
	cart := cartOf("order-2", "last")
	cart.HoldFor = 10 * time.Minute
	s.begin(cart)
	ahead, _ := s.processWith(func(c *checkout.Config[tx]) {
		c.Clock, c.SweepBudget = func() time.Time { return s.srv.Now().Add(20 * day) }, budget
	})
	for range 2 {
		_, err = ahead.Sweep(t.Context())
		require.ErrorContains(t, err, "clock")
	}
	s.onFulfil(nil)
	s.srv.Advance(time.Hour)
	s.sweep()
	s.requireStatus("order-1", checkout.Fulfilled)
	s.requireStock("last", 1, 0, 0)
}

// The status pages of a process whose clock is weeks ahead hide no order from the sweeps of others: neither one that is being paid, nor
// one that could not be fulfilled.
func TestStatusPagesOfAClockFarAhead(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.loseWebhooks()
	ahead, _ := s.processWith(func(c *checkout.Config[tx]) {
		c.Clock = func() time.Time { return s.srv.Now().Add(20 * day) }
	})
	cart := cartOf("order-1", "last")
	cart.HoldFor = 10 * time.Minute
	open, paid := s.begin(cart).SessionID, s.begin(cartOf("order-2", "tee")).SessionID
	s.pay(paid)
	s.failFulfil()
	for _, id := range []string{open, paid} {
		_, err := ahead.Settle(t.Context(), id)
		require.NoError(t, err)
	}
	s.requireStatus("order-1", "open")
	s.requireStatus("order-2", "paid")
	s.onFulfil(nil)
	s.srv.Advance(15 * time.Minute)
	s.sweep()
	s.requireStatus("order-1", "expired")
	s.requireStatus("order-2", checkout.Fulfilled)
	_, err := ahead.Sweep(t.Context())
	require.ErrorContains(t, err, "clock")
}
