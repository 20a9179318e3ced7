package checkouttest_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

func TestReorder(t *testing.T) {
	t.Parallel()
	order := func(faults ...checkouttest.Fault) string {
		srv := newServer(t, checkouttest.Config{})
		in := newInbox(srv)
		srv.Faults(faults...)
		require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
		return strings.Join(in.types(t), " ")
	}
	plain := order()
	seen := map[string]bool{}
	for seed := range uint64(100) {
		got := order(checkouttest.Reorder(seed))
		require.Equal(t, got, order(checkouttest.Reorder(seed)), "one seed, one order")
		require.ElementsMatch(t, strings.Fields(plain), strings.Fields(got))
		seen[got] = true
	}
	require.Greater(t, len(seen), 20, "of the 24 orders of four events")

	// Only what it is for is moved, and only in place of each other.
	for seed := range uint64(20) {
		got := strings.Fields(order(checkouttest.Reorder(seed).For("payment_intent.*")))
		require.Contains(t, []string{"payment_intent.created", "payment_intent.succeeded"}, got[0])
		require.Equal(t, completedType, got[3])
	}

	// Retries that are due at one time are reordered, too.
	seen = map[string]bool{}
	for seed := range uint64(20) {
		srv := newServer(t, checkouttest.Config{})
		in := newInbox(srv)
		srv.Faults(checkouttest.DropFirst(1), checkouttest.Reorder(seed).On(2))
		require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
		require.Empty(t, in.types(t))
		srv.Advance(5 * time.Minute)
		got := in.types(t)
		require.Len(t, got, 4)
		seen[strings.Join(got, " ")] = true
	}
	require.Greater(t, len(seen), 5)
}

// A chance is drawn for each attempt and each endpoint by itself: what it hits once, it need not hit for ever.
func TestChancesOfDeliveries(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	newInbox(srv)
	shop := newShop(t)
	_, err := srv.Client().V1WebhookEndpoints.Create(context.Background(), &stripe.WebhookEndpointCreateParams{
		URL: &shop.URL, EnabledEvents: stripe.StringSlice([]string{"*"}),
	})
	require.NoError(t, err)
	srv.Faults(checkouttest.Drop().Chance(1, 0.5))
	for range 5 {
		require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	}
	lost := map[string]map[int]bool{"": {}, "we": {}} // by endpoint and event
	for i, e := range srv.Events() {
		for _, a := range e.Attempts {
			lost[a.Endpoint[:min(2, len(a.Endpoint))]][i] = a.Status == 0
		}
	}
	require.Len(t, lost["we"], 20)
	require.NotEqual(t, lost[""], lost["we"])
	srv.Advance(72 * time.Hour)
	for _, e := range srv.Events() {
		require.False(t, e.Pending, e.Type)
	}
}

// With faults of all kinds at once, in a bubble whose clock goes on by itself, everything is delivered in the end.
func TestFaultsInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := checkouttest.NewServer(checkouttest.Config{WallClock: true})
		defer srv.Close()
		var accepted atomic.Int32
		srv.Deliver(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if verify(r, []byte(readAll(r)), srv.WebhookSecret(), srv.Now()) != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			accepted.Add(1)
		}))
		srv.Faults(append(checkouttest.Random(3, 0.3), checkouttest.Concurrent(3).Chance(3, 0.3))...)
		for range 20 {
			if sess, err := srv.Client().V1CheckoutSessions.Create(context.Background(), tee()); err == nil {
				require.NoError(t, srv.Pay(sess.ID, checkouttest.CardOK))
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(24 * time.Hour)
		srv.Faults()
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		require.NotEmpty(t, srv.Events())
		for _, e := range srv.Events() {
			require.False(t, e.Pending, e.Type)
		}
		require.GreaterOrEqual(t, int(accepted.Load()), len(srv.Events()))
	})
}

// Close ends the copies that are out, and nothing starts after it. The bubble does not end while a goroutine is left.
func TestCloseUnderFaults(t *testing.T) {
	t.Parallel()
	for _, sequential := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			srv := checkouttest.NewServer(checkouttest.Config{Sequential: sequential})
			srv.Faults(checkouttest.Concurrent(3), checkouttest.Delay(time.Hour).For("charge.*"))
			var out atomic.Int32
			srv.Deliver(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				out.Add(1)
				<-r.Context().Done()
				w.WriteHeader(http.StatusServiceUnavailable)
			}))
			id := create(t, srv, tee()).ID
			go func() { _ = srv.Pay(id, checkouttest.CardOK) }()
			synctest.Wait()
			require.EqualValues(t, 3, out.Load())
			before := time.Now()
			srv.Close()
			require.Equal(t, before, time.Now(), "not when the deliveries time out")
			synctest.Wait()
			require.NoError(t, srv.Redeliver(srv.Events()[0].ID))
			srv.Advance(72 * time.Hour)
			require.EqualValues(t, 3, out.Load())
			require.Len(t, srv.Log(), 1+3)
		})
	}
}
