package reservation_test

import (
	"context"
	"fmt"

	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store/memstore"
)

// rationed is a Reserver that refuses holds with more than a few of one SKU. It keeps its stock in another Reserver.
type rationed struct {
	reservation.Reserver[*memstore.Tx]
	most int64
}

// Hold refuses the holds that are too large, and passes the others on to the other Reserver.
func (r rationed) Hold(ctx context.Context, tx *memstore.Tx, holds ...reservation.Hold) ([]error, error) {
	answers := make([]error, len(holds))
	var allowed []reservation.Hold
	var places []int // the indexes of the allowed holds
	for i, h := range holds {
		answers[i] = r.refusal(h)
		if answers[i] == nil {
			allowed = append(allowed, h)
			places = append(places, i)
		}
	}
	refusals, err := r.Reserver.Hold(ctx, tx, allowed...)
	if err != nil {
		return nil, err // the transaction must be rolled back
	}
	for i, refusal := range refusals {
		answers[places[i]] = refusal
	}
	return answers, nil
}

// refusal returns a *reservation.ShortageError if h has too much of a SKU.
func (r rationed) refusal(h reservation.Hold) error {
	lines, err := h.Merge() // each SKU once
	if err != nil {
		return err
	}
	shortage := &reservation.ShortageError{Hold: h.ID}
	for _, l := range lines {
		if l.Quantity > r.most {
			shortage.Lines = append(shortage.Lines, reservation.Shortage{SKU: l.SKU, Wanted: l.Quantity, Available: r.most})
		}
	}
	if len(shortage.Lines) > 0 {
		return shortage
	}
	return nil
}

// A shop's own Reserver wraps one of this module, or keeps stock in a system that the shop already has.
func ExampleReserver() {
	ctx := context.Background()
	st, stock := memstore.New(), memreserver.New()
	reserver := rationed{Reserver: stock, most: 2}
	err := st.InTx(ctx, func(tx *memstore.Tx) error {
		if err := stock.SetNew(ctx, tx, "ticket", 100); err != nil {
			return err
		}
		answers, err := reserver.Hold(ctx, tx,
			reservation.Hold{ID: "order-1", Lines: []reservation.Line{{SKU: "ticket", Quantity: 2}}},
			reservation.Hold{ID: "order-2", Lines: []reservation.Line{{SKU: "ticket", Quantity: 5}}},
		)
		if err != nil {
			return err
		}
		fmt.Println(answers[0])
		fmt.Println(answers[1])
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// reservation: hold order-2 is short of "ticket": 5 wanted, 2 available
}
