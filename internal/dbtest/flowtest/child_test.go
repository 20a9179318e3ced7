package flowtest

import (
	"bufio"
	"bytes"
	"cmp"
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
	"sync"
	"sync/atomic"
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

// childEnv holds the settings of a child process as JSON. A child is a shop that the parent can kill.
const childEnv = "FULFIL_TEST_CHILD"

// childConfig holds the settings of a shop process.
type childConfig struct {
	Driver  string
	DSN     string
	Dialect sqlkit.Dialect
	Conns   int
	// Stripe is the URL of the test server in the parent, Key its key and Secret its webhook secret. Clock is a file with its time.
	Stripe, Key, Secret, Clock string
	// Steps is the number of steps after which the child prints saidReached; 0: never.
	Steps int64
}

// The child prints two lines: saidListening with its address, and later saidReached.
const (
	saidListening = "listening "
	saidReached   = "reached"
)

// processHeader is the header with the child's process ID in all of its answers. If the child has just died and another program
// listens on its address, the parent notices by this header.
const processHeader = "Shop-Process"

// steps counts the steps of a child: a request comes in or is answered, a call of Stripe begins or ends, Fulfil runs, or the
// Flow reads the time. The child prints saidReached at the last step.
type steps struct{ left atomic.Int64 }

func (s *steps) take() {
	if s.left.Add(-1) == 0 {
		fmt.Println(saidReached)
	}
}

// RoundTrip passes a child's requests on to Stripe.
func (s *steps) RoundTrip(r *http.Request) (*http.Response, error) {
	s.take()
	defer s.take()
	return http.DefaultTransport.RoundTrip(r)
}

// around takes a step before and after each request, and names the process in the answer.
func (s *steps) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.take()
		defer s.take()
		w.Header().Set(processHeader, strconv.Itoa(os.Getpid()))
		next.ServeHTTP(w, r)
	})
}

// shopTables creates the merchant's table, with a row for each run of Fulfil that was committed.
const shopTables = `CREATE TABLE IF NOT EXISTS shipments (order_id VARCHAR(200) NOT NULL)`

// migrate creates all tables of a shop.
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

// newFlow returns the Flow of a shop on a database. If before is not nil, Fulfil calls it ahead of the shipment.
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

// child serves a shop until the parent kills it. If it fails, it returns the exit code.
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
	var taken steps
	clock := func() time.Time {
		taken.take()
		return readClock(c.Clock)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	flow, err := newFlow(db, c.Dialect, stripeClient(c.Stripe, c.Key, &taken), clock, log, func(context.Context) { taken.take() })
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
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(saidListening + listener.Addr().String())
	taken.left.Store(c.Steps) // counting begins here, so that saidListening is the first line
	return http.Serve(listener, taken.around(childHandler(flow, hook)))
}

// cartRequest is a customer's cart: one piece for each time that an SKU is named.
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

// childHandler serves the requests of the parent. Begin answers the session's ID, 409 if a SKU is sold out, and 410 if the
// order is paid or its payment is on its way.
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

func stripeClient(url, key string, way http.RoundTripper) *stripe.Client {
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		HTTPClient: &http.Client{Transport: way}, URL: stripe.String(url), MaxNetworkRetries: stripe.Int64(0), EnableTelemetry: stripe.Bool(false),
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

// process is a shop in a child process, which can be killed and started again. Its address changes with each start.
type process struct {
	t       testing.TB
	program string // default: this test's own
	config  childConfig
	client  *http.Client
	cmd     *exec.Cmd
	said    *bufio.Scanner // the child's output
	stderr  *logBuffer

	mu      sync.Mutex
	addr    string        // empty: the process does not run
	pid     string        // the value of processHeader
	running chan struct{} // closed while the process runs
}

// newProcess returns a process that does not run yet. The process is killed when the test ends.
func newProcess(t testing.TB, config childConfig) *process {
	transport := &http.Transport{}
	p := &process{t: t, config: config, client: &http.Client{Transport: transport}, running: make(chan struct{})}
	t.Cleanup(func() {
		p.kill()
		transport.CloseIdleConnections()
	})
	return p
}

// start starts the process and returns when it listens.
func (p *process) start() {
	p.t.Helper()
	settings, err := json.Marshal(p.config)
	if err != nil {
		p.t.Fatal(err)
	}
	p.stderr = &logBuffer{}
	p.cmd = exec.Command(cmp.Or(p.program, os.Args[0]))
	p.cmd.Env = append(os.Environ(), childEnv+"="+string(settings))
	p.cmd.Stderr = p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.said = bufio.NewScanner(out)
	addr := p.awaitLine(saidListening)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addr, p.pid = addr, strconv.Itoa(p.cmd.Process.Pid)
	close(p.running)
}

// awaitSteps returns when the process has taken the steps of its configuration.
func (p *process) awaitSteps() {
	p.t.Helper()
	p.awaitLine(saidReached)
}

// awaitLine returns the rest of the child's next line, which must begin with prefix.
func (p *process) awaitLine(prefix string) (rest string) {
	p.t.Helper()
	if !p.said.Scan() {
		_ = p.cmd.Wait()
		p.t.Fatalf("a shop process ended by itself: %v: %s", p.cmd.ProcessState, p.stderr)
	}
	rest, ok := strings.CutPrefix(p.said.Text(), prefix)
	if !ok {
		p.t.Fatalf("a shop process said %q, not %q", p.said.Text(), prefix)
	}
	return rest
}

// awaitRunning returns when the process runs.
func (p *process) awaitRunning() {
	p.mu.Lock()
	running := p.running
	p.mu.Unlock()
	<-running
}

// kill ends the process as kill -9 does.
func (p *process) kill() {
	p.mu.Lock()
	if p.addr != "" {
		p.addr, p.running = "", make(chan struct{})
	}
	p.mu.Unlock()
	if p.cmd != nil && p.cmd.Process != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// post sends a request to the process. It returns an error if the process gave no answer.
func (p *process) post(path string, body any) (status int, answer string, err error) {
	data, err := json.Marshal(body)
	if err != nil {
		return 0, "", err
	}
	return p.do(http.MethodPost, path, http.Header{"Content-Type": {"application/json"}}, data)
}

// get reads a page of the process. It returns an error if the process gave no answer.
func (p *process) get(path string) (status int, answer string, err error) {
	return p.do(http.MethodGet, path, nil, nil)
}

// ServeHTTP passes a webhook on to the process at its present address.
func (p *process) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	status, _, err := p.do(http.MethodPost, "/webhook", r.Header, payload)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.WriteHeader(status)
}

var (
	errNotRunning = errors.New("the shop process does not run")
	errStranger   = errors.New("the shop process has ended, and another program has its port")
)

func (p *process) do(method, path string, header http.Header, body []byte) (status int, answer string, err error) {
	p.mu.Lock()
	addr, pid := p.addr, p.pid
	p.mu.Unlock()
	if addr == "" {
		return 0, "", errNotRunning
	}
	request, err := http.NewRequest(method, "http://"+addr+path, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if header != nil {
		request.Header = header.Clone()
	}
	response, err := p.client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	if response.Header.Get(processHeader) != pid {
		return 0, "", errStranger
	}
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}
