package checkout_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
)

// Health says what the Flow knows of its shop, before and after it sold something and swept.
func TestHealth(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.runAs(func(c *checkout.Config[tx]) { c.Reserver = s.stock.WithStore(s.st) })
	health := func() checkout.Health {
		h, err := s.flow.Health(t.Context())
		require.NoError(t, err)
		return h
	}
	counted := func(held int64, orders store.Counts) checkout.Health {
		return checkout.Health{Connects: true, Orders: &orders, Held: &held}
	}
	require.Equal(t, counted(0, store.Counts{}), health())

	started, err := s.flow.Begin(t.Context(), cartOf("order-1", "tee"))
	require.NoError(t, err)
	require.NoError(t, s.srv.Pay(started.SessionID, checkouttest.CardOK))
	s.srv.Advance(time.Minute)
	_, err = s.flow.Sweep(t.Context())
	require.NoError(t, err)
	want := counted(0, store.Counts{})
	want.Mode, want.Session, want.SweptAt = "test", started.SessionID, testStart.Add(time.Minute)
	if testPayloads()&checkouttest.Snapshot != 0 {
		want.SnapshotAt = testStart
	}
	require.Equal(t, want, health())

	s.begin(cartOf("order-2", "tee", "last"))
	s.loseWebhooks()
	due := s.order("order-2").DueAt
	s.srv.Advance(due.Sub(s.flow.Now()) + time.Second)
	require.Equal(t, int64(2), *health().Held)
	require.Equal(t, store.Counts{Due: 1, DueSince: due}, *health().Orders)
	require.NoError(t, s.st.SetCursor(t.Context(), "failed_events", `[{"id":"evt_1","type":"refund.failed"},{"id":"evt_2","type":"refund.failed"}]`))
	require.Equal(t, 2, health().FailedEvents)
}

// FailedEvents says which events fail, since when, and when they are tried again.
func TestFailedEventsAreListed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.down()
	s.hears(func() error { return errPrinter })
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	s.srv.Advance(2 * time.Minute)
	s.sweep()
	events, err := s.flow.FailedEvents(t.Context())
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Contains(t, events[0].ID, "evt_")
	require.Equal(t, s.flow.Now(), events[0].Since)
	require.True(t, events[0].Next.After(events[0].Since))
}

// An order is found by each ID of Stripe's that leads to it.
func TestFindRef(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	for _, ref := range s.order("order-1").Refs() {
		o, err := s.flow.FindRef(t.Context(), ref)
		require.NoError(t, err, ref)
		require.Equal(t, "order-1", o.ID)
	}
	_, err := s.flow.FindRef(t.Context(), "pi_nix")
	require.ErrorIs(t, err, checkout.ErrNotFound)
}
