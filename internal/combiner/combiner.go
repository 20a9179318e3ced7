// Package combiner runs the work of callers that wait at the same time together, as in one transaction of a database.
package combiner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gofulfil/fulfil/internal/turns"
)

// Combiner takes callers together. While one batch runs, callers wait. When it ends, all of them are the next batch. There is no
// timer: a caller that finds no batch running runs at once, alone, with its own context.
//
// A Combiner has no goroutine of its own. One of the callers of a batch runs it, the first that came, and then wakes the first
// that waits for the next batch. So nothing runs after the last caller has returned.
//
// A batch that takes longer than Config.Patience holds the next one up no longer. If batches are slow because the machine has too much
// to do, running each request alone would give it more to do still. So patience doubles when a batch is given up, up to maxPatience
// times Config.Patience, and halves when a batch takes less than a quarter of it.
type Combiner[Req, Ans any] struct {
	config Config[Req, Ans]
	places chan struct{} // one element for each caller inside

	mu      sync.Mutex
	running bool              // a batch runs, or a caller was woken to run one
	waiting []*call[Req, Ans] // the first came first
	doubled int               // how often patience has doubled
}

// maxPatience is how many times Config.Patience a batch may take at most.
const maxPatience = 16

// Config is what [New] needs. Run, Batch, Queue and Patience must be set.
type Config[Req, Ans any] struct {
	// Run carries out the requests, all or none of them, and returns an answer for each, in their sequence. An error or a panic
	// means that none was carried out, or that it is unknown whether they were.
	//
	// For one request, ctx is the context of its caller. For several, ctx carries no values of the callers. It ends when all
	// callers have left, and when Patience is over. Run gets each request again, alone, if it fails for several.
	Run func(ctx context.Context, requests []Req) ([]Answer[Ans], error)
	// Batch is the number of callers that run together at most.
	Batch int
	// Queue is the number of callers that are inside at most. Others wait for a place.
	Queue int
	// Patience is how long a batch of several may take at first. Then it is given up, and each of its requests runs alone, so that a lock
	// that one of them waits for keeps the others waiting no longer. A request that runs alone is not given up: after Patience the
	// next batch runs beside it.
	Patience time.Duration
	// Key, if set, names what a request is about. Two requests with the same key are never in one batch.
	Key func(Req) string
	// Stays says that a caller whose context ends leaves only while it waits. Once its batch runs, the caller stays to its end, as
	// the batch uses what belongs to the caller. If Stays is false, such a caller leaves its batch, too.
	Stays bool
	// Split, if set, is told of a batch of several that failed.
	Split func(requests int, err error)
	// Observe, if set, is told of each run, also of a single request: how many requests it has, and how long the first of them has
	// waited. Run gets the context that Observe returns. The func that Observe returns is called with the error of Run.
	Observe func(ctx context.Context, requests int, waited time.Duration) (context.Context, func(error))
}

// Answer is what one caller gets: a value, or an error of its own.
type Answer[Ans any] struct {
	Value Ans
	Err   error
}

// New returns a Combiner.
func New[Req, Ans any](c Config[Req, Ans]) *Combiner[Req, Ans] {
	return &Combiner[Req, Ans]{config: c, places: make(chan struct{}, c.Queue)}
}

// call is one caller that waits.
type call[Req, Ans any] struct {
	request Req
	came    time.Time
	woken   chan struct{} // closed when next is set
	next    next
	answer  Answer[Ans]
	batch   *batch[Req, Ans] // that the call is in; nil: it waits for one
}

// next says how a caller that was woken goes on.
type next int

const (
	lead    next = iota + 1 // it runs the next batch
	done                    // it has its answer
	goAlone                 // its batch failed, and it runs alone
)

// Do carries out a request and returns its answer, after the batch with the request has been carried out. If ctx ends first, Do
// returns the context's error, and the request may be carried out or not.
//
// Run may call Do with its context. That request runs at once, as nothing that it could wait for ends before Run does.
func (c *Combiner[Req, Ans]) Do(ctx context.Context, request Req) (answer Ans, err error) {
	if err := ctx.Err(); err != nil {
		return answer, err
	}
	came := c.now()
	if ctx.Value(inside{}) != nil {
		return c.alone(ctx, request, came)
	}
	select {
	case c.places <- struct{}{}:
		defer func() { <-c.places }()
	case <-ctx.Done():
		return answer, ctx.Err()
	}
	me := c.wait(request, came)
	if me == nil {
		return c.aloneFirst(ctx, request, came)
	}
	left := false
	select {
	case <-me.woken:
	case <-ctx.Done():
		if left = c.leave(me); !left {
			<-me.woken
		}
	}
	if err := turns.Take(ctx, "combiner"); left {
		return answer, err
	}
	switch me.next {
	case lead:
		return c.lead(ctx, me)
	case goAlone:
		return c.alone(ctx, request, came)
	}
	return me.answer.Value, me.answer.Err
}

// now is the time at which a caller came, which only Observe is told.
func (c *Combiner[Req, Ans]) now() (came time.Time) {
	if c.config.Observe != nil {
		came = time.Now()
	}
	return came
}

// wait queues a caller. It returns nil if no batch runs: then the caller must run alone and hand on.
func (c *Combiner[Req, Ans]) wait(request Req, came time.Time) *call[Req, Ans] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running {
		c.running = true
		return nil
	}
	me := &call[Req, Ans]{request: request, came: came, woken: make(chan struct{})}
	c.waiting = append(c.waiting, me)
	return me
}

// leave takes a caller whose context has ended out. It returns false if the caller was woken, or stays with its batch: it must
// go on.
func (c *Combiner[Req, Ans]) leave(me *call[Req, Ans]) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	isMe := func(other *call[Req, Ans]) bool { return other == me }
	switch {
	case me.next != 0, me.batch != nil && me.batch.cancel != nil && c.config.Stays:
		return false
	case me.batch == nil:
		c.waiting = slices.DeleteFunc(c.waiting, isMe)
	case me.batch.cancel == nil:
		me.batch.calls = slices.DeleteFunc(me.batch.calls, isMe)
	default:
		me.batch.leave()
	}
	return true
}

// handOn ends a batch: the callers that wait now are the next, and the first of them runs it.
func (c *Combiner[Req, Ans]) handOn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next()
}

// next makes a batch of the callers that wait, and wakes the first of them. The Combiner's mutex is held.
func (c *Combiner[Req, Ans]) next() {
	if len(c.waiting) == 0 {
		c.running = false
		return
	}
	b, keys := &batch[Req, Ans]{}, map[string]bool{}
	c.waiting = slices.DeleteFunc(c.waiting, func(call *call[Req, Ans]) bool {
		taken := len(b.calls) < c.config.Batch && c.isNew(keys, call.request)
		if taken {
			call.batch = b
			b.calls = append(b.calls, call)
		}
		return taken
	})
	b.calls[0].wake(lead)
}

// wake tells a caller how to go on. The Combiner's mutex is held.
func (me *call[Req, Ans]) wake(n next) {
	me.next = n
	close(me.woken)
}

// patience is how long a batch may take now.
func (c *Combiner[Req, Ans]) patience() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.config.Patience << c.doubled
}

// learn changes patience after a batch of several that took some time, and was given up or not.
func (c *Combiner[Req, Ans]) learn(took time.Duration, givenUp bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case givenUp && 1<<c.doubled < maxPatience:
		c.doubled++
	case !givenUp && c.doubled > 0 && took < c.config.Patience<<c.doubled/4:
		c.doubled--
	}
}

// inside is the key of a value that the context of a running batch has.
type inside struct{}

// alone runs one request with the context of its caller.
func (c *Combiner[Req, Ans]) alone(ctx context.Context, request Req, came time.Time) (answer Ans, err error) {
	answers, err := c.run(context.WithValue(ctx, inside{}, true), []Req{request}, came)
	if err != nil {
		return answer, err
	}
	return answers[0].Value, answers[0].Err
}

// aloneFirst runs one request and then hands on. The others wait for it, but not longer than Patience.
func (c *Combiner[Req, Ans]) aloneFirst(ctx context.Context, request Req, came time.Time) (Ans, error) {
	handOn := sync.OnceFunc(c.handOn)
	defer handOn()
	defer time.AfterFunc(c.patience(), handOn).Stop()
	return c.alone(ctx, request, came)
}

// run runs requests of which the first came at a time, and panics if it did not get an answer for each.
func (c *Combiner[Req, Ans]) run(ctx context.Context, requests []Req, came time.Time) (answers []Answer[Ans], err error) {
	if c.config.Observe != nil {
		var ended func(error)
		ctx, ended = c.config.Observe(ctx, len(requests), time.Since(came))
		defer func() { ended(err) }()
	}
	answers, err = c.config.Run(ctx, requests)
	if err == nil && len(answers) != len(requests) {
		panic(fmt.Sprintf("combiner: %d answers for %d requests", len(answers), len(requests)))
	}
	return answers, err
}

// lead runs the batch of which me is the first.
func (c *Combiner[Req, Ans]) lead(ctx context.Context, me *call[Req, Ans]) (answer Ans, err error) {
	together, cancel := context.WithTimeout(context.WithValue(context.Background(), inside{}, true), c.patience())
	defer cancel()
	calls := c.start(ctx, me, cancel)
	switch {
	case len(calls) == 0:
		return answer, ctx.Err()
	case len(calls) == 1:
		return c.aloneFirst(ctx, me.request, me.came)
	}
	defer context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		me.batch.leave()
	})()
	if !c.runBatch(together, calls) {
		return c.alone(ctx, me.request, me.came)
	}
	return me.answer.Value, me.answer.Err
}

// start begins the batch of which me is the first, and returns its callers. It returns none if the context of me has ended: then the
// others of the batch are the first of the next one.
func (c *Combiner[Req, Ans]) start(ctx context.Context, me *call[Req, Ans], cancel context.CancelFunc) []*call[Req, Ans] {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := me.batch
	if ctx.Err() != nil {
		others := b.calls[1:]
		for _, other := range others {
			other.batch = nil
		}
		c.waiting = slices.Concat(others, c.waiting)
		c.next()
		return nil
	}
	b.callers, b.cancel = len(b.calls), cancel
	return b.calls
}

// isNew reports whether no request with the same key is in a batch with these keys, and adds the key.
func (c *Combiner[Req, Ans]) isNew(keys map[string]bool, request Req) bool {
	if c.config.Key == nil {
		return true
	}
	key := c.config.Key(request)
	known := keys[key]
	keys[key] = true
	return !known
}

// runBatch runs a batch of several callers and wakes them. It reports whether they have their answers; if not, each runs alone.
// It hands on and wakes them even if Run panics or ends the goroutine.
func (c *Combiner[Req, Ans]) runBatch(ctx context.Context, calls []*call[Req, Ans]) (ok bool) {
	requests := make([]Req, len(calls))
	for i, call := range calls {
		requests[i] = call.request
	}
	err, began := errors.New("combiner: Run did not return"), time.Now()
	defer func() {
		if thrown := recover(); thrown != nil {
			err = fmt.Errorf("combiner: panic: %v", thrown)
		}
		ok = err == nil
		c.learn(time.Since(began), errors.Is(ctx.Err(), context.DeadlineExceeded) && !ok)
		c.handOn()
		c.wakeAll(calls[1:], ok)
		if !ok && c.config.Split != nil {
			c.config.Split(len(calls), err)
		}
	}()
	var answers []Answer[Ans]
	answers, err = c.run(ctx, requests, calls[0].came)
	if err == nil {
		for i, call := range calls {
			call.answer = answers[i]
		}
	}
	return err == nil
}

func (c *Combiner[Req, Ans]) wakeAll(calls []*call[Req, Ans], ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, call := range calls {
		if ok {
			call.wake(done)
		} else {
			call.wake(goAlone)
		}
	}
}

// batch is callers that run together, the one that leads them first.
type batch[Req, Ans any] struct {
	calls   []*call[Req, Ans]
	callers int                // that have not left since the batch began to run
	cancel  context.CancelFunc // ends what the batch runs; nil: it has not begun
}

// leave ends the batch if its last caller leaves. The Combiner's mutex is held.
func (b *batch[Req, Ans]) leave() {
	b.callers--
	if b.callers == 0 {
		b.cancel()
	}
}
