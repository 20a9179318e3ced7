package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
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
	s.srv.Deliver(s.hook, testPayloads())
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

// The payment of a purchase that was erased brings nothing of its buyer back, although the order was begun again since.
func TestPaymentOfAnErasedPurchase(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	erased := s.beginUnrecorded(cartOf("order-1", "tee"))
	require.NoError(t, s.flow.Erase(t.Context(), "order-1"))
	s.begin(cartOf("order-1", "tee"))
	require.NoError(t, s.srv.PayAs(erased, checkouttest.CardOK, checkouttest.Buyer{Email: "private@shop.example", Name: "Private"}))
	o := s.order("order-1")
	require.True(t, o.Attempt(1).Paid)
	data, err := o.Encode()
	require.NoError(t, err)
	require.NotContains(t, string(data), "rivate")
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
		st := &doubtStore{Store: s.st, at: at, err: errors.New("connection lost at commit")}
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

// A Store that says that a commit is in doubt has Begin look for itself, and the caller notices nothing.
func TestBeginResolvesDoubt(t *testing.T) {
	t.Parallel()
	carts := []checkout.Session{cartOf("order-1", "last"), cartOf("order-1", "last", "tee"), cartOf("order-1", "tee")}
	for at := 1; ; at++ {
		s := newShop(t)
		st := &doubtStore{Store: s.st, at: at, err: store.ErrInDoubt}
		flow, _ := s.processOn(st, s.stock, s.wire)
		var started *checkout.Started
		for i, cart := range carts {
			var err error
			started, err = flow.Begin(t.Context(), cart)
			require.NoError(t, err, "cart %d, the answer to commit %d is lost", i+1, at)
		}
		s.pay(started.SessionID)
		s.requireStatus("order-1", checkout.Fulfilled)
		s.requireStock("last", 1, 0, 0)
		s.requireStock("tee", 4, 0, 1)
		require.LessOrEqual(t, len(s.order("order-1").Attempts), len(carts)+1)
		if st.n < at {
			require.Greater(t, at, 5)
			break
		}
	}
}

// A node of a cluster that shows a commit only a moment later has no Begin fail.
func TestBeginAtANodeThatLags(t *testing.T) {
	t.Parallel()
	for at := 1; ; at++ {
		s := newShop(t)
		st := &laggingStore{Store: s.st, at: at, looks: 3}
		flow, _ := s.processOn(st, s.stock, s.wire)
		for _, cart := range []checkout.Session{cartOf("order-1", "last"), cartOf("order-1", "tee", "last")} {
			started, err := flow.Begin(t.Context(), cart)
			require.NoError(t, err, "the order is not shown to look %d", at)
			require.Equal(t, "open", s.stripeStatus(started.SessionID))
		}
		if st.n < at {
			require.Greater(t, at, 3)
			break
		}
	}
}

// laggingStore does not show an order to some of the looks at it, as a node of a cluster that another node is ahead of.
type laggingStore struct {
	store.Store[tx]
	n, at, looks int
	alone        bool // the transaction inserted an order itself, or found that there is one
}

// hides reports whether this look shows nothing.
func (l *laggingStore) hides() bool {
	l.n++
	return l.n >= l.at && l.n < l.at+l.looks
}

func (l *laggingStore) Insert(ctx context.Context, tx tx, orders ...*store.Order) ([]bool, error) {
	l.alone = true // a node that lags refuses the COMMIT of an INSERT: a conflict, after which it has caught up
	return l.Store.Insert(ctx, tx, orders...)
}

func (l *laggingStore) Lock(ctx context.Context, tx tx, ids ...string) ([]*store.Order, error) {
	if inserted := l.alone; inserted {
		l.alone = false
		return l.Store.Lock(ctx, tx, ids...)
	}
	orders, err := l.Store.Lock(ctx, tx, ids...)
	if err == nil && orders[0] != nil && l.hides() {
		orders[0] = nil
	}
	return orders, err
}

func (l *laggingStore) Find(ctx context.Context, id string) (*store.Order, error) {
	o, err := l.Store.Find(ctx, id)
	if err == nil && l.hides() {
		return nil, store.ErrNotFound
	}
	return o, err
}

// doubtStore reports its n-th transaction as failed although it was committed.
type doubtStore struct {
	store.Store[tx]
	n, at int
	err   error
}

func (f *doubtStore) InTx(ctx context.Context, fn func(tx) error) error {
	f.n++
	err := f.Store.InTx(ctx, fn)
	if err == nil && f.n == f.at {
		return f.err
	}
	return err
}

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
			s.srv.Advance(5 * time.Minute)
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
			s.srv.Advance(6 * time.Minute)
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

// A session whose stock is no longer held when it is recorded, as the database went back to an earlier state, is ended and not
// handed out.
func TestSessionWithoutItsStockIsNotHandedOut(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		response, err := send()
		if isCreate(r) {
			require.NoError(t, s.st.InTx(context.Background(), func(tx tx) error {
				orders, err := s.st.Lock(context.Background(), tx, "order-1")
				if err != nil {
					return err
				}
				orders[0].Attempts[0].Hold.State = store.NotHeld
				return s.st.Save(context.Background(), tx, orders[0])
			}))
		}
		return response, err
	})
	_, err := s.flow.Begin(t.Context(), cartOf("order-1", "tee"))
	require.ErrorIs(t, err, checkout.ErrSuperseded)
	require.Equal(t, []string{"expired"}, []string{s.stripeStatus(s.sessionIDs()[0])})
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
		s.srv.Advance(6 * time.Minute)
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
		lost--
		if lost == 1 {
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
