package memstore

import (
	"context"
	"errors"
	"slices"
)

// Tx is a transaction of a [Store]: rows written are kept aside until it commits, and rows written or locked are its own
// until it ends. It is for one goroutine at a time and of no use after the function it was given to has returned.
//
// A merchant's callback can keep rows of its own that commit together with the order:
//
//	tx.Set(ctx, "shipments/"+o.ID, shipment)
//
// The part of a key before the first slash is the name of its table. Names that begin with "fulfil_" belong to this
// library. Values are handed out as they were given, so what they point to must not be changed afterwards.
type Tx struct {
	s      *Store
	born   uint64 // smaller is older; kept when the function is run again
	writes map[string]any
	held   map[string]bool
	waits  *waiter // what it waits for, if it does
	doomed bool
	done   bool
}

// deleted is the written value of a row that goes away.
type deleted struct{}

// run runs fn in tx and ends it. The rollback is deferred so that a panic, or a test that ends within fn, rolls back too.
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

// end commits, unless the transaction is doomed, or rolls back. Only the first call does anything.
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

// Lock makes rows the transaction's own until it ends, whether they exist or not, and waits for others that have them
// to end. It takes them in the order of the sorted keys. It returns the error of ctx, [ErrDeadlock], or [ErrTxDone];
// after any of them the transaction can only be rolled back, which returning the error from its function does.
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

// Get returns the value of key: what this transaction wrote, else what was last committed. It does not wait, and nothing
// keeps the row from changing unless the transaction has locked it. It panics if the transaction has ended.
func (tx *Tx) Get(key string) (value any, ok bool) {
	tx.s.mu.Lock()
	defer tx.s.mu.Unlock()
	tx.mustLive()
	if value, ok = tx.writes[key]; ok {
		if value == (deleted{}) {
			return nil, false
		}
		return value, true
	}
	return tx.s.committed(key)
}

// Scan returns the rows whose keys begin with prefix, by key, as Get would. It panics if the transaction has ended.
func (tx *Tx) Scan(prefix string) []Row {
	tx.s.mu.Lock()
	defer tx.s.mu.Unlock()
	tx.mustLive()
	return tx.s.scan(prefix, tx.writes)
}

// Set writes a row. It locks the row first and fails as Lock does.
func (tx *Tx) Set(ctx context.Context, key string, value any) error {
	if err := tx.lock(ctx, key); err != nil {
		return err
	}
	tx.s.mu.Lock()
	defer tx.s.mu.Unlock()
	tx.writes[key] = value
	return nil
}

// Delete takes a row away; it may be missing. It locks the row first and fails as Lock does.
func (tx *Tx) Delete(ctx context.Context, key string) error { return tx.Set(ctx, key, deleted{}) }

func (tx *Tx) mustLive() {
	if tx.done {
		panic(ErrTxDone)
	}
}

// of checks that s made tx.
func (tx *Tx) of(s *Store) error {
	if tx == nil || tx.s != s {
		return errors.New("memstore: not a transaction of this store")
	}
	return nil
}
