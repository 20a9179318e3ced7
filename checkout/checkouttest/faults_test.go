package checkouttest_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// arrival is what a receiver saw of one delivery.
type arrival struct {
	after   time.Duration // on the server's clock, since the server started
	typ     string
	valid   bool // signature, timestamp and body
	version string
}

// arrivals receives deliveries, and answers 400 to those that are not valid.
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

// What each fault does to the one event that it is for, seen by the receiver and in the log.
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

// Concurrent copies are all in the receiver's hands at once.
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

// A receiver that changes the headers of one copy does not change those of the next.
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
