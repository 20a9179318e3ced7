package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/internal/sqlstock"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// shop is the shop as this program sees it.
type shop struct {
	db     *sql.DB
	source source
	store  *sqlstore.Store
	stock  *sqlreserver.Reserver
	table  string // the merchant's own, which has the stock; empty: fulfil_stock
	client *stripe.Client
	flow   *checkout.Flow[*sql.Tx]
	health checkout.Health
}

func (s *shop) close() { _ = s.db.Close() }

// needs is what a command needs beside the orders.
type needs int

const (
	needsStripe needs = 1 << iota
	needsStock
	// needsNoSchema is for the doctor, which says itself what is wrong with the schema and with the key.
	needsNoSchema
)

// open connects to the shop. Its error names the cure if the schema, the key or the database can't be used.
func (p *program) open(ctx context.Context, n needs) (*shop, error) {
	key, err := p.stripeKey(n)
	if err != nil {
		return nil, err
	}
	client, err := p.stripeClient(key)
	if err != nil {
		return nil, err
	}
	table := p.getenv("FULFIL_STOCK_TABLE")
	if table != "" && !sqlstock.ValidTable(table) {
		return nil, usagef("FULFIL_STOCK_TABLE: a table's name consists of letters, digits and underscores, with at most one point")
	}
	db, src, err := p.openDatabase(ctx, false)
	if err != nil {
		return nil, err
	}
	s := &shop{db: db, source: src, client: client, store: sqlstore.New(db, src.dialect), stock: sqlreserver.New(src.dialect).WithDB(db)}
	if table != "" {
		s.table, s.stock = table, s.stock.WithTable(table)
	}
	s.flow, err = checkout.New(checkout.Config[*sql.Tx]{
		Stripe: client, Store: s.store, Reserver: s.stock, DeliverElsewhere: true, ShopID: p.getenv("FULFIL_SHOP_ID"), Clock: p.now,
		Logger: slog.New(slog.NewTextHandler(redacting{p}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err == nil && n&needsNoSchema == 0 {
		err = p.check(ctx, s, key, n)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// redacting is stderr for the log.
type redacting struct{ p *program }

func (r redacting) Write(text []byte) (int, error) {
	r.p.note("%s", text)
	return len(text), nil
}

// check refuses a schema that is behind, a table that can't keep stock, and a key of another mode than the orders.
func (p *program) check(ctx context.Context, s *shop, key string, n needs) error {
	state, err := readSchema(ctx, s.db, s.source.dialect, n&needsStock != 0)
	if err != nil {
		return err
	}
	switch {
	case len(state.missing) > 0:
		return fmt.Errorf("the schema of the database is behind this program: run fulfil migrate, or your own migration tool with the files of fulfil schema -into: %w", state.problem)
	case state.problem != nil:
		return fmt.Errorf("the database does not suit: %w", state.problem)
	case len(state.newer) > 0:
		p.note("fulfil: the schema of the database is of a newer version than this program: update the program")
	}
	if s.table != "" {
		if _, err := s.db.ExecContext(ctx, "SELECT sku, stocked, taken FROM "+s.table+" WHERE 1 = 0"); err != nil {
			return fmt.Errorf("FULFIL_STOCK_TABLE must name a table of this database with the columns sku, stocked and taken: %w", err)
		}
	}
	if s.health, err = s.flow.Health(ctx); err != nil {
		return err
	}
	if mode := keyMode(key); n&needsStripe != 0 && mode != "" && s.health.Mode != "" && mode != s.health.Mode {
		return usagef("STRIPE_SECRET_KEY is of %s mode and the orders are of %s mode: use the key of the orders' mode, or the other database", mode, s.health.Mode)
	}
	return nil
}

// stripeKey reads the key. A command that asks Stripe for nothing works without one.
func (p *program) stripeKey(n needs) (string, error) {
	key := p.getenv("STRIPE_SECRET_KEY")
	p.secrets = append(p.secrets, key)
	switch {
	case key != "" && !strings.HasPrefix(key, "sk_") && !strings.HasPrefix(key, "rk_"):
		return "", usagef("STRIPE_SECRET_KEY is no secret key: it begins with sk_ or rk_")
	case key == "" && n&needsStripe != 0:
		return "", usagef("STRIPE_SECRET_KEY is not set, and this command asks Stripe: export the shop's key")
	case key == "":
		return "sk_unset", nil
	}
	return key, nil
}

// keyMode is the mode of a key; empty: the key does not say.
func keyMode(key string) string {
	switch {
	case strings.Contains(key, "k_live_"):
		return "live"
	case strings.Contains(key, "k_test_"):
		return "test"
	}
	return ""
}

// webhookSecrets are the signing secrets of the environment.
func (p *program) webhookSecrets() (secrets []string) {
	for _, secret := range strings.Split(p.getenv("STRIPE_WEBHOOK_SECRET"), ",") {
		if secret = strings.TrimSpace(secret); secret != "" {
			secrets = append(secrets, secret)
		}
	}
	p.secrets = append(p.secrets, secrets...)
	return secrets
}

// stripeClient makes the client, for Stripe or for a test server.
func (p *program) stripeClient(key string) (*stripe.Client, error) {
	config := &stripe.BackendConfig{LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull}}
	if base := p.getenv("STRIPE_API_BASE"); base != "" {
		switch {
		case !isLoopback(base):
			return nil, usagef("STRIPE_API_BASE must be the http URL of a test server on a loopback address")
		case keyMode(key) == "live":
			return nil, usagef("STRIPE_API_BASE is for a test server, which takes no live key")
		}
		config.URL = stripe.String(base)
	}
	return stripe.NewClient(key, stripe.WithBackends(&stripe.Backends{API: stripe.GetBackendWithConfig(stripe.APIBackend, config)})), nil
}

// isLoopback reports whether address is an http URL that leads to this machine.
func isLoopback(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "http" && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback())
}

// sweptWithin is how long ago the shop's last sweep may be.
const sweptWithin = 10 * time.Minute

// carriedOut says who carries out what was recorded.
func (p *program) carriedOut(s *shop) {
	switch at := s.health.SweptAt; {
	case at.IsZero():
		p.note("fulfil: no process of the shop has swept yet: nothing is carried out until one runs Flow.Run, or Flow.Sweep from cron")
	case p.now().Sub(at) > sweptWithin:
		p.note("fulfil: the last sweep was at %s: nothing is carried out until a process of the shop runs", when(at))
	}
}

// explanations say what an error means and what to do.
var explanations = []struct {
	err  error
	text string
}{
	{checkout.ErrNotFound, "there is no such order or invoice: look for it with fulfil orders list"},
	{checkout.ErrAlreadyPaid, "the order is paid, so nothing was canceled: refund it with fulfil orders refund"},
	{checkout.ErrProcessing, "the money of the order is on its way, so nothing was canceled: wait for it, and refund it then"},
	{checkout.ErrStillOpen, "Stripe did not end the session: the wish to cancel is recorded, and the shop's sweeps try again"},
	{checkout.ErrNotPaid, "the order is not paid, so there is nothing to decide or to refund: fulfil orders cancel ends it"},
	{checkout.ErrGivenBack, "the money was given back or is on its way back, so the order is not handed over: nothing was recorded"},
	{checkout.ErrFulfilled, "the order was handed over already, so it can't be given up: refund it with fulfil orders refund"},
	{checkout.ErrNothingToRefund, "nothing was refunded: less than this is left of the payment, because it was given back before, or it is disputed: see fulfil orders show"},
	{checkout.ErrWrongAccount, "the key is of another Stripe account than the orders: use the key of the shop's account"},
}

// explain adds what to do about an error.
func explain(err error) error {
	for _, e := range explanations {
		if errors.Is(err, e.err) {
			return errors.New(e.text)
		}
	}
	text := err.Error()
	for _, sign := range []string{"readonly database", "read-only transaction", "READ ONLY transaction", "--read-only", "SQLSTATE 25006"} {
		if strings.Contains(text, sign) {
			return fmt.Errorf("the database takes no writes: name the primary and a user who may write: %w", err)
		}
	}
	var refused *stripe.Error
	if !errors.As(err, &refused) {
		return err
	}
	switch refused.HTTPStatusCode {
	case 401:
		return errors.New("stripe does not take STRIPE_SECRET_KEY: copy it again from the Dashboard")
	case 403:
		return fmt.Errorf("the key lacks a permission: give it in the Dashboard, or use a secret key: %s", refused.Msg)
	case 404:
		return fmt.Errorf("stripe does not know the object: the key may be of another account than the orders: %s", refused.Msg)
	case 0:
		return fmt.Errorf("stripe can't be reached: look at the network and at https://status.stripe.com: %w", err)
	}
	return fmt.Errorf("stripe refused (request %s): %s", refused.RequestID, refused.Msg)
}
