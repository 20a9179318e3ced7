package checkout_test

import (
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

// story is what happens to order-1 at Stripe while the shop hears nothing.
type story struct {
	name    string
	happens func(s *testShop) (begun *store.Order) // the order as it was before anything was heard
	events  []string                               // the types that count
	acts    []step                                 // what the merchant does meanwhile
	steps   int                                    // how many of both there are
	ends    string                                 // in one word
	told    []checkout.ChangeKind                  // whatever the order
	// handedOverOrNot: whether goods leave depends on what is heard first, as those of a payment that was given back do not.
	handedOverOrNot bool
	// unpolled: Stripe can't be asked, as the shop does not know what for.
	unpolled bool
}

const (
	completed   = "checkout.session.completed"
	succeeded   = "checkout.session.async_payment_succeeded"
	failed      = "checkout.session.async_payment_failed"
	expired     = "checkout.session.expired"
	refunded    = "refund.created"
	refundMoved = "refund.updated"
	refundFails = "refund.failed"
	chargeBack  = "charge.refunded"
	disputed    = "charge.dispute.created"
	disputeEnds = "charge.dispute.closed"
	withdrawn   = "charge.dispute.funds_withdrawn"
	reinstated  = "charge.dispute.funds_reinstated"
)

// begunWith begins order-1 and returns its session and how the order is then.
func (s *testShop) begunWith(skus ...string) (id string, begun *store.Order) {
	s.t.Helper()
	id = s.begin(cartOf("order-1", skus...)).SessionID
	return id, s.order("order-1")
}

func (s *testShop) debit(id string) { require.NoError(s.t, s.srv.Pay(id, checkouttest.BankDebit)) }

func (s *testShop) disputePayment(id string) (dispute string) {
	s.t.Helper()
	dispute, err := s.srv.Dispute(id)
	require.NoError(s.t, err)
	return dispute
}

var stories = []story{
	{name: "card", events: []string{completed}, steps: 1, ends: checkout.Fulfilled,
		happens: func(s *testShop) *store.Order {
			id, begun := s.begunWith("last")
			require.Error(s.t, s.srv.Pay(id, checkouttest.CardDeclined))
			s.pay(id)
			return begun
		}},
	{name: "delayed success", events: []string{completed, succeeded}, steps: 2, ends: checkout.Fulfilled,
		happens: func(s *testShop) *store.Order {
			id, begun := s.begunWith("last")
			s.debit(id)
			require.NoError(s.t, s.srv.Settle(id))
			return begun
		}},
	{name: "delayed failure", events: []string{completed, failed}, steps: 2, ends: "failed", told: []checkout.ChangeKind{checkout.Failed},
		happens: func(s *testShop) *store.Order {
			id, begun := s.begunWith("last")
			s.debit(id)
			require.NoError(s.t, s.srv.Bounce(id))
			return begun
		}},
	{name: "expired", events: []string{expired}, steps: 1, ends: "expired", told: []checkout.ChangeKind{checkout.Expired},
		happens: func(s *testShop) *store.Order {
			_, begun := s.begunWith("last")
			s.srv.Advance(25 * time.Hour)
			return begun
		}},
	{name: "canceled", events: []string{expired}, steps: 2, ends: "canceled", told: []checkout.ChangeKind{checkout.Canceled},
		acts: []step{{"cancel", func(r *testShop) { require.NoError(r.t, r.flow.Cancel(r.t.Context(), "order-1")) }}},
		happens: func(s *testShop) *store.Order {
			id, begun := s.begunWith("last")
			_, err := s.srv.Client().V1CheckoutSessions.Expire(s.t.Context(), id, nil)
			require.NoError(s.t, err)
			return begun
		}},
	{name: "partial refunds adding up", events: []string{completed, refunded}, steps: 3, ends: "refunded",
		told: []checkout.ChangeKind{checkout.Refunded}, handedOverOrNot: true, happens: refundedInParts},
	{name: "partial refunds adding up, as old API versions tell of them", events: []string{completed, chargeBack}, steps: 3, ends: "refunded",
		told: []checkout.ChangeKind{checkout.Refunded}, handedOverOrNot: true, happens: refundedInParts},
	{name: "a refund that fails later", events: []string{completed, refunded, refundMoved, refundFails}, steps: 4, ends: checkout.Fulfilled,
		happens: func(s *testShop) *store.Order {
			id, begun := s.begunWith("tee")
			s.pay(id)
			require.NoError(s.t, s.srv.FailRefund(s.refund(id, 0)))
			return begun
		}},
	{name: "one refund fails, another stands", events: []string{completed, refunded, refundFails}, steps: 4, ends: "partially_refunded",
		told: []checkout.ChangeKind{checkout.Refunded},
		happens: func(s *testShop) *store.Order {
			id, begun := s.begunWith("tee")
			s.pay(id)
			failing := s.refund(id, 500)
			s.refund(id, 300)
			require.NoError(s.t, s.srv.FailRefund(failing))
			return begun
		}},
	{name: "a debit given back", events: []string{completed, succeeded, refunded, refundMoved}, steps: 4, ends: "refunded",
		told: []checkout.ChangeKind{checkout.Refunded}, handedOverOrNot: true,
		happens: func(s *testShop) *store.Order {
			id, begun := s.begunWith("tee")
			s.debit(id)
			require.NoError(s.t, s.srv.Settle(id))
			require.NoError(s.t, s.srv.SettleRefund(s.refund(id, 0)))
			return begun
		}},
	{name: "dispute opened", events: []string{completed, disputed, withdrawn}, steps: 3, ends: "disputed",
		told: []checkout.ChangeKind{checkout.Disputed}, handedOverOrNot: true,
		happens: func(s *testShop) *store.Order {
			id, begun := s.begunWith("tee")
			s.pay(id)
			s.disputePayment(id)
			return begun
		}},
	{name: "dispute won", events: []string{completed, disputed, withdrawn, reinstated, disputeEnds}, steps: 5, ends: checkout.Fulfilled,
		told: []checkout.ChangeKind{checkout.DisputeWon},
		happens: func(s *testShop) *store.Order {
			id, begun := s.begunWith("tee")
			s.pay(id)
			require.NoError(s.t, s.srv.WinDispute(s.disputePayment(id)))
			return begun
		}},
	{name: "dispute lost", events: []string{completed, disputed, withdrawn, disputeEnds}, steps: 4, ends: "disputed",
		told: []checkout.ChangeKind{checkout.DisputeLost}, handedOverOrNot: true,
		happens: func(s *testShop) *store.Order {
			id, begun := s.begunWith("tee")
			s.pay(id)
			require.NoError(s.t, s.srv.LoseDispute(s.disputePayment(id)))
			return begun
		}},
	{name: "refund during dispute", events: []string{completed, refunded}, steps: 4, ends: "refunded", unpolled: true,
		told: []checkout.ChangeKind{checkout.Refunded, checkout.DisputeWon}, handedOverOrNot: true,
		// The bank only inquires, and closes the inquiry as the money is back: https://docs.stripe.com/disputes/how-disputes-work.
		acts: []step{inquiry(disputed, "warning_needs_response"), inquiry(disputeEnds, "warning_closed")},
		happens: func(s *testShop) *store.Order {
			id, begun := s.begunWith("tee")
			s.pay(id)
			s.refund(id, 0)
			return begun
		}},
	{name: "the first session expires, the second is paid by debit", events: []string{completed, succeeded, expired}, steps: 3,
		ends: checkout.Fulfilled,
		happens: func(s *testShop) *store.Order {
			s.begunWith("tee")
			id, begun := s.begunWith("tee", "last")
			s.debit(id)
			require.NoError(s.t, s.srv.Settle(id))
			return begun
		}},
	{name: "the first debit bounces, the second session is paid", events: []string{completed, failed}, steps: 3,
		ends: checkout.Fulfilled,
		happens: func(s *testShop) *store.Order {
			first, _ := s.begunWith("tee")
			s.debit(first)
			require.NoError(s.t, s.srv.Bounce(first))
			id, begun := s.begunWith("tee", "last")
			s.pay(id)
			return begun
		}},
	{name: "both sessions are paid", events: []string{completed}, steps: 2, ends: checkout.Fulfilled, unpolled: true,
		told: []checkout.ChangeKind{checkout.DuplicatePayment},
		happens: func(s *testShop) *store.Order {
			old := s.beginUnrecorded(cartOf("order-1", "tee"))
			id, begun := s.begunWith("tee")
			s.pay(old)
			s.pay(id)
			return begun
		}},
}

func refundedInParts(s *testShop) *store.Order {
	id, begun := s.begunWith("tee")
	s.pay(id)
	s.refund(id, 500)
	s.refund(id, 1499)
	return begun
}

// inquiry is a question of the bank's about the payment of order-1.
func inquiry(eventType, status string) step {
	return step{eventType, func(r *testShop) {
		begun := r.order("order-1").Attempts[0].SessionID
		require.NoError(r.t, r.hook.Dispatch(r.t.Context(), webhooktest.Event{
			ID: "evt_" + status, Type: eventType, Created: r.srv.Now(), APIVersion: stripe.APIVersion,
			Object: map[string]any{
				"id": "dp_1", "object": "dispute", "status": status, "amount": 1999, "payment_intent": r.stripeSession(begun).PaymentIntent.ID,
			},
		}.Payload()))
	}}
}
