package checkout_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
)

func TestWarnsWhenNobodySweeps(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	const warning = "no sweep for"
	pay := func(id string) { s.pay(s.begin(cartOf(id, "tee")).SessionID) }
	pay("order-1")
	require.NotContains(t, s.log.String(), warning)
	s.srv.Advance(50 * time.Minute)
	s.sweep()
	s.srv.Advance(20 * time.Minute)
	pay("order-2")
	require.NotContains(t, s.log.String(), warning)
	s.srv.Advance(61 * time.Minute)
	pay("order-3")
	pay("order-4")
	require.Contains(t, s.log.String(), warning)
}

func TestRunEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.loseWebhooks()
		started := s.begin(cartOf("order-1", "last"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.flow.Run(ctx) }()
		s.srv.Advance(25 * time.Hour)
		time.Sleep(time.Minute) // of the bubble's clock
		s.requireStatus("order-1", "expired")
		require.Equal(t, "expired", s.stripeStatus(started.SessionID))
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

// No personal data in the log, whatever happens.
func TestLogHoldsNoPersonalData(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.onFulfil(func(context.Context, tx, *store.Order) error { return errPrinter })
	session := cartOf("order-1", "tee")
	session.CustomerEmail = "private@shop.example"
	started := s.begin(session)
	require.NoError(t, s.srv.PayAs(started.SessionID, checkouttest.CardOK, checkouttest.Buyer{Name: "Private Person"}))
	s.srv.Advance(time.Hour)
	s.sweep()
	require.Equal(t, "private@shop.example", s.order("order-1").Customer.Email)
	require.Contains(t, s.log.String(), "delivery failed")
	require.NotContains(t, s.log.String(), "private@")
	require.NotContains(t, s.log.String(), "Private Person")
	require.NotContains(t, s.log.String(), started.URL)
}
