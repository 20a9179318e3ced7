package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

const (
	// pageWait is how long a payment page waits for the answers of the webhooks, as Stripe's does.
	pageWait = 10 * time.Second
	// commandWait is how long a command of the control API or page waits for them.
	commandWait = 2 * time.Minute
	// maxRequest is the number of bytes that the body of a request may have.
	maxRequest = 1 << 20
)

// An account is one test server with its keys. The first key is the server's own.
type account struct {
	name       string
	keys       []string
	webhookURL string
	test       *checkouttest.Server // replaced by a reset
	faults     []fault              // that are set
}

// accounts are all accounts of the program, on one clock. They serve the API and the pages, and keep what happened in the journal.
type accounts struct {
	cfg     checkouttest.Config // without what differs between accounts
	journal *journal            // nil: the state ends with the program
	log     *slog.Logger

	mu     sync.RWMutex // guards the fields below and those of the accounts
	all    []*account
	lead   time.Duration // how far the clock is ahead of the wall clock
	number uint64        // of the last step
}

// open makes the servers, and has them do again what the journal holds.
func (a *accounts) open(past []entry, start time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, acc := range a.all {
		cfg := a.cfg
		cfg.Start, cfg.Key, cfg.WebhookURL = start, acc.keys[0], acc.webhookURL
		if i > 0 {
			cfg.Seed, cfg.WebhookSecret, cfg.AccountID = cfg.Seed+uint64(i), "", accountID(acc.name)
		}
		test, err := newServer(cfg)
		if err != nil {
			return err
		}
		acc.test, acc.faults = test, nil
	}
	a.lead, a.number = 0, 0
	for i, e := range past {
		if err := a.repeat(e); err != nil {
			return fmt.Errorf("entry %d: %w", i+1, err)
		}
	}
	for _, acc := range a.all {
		if err := setFaults(acc.test, acc.faults); err != nil {
			return err
		}
	}
	return nil
}

// accountID returns the ID of the account of a name: the same one each time.
func accountID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return fmt.Sprintf("acct_1%X", sum[:8])
}

// repeat does again what an entry of the journal holds. Faults are set when all is repeated, so that they do not hit again.
func (a *accounts) repeat(e entry) error {
	acc := a.byName(e.Account)
	if acc == nil {
		return fmt.Errorf("there is no account %q: start with the flags of the last time, or delete the file", e.Account)
	}
	a.number = max(a.number, e.Number)
	var err error
	acc.test.Step(checkouttest.Step{Number: e.Number, At: e.At, Replay: true}, func() {
		switch {
		case e.Request != nil:
			err = e.Request.repeat(acc)
		case e.Command.Do == "faults":
			acc.faults = e.Command.Faults
		case e.Command.Do == "advance":
			a.lead += e.Command.duration()
		default:
			_, _ = e.Command.run(acc.test) // it answers as it did
		}
	})
	return err
}

// byName returns an account. The empty name is that of the first.
func (a *accounts) byName(name string) *account {
	for i, acc := range a.all {
		if acc.name == name || name == "" && i == 0 {
			return acc
		}
	}
	return nil
}

// server returns the server of an account.
func (a *accounts) server(acc *account) *checkouttest.Server {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return acc.test
}

// step does something as the next step of an account, and writes it to the journal, if do returns an entry.
func (a *accounts) step(acc *account, wait time.Duration, do func(test *checkouttest.Server) *entry) {
	a.mu.Lock()
	a.number++
	n, now, test := a.number, time.Now().Add(a.lead), acc.test
	a.mu.Unlock()
	test.Step(checkouttest.Step{Number: n, At: now, Wait: wait}, func() {
		at := test.Now()
		e := do(test)
		if e == nil || a.journal == nil {
			return
		}
		e.Number, e.At, e.Account = n, at, acc.name
		if err := a.journal.write(*e); err != nil {
			a.log.Error("the state file could not be written", "error", err)
		}
	})
}

// follow lets the clocks follow the wall clock until ctx ends.
func (a *accounts) follow(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		a.tick()
	}
}

// tick sets the clocks. What fell due while the program did not run happens now.
func (a *accounts) tick() {
	for _, acc := range a.all {
		a.step(acc, 0, func(*checkouttest.Server) *entry { return nil })
	}
}

// advance moves the clocks of all accounts forward. Everything that falls due on the way happens, and is delivered.
func (a *accounts) advance(d time.Duration) {
	a.tick()
	for _, acc := range a.all {
		a.server(acc).Advance(d)
	}
	a.mu.Lock()
	a.lead += d
	a.mu.Unlock()
	a.step(a.all[0], 0, func(*checkouttest.Server) *entry {
		return &entry{Command: &command{Do: "advance", Seconds: int64(d / time.Second)}}
	})
}

// run runs a command, waits for the webhooks that it causes, and returns the ID of what it made.
func (a *accounts) run(acc *account, c command) (id string, err error) {
	switch c.Do {
	case "advance":
		a.advance(c.duration())
		return "", nil
	case "reset":
		return "", a.reset()
	case "redeliver":
		a.step(acc, commandWait, func(test *checkouttest.Server) *entry {
			err = test.Redeliver(c.ID)
			return nil // it changes nothing that is kept
		})
		return "", err
	}
	a.step(acc, commandWait, func(test *checkouttest.Server) *entry {
		if c.Do == "faults" {
			if err = setFaults(test, c.Faults); err == nil {
				acc.faults = c.Faults
			}
		} else {
			id, err = c.run(test)
		}
		return &entry{Command: &c}
	})
	return id, err
}

// reset makes everything new: servers, clock and state file. Keys and secrets stay.
func (a *accounts) reset() error {
	a.mu.RLock()
	var old []*checkouttest.Server
	for _, acc := range a.all {
		old = append(old, acc.test)
	}
	a.mu.RUnlock()
	start := time.Now()
	if a.journal != nil {
		start = a.journal.head.Start
		if err := a.journal.clear(); err != nil {
			return err
		}
	}
	if err := a.open(nil, start); err != nil {
		return err
	}
	a.tick()
	for _, test := range old {
		test.Close()
	}
	return nil
}

func (a *accounts) close() {
	for _, acc := range a.all {
		if acc.test != nil {
			acc.test.Close()
		}
	}
	if a.journal != nil {
		_ = a.journal.close()
	}
}

// ServeHTTP serves the API and the payment pages of all accounts.
func (a *accounts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	owners, known := a.owners(r)
	if !changes(r) || !known {
		a.serveReading(w, r, owners)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		http.Error(w, "the body is too long", http.StatusRequestEntityTooLarge)
		return
	}
	wait := pageWait
	if isAPI(r) {
		wait = 0
	}
	for i, acc := range owners {
		answer, cut := httptest.NewRecorder(), false
		a.step(acc, wait, func(test *checkouttest.Server) *entry {
			kept := keep(r, body, acc)
			cut = kept.serve(test, r.Context(), answer)
			if answer.Code == http.StatusNotFound && i+1 < len(owners) || len(acc.faults) > 0 && faultSpared(test, answer, cut) {
				return nil
			}
			kept.Status = answer.Code
			if len(acc.faults) > 0 || cut {
				kept.Status = 0
			}
			return &entry{Request: kept}
		})
		if cut {
			panic(http.ErrAbortHandler)
		}
		if answer.Code != http.StatusNotFound || i+1 == len(owners) {
			pass(w, answer)
			return
		}
	}
}

// serveReading serves a request that changes nothing, or has no known key.
func (a *accounts) serveReading(w http.ResponseWriter, r *http.Request, owners []*account) {
	if isAPI(r) || len(owners) == 1 {
		in := r.Clone(r.Context())
		if key := keyOf(r); key != "" && contains(owners[0].keys, key) {
			in.Header.Set("Authorization", "Bearer "+owners[0].keys[0])
		}
		if changes(r) { // without a known key: a refusal that is not kept
			a.step(owners[0], 0, func(test *checkouttest.Server) *entry { test.ServeHTTP(w, in); return nil })
			return
		}
		a.server(owners[0]).ServeHTTP(w, in)
		return
	}
	var answer *httptest.ResponseRecorder
	for _, acc := range owners {
		answer = httptest.NewRecorder()
		a.server(acc).ServeHTTP(answer, r)
		if answer.Code != http.StatusNotFound {
			break
		}
	}
	pass(w, answer)
}

// owners returns the accounts that a request may belong to: the one of the key, or all for a page. It reports whether the request may
// change them.
func (a *accounts) owners(r *http.Request) (_ []*account, known bool) {
	if !isAPI(r) {
		return a.all, true
	}
	for _, acc := range a.all {
		if contains(acc.keys, keyOf(r)) {
			return []*account{acc}, true
		}
	}
	return a.all[:1], false
}

// isAPI reports whether a request is for the API, and not for a page. The WebSocket of the CLI is for the API, too.
func isAPI(r *http.Request) bool {
	for _, page := range []string{"/c/", "/b/", "/p/"} {
		if strings.HasPrefix(r.URL.Path, page) {
			return false
		}
	}
	return true
}

// changes reports whether a request may change the state. Links that are followed may begin a session.
func changes(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead ||
		strings.HasPrefix(r.URL.Path, "/b/") || strings.HasPrefix(r.URL.Path, "/c/recover/")
}

// keyOf returns the key of a request.
func keyOf(r *http.Request) string {
	if key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return strings.TrimSpace(key)
	}
	key, _, _ := r.BasicAuth()
	return key
}

func contains(keys []string, key string) bool {
	for _, k := range keys {
		if k == key {
			return true
		}
	}
	return false
}

// faultSpared reports whether a fault hit a request before the server looked at it, so that the request did nothing.
func faultSpared(test *checkouttest.Server, answer *httptest.ResponseRecorder, cut bool) bool {
	entries := test.Log()
	for i := len(entries) - 1; i >= 0; i-- {
		e := entries[i]
		if e.RequestID == "" || e.RequestID != answer.Header().Get("Request-Id") {
			continue
		}
		refused := cut || e.Status == http.StatusTooManyRequests || e.Status == http.StatusInternalServerError
		return refused && len(e.Faults) > 0 && !strings.Contains(strings.Join(e.Faults, " "), "after the write")
	}
	return false
}

// pass passes a recorded answer on.
func pass(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	for name, values := range answer.Result().Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = io.Copy(w, bytes.NewReader(answer.Body.Bytes()))
}

// newServer is checkouttest.NewServer with its panics returned as errors. They come from a wrong flag.
func newServer(cfg checkouttest.Config) (_ *checkouttest.Server, err error) {
	defer catch(&err)
	return checkouttest.NewServer(cfg), nil
}

// catch makes an error of a panic with a text.
func catch(err *error) {
	switch p := recover().(type) {
	case nil:
	case string:
		*err = errors.New(p)
	default:
		panic(p)
	}
}
