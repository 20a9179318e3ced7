package checkout_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

// authorized is a session of order-1 whose money is authorized and not captured yet, and its payment intent.
func (s *testShop) authorized() (sessionID, intent string) {
	s.t.Helper()
	cart := cartOf("order-1", "last")
	cart.ManualCapture = true
	sessionID = s.begin(cart).SessionID
	s.pay(sessionID)
	s.requireStatus("order-1", "processing")
	s.requireStock("last", 0, 1, 0)
	return sessionID, s.order("order-1").Attempts[0].PaymentIntent
}

// A capture, and the end of an authorization, are heard at once.
func TestManualCapture(t *testing.T) {
	t.Parallel()
	t.Run("captured", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		_, intent := s.authorized()
		_, err := s.srv.Client().V1PaymentIntents.Capture(t.Context(), intent, nil)
		require.NoError(t, err)
		s.srv.Flush()
		s.requireStatus("order-1", checkout.Fulfilled)
		s.requireStock("last", 0, 0, 1)
		require.NotContains(t, s.kinds(), checkout.ChangePartlyCaptured)
	})
	t.Run("a part captured", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		id, intent := s.authorized()
		_, err := s.srv.Client().V1PaymentIntents.Capture(t.Context(), intent, &stripe.PaymentIntentCaptureParams{AmountToCapture: stripe.Int64(1200)})
		require.NoError(t, err)
		s.srv.Flush()
		s.requireStatus("order-1", checkout.Fulfilled)
		require.Equal(t, []checkout.ChangeKind{checkout.ChangeProcessing, checkout.ChangePartlyCaptured}, s.kinds())
		require.Equal(t, "1200 of 1999", s.changes[1].Detail)
		s.refund(id, 1199)
		s.requireStatus("order-1", "partially_refunded")
		s.refund(id, 1)
		s.requireStatus("order-1", "refunded")
	})
	t.Run("canceled", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		_, intent := s.authorized()
		_, err := s.srv.Client().V1PaymentIntents.Cancel(t.Context(), intent, nil)
		require.NoError(t, err)
		s.srv.Flush()
		s.requireStatus("order-1", "failed")
		s.requireStock("last", 1, 0, 0)
		require.Equal(t, []checkout.ChangeKind{checkout.ChangeProcessing, checkout.ChangeFailed}, s.kinds())
		require.Zero(t, s.shipments("order-1"))
	})
	t.Run("lapsed", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.authorized()
		s.srv.Advance(8 * 24 * time.Hour) // and no sweep
		s.requireStatus("order-1", "failed")
		s.requireStock("last", 1, 0, 0)
	})
}

// inReview has Stripe say that payments have a review.
func (s *testShop) inReview(review string) {
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if id, ok := strings.CutPrefix(r.URL.Path, "/v1/payment_intents/"); ok && r.Method == http.MethodGet {
			return answer(r, http.StatusOK, `{"id":"`+id+`","object":"payment_intent","review":`+review+`}`), nil
		}
		return send()
	})
}

func closedReview(reason string) string {
	return `{"id":"prv_1","object":"review","open":false,"closed_reason":"` + reason + `","reason":"` + reason + `"}`
}

const openReview = `{"id":"prv_1","object":"review","open":true,"reason":"rule"}`

// With Config.HoldForReview goods wait for the end of a review, even if its events are lost.
func TestHoldForReview(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		then    func(s *testShop, intent string) error
		shipped int
		stuck   bool
	}{
		"approved": {func(s *testShop, intent string) error {
			s.inReview(closedReview("approved"))
			return s.dispatch("review.closed", map[string]any{"id": "prv_1", "object": "review", "payment_intent": intent, "closed_reason": "approved"})
		}, 1, false},
		"acknowledged, and nobody said so": {func(s *testShop, _ string) error {
			s.inReview(closedReview("acknowledged"))
			s.srv.Advance(time.Hour)
			s.sweep()
			return nil
		}, 1, false},
		"closed as fraud": {func(s *testShop, intent string) error {
			s.inReview(closedReview("refunded_as_fraud"))
			return s.dispatch("review.closed", map[string]any{"id": "prv_1", "object": "review", "payment_intent": intent, "closed_reason": "refunded_as_fraud"})
		}, 0, true},
		"an event from before": {func(s *testShop, intent string) error {
			return s.dispatch("review.closed", map[string]any{"id": "prv_1", "object": "review", "payment_intent": intent, "closed_reason": "approved"})
		}, 0, true},
		"a person decides": {func(s *testShop, _ string) error {
			return s.flow.Resolve(s.t.Context(), "order-1", checkout.FulfilAnyway)
		}, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.runAs(func(c *checkout.Config[tx]) { c.HoldForReview = true })
			s.inReview(openReview)
			s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
			require.Zero(t, s.shipments("order-1"))
			require.Equal(t, "the payment is in review", s.order("order-1").StuckReason())
			require.NoError(t, c.then(s, s.order("order-1").Attempts[0].PaymentIntent))
			s.srv.Advance(time.Hour)
			s.sweep()
			require.Equal(t, c.shipped, s.shipments("order-1"))
			require.Equal(t, c.stuck, s.order("order-1").Stuck())
		})
	}
	t.Run("no review", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.runAs(func(c *checkout.Config[tx]) { c.HoldForReview = true })
		s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
		s.requireStatus("order-1", checkout.Fulfilled)
	})
}

// A review that is opened after a subscription was handed over is told, and locks no member out.
func TestReviewOfAMember(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.runAs(func(c *checkout.Config[tx]) { c.HoldForReview = true })
	s.subscribe("club")
	s.inReview(openReview)
	intent := s.order("club").Attempts[0].PaymentIntent
	require.NoError(t, s.dispatch("review.opened", map[string]any{"id": "prv_1", "object": "review", "payment_intent": intent, "open": true}))
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeReviewOpened}, s.kinds())
	require.Equal(t, store.AccessActive, s.order("club").Access(s.srv.Now(), 0).Reason)
}

// Fraud warnings and reviews are told once each, also those that come before the payment was heard of.
func TestWarningsAreToldOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := s.begin(cartOf("order-1", "tee")).SessionID
	s.loseWebhooks()
	s.pay(id)
	intent := s.stripeSession(id).PaymentIntent.ID
	for range 2 {
		require.NoError(t, s.dispatch("review.opened", map[string]any{"id": "prv_1", "object": "review", "payment_intent": intent, "open": true}))
		require.NoError(t, s.dispatch("radar.early_fraud_warning.created", map[string]any{
			"id": "issfr_1", "object": "radar.early_fraud_warning", "payment_intent": intent, "charge": "ch_1",
		}))
		require.NoError(t, s.dispatch("review.closed", map[string]any{"id": "prv_1", "object": "review", "payment_intent": intent, "closed_reason": "approved"}))
	}
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeReviewOpened, checkout.ChangeFraudWarning, checkout.ChangeReviewClosed}, s.kinds())
	require.Equal(t, "prv_1 approved", s.changes[2].Detail)
	s.requireStatus("order-1", checkout.Fulfilled)
	require.NoError(t, s.dispatch("review.opened", map[string]any{"id": "prv_2", "object": "review", "payment_intent": "pi_foreign", "open": true}))
	require.Len(t, s.kinds(), 3)
}

// An order needs a person if the key may not read refunds, as no sweep mends the key.
func TestUnverifiedPaymentIsStuck(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.failFulfil()
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	s.onFulfil(nil)
	s.loseWebhooks()
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.URL.Path == "/v1/refunds" {
			return answer(r, http.StatusForbidden, `{"error":{"type":"invalid_request_error"}}`), nil
		}
		return send()
	})
	for range 8 {
		s.srv.Advance(time.Hour)
		s.sweep()
	}
	require.Zero(t, s.shipments("order-1"))
	require.Contains(t, s.order("order-1").StuckReason(), "given back")
	s.wire.on(nil)
	s.srv.Advance(2 * time.Hour)
	s.sweep()
	require.False(t, s.order("order-1").Stuck())
	require.Equal(t, store.Paid, s.order("order-1").Status())
	require.Equal(t, 1, s.shipments("order-1"))
}
