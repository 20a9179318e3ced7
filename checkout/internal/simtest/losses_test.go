package simtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gofulfil/fulfil/store/memstore"
)

// errFailover is the error of a transaction whose database is not in use anymore.
var errFailover = errors.New("the database failed over")

// database is the Store in use.
func (w *world) database() *memstore.Store { return w.st.Load() }

// backUp keeps all rows as they are committed now.
func (w *world) backUp(ctx context.Context) {
	w.backup = w.database().Scan("")
	w.say(ctx, "%d rows backed up", len(w.backup))
	w.met("backup")
}

// restore has the shop go on with a database that has what the last backup had. Transactions that go on fail.
func (w *world) restore(ctx context.Context) {
	if w.backup == nil {
		return
	}
	st := memstore.New()
	if err := st.InTx(context.Background(), func(tx tx) error { return put(tx, w.backup) }); err != nil {
		w.fail("the backup can't be restored: %v", err)
		return
	}
	w.unlockRows()
	w.st.Store(st)
	w.losses.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.orders {
		id := fmt.Sprintf("order-%d", i+1)
		if o := w.check.orders[id]; o != nil && o.Paid() {
			w.forgotten[id] = true
		}
	}
	w.check.lookAgain()
	for _, s := range w.sessions {
		if o := w.order(s.order); o == nil || o.AttemptBySession(s.id) == nil {
			s.lost = true
		}
	}
	w.faults["backup restored"]++
}

// lost reports whether the database knew of a session before it went back to a backup in which its attempt had none.
func (w *world) lost(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.sessions, func(s *simSession) bool { return s.id == id && s.lost })
}

// forgotPaid reports whether the database lost that an order was paid. Who was about to fulfil it may still do so, and finds
// no order to mark.
func (w *world) forgotPaid(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.forgotten[id]
}

// conflicts notes that Stripe knows the idempotency key of a session that is being created: the database lost an order, and
// whoever creates the session learns of it, and looks for what was paid as far back as Stripe keeps such keys, a day.
func (w *world) conflicts(ctx context.Context, order string) {
	w.met("idempotency key used before the loss")
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sessions {
		if s.order == order && s.lost && s.paid && !s.foreign && !s.recovered && w.srv.Now().Sub(s.created) < 24*time.Hour {
			w.lostPaid[actorOf(ctx).name] = s
		}
	}
}

// conflict returns the session that conflicts found to be paid, or nil.
func (w *world) conflict(ctx context.Context) *simSession {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lostPaid[actorOf(ctx).name]
}

func put(tx tx, rows []memstore.Row) error {
	for _, row := range rows {
		if err := tx.Set(context.Background(), row.Key, row.Value); err != nil {
			return err
		}
	}
	return nil
}
