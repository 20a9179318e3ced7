package checkout_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
)

// crash has the caller of Begin disappear when the session is created: before Stripe hears of it, or after.
func (s *testShop) crash(session checkout.Session, afterwards bool) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if !isCreate(r) {
			return send()
		}
		if afterwards {
			if _, err := send(); err != nil {
				return nil, err
			}
		}
		cancel()
		return nil, ctx.Err()
	})
	_, err := s.flow.Begin(ctx, session)
	require.ErrorIs(s.t, err, context.Canceled)
	s.wire.on(nil)
}

func TestCrashWhileBeginning(t *testing.T) {
	t.Parallel()
	for name, afterwards := range map[string]bool{"before Stripe heard of it": false, "before it was recorded": true} {
		t.Run(name+", then a sweep", func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.crash(cartOf("order-1", "last"), afterwards)
			s.requireStock("last", 0, 1, 0)
			s.sweep()
			s.requireStock("last", 0, 1, 0)
			s.srv.Advance(2 * time.Minute)
			s.sweep()
			s.requireStock("last", 1, 0, 0)
			s.requireStatus("order-1", "draft")
			require.True(t, s.order("order-1").DueAt.IsZero())
			s.srv.Advance(25 * time.Hour) // the expired event of the session nobody recorded
			s.requireStock("last", 1, 0, 0)
		})
		t.Run(name+", then the customer tries again", func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.crash(cartOf("order-1", "last"), afterwards)
			started := s.begin(cartOf("order-1", "last"))
			require.Equal(t, 2, started.Attempt)
			s.requireStock("last", 0, 1, 0)
			s.pay(started.SessionID)
			s.srv.Advance(25 * time.Hour)
			s.requireStatus("order-1", checkout.Fulfilled)
			s.requireStock("last", 0, 0, 1)
			require.Equal(t, 1, s.shipments("order-1"))
		})
		t.Run(name+", while a cart is changed", func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			first := s.begin(cartOf("order-1", "tee"))
			s.crash(cartOf("order-1", "tee", "last"), afterwards)
			s.requireStock("tee", 4, 1, 0)
			s.requireStock("last", 0, 1, 0)
			s.srv.Advance(3 * time.Minute)
			s.sweep()
			require.Equal(t, "expired", s.stripeStatus(first.SessionID))
			s.requireStock("tee", 5, 0, 0)
			s.requireStock("last", 1, 0, 0)
			s.requireStatus("order-1", "expired")
		})
	}
}

// A session that is to end half an hour after its parameters were stored can't be created a minute and a half later
// (https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-expires_at): another attempt is made.
func TestStallBeforeStripe(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	stalled := false
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if isCreate(r) && !stalled {
			stalled = true
			s.srv.Advance(90 * time.Second)
		}
		return send()
	})
	cart := cartOf("order-1", "last")
	cart.HoldFor = 10 * time.Minute
	started := s.begin(cart)
	require.True(t, stalled)
	require.Equal(t, 2, started.Attempt)
	s.requireStock("last", 0, 1, 0)
	s.pay(started.SessionID)
	s.requireStatus("order-1", checkout.Fulfilled)
}

func TestLateRecordIsSuperseded(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if !isCreate(r) {
			return send()
		}
		response, err := send()
		s.wire.on(nil)
		// While the answer is on its way, another process takes the order over.
		s.srv.Advance(3 * time.Minute)
		s.sweep()
		return response, err
	})
	_, err := s.flow.Begin(t.Context(), cartOf("order-1", "last"))
	require.ErrorIs(t, err, checkout.ErrSuperseded)
	ids := s.sessionIDs()
	require.Len(t, ids, 1)
	require.Equal(t, "expired", s.stripeStatus(ids[0]), "nobody can pay it")
	s.requireStock("last", 1, 0, 0)
}

func TestStripeRefuses(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.wire.on(func(r *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		return answer(r, http.StatusBadRequest, `{"error":{"type":"invalid_request_error","code":"email_invalid",`+
			`"param":"customer_email","message":"Invalid email address: someone@"}}`), nil
	})
	_, err := s.flow.Begin(t.Context(), cartOf("order-1", "last"))
	var refused *stripe.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "customer_email", refused.Param)
	require.NotContains(t, err.Error(), "someone@")
	require.Equal(t, 1, s.wire.count(createCall))
	s.requireStock("last", 1, 0, 0)
	s.requireStatus("order-1", "draft")
}

func TestStripeAnswersGetLost(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	keys := map[string]bool{}
	lost := 2
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		keys[r.Header.Get("Idempotency-Key")] = true
		if lost--; lost == 1 {
			return answer(r, http.StatusInternalServerError, `{"error":{"type":"api_error"}}`), nil
		}
		response, err := send()
		if lost == 0 {
			return nil, errors.New("connection reset")
		}
		return response, err
	})
	started := s.begin(cartOf("order-1", "last"))
	require.Equal(t, 3, started.Attempt)
	require.Len(t, keys, 3, "a stored 500 is replayed under the same key for a day")
	s.requireStock("last", 0, 1, 0)
	s.wire.on(nil)
	s.pay(started.SessionID)
	s.srv.Advance(25 * time.Hour)
	s.requireStatus("order-1", checkout.Fulfilled)
	s.requireStock("last", 0, 0, 1)

	s.wire.on(func(*http.Request, func() (*http.Response, error)) (*http.Response, error) {
		return nil, errors.New("no route to host")
	})
	_, err := s.flow.Begin(t.Context(), cartOf("order-2", "tee"))
	require.Error(t, err)
	s.requireStock("tee", 5, 0, 0)
}
