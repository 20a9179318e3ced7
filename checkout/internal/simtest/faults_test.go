package simtest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"syscall"
	"testing"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

var (
	errDead     = errors.New("the process is dead")
	errCallback = errors.New("the callback fails")
	errCommit   = errors.New("the answer to a commit is lost")
)

// maxCrashes is how many processes die in one history at most.
const maxCrashes = 4

// misfortune may have a process die, or the caller at whose turn it is go away.
func (w *world) misfortune(t *testing.T, at *spot) {
	crash, which, gone := w.rng.Float64(), w.rng.IntN(len(w.processes)), w.rng.Float64()
	if crash < w.crash && w.crashes < maxCrashes {
		p := w.processes[which].Load()
		p.dead.Store(true)
		w.crashes++
		w.processes[which].Store(w.newProcess(t, p.name))
		w.note("%s dies", p.name)
		w.met("crash")
	}
	w.mu.Lock()
	cancel := w.callers[at.who]
	w.mu.Unlock()
	if gone < w.gone && cancel != nil {
		cancel()
		w.note("%s is gone", at.who)
		w.met("caller gone")
	}
}

// fulfil writes a row for each run, so that an order which is fulfilled twice has two.
func (p *simProcess) fulfil(ctx context.Context, t tx, o *store.Order) error {
	if kept := p.w.order(o.ID); (kept == nil || !kept.Paid()) && !p.w.forgotPaid(o.ID) {
		p.w.fail("%s was to be fulfilled before its payment was recorded", o.ID)
	}
	p.w.mu.Lock()
	p.w.fulfilling[o.ID] = p.w.srv.Now()
	p.w.mu.Unlock()
	return p.callback(ctx, t, o.ID, "shipment/"+o.ID, true)
}

func (p *simProcess) onChange(ctx context.Context, t tx, c checkout.Change) error {
	err := p.callback(ctx, t, c.Order.ID, "told/"+c.Key, taleOf(c))
	if errors.Is(err, webhook.ErrPermanent) {
		p.w.mu.Lock()
		p.w.refused[c.Order.ID] = append(p.w.refused[c.Order.ID], taleOf(c))
		p.w.mu.Unlock()
	}
	return err
}

func (p *simProcess) callback(ctx context.Context, t tx, order, row string, value any) error {
	p.w.mu.Lock()
	p.w.runs[order]++
	run := p.w.runs[order]
	p.w.failures[order]++
	p.w.mu.Unlock()
	err := p.run(ctx, t, row, value, run)
	if err == nil {
		p.w.mu.Lock()
		p.w.failures[order]--
		p.w.mu.Unlock()
	}
	return err
}

// run is one run of a callback. Its error, or panic, is the callback's.
func (p *simProcess) run(ctx context.Context, t tx, row string, value any, run int) error {
	if err := t.Set(ctx, fmt.Sprintf("%s/%d", row, run), value); err != nil {
		return err
	}
	if err := p.step(ctx, "callback for "+row); err != nil {
		return err
	}
	if !p.w.healed.Load() && p.w.unlucky(p.w.swallowed, "swallowed "+row, run) {
		p.w.met("callback swallows an error of the database")
		p.w.end(t)
		return nil
	}
	if p.w.healed.Load() || !p.w.unlucky(p.w.callbacks, row, run) {
		return nil
	}
	switch p.w.dice(row, run) % 8 {
	case 0:
		p.w.met("callback panics")
		panic("the callback panics")
	case 1:
		p.w.met("callback fails for good")
		return webhook.Permanent(errCallback)
	case 2:
		p.w.met("callback slow")
		p.w.waiting.Add(1)
		<-ctx.Done()
		p.w.waiting.Add(-1)
		return ctx.Err()
	}
	p.w.met("callback fails")
	return errCallback
}

// loseCommit may have the answer to a commit be lost.
func (w *world) loseCommit(ctx context.Context, about string) error {
	who := actorOf(ctx).name + about
	w.mu.Lock()
	w.commits[who]++
	n := w.commits[who]
	w.mu.Unlock()
	if w.healed.Load() || !w.unlucky(w.odds.commits, "commit "+who, n) {
		return nil
	}
	w.met("commit answered by an error")
	w.say(ctx, "committed, and the answer is lost")
	return errCommit
}

// unlucky draws whether what has a chance comes to pass, the n-th time that it could.
func (w *world) unlucky(chance float64, what string, n int) bool {
	return float64(w.dice(what, n)>>11)/(1<<53) < chance
}

func (w *world) dice(what string, n int) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, what)
	return mix(w.seed, h.Sum64(), uint64(n))
}

func isReset(err error) bool { return errors.Is(err, syscall.ECONNRESET) }

// countFaults adds what Stripe did on purpose to the faults that came to pass.
func (w *world) countFaults() map[string]int {
	for _, e := range w.srv.Log() {
		for _, fault := range e.Faults {
			w.met(fault)
		}
	}
	return w.faults
}
