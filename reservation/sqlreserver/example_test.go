package sqlreserver_test

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"log"
	"os"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// A program keeps orders and stock in PostgreSQL. It also imports a driver, such as
//
//	_ "github.com/jackc/pgx/v5/stdlib"
func Example() {
	ctx := context.Background()
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxOpenConns(8) // few connections sell one SKU faster than many that wait for each other

	if err := sqlstore.Migrate(ctx, db, sqlstore.Postgres); err != nil {
		log.Fatal(err)
	}
	if err := sqlreserver.Migrate(ctx, db, sqlreserver.Postgres); err != nil {
		log.Fatal(err)
	}
	st, stock := sqlstore.New(db, sqlstore.Postgres), sqlreserver.New(sqlreserver.Postgres)

	// The stock that the shop opens with. At every later start SetNew changes nothing.
	err = st.InTx(ctx, func(tx *sql.Tx) error { return stock.SetNew(ctx, tx, "tee-m", 100) })
	if err != nil {
		log.Fatal(err)
	}

	flow, err := checkout.New(checkout.Config[*sql.Tx]{
		Stripe:   stripe.NewClient(os.Getenv("STRIPE_SECRET_KEY")),
		Store:    st,
		Reserver: stock,
		Fulfil: func(ctx context.Context, tx *sql.Tx, o *store.Order) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO shipments (order_id) VALUES ($1)`, o.ID)
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
	for _, schema := range []func(sqlreserver.Dialect) (fs.FS, error){sqlstore.Schema, sqlreserver.Schema} {
		files, err := schema(sqlreserver.Postgres)
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
