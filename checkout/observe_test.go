package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
)

// watched is an operation that was observed, with those that it led to.
type watched struct {
	checkout.Operation
	checkout.Outcome
	ended    int
	children []*watched
}

// watcher observes operations.
type watcher struct {
	mu    sync.Mutex
	roots []*watched
	all   []*watched
}

type watchedKey struct{}

func (w *watcher) observe(ctx context.Context, op checkout.Operation) (context.Context, func(checkout.Outcome)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	o := &watched{Operation: op}
	w.all = append(w.all, o)
	if parent, ok := ctx.Value(watchedKey{}).(*watched); ok {
		parent.children = append(parent.children, o)
	} else {
		w.roots = append(w.roots, o)
	}
	return context.WithValue(ctx, watchedKey{}, o), func(outcome checkout.Outcome) {
		w.mu.Lock()
		defer w.mu.Unlock()
		o.Outcome = outcome
		o.ended++
	}
}

// of returns the operations of one kind.
func (w *watcher) of(kind checkout.OperationKind) (some []*watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.all {
		if o.Kind == kind {
			some = append(some, o)
		}
	}
	return some
}

// lines are the operations as an indented tree.
func lines(indent string, operations []*watched) (text string) {
	for _, o := range operations {
		line := string(o.Kind)
		switch o.Kind {
		case checkout.OperationRequest:
			line += fmt.Sprintf(" %s %s: %d", o.Method, o.Path, o.HTTPStatus)
		case checkout.OperationBatch:
			line += fmt.Sprintf(" of %d %s", o.Callers, o.Batch)
		case checkout.OperationDeliver:
			line += fmt.Sprintf(" %s %s", o.OrderID, o.Callback)
		case checkout.OperationSettle:
			line += fmt.Sprintf(" %s: %s", o.OrderID, o.Status)
		case checkout.OperationSweep:
			line += fmt.Sprintf(": %d", o.Swept.Orders)
		default:
			line += " " + o.OrderID
		}
		text += indent + line + "\n" + lines(indent+"  ", o.children)
	}
	return text
}

func (s *testShop) watch() *watcher {
	w := new(watcher)
	s.runAs(func(c *checkout.Config[tx]) { c.Observe = w.observe })
	return w
}

func TestObserve(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	if testPayloads() != checkouttest.Snapshot {
		t.Skip("a thin event causes a question more")
	}
	w := s.watch()
	started := s.begin(cartOf("order-1", "tee"))
	require.Equal(t, strings.Join([]string{
		"begin order-1",
		"  hold order-1",
		"    batch of 1 hold",
		"  request POST /v1/checkout/sessions: 200",
		"  batch of 1 record",
		"",
	}, "\n"), lines("", w.roots))
	s.pay(started.SessionID)
	s.requireStatus("order-1", checkout.Fulfilled)
	require.Equal(t, strings.Join([]string{
		"settle order-1: paid",
		"  batch of 1 record",
		"deliver order-1 fulfil",
		"",
	}, "\n"), lines("", w.roots[1:]))
	request := w.of(checkout.OperationRequest)[0]
	require.Regexp(t, "^req_", request.RequestID)
	require.Equal(t, "stripe.test", request.Host)
	require.Equal(t, 1, request.Try)
	require.Regexp(t, "^evt_", w.of(checkout.OperationSettle)[0].Cause)

	again := s.begin(cartOf("order-2", "tee"))
	require.Equal(t, again.SessionID, s.begin(cartOf("order-2", "tee")).SessionID)
	require.True(t, w.of(checkout.OperationBegin)[2].Reused)
	s.sweep()
	require.Len(t, w.of(checkout.OperationSweep), 1)
	for _, o := range w.all {
		require.Equal(t, 1, o.ended, "%s", lines("", []*watched{o}))
		require.NoError(t, o.Err)
	}
}

func TestObserveFailures(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	w := s.watch()
	var short *reservation.ShortageError
	_, err := s.flow.Begin(t.Context(), cartOf("order-1", "tee", "last", "last"))
	require.ErrorAs(t, err, &short)
	require.ErrorAs(t, w.of(checkout.OperationBegin)[0].Err, &short)

	refused := errors.New("no printer")
	s.onFulfil(func(context.Context, *memstore.Tx, *store.Order) error { return refused })
	started := s.begin(cartOf("order-2", "tee"))
	s.pay(started.SessionID)
	delivers := w.of(checkout.OperationDeliver)
	require.ErrorIs(t, delivers[0].Err, refused)
	require.Equal(t, 1, delivers[0].Try)
	s.onFulfil(nil)
	s.srv.Advance(checkout.DeliverTimeout * 4)
	s.sweep()
	delivers = w.of(checkout.OperationDeliver)
	last := delivers[len(delivers)-1]
	require.NoError(t, last.Err)
	require.Equal(t, len(delivers), last.Try)

	// An order that a person gives up in another process while the callback runs is not delivered, which is no failure.
	other, _ := s.process()
	s.onFulfil(func(ctx context.Context, _ *memstore.Tx, o *store.Order) error {
		return other.Resolve(ctx, o.ID, checkout.GiveUp)
	})
	s.pay(s.begin(cartOf("order-3", "tee")).SessionID)
	delivers = w.of(checkout.OperationDeliver)
	i := slices.IndexFunc(delivers, func(o *watched) bool { return o.OrderID == "order-3" })
	require.True(t, delivers[i].Overtaken, "%+v", delivers[i])
	require.NoError(t, delivers[i].Err)
}

var digits = regexp.MustCompile(`[0-9]`)

// All requests are observed, and their paths name no object.
func TestObserveEveryRequest(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	w := s.watch()
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	require.NoError(t, s.flow.Refund(t.Context(), "order-1", checkout.Refund{Amount: 500, Key: "refund"}))
	ended := s.begin(cartOf("order-2", "tee"))
	require.NoError(t, s.flow.Cancel(t.Context(), "order-2"))
	_, err := s.flow.Settle(t.Context(), ended.SessionID)
	require.NoError(t, err)
	_, err = s.flow.Backfill(t.Context(), testStart)
	require.NoError(t, err)
	s.srv.Advance(checkout.DeliverTimeout * 1000)
	s.sweep()

	requests := w.of(checkout.OperationRequest)
	require.Greater(t, len(requests), 8)
	require.Len(t, s.wire.calls, len(requests))
	for _, r := range requests {
		path := strings.TrimPrefix(r.Path, "/v1/")
		require.NotRegexp(t, digits, path)
		require.NotContains(t, path, "?")
	}
	require.Contains(t, lines("", w.roots), "request POST /v1/checkout/sessions/{id}/expire: 200")
}

// The words of every path that the Flow asks for stand in the template.
func TestObservePathsHaveWords(t *testing.T) {
	t.Parallel()
	for path, template := range map[string]string{
		"/v1/checkout/sessions/cs_test_a1/line_items": "/v1/checkout/sessions/{id}/line_items",
		"/v1/radar/early_fraud_warnings/issfr_1":      "/v1/radar/early_fraud_warnings/{id}",
		"/v1/invoice_payments":                        "/v1/invoice_payments",
		"/v1/customers/ada@example.com":               "/v1/{id}/{id}",
	} {
		require.Equal(t, template, checkout.PathTemplate(path))
	}
}

// When stripe-go tries a request again, each try is observed, and says which it is.
func TestObserveTries(t *testing.T) {
	t.Parallel()
	s := newShopOf(t, checkouttest.Config{Start: testStart, Key: "sk_test_observe"})
	w := new(watcher)
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		URL: stripe.String("http://stripe.test"), HTTPClient: &http.Client{Transport: s.wire}, MaxNetworkRetries: stripe.Int64(2),
		LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
	}).(*stripe.BackendImplementation)
	backend.SetNetworkRetriesSleep(false)
	s.runAs(func(c *checkout.Config[tx]) {
		c.Observe = w.observe
		c.Stripe = stripe.NewClient("sk_test_observe", stripe.WithBackends(&stripe.Backends{
			API: &stripe.UsageBackend{B: backend, Usage: []string{"test"}}, Connect: backend, Uploads: backend,
		}))
	})
	lost := 2
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if lost == 0 {
			return send()
		}
		lost--
		return nil, errors.New("connection reset")
	})
	_, err := s.flow.Begin(t.Context(), cartOf("order-1", "tee"))
	require.NoError(t, err)
	lost = 1
	_, err = s.flow.Backfill(t.Context(), testStart)
	require.NoError(t, err)
	var tries []string
	for _, r := range w.of(checkout.OperationRequest) {
		tries = append(tries, fmt.Sprint(r.Method, " ", r.Try, " ", r.HTTPStatus, " ", r.Err != nil))
	}
	require.Equal(t, []string{"POST 1 0 true", "POST 2 0 true", "POST 3 200 false", "GET 1 0 true", "GET 2 200 false"}, tries[:5])
}

// Observing changes nothing: a nil func, and an observer that ignores everything.
func TestObserveNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.runAs(func(c *checkout.Config[tx]) {
		c.Observe = func(ctx context.Context, _ checkout.Operation) (context.Context, func(checkout.Outcome)) {
			return ctx, nil
		}
	})
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	s.requireStatus("order-1", checkout.Fulfilled)
}
