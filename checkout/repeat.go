package checkout

import (
	"context"
	"errors"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// doubtTries is how often a transaction is made while the answers to its COMMIT are lost.
const doubtTries = 3

// surely repeats a transaction if it is unknown whether the database carried it out. The transaction looks first at what is stored, so
// that one which was carried out does nothing when it is repeated. Those of Begin are repeated so, and those that take a lease: a lease
// that its process does not know of would keep all processes from delivering until it ends.
func surely(ctx context.Context, transaction func() error) error {
	for try := 1; ; try++ {
		err := transaction()
		if !errors.Is(err, store.ErrInDoubt) || try == doubtTries || ctx.Err() != nil {
			return err
		}
	}
}

const (
	// lagFor is how long Begin waits for an order to show that Begin itself has just committed.
	lagFor = time.Second
	// The pause between two looks doubles from the first.
	firstLagPause = 5 * time.Millisecond
)

// untilShown repeats a look at an order that was just committed, as long as the database does not show what was committed. A
// cluster with several writers may take a moment to show it at another node. If the database lost it, untilShown gives up after
// a second and returns what the last look returned.
func untilShown(ctx context.Context, look func() (shown bool, err error)) error {
	deadline := time.Now().Add(lagFor)
	for pause := firstLagPause; ; pause *= 2 {
		shown, err := look()
		behind := !shown && err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrUnknownOrder)
		if !behind || time.Until(deadline) < pause {
			return err
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return err
		}
	}
}

// recordBegun is record for an order whose attempt n Begin has just committed. It does without fn if the database lost the attempt.
func (f *Flow[Tx]) recordBegun(ctx context.Context, id string, n int, fn func(o *store.Order, now time.Time) (changed bool, err error)) error {
	return untilShown(ctx, func() (shown bool, err error) {
		err = surely(ctx, func() error {
			return f.record(ctx, id, "begin", func(o *store.Order, now time.Time) (bool, error) {
				shown = o.Attempt(n) != nil
				if !shown {
					return false, nil
				}
				return fn(o, now)
			})
		})
		return shown, err
	})
}
