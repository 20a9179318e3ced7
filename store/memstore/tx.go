package memstore

import (
	"context"
	"errors"
	"slices"
)

// Tx is a transaction of a [Store]. It keeps its writes aside until it commits, and owns the rows that it wrote or locked until
// it ends. Use it in one goroutine at a time, and not after the function that received it has returned.
//
// A merchant's callback can write rows of its own that commit together with the order:
//
//	tx.Set(ctx, "shipments/"+o.ID, shipment)
//
// The part of a key before the first slash is the name of its table. Names that begin with "fulfil_" belong to this library.
// Values are not copied: do not change what they point to afterwards.
type Tx struct {
	s      *Store
	born   uint64 // smaller is older; kept when the function is run again
	writes map[string]any
	held   map[string]bool
	waits  *waiter // its place in a queue; nil: it waits for nothing
	doomed bool    // must roll back to break a deadlock
	done   bool
}

// deleted is the value that stands for a deleted row.
type deleted struct{}

// run runs fn in tx and ends tx. The deferred rollback also covers a panic, and a test that ends within fn.
func (tx *Tx) run(ctx context.Context, fn func(tx *Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer tx.end(false)
	if err := fn(tx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	tx.end(true)
	return nil
}

// end commits or rolls back. A doomed transaction is rolled back. Only the first call has an effect.
func (tx *Tx) end(commit bool) {
	s := tx.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if tx.done {
		return
	}
	tx.done = true
	if commit && !tx.doomed {
		for key, value := range tx.writes {
			s.commit(key, value)
		}
	}
	for key := range tx.held {
		s.unlock(key)
	}
}

// Lock locks rows until the transaction ends, whether they exist or not. It waits for transactions that have locked them, and
// takes the locks by ascending key. It returns the error of ctx, [ErrDeadlock] or [ErrTxDone]. After an error the transaction
// can only be rolled back: return the error from its function.
func (tx *Tx) Lock(ctx context.Context, keys ...string) error {
	keys = slices.Clone(keys)
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if err := tx.lock(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// Get returns the value of key that this transaction wrote, or else the last committed one. It does not wait. The row may
// change unless the transaction has locked it. Get panics if the transaction has ended.
func (tx *Tx) Get(key string) (value any, ok bool) {
	tx.s.mu.Lock()
	defer tx.s.mu.Unlock()
	tx.mustLive()
	value, written := tx.writes[key]
	if !written {
		return tx.s.committed(key)
	}
	if value == (deleted{}) {
		return nil, false
	}
	return value, true
}

// Scan returns the rows whose keys begin with prefix, sorted by key, with the values that Get returns. It panics if the
// transaction has ended.
func (tx *Tx) Scan(prefix string) []Row {
	tx.s.mu.Lock()
	defer tx.s.mu.Unlock()
	tx.mustLive()
	return tx.s.scan(prefix, tx.writes)
}

// Set writes a row. It locks the row first and returns the errors of Lock.
func (tx *Tx) Set(ctx context.Context, key string, value any) error {
	if err := tx.lock(ctx, key); err != nil {
		return err
	}
	tx.s.mu.Lock()
	defer tx.s.mu.Unlock()
	tx.writes[key] = value
	return nil
}

// Delete removes a row, which may be missing. It locks the row first and returns the errors of Lock.
func (tx *Tx) Delete(ctx context.Context, key string) error { return tx.Set(ctx, key, deleted{}) }

func (tx *Tx) mustLive() {
	if tx.done {
		panic(ErrTxDone)
	}
}

// of checks that s made tx.
func (tx *Tx) of(s *Store) error {
	if tx == nil || tx.s != s {
		return errors.New("memstore: not a transaction of this store: pass the tx of its InTx")
	}
	return nil
}
