package checkout_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

func (s *testShop) refund(sessionID string, amount int64) string {
	s.t.Helper()
	id, err := s.srv.Refund(sessionID, amount)
	require.NoError(s.t, err)
	return id
}

func TestRefunds(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	started := s.begin(cartOf("order-1", "tee"))
	s.pay(started.SessionID)
	first := s.refund(started.SessionID, 500)
	s.requireStatus("order-1", "partially_refunded")
	s.refund(started.SessionID, 1499)
	s.requireStatus("order-1", "refunded")
	require.Equal(t, int64(1999), s.order("order-1").Refunded())
	require.Equal(t, []checkout.ChangeKind{checkout.Refunded, checkout.Refunded}, s.kinds())
	require.Equal(t, first, s.changes[0].Detail)
	s.requireStock("tee", 4, 0, 1) // the goods may be anywhere

	require.NoError(t, s.srv.FailRefund(first))
	s.requireStatus("order-1", "partially_refunded")
	require.Equal(t, checkout.RefundFailed, s.kinds()[2])
	require.Equal(t, 1, s.shipments("order-1"))
	require.Equal(t, 1, s.order("order-1").Refunds[0].Attempt)
}

// Goods whose money was given back are not shipped.
func TestRefundedWhileFulfilling(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.onFulfil(func(context.Context, tx, *store.Order) error { return errPrinter })
	started := s.begin(cartOf("order-1", "tee"))
	s.pay(started.SessionID)
	s.refund(started.SessionID, 0)
	s.onFulfil(nil)
	s.srv.Advance(48 * time.Hour)
	s.sweep()
	s.requireStatus("order-1", "refunded")
	require.Zero(t, s.shipments("order-1"))
	require.Equal(t, []checkout.ChangeKind{checkout.Refunded}, s.kinds())
}

// Goods of which a part was given back are.
func TestPartiallyRefundedWhileFulfilling(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.onFulfil(func(context.Context, tx, *store.Order) error { return errPrinter })
	started := s.begin(cartOf("order-1", "tee"))
	s.pay(started.SessionID)
	s.refund(started.SessionID, 1)
	s.onFulfil(nil)
	s.srv.Advance(48 * time.Hour)
	s.sweep()
	require.Equal(t, 1, s.shipments("order-1"))
	s.requireStatus("order-1", "partially_refunded")
}

// A refund that is heard of before its payment settles the payment first.
func TestRefundBeforeItsPayment(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	started := s.begin(cartOf("order-1", "tee"))
	s.loseWebhooks()
	s.pay(started.SessionID)
	s.srv.Deliver(s.hook)
	s.refund(started.SessionID, 0)
	s.requireStatus("order-1", "refunded")
	require.Zero(t, s.shipments("order-1"))
	require.Equal(t, []checkout.ChangeKind{checkout.Refunded}, s.kinds())
	s.requireStock("tee", 4, 0, 1)
}

// A payment is settled together with what was given back of it, or not at all: else another process would ship the goods
// between the two.
func TestRefundedBeforeItsPaymentWasKnown(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"refunds", "disputes"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			id := s.begin(cartOf("order-1", "tee")).SessionID
			s.loseWebhooks()
			s.pay(id)
			if what == "refunds" {
				s.refund(id, 0)
			} else {
				s.disputePayment(id)
			}
			s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
				if r.URL.Path == "/v1/"+what {
					return answer(r, http.StatusServiceUnavailable, `{"error":{"type":"api_error"}}`), nil
				}
				return send()
			})
			_, err := s.flow.Settle(t.Context(), id)
			require.Error(t, err)
			for range 26 {
				s.srv.Advance(time.Hour)
				s.sweep()
			}
			require.Zero(t, s.shipments("order-1"))

			s.wire.on(nil)
			s.srv.Advance(7 * time.Hour)
			s.sweep()
			s.requireStatus("order-1", map[string]string{"refunds": "refunded", "disputes": "disputed"}[what])
			require.Zero(t, s.shipments("order-1"))
		})
	}
}

// The refund of a second payment leaves the order paid.
func TestDuplicatePaymentIsRefunded(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	old := s.beginUnrecorded(cartOf("order-1", "tee"))
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	s.pay(old)
	s.refund(old, 0)
	s.requireStatus("order-1", checkout.Fulfilled)
	require.Equal(t, []checkout.ChangeKind{checkout.DuplicatePayment, checkout.Refunded}, s.kinds())
}

func TestForeignRefund(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	params, err := cartOf("order-1", "tee").CreateParams(s.srv.Now())
	require.NoError(t, err)
	session, err := s.srv.Client().V1CheckoutSessions.Create(t.Context(), params)
	require.NoError(t, err)
	s.pay(session.ID)
	before := s.flow.ForeignSessions()
	s.refund(session.ID, 0)
	require.Greater(t, s.flow.ForeignSessions(), before)
	for _, e := range s.srv.Events() {
		for _, a := range e.Attempts {
			require.Equal(t, 200, a.Status, e.Type)
		}
	}
}
