package checkout_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
)

func isExpire(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/expire") }

func (s *testShop) openSessions() (n int) {
	for _, id := range s.sessionIDs() {
		if s.stripeStatus(id) == "open" {
			n++
		}
	}
	return n
}

// A session that Stripe will not end, and that can still be paid, gets no successor.
func TestOldSessionThatCannotBeEndedStays(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.begin(cartOf("order-1", "last"))
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if isExpire(r) {
			return answer(r, 400, `{"error":{"type":"invalid_request_error","message":"payment in progress"}}`), nil
		}
		return send()
	})
	_, err := s.flow.Begin(t.Context(), cartOf("order-1", "last", "tee"))
	require.Equal(t, 1, s.openSessions(), "one payable session per order")
	require.ErrorIs(t, err, checkout.ErrStillOpen)
}

// The successor of a session whose debit bounced unheard of takes over its stock.
func TestChangedCartAfterAFailedDebit(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.loseWebhooks()
	first := s.begin(cartOf("order-1", "last"))
	require.NoError(t, s.srv.Pay(first.SessionID, checkouttest.BankDebit))
	require.NoError(t, s.srv.Bounce(first.SessionID))
	second := s.begin(cartOf("order-1", "last", "tee"))
	s.srv.Deliver(s.hook)
	_, err := s.flow.Begin(t.Context(), cartOf("order-2", "last"))
	require.Error(t, err, "the only one is with order-1's open session")
	s.pay(second.SessionID)
	s.requireStock("tee", 4, 0, 1)
	require.Empty(t, s.order("order-1").Shortfall)
}

// If the answer to the end of the old session is lost, its URL is not handed out again.
func TestLostAnswerToExpire(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.begin(cartOf("order-1", "tee"))
	s.loseWebhooks()
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		response, err := send()
		if isExpire(r) {
			return nil, errors.New("connection reset")
		}
		return response, err
	})
	_, err := s.flow.Begin(t.Context(), cartOf("order-1", "tee", "last"))
	require.Error(t, err)
	s.wire.on(nil)
	for range 10 {
		s.srv.Advance(time.Minute)
		s.sweep()
	}
	again := s.begin(cartOf("order-1", "tee"))
	require.Equal(t, "open", s.stripeStatus(again.SessionID), "the URL handed out can be paid")
}

// An erased order has no URL to hand out again.
func TestBeginAfterErase(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.begin(cartOf("order-1", "last"))
	require.NoError(t, s.flow.Erase(t.Context(), "order-1"))
	again := s.begin(cartOf("order-1", "last"))
	require.NotEmpty(t, again.URL)
}

// A Begin that was cut off while it replaced a session leaves nothing held.
func TestReuseSavesWhatItGaveUp(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.begin(cartOf("order-1", "tee"))
	// The caller goes away before the old session is ended.
	ctx, cancel := context.WithCancel(t.Context())
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if isExpire(r) {
			cancel()
			return nil, ctx.Err()
		}
		return send()
	})
	_, err := s.flow.Begin(ctx, cartOf("order-1", "tee", "last"))
	require.ErrorIs(t, err, context.Canceled)
	s.wire.on(nil)
	s.requireStock("last", 0, 1, 0)
	again := s.begin(cartOf("order-1", "tee"))
	require.False(t, again.Reused, "the old session may have been ended, and the answer lost")
	s.requireStock("last", 1, 0, 0)
	require.Equal(t, store.Released, s.order("order-1").Attempts[1].Increase.State)
}

// Session.Params, the merchant's code, runs under no lock.
func TestParamsRunsUnlocked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.begin(cartOf("order-1", "tee"))
		c := cartOf("order-1", "tee", "last")
		s.loseWebhooks()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		locked := false
		c.Params = func(*stripe.CheckoutSessionCreateParams) {
			inner, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			if err := s.st.InTx(inner, func(tx tx) error { _, err := s.st.Lock(inner, tx, "order-1"); return err }); err != nil {
				locked = true
			}
		}
		_, err := s.flow.Begin(ctx, c)
		require.NoError(t, err)
		require.False(t, locked, "Params, the merchant's code, runs while the order's row is locked")
	})
}

// A hold of a minute is reused, too.
func TestShortHoldDoubleClick(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := cartOf("order-1", "last")
	c.HoldFor = time.Minute
	a := s.begin(c)
	b := s.begin(c)
	require.Equal(t, a.SessionID, b.SessionID, "the same cart again returns the same session while it can be paid")
}

// A payment that Begin brings to light is delivered at once.
func TestBeginDeliversWhatItFinds(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	first := s.begin(cartOf("order-1", "tee"))
	s.loseWebhooks()
	s.pay(first.SessionID)
	_, err := s.flow.Begin(t.Context(), cartOf("order-1", "tee", "last"))
	require.ErrorIs(t, err, checkout.ErrAlreadyPaid)
	s.requireStatus("order-1", checkout.Fulfilled)
}

// An order that expires because its successor was refused is told of.
func TestExpiryByARefusedChangeIsTold(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.begin(cartOf("order-1", "tee"))
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if isCreate(r) {
			return answer(r, 400, `{"error":{"type":"invalid_request_error"}}`), nil
		}
		return send()
	})
	_, err := s.flow.Begin(t.Context(), cartOf("order-1", "tee", "last"))
	require.Error(t, err)
	s.srv.Advance(25 * time.Hour)
	s.sweep()
	s.requireStatus("order-1", "expired")
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeExpired}, s.kinds())
}

// A cancel that Stripe did not answer is done by a sweep, though the session was asked for meanwhile.
func TestCancelIsNotForgotten(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	started := s.begin(cartOf("order-1", "last"))
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if isExpire(r) {
			return nil, errors.New("connection reset")
		}
		return send()
	})
	require.Error(t, s.flow.Cancel(t.Context(), "order-1"))
	s.srv.Advance(3 * time.Second)
	s.status(started.SessionID) // the customer's page polls
	s.wire.on(nil)
	for range 10 {
		s.srv.Advance(time.Minute)
		s.sweep()
	}
	s.requireStatus("order-1", "canceled")
}

// A commit that is reported as failed, and was none, is found by the next Begin.
func TestCommitInDoubt(t *testing.T) {
	t.Parallel()
	for at := 1; at <= 3; at++ {
		s := newShop(t)
		st := &doubtStore{Store: s.st, at: at}
		flow, _ := s.processOn(st, s.stock, s.wire)
		var again *checkout.Started
		for range 3 { // one of them is told that its commit failed
			if started, err := flow.Begin(t.Context(), cartOf("order-1", "last")); err == nil {
				again = started
			}
		}
		s.requireStock("last", 0, 1, 0)
		s.pay(again.SessionID)
		s.requireStatus("order-1", checkout.Fulfilled)
		s.requireStock("last", 0, 0, 1)
	}
}

// doubtStore reports its n-th transaction as failed although it was committed.
type doubtStore struct {
	store.Store[tx]
	n, at int
}

func (f *doubtStore) InTx(ctx context.Context, fn func(tx) error) error {
	f.n++
	err := f.Store.InTx(ctx, fn)
	if err == nil && f.n == f.at {
		return errors.New("connection lost at commit")
	}
	return err
}
