package checkout_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/webhook"
)

type tx = *memstore.Tx

// testPayloads returns the form of the events that the shops of the tests get: snapshot events, or those that FULFIL_TEST_PAYLOADS
// names. It is read while a test runs, as go test then knows that its result depends on it.
func testPayloads() checkouttest.Payloads {
	switch os.Getenv("FULFIL_TEST_PAYLOADS") {
	case "thin":
		return checkouttest.Thin
	case "both":
		return checkouttest.Both
	}
	return checkouttest.Snapshot
}

// forms are the forms of events that the shop gets.
func (s *testShop) forms() (forms []checkouttest.Payloads) {
	for _, form := range []checkouttest.Payloads{checkouttest.Snapshot, checkouttest.Thin} {
		if testPayloads()&form != 0 {
			forms = append(forms, form)
		}
	}
	return forms
}

// sent are the events that the shop gets, by the types of snapshot events.
func (s *testShop) sent() []checkouttest.Event {
	var all []checkouttest.Event
	for _, form := range s.forms() {
		events := s.srv.Events()
		if form == checkouttest.Thin {
			events = s.srv.ThinEvents()
		}
		for _, e := range events {
			e.Type = strings.TrimPrefix(e.Type, "v1.")
			all = append(all, e)
		}
	}
	return all
}

// testStart is when every test begins.
var testStart = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// testShop is a shop in memory on a Stripe in memory, with a clock that the test moves. Its stock is five of "tee" and
// one of "last".
type testShop struct {
	t     *testing.T
	srv   *checkouttest.Server
	st    *memstore.Store
	stock *memreserver.Reserver
	flow  *checkout.Flow[*memstore.Tx]
	hook  *webhook.Handler
	wire  *wire
	log   *syncBuffer

	mu        sync.Mutex
	fulfil    func(ctx context.Context, tx *memstore.Tx, o *store.Order) error // runs before the shipment is written
	connected []string                                                         // accounts that sweeps look at
	runs      int                                                              // of Fulfil, failed ones too
	changes   []checkout.Change
}

func newShop(t *testing.T) *testShop {
	t.Helper()
	return newShopOf(t, checkouttest.Config{Start: testStart})
}

// newShopOf is newShop on a Stripe that is configured in its own way.
func newShopOf(t *testing.T, config checkouttest.Config) *testShop {
	t.Helper()
	s := &testShop{
		t: t, srv: checkouttest.NewServer(config),
		st: memstore.New(), stock: memreserver.New(), log: &syncBuffer{},
	}
	t.Cleanup(s.srv.Close)
	s.wire = &wire{next: s.srv.Transport()}
	s.setStock("tee", 5)
	s.setStock("last", 1)
	s.flow, s.hook = s.process()
	s.srv.Deliver(s.hook, testPayloads())
	return s
}

// process is one more process of the shop on the same store.
func (s *testShop) process() (*checkout.Flow[*memstore.Tx], *webhook.Handler) {
	s.t.Helper()
	return s.processOn(s.st, s.stock, s.wire)
}

// processOn is a process that reaches the store, the stock and Stripe in its own way.
func (s *testShop) processOn(st store.Store[tx], stock reservation.Reserver[tx], wire http.RoundTripper) (*checkout.Flow[tx], *webhook.Handler) {
	s.t.Helper()
	return s.processWith(func(c *checkout.Config[tx]) {
		c.Stripe, c.Store, c.Reserver = s.srv.ClientOver(wire), st, stock
	})
}

// processWith is a process of the shop that is configured in its own way.
func (s *testShop) processWith(change func(c *checkout.Config[tx])) (*checkout.Flow[tx], *webhook.Handler) {
	s.t.Helper()
	logger := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	config := checkout.Config[*memstore.Tx]{
		Stripe: s.srv.ClientOver(s.wire), Store: s.st, Reserver: s.stock, Clock: s.srv.Now, Logger: logger,
		Fulfil: func(ctx context.Context, tx *memstore.Tx, o *store.Order) error {
			s.mu.Lock()
			s.runs++
			run, before := s.runs, s.fulfil
			s.mu.Unlock()
			// A row for each run: whoever fulfils twice has two.
			if err := tx.Set(ctx, fmt.Sprintf("shipment/%s/%d", o.ID, run), true); err != nil {
				return err
			}
			if before != nil {
				return before(ctx, tx, o)
			}
			return nil
		},
		Accounts: func(context.Context) ([]string, error) { return s.connected, nil },
		OnChange: func(_ context.Context, _ *memstore.Tx, c checkout.Change) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.changes = append(s.changes, c)
			return nil
		},
	}
	change(&config)
	flow, err := checkout.New(config)
	require.NoError(s.t, err)
	hook, err := webhook.New(webhook.Config{
		Secrets: []string{s.srv.WebhookSecret()}, Client: config.Stripe, Clock: config.Clock, Logger: logger,
	})
	require.NoError(s.t, err)
	flow.Handle(hook)
	return flow, hook
}

// runAs has the shop be a process that is configured in its own way.
func (s *testShop) runAs(change func(c *checkout.Config[tx])) {
	s.t.Helper()
	s.flow, s.hook = s.processWith(change)
	s.srv.Deliver(s.hook, testPayloads())
}

// cartOf is a session for one of each SKU named.
func cartOf(orderID string, skus ...string) checkout.Session {
	s := checkout.Session{
		OrderID:    orderID,
		SuccessURL: "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}",
		CancelURL:  "https://shop.example/cart",
	}
	for _, sku := range skus {
		s.Lines = append(s.Lines, checkout.Line{
			SKU: sku, Name: "Item " + sku, UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 1,
		})
	}
	return s
}

func (s *testShop) begin(session checkout.Session) *checkout.Started {
	s.t.Helper()
	started, err := s.flow.Begin(s.t.Context(), session)
	require.NoError(s.t, err)
	return started
}

func (s *testShop) pay(sessionID string) {
	s.t.Helper()
	require.NoError(s.t, s.srv.Pay(sessionID, checkouttest.CardOK))
}

func (s *testShop) sweep() checkout.Swept {
	s.t.Helper()
	swept, err := s.flow.Sweep(s.t.Context())
	require.NoError(s.t, err)
	return swept
}

func (s *testShop) order(id string) *store.Order {
	s.t.Helper()
	o, err := s.flow.Order(s.t.Context(), id)
	require.NoError(s.t, err)
	return o
}

// changeOrder changes what is stored of an order.
func (s *testShop) changeOrder(id string, change func(o *store.Order)) {
	s.t.Helper()
	require.NoError(s.t, s.st.InTx(s.t.Context(), func(tx tx) error {
		orders, err := s.st.Lock(s.t.Context(), tx, id)
		if err != nil {
			return err
		}
		change(orders[0])
		return s.st.Save(s.t.Context(), tx, orders[0])
	}))
}

// requireStatus checks the status in one word.
func (s *testShop) requireStatus(id string, status checkout.DisplayStatus) {
	s.t.Helper()
	require.Equal(s.t, status, checkout.Display(s.order(id)))
}

// shipments is how often the order was handed over, as the merchant's own rows say.
func (s *testShop) shipments(id string) int {
	return len(s.st.Scan("shipment/" + id + "/"))
}

func (s *testShop) onFulfil(fn func(ctx context.Context, tx *memstore.Tx, o *store.Order) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fulfil = fn
}

func (s *testShop) fulfilRuns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runs
}

// kinds are the changes told so far.
func (s *testShop) kinds() []checkout.ChangeKind {
	s.mu.Lock()
	defer s.mu.Unlock()
	var kinds []checkout.ChangeKind
	for _, c := range s.changes {
		kinds = append(kinds, c.Kind)
	}
	return kinds
}

func (s *testShop) setStock(sku string, onHand int64) {
	s.t.Helper()
	require.NoError(s.t, s.st.InTx(s.t.Context(), func(tx *memstore.Tx) error {
		return s.stock.Set(s.t.Context(), tx, sku, onHand)
	}))
}

// requireStock checks what is available, held and sold of a SKU.
func (s *testShop) requireStock(sku string, available, held, sold int64) {
	s.t.Helper()
	var stock []reservation.Stock
	require.NoError(s.t, s.st.InTx(s.t.Context(), func(tx *memstore.Tx) (err error) {
		stock, err = s.stock.Stock(s.t.Context(), tx, sku)
		return err
	}))
	require.Equal(s.t, []int64{available, held, sold}, []int64{stock[0].Available(), stock[0].Held, stock[0].Sold},
		"available, held, sold of %s", sku)
}

// status asks the status endpoint.
func (s *testShop) status(sessionID string) (code int, status string) {
	s.t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/checkout/status?session_id="+sessionID, nil)
	s.flow.StatusHandler().ServeHTTP(w, r)
	require.Equal(s.t, "no-store", w.Header().Get("Cache-Control"))
	var answer struct{ Status string }
	if w.Code == http.StatusOK {
		require.NoError(s.t, json.Unmarshal(w.Body.Bytes(), &answer))
	}
	return w.Code, answer.Status
}

// loseWebhooks has nobody receive events, now or later.
func (s *testShop) loseWebhooks() { s.srv.Deliver(nil) }

// dispatch hands an event to the shop as if it were signed.
func (s *testShop) dispatch(eventType string, object map[string]any) error {
	s.t.Helper()
	payload, err := json.Marshal(map[string]any{
		"id": "evt_" + eventType, "object": "event", "type": eventType, "api_version": stripe.APIVersion,
		"created": s.srv.Now().Unix(), "data": map[string]any{"object": object},
	})
	require.NoError(s.t, err)
	return s.hook.Dispatch(s.t.Context(), payload)
}

// stripeSession is the session as Stripe has it.
func (s *testShop) stripeSession(id string) *stripe.CheckoutSession {
	s.t.Helper()
	session, err := s.srv.Client().V1CheckoutSessions.Retrieve(s.t.Context(), id, nil)
	require.NoError(s.t, err)
	return session
}

func (s *testShop) stripeStatus(id string) string { return string(s.stripeSession(id).Status) }

// sessionIDs are those that Stripe has, oldest first.
func (s *testShop) sessionIDs() []string {
	s.t.Helper()
	var ids []string
	for session, err := range s.srv.Client().V1CheckoutSessions.List(s.t.Context(), &stripe.CheckoutSessionListParams{}) {
		require.NoError(s.t, err)
		ids = append(ids, session.ID)
	}
	slices.Reverse(ids)
	return ids
}

// untracked is a process of the shop that tracks no stock and wants to know of no changes.
func (s *testShop) untracked() (*checkout.Flow[*memstore.Tx], *webhook.Handler) {
	s.t.Helper()
	flow, err := checkout.New(checkout.Config[*memstore.Tx]{
		Stripe: s.srv.Client(), Store: s.st, Clock: s.srv.Now, Logger: slog.New(slog.DiscardHandler),
		Fulfil: func(context.Context, *memstore.Tx, *store.Order) error { return nil },
	})
	require.NoError(s.t, err)
	hook, err := webhook.New(webhook.Config{Secrets: []string{s.srv.WebhookSecret()}, Clock: s.srv.Now})
	require.NoError(s.t, err)
	flow.Handle(hook)
	return flow, hook
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
