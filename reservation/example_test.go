package reservation_test

import (
	"context"
	"fmt"

	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store/memstore"
)

// rationed is a Reserver that gives nobody more than a few of each SKU. It keeps its stock in another Reserver.
type rationed struct {
	reservation.Reserver[*memstore.Tx]
	most int64
}

// Hold refuses the holds that are too large, and answers for the others as the other Reserver does.
func (r rationed) Hold(ctx context.Context, tx *memstore.Tx, holds ...reservation.Hold) ([]error, error) {
	answers := make([]error, len(holds))
	var allowed []reservation.Hold
	var places []int // of the allowed holds among all
	for i, h := range holds {
		if answers[i] = r.refusal(h); answers[i] == nil {
			allowed = append(allowed, h)
			places = append(places, i)
		}
	}
	given, err := r.Reserver.Hold(ctx, tx, allowed...)
	if err != nil {
		return nil, err // the transaction must be rolled back
	}
	for i, answer := range given {
		answers[places[i]] = answer
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

// A Reserver of one's own wraps one of this module, or keeps stock in a system that the shop has already.
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
