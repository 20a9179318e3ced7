package pgxstore_test

import (
	"context"
	"fmt"
	"log"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/pgxstore"
)

// A program makes a pool, migrates the database and gives the Store to its Flow. Here it then reads orders from the Store.
func Example() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, "postgres://shop@localhost/shop?pool_max_conns=8")
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	if err := pgxstore.Migrate(ctx, pool); err != nil {
		log.Fatal(err)
	}
	st := pgxstore.New(pool) // the Store of checkout.Config

	// The orders that need a person, the newest first.
	stuck, err := st.List(ctx, store.Query{Stuck: true, Newest: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, o := range stuck {
		fmt.Println(o.ID, o.StuckReason())
	}
}

// Rows of the shop commit together, or none does. InTx runs its function again after a deadlock or a broken connection.
func ExampleStore_InTx() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, "postgres://shop@localhost/shop")
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	st := pgxstore.New(pool)
	err = st.InTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE products SET price = $1 WHERE sku = $2", 2499, "tee-m"); err != nil {
			return err // return every error: it has aborted the transaction
		}
		_, err := tx.Exec(ctx, "INSERT INTO price_log (sku, price) VALUES ($1, $2)", "tee-m", 2499)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
}
