package flowtest

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/internal/dbtest"
	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

// rounds is how often two processes race in a scene.
const rounds = 8

// scene is a race or a failure of two processes on one database.
type scene struct {
	name string
	play func(p *pair)
	// open says that the scene writes while another transaction is open. SQLite does not allow that.
	open bool
}

var scenes = []scene{
	{name: "an event that comes to both at once", play: eventAtBoth},
	{name: "a handler that runs once per event", play: onceAtBoth},
	{name: "a callback that fails", play: callbackFails},
	{name: "the lease on a delivery", play: deliveryLeased, open: true},
	{name: "a callback that outlasts its lease", play: leaseOutlasted, open: true},
	{name: "money given back while it is fulfilled", play: refundedMeanwhile, open: true},
	{name: "callbacks that deadlock", play: callbacksDeadlock, open: true},
	{name: "late money and the last piece", play: lateMoney},
	{name: "one question to Stripe", play: oneQuestion},
	{name: "the cursor of undelivered events", play: sharedCursor},
	{name: "cancel and pay", play: cancelAndPay},
	{name: "decide and decide", play: decideTwice},
	{name: "stock that is adjusted twice", play: adjustTwice},
}

// TestProcesses plays scenes of two processes on one database that only a database can break.
func TestProcesses(t *testing.T) {
	for _, d := range dbtest.All() {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			pools := newPools(t, d)
			for _, s := range scenes {
				if s.open && d.Dialect == sqlkit.SQLite {
					continue
				}
				t.Run(s.name, func(t *testing.T) {
					srv := checkouttest.NewServer(checkouttest.Config{Start: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)})
					t.Cleanup(srv.Close)
					p := newPair(t, pools, srv)
					p.setStock("ink", 1000)
					s.play(p)
				})
			}
		})
	}
}

// events keeps the events of payments and refunds from the handlers. The returned function returns the events since its last call.
func (p *pair) events() (since func() [][]byte) {
	var all [][]byte
	p.srv.Deliver(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		payload, _ := io.ReadAll(r.Body)
		var e struct{ Type string }
		if err := json.Unmarshal(payload, &e); err != nil {
			p.t.Error(err)
		}
		if e.Type == string(webhook.CheckoutSessionCompleted) || e.Type == string(webhook.RefundCreated) {
			all = append(all, payload)
		}
	}))
	return func() [][]byte {
		came := all
		all = nil
		return came
	}
}

func (p *pair) begin(process int, id string, skus ...string) (session string) {
	p.t.Helper()
	started, err := p.flows[process].Begin(p.t.Context(), cartRequest{Order: id, SKUs: skus}.session())
	require.NoError(p.t, err)
	return started.SessionID
}

// paid begins an order and pays it. It returns the event of the payment, which no process has received.
func (p *pair) paid(id string, skus ...string) (session string, event []byte) {
	p.t.Helper()
	since := p.events()
	session = p.begin(0, id, skus...)
	require.NoError(p.t, p.srv.Pay(session, checkouttest.CardOK))
	came := since()
	require.Len(p.t, came, 1, "events")
	return session, came[0]
}

func (p *pair) hear(process int, event []byte) error {
	return p.hooks[process].Dispatch(context.WithoutCancel(p.t.Context()), event)
}

// hearAgain sends the event to the other process after each failure. The other process must succeed.
func (p *pair) hearAgain(errs [2]error, event []byte) {
	p.t.Helper()
	for i, err := range errs {
		if err != nil {
			require.True(p.t, comesAgain(err), "%v", err)
			require.NoError(p.t, p.hear(1-i, event))
		}
	}
}

func eventAtBoth(p *pair) {
	for n := range rounds {
		id := fmt.Sprintf("order-%d", n)
		_, event := p.paid(id, "ink")
		var errs [2]error
		atOnce(func(i int) { errs[i] = p.hear(i, event) })
		p.hearAgain(errs, event)
		p.requireEnds(id, checkout.Fulfilled, 1)
	}
	p.requireStock("ink", 1000-rounds, 0, rounds)
}

// One process fails after it has claimed the event and written its row. The claim is then free again. The other process, which
// may have waited for the claim, or the next delivery runs the handler.
func onceAtBoth(p *pair) {
	failure := errors.New("mail server is down")
	for n := range rounds {
		first := true
		p.mu.Lock()
		p.mailing = func(context.Context, *sql.Tx) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			fails := first && n%2 == 0
			first = false
			if fails {
				return failure
			}
			return nil
		}
		p.mu.Unlock()
		event := webhooktest.Event{
			ID: fmt.Sprintf("evt_%d", n), Type: string(webhook.CustomerUpdated), Created: p.srv.Now(), APIVersion: stripe.APIVersion,
			Object: map[string]any{"id": "cus_1", "object": "customer"},
		}
		var errs [2]error
		atOnce(func(i int) { errs[i] = p.hear(i, event.Payload()) })
		failed := 0
		for _, err := range errs {
			if err != nil {
				require.ErrorIs(p.t, err, failure)
				failed++
			}
		}
		require.Equal(p.t, 1-n%2, failed)
		require.NoError(p.t, p.hear(n/2%2, event.Payload()))
		require.Equal(p.t, 1, p.count(`SELECT count(*) FROM told WHERE detail = ?`, event.ID))
	}
}

// Fulfil fails after it has written its row. The payment stands, the row is rolled back, and the event is handled when it comes
// again.
func callbackFails(p *pair) {
	session, event := p.paid("order-1", "ink")
	failure := errors.New("printer is jammed")
	p.onFulfil(func(context.Context, *sql.Tx, int, *store.Order) error { return failure })
	require.ErrorIs(p.t, p.hear(0, event), failure)
	p.requireEnds("order-1", "paid", 0)
	p.requireStock("ink", 999, 0, 1)
	require.NotEmpty(p.t, p.order("order-1").AttemptBySession(session).PaymentIntent)

	p.onFulfil(nil)
	require.ErrorIs(p.t, p.hear(1, event), checkout.ErrBackoff)
	p.srv.Advance(time.Minute)
	require.NoError(p.t, p.hear(1, event))
	require.NoError(p.t, p.hear(0, event))
	p.requireEnds("order-1", checkout.Fulfilled, 1)
	require.Equal(p.t, 2, p.fulfilRuns("order-1"))
}

// fulfilling sends an event to process 0, and calls meanwhile during the first run of its Fulfil.
func (p *pair) fulfilling(event []byte, meanwhile func()) error {
	running, end, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	p.onFulfil(func(_ context.Context, _ *sql.Tx, process int, _ *store.Order) error {
		if process == 0 {
			close(running)
			<-end
		}
		return nil
	})
	go func() { done <- p.hear(0, event) }()
	<-running
	func() {
		defer close(end)
		meanwhile()
	}()
	return <-done
}

func deliveryLeased(p *pair) {
	_, event := p.paid("order-1", "ink")
	err := p.fulfilling(event, func() {
		require.ErrorIs(p.t, p.hear(1, event), checkout.ErrBusy)
		_, err := p.flows[1].Sweep(p.t.Context())
		require.NoError(p.t, err)
		require.Equal(p.t, 1, p.fulfilRuns("order-1"))
	})
	require.NoError(p.t, err)
	require.NoError(p.t, p.hear(1, event))
	p.requireEnds("order-1", checkout.Fulfilled, 1)
	require.Equal(p.t, 1, p.fulfilRuns("order-1"))
}

// The other process takes over when the lease has ended, and the first process rolls back its work.
func leaseOutlasted(p *pair) {
	_, event := p.paid("order-1", "ink")
	err := p.fulfilling(event, func() {
		p.srv.Advance(6 * time.Minute)
		require.NoError(p.t, p.hear(1, event))
		p.requireEnds("order-1", checkout.Fulfilled, 1)
	})
	require.NoError(p.t, err)
	p.requireEnds("order-1", checkout.Fulfilled, 1)
	require.Equal(p.t, 2, p.fulfilRuns("order-1"))
}

// The refund is recorded while Fulfil runs in the other process, and that run is rolled back. Nothing is left to deliver then.
func refundedMeanwhile(p *pair) {
	session, event := p.paid("order-1", "ink")
	since := p.events()
	err := p.fulfilling(event, func() {
		_, err := p.srv.Refund(session, 0)
		require.NoError(p.t, err)
		for _, refund := range since() {
			if err := p.hear(1, refund); err != nil {
				require.ErrorIs(p.t, err, checkout.ErrBusy) // recorded, and delivered later
			}
		}
		require.Equal(p.t, store.Refunded, p.order("order-1").Status())
	})
	require.NoError(p.t, err)
	require.NoError(p.t, p.hear(1, event))
	p.requireEnds("order-1", "refunded", 0)
	require.Len(p.t, p.told(), 1)
}

// Two callbacks write the same two rows of the merchant's in clashing sequences. The database ends one of them, which runs
// again.
func callbacksDeadlock(p *pair) {
	for _, name := range []string{"a", "b"} {
		_, err := p.dbs[0].Exec(p.d.Dialect.Rebind(`INSERT INTO counters (name, n) VALUES (?, 0)`), name)
		require.NoError(p.t, err)
	}
	var events [2][]byte
	var holding [2]chan struct{}
	for i := range events {
		_, events[i] = p.paid(strconv.Itoa(i), "ink")
		holding[i] = make(chan struct{})
	}
	names := [][]string{{"a", "b"}, {"b", "a"}}
	p.onFulfil(func(ctx context.Context, tx *sql.Tx, process int, o *store.Order) error {
		const raise = `UPDATE counters SET n = n + 1 WHERE name = ?`
		if err := p.write(ctx, tx, raise, names[process][0]); err != nil {
			return err
		}
		if p.fulfilRuns(o.ID) == 1 {
			close(holding[process])
		}
		<-holding[1-process]
		return p.write(ctx, tx, raise, names[process][1])
	})
	atOnce(func(i int) {
		if err := p.hear(i, events[i]); err != nil {
			p.t.Error(err)
		}
	})
	for i := range events {
		p.requireEnds(strconv.Itoa(i), checkout.Fulfilled, 1)
	}
	require.Equal(p.t, 4, p.count(`SELECT sum(n) FROM counters`))
	require.Greater(p.t, p.fulfilRuns("0")+p.fulfilRuns("1"), 2, "there was no deadlock")
}

// oneQuestion lets many customers ask both processes for the status of an order. In two seconds Stripe is asked once.
func oneQuestion(p *pair) {
	session := p.begin(0, "order-1", "ink")
	ask := func() {
		atOnce(func(i int) {
			handler := p.flows[i].StatusHandler()
			for range 10 {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/?session_id="+session, nil))
				if w.Code != http.StatusOK {
					p.t.Errorf("status answered %d: %s", w.Code, p.log)
				}
			}
		})
	}
	for n := range rounds {
		ask()
		require.Equal(p.t, n+1, p.called("GET /v1/checkout/sessions/"+session))
		p.srv.Advance(2 * time.Second)
	}
	p.srv.Deliver(nil)
	require.NoError(p.t, p.srv.Pay(session, checkouttest.CardOK))
	ask()
	p.requireEnds("order-1", checkout.Fulfilled, 1)
}

// sharedCursor lets one process continue reading undelivered events where the other process stopped.
func sharedCursor(p *pair) {
	p.srv.Deliver(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	began := p.srv.Now()
	require.NoError(p.t, p.st[0].SetCursor(p.t.Context(), "events", strconv.FormatInt(began.Unix(), 10)))
	for n := range 4 {
		require.NoError(p.t, p.srv.Pay(p.begin(n%2, strconv.Itoa(n), "ink"), checkouttest.CardOK))
		p.srv.Advance(9 * time.Hour)
	}
	atOnce(func(i int) {
		if _, err := p.flows[i].Sweep(context.WithoutCancel(p.t.Context())); err != nil {
			p.t.Error(err)
		}
	})
	for n := range 4 {
		p.requireEnds(strconv.Itoa(n), checkout.Fulfilled, 1)
	}
	p.mu.Lock()
	p.calls = nil
	p.mu.Unlock()
	_, err := p.flows[1].Sweep(p.t.Context())
	require.NoError(p.t, err)
	require.Equal(p.t, 2, p.called("GET /v1/events"), "the types that the handler knows fill more than one list")
	since := p.calls[0].URL.Query().Get("created[gte]")
	require.Equal(p.t, strconv.FormatInt(p.srv.Now().Add(-5*time.Minute).Unix(), 10), since)
}
