package clustertest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
	"github.com/gofulfil/fulfil/webhook"
)

// shop is a shop of several processes, as far as databases and Stripe can tell: each has a pool, a Flow and a webhook handler of
// its own. Stripe's clock goes on as the wall clock does.
type shop struct {
	t         testing.TB
	dialect   sqlstore.Dialect
	srv       *checkouttest.Server
	processes []*process
	log       *output
	stock     map[string]int64
	also      func(ctx context.Context, tx *sql.Tx, process int, o *store.Order) // what Fulfil does beside shipping; nil: nothing
	settled   func()                                                             // returns when every process reads all that was committed; nil: each does at once

	delivering sync.WaitGroup
	mu         sync.Mutex
	late       []string // events that no process took
	failed     int      // deliveries that got another answer than 200
}

// process is one process of the shop.
type process struct {
	db    *sql.DB
	st    *sqlstore.Store
	stock *sqlreserver.Reserver
	flow  *checkout.Flow[*sql.Tx]
	hook  *webhook.Handler
}

// source is how a process reaches its database.
type source struct{ driver, dsn string }

// poolSize is the number of connections of a process.
const poolSize = 4

// plenty is the stock of what never runs out.
const plenty = 1_000_000

// newShop migrates the database and opens a shop with a process for each source.
func newShop(t testing.TB, d sqlstore.Dialect, sources ...source) *shop {
	t.Helper()
	s := &shop{t: t, dialect: d, srv: checkouttest.NewServer(checkouttest.Config{WallClock: true}), log: &output{}}
	t.Cleanup(s.srv.Close)
	t.Cleanup(s.delivering.Wait)
	for i, source := range sources {
		db, err := sql.Open(source.driver, source.dsn)
		require.NoError(t, err)
		t.Cleanup(func() { _ = db.Close() })
		db.SetMaxOpenConns(poolSize)
		db.SetMaxIdleConns(poolSize)
		if i == 0 {
			require.NoError(t, sqlstore.Migrate(t.Context(), db, d))
			require.NoError(t, sqlreserver.Migrate(t.Context(), db, d))
			_, err := db.Exec(`CREATE TABLE shipments (n VARCHAR(40) NOT NULL PRIMARY KEY, order_id VARCHAR(200) NOT NULL)`)
			require.NoError(t, err)
		}
		s.processes = append(s.processes, s.open(i, db))
	}
	s.srv.Deliver(http.HandlerFunc(s.receive))
	return s
}

// open makes the Flow and the webhook handler of a process.
func (s *shop) open(i int, db *sql.DB) *process {
	s.t.Helper()
	log := slog.New(slog.NewTextHandler(s.log, nil)).With("process", i)
	p := &process{db: db, st: sqlstore.New(db, s.dialect), stock: sqlreserver.New(s.dialect).WithDB(db)}
	var err error
	p.flow, err = checkout.New(checkout.Config[*sql.Tx]{
		Stripe: s.srv.Client(), Store: p.st, Reserver: p.stock, Clock: s.srv.Now, Logger: log, ShopID: "cluster",
		Fulfil: func(ctx context.Context, tx *sql.Tx, o *store.Order) error {
			row := fmt.Sprintf("%s/%d", o.ID, time.Now().UnixNano()) // a second handing over is a row, and no error
			_, err := tx.ExecContext(ctx, s.dialect.Rebind(`INSERT INTO shipments (n, order_id) VALUES (?, ?)`), row[max(0, len(row)-40):], o.ID)
			if err == nil && s.also != nil {
				s.also(ctx, tx, i, o)
			}
			return err
		},
		OnChange: func(context.Context, *sql.Tx, checkout.Change) error { return nil },
	})
	require.NoError(s.t, err)
	p.hook, err = webhook.New(webhook.Config{Secrets: []string{s.srv.WebhookSecret()}, Clock: s.srv.Now, Logger: log, Tolerance: 1000 * time.Hour})
	require.NoError(s.t, err)
	p.flow.Handle(p.hook)
	return p
}

// stockUp sets the stock.
func (s *shop) stockUp(stock map[string]int64) {
	s.t.Helper()
	s.stock = stock
	p := s.processes[0]
	require.NoError(s.t, p.st.InTx(s.t.Context(), func(tx *sql.Tx) error {
		for sku, onHand := range stock {
			if err := p.stock.Set(s.t.Context(), tx, sku, onHand); err != nil {
				return err
			}
		}
		return nil
	}))
	s.settle()
}

// webhookTime is how long Stripe waits for an answer in a scene.
const webhookTime = 10 * time.Second

// webhookTries is how often Stripe sends an event while customers buy. What then is left waits for [shop.rest].
const webhookTries = 3

// numbered finds the number of an order in a webhook.
var numbered = regexp.MustCompile(`"client_reference_id": ?"order-(\d+)"`)

// receive takes a webhook from Stripe and has it delivered, without holding up the next. It goes to another process than the one
// at which the order was begun.
func (s *shop) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	turn := 0
	if found := numbered.FindSubmatch(body); found != nil {
		turn, _ = strconv.Atoi(string(found[1]))
	}
	s.delivering.Go(func() {
		for try := range webhookTries {
			if s.deliver(s.processes[(turn+1+try)%len(s.processes)], r, body) {
				return
			}
			time.Sleep(time.Second)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.late = append(s.late, string(eventID.FindSubmatch(body)[1]))
	})
}

var eventID = regexp.MustCompile(`"id": ?"(evt_[^"]+)"`)

// deliver sends a webhook to a process, and reports whether the process took it.
func (s *shop) deliver(p *process, r *http.Request, body []byte) bool {
	ctx, cancel := context.WithTimeout(context.Background(), webhookTime)
	defer cancel()
	again := r.Clone(ctx)
	again.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	p.hook.ServeHTTP(answer, again)
	if answer.Code == http.StatusOK {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed++
	return false
}

// sweepTime is how long a sweep may take at rest. It ends a scene whose database never comes back.
const sweepTime = 2 * time.Minute

// rest lets two days pass in which nothing fails: Stripe sends again what no process took, and sweeps do what is due.
func (s *shop) rest() {
	s.t.Helper()
	s.delivering.Wait()
	s.settle()
	s.srv.Deliver(s.processes[0].hook)
	for _, id := range s.late {
		require.NoError(s.t, s.srv.Redeliver(id))
	}
	for _, hours := range []time.Duration{1, 1, 1, 1, 4, 8, 12, 24} {
		s.srv.Advance(hours * time.Hour)
		ctx, cancel := context.WithTimeout(s.t.Context(), sweepTime)
		_, err := s.processes[0].flow.Sweep(ctx)
		cancel()
		require.NoError(s.t, err)
	}
	s.settle()
}

// settle waits until every process reads all that was committed.
func (s *shop) settle() {
	s.t.Helper()
	if s.settled != nil {
		s.settled()
	}
}

// end ends a scene. It writes the scene's line of the table. Then it fails if customers saw errors of Begin of another kind than those,
// or if the books of any process are not right after two quiet days. fault is when something was first done to the servers; zero:
// nothing was. more says what was done.
func (s *shop) end(sold *sales, fault time.Time, more string, but ...string) {
	s.t.Helper()
	s.delivering.Wait()
	sold.report(s.t, s, fault, more)
	sold.requireSmooth(s.t, but...)
	s.rest()
	s.requireRight()
}
