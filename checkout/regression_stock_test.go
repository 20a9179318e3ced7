package checkout_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
)

// vendurehq/vendure#3065: two customers had the last item in their carts, both passed the stock check, both paid, and the
// second was charged for an order that could not be completed.
func TestVendure3065TwoCustomersOneItem(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	first := s.begin(cartOf("order-1", "last"))
	_, err := s.flow.Begin(t.Context(), cartOf("order-2", "last"))
	var short *reservation.ShortageError
	require.ErrorAs(t, err, &short)
	require.Len(t, s.sessionIDs(), 1, "the second customer has no page to pay on")
	s.pay(first.SessionID)
	s.requireFulfilledOnce()
}

// vendurehq/vendure#3508: checkouts at the same time each saw the last item in stock, and all of them sold it.
func TestVendure3508ConcurrentCheckouts(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	other, _ := s.process()
	const buyers = 20
	started := make([]*checkout.Started, buyers)
	errs := make([]error, buyers)
	var fns []func()
	for i := range buyers {
		flow := s.flow
		if i%2 == 1 {
			flow = other
		}
		fns = append(fns, func() {
			started[i], errs[i] = flow.Begin(t.Context(), cartOf("order-"+string(rune('a'+i)), "last"))
		})
	}
	atOnce(fns...)
	got := 0
	for i, err := range errs {
		var short *reservation.ShortageError
		if !errors.As(err, &short) {
			require.NoError(t, err)
			got++
			s.pay(started[i].SessionID)
		}
	}
	require.Equal(t, 1, got)
	s.requireStock("last", 0, 0, 1)
}

// woocommerce/woocommerce-gateway-stripe#5812: a customer gave one session up and paid the order in another way. When the
// abandoned session expired a day later, the paid order was marked as failed, its stock given back, and the customer told.
func TestWooCommerce5812AbandonedSessionExpires(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	abandoned := s.beginUnrecorded(cartOf("order-1", "last"))
	s.pay(s.begin(cartOf("order-1", "last")).SessionID)
	s.srv.Advance(25 * time.Hour)
	require.Equal(t, "expired", s.stripeStatus(abandoned))
	require.Equal(t, http.StatusOK, s.answered(abandoned))
	s.requireFulfilledOnce()
	require.Empty(t, s.kinds())
}

// woocommerce/woocommerce-gateway-stripe#5485: an order was paid and looked unpaid, and the timer that frees the stock of
// unpaid orders canceled it.
func TestWooCommerce5485PaidOrderRunsOutOfTime(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *testShop){
		"timer": func(s *testShop) { s.sweep() },
		"merchant": func(s *testShop) {
			require.ErrorIs(s.t, s.flow.Cancel(s.t.Context(), "order-1"), checkout.ErrAlreadyPaid)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.loseWebhooks()
			cart := cartOf("order-1", "last")
			cart.HoldFor = 10 * time.Minute
			s.pay(s.begin(cart).SessionID)
			s.srv.Advance(time.Hour)
			end(s)
			s.requireFulfilledOnce()
		})
	}
}

// Sylius/PayumStripePlugin#70: to cancel an order whose session had expired already was an error, as Stripe expires open
// sessions only, and the order could not be canceled at all.
func TestPayumStripePlugin70CancelAfterExpiry(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.loseWebhooks()
	id := s.begin(cartOf("order-1", "last")).SessionID
	s.srv.Advance(25 * time.Hour)
	require.Equal(t, "expired", s.stripeStatus(id))
	require.NoError(t, s.flow.Cancel(t.Context(), "order-1"))
	s.requireStatus("order-1", "canceled")
	s.requireStock("last", 1, 0, 0)
	require.NoError(t, s.flow.Cancel(t.Context(), "order-1"))
}
