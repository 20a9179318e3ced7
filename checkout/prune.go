package checkout

import (
	"context"
	"time"
)

const (
	// prunedCursor is when all old claims were pruned last, as Unix seconds.
	prunedCursor = "pruned"
	pruneEvery   = 24 * time.Hour
	// claimsKept is how long claims are kept. An event can be sent again up to 30 days after it was created
	// (https://docs.stripe.com/cli/events/resend), and what is sent is tried again for up to three
	// (https://docs.stripe.com/webhooks#automatic-retries); the rest is to spare.
	claimsKept = 45 * 24 * time.Hour
	// pruneBatch claims are pruned at a time, in at most pruneBatches per sweep: a batch takes milliseconds.
	pruneBatch   = 1000
	pruneBatches = 10
)

// pruneClaims frees claims of events that cannot come again, once a day. The Flow itself claims nothing: what it has heard
// is in its orders, for as long as they are kept. Claims are those of webhook.Once, which has no other guard.
func (f *Flow[Tx]) pruneClaims(ctx context.Context) error {
	now := f.now()
	last, err := f.cursorTime(ctx, prunedCursor, time.Time{})
	if err != nil || now.Sub(last) < pruneEvery {
		return err
	}
	for range pruneBatches {
		pruned, err := f.store.Prune(ctx, now.Add(-claimsKept), pruneBatch)
		if err != nil {
			return err
		}
		if pruned < pruneBatch {
			return f.setCursorTime(ctx, prunedCursor, now)
		}
	}
	return nil // the next sweep goes on
}
