package checkouttest_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

func TestLog(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	srv := newServer(t, checkouttest.Config{Start: start, Sequential: true})
	newInbox(srv)
	srv.Faults(checkouttest.DropFirst(1).For("checkout.*"), checkouttest.Reset().For("GET *"))
	params := tee()
	params.SetIdempotencyKey("k1")
	sess := create(t, srv, params)
	create(t, srv, params)
	_, err := srv.Client().V1CheckoutSessions.Retrieve(context.Background(), sess.ID, nil)
	require.Error(t, err)
	require.NoError(t, srv.Pay(sess.ID, checkouttest.CardOK))
	srv.Advance(5 * time.Minute)

	var lines []string
	for _, e := range srv.Log() {
		lines = append(lines, idPattern.ReplaceAllString(e.String(), "$1"))
	}
	require.Equal(t, []string{
		"2026-01-02 03:04:05.000 POST /v1/checkout/sessions: 200 req key k1",
		"2026-01-02 03:04:05.000 POST /v1/checkout/sessions: 200 req key k1 replayed",
		"2026-01-02 03:04:05.000 GET /v1/checkout/sessions/cs_test: connection cut req [reset]",
		"2026-01-02 03:04:05.000 charge.succeeded evt attempt 1: 200",
		"2026-01-02 03:04:05.000 payment_intent.succeeded evt attempt 1: 200",
		"2026-01-02 03:04:05.000 payment_intent.created evt attempt 1: 200",
		"2026-01-02 03:04:05.000 checkout.session.completed evt attempt 1: lost on the way [drop]",
		"2026-01-02 03:04:07.000 charge.updated evt attempt 1: 200",
		"2026-01-02 03:09:05.000 checkout.session.completed evt attempt 2: 200",
	}, lines)

	shop := newShop(t)
	made, err := srv.Client().V1WebhookEndpoints.Create(context.Background(), &stripe.WebhookEndpointCreateParams{
		URL: &shop.URL, EnabledEvents: stripe.StringSlice([]string{"*"}),
	})
	require.NoError(t, err)
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	log := srv.Log()
	require.Equal(t, made.ID, log[len(log)-1].Endpoint)
	require.Contains(t, log[len(log)-1].String(), " to "+made.ID)
	srv.Faults()
	request(t, srv, "GET", "/v1/checkout/sessions?customer_details[email]=a@b.example", nil, "Authorization", "Bearer sk_test_wrong")
	log = srv.Log()
	require.Equal(t, http.StatusUnauthorized, log[len(log)-1].Status)
	for _, e := range srv.Log() {
		require.NotContains(t, e.String(), "@")
		require.NotContains(t, e.String(), "sk_test")
	}
}

func TestWaitFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, sequential := range []bool{false, true} {
			srv := checkouttest.NewServer(checkouttest.Config{Sequential: sequential})
			fulfilled := 0
			srv.Deliver(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fulfilled++ }))
			id := create(t, srv, tee()).ID
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			require.NoError(t, srv.WaitFor(ctx, func() bool { return true }))
			_, err := srv.Client().V1CheckoutSessions.Expire(ctx, id, nil)
			require.NoError(t, err)
			require.NoError(t, srv.WaitFor(ctx, func() bool { return len(srv.Log()) == 3 }))
			require.Equal(t, 1, fulfilled)

			// Another goroutine makes the condition true.
			go func() {
				time.Sleep(10 * time.Second)
				_ = srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK)
			}()
			began := time.Now()
			require.NoError(t, srv.WaitFor(ctx, func() bool { return len(srv.Events()) == 5 }))
			require.Equal(t, 10*time.Second, time.Since(began))
			// WaitFor also notices events that go to no endpoint.
			go func() {
				time.Sleep(10 * time.Second)
				srv.Deliver(nil)
				srv.Advance(24 * time.Hour)
			}()
			open := create(t, srv, tee()).ID
			require.NoError(t, srv.WaitFor(ctx, func() bool {
				events := srv.Events()
				return events[len(events)-1].SessionID == open
			}))
			require.ErrorIs(t, srv.WaitFor(ctx, func() bool { return false }), context.DeadlineExceeded)
			synctest.Wait()

			go func() { time.Sleep(time.Second); srv.Close() }()
			require.ErrorContains(t, srv.WaitFor(context.Background(), func() bool { return false }), "before Close")
			srv.Close()
		}
	})
}

// A fakeT is a test that may have failed.
type fakeT struct {
	failed   bool
	log      strings.Builder
	cleanups []func()
}

func (f *fakeT) Helper() {}

func (f *fakeT) Cleanup(c func()) { f.cleanups = append(f.cleanups, c) }

func (f *fakeT) Failed() bool { return f.failed }

func (f *fakeT) Logf(format string, args ...any) {
	fmt.Fprintf(&f.log, format, args...)
}

var _ checkouttest.TestingT = (*testing.T)(nil)

func TestLogOnFailure(t *testing.T) {
	t.Parallel()
	for _, failed := range []bool{false, true} {
		srv := newServer(t, checkouttest.Config{})
		f := &fakeT{}
		srv.LogOnFailure(f)
		create(t, srv, tee())
		f.failed = failed
		require.Len(t, f.cleanups, 1)
		f.cleanups[0]()
		if failed {
			require.Regexp(t, `\n.* POST /v1/checkout/sessions: 200 req_`, f.log.String())
		} else {
			require.Empty(t, f.log.String())
		}
	}
}

var idPattern = regexp.MustCompile(`\b(evt|req|cs_test|we)_\w+`)

// simulate lets a shop sell under faults of all kinds. It returns the history, with each ID replaced by its number.
func simulate(t *testing.T, seed uint64) string {
	srv := newServer(t, checkouttest.Config{LiveRetries: true, Start: time.Unix(1_800_000_000, 0), Sequential: true})
	srv.Deliver(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := readAll(r)
		if verify(r, []byte(body), srv.WebhookSecret(), srv.Now()) != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	srv.Faults(checkouttest.Random(seed, 0.15)...)
	api, ctx := srv.Client(), context.Background()
	for i := range 30 {
		params := tee()
		params.SetIdempotencyKey(fmt.Sprint("order-", i))
		sess, err := api.V1CheckoutSessions.Create(ctx, params)
		if err != nil {
			sess, err = api.V1CheckoutSessions.Create(ctx, params)
		}
		if err == nil {
			_ = srv.Pay(sess.ID, []checkouttest.PaymentMethod{checkouttest.CardOK, checkouttest.CardDeclined, checkouttest.BankDebit}[i%3])
			_, _ = api.V1CheckoutSessions.Retrieve(ctx, sess.ID, nil)
		}
		srv.Advance(time.Duration(i) * time.Minute)
	}
	srv.Faults()
	srv.Advance(72 * time.Hour)
	for _, e := range srv.Events() {
		require.False(t, e.Pending, "%s has %d attempts", e.Type, len(e.Attempts))
	}
	var b strings.Builder
	for _, e := range srv.Log() {
		b.WriteString(e.String() + "\n")
	}
	names := map[string]string{}
	return idPattern.ReplaceAllStringFunc(b.String(), func(id string) string {
		if names[id] == "" {
			names[id] = fmt.Sprint("#", len(names))
		}
		return names[id]
	})
}

// A seed determines the whole history, and every kind of fault happens.
func TestSeedReplays(t *testing.T) {
	t.Parallel()
	all := ""
	for seed := range uint64(5) {
		one := simulate(t, seed)
		require.Equal(t, one, simulate(t, seed), "seed %d", seed)
		require.NotContains(t, all, one)
		all += one
	}
	for _, f := range checkouttest.Random(0, 1) {
		require.Contains(t, all, f.String())
	}
}
