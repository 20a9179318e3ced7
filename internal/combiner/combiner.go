// Package combiner runs the work of callers that wait at the same time together, as in one transaction of a database.
package combiner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Combiner takes callers together. While one batch runs, callers wait. The next batch takes all of them. There is no timer: a
// caller that finds no batch running runs at once, alone, with its own context.
//
// A Combiner has no goroutine of its own. One of the callers of a batch runs it, the first that came, and then wakes the first
// that waits for the next batch. So nothing runs after the last caller has returned.
//
// A batch that takes longer than Config.Patience holds the next one up no longer.
type Combiner[Req, Ans any] struct {
	config Config[Req, Ans]
	places chan struct{} // one element for each caller inside

	mu      sync.Mutex
	running bool              // a batch runs, or a caller was woken to run one
	waiting []*call[Req, Ans] // the first came first
}

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
	// Patience is how long a batch of several may take. Then it is given up, and each of its requests runs alone, so that a lock
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
	batch   *batch // that the call is in; nil: it waits for one
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
	select {
	case <-me.woken:
	case <-ctx.Done():
		if c.leave(me) {
			return answer, ctx.Err()
		}
		<-me.woken
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
	switch {
	case me.next != 0, me.batch != nil && c.config.Stays:
		return false
	case me.batch != nil:
		me.batch.leave()
	default:
		c.waiting = slices.DeleteFunc(c.waiting, func(other *call[Req, Ans]) bool { return other == me })
	}
	return true
}

// handOn ends a batch: the first caller that waits runs the next.
func (c *Combiner[Req, Ans]) handOn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		c.running = false
		return
	}
	first := c.waiting[0]
	c.waiting = slices.Delete(c.waiting, 0, 1)
	first.wake(lead)
}

// wake tells a caller how to go on. The Combiner's mutex is held.
func (me *call[Req, Ans]) wake(n next) {
	me.next = n
	close(me.woken)
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
	defer time.AfterFunc(c.config.Patience, handOn).Stop()
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

// lead runs the batch of the callers that wait now. me is the first of them.
func (c *Combiner[Req, Ans]) lead(ctx context.Context, me *call[Req, Ans]) (answer Ans, err error) {
	if err := ctx.Err(); err != nil {
		c.handOn()
		return answer, err
	}
	together, cancel := context.WithTimeout(context.WithValue(context.Background(), inside{}, true), c.config.Patience)
	defer cancel()
	b := &batch{cancel: cancel}
	calls := c.take(me, b)
	if len(calls) == 1 {
		return c.aloneFirst(ctx, me.request, me.came)
	}
	defer context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		b.leave()
	})()
	if !c.runBatch(together, calls) {
		return c.alone(ctx, me.request, me.came)
	}
	return me.answer.Value, me.answer.Err
}

// take moves the callers of the next batch out of the queue.
func (c *Combiner[Req, Ans]) take(me *call[Req, Ans], b *batch) []*call[Req, Ans] {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls, keys := []*call[Req, Ans]{me}, map[string]bool{}
	c.isNew(keys, me.request)
	var later []*call[Req, Ans]
	for _, other := range c.waiting {
		if len(calls) < c.config.Batch && c.isNew(keys, other.request) {
			calls = append(calls, other)
		} else {
			later = append(later, other)
		}
	}
	c.waiting = later
	for _, call := range calls {
		call.batch = b
	}
	b.callers = len(calls)
	return calls
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
	err := errors.New("combiner: Run did not return")
	defer func() {
		if thrown := recover(); thrown != nil {
			err = fmt.Errorf("combiner: panic: %v", thrown)
		}
		ok = err == nil
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

// batch is several callers that run together.
type batch struct {
	callers int // that have not left
	cancel  context.CancelFunc
}

// leave ends the batch if its last caller leaves. The Combiner's mutex is held.
func (b *batch) leave() {
	b.callers--
	if b.callers == 0 {
		b.cancel()
	}
}
