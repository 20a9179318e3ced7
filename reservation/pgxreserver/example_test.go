package pgxreserver_test

import (
	"context"
	"fmt"
	"io/fs"
	"log"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation/pgxreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/pgxstore"
)

// A program keeps orders and stock in PostgreSQL, and hands over what was paid for in the same transaction.
func Example() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL")) // with ?pool_max_conns=8: few connections sell one SKU faster than many
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	if err := pgxstore.Migrate(ctx, pool); err != nil {
		log.Fatal(err)
	}
	if err := pgxreserver.Migrate(ctx, pool); err != nil {
		log.Fatal(err)
	}
	st, stock := pgxstore.New(pool), pgxreserver.New(pool)

	// The stock that the shop opens with. At every later start SetNew changes nothing.
	err = st.InTx(ctx, func(tx pgx.Tx) error { return stock.SetNew(ctx, tx, "tee-m", 100) })
	if err != nil {
		log.Fatal(err)
	}

	flow, err := checkout.New(checkout.Config[pgx.Tx]{
		Stripe:   stripe.NewClient(os.Getenv("STRIPE_SECRET_KEY")),
		Store:    st,
		Reserver: stock,
		Fulfil: func(ctx context.Context, tx pgx.Tx, o *store.Order) error {
			_, err := tx.Exec(ctx, `INSERT INTO shipments (order_id) VALUES ($1)`, o.ID)
			return err
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = flow // Begin accepts lines of the SKU "tee-m" until 100 are held or sold
}

// The files of both Schemas fit into one folder.
func ExampleSchema() {
	for _, schema := range []func() (fs.FS, error){pgxstore.Schema, pgxreserver.Schema} {
		files, err := schema()
		if err != nil {
			log.Fatal(err)
		}
		names, err := fs.Glob(files, "*.sql")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(names)
	}
	// Output:
	// [0001_orders.up.sql 0002_claims_claimed.up.sql 0004_terms.up.sql 0005_session.up.sql]
	// [0003_reserver.up.sql]
}
