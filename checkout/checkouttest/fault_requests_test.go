package checkouttest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// What a client meets, and whether the session was made.
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

// isReset is what Transport says; over a socket the answer ends before it is one, or the request before it is written.
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

// A request that fails anyway fails as it would: nothing was written.
func TestServerErrorAfterNothingWasWritten(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	srv.Faults(checkouttest.ServerError().AfterWrite())
	_, err := srv.Client().V1CheckoutSessions.Expire(context.Background(), "cs_test_none", nil)
	status(http.StatusNotFound)(t, err)
}

// Time goes by while a request is under way, and what falls due meanwhile happens.
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

// Chances of one seed are drawn for each fault by itself, and again from the start when the faults are set again.
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
