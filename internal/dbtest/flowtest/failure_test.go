package flowtest

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/internal/dbtest"
	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
	"github.com/gofulfil/fulfil/webhook"
)

// fault is a failure of a database.
type fault struct {
	name string
	// do and undo run on the shop's only connection. Says is a part of the error that is logged. If says is missing, the shop
	// gets over the fault by itself, with a new connection.
	do, undo, says map[sqlkit.Dialect]string
}

var faults = []fault{
	{
		name: "missing table",
		do:   every("ALTER TABLE fulfil_orders RENAME TO fulfil_orders_away"),
		undo: every("ALTER TABLE fulfil_orders_away RENAME TO fulfil_orders"),
		says: every("fulfil_orders"),
	},
	{
		name: "read only",
		do: map[sqlkit.Dialect]string{
			sqlkit.Postgres: "SET default_transaction_read_only = on",
			sqlkit.MySQL:    "SET SESSION TRANSACTION READ ONLY",
			sqlkit.SQLite:   "PRAGMA query_only = 1",
		},
		undo: map[sqlkit.Dialect]string{
			sqlkit.Postgres: "SET default_transaction_read_only = off",
			sqlkit.MySQL:    "SET SESSION TRANSACTION READ WRITE",
			sqlkit.SQLite:   "PRAGMA query_only = 0",
		},
		says: map[sqlkit.Dialect]string{sqlkit.SQLite: "readonly"},
	},
	{
		name: "full disk",
		do:   map[sqlkit.Dialect]string{sqlkit.SQLite: "PRAGMA max_page_count = 1"}, // SQLite keeps the pages that exist
		undo: map[sqlkit.Dialect]string{sqlkit.SQLite: "PRAGMA max_page_count = 1000000"},
		says: map[sqlkit.Dialect]string{sqlkit.SQLite: "full"},
	},
}

func every(statement string) map[sqlkit.Dialect]string {
	return map[sqlkit.Dialect]string{sqlkit.Postgres: statement, sqlkit.MySQL: statement, sqlkit.SQLite: statement}
}

// failingShop is a shop in this process whose database has one connection.
type failingShop struct {
	t    *testing.T
	db   *sql.DB
	d    sqlkit.Dialect
	srv  *checkouttest.Server
	flow *checkout.Flow[*sql.Tx]
	log  *logBuffer
}

func newFailingShop(t *testing.T, d dbtest.Database, fulfil func(ctx context.Context, tx *sql.Tx) error) *failingShop {
	t.Helper()
	s := &failingShop{t: t, db: d.Open(t, 1), d: d.Dialect, srv: checkouttest.NewServer(checkouttest.Config{}), log: &logBuffer{}}
	t.Cleanup(s.srv.Close)
	if err := migrate(t.Context(), s.db, d.Dialect); err != nil {
		t.Fatal(err)
	}
	reserver := sqlreserver.New(d.Dialect)
	st := sqlstore.New(s.db, d.Dialect)
	if err := st.InTx(t.Context(), func(tx Tx) error { return reserver.Set(t.Context(), tx, "ink", 100) }); err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(s.log, nil))
	var err error
	s.flow, err = checkout.New(checkout.Config[*sql.Tx]{
		Stripe: s.srv.Client(), Store: st, Reserver: reserver, Clock: s.srv.Now, Logger: logger,
		Fulfil: func(ctx context.Context, tx *sql.Tx, o *store.Order) error {
			if _, err := tx.ExecContext(ctx, d.Dialect.Rebind(`INSERT INTO shipments (order_id) VALUES (?)`), o.ID); err != nil {
				return err
			}
			return fulfil(ctx, tx)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	hook, err := webhook.New(webhook.Config{Secrets: []string{s.srv.WebhookSecret()}, Clock: s.srv.Now, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	s.flow.Handle(hook)
	s.srv.Deliver(hook)
	return s
}

// begin begins an order and returns its session.
func (s *failingShop) begin(id string) string {
	s.t.Helper()
	started, err := s.flow.Begin(s.t.Context(), cartRequest{Order: id, SKUs: []string{"ink"}}.session())
	if err != nil {
		s.t.Fatal(err)
	}
	return started.SessionID
}

func (s *failingShop) pay(session string) {
	s.t.Helper()
	// The buyer's name does not fit into the rest of a full disk.
	if err := s.srv.PayAs(session, checkouttest.CardOK, checkouttest.Buyer{Name: strings.Repeat("x", 50_000)}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *failingShop) exec(statement string) {
	s.t.Helper()
	if _, err := s.db.ExecContext(s.t.Context(), statement); err != nil {
		s.t.Fatalf("%s: %v", statement, err)
	}
}

// firstAnswer returns the status of the shop's first answer to the event of the payment.
func (s *failingShop) firstAnswer() int {
	s.t.Helper()
	for _, e := range s.srv.Events() {
		if e.Type == "checkout.session.completed" {
			return e.Attempts[0].Status
		}
	}
	s.t.Fatal("no event of the payment")
	return 0
}

// requireFulfilledOnce lets Stripe send the event again, and checks that the order was fulfilled once.
func (s *failingShop) requireFulfilledOnce(id string) {
	s.t.Helper()
	s.srv.Advance(time.Hour)
	if _, err := s.flow.Sweep(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	o, err := s.flow.Order(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	var shipments int
	row := s.db.QueryRowContext(s.t.Context(), s.d.Rebind(`SELECT count(*) FROM shipments WHERE order_id = ?`), id)
	if err := row.Scan(&shipments); err != nil {
		s.t.Fatal(err)
	}
	if checkout.Display(o) != checkout.Fulfilled || shipments != 1 {
		s.t.Errorf("order is %s, with %d shipments", checkout.Display(o), shipments)
	}
}

// TestDatabaseFails lets the database fail when the event of a payment arrives. Stripe gets an error and sends the event again,
// and the log names the cause. After the repair nothing is lost, and nothing happens twice.
func TestDatabaseFails(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d dbtest.Database) {
		for _, f := range faults {
			if f.do[d.Dialect] == "" || f.name == "read only" && d.Driver == "postgres" {
				continue // lib/pq begins every transaction READ WRITE, which only a real replica refuses
			}
			t.Run(f.name, func(t *testing.T) {
				s := newFailingShop(t, d, func(context.Context, *sql.Tx) error { return nil })
				session := s.begin("order-1")
				s.exec(f.do[d.Dialect])
				s.pay(session)
				want := http.StatusInternalServerError
				if f.says[d.Dialect] == "" {
					want = http.StatusOK
				}
				if got := s.firstAnswer(); got != want {
					t.Errorf("the event was answered with %d", got)
				}
				if !strings.Contains(s.log.String(), f.says[d.Dialect]) {
					t.Errorf("the log does not say %q: %s", f.says[d.Dialect], s.log)
				}
				s.exec(f.undo[d.Dialect])
				s.requireFulfilledOnce("order-1")
			})
		}
		kill := map[sqlkit.Dialect]string{
			sqlkit.Postgres: "SELECT pg_terminate_backend(pg_backend_pid())",
			sqlkit.MySQL:    "KILL CONNECTION_ID()",
		}[d.Dialect]
		if kill == "" {
			return // SQLite has no connection that could be killed
		}
		t.Run("killed connection", func(t *testing.T) {
			killed := false
			s := newFailingShop(t, d, func(ctx context.Context, tx *sql.Tx) error {
				if killed {
					return nil
				}
				killed = true
				_, err := tx.ExecContext(ctx, kill)
				return err
			})
			s.pay(s.begin("order-1"))
			if got := s.firstAnswer(); got != http.StatusOK { // the transaction is run again
				t.Errorf("the event was answered with %d", got)
			}
			s.requireFulfilledOnce("order-1")
		})
	})
}

// TestPruneInAnEndedTransaction has the callback of Prune lose its transaction, as one does that does not return the error of a
// deadlock. The order is kept, as is what the callback deleted.
func TestPruneInAnEndedTransaction(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d dbtest.Database) {
		s := newFailingShop(t, d, func(context.Context, *sql.Tx) error { return nil })
		s.begin("order-1")
		if err := s.flow.Cancel(t.Context(), "order-1"); err != nil {
			t.Fatal(err)
		}
		s.srv.Advance(checkout.MinPruneAge + time.Hour)
		if _, err := s.flow.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		pruned, err := s.flow.Prune(t.Context(), checkout.MinPruneAge, func(ctx context.Context, tx *sql.Tx, _ *store.Order) error {
			_, err := tx.ExecContext(ctx, "ROLLBACK")
			return err
		})
		if pruned != 0 || !errors.Is(err, sqlstore.ErrTxEnded) {
			t.Errorf("%d orders were pruned: %v", pruned, err)
		}
		if _, err := s.flow.Order(t.Context(), "order-1"); err != nil {
			t.Error(err)
		}
	})
}

// logBuffer keeps the log.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
