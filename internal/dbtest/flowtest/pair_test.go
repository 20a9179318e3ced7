package flowtest

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/internal/dbtest"
	"github.com/gofulfil/fulfil/internal/scenarios"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
	"github.com/gofulfil/fulfil/webhook"
)

// pools are the connections of two processes to one database.
type pools struct {
	d   dbtest.Database
	dbs [2]*sql.DB
}

// merchantTables are the merchant's tables beside shipments: a row for each delivered change, and rows that callbacks compete
// for.
var merchantTables = []string{
	`CREATE TABLE told (kind VARCHAR(40) NOT NULL, attempt INTEGER NOT NULL, detail VARCHAR(200) NOT NULL)`,
	`CREATE TABLE counters (name VARCHAR(20) NOT NULL PRIMARY KEY, n INTEGER NOT NULL)`,
}

// newPools creates the tables of a shop in an empty database.
func newPools(t *testing.T, d dbtest.Database) *pools {
	t.Helper()
	return poolsOf(t, d, d.Create(t))
}

// poolsOf is newPools for an existing database.
func poolsOf(t *testing.T, d dbtest.Database, dsn string) *pools {
	t.Helper()
	p := &pools{d: d, dbs: [2]*sql.DB{d.Connect(t, dsn, 4), d.Connect(t, dsn, 4)}}
	require.NoError(t, migrate(t.Context(), p.dbs[0], d.Dialect))
	for _, table := range merchantTables {
		_, err := p.dbs[0].Exec(table)
		require.NoError(t, err)
	}
	return p
}

// empty removes all rows, so that another shop can use the tables.
func (p *pools) empty(t *testing.T) {
	t.Helper()
	tx, err := p.dbs[0].Begin()
	require.NoError(t, err)
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	for _, table := range []string{
		"fulfil_orders", "fulfil_refs", "fulfil_terms", "fulfil_claims", "fulfil_values", "fulfil_stock", "fulfil_holds", "fulfil_held",
		"shipments", "told", "counters",
	} {
		_, err := tx.Exec("DELETE FROM " + table)
		require.NoError(t, err)
	}
	require.NoError(t, tx.Commit())
}

// pair is one shop in two processes, as far as the database and Stripe can tell: each process has a pool, a Flow and a webhook
// handler of its own.
type pair struct {
	*pools
	t     *testing.T
	srv   *checkouttest.Server
	st    [2]*sqlstore.Store
	flows [2]*checkout.Flow[*sql.Tx]
	hooks [2]*webhook.Handler
	stock *sqlreserver.Reserver
	log   *logBuffer

	mu      sync.Mutex
	fulfil  func(ctx context.Context, tx *sql.Tx, process int, o *store.Order) error // after the shipment was written
	runs    map[string]int                                                           // runs of Fulfil for each order, also rolled-back ones
	calls   []*http.Request                                                          // to Stripe
	cut     func()                                                                   // is called after the next session was created, and the shop gets no answer
	mailing func(ctx context.Context, tx *sql.Tx) error                              // after a mail was written
}

// newPair empties the tables and makes a shop on them.
func newPair(t *testing.T, pools *pools, srv *checkouttest.Server) *pair {
	t.Helper()
	pools.empty(t)
	p := &pair{pools: pools, t: t, srv: srv, stock: sqlreserver.New(pools.d.Dialect), log: &logBuffer{}, runs: map[string]int{}}
	for i := range p.flows {
		p.process(i)
	}
	return p
}

// process makes the Flow and the webhook handler of a process.
func (p *pair) process(i int) {
	p.t.Helper()
	log := slog.New(slog.NewTextHandler(p.log, nil)).With("process", i)
	p.st[i] = sqlstore.New(p.dbs[i], p.d.Dialect)
	var err error
	p.flows[i], err = checkout.New(checkout.Config[*sql.Tx]{
		Stripe: p.srv.ClientOver(p), Store: p.st[i], Reserver: p.stock, Clock: p.srv.Now, Logger: log,
		Fulfil: func(ctx context.Context, tx *sql.Tx, o *store.Order) error {
			p.mu.Lock()
			p.runs[o.ID]++
			before := p.fulfil
			p.mu.Unlock()
			if err := p.write(ctx, tx, `INSERT INTO shipments (order_id) VALUES (?)`, o.ID); err != nil || before == nil {
				return err
			}
			return before(ctx, tx, i, o)
		},
		OnChange: func(ctx context.Context, tx *sql.Tx, c checkout.Change) error {
			return p.write(ctx, tx, `INSERT INTO told (kind, attempt, detail) VALUES (?, ?, ?)`, string(c.Kind), c.Attempt, c.Detail)
		},
	})
	require.NoError(p.t, err)
	p.hooks[i], err = webhook.New(webhook.Config{Secrets: []string{p.srv.WebhookSecret()}, Clock: p.srv.Now, Logger: log})
	require.NoError(p.t, err)
	p.flows[i].Handle(p.hooks[i])
	webhook.On(p.hooks[i], webhook.CustomerUpdated, webhook.Once("mail", p.st[i], p.mail))
}

func (p *pair) write(ctx context.Context, tx *sql.Tx, statement string, args ...any) error {
	_, err := tx.ExecContext(ctx, p.d.Dialect.Rebind(statement), args...)
	return err
}

// RoundTrip passes the requests of both processes on to Stripe.
func (p *pair) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	p.calls = append(p.calls, r)
	var cut func()
	if r.Method+" "+r.URL.Path == "POST /v1/checkout/sessions" {
		cut, p.cut = p.cut, nil
	}
	p.mu.Unlock()
	response, err := p.srv.Transport().RoundTrip(r)
	if cut != nil {
		cut()
		return nil, context.Canceled
	}
	return response, err
}

// newestSession returns the session that was created last.
func (p *pair) newestSession() string {
	p.t.Helper()
	var ids []string // the newest session first
	for session, err := range p.srv.Client().V1CheckoutSessions.List(p.t.Context(), &stripe.CheckoutSessionListParams{}) {
		require.NoError(p.t, err)
		ids = append(ids, session.ID)
	}
	require.NotEmpty(p.t, ids, "there is no session")
	return ids[0]
}

// called counts the requests to Stripe, such as "GET /v1/events".
func (p *pair) called(call string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.calls {
		if r.Method+" "+r.URL.Path == call {
			n++
		}
	}
	return n
}

// onFulfil makes Fulfil call fn after it has written the shipment.
func (p *pair) onFulfil(fn func(ctx context.Context, tx *sql.Tx, process int, o *store.Order) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fulfil = fn
}

func (p *pair) fulfilRuns(id string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.runs[id]
}

// at returns one of the processes as the stories use it.
func (p *pair) at(process int) scenarios.Process {
	return scenarios.Process{Flow: p.flows[process], Hook: p.hooks[process]}
}

// shipments returns how often an order was handed over, by the merchant's committed rows.
func (p *pair) shipments(id string) int {
	return p.count(`SELECT count(*) FROM shipments WHERE order_id = ?`, id)
}

func (p *pair) count(query string, args ...any) (n int) {
	p.t.Helper()
	require.NoError(p.t, p.dbs[0].QueryRow(p.d.Dialect.Rebind(query), args...).Scan(&n))
	return n
}

// told returns the changes that were delivered to the merchant, by the committed rows.
func (p *pair) told() (changes []checkout.Change) {
	p.t.Helper()
	rows, err := p.dbs[0].Query(`SELECT kind, attempt, detail FROM told`)
	require.NoError(p.t, err)
	defer rows.Close()
	for rows.Next() {
		var c checkout.Change
		require.NoError(p.t, rows.Scan(&c.Kind, &c.Attempt, &c.Detail))
		changes = append(changes, c)
	}
	require.NoError(p.t, rows.Err())
	return changes
}

func (p *pair) order(id string) *store.Order {
	p.t.Helper()
	o, err := p.flows[1].Order(p.t.Context(), id)
	require.NoError(p.t, err)
	return o
}

// requireEnds checks the display status of an order and how often it was handed over.
func (p *pair) requireEnds(id string, status checkout.DisplayStatus, shipments int) {
	p.t.Helper()
	require.Equal(p.t, fmt.Sprint(status, " ", shipments), fmt.Sprint(checkout.Display(p.order(id)), " ", p.shipments(id)),
		"status and shipments of %s\n%s", id, p.log)
}

// setStock sets the stock on hand.
func (p *pair) setStock(sku string, onHand int64) {
	p.t.Helper()
	require.NoError(p.t, p.st[0].InTx(p.t.Context(), func(tx *sql.Tx) error { return p.stock.Set(p.t.Context(), tx, sku, onHand) }))
}

// requireStock checks the stock on hand, held and sold.
func (p *pair) requireStock(sku string, onHand, held, sold int64) {
	p.t.Helper()
	require.Equal(p.t, reservation.Stock{SKU: sku, OnHand: onHand, Held: held, Sold: sold}, p.stockOf(sku))
}

func (p *pair) stockOf(sku string) (s reservation.Stock) {
	p.t.Helper()
	require.NoError(p.t, p.st[0].InTx(p.t.Context(), func(tx *sql.Tx) error {
		stock, err := p.stock.Stock(p.t.Context(), tx, sku)
		if err == nil {
			s = stock[0]
		}
		return err
	}))
	return s
}

// mail writes a row for the event of a changed customer. It runs once for each event.
func (p *pair) mail(ctx context.Context, tx *sql.Tx, e *webhook.Event[stripe.Customer]) error {
	p.mu.Lock()
	then := p.mailing
	p.mu.Unlock()
	if err := p.write(ctx, tx, `INSERT INTO told (kind, attempt, detail) VALUES ('mail', 0, ?)`, e.ID); err != nil || then == nil {
		return err
	}
	return then(ctx, tx)
}

// atOnce runs fn in both processes at the same time.
func atOnce(fn func(process int)) {
	var both sync.WaitGroup
	start := make(chan struct{})
	for i := range 2 {
		both.Go(func() { <-start; fn(i) })
	}
	close(start)
	both.Wait()
}
