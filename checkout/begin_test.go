package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
)

func TestSameCartIsSameSession(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	first := s.begin(cartOf("order-1", "last"))
	s.srv.Advance(5 * time.Minute)
	again := s.begin(cartOf("order-1", "last"))
	require.True(t, again.Reused)
	again.Reused = false
	require.Equal(t, first, again)
	require.Equal(t, 1, s.wire.count(createCall))
	s.requireStock("last", 0, 1, 0)

	s.pay(first.SessionID)
	_, err := s.flow.Begin(t.Context(), cartOf("order-1", "last"))
	require.ErrorIs(t, err, checkout.ErrAlreadyPaid)
}

func TestDoubleClick(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	other, _ := s.process()
	flows := []*checkout.Flow[tx]{s.flow, s.flow, s.flow, other, other, other}
	started := make([]*checkout.Started, len(flows))
	errs := make([]error, len(flows))
	var wg sync.WaitGroup
	for i, flow := range flows {
		wg.Go(func() { started[i], errs[i] = flow.Begin(context.Background(), cartOf("order-1", "last")) })
	}
	wg.Wait()
	payable := map[string]bool{}
	for i, err := range errs {
		if err != nil {
			require.ErrorIs(t, err, checkout.ErrSuperseded, "only another process's Begin may come between")
			continue
		}
		payable[started[i].SessionID] = true
	}
	require.Len(t, payable, 1, "every click that got an answer got the same session")
	open := 0
	for _, id := range s.sessionIDs() {
		if s.stripeStatus(id) == "open" {
			open++
			require.True(t, payable[id])
		}
	}
	require.Equal(t, 1, open, "one payable session per order")
	s.requireStock("last", 0, 1, 0)
}

func TestChangedCart(t *testing.T) {
	t.Parallel()
	t.Run("bigger", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		first := s.begin(cartOf("order-1", "tee"))
		second := s.begin(cartOf("order-1", "tee", "tee", "last"))
		require.Equal(t, 2, second.Attempt)
		require.Equal(t, "expired", s.stripeStatus(first.SessionID))
		s.requireStock("tee", 3, 2, 0)
		s.requireStock("last", 0, 1, 0)
		s.pay(second.SessionID)
		s.requireStatus("order-1", checkout.Fulfilled)
		s.requireStock("tee", 3, 0, 2)
		s.requireStock("last", 0, 0, 1)
		require.Equal(t, []store.Line{
			{SKU: "tee", Name: "Item tee", UnitAmount: 1999, Quantity: 1},
			{SKU: "tee", Name: "Item tee", UnitAmount: 1999, Quantity: 1},
			{SKU: "last", Name: "Item last", UnitAmount: 1999, Quantity: 1},
		}, s.order("order-1").Lines)
		require.Empty(t, s.kinds())
	})
	t.Run("smaller", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.begin(cartOf("order-1", "tee", "last"))
		s.begin(cartOf("order-1", "tee"))
		s.requireStock("tee", 4, 1, 0)
		s.requireStock("last", 1, 0, 0)
	})
	t.Run("the increase does not fit", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		first := s.begin(cartOf("order-1", "last"))
		_, err := s.flow.Begin(t.Context(), cartOf("order-1", "last", "last", "tee"))
		var short *reservation.ShortageError
		require.ErrorAs(t, err, &short)
		require.Equal(t, []reservation.Shortage{{SKU: "last", Wanted: 2, Available: 1}}, short.Lines,
			"what the customer holds already counts as available")
		require.Equal(t, "open", s.stripeStatus(first.SessionID))
		s.requireStock("last", 0, 1, 0)
		s.requireStock("tee", 5, 0, 0)
		s.pay(first.SessionID)
		s.requireStatus("order-1", checkout.Fulfilled)
	})
	t.Run("the old session was just paid", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		first := s.begin(cartOf("order-1", "tee"))
		s.loseWebhooks()
		s.pay(first.SessionID)
		_, err := s.flow.Begin(t.Context(), cartOf("order-1", "tee", "last"))
		require.ErrorIs(t, err, checkout.ErrAlreadyPaid)
		s.requireStock("last", 1, 0, 0)
		s.requireStock("tee", 4, 0, 1)
		s.srv.Advance(time.Minute)
		s.sweep()
		s.requireStatus("order-1", checkout.Fulfilled)
		require.Len(t, s.sessionIDs(), 1)
	})
	t.Run("the old session can't be ended", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		first := s.begin(cartOf("order-1", "tee"))
		s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/expire") {
				return nil, errors.New("connection reset")
			}
			return send()
		})
		_, err := s.flow.Begin(t.Context(), cartOf("order-1", "tee", "last"))
		require.Error(t, err)
		s.requireStock("last", 1, 0, 0)
		require.Equal(t, "open", s.stripeStatus(first.SessionID))
		s.pay(first.SessionID)
		s.requireStatus("order-1", checkout.Fulfilled)
	})
}

// The stock that a successor takes over must not be free for a moment: neither for the event of the session that expired
// for it, nor for another customer.
func TestChangedCartKeepsItsStock(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.begin(cartOf("order-1", "last"))
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if isCreate(r) { // between the end of the old session and the new one
			s.requireStock("last", 0, 1, 0)
			s.wire.on(nil)
		}
		return send() // the server delivers checkout.session.expired with the answer to expire
	})
	second := s.begin(cartOf("order-1", "last", "tee"))
	s.srv.Flush()
	s.requireStock("last", 0, 1, 0)
	s.pay(second.SessionID)
	s.requireStock("last", 0, 0, 1)
	s.requireStatus("order-1", checkout.Fulfilled)
}

func TestBeginValidates(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	session := cartOf("order 1", "last")
	session.SuccessURL = "thanks"
	_, err := s.flow.Begin(t.Context(), session)
	var invalid *checkout.InvalidSessionError
	require.ErrorAs(t, err, &invalid)
	require.Len(t, invalid.Problems, 2)
	require.Zero(t, s.wire.count(createCall))

	s.begin(cartOf("order-1", "last"))
	moved := cartOf("order-1", "last")
	moved.Connect.Account = "acct_1"
	_, err = s.flow.Begin(t.Context(), moved)
	require.ErrorContains(t, err, "another account")
}

// Two tabs with two carts, in two processes, at each moment at which the one can come between the steps of the other:
// nobody is sent to a page that the other tab ended.
func TestTwoTabsInTwoProcesses(t *testing.T) {
	t.Parallel()
	for name, moment := range map[string]func(r *http.Request) bool{"while the session is created": isCreate, "while the old session is ended": isExpire} {
		for _, begun := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, begun before: %v", name, begun), func(t *testing.T) {
				t.Parallel()
				s := newShop(t)
				other, _ := s.process()
				if begun {
					s.begin(cartOf("order-1", "tee"))
				}
				var first *checkout.Started
				var firstErr error
				came := false
				s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
					if moment(r) && !came {
						came = true
						first, firstErr = other.Begin(t.Context(), cartOf("order-1", "tee"))
					}
					return send()
				})
				second, secondErr := s.flow.Begin(t.Context(), cartOf("order-1", "last"))
				s.wire.on(nil)
				sent := 0
				for _, tab := range []struct {
					started *checkout.Started
					err     error
				}{{first, firstErr}, {second, secondErr}} {
					switch {
					case tab.err != nil:
						require.ErrorIs(t, tab.err, checkout.ErrSuperseded)
					case tab.started != nil:
						sent++
						require.Equal(t, "open", s.stripeStatus(tab.started.SessionID))
					}
				}
				require.Equal(t, 1, sent)
				require.Equal(t, 1, s.openSessions())
			})
		}
	}
}
