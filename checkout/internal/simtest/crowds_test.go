package simtest

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
)

// rush has many customers come for the same few things at one time, and those who get one pay at one time, so that callers wait for
// each other in every process. A jam before the shop has their events arrive at one time, too.
func (p *plan) rush(r *rand.Rand) []op {
	const card, begins, ends = 4, 0, 1 // dice of a card that works, and of a jam
	p.orders, p.crowd, p.sticky = 5+r.IntN(4), 6+r.IntN(4), 0
	var ops, pays []op
	for n := range p.orders {
		order := fmt.Sprintf("order-%d", n+1)
		cart := [...]uint64{0, 0, 5, 15}[r.IntN(4)] // dice of a cart with the usual thing, the last thing, or two
		ops = append(ops, op{kind: opBegin, order: order, dice: cart, proc: r.IntN(4) / 3, rushes: true})
		pays = append(pays, op{kind: opPay, order: order, dice: card, rushes: true})
	}
	ops = append(append(ops, op{kind: opJam, dice: begins, quiet: true}), pays...)
	return append(ops, op{kind: opJam, dice: ends, quiet: true})
}

// jam is a queue before the shop. While it is there, Stripe hears that the shop is not available.
type jam struct {
	mu   sync.Mutex
	on   bool
	kept []delivered
}

// delivered is a delivery that a jam keeps.
type delivered struct {
	header http.Header
	body   []byte
}

func (j *jam) begin() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.on = true
}

// keeps reports whether the jam keeps a delivery.
func (j *jam) keeps(r *http.Request) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.on {
		return false
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		j.kept = append(j.kept, delivered{r.Header.Clone(), body})
	}
	return true
}

// end ends the jam and returns what it kept.
func (j *jam) end() []delivered {
	j.mu.Lock()
	defer j.mu.Unlock()
	kept := j.kept
	j.on, j.kept = false, nil
	return kept
}

// endJam has all that a jam kept arrive at one time. Nobody waits for the answers.
func (w *world) endJam() {
	var arriving sync.WaitGroup
	for _, d := range w.jam.end() {
		p, a := hookRouter{w}.receiver()
		arriving.Go(func() {
			defer func() {
				if thrown := recover(); thrown != nil && thrown != http.ErrAbortHandler { //nolint:errorlint // it is thrown as it is
					panic(thrown)
				}
			}()
			r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(d.body))
			r.Header = d.header
			w.sched.wait(a.name, "arrives")
			hookRouter{w}.serve(httptest.NewRecorder(), r, p, a)
		})
	}
	arriving.Wait()
	w.met("webhooks arrive at one time")
}
