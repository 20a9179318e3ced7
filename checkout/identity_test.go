package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
)

// A process with the key of another account begins nothing, sweeps nothing and closes no order. Live sessions are never
// deleted, so that Stripe's not knowing one says so.
func TestKeyOfAnotherAccount(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.wire.on(liveIfMarked)
	cart := cartOf("order-1", "tee")
	live(&cart)
	s.begin(cart)
	other, _ := s.process()
	s.wire.on(unknownSessions)
	_, err := other.Begin(t.Context(), cartOf("order-2", "tee"))
	require.ErrorIs(t, err, checkout.ErrWrongAccount)
	_, err = s.flow.Order(t.Context(), "order-2")
	require.ErrorIs(t, err, checkout.ErrNotFound, "nothing was written")
	for range 5 {
		s.srv.Advance(24 * time.Hour)
		_, err = other.Sweep(t.Context())
		require.ErrorIs(t, err, checkout.ErrWrongAccount)
	}
	_, err = other.Backfill(t.Context(), testStart)
	require.ErrorIs(t, err, checkout.ErrWrongAccount)
	s.requireStatus("order-1", "open")
	require.False(t, s.order("order-1").Stuck())

	s.wire.on(liveIfMarked)
	require.Equal(t, 1, s.sweep().Orders)
	s.requireStatus("order-1", "expired")
}

// A sandbox's data can be deleted: the shop goes on with what is there.
func TestSandboxWasEmptied(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	lost := s.begin(cartOf("order-1", "tee")).SessionID
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if strings.Contains(r.URL.Path, lost) {
			return answer(r, http.StatusNotFound, `{"error":{"type":"invalid_request_error","code":"resource_missing"}}`), nil
		}
		return send()
	})
	for i := range 2 {
		flow, _ := s.process()
		_, err := flow.Begin(t.Context(), cartOf("order-"+string(rune('2'+i)), "tee"))
		require.NoError(t, err)
	}
	require.Equal(t, 1, s.wire.count("GET /v1/checkout/sessions/"+lost), "asked once")
}

// Stripe not being reachable when a process starts says nothing about its key.
func TestAccountIsCheckedOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	witness := s.begin(cartOf("order-1", "tee")).SessionID
	flow, _ := s.process()
	for i, status := range []int{500, 429, 200, 200} {
		s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			if r.Method == http.MethodGet && status != 200 {
				return answer(r, status, `{"error":{"type":"api_error"}}`), nil
			}
			return send()
		})
		_, err := flow.Begin(t.Context(), cartOf("other-"+string(rune('a'+i)), "tee"))
		require.NoError(t, err)
	}
	require.LessOrEqual(t, s.wire.count("GET /v1/checkout/sessions/"+witness), 5, "with the client's own tries")
}

// A live session that Stripe does not know leaves its order to a person, who can cancel the order. So does a session whose
// money was on its way.
func TestLiveSessionIsGone(t *testing.T) {
	t.Parallel()
	for _, processing := range []bool{false, true} {
		s := newShop(t)
		s.wire.on(liveIfMarked)
		known := cartOf("witness", "last")
		live(&known)
		s.begin(known)
		cart := cartOf("order-1", "tee")
		live(&cart)
		id := s.begin(cart).SessionID
		s.loseWebhooks()
		if processing {
			require.NoError(t, s.srv.Pay(id, checkouttest.BankDebit))
			_, err := s.flow.Settle(t.Context(), id)
			require.NoError(t, err)
			s.requireStatus("order-1", "processing")
		}
		s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			if strings.Contains(r.URL.Path, id) {
				return answer(r, http.StatusNotFound, `{"error":{"type":"invalid_request_error","code":"resource_missing"}}`), nil
			}
			return send()
		})
		for range 10 {
			s.srv.Advance(12 * time.Hour)
			s.sweep()
		}
		require.True(t, s.order("order-1").Stuck())
		s.requireStock("tee", 4, 1, 0)
		require.NoError(t, s.flow.Cancel(t.Context(), "order-1"))
		require.False(t, s.order("order-1").Stuck())
		s.requireStock("tee", 5, 0, 0)
	}
}

// A shop with an ID of its own knows what it sold when the whole database is lost. Otherwise Backfill names the ID that was
// lost.
func TestShopIDOutlivesTheDatabase(t *testing.T) {
	t.Parallel()
	named := func(id string) func(c *checkout.Config[tx]) {
		return func(c *checkout.Config[tx]) { c.ShopID = id }
	}
	for _, id := range []string{"", "my-shop"} {
		s := newShop(t)
		s.runAs(named(id))
		s.loseWebhooks()
		s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
		first := s.sessionIDs()[0]
		shop := s.stripeSession(first).Metadata["fulfil_shop"]
		s.srv.Advance(time.Hour)

		s.st = memstore.New()
		s.runAs(named(id))
		s.setStock("tee", 5)
		s.loseWebhooks()
		ours, err := s.flow.Backfill(t.Context(), testStart)
		require.NoError(t, err)
		if id == "" {
			require.Zero(t, ours)
			require.Contains(t, s.log.String(), shop)
			s.runAs(named(shop)) // as the log says
			_, err = s.flow.Backfill(t.Context(), testStart)
			require.NoError(t, err)
		} else {
			require.Equal(t, id, shop)
		}
		require.True(t, s.order("order-1").Stuck())
	}
	for _, bad := range []string{"a shop", strings.Repeat("x", 65), "läden"} {
		_, err := checkout.New(checkout.Config[tx]{
			Stripe: newShop(t).srv.Client(), Store: memstore.New(), ShopID: bad, Fulfil: func(context.Context, tx, *store.Order) error { return nil },
		})
		require.ErrorContains(t, err, "ShopID")
	}
}

// Processes whose clocks differ keep one time, Stripe's, as soon as they have an answer.
func TestProcessesAgreeOnTheTime(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-50 * time.Minute, -2 * time.Minute, 2 * time.Minute, 50 * time.Minute} {
		s := newShop(t)
		s.pay(s.begin(cartOf("earlier", "tee")).SessionID)
		flow, err := checkout.New(checkout.Config[tx]{
			Stripe: s.srv.Client(), Store: s.st, Reserver: s.stock, Logger: slog.New(slog.DiscardHandler),
			Clock:  func() time.Time { return s.srv.Now().Add(off) },
			Fulfil: func(context.Context, tx, *store.Order) error { return errPrinter },
		})
		require.NoError(t, err)
		s.loseWebhooks()
		_, err = flow.Sweep(t.Context())
		require.NoError(t, err)
		started, err := flow.Begin(t.Context(), cartOf("order-1", "tee"))
		require.NoError(t, err)
		s.pay(started.SessionID)
		_, err = flow.Settle(t.Context(), started.SessionID)
		require.NoError(t, err)
		o := s.order("order-1")
		for _, at := range []time.Time{o.CreatedAt, o.Attempts[0].PaidAt, o.Attempts[0].CheckedAt} {
			require.WithinDuration(t, s.srv.Now(), at, 5*time.Second)
		}
		require.WithinDuration(t, s.srv.Now(), o.Delivery.NextAt, time.Minute)
	}
}

// gatedStore counts the readings of cursors. They wait until all callers are there.
type gatedStore struct {
	store.Store[tx]
	open     chan struct{}
	readings atomic.Int64
}

func (g *gatedStore) Cursor(ctx context.Context, name string) (string, error) {
	g.readings.Add(1)
	<-g.open
	return g.Store.Cursor(ctx, name)
}

// Customers who rush to a process that has just started have it read what it must know of its shop once, and not once each.
func TestRushToAProcessThatHasJustStarted(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.setStock("tee", 100)
	s.begin(cartOf("order-0", "tee"))
	st := &gatedStore{Store: s.st, open: make(chan struct{})}
	flow, _ := s.processOn(st, s.stock, s.wire)
	sessions := len(s.sessionIDs())
	const customers = 50
	var here, done sync.WaitGroup
	errs := make([]error, customers)
	for i := range customers {
		here.Add(1)
		done.Go(func() {
			here.Done()
			_, errs[i] = flow.Begin(context.WithoutCancel(t.Context()), cartOf(fmt.Sprintf("rush-%d", i), "tee"))
		})
	}
	here.Wait()
	close(st.open)
	done.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, customers, len(s.sessionIDs())-sessions)
	require.Less(t, st.readings.Load(), int64(customers))
}
