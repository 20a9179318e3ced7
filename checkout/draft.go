package checkout

import (
	"context"
	"fmt"

	"github.com/gofulfil/fulfil/store"
)

// Draft makes an order without a session, for [Flow.Begin] to begin later. No stock is held. The session must be as valid
// as one that is begun. If there is an order of this ID, the error matches [ErrOrderExists].
func (f *Flow[Tx]) Draft(ctx context.Context, s Session) (*store.Order, error) {
	var o *store.Order
	err := f.store.InTx(ctx, func(tx Tx) (err error) {
		o, err = f.DraftTx(ctx, tx, s)
		return err
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// DraftTx is Draft in the merchant's own transaction: the order is there if that commits.
func (f *Flow[Tx]) DraftTx(ctx context.Context, tx Tx, s Session) (*store.Order, error) {
	c, err := s.cart("-") // a draft has no session to mark
	if err != nil {
		return nil, err
	}
	o := c.order(f.now())
	inserted, err := f.store.Insert(ctx, tx, o)
	if err != nil {
		return nil, err
	}
	if !inserted[0] {
		return nil, fmt.Errorf("%w: %s", ErrOrderExists, o.ID)
	}
	return o, nil
}
