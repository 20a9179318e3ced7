package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"log"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// A program opens the database, migrates it and gives the Store to its Flow. Here it then reads orders from the Store. It also
// imports a driver, such as
//
//	_ "modernc.org/sqlite"
func Example() {
	ctx := context.Background()
	db, err := sql.Open("sqlite", "file:shop.db?_pragma=busy_timeout(10000)")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(8)
	if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite); err != nil {
		log.Fatal(err)
	}
	st := sqlstore.New(db, sqlstore.SQLite) // the Store of checkout.Config

	// The orders that need a person, the newest first.
	stuck, err := st.List(ctx, store.Query{Stuck: true, Newest: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, o := range stuck {
		fmt.Println(o.ID, o.StuckReason())
	}
}

// Two rows of the shop commit together, or neither does. InTx runs its function again after a deadlock or a broken connection.
func ExampleStore_InTx() {
	ctx := context.Background()
	db, err := sql.Open("pgx", "postgres://shop@localhost/shop")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	st := sqlstore.New(db, sqlstore.Postgres)
	err = st.InTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE products SET price = $1 WHERE sku = $2", 2499, "tee-m"); err != nil {
			return err // return every error: it may have ended the transaction
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO price_log (sku, price) VALUES ($1, $2)", "tee-m", 2499)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
}

// A program that migrates with a tool of its own copies the files into the folder of that tool, and calls Check at its start.
func ExampleSchema() {
	files, err := sqlstore.Schema(sqlstore.Postgres)
	if err != nil {
		log.Fatal(err)
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range names {
		fmt.Println(name)
	}
	// To write them: os.CopyFS("migrations", files)

	// Output:
	// 0001_orders.up.sql
	// 0002_claims_claimed.up.sql
	// 0004_terms.up.sql
	// 0005_session.up.sql
}
