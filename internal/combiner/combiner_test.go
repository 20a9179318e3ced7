package combiner

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// database is what a Combiner runs on: its commits are what was carried out.
type database struct {
	mu      sync.Mutex
	batches [][]int
	// act runs before a batch commits; it may fail.
	act func(ctx context.Context, requests []int) error
}

func (d *database) run(ctx context.Context, requests []int) ([]Answer[string], error) {
	if d.act != nil {
		if err := d.act(ctx, requests); err != nil {
			return nil, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.batches = append(d.batches, slices.Clone(requests))
	answers := make([]Answer[string], len(requests))
	for i, r := range requests {
		if r < 0 {
			answers[i].Err = refusal(r)
		} else {
			answers[i].Value = fmt.Sprint("done ", r)
		}
	}
	return answers, nil
}

type refusal int

func (r refusal) Error() string { return fmt.Sprint("refused ", int(r)) }

func (d *database) combiner() *Combiner[int, string] {
	return New(Config[int, string]{Run: d.run, Batch: 4, Queue: 100, Patience: time.Minute})
}

// result is what Do returned.
type result struct {
	value string
	err   error
	at    time.Duration // since the test began
}

// start calls Do in a goroutine and waits until it is blocked or has returned.
func start(ctx context.Context, c *Combiner[int, string], request int) *result {
	r, began := new(result), time.Now()
	go func() {
		value, err := c.Do(ctx, request)
		*r = result{value, err, time.Since(began)}
	}()
	synctest.Wait()
	return r
}

// second makes every batch take a second.
func second(ctx context.Context, _ []int) error {
	select {
	case <-time.After(time.Second):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestOneCallerAlone(t *testing.T) {
	t.Parallel()
	type key struct{}
	d := &database{act: func(ctx context.Context, _ []int) error {
		require.Equal(t, "v", ctx.Value(key{}), "a caller alone runs with its own context")
		return nil
	}}
	value, err := d.combiner().Do(context.WithValue(t.Context(), key{}, "v"), 7)
	require.NoError(t, err)
	require.Equal(t, "done 7", value)
}

func TestCallersThatWaitRunTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &database{act: second}
		c := d.combiner()
		var results []*result
		for i := range 10 {
			results = append(results, start(t.Context(), c, i))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, [][]int{{0}, {1, 2, 3, 4}, {5, 6, 7, 8}, {9}}, d.batches)
		for i, r := range results {
			require.Equal(t, result{value: fmt.Sprint("done ", i), at: time.Duration((i+3)/4+1) * time.Second}, *r, "an answer comes with the end of its batch")
		}
		require.Empty(t, c.waiting)
		require.False(t, c.running)
		require.Empty(t, c.places)
	})
}

// A batch is those that wait when the one before ends, however late its leader gets to run: a caller that comes after that waits for
// the next. So what is together does not depend on the scheduler.
func TestBatchIsThoseThatWaitedForTheOneBefore(t *testing.T) {
	t.Parallel()
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			d := &database{act: second}
			c := d.combiner()
			go func() {
				for i := range 2 {
					_, err := c.Do(t.Context(), i)
					require.NoError(t, err)
				}
			}()
			synctest.Wait()
			start(t.Context(), c, 2)
			start(t.Context(), c, 3)
			time.Sleep(time.Hour)
			synctest.Wait()
			require.Equal(t, [][]int{{0}, {2, 3}, {1}}, d.batches)
		})
	}
}

func TestNoAnswerBeforeTheCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c *Combiner[int, string]
		var answered atomic.Int64
		d := &database{act: second}
		c = New(Config[int, string]{Batch: 10, Queue: 10, Patience: time.Minute, Run: func(ctx context.Context, requests []int) ([]Answer[string], error) {
			answers, err := d.run(ctx, requests)
			time.Sleep(time.Second) // the commit
			synctest.Wait()
			require.LessOrEqual(t, answered.Load(), int64(1), "only the first caller may have its answer")
			return answers, err
		}})
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				_, err := c.Do(t.Context(), i)
				require.NoError(t, err)
				answered.Add(1)
			})
			synctest.Wait()
		}
		wg.Wait()
	})
}

func TestErrorOfOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &database{act: second}
		c := d.combiner()
		first, good, bad, other := start(t.Context(), c, 1), start(t.Context(), c, 2), start(t.Context(), c, -3), start(t.Context(), c, 4)
		time.Sleep(time.Hour)
		synctest.Wait()
		for _, r := range []*result{first, good, other} {
			require.NoError(t, r.err)
		}
		require.Equal(t, "done 4", other.value)
		require.Equal(t, refusal(-3), bad.err)
	})
}

// A batch that fails is carried out one by one, and whoever makes it fail fails alone.
func TestBatchThatFails(t *testing.T) {
	t.Parallel()
	poison := errors.New("poison")
	for name, fail := range map[string]func() error{
		"error":  func() error { return poison },
		"panic":  func() error { panic(poison) },
		"goexit": func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &database{act: func(ctx context.Context, requests []int) error {
					if err := second(ctx, requests); err != nil {
						return err
					}
					if slices.Contains(requests, 13) {
						return fail()
					}
					return nil
				}}
				splits := 0
				c := New(Config[int, string]{Run: d.run, Batch: 4, Queue: 100, Patience: time.Minute, Split: func(requests int, err error) {
					splits++
					require.Equal(t, 3, requests)
					require.Error(t, err)
				}})
				first := start(t.Context(), c, 1)
				var thrown any
				var err error
				returned := false
				go func() {
					defer func() { thrown = recover() }()
					_, err = c.Do(t.Context(), 13)
					returned = true
				}()
				synctest.Wait()
				second, third := start(t.Context(), c, 2), start(t.Context(), c, 3)
				time.Sleep(time.Hour)
				synctest.Wait()
				for _, r := range []*result{first, second, third} {
					require.NoError(t, r.err)
					require.NotEmpty(t, r.value)
				}
				require.Equal(t, 1, splits)
				require.Equal(t, [][]int{{1}, {2}, {3}}, sortedTail(d.batches))
				switch name {
				case "error":
					require.ErrorIs(t, err, poison)
				case "panic":
					require.Equal(t, poison, thrown)
				default:
					require.False(t, returned)
				}
				last := start(t.Context(), c, 5)
				time.Sleep(time.Hour)
				synctest.Wait()
				require.Equal(t, "done 5", last.value, "the Combiner goes on")
				require.Empty(t, c.places)
			})
		})
	}
}

func sortedTail(batches [][]int) [][]int {
	slices.SortFunc(batches, slices.Compare)
	return batches
}

func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &database{act: second}
		c := d.combiner()
		soon, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		late, cancel := context.WithTimeout(t.Context(), 3*time.Second/2)
		defer cancel()
		start(t.Context(), c, 1)
		waits := start(soon, c, 2)
		leads := start(late, c, 3)
		inBatch := start(late, c, 4)
		stays := start(t.Context(), c, 5)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, result{err: context.DeadlineExceeded, at: time.Second / 2}, *waits)
		require.Equal(t, result{err: context.DeadlineExceeded, at: 3 * time.Second / 2}, *inBatch)
		require.Equal(t, result{value: "done 5", at: 2 * time.Second}, *stays)
		require.Equal(t, result{value: "done 3", at: 2 * time.Second}, *leads, "the caller that runs the batch stays with it, and its context does not end the others' work")
		require.Equal(t, [][]int{{1}, {3, 4, 5}}, d.batches, "who left while it waited is not carried out")
	})
}

// When all callers of a batch have left, its context ends.
func TestAllLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &database{act: second}
		c := d.combiner()
		late, cancel := context.WithTimeout(t.Context(), 3*time.Second/2)
		defer cancel()
		start(t.Context(), c, 1)
		gone := []*result{start(late, c, 2), start(late, c, 3)}
		time.Sleep(time.Hour)
		synctest.Wait()
		for _, r := range gone {
			require.Equal(t, result{err: context.DeadlineExceeded, at: 3 * time.Second / 2}, *r)
		}
		require.Equal(t, [][]int{{1}}, d.batches)
		require.Empty(t, c.places)
	})
}

// The first that waits has left at the moment when it is woken to run the batch: the next one runs it.
func TestLeaderLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &database{act: second}
		c := d.combiner()
		ends, cancel := context.WithCancel(t.Context())
		start(t.Context(), c, 1)
		leads := start(ends, c, 2)
		stays := start(t.Context(), c, 3)
		c.mu.Lock() // the batch ends and the context, too, before the caller goes on
		time.Sleep(time.Second)
		cancel()
		c.mu.Unlock()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.ErrorIs(t, leads.err, context.Canceled)
		require.Equal(t, "done 3", stays.value)
	})
}

// A caller leaves a batch whose leader was woken and has not begun.
func TestCallerLeavesBeforeItsBatchBegins(t *testing.T) {
	t.Parallel()
	c := (&database{}).combiner()
	c.running = true
	leads, leaves, stays := c.wait(1, time.Time{}), c.wait(2, time.Time{}), c.wait(3, time.Time{})
	c.handOn()
	require.True(t, c.leave(leaves))
	require.Equal(t, []*call[int, string]{leads, stays}, c.start(t.Context(), leads, func() {}))
}

// What one caller waits for keeps the others no longer than Patience.
func TestPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &database{act: func(ctx context.Context, requests []int) error {
			if slices.Contains(requests, 3) { // somebody has its lock
				select {
				case <-time.After(time.Hour):
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return second(ctx, requests)
		}}
		c := d.combiner()
		start(t.Context(), c, 1)
		other := start(t.Context(), c, 2)
		slow := start(t.Context(), c, 3)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Equal(t, result{value: "done 2", at: time.Minute + 2*time.Second}, *other)
		require.Equal(t, "done 3", slow.value)
		require.Less(t, slow.at, 2*time.Hour)
	})
}

// While all batches are slow, patience grows until they are not given up anymore, and it goes back when they are fast again.
func TestPatienceGrows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		takes, givenUp := 5*time.Minute, 0
		d := &database{act: func(ctx context.Context, requests []int) error {
			if len(requests) == 1 {
				return second(ctx, requests)
			}
			select {
			case <-time.After(takes):
				return nil
			case <-ctx.Done():
				givenUp++
				return ctx.Err()
			}
		}}
		c := d.combiner()
		round := func() { // one caller alone, then two together
			for i := range 3 {
				start(t.Context(), c, i)
			}
			time.Sleep(time.Hour)
			synctest.Wait()
		}
		for range 10 {
			round()
		}
		require.Equal(t, 3, givenUp, "after one, two and four minutes")
		require.Equal(t, 8*time.Minute, c.patience())
		takes = time.Second
		for range 10 {
			round()
		}
		require.Equal(t, 3, givenUp)
		require.Equal(t, time.Minute, c.patience())
		takes = 50 * time.Minute
		for range 10 {
			round()
		}
		require.Equal(t, maxPatience*time.Minute, c.patience())
	})
}

// What a caller alone waits for keeps the others no longer than Patience, and there is one next batch.
func TestPatienceWithOneAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &database{act: func(ctx context.Context, requests []int) error {
			if requests[0] == 1 {
				time.Sleep(time.Hour) // somebody has its lock
			}
			return second(ctx, requests)
		}}
		c := d.combiner()
		slow, others := start(t.Context(), c, 1), []*result{start(t.Context(), c, 2), start(t.Context(), c, 3)}
		time.Sleep(30 * time.Minute)
		last := start(t.Context(), c, 4)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, result{value: "done 1", at: time.Hour + time.Second}, *slow)
		for i, r := range others {
			require.Equal(t, result{value: fmt.Sprint("done ", i+2), at: time.Minute + time.Second}, *r)
		}
		require.Equal(t, time.Second, last.at)
		require.Equal(t, [][]int{{2, 3}, {4}, {1}}, d.batches)
		require.False(t, c.running)
	})
}

// Requests about the same thing run one after the other.
func TestKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &database{act: second}
		c := New(Config[int, string]{Run: d.run, Batch: 3, Queue: 100, Patience: time.Minute, Key: func(r int) string { return fmt.Sprint(r % 10) }})
		var results []*result
		for _, r := range []int{1, 12, 22, 3, 13, 32, 4, 5} {
			results = append(results, start(t.Context(), c, r))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, [][]int{{1}, {12, 3, 4}, {22, 13, 5}, {32}}, d.batches)
		require.Equal(t, 4*time.Second, results[5].at)
	})
}

// A caller that stays leaves only while it waits.
func TestStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &database{act: second}
		c := New(Config[int, string]{Run: d.run, Batch: 3, Queue: 100, Patience: time.Minute, Stays: true})
		soon, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		late, cancel := context.WithTimeout(t.Context(), 3*time.Second/2)
		defer cancel()
		start(t.Context(), c, 1)
		waits, leads, inBatch := start(soon, c, 2), start(late, c, 3), start(late, c, 4)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, result{err: context.DeadlineExceeded, at: time.Second / 2}, *waits)
		require.Equal(t, result{value: "done 3", at: 2 * time.Second}, *leads)
		require.Equal(t, result{value: "done 4", at: 2 * time.Second}, *inBatch)
	})
}

// A request inside of another does not wait for the batch that waits for it.
func TestDoInsideOfRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &database{}
		var c *Combiner[int, string]
		d.act = func(ctx context.Context, requests []int) error {
			for _, r := range requests {
				if r < 10 {
					value, err := c.Do(ctx, r+10)
					require.NoError(t, err)
					require.Equal(t, fmt.Sprint("done ", r+10), value)
				}
			}
			return second(ctx, requests)
		}
		c = d.combiner()
		results := []*result{start(t.Context(), c, 1), start(t.Context(), c, 2), start(t.Context(), c, 3)}
		time.Sleep(time.Hour)
		synctest.Wait()
		for i, r := range results {
			require.Equal(t, fmt.Sprint("done ", i+1), r.value)
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &database{act: second}
		c := New(Config[int, string]{Run: d.run, Batch: 4, Queue: 2, Patience: time.Minute})
		soon, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		results := []*result{start(t.Context(), c, 0), start(t.Context(), c, 1), start(t.Context(), c, 2)}
		outside := start(soon, c, 3)
		c.mu.Lock()
		require.Len(t, c.waiting, 1)
		c.mu.Unlock()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.ErrorIs(t, outside.err, context.DeadlineExceeded)
		for i, r := range results {
			require.Equal(t, fmt.Sprint("done ", i), r.value)
		}
		require.NotContains(t, slices.Concat(d.batches...), 3)
	})
}

func TestEndedContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d := &database{}
	_, err := d.combiner().Do(ctx, 1)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, d.batches)
}

func TestWrongNumberOfAnswers(t *testing.T) {
	t.Parallel()
	c := New(Config[int, string]{Batch: 1, Queue: 1, Patience: time.Minute, Run: func(context.Context, []int) ([]Answer[string], error) { return nil, nil }})
	require.PanicsWithValue(t, "combiner: 0 answers for 1 requests", func() { _, _ = c.Do(t.Context(), 1) })
	require.False(t, c.running)
}

// TestModel runs many callers that come, leave and fail at random. Each gets its own answer, each success was carried out once
// and before its answer, and nothing else was carried out but requests whose callers left.
func TestModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { model(t, seed) })
		})
	}
}

func modelKey(request int) string { return fmt.Sprint(request % 10) }

func model(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	var mu sync.Mutex
	draw := func(n int64) int64 {
		mu.Lock()
		defer mu.Unlock()
		return random.Int64N(n)
	}
	flaky, keyed := errors.New("flaky"), seed%2 == 0
	committed := map[int]int{}
	inside, most := 0, 0
	d := &database{}
	run := func(ctx context.Context, requests []int) ([]Answer[string], error) {
		mu.Lock()
		if len(requests) > 1 {
			inside++
			most = max(most, inside)
		}
		mu.Unlock()
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			if len(requests) > 1 {
				inside--
			}
		}()
		select {
		case <-time.After(time.Duration(draw(int64(2 * time.Second)))):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		keys := map[string]bool{}
		for _, r := range requests {
			if r%17 == 16 {
				panic("poison")
			}
			if key := modelKey(r); keyed && keys[key] {
				t.Errorf("seed %d: %v are in one batch", seed, requests)
			} else {
				keys[key] = true
			}
		}
		if draw(10) == 0 {
			return nil, flaky
		}
		mu.Lock()
		for _, r := range requests {
			committed[r]++
		}
		mu.Unlock()
		time.Sleep(time.Duration(draw(int64(time.Second)))) // the answer of the commit is on its way
		return d.run(ctx, requests)
	}
	config := Config[int, string]{Run: run, Batch: int(1 + draw(8)), Queue: int(1 + draw(40)), Patience: 3 * time.Second / 2, Stays: seed%3 == 0}
	if keyed {
		config.Key = modelKey
	}
	c := New(config)
	var wg sync.WaitGroup
	for i := range 100 {
		request := i + 1
		if i%7 == 6 {
			request = -request
		}
		wg.Go(func() {
			time.Sleep(time.Duration(draw(int64(10 * time.Second))))
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+draw(int64(20*time.Second))))
			defer cancel()
			poisoned := request%17 == 16
			defer func() {
				if thrown := recover(); thrown != nil && (!poisoned || thrown != "poison") {
					t.Errorf("seed %d: %d panicked with %v", seed, request, thrown)
				}
			}()
			value, err := c.Do(ctx, request)
			mu.Lock()
			defer mu.Unlock()
			n := committed[request]
			switch {
			case err == nil && (n != 1 || value != fmt.Sprint("done ", request) || poisoned):
				t.Errorf("seed %d: %d was carried out %d times and got %q", seed, request, n, value)
			case errors.Is(err, refusal(request)) && n == 1, errors.Is(err, flaky) && n == 0, err == nil:
			case ctx.Err() != nil && errors.Is(err, ctx.Err()) && n <= 1:
			default:
				t.Errorf("seed %d: %d was carried out %d times and failed with %v", seed, request, n, err)
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, most, 1, "one batch runs at a time")
	require.Empty(t, c.waiting)
	require.False(t, c.running)
	require.Empty(t, c.places)
	for r, n := range committed {
		require.LessOrEqual(t, n, 1, r)
	}
}

// Observe is told of each run, of how many requests it has, and of how long the first of them has waited.
func TestObserve(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		var mu sync.Mutex
		var runs, ends []string
		add := func(to *[]string, text string) {
			mu.Lock()
			defer mu.Unlock()
			*to = append(*to, text)
		}
		d := database{act: func(ctx context.Context, requests []int) error {
			add(&runs, fmt.Sprint(ctx.Value(key{})))
			if len(requests) > 1 {
				time.Sleep(time.Second)
				return errors.New("broken")
			}
			return second(ctx, requests)
		}}
		c := New(Config[int, string]{
			Run: d.run, Batch: 4, Queue: 100, Patience: time.Minute,
			Observe: func(ctx context.Context, requests int, waited time.Duration) (context.Context, func(error)) {
				run := fmt.Sprint(requests, " after ", waited)
				return context.WithValue(ctx, key{}, run), func(err error) { add(&ends, fmt.Sprint(run, ": ", err)) }
			},
		})
		start(t.Context(), c, 1)
		time.Sleep(time.Second / 4)
		start(t.Context(), c, 2)
		time.Sleep(time.Second / 4)
		start(t.Context(), c, 3)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, "1 after 0s", runs[0])
		require.Equal(t, "2 after 750ms", runs[1])
		require.ElementsMatch(t, []string{"1 after 1.75s", "1 after 1.5s"}, runs[2:])
		require.Equal(t, []string{"1 after 0s: <nil>", "2 after 750ms: broken"}, ends[:2])
		require.Len(t, ends, 4)
	})
}

// BenchmarkOneCallerAlone measures what a caller pays for the Combiner when nobody else is there.
func BenchmarkOneCallerAlone(b *testing.B) {
	answers := []Answer[string]{{Value: "done"}}
	c := New(Config[int, string]{
		Run: func(context.Context, []int) ([]Answer[string], error) { return answers, nil }, Batch: 64, Queue: 1024, Patience: time.Second,
	})
	for b.Loop() {
		if _, err := c.Do(b.Context(), 1); err != nil {
			b.Fatal(err)
		}
	}
}
