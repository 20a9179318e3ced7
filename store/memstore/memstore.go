// Package memstore keeps orders in memory: for tests, for demonstrations and for trying out a shop. Nothing survives the
// process.
//
// Its transactions are real ones. What is written through a [Tx] shows to others only when it commits, and all of it at
// once; what an error or a panic rolls back never happened. A row that a transaction writes or locks is its own until it
// ends: others that want the same row wait, all others go on. A merchant's callback keeps rows of its own in the same
// transaction with [Tx.Set] and reads them with [Store.Get] and [Store.Scan].
package memstore

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"

	"github.com/gofulfil/fulfil/store"
)

// maxTries is how often InTx runs its function at most. A deadlock is always the end of the youngest transaction in it,
// and a transaction keeps its age when it is run again, so this is a safeguard that contention alone does not reach.
const maxTries = 100

var (
	// ErrDeadlock is returned by a [Tx] that must give way to older transactions: they wait for its rows, and it waits for
	// theirs. [Store.InTx] then runs its function again. It returns an error that matches ErrDeadlock only when 100 tries
	// have ended this way.
	ErrDeadlock = errors.New("memstore: deadlock")
	// ErrTxDone is returned by a [Tx] after its end.
	ErrTxDone = errors.New("memstore: the transaction has ended")
)

var _ store.Store[*Tx] = (*Store)(nil)

// Store is a [store.Store] in memory. Make one with [New].
type Store struct {
	mu sync.Mutex // held for moments only, never while anybody waits
	// tables holds the committed rows: by the key's part before the first slash, then by the whole key.
	tables map[string]map[string]any
	locks  map[string]*lock
	births uint64
}

// New returns an empty store.
func New() *Store {
	return &Store{tables: map[string]map[string]any{}, locks: map[string]*lock{}}
}

// InTx runs fn in a transaction, as [store.Store] says. It returns the context's error, and commits nothing, when ctx has
// ended by the time fn returns. fn must not wait for another transaction to commit, one in a nested InTx included, if that
// one may want a row of this one: it would wait until its own context ends.
func (s *Store) InTx(ctx context.Context, fn func(tx *Tx) error) error {
	s.mu.Lock()
	s.births++
	born := s.births
	s.mu.Unlock()
	for range maxTries {
		tx := &Tx{s: s, born: born, writes: map[string]any{}, held: map[string]bool{}}
		err := tx.run(ctx, fn)
		if !tx.doomed {
			return err
		}
	}
	return fmt.Errorf("memstore: gave up after %d tries: %w", maxTries, ErrDeadlock)
}

// Row is one row: a key and its value.
type Row struct {
	Key   string
	Value any
}

// Get returns the last committed value of key. It never waits.
func (s *Store) Get(key string) (value any, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.committed(key)
}

// Scan returns the committed rows whose keys begin with prefix, by key. It never waits.
func (s *Store) Scan(prefix string) []Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.scan(prefix, nil)
}

func (s *Store) committed(key string) (value any, ok bool) {
	value, ok = s.tables[tableOf(key)][key]
	return value, ok
}

// commit puts one row in its place; deleted takes it away.
func (s *Store) commit(key string, value any) {
	name := tableOf(key)
	if value == (deleted{}) {
		delete(s.tables[name], key)
		return
	}
	if s.tables[name] == nil {
		s.tables[name] = map[string]any{}
	}
	s.tables[name][key] = value
}

// scan returns the rows that begin with prefix, writes laid over the committed ones.
func (s *Store) scan(prefix string, writes map[string]any) []Row {
	var rows []Row
	add := func(table map[string]any, hidden map[string]any) {
		for key, value := range table {
			if _, ok := hidden[key]; !ok && value != (deleted{}) && strings.HasPrefix(key, prefix) {
				rows = append(rows, Row{key, value})
			}
		}
	}
	if strings.Contains(prefix, "/") {
		add(s.tables[tableOf(prefix)], writes)
	} else {
		for _, table := range s.tables {
			add(table, writes)
		}
	}
	add(writes, nil)
	sort.Slice(rows, func(i, j int) bool { return rows[i].Key < rows[j].Key })
	return rows
}

func tableOf(key string) string {
	name, _, _ := strings.Cut(key, "/")
	return name
}
