package memstore_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
)

func ExampleNew() {
	ctx := context.Background()
	st := memstore.New()

	type shipment struct{ To string }
	ship := func(id string, fail error) error {
		return st.InTx(ctx, func(tx *memstore.Tx) error {
			o := &store.Order{ID: id, Mode: "payment"}
			if _, err := st.Insert(ctx, tx, o); err != nil {
				return err
			}
			if err := tx.Set(ctx, "shipments/"+o.ID, shipment{To: "Ghent"}); err != nil {
				return err
			}
			return fail // rolls back the order and the shipment
		})
	}
	fmt.Println(ship("order-1", nil))
	fmt.Println(ship("order-2", errors.New("the printer is out of paper")))
	for _, row := range st.Scan("shipments/") {
		fmt.Println(row.Key, row.Value.(shipment).To)
	}
	// Output:
	// <nil>
	// the printer is out of paper
	// shipments/order-1 Ghent
}
