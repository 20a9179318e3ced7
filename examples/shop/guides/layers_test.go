package guides

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"os"
	"strings"
	"testing"

	"entgo.io/ent/dialect"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/webhook"
)

// openPool opens a schema of its own on the PostgreSQL of FULFIL_TEST_POSTGRES, and skips the test if there is none.
func openPool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	dsn := os.Getenv("FULFIL_TEST_POSTGRES")
	if dsn == "" {
		t.Skip("set FULFIL_TEST_POSTGRES to the DSN of a PostgreSQL")
	}
	server, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	schema := "guides_" + strings.ToLower(rand.Text())
	_, err = server.Exec(t.Context(), "CREATE SCHEMA "+schema)
	require.NoError(t, err)
	config, err := pgxpool.ParseConfig(dsn)
	require.NoError(t, err)
	config.ConnConfig.RuntimeParams["search_path"] = schema
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), "CREATE TABLE shipments (order_id text PRIMARY KEY, email text NOT NULL)")
	require.NoError(t, err)
	t.Cleanup(func() {
		pool.Close()
		_, err := server.Exec(context.Background(), "DROP SCHEMA "+schema+" CASCADE")
		require.NoError(t, err)
		require.NoError(t, server.Close(context.Background()))
	})
	return pool
}

// What sqlc made writes in the Flow's transaction. A Store over database/sql finds the order through the same pool.
func TestPgxShop(t *testing.T) {
	pool, srv := openPool(t), checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	flow, err := NewPgxFlow(t.Context(), pool, srv.Client())
	require.NoError(t, err)
	hook, err := webhook.New(webhook.Config{Secrets: []string{srv.WebhookSecret()}})
	require.NoError(t, err)
	flow.Handle(hook)
	srv.Deliver(hook)
	orders, stock := OverPool(pool)
	require.NoError(t, orders.InTx(t.Context(), func(tx *sql.Tx) error { return stock.SetNew(t.Context(), tx, "tee-m", 10) }))

	started, err := flow.Begin(t.Context(), Session("order-1", 2))
	require.NoError(t, err)
	require.NoError(t, srv.Pay(started.SessionID, checkouttest.CardOK))
	var email string
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT email FROM shipments WHERE order_id = 'order-1'").Scan(&email))
	require.NotEmpty(t, email)
	o, err := orders.Find(t.Context(), "order-1")
	require.NoError(t, err)
	require.Equal(t, checkout.Fulfilled, checkout.Display(o))
}

// What ent writes is there if and only if the transaction commits, also where ent ends a transaction of its own.
func TestEntDriver(t *testing.T) {
	shop, _ := openShop(t)
	failure := errors.New("the carrier does not answer")
	for id, result := range map[string]error{"order-1": nil, "order-2": failure} {
		err := shop.orders.InTx(t.Context(), func(tx *sql.Tx) error {
			driver := EntDriver(dialect.SQLite, tx)
			require.Equal(t, dialect.SQLite, driver.Dialect())
			own, err := driver.Tx(t.Context())
			if err != nil {
				return err
			}
			err = own.Exec(t.Context(), "INSERT INTO shipments (order_id, email) VALUES (?, ?)", []any{id, "buyer@example.com"}, nil)
			if err != nil {
				return err
			}
			if err := own.Commit(); err != nil {
				return err
			}
			return result
		})
		require.ErrorIs(t, err, result)
	}
	require.Equal(t, 1, count(t, shop, "SELECT count(*) FROM shipments WHERE order_id = 'order-1'"))
	require.Equal(t, 0, count(t, shop, "SELECT count(*) FROM shipments WHERE order_id = 'order-2'"))
}
