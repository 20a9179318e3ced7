package checkouttest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// An arrival is one delivery as a receiver saw it.
type arrival struct {
	after   time.Duration // on the server's clock, since the server started
	typ     string
	valid   bool // signature, timestamp and body
	version string
}

// arrivals receives deliveries, and answers 400 to invalid ones. It returns a function that returns the arrivals so far.
func arrivals(srv *checkouttest.Server) func() []arrival {
	start := srv.Now()
	var got []arrival
	srv.Deliver(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		a := arrival{after: srv.Now().Sub(start), valid: verify(r, body, srv.WebhookSecret(), srv.Now()) == nil}
		if _, typ, ok := strings.Cut(string(body), `"type": "`+"checkout"); ok {
			a.typ = "checkout" + typ[:strings.Index(typ, `"`)]
		}
		if _, v, ok := strings.Cut(string(body), `"api_version": "`); ok {
			a.version = v[:strings.Index(v, `"`)]
		}
		got = append(got, a)
		if !a.valid {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	return func() []arrival { out := got; got = nil; return out }
}

const completedType = "checkout.session.completed"

// Each fault hits the one event that it is for. The receiver and the log show it.
func TestDeliveryFaults(t *testing.T) {
	t.Parallel()
	const v = stripe.APIVersion
	ok := func(after time.Duration) arrival { return arrival{after, completedType, true, v} }
	for name, c := range map[string]struct {
		faults []checkouttest.Fault
		want   []arrival
		log    []string
	}{
		"none": {nil, []arrival{ok(0)}, []string{"1 200"}},
		"drop first": {
			[]checkouttest.Fault{checkouttest.DropFirst(2)},
			[]arrival{ok(15 * time.Minute)},
			[]string{"1 0 lost on the way drop", "2 0 lost on the way drop", "3 200"},
		},
		"drop the second": {
			[]checkouttest.Fault{checkouttest.Drop().On(2), checkouttest.BadSignature().On(1)},
			[]arrival{{0, completedType, false, v}, ok(15 * time.Minute)},
			[]string{"1 400 bad signature", "2 0 lost on the way drop", "3 200"},
		},
		"delay": {
			[]checkouttest.Fault{checkouttest.Delay(time.Minute)},
			[]arrival{ok(time.Minute)},
			[]string{"1 200 delay 1m0s"},
		},
		"delays add up": {
			[]checkouttest.Fault{checkouttest.Delay(time.Minute).On(1), checkouttest.Delay(2 * time.Minute), checkouttest.Drop().On(1)},
			[]arrival{ok(10 * time.Minute)},
			[]string{"1 0 lost on the way delay 1m0s delay 2m0s drop", "2 200 delay 2m0s"},
		},
		"duplicate": {
			[]checkouttest.Fault{checkouttest.Duplicate(3)},
			[]arrival{ok(0), ok(0), ok(0)},
			[]string{"1 200 duplicate 3", "1 200 duplicate 3", "1 200 duplicate 3"},
		},
		"dropped, then duplicated": {
			[]checkouttest.Fault{checkouttest.DropFirst(2), checkouttest.Duplicate(2)},
			[]arrival{ok(15 * time.Minute), ok(15 * time.Minute)},
			[]string{"1 0 lost on the way drop duplicate 2", "2 0 lost on the way drop duplicate 2", "3 200 duplicate 2", "3 200 duplicate 2"},
		},
		"truncate": {
			[]checkouttest.Fault{checkouttest.Truncate().On(1)},
			[]arrival{{0, "", false, v}, ok(5 * time.Minute)},
			[]string{"1 400 truncate", "2 200"},
		},
		"stale": {
			[]checkouttest.Fault{checkouttest.Stale(10 * time.Minute).On(1)},
			[]arrival{{0, completedType, false, v}, ok(5 * time.Minute)},
			[]string{"1 400 stale 10m0s", "2 200"},
		},
		"version": {
			[]checkouttest.Fault{checkouttest.APIVersion("2020-08-27")},
			[]arrival{{0, completedType, true, "2020-08-27"}},
			[]string{"1 200 version 2020-08-27"},
		},
		"another event": {[]checkouttest.Fault{checkouttest.Drop().For("checkout.session.expired")}, []arrival{ok(0)}, []string{"1 200"}},
		"by pattern":    {[]checkouttest.Fault{checkouttest.Duplicate(2).For("*.completed")}, []arrival{ok(0), ok(0)}, []string{"1 200 duplicate 2", "1 200 duplicate 2"}},
		"none of them":  {[]checkouttest.Fault{checkouttest.DropFirst(0), checkouttest.Drop().For(), checkouttest.Drop().On()}, []arrival{ok(0)}, []string{"1 200"}},
		"never":         {[]checkouttest.Fault{checkouttest.Drop().Chance(1, 0)}, []arrival{ok(0)}, []string{"1 200"}},
		"always":        {[]checkouttest.Fault{checkouttest.Drop().Chance(1, 1).On(1)}, []arrival{ok(5 * time.Minute)}, []string{"1 0 lost on the way drop", "2 200"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, checkouttest.Config{})
			got := arrivals(srv)
			srv.Faults(c.faults...)
			require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
			srv.Advance(20 * time.Minute)
			var seen []arrival
			for _, a := range got() {
				if a.typ == completedType || a.typ == "" && !a.valid && strings.HasPrefix(name, "trunc") {
					seen = append(seen, a)
				}
			}
			if name == "truncate" { // the types of the others are cut off, too
				seen = append(seen[:1], seen[len(seen)-1])
			}
			require.Equal(t, c.want, seen)
			var log []string
			for _, e := range srv.Log() {
				if e.EventType == completedType {
					log = append(log, strings.Join(strings.Fields(fmt.Sprint(e.Attempt, e.Status, " ", e.Err, " ", strings.Join(e.Faults, " "))), " "))
				}
			}
			require.Equal(t, c.log, log)
			require.False(t, completed(t, srv).Pending)
		})
	}
}

// The receiver handles all concurrent copies at the same time.
func TestConcurrentDelivery(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{Sequential: true})
	srv.Faults(checkouttest.Concurrent(3).For(completedType), checkouttest.Duplicate(2).For(completedType))
	var inside atomic.Int32
	meet := make(chan struct{})
	srv.Deliver(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(readAll(r), completedType) {
			return
		}
		switch inside.Add(1) {
		case 3:
			close(meet)
		case 6:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		<-meet
	}))
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	require.EqualValues(t, 6, inside.Load())
	require.Len(t, completed(t, srv).Attempts, 6)
	require.True(t, completed(t, srv).Pending, "one copy was refused")
	srv.Faults()
	srv.Advance(5 * time.Minute)
	require.False(t, completed(t, srv).Pending)
	require.Equal(t, 2, completed(t, srv).Attempts[6].Number)
}

func readAll(r *http.Request) string {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestFaultsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	for i, f := range []checkouttest.Fault{
		{}, checkouttest.Duplicate(1), checkouttest.Concurrent(0), checkouttest.Delay(0), checkouttest.Delay(-1), checkouttest.Stale(0),
		checkouttest.Latency(0), checkouttest.RateLimit(-1), checkouttest.APIVersion(""), checkouttest.Drop().AfterWrite(),
		checkouttest.RateLimit(1).AfterWrite(), checkouttest.Drop().Chance(1, 1.1), checkouttest.Drop().Chance(1, -1),
		checkouttest.Drop().Chance(1, math.NaN()), checkouttest.Drop().On(0), checkouttest.Drop().For("POST /v1/refunds"),
		checkouttest.Reset().For("charge.succeeded"),
	} {
		require.Panics(t, func() { srv.Faults(f) }, "%d: %v", i, f)
	}
	srv.Faults(checkouttest.Drop().For("*"), checkouttest.Reset().For("*"))
}

// A receiver that changes the headers of one copy does not change the headers of the next.
func TestCopiesAreApart(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	srv.Faults(checkouttest.Duplicate(2), checkouttest.Concurrent(2))
	var unsigned atomic.Int32
	srv.Deliver(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Stripe-Signature") == "" {
			unsigned.Add(1)
		}
		r.Header.Del("Stripe-Signature")
	}))
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	require.Zero(t, unsigned.Load())
}

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

	// Reorder moves only the events that it is for, and only among their own places.
	for seed := range uint64(20) {
		got := strings.Fields(order(checkouttest.Reorder(seed).For("payment_intent.*")))
		require.Equal(t, "charge.succeeded", got[0])
		require.Equal(t, completedType, got[3])
	}

	// Reorder also moves retries that are due at one time.
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

// Each attempt to each endpoint has its own draw. A fault that hits one attempt need not hit the next.
func TestChancesOfDeliveries(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{LiveRetries: true})
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

// With faults of all kinds at once, in a bubble whose clock moves by itself, every event is delivered in the end.
func TestFaultsInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := checkouttest.NewServer(checkouttest.Config{LiveRetries: true, WallClock: true})
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

// Close ends the copies that a receiver is handling, and no delivery starts after it. The bubble would not end while a
// goroutine is left.
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

// TestRequestFaults checks what a client sees of each fault, and whether the session was made.
func TestRequestFaults(t *testing.T) {
	t.Parallel()
	const route = "POST /v1/checkout/sessions"
	for name, c := range map[string]struct {
		fault checkouttest.Fault
		check func(t *testing.T, err error)
		made  int
		retry func(t *testing.T, err error) // with the same idempotency key
	}{
		"429": {
			checkouttest.RateLimit(1500 * time.Millisecond).For(route).On(1),
			func(t *testing.T, err error) {
				var e *stripe.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, http.StatusTooManyRequests, e.HTTPStatusCode)
				require.Equal(t, stripe.ErrorCodeRateLimit, e.Code)
				require.Equal(t, "2", e.LastResponse.Header.Get("Retry-After"))
				require.Equal(t, "true", e.LastResponse.Header.Get("Stripe-Should-Retry"))
			}, 0, noError,
		},
		"500 before the write": {checkouttest.ServerError().For(route).On(1), status(500), 0, noError},
		"500 after the write":  {checkouttest.ServerError().AfterWrite().For(route).On(1), status(500), 1, status(500)},
		"reset before":         {checkouttest.Reset().For(route).On(1), isReset, 0, noError},
		"reset after":          {checkouttest.Reset().AfterWrite().For(route).On(1), isReset, 1, noError},
		"the second":           {checkouttest.Reset().For("POST *").On(2), noError, 1, isReset},
		"another route":        {checkouttest.Reset().For("* /v1/checkout/sessions/*"), noError, 1, noError},
		"another method":       {checkouttest.Reset().For("GET *"), noError, 1, noError},
	} {
		for _, sockets := range []bool{false, true} {
			t.Run(fmt.Sprint(name, sockets), func(t *testing.T) {
				t.Parallel()
				cfg, api := checkouttest.Config{}, (*stripe.Client)(nil)
				if sockets {
					cfg.Addr = "127.0.0.1:0"
				}
				srv := newServer(t, cfg)
				api = srv.Client()
				if sockets {
					transport := &http.Transport{}
					t.Cleanup(transport.CloseIdleConnections)
					api = srv.ClientOver(transport)
					_, err := api.V1Events.Retrieve(context.Background(), "evt_none", nil) // so that the connection is used again
					require.Error(t, err)
				}
				srv.Faults(c.fault)
				params := tee()
				params.SetIdempotencyKey("k")
				post := func() error {
					_, err := api.V1CheckoutSessions.Create(context.Background(), params)
					return err
				}
				made := func() (n int) {
					srv.Faults()
					for _, err := range srv.Client().V1CheckoutSessions.List(context.Background(), &stripe.CheckoutSessionListParams{}) {
						require.NoError(t, err)
						n++
					}
					return n
				}
				c.check(t, post())
				if name != "the second" { // setting faults starts their counts afresh
					require.Equal(t, c.made, made())
				}
				c.retry(t, post())
				require.Equal(t, 1, made(), "never two for one key")
				entry := srv.Log()[0]
				if sockets {
					entry = srv.Log()[1]
				}
				require.Equal(t, "k", entry.IdempotencyKey)
				require.Equal(t, route, entry.Method+" "+entry.Path)
			})
		}
	}
}

func noError(t *testing.T, err error) { t.Helper(); require.NoError(t, err) }

// isReset checks the error of a connection that was cut. Transport returns ECONNRESET. Over a socket, the client sees the
// end of the answer, or an error while it writes the request.
func isReset(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, net.ErrClosed) {
		require.ErrorIs(t, err, syscall.ECONNRESET)
	}
}

func status(want int) func(*testing.T, error) {
	return func(t *testing.T, err error) {
		t.Helper()
		var e *stripe.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, want, e.HTTPStatusCode)
	}
}

// ServerError does not replace the answer of a request that fails anyway, as that request has written nothing.
func TestServerErrorAfterNothingWasWritten(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	srv.Faults(checkouttest.ServerError().AfterWrite())
	_, err := srv.Client().V1CheckoutSessions.Expire(context.Background(), "cs_test_none", nil)
	status(http.StatusNotFound)(t, err)
}

// Latency lets time go by during a request. Everything that falls due in the meantime happens.
func TestLatency(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	in := newInbox(srv)
	start := srv.Now()
	id := create(t, srv, tee()).ID
	srv.Faults(checkouttest.Latency(25 * time.Hour).For("GET *").On(1))
	require.EqualValues(t, "expired", retrieve(t, srv, id).Status)
	require.Equal(t, 25*time.Hour, srv.Now().Sub(start))
	srv.Flush()
	require.Equal(t, []string{"checkout.session.expired"}, in.types(t))

	srv.Faults(checkouttest.Latency(time.Hour).AfterWrite())
	made := create(t, srv, tee())
	require.Equal(t, srv.Now().Add(-time.Hour).Unix(), made.Created)
	srv.Faults(checkouttest.Latency(time.Hour))
	require.Equal(t, srv.Now().Add(time.Hour).Unix(), create(t, srv, tee()).Created)
}

// Faults with the same seed have separate draws. Setting the faults again starts the draws again.
func TestChancesOfOneSeed(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	patterns := map[string]int{}
	history := func() (out []string) {
		before := len(srv.Log())
		srv.Faults(checkouttest.RateLimit(0).Chance(7, 0.5), checkouttest.Reset().Chance(7, 0.5))
		for range 60 {
			_, _ = srv.Client().V1Events.Retrieve(context.Background(), "evt_none", nil)
		}
		for _, e := range srv.Log()[before:] {
			out = append(out, strings.Join(e.Faults, " "))
			patterns[strings.Join(e.Faults, " ")]++
		}
		return out
	}
	require.Equal(t, history(), history())
	require.Len(t, patterns, 4, "both, either and none: %v", patterns)
}
