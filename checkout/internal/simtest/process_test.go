package simtest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// simProcess is one process of the simulated shop: it has a turn before each of its calls, and can die before any.
type simProcess struct {
	w    *world
	name string
	life string // tells the process from those of its name that died
	dead atomic.Bool
	skew atomic.Int64 // of its clock, in nanoseconds
	flow *checkout.Flow[tx]
	hook *webhook.Handler
}

func (w *world) newProcess(t *testing.T, name string) *simProcess {
	p := &simProcess{w: w, name: name, life: fmt.Sprintf("%s (%d)", name, w.crashes)}
	p.skew.Store(int64(w.apartOf(name)))
	clock := func() time.Time { return w.srv.Now().Add(time.Duration(p.skew.Load())) }
	logger := slog.New(slog.DiscardHandler)
	var refund []checkout.ChangeKind
	if w.refund {
		refund = []checkout.ChangeKind{checkout.ChangeDuplicatePayment, checkout.ChangeShortfall, checkout.ChangeMismatch}
	}
	var accounts func(context.Context) ([]string, error)
	if w.trouble.account != "" {
		accounts = func(context.Context) ([]string, error) { return []string{w.trouble.account}, nil }
	}
	var err error
	p.flow, err = checkout.New(checkout.Config[tx]{
		Stripe: w.srv.ClientOver(simWire{w.srv.Transport(), p}), Store: simStore{p}, Reserver: simReserver{w.stock, p},
		Clock: clock, Logger: logger, Fulfil: p.fulfil, OnChange: p.onChange, Refund: refund, Accounts: accounts,
	})
	require.NoError(t, err)
	p.hook, err = webhook.New(webhook.Config{Secrets: []string{w.srv.WebhookSecret()}, Clock: clock, Logger: logger})
	require.NoError(t, err)
	p.flow.Handle(p.hook)
	return p
}

// apartOf is how far the clock of a process is ahead while it does not jump.
func (w *world) apartOf(process string) time.Duration {
	if process == "p2" {
		return w.apart
	}
	return 0
}

// step waits for a turn to do something. Its error says why it can't be done: the process died, or the caller has gone.
func (p *simProcess) step(ctx context.Context, what string) error {
	if actorOf(ctx) == (actor{}) {
		p.w.met("one transaction for several callers: " + what[:strings.IndexByte(what+" ", ' ')])
	}
	if err := ended(ctx); err != nil {
		return err
	}
	if p.dead.Load() {
		return errDead
	}
	p.w.sched.wait(p.actor(ctx).name, what)
	if p.dead.Load() {
		return errDead
	}
	return ended(ctx)
}

// afterLocks is called before a call that may wait for somebody's rows. What it returns is called after that call: if somebody else
// had a turn meanwhile, the caller waits for its own.
func (p *simProcess) afterLocks(ctx context.Context) func() {
	turns := p.w.sched.turns.Load()
	return func() {
		if p.w.sched.turns.Load() != turns {
			p.w.sched.wait(p.actor(ctx).name, "goes on after others' locks "+p.w.sched.thread(ctx))
		}
	}
}

// actor is who acts with ctx. A transaction for several callers has the context of none of them: there it is the process, and
// the caller whose goroutine runs the transaction.
func (p *simProcess) actor(ctx context.Context) actor {
	if a := actorOf(ctx); a != (actor{}) {
		return a
	}
	return actor{name: p.life + " for several: " + p.w.sched.leader()}
}

// ended is the error of a context that has ended. A context whose deadline is now has ended, though its timer may be about to
// say so: of what ends at one time, a replay must not see this end before that in one history and after it in the other.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	deadline, limited := ctx.Deadline()
	if limited && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// simStore is the Store of a process: the database in use, with a turn before each call.
type simStore struct{ p *simProcess }

var _ store.Store[tx] = simStore{}

func (s simStore) InTx(ctx context.Context, fn func(tx) error) error {
	about := s.p.w.sched.thread(ctx)
	if err := s.p.step(ctx, "begin tx "+about); err != nil {
		return err
	}
	database := s.p.w.database()
	err := database.InTx(ctx, func(t tx) error {
		err := fn(t)
		ended := s.p.w.hasEnded(t)
		switch {
		case err != nil:
			return err
		case ended:
			return errEnded
		}
		err = s.p.step(ctx, "commit "+about)
		if err == nil && s.p.w.database() != database {
			return errFailover
		}
		return err
	})
	if err != nil && s.p.w.database() != database {
		return errFailover
	}
	if err != nil {
		return err
	}
	s.p.w.dirty.Store(true)
	return s.p.w.loseCommit(s.p.actor(ctx).context(ctx), about)
}

func (s simStore) Insert(ctx context.Context, t tx, orders ...*store.Order) ([]bool, error) {
	if err := s.p.step(ctx, "insert "+orders[0].ID); err != nil {
		return nil, err
	}
	defer s.p.afterLocks(ctx)()
	return s.p.w.database().Insert(ctx, t, orders...)
}

func (s simStore) Lock(ctx context.Context, t tx, ids ...string) ([]*store.Order, error) {
	if err := s.p.step(ctx, "lock "+ids[0]); err != nil {
		return nil, err
	}
	defer s.p.afterLocks(ctx)()
	for _, id := range ids {
		if err := s.p.w.read(id); err != nil {
			return nil, err
		}
	}
	return s.p.w.database().Lock(ctx, t, ids...)
}

func (s simStore) Save(ctx context.Context, t tx, orders ...*store.Order) error {
	if err := s.p.step(ctx, "save "+orders[0].ID); err != nil {
		return err
	}
	defer s.p.afterLocks(ctx)()
	return s.p.w.database().Save(ctx, t, orders...)
}

func (s simStore) Delete(ctx context.Context, t tx, orders ...*store.Order) error {
	if err := s.p.step(ctx, "delete "+orders[0].ID); err != nil {
		return err
	}
	defer s.p.afterLocks(ctx)()
	return s.p.w.database().Delete(ctx, t, orders...)
}

func (s simStore) Find(ctx context.Context, id string) (*store.Order, error) {
	s.p.w.sched.looksAt(ctx, id)
	if err := s.p.step(ctx, "find "+id); err != nil {
		return nil, err
	}
	return s.p.w.readable(s.p.w.database().Find(ctx, id))
}

func (s simStore) FindRef(ctx context.Context, ref string) (*store.Order, error) {
	if err := s.p.step(ctx, "find ref"); err != nil {
		return nil, err
	}
	return s.p.w.readable(s.p.w.database().FindRef(ctx, ref))
}

func (s simStore) Due(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]string, error) {
	if err := s.p.step(ctx, "due"); err != nil {
		return nil, err
	}
	return s.p.w.database().Due(ctx, now, lease, limit)
}

func (s simStore) Cursor(ctx context.Context, name string) (string, error) {
	if err := s.p.step(ctx, "cursor "+name); err != nil {
		return "", err
	}
	return s.p.w.database().Cursor(ctx, name)
}

func (s simStore) SetCursor(ctx context.Context, name, value string) error {
	if err := s.p.step(ctx, "set cursor "+name); err != nil {
		return err
	}
	return s.p.w.database().SetCursor(ctx, name, value)
}

func (s simStore) List(ctx context.Context, q store.Query) ([]*store.Order, error) {
	if err := s.p.step(ctx, "list"); err != nil {
		return nil, err
	}
	return s.p.w.database().List(ctx, q)
}

func (s simStore) Claim(ctx context.Context, t tx, now time.Time, keys ...string) ([]bool, error) {
	return s.p.w.database().Claim(ctx, t, now, keys...)
}

func (s simStore) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	return s.p.w.database().Prune(ctx, before, limit)
}

func (s simStore) ShopID(ctx context.Context, fresh string) (string, error) {
	return s.p.w.database().ShopID(ctx, fresh)
}

type simReserver struct {
	reservation.Reserver[tx]
	p *simProcess
}

var _ reservation.Previewer = simReserver{}

func (r simReserver) Preview(ctx context.Context, holds ...reservation.Hold) ([]error, error) {
	if err := r.p.step(ctx, "preview "+holds[0].ID); err != nil {
		return nil, err
	}
	return r.p.w.stock.WithStore(r.p.w.database()).Preview(ctx, holds...)
}

func (r simReserver) Hold(ctx context.Context, t tx, holds ...reservation.Hold) ([]error, error) {
	if err := r.p.step(ctx, "hold "+holds[0].ID); err != nil {
		return nil, err
	}
	defer r.p.afterLocks(ctx)()
	return r.Reserver.Hold(ctx, t, holds...)
}

func (r simReserver) Commit(ctx context.Context, t tx, ids ...string) ([]error, error) {
	if err := r.p.step(ctx, "sell "+ids[0]); err != nil {
		return nil, err
	}
	defer r.p.afterLocks(ctx)()
	return r.Reserver.Commit(ctx, t, ids...)
}

func (r simReserver) Release(ctx context.Context, t tx, ids ...string) ([]error, error) {
	if err := r.p.step(ctx, "release "+ids[0]); err != nil {
		return nil, err
	}
	defer r.p.afterLocks(ctx)()
	return r.Reserver.Release(ctx, t, ids...)
}

type simWire struct {
	next http.RoundTripper
	p    *simProcess
}

func (w simWire) RoundTrip(r *http.Request) (*http.Response, error) {
	what := r.Method + " " + w.p.w.named(r.URL.Path)
	if err := w.p.step(r.Context(), what); err != nil {
		return nil, err
	}
	response, err := w.next.RoundTrip(r)
	switch {
	case err != nil:
		w.p.w.say(r.Context(), "%s: no answer", what)
	default:
		w.p.w.say(r.Context(), "%s: %d", what, response.StatusCode)
		if response.StatusCode == http.StatusTooManyRequests {
			w.p.w.limited.Store(true)
		}
		w.p.w.answeredBy(r, response)
	}
	return response, err
}

// hookRouter takes Stripe's deliveries, each in a process of its choice. A delivery waits for its turn before it has a number:
// two that arrive at once are copies of each other, and the numbers are what tells them apart from then on.
type hookRouter struct{ w *world }

func (h hookRouter) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	h.w.sched.wait("webhook", "arrives")
	if h.w.jam.keeps(r) {
		rw.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	p, a := h.receiver()
	h.serve(rw, r, p, a)
}

// receiver is who takes the next delivery.
func (h hookRouter) receiver() (*simProcess, actor) {
	n := h.w.deliveries.Add(1)
	p := h.w.processes[mix(h.w.seed, uint64(n))%uint64(len(h.w.processes))].Load()
	return p, actor{name: h.w.actorName("webhook to " + p.name)}
}

func (h hookRouter) serve(rw http.ResponseWriter, r *http.Request, p *simProcess, a actor) {
	defer h.w.sched.leads(a)()
	ctx := h.w.sched.acting(r.Context(), a)
	answer := &statusWriter{ResponseWriter: rw}
	told := h.w.hearing(r)
	if h.w.vanishes(told.event) {
		answer.WriteHeader(http.StatusOK)
		return
	}
	p.hook.ServeHTTP(answer, r.WithContext(ctx))
	if answer.status == http.StatusOK && !p.dead.Load() {
		told.check()
	}
	if p.step(ctx, "answer") != nil {
		panic(http.ErrAbortHandler) // the process died before Stripe had its answer
	}
	h.w.say(ctx, "answers %d", answer.status)
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}
