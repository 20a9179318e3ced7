package storetest

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"time"
)

var brokenPrune = []broken{
	{"the bound is included", "Prune/frees older claims, the oldest first", "not those at that time or later", func(v *variant) {
		v.prune = func(ctx context.Context, before time.Time, limit int) (int, error) {
			return v.Store.Prune(ctx, before.Add(time.Microsecond), limit)
		}
	}},
	{"the limit is ignored", "Prune/frees older claims, the oldest first", "two of three", func(v *variant) {
		v.prune = func(ctx context.Context, before time.Time, limit int) (int, error) {
			return v.Store.Prune(ctx, before, limit<<10)
		}
	}},
	{"keys are freed by name", "Prune/frees older claims, the oldest first", "the oldest claims must be freed first", func(v *variant) {
		v.prune = func(ctx context.Context, before time.Time, limit int) (n int, err error) {
			keys := v.claimed(before)
			keys = keys[:min(len(keys), max(limit, 0))]
			return len(keys), v.free(ctx, keys)
		}
	}},
	{"a repeated claim sets a new time", "Prune/counts from the first claim of a key", "must not make the key younger", func(v *variant) {
		v.claim = func(ctx context.Context, tx tx, now time.Time, keys ...string) ([]bool, error) {
			first, err := v.Store.Claim(ctx, tx, now, keys...)
			for _, key := range keys {
				err = errors.Join(err, tx.Set(ctx, "fulfil_claim/"+key, now))
			}
			return first, err
		}
	}},
	{"a statement has 999 parameters to prune by", "Prune/many at once", "too many parameters", func(v *variant) {
		v.prune = func(ctx context.Context, before time.Time, limit int) (int, error) {
			if min(len(v.claimed(before)), limit) > 999 {
				return 0, errors.New("too many parameters")
			}
			return v.Store.Prune(ctx, before, limit)
		}
	}},
	{"keys are counted when found, not when freed", "Prune/each key is freed by one of concurrent callers", "100 in all", func(v *variant) {
		v.prune = func(ctx context.Context, before time.Time, limit int) (int, error) {
			n := min(len(v.claimed(before)), limit)
			runtime.Gosched()
			_, err := v.Store.Prune(ctx, before, limit)
			return n, err
		}
	}},
	{"claims are waited for", "Prune/leaves out open claims, without waiting", "context deadline exceeded", func(v *variant) {
		v.prune = func(ctx context.Context, before time.Time, limit int) (int, error) {
			keys := v.claimed(before)
			return len(keys), v.free(ctx, keys)
		}
	}},
}

// claimed returns the keys that Prune could free, sorted.
func (v *variant) claimed(before time.Time) (keys []string) {
	for _, row := range v.Store.Scan("fulfil_claim/") {
		if row.Value.(time.Time).Before(before) {
			keys = append(keys, strings.TrimPrefix(row.Key, "fulfil_claim/"))
		}
	}
	return keys
}

// free deletes claims in a transaction.
func (v *variant) free(ctx context.Context, keys []string) error {
	return v.Store.InTx(ctx, func(tx tx) (err error) {
		for _, key := range keys {
			err = errors.Join(err, tx.Delete(ctx, "fulfil_claim/"+key))
		}
		return err
	})
}
