package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// errExhausted is returned by an operation that has nothing left to do in its round.
var errExhausted = errors.New("benchmarks: nothing left in this round")

// contender is one way to do the work of a row.
type contender struct {
	name    string
	callers int
	each    int                             // how many units of work one operation does
	prepare func(ctx context.Context) error // before each round, not measured; may be nil
	op      func(ctx context.Context) error
}

// result is how a contender did over all rounds.
type result struct {
	perSecond []float64 // units of work, by round
	latencies []time.Duration
	failures  int
	failure   error // the last one
}

// median is the median of the rounds.
func (r *result) median() float64 {
	if len(r.perSecond) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(r.perSecond))
	return sorted[len(sorted)/2]
}

// p99 is of all operations of all rounds.
func (r *result) p99() time.Duration { return p99(r.latencies) }

func p99(latencies []time.Duration) time.Duration { return quantile(latencies, 99) }

// quantile is the latency that percent of the operations do not exceed.
func quantile(latencies []time.Duration, percent int) time.Duration {
	if len(latencies) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(latencies))
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}

// run measures a contender for one round.
func (c *contender) run(ctx context.Context, r *result, length time.Duration) error {
	if c.prepare != nil {
		if err := c.prepare(ctx); err != nil {
			return fmt.Errorf("preparing %s: %w", c.name, err)
		}
	}
	var mu sync.Mutex
	var all []time.Duration
	var last time.Time
	began := time.Now()
	var callers sync.WaitGroup
	for range c.callers {
		callers.Go(func() {
			var mine []time.Duration
			failures, failure := 0, error(nil)
			ended := began
			for first := true; first || time.Since(began) < length; first = false { // once, also on a machine that is busy
				start := time.Now()
				err := c.op(ctx)
				if errors.Is(err, errExhausted) {
					break
				}
				ended = time.Now()
				if err != nil {
					failures, failure = failures+1, err
					continue
				}
				mine = append(mine, ended.Sub(start))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, mine...)
			r.failures += failures
			if failure != nil {
				r.failure = failure
			}
			if ended.After(last) {
				last = ended
			}
		})
	}
	callers.Wait()
	if len(all) == 0 {
		return fmt.Errorf("%s did nothing in a round: %w", c.name, errors.Join(r.failure, ctx.Err()))
	}
	r.perSecond = append(r.perSecond, float64(len(all)*c.each)/last.Sub(began).Seconds())
	r.latencies = append(r.latencies, all...)
	return nil
}

// compare measures contenders in interleaved rounds, so that what slows the machine down for a while slows all of them.
func compare(ctx context.Context, contenders []*contender, rounds int, length time.Duration) ([]*result, error) {
	results := make([]*result, len(contenders))
	for i := range results {
		results[i] = &result{}
	}
	for round := range rounds {
		for i := range contenders {
			at := (i + round) % len(contenders) // none is always the first
			if err := contenders[at].run(ctx, results[at], length); err != nil {
				return nil, err
			}
		}
	}
	return results, nil
}
