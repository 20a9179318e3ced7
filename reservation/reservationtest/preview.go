package reservationtest

import (
	"context"
	"errors"

	"github.com/gofulfil/fulfil/reservation"
)

func previewChecks[Tx any]() []check[Tx] {
	return []check[Tx]{
		{name: "Preview/answers for each hold alone", fn: (*kit[Tx]).previewEach, preview: true},
		{name: "Preview/changes nothing", fn: (*kit[Tx]).previewChangesNothing, preview: true},
		{name: "Preview/reads what is committed, without waiting", fn: (*kit[Tx]).previewCommitted, preview: true},
		{name: "Preview/an ended context is an error", fn: (*kit[Tx]).previewContext, preview: true},
	}
}

// preview fails unless Preview answers as wanted.
func (k *kit[Tx]) preview(why string, holds []reservation.Hold, want ...error) {
	k.Helper()
	if err := k.previewIn(why, holds, want...); err != nil {
		k.Fatalf("%v", err)
	}
}

func (k *kit[Tx]) previewIn(why string, holds []reservation.Hold, want ...error) error {
	var none Tx
	return answersIn(none, why, func(Tx) ([]error, error) {
		return k.Reserver.(reservation.Previewer).Preview(k.ctx, holds...)
	}, want...)
}

func (k *kit[Tx]) previewEach() {
	k.set("tee", 5, "cap", 1, "none", 0)
	k.preview("no holds", nil)
	k.preview("each hold is answered alone, in the sequence given: holds that fit, though not together, and holds that would be refused",
		[]reservation.Hold{
			hold("h1", "tee", 5), hold("h2", "tee", 5), hold("h3", "tee", 3, "cap", 2, "tee", 3), hold("h4", "none", 1),
			hold("h5", "ghost", 1), hold("h6"), hold("h7", "cap", 1, "tee", 1),
		},
		nil, nil, short("h3", "cap", 2, 1, "tee", 6, 5), short("h4", "none", 1, 0), reservation.ErrUnknownSKU, reservation.ErrInvalidHold, nil)
}

func (k *kit[Tx]) previewChangesNothing() {
	k.set("tee", 5)
	for range 2 {
		k.preview("a preview of all that is left", []reservation.Hold{hold("h1", "tee", 5)}, nil)
	}
	k.stock("after previews", "tee", 5, 0, 0)
	k.answers("a hold that was previewed is not held", k.release("h1"), reservation.ErrNotHeld)
}

func (k *kit[Tx]) previewCommitted() {
	k.set("tee", 2)
	last := []reservation.Hold{hold("h2", "tee", 1)}
	k.inTx(func(tx Tx) error {
		if err := answersIn(tx, "a hold of all", k.hold(hold("h1", "tee", 2)), nil); err != nil {
			return err
		}
		return k.previewIn("a hold that is not committed takes nothing away", last, nil)
	})
	k.preview("sold out since the commit", last, short("h2", "tee", 1, 0))
	k.inTx(func(tx Tx) error {
		if err := answersIn(tx, "a release", k.release("h1"), nil); err != nil {
			return err
		}
		return k.previewIn("a release that is not committed gives nothing back", last, short("h2", "tee", 1, 0))
	})
	k.preview("given back since the commit", last, nil)
}

func (k *kit[Tx]) previewContext() {
	k.set("tee", 2)
	ctx, cancel := context.WithCancel(k.ctx)
	cancel()
	_, err := k.Reserver.(reservation.Previewer).Preview(ctx, hold("h1", "tee", 1))
	if !errors.Is(err, context.Canceled) {
		k.Errorf("Preview with an ended context must return the context's error; it returned %v", err)
	}
}
