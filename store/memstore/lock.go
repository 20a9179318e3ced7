package memstore

import (
	"context"
	"slices"
)

// lock is the lock of a row: the transaction that owns it and the queue of those that wait for it, first come first served.
type lock struct {
	owner *Tx
	queue []*waiter
}

// waiter is a transaction that waits for a row.
type waiter struct {
	tx  *Tx
	key string
	// over is closed when the wait ends: tx owns the row, or tx is doomed.
	over chan struct{}
}

// lock takes the lock of key, or waits for it.
func (tx *Tx) lock(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w, err := tx.take(key)
	if w == nil {
		return err
	}
	select {
	case <-w.over:
	case <-ctx.Done():
	}
	s := tx.s
	s.mu.Lock()
	defer s.mu.Unlock()
	tx.waits = nil
	switch {
	case tx.doomed:
		return ErrDeadlock
	case tx.held[key]:
		return nil
	}
	s.leave(w)
	return ctx.Err()
}

// take takes the lock of key if it is free. Otherwise it queues up and returns its place in the queue.
func (tx *Tx) take(key string) (*waiter, error) {
	s := tx.s
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case tx.done:
		return nil, ErrTxDone
	case tx.doomed:
		return nil, ErrDeadlock
	case tx.held[key]:
		return nil, nil
	}
	l := s.locks[key]
	if l == nil {
		s.locks[key] = &lock{owner: tx}
		tx.held[key] = true
		return nil, nil
	}
	w := &waiter{tx: tx, key: key, over: make(chan struct{})}
	l.queue = append(l.queue, w)
	tx.waits = w
	s.breakDeadlock(tx)
	return w, nil
}

// breakDeadlock checks whether tx, which has just begun to wait, waits for itself. Each transaction waits for one row, and each
// row has one owner, so there is one chain to follow. Only a new wait can close the chain to a circle. The youngest transaction
// in the circle is doomed. The oldest of all transactions never is, so each one gets its turn.
func (s *Store) breakDeadlock(tx *Tx) {
	youngest := tx
	for at := s.locks[tx.waits.key].owner; at != tx; at = s.locks[at.waits.key].owner {
		if at.waits == nil {
			return
		}
		if at.born > youngest.born {
			youngest = at
		}
	}
	w := youngest.waits
	youngest.doomed, youngest.waits = true, nil
	s.leave(w)
	close(w.over)
}

// leave removes w from its queue.
func (s *Store) leave(w *waiter) {
	l := s.locks[w.key]
	l.queue = slices.DeleteFunc(l.queue, func(other *waiter) bool { return other == w })
}

// unlock gives the lock to the first in its queue.
func (s *Store) unlock(key string) {
	l := s.locks[key]
	if len(l.queue) == 0 {
		delete(s.locks, key)
		return
	}
	next := l.queue[0]
	l.queue = l.queue[1:]
	l.owner = next.tx
	next.tx.held[key] = true
	next.tx.waits = nil
	close(next.over)
}

// owns reports whether the transaction has locked the row.
func (tx *Tx) owns(key string) bool {
	tx.s.mu.Lock()
	defer tx.s.mu.Unlock()
	return tx.held[key]
}
