package flowtest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/internal/dbtest"
	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
	"github.com/gofulfil/fulfil/webhook"
)

// counted is a shop whose statements are counted. It has one connection, so that what a driver prepares once is prepared already.
type counted struct {
	t       testing.TB
	srv     *checkouttest.Server
	flow    *checkout.Flow[*sql.Tx]
	hook    *webhook.Handler
	traffic *dbtest.Traffic
}

func newCounted(t testing.TB, d dbtest.Database, stock map[string]int64) *counted {
	t.Helper()
	dsn := d.Create(t)
	db := d.Connect(t, dsn, 2)
	require.NoError(t, migrate(t.Context(), db, d.Dialect))
	st, reserver := sqlstore.New(db, d.Dialect), sqlreserver.New(d.Dialect)
	for sku, onHand := range stock {
		require.NoError(t, st.InTx(t.Context(), func(tx *sql.Tx) error { return reserver.Set(t.Context(), tx, sku, onHand) }))
	}
	c := &counted{t: t, srv: checkouttest.NewServer(checkouttest.Config{Sequential: true})}
	t.Cleanup(c.srv.Close)
	watched, traffic := d.Watch(t, dsn, 1)
	c.traffic = traffic
	reserver = sqlreserver.New(d.Dialect).WithDB(watched)
	var err error
	c.flow, err = checkout.New(checkout.Config[*sql.Tx]{
		Stripe: c.srv.Client(), Store: sqlstore.New(watched, d.Dialect), Reserver: reserver, Clock: c.srv.Now, Logger: slog.New(slog.DiscardHandler),
		Fulfil: func(ctx context.Context, tx *sql.Tx, o *store.Order) error {
			_, err := tx.ExecContext(ctx, d.Dialect.Rebind(`INSERT INTO shipments (order_id) VALUES (?)`), o.ID)
			return err
		},
	})
	require.NoError(t, err)
	c.hook, err = webhook.New(webhook.Config{Secrets: []string{c.srv.WebhookSecret()}, Clock: c.srv.Now})
	require.NoError(t, err)
	c.flow.Handle(c.hook)
	c.srv.Deliver(onlySessions(c.hook))
	return c
}

func (c *counted) begin(id, sku string) (*checkout.Started, error) {
	return c.flow.Begin(c.t.Context(), checkout.Session{
		OrderID:    id,
		Lines:      []checkout.Line{{SKU: sku, Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 1}},
		SuccessURL: "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}", CancelURL: "https://shop.example/cart",
	})
}

func (c *counted) status(sessionID string) string {
	w := httptest.NewRecorder()
	c.flow.StatusHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/?session_id="+sessionID, nil))
	return w.Body.String()
}

// onlySessions passes on the events of sessions. Other events have ways of their own.
func onlySessions(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil && bytes.Contains(body, []byte(`"checkout.session.completed"`)) {
			r.Body = io.NopCloser(bytes.NewReader(body))
			next.ServeHTTP(w, r)
		}
	})
}

// most is how much of the database's time the way of an order may take.
var most = map[string]map[string]dbtest.Count{
	"postgres/pgx": {
		"begin": {RoundTrips: 8, Statements: 4, Commits: 2}, "webhook to fulfilled": {RoundTrips: 12, Statements: 8, Commits: 2},
		"status of a settled order": {RoundTrips: 1, Statements: 1}, "sold out": {RoundTrips: 2, Statements: 2},
	},
	// lib/pq sends each statement with parameters in two parts.
	"postgres/pq": {
		"begin": {RoundTrips: 12, Statements: 4, Commits: 2}, "webhook to fulfilled": {RoundTrips: 19, Statements: 8, Commits: 2},
		"status of a settled order": {RoundTrips: 2, Statements: 1}, "sold out": {RoundTrips: 4, Statements: 2},
	},
	"mariadb/go-sql-driver": {
		"begin": {RoundTrips: 12, Statements: 8, Commits: 2}, "webhook to fulfilled": {RoundTrips: 19, Statements: 15, Commits: 2},
		"status of a settled order": {RoundTrips: 1, Statements: 1}, "sold out": {RoundTrips: 2, Statements: 2},
	},
	"sqlite/modernc": {
		"begin": {RoundTrips: 13, Statements: 9, Commits: 2}, "webhook to fulfilled": {RoundTrips: 20, Statements: 16, Commits: 2},
		"status of a settled order": {RoundTrips: 1, Statements: 1}, "sold out": {RoundTrips: 2, Statements: 2},
	},
}

// TestRoundTrips counts what the way of an order asks the database for. The statement of the merchant's callback counts, too.
func TestRoundTrips(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d dbtest.Database) {
		bounds := most[d.Name]
		if d.Dialect == sqlkit.SQLite {
			bounds = most["sqlite/modernc"]
		}
		c := newCounted(t, d, map[string]int64{"tee": 10, "last": 0})
		buy := func(id string, count func(name string)) {
			started, err := c.begin(id, "tee")
			require.NoError(t, err)
			count("begin")
			require.NoError(t, c.srv.Pay(started.SessionID, checkouttest.CardOK))
			count("webhook to fulfilled")
			require.Contains(t, c.status(started.SessionID), `"fulfilled"`)
			count("status of a settled order")
			_, err = c.begin(id+"-late", "last")
			var short *reservation.ShortageError
			require.ErrorAs(t, err, &short)
			count("sold out")
		}
		for i := range 7 { // the drivers prepare what they repeat
			buy(fmt.Sprint("first-", i), func(string) { c.traffic.Take() })
		}
		buy("order", func(name string) {
			n, statements := c.traffic.Take()
			t.Logf("%-26s %2d round trips, %2d statements, %d commits", name, n.RoundTrips, n.Statements, n.Commits)
			b := bounds[name]
			if n.RoundTrips > b.RoundTrips || n.Statements > b.Statements || n.Commits > b.Commits {
				t.Errorf("%s: at most %d round trips, %d statements and %d commits:\n%s", name, b.RoundTrips, b.Statements, b.Commits,
					strings.Join(statements, "\n"))
			}
		})
	})
}
