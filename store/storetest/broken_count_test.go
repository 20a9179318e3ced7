package storetest

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/gofulfil/fulfil/store"
)

var brokenCount = []broken{
	{"what is due now is left out", "Count/counts what is stuck and due", "one is due from now on", func(v *variant) {
		v.count = func(ctx context.Context, now time.Time) (store.Counts, error) {
			return v.Store.Count(ctx, now.Add(-time.Microsecond))
		}
	}},
	{"the time is forgotten", "Count/counts what is stuck and due", "nothing is due yet", func(v *variant) {
		v.count = func(ctx context.Context, now time.Time) (store.Counts, error) {
			return v.Store.Count(ctx, now.Add(time.Minute))
		}
	}},
	{"what is counted is leased", "Count/counts what is stuck and due", "must take no lease", func(v *variant) {
		v.count = func(ctx context.Context, now time.Time) (store.Counts, error) {
			counts, err := v.Store.Count(ctx, now)
			if err == nil {
				_, err = v.Store.Due(ctx, now, lease, 10)
			}
			return counts, err
		}
	}},
	{"orders are counted before their commit", "Count/counts only committed orders, without waiting", "one not committed", func(v *variant) {
		var inserted atomic.Int64
		v.insert = func(ctx context.Context, tx tx, o ...*store.Order) ([]bool, error) {
			inserted.Add(int64(len(o)))
			return v.Store.Insert(ctx, tx, o...)
		}
		v.count = func(context.Context, time.Time) (store.Counts, error) {
			return store.Counts{Due: int(inserted.Load()), DueSince: base}, nil
		}
	}},
}
