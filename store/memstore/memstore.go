// Package memstore keeps orders in memory, for tests and demonstrations. Nothing survives the process.
//
// Its transactions are real ones. A commit shows all that was written through a [Tx] to others at once, and nothing shows
// before. An error or a panic rolls all of it back. A transaction owns each row that it writes or locks until it ends. Others
// that want the same row wait; the rest go on. A merchant's callback writes rows of its own in the same transaction with
// [Tx.Set], and reads them with [Store.Get] and [Store.Scan].
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

// maxTries is how often InTx runs its function at most. A deadlock dooms its youngest transaction, and a transaction keeps its
// age when it is run again. So contention alone never reaches this limit; it is a safeguard.
const maxTries = 100

var (
	// ErrDeadlock is returned by a [Tx] that was chosen to break a deadlock: older transactions wait for its rows, and it waits
	// for theirs. [Store.InTx] then runs its function again. After 100 such tries InTx returns an error that matches
	// ErrDeadlock.
	ErrDeadlock = errors.New("memstore: deadlock")
	// ErrTxDone is returned by a [Tx] that has ended.
	ErrTxDone = errors.New("memstore: the transaction has ended: use tx only inside its function")
)

var _ store.Store[*Tx] = (*Store)(nil)

// Store is a [store.Store] in memory. Make one with [New].
type Store struct {
	mu sync.Mutex // never held while a transaction waits
	// tables holds the committed rows: by table name, then by key. The table name is the key's part before the first slash.
	tables map[string]map[string]any
	locks  map[string]*lock
	births uint64 // how many transactions were begun
}

// New returns an empty store.
func New() *Store {
	return &Store{tables: map[string]map[string]any{}, locks: map[string]*lock{}}
}

// InTx runs fn in a transaction, as [store.Store] says. If ctx has ended when fn returns, InTx commits nothing and returns the
// context's error. Fn must not wait for another transaction that may want a row of this one, such as a nested InTx: both would
// wait until a context ends.
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

// Scan returns the committed rows whose keys begin with prefix, sorted by key. It never waits.
func (s *Store) Scan(prefix string) []Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.scan(prefix, nil)
}

func (s *Store) committed(key string) (value any, ok bool) {
	value, ok = s.tables[tableOf(key)][key]
	return value, ok
}

// commit writes one row. The value deleted removes it.
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

// scan returns the rows whose keys begin with prefix. Rows of writes hide the committed ones.
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
