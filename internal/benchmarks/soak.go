package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	soakCallers = 4
	// soakSamples is how often the heap is measured. The first fifth of the samples is the time in which it fills.
	soakSamples = 20
	// soakGrowth is by how much the median of the last fifth may exceed that of the second one, beside soakSlack.
	soakGrowth = 1.1
	soakSlack  = 512 << 10 // bytes
)

// soak has a shop begin, settle, look up, list and sweep for a while. Its heap must stay flat and its goroutines must end.
func (o *options) soak(ctx context.Context, r *report, kind, admin string, length time.Duration) error {
	goroutines := runtime.NumGoroutine()
	d, err := newDatabase(ctx, kind, admin, 0)
	if err != nil {
		return err
	}
	defer d.drop()
	heaps, orders, err := o.soakShop(ctx, d, length)
	if err != nil {
		return err
	}
	var left int
	for range 100 { // the connections end in goroutines of their own
		left = runtime.NumGoroutine()
		if left <= goroutines {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	early, late := earlyAndLate(heaps)
	r.line("%s: %d orders in %v; heap %.1f MiB after a fifth of the time, %.1f MiB at the end; goroutines %d before, %d after.",
		d.name, orders, length, float64(early)/(1<<20), float64(late)/(1<<20), goroutines, left)
	if left > goroutines {
		stacks := make([]byte, 1<<20)
		return fmt.Errorf("benchmarks: there were %d goroutines, and %d are left:\n%s", goroutines, left, stacks[:runtime.Stack(stacks, true)])
	}
	return flat(heaps)
}

// earlyAndLate are the medians of the second fifth of the samples and of the last.
func earlyAndLate(heaps []uint64) (early, late uint64) {
	fifth := len(heaps) / 5
	return medianOf(heaps[fifth : 2*fifth]), medianOf(heaps[4*fifth:])
}

// flat returns an error if the heap grows.
func flat(heaps []uint64) error {
	early, late := earlyAndLate(heaps)
	if float64(late) > soakGrowth*float64(early)+soakSlack {
		return fmt.Errorf("benchmarks: the heap grows: %v bytes", heaps)
	}
	return nil
}

// soakShop runs the shop and returns the heap, measured at equal intervals, and the number of orders.
func (o *options) soakShop(ctx context.Context, d *database, length time.Duration) (heaps []uint64, orders int64, err error) {
	db, err := d.open(o.pool)
	if err != nil {
		return nil, 0, err
	}
	defer db.Close()
	if err := migrateOurs(ctx, d, db); err != nil {
		return nil, 0, err
	}
	shop, err := newOurs(d, db, &stubStripe{})
	if err != nil {
		return nil, 0, err
	}
	if err := errors.Join(shop.stock(ctx, plenty, hotSKU), shop.stock(ctx, 0, soldOutSKU)); err != nil {
		return nil, 0, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var n atomic.Int64
	var callers sync.WaitGroup
	for range soakCallers {
		callers.Go(func() {
			for ctx.Err() == nil {
				if err := shop.soakOnce(ctx, n.Add(1)); err != nil && ctx.Err() == nil {
					stop(err)
				}
			}
		})
	}
	callers.Go(func() { _ = shop.flow.Run(ctx) })
	ticker := time.NewTicker(length / soakSamples)
	defer ticker.Stop()
	for range soakSamples {
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		heaps = append(heaps, stats.HeapAlloc)
		o.log("%s: %d orders, heap %.1f MiB, %d goroutines", d.name, n.Load(), float64(stats.HeapAlloc)/(1<<20), runtime.NumGoroutine())
	}
	err = context.Cause(ctx)
	stop(nil)
	callers.Wait()
	return heaps, n.Load(), err
}

// soakOnce leads one order through its life. Some orders are abandoned, some are refused.
func (o *ours) soakOnce(ctx context.Context, n int64) error {
	if n%10 == 0 {
		return o.beginSoldOut(ctx, fmt.Sprint("refused-", n), soldOutSKU)
	}
	id := fmt.Sprint("order-", n)
	session, err := o.begin(ctx, id, hotSKU)
	if err != nil || n%10 == 1 {
		return err
	}
	payload := event(fmt.Sprint("evt_", n), session, "paid")
	for range 1 + rand.IntN(2) { // some events come twice
		if err := serve(o.hook, delivery(payload)); err != nil {
			return err
		}
	}
	return getStatus(o.status, session)
}

// medianOf is the median of heaps.
func medianOf(heaps []uint64) uint64 {
	sorted := slices.Sorted(slices.Values(heaps))
	return sorted[len(sorted)/2]
}
