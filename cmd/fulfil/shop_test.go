package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
	"github.com/gofulfil/fulfil/webhook"
)

// databases returns the URLs of empty databases by their names: SQLite, and those of FULFIL_TEST_POSTGRES and FULFIL_TEST_MYSQL.
func databases(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{"sqlite": "file:" + filepath.Join(t.TempDir(), "shop.db")}
	name := "fulfil_cmd_" + strings.ToLower(rand.Text()[:12])
	if dsn := os.Getenv("FULFIL_TEST_POSTGRES"); dsn != "" {
		makeDatabase(t, "pgx", dsn, name)
		u, err := url.Parse(dsn)
		require.NoError(t, err)
		u.Path = "/" + name
		all["postgres"] = u.String()
	}
	if dsn := os.Getenv("FULFIL_TEST_MYSQL"); dsn != "" {
		makeDatabase(t, "mysql", dsn, name)
		cfg, err := mysql.ParseDSN(dsn)
		require.NoError(t, err)
		cfg.DBName = name
		all["mariadb"] = cfg.FormatDSN()
	}
	return all
}

func makeDatabase(t *testing.T, driver, dsn, name string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	_, err = db.Exec("CREATE DATABASE " + name)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := db.Exec("DROP DATABASE " + name)
		require.NoError(t, errors.Join(err, db.Close()))
	})
}

// testShop is a shop that runs, on a database and a test server, and the command beside it.
type testShop struct {
	t     *testing.T
	env   map[string]string
	srv   *checkouttest.Server
	db    *sql.DB
	store *sqlstore.Store
	stock *sqlreserver.Reserver
	flow  *checkout.Flow[*sql.Tx]
	web   *httptest.Server
	fails atomic.Bool // Fulfil fails
}

// eachDatabase runs a test on every database, with a shop that has been migrated by the command.
func eachDatabase(t *testing.T, fn func(t *testing.T, s *testShop)) {
	t.Parallel()
	for name, address := range databases(t) {
		t.Run(name, func(t *testing.T) { fn(t, newShop(t, address, "")) })
	}
}

// newShop opens a shop. Its stock is in a table of the merchant's own, if one is named, which has no rows yet.
func newShop(t *testing.T, address, table string) *testShop {
	t.Helper()
	s := &testShop{t: t, env: map[string]string{"DATABASE_URL": address}}
	s.ok("migrate")
	src, err := parseDatabase(address, false)
	require.NoError(t, err)
	s.db, err = sql.Open(src.driver, src.dsn)
	require.NoError(t, err)
	s.srv = checkouttest.NewServer(checkouttest.Config{Addr: "127.0.0.1:0", WallClock: true})
	s.store, s.stock = sqlstore.New(s.db, src.dialect), sqlreserver.New(src.dialect).WithDB(s.db)
	if table != "" {
		_, err := s.db.Exec("CREATE TABLE " + table + " (sku VARCHAR(255) PRIMARY KEY, stocked BIGINT NOT NULL, taken BIGINT NOT NULL)")
		require.NoError(t, err)
		s.stock, s.env["FULFIL_STOCK_TABLE"] = s.stock.WithTable(table), table
	}
	s.flow, err = checkout.New(checkout.Config[*sql.Tx]{
		Stripe: s.srv.Client(), Store: s.store, Reserver: s.stock, Clock: s.srv.Now, Logger: slog.New(slog.DiscardHandler),
		Fulfil: func(context.Context, *sql.Tx, *store.Order) error {
			if s.fails.Load() {
				return webhook.Permanent(errors.New("the printer is on fire"))
			}
			return nil
		},
	})
	require.NoError(t, err)
	hook, err := webhook.New(webhook.Config{Secrets: []string{s.srv.WebhookSecret()}, Clock: s.srv.Now, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	s.flow.Handle(hook)
	s.srv.Deliver(hook)
	s.web = httptest.NewServer(hook)
	t.Cleanup(func() {
		s.web.Close()
		s.srv.Close()
		require.NoError(t, s.db.Close())
	})
	s.env["STRIPE_API_BASE"], s.env["STRIPE_SECRET_KEY"], s.env["STRIPE_WEBHOOK_SECRET"] = s.srv.URL(), s.srv.Key(), s.srv.WebhookSecret()
	s.env["FULFIL_WEBHOOK_URL"] = s.web.URL
	s.sweep()
	return s
}

func (s *testShop) sweep() {
	s.t.Helper()
	_, err := s.flow.Sweep(s.t.Context())
	require.NoError(s.t, err)
}

// result is what a run of the command left.
type result struct {
	code           int
	stdout, stderr string
}

// program is the command, with the environment of the shop.
func (s *testShop) program(stdout io.Writer, stderr io.Writer) *program {
	now := time.Now
	if s.srv != nil {
		now = s.srv.Now
	}
	return &program{
		getenv: func(name string) string { return s.env[name] }, stdin: strings.NewReader(""), stdout: stdout, stderr: stderr, now: now,
	}
}

func (s *testShop) run(args ...string) result {
	var stdout, stderr bytes.Buffer
	code := s.program(&stdout, &stderr).run(s.t.Context(), args)
	return result{code, stdout.String(), stderr.String()}
}

// typed runs the command on a terminal, at which a person types a line.
func (s *testShop) typed(line string, args ...string) result {
	var stdout, stderr bytes.Buffer
	p := s.program(&stdout, &stderr)
	p.terminal, p.stdin = true, strings.NewReader(line+"\n")
	code := p.run(s.t.Context(), args)
	return result{code, stdout.String(), stderr.String()}
}

// ok runs the command, which must succeed, and returns its answer.
func (s *testShop) ok(args ...string) string {
	s.t.Helper()
	r := s.run(args...)
	require.Equal(s.t, exitOK, r.code, "%v: %s%s", args, r.stdout, r.stderr)
	return r.stdout
}

// fails runs the command, which must end with code, and returns the message.
func (s *testShop) refused(code int, args ...string) string {
	s.t.Helper()
	r := s.run(args...)
	require.Equal(s.t, code, r.code, "%v: %s%s", args, r.stdout, r.stderr)
	return r.stderr
}

// lines decodes the answer of the command with -json.
func lines[T any](t *testing.T, text string) (all []T) {
	t.Helper()
	for line := range strings.Lines(text) {
		var v T
		require.NoError(t, json.Unmarshal([]byte(line), &v), line)
		all = append(all, v)
	}
	return all
}

// begin begins an order of two T-shirts.
func (s *testShop) begin(id string) *checkout.Started {
	s.t.Helper()
	started, err := s.flow.Begin(s.t.Context(), checkout.Session{
		OrderID: id, SuccessURL: "https://shop.example/thanks", Metadata: map[string]string{"customer": "4711"},
		Lines: []checkout.Line{{SKU: "tee", Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 2}},
	})
	require.NoError(s.t, err)
	return started
}

func (s *testShop) pay(id, email string) *checkout.Started {
	s.t.Helper()
	started := s.begin(id)
	require.NoError(s.t, s.srv.PayAs(started.SessionID, checkouttest.CardOK, checkouttest.Buyer{Email: email}))
	return started
}

func (s *testShop) order(id string) *store.Order {
	s.t.Helper()
	o, err := s.flow.Order(s.t.Context(), id)
	require.NoError(s.t, err)
	return o
}

// stuckOrder is an order that was paid and that Fulfil refused for good.
func (s *testShop) stuckOrder(id, email string) {
	s.t.Helper()
	s.fails.Store(true)
	s.pay(id, email)
	s.fails.Store(false)
	require.True(s.t, s.order(id).Stuck())
}
