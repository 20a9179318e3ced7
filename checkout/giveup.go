package checkout

import (
	"context"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// giveUpUnrecorded gives up attempts that never got a session: nobody was given their URL, so their stock is free.
func (f *Flow[Tx]) giveUpUnrecorded(ctx context.Context, tx Tx, o *store.Order, now time.Time) (gaveUp bool, err error) {
	for i := range o.Attempts {
		a := &o.Attempts[i]
		if !a.Open() || a.SessionID != "" {
			continue
		}
		gaveUp = true
		a.ClosedAt = now
		if err := f.release(ctx, tx, &a.Hold, &a.Increase); err != nil {
			return false, err
		}
		if old := o.Attempt(a.Replaces); old != nil && old.Open() {
			old.CheckAt = now // it may have been ended, and the answer lost
		}
	}
	return gaveUp, nil
}

// abandon gives up attempt n, if its session was not recorded.
func (f *Flow[Tx]) abandon(ctx context.Context, id string, n int, doing string) error {
	return f.change(ctx, id, func(tx Tx, o *store.Order, now time.Time) (bool, error) {
		if a := o.Attempt(n); a == nil || !a.Open() || a.SessionID != "" {
			return false, nil
		}
		before := o.Status()
		if _, err := f.giveUpUnrecorded(ctx, tx, o, now); err != nil {
			return false, err
		}
		f.notifyStatus(o, store.Notice{At: now, From: before, Attempt: n, Cause: doing})
		return true, nil
	})
}
