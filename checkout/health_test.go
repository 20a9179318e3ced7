package checkout_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
)

// Health says when the shop was last swept, what is received, and which events fail.
func TestHealth(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	health, err := s.flow.Health(t.Context())
	require.NoError(t, err)
	require.True(t, health.Unswept)
	require.Zero(t, health.LastSweep)
	require.Zero(t, health.LastSnapshot)
	require.Equal(t, testStart, health.Now)

	s.down()
	broken := true
	s.hears(func() error {
		if broken {
			return errPrinter
		}
		return nil
	})
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	s.srv.Advance(2 * time.Minute)
	s.sweep()
	swept := s.srv.Now()
	health, err = s.flow.Health(t.Context())
	require.NoError(t, err)
	require.False(t, health.Unswept)
	require.Equal(t, swept, health.LastSweep)
	require.Len(t, health.FailedEvents, 1)
	failed := health.FailedEvents[0]
	require.NotEmpty(t, failed.Type)
	require.Contains(t, failed.ID, "evt_")
	require.Equal(t, swept, failed.Since)
	require.True(t, failed.Next.After(swept))

	broken = false
	s.srv.Advance(59 * time.Minute)
	health, err = s.flow.Health(t.Context())
	require.NoError(t, err)
	require.False(t, health.Unswept)
	s.srv.Advance(time.Minute)
	health, err = s.flow.Health(t.Context())
	require.NoError(t, err)
	require.True(t, health.Unswept)
	s.sweep()
	health, err = s.flow.Health(t.Context())
	require.NoError(t, err)
	require.Empty(t, health.FailedEvents)
}

// An order is found by each ID of Stripe's that leads to it.
func TestFindRef(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	refs := s.order("order-1").Refs()
	require.NotEmpty(t, refs)
	for _, ref := range refs {
		o, err := s.flow.FindRef(t.Context(), ref)
		require.NoError(t, err, ref)
		require.Equal(t, "order-1", o.ID)
	}
	_, err := s.flow.FindRef(t.Context(), "pi_nix")
	require.ErrorIs(t, err, checkout.ErrNotFound)
}
