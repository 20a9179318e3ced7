package flowtest

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
	"github.com/gofulfil/fulfil/webhook"
)

// childEnv holds the settings of a child process of the tests: a shop that the parent can kill. It is JSON.
const childEnv = "FULFIL_TEST_CHILD"

// childConfig is what a shop process works with.
type childConfig struct {
	Driver  string
	DSN     string
	Dialect sqlkit.Dialect
	Conns   int
	Addr    string
	// Stripe, Key and Secret are those of the test Stripe in the parent; Clock is a file with its time.
	Stripe, Key, Secret, Clock string
}

// shopTables are the merchant's own: a row in shipments for each run of Fulfil that was committed.
const shopTables = `CREATE TABLE IF NOT EXISTS shipments (order_id VARCHAR(200) NOT NULL)`

// migrate lays all tables of a shop.
func migrate(ctx context.Context, db *sql.DB, d sqlkit.Dialect) error {
	if err := sqlstore.Migrate(ctx, db, d); err != nil {
		return err
	}
	if err := sqlreserver.Migrate(ctx, db, d); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, shopTables)
	return err
}

// newFlow is a shop on a database. before, if not nil, runs within Fulfil, ahead of the shipment.
func newFlow(db *sql.DB, d sqlkit.Dialect, client *stripe.Client, clock func() time.Time, log *slog.Logger, before func(context.Context)) (*checkout.Flow[*sql.Tx], error) {
	return checkout.New(checkout.Config[*sql.Tx]{
		Stripe: client, Store: sqlstore.New(db, d), Reserver: sqlreserver.New(d), Clock: clock, Logger: log,
		Fulfil: func(ctx context.Context, tx *sql.Tx, o *store.Order) error {
			if before != nil {
				before(ctx)
			}
			_, err := tx.ExecContext(ctx, d.Rebind(`INSERT INTO shipments (order_id) VALUES (?)`), o.ID)
			return err
		},
		OnChange: func(context.Context, *sql.Tx, checkout.Change) error { return nil },
	})
}

// child is the process that the parent kills. It returns the exit code.
func child() int {
	if err := serveChild(); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	return 0
}

func serveChild() error {
	var c childConfig
	if err := json.Unmarshal([]byte(os.Getenv(childEnv)), &c); err != nil {
		return err
	}
	db, err := sql.Open(c.Driver, c.DSN)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(c.Conns)
	db.SetMaxIdleConns(c.Conns)
	if err := migrate(context.Background(), db, c.Dialect); err != nil {
		return err
	}
	clock := func() time.Time { return readClock(c.Clock) }
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	flow, err := newFlow(db, c.Dialect, stripeClient(c.Stripe, c.Key), clock, log, nil)
	if err != nil {
		return err
	}
	hook, err := webhook.New(webhook.Config{
		Secrets: []string{c.Secret}, Clock: clock, Logger: log, Tolerance: 1000 * time.Hour, // the parent moves time in leaps
	})
	if err != nil {
		return err
	}
	flow.Handle(hook)
	listener, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return err
	}
	return http.Serve(listener, childHandler(flow, hook))
}

// cartRequest is what a customer orders: one of each SKU, as often as it is named.
type cartRequest struct {
	Order   string
	SKUs    []string
	HoldFor time.Duration
}

func (c cartRequest) session() checkout.Session {
	s := checkout.Session{OrderID: c.Order, SuccessURL: "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}", HoldFor: c.HoldFor}
	for _, sku := range c.SKUs {
		s.Lines = append(s.Lines, checkout.Line{SKU: sku, Name: sku, UnitAmount: checkout.MustAmount("5.00", "eur"), Quantity: 1})
	}
	return s
}

// childHandler is what the parent can ask of a shop process. Begin answers the session's ID; 409: sold out; 410: the order
// is paid, or its payment is on its way.
func childHandler(flow *checkout.Flow[*sql.Tx], hook *webhook.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /webhook", hook)
	mux.Handle("GET /status", flow.StatusHandler())
	mux.HandleFunc("POST /begin", func(w http.ResponseWriter, r *http.Request) {
		var cart cartRequest
		if err := json.NewDecoder(r.Body).Decode(&cart); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		started, err := flow.Begin(r.Context(), cart.session())
		var short *reservation.ShortageError
		switch {
		case errors.As(err, &short):
			http.Error(w, err.Error(), http.StatusConflict)
		case errors.Is(err, checkout.ErrAlreadyPaid), errors.Is(err, checkout.ErrProcessing):
			http.Error(w, err.Error(), http.StatusGone)
		case errors.Is(err, checkout.ErrSuperseded):
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		default:
			_, _ = io.WriteString(w, started.SessionID)
		}
	})
	mux.HandleFunc("POST /sweep", func(w http.ResponseWriter, r *http.Request) {
		if _, err := flow.Sweep(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return mux
}

func stripeClient(url, key string) *stripe.Client {
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		URL: stripe.String(url), MaxNetworkRetries: stripe.Int64(0), EnableTelemetry: stripe.Bool(false),
		LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
	})
	return stripe.NewClient(key, stripe.WithBackends(&stripe.Backends{API: backend, Connect: backend, Uploads: backend}))
}

func writeClock(t testing.TB, file string, now time.Time) {
	t.Helper()
	temporary := file + ".new"
	if err := os.WriteFile(temporary, []byte(strconv.FormatInt(now.UnixMicro(), 10)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temporary, file); err != nil {
		t.Fatal(err)
	}
}

func readClock(file string) time.Time {
	data, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	micros, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil {
		panic(err)
	}
	return time.UnixMicro(micros).UTC()
}

// process is a shop in a process of its own.
type process struct {
	t      testing.TB
	config childConfig
	cmd    *exec.Cmd
	stderr *strings.Builder
}

// start starts the process and returns when it answers.
func (p *process) start() {
	p.t.Helper()
	settings, err := json.Marshal(p.config)
	if err != nil {
		p.t.Fatal(err)
	}
	p.stderr = new(strings.Builder)
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), childEnv+"="+string(settings))
	p.cmd.Stderr = p.stderr
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		conn, err := net.DialTimeout("tcp", p.config.Addr, time.Second)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			p.kill()
			p.t.Fatalf("a shop process does not answer: %v: %s", err, p.stderr)
		}
		time.Sleep(5 * time.Millisecond) // of a real process there is no other sign
	}
}

// kill ends the process as kill -9 does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// post asks something of the process. An error means that it gave no answer.
func (p *process) post(path string, body any) (status int, answer string, err error) {
	data, err := json.Marshal(body)
	if err != nil {
		return 0, "", err
	}
	response, err := http.Post("http://"+p.config.Addr+path, "application/json", strings.NewReader(string(data)))
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// freeAddr is a loopback address that nobody listens on.
func freeAddr(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
