package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

func Example() {
	ctx := context.Background()
	// With a driver imported, such as _ "modernc.org/sqlite".
	db, err := sql.Open("sqlite", "file:shop.db?_pragma=busy_timeout(10000)")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	db.SetMaxOpenConns(8)
	if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite); err != nil {
		fmt.Println(err)
		return
	}
	st := sqlstore.New(db, sqlstore.SQLite)

	// A row of the shop's own commits together with the order, or not at all.
	err = st.InTx(ctx, func(tx *sql.Tx) error {
		orders, err := st.Lock(ctx, tx, "order-42")
		if err != nil || orders[0] == nil {
			return err
		}
		orders[0].Metadata = map[string]string{"gift": "yes"}
		if err := st.Save(ctx, tx, orders[0]); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO gifts (order_id) VALUES (?)", orders[0].ID)
		return err
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	// What needs a person.
	stuck, err := st.List(ctx, store.Query{Stuck: true})
	fmt.Println(len(stuck), err)
}
