package simtest

import (
	"context"
	"errors"

	"github.com/gofulfil/fulfil/store"
)

var (
	errUnreadable = errors.New("the row can't be read")
	errEnded      = errors.New("the database ended the transaction before its function did")
	errConsole    = errors.New("the person at the console rolls back")
)

// breakRow has the row of an order become unreadable, or somebody lock it in a console and go away.
func (w *world) breakRow(ctx context.Context, o op) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unreadable[o.order] || w.consoles[o.order] != nil || w.order(o.order) == nil {
		return
	}
	if o.dice%2 == 0 {
		w.unreadable[o.order] = true
		w.faults["row can't be read"]++
		return
	}
	leave, database := make(chan struct{}), w.database()
	w.consoles[o.order] = leave
	w.faults["row locked by somebody"]++
	go func() {
		err := database.InTx(context.Background(), func(tx tx) error {
			if err := tx.Lock(context.Background(), "fulfil_order/"+o.order); err != nil {
				return err
			}
			<-leave
			return errConsole
		})
		if !errors.Is(err, errConsole) {
			w.fail("the person at the console: %v", err)
		}
	}()
}

// mendRow ends what breakRow began, unless it lasts for ever.
func (w *world) mendRow(ctx context.Context, order string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.trouble.forever {
		return
	}
	delete(w.unreadable, order)
	if leave := w.consoles[order]; leave != nil {
		close(leave)
		delete(w.consoles, order)
	}
}

// unlockRows ends all locks of people at consoles.
func (w *world) unlockRows() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for order, leave := range w.consoles {
		close(leave)
		delete(w.consoles, order)
	}
}

// locked reports whether somebody keeps a row locked.
func (w *world) locked() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.consoles) > 0
}

// broken reports whether nothing can be done for an order.
func (w *world) broken(order string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.unreadable[order] || w.consoles[order] != nil
}

// read fails for an order whose row can't be read.
func (w *world) read(id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unreadable[id] {
		return errUnreadable
	}
	return nil
}

// readable is read for an order that was looked up.
func (w *world) readable(o *store.Order, err error) (*store.Order, error) {
	if err == nil {
		err = w.read(o.ID)
	}
	if err != nil {
		return nil, err
	}
	return o, nil
}

// end has the database end a transaction that goes on, as MySQL does on a deadlock.
func (w *world) end(t tx) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended[t] = true
}

// hasEnded reports whether a transaction was ended, and forgets that.
func (w *world) hasEnded(t tx) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	ended := w.ended[t]
	delete(w.ended, t)
	return ended
}
