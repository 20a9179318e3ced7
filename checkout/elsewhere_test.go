package checkout_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

// tool is a Flow of the shop that leaves the callbacks to the shop's processes.
func (s *testShop) tool() *checkout.Flow[tx] {
	s.t.Helper()
	flow, err := checkout.New(checkout.Config[tx]{
		Stripe: s.srv.Client(), Store: s.st, Reserver: s.stock, Clock: s.srv.Now, DeliverElsewhere: true,
	})
	require.NoError(s.t, err)
	return flow
}

// What a tool records is carried out by the processes that have the callbacks, and by no other.
func TestAToolLeavesTheCallbacksToTheShop(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.onFulfil(func(context.Context, tx, *store.Order) error { return errPrinter })
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	tool := s.tool()
	require.NoError(t, tool.Resolve(t.Context(), "order-1", checkout.Retry))
	require.Equal(t, 1, s.fulfilRuns(), "the tool has no callback to run")
	require.True(t, s.order("order-1").FulfilledAt.IsZero())

	s.onFulfil(nil)
	s.srv.Advance(time.Minute)
	s.sweep()
	s.requireStatus("order-1", checkout.Fulfilled)

	require.NoError(t, tool.Refund(t.Context(), "order-1", checkout.Refund{Restock: true}))
	s.requireStatus("order-1", checkout.DisplayStatus(store.Refunded))
}

// A tool does not know whether the shop holds goods for a review, so the process that delivers asks Stripe.
func TestAToolThatSettlesHasThePaymentVerified(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.srv.Deliver(nil)
	started := s.begin(cartOf("order-1", "tee"))
	s.pay(started.SessionID)
	o, err := s.tool().Settle(t.Context(), started.SessionID)
	require.NoError(t, err)
	require.True(t, o.Paid())
	require.True(t, o.FulfilledAt.IsZero())
	require.Equal(t, checkout.VerifyPayment, s.flow.Next(o)[0].Action)
}

// A payment that a tool hears of first, as by Cancel, and that can't be fulfilled: the shop gives it back as its Config.Refund says if
// it is short, and leaves it to a person if it is not for what was sold. Both are told.
func TestAToolHearsOfAPaymentThatCannotBeFulfilled(t *testing.T) {
	t.Parallel()
	for kind, reason := range map[checkout.ChangeKind]string{checkout.ChangeShortfall: "", checkout.ChangeMismatch: "subtotal is not"} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.runAs(func(c *checkout.Config[tx]) {
				c.Refund = []checkout.ChangeKind{checkout.ChangeShortfall, checkout.ChangeMismatch}
			})
			s.loseWebhooks()
			session := s.begin(cartOf("order-1", "last")).SessionID
			s.changeOrder("order-1", func(o *store.Order) {
				if kind == checkout.ChangeMismatch {
					o.Attempts[0].Quote.Subtotal++
				}
			})
			if kind == checkout.ChangeShortfall {
				s.loseRows("fulfil_hold/", "fulfil_stock/")
				s.setStock("last", 0)
			}
			s.pay(session)
			require.ErrorIs(t, s.tool().Cancel(t.Context(), "order-1"), checkout.ErrAlreadyPaid)
			for range 3 {
				s.srv.Advance(time.Minute)
				s.sweep()
			}
			require.Equal(t, kind, s.kinds()[0])
			require.Zero(t, s.shipments("order-1"))
			require.Contains(t, s.order("order-1").StuckReason(), reason)
			require.Equal(t, reason == "", s.order("order-1").Refunded() > 0)
		})
	}
}

func TestAToolDoesNotSweep(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	tool := s.tool()
	_, err := tool.Sweep(t.Context())
	require.ErrorContains(t, err, "let a process of the shop sweep")
	require.ErrorContains(t, tool.Run(t.Context()), "let a process of the shop sweep")
	health, err := s.flow.Health(t.Context())
	require.NoError(t, err)
	require.Zero(t, health.SweptAt)

	_, err = checkout.New(checkout.Config[tx]{Stripe: s.srv.Client(), Store: s.st, DeliverElsewhere: true, Delivered: func(string) {}})
	require.ErrorContains(t, err, "DeliverElsewhere")
	_, err = checkout.New(checkout.Config[tx]{Stripe: s.srv.Client(), Store: s.st})
	require.ErrorContains(t, err, "Fulfil is nil")
}

// A worker is woken after the commit, once for each delivery, and its panic fails nothing.
func TestDeliveredWakesAWorker(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var woken []string
	s.flow, s.hook = s.processWith(func(c *checkout.Config[tx]) {
		c.OnChange = nil
		c.Delivered = func(id string) {
			woken = append(woken, id)
			require.False(t, s.order(id).FulfilledAt.IsZero(), "the delivery is committed")
			panic("worker is gone")
		}
	})
	s.srv.Deliver(s.hook, testPayloads())
	s.onFulfil(func(context.Context, tx, *store.Order) error { return errPrinter })
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	require.Empty(t, woken, "a callback that failed has written nothing")
	s.onFulfil(nil)
	s.srv.Advance(time.Hour)
	s.requireStatus("order-1", checkout.Fulfilled)
	require.Equal(t, []string{"order-1"}, woken)
	require.Contains(t, s.log.String(), "Config.Delivered panicked")
}
