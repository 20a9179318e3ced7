package memreserver_test

import (
	"context"
	"fmt"

	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store/memstore"
)

func Example() {
	ctx := context.Background()
	st, stock := memstore.New(), memreserver.New()
	err := st.InTx(ctx, func(tx *memstore.Tx) error {
		if err := stock.Set(ctx, tx, "tee-m", 5); err != nil {
			return err
		}
		answers, err := stock.Hold(ctx, tx,
			reservation.Hold{ID: "order-1", Lines: []reservation.Line{{SKU: "tee-m", Quantity: 3}}},
			reservation.Hold{ID: "order-2", Lines: []reservation.Line{{SKU: "tee-m", Quantity: 3}}},
		)
		if err != nil {
			return err
		}
		fmt.Println(answers[0])
		fmt.Println(answers[1])
		if _, err := stock.Commit(ctx, tx, "order-1"); err != nil {
			return err
		}
		tees, err := stock.Stock(ctx, tx, "tee-m")
		if err != nil {
			return err
		}
		fmt.Printf("%+v\n", tees[0])
		return nil
	})
	fmt.Println(err)
	// Output:
	// <nil>
	// reservation: hold order-2 is short of "tee-m": 3 wanted, 2 available
	// {SKU:tee-m OnHand:2 Held:0 Sold:3}
	// <nil>
}
