package memstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// maxClaimBytes is the maximum length of a claim's key.
const maxClaimBytes = 500

// Claim takes the keys that are free, as [store.Store] says.
func (s *Store) Claim(ctx context.Context, tx *Tx, now time.Time, keys ...string) (first []bool, err error) {
	if err := tx.of(s); err != nil {
		return nil, err
	}
	rows := make([]string, len(keys))
	for i, key := range keys {
		if key == "" || len(key) > maxClaimBytes {
			return nil, fmt.Errorf("memstore: claim: a key has %d bytes; give it 1 to %d", len(key), maxClaimBytes)
		}
		rows[i] = claimTable + key
	}
	if err := tx.Lock(ctx, rows...); err != nil {
		return nil, err
	}
	first = make([]bool, len(keys))
	for i, row := range rows {
		if _, taken := tx.Get(row); taken {
			continue
		}
		if err := tx.Set(ctx, row, now); err != nil {
			return nil, err
		}
		first[i] = true
	}
	return first, nil
}

// Prune frees keys that were claimed long ago, as [store.Store] says. It scans all claims.
func (s *Store) Prune(ctx context.Context, before time.Time, limit int) (pruned int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	type claim struct {
		row string
		at  time.Time
	}
	var old []claim
	for row, value := range s.tables[tableOf(claimTable)] {
		at := store.Time(value.(time.Time))
		if at.Before(store.Time(before)) && s.locks[row] == nil {
			old = append(old, claim{row, at})
		}
	}
	slices.SortFunc(old, func(a, b claim) int { return compare(a.at, a.row, b.at, b.row) })
	old = old[:min(len(old), max(limit, 0))]
	for _, c := range old {
		s.commit(c.row, deleted{})
	}
	return len(old), nil
}

// ShopID returns the ID of this installation, as [store.Store] says.
func (s *Store) ShopID(ctx context.Context, fresh string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if fresh == "" {
		return "", errors.New("memstore: the fresh shop ID is empty: pass a random one")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if id, ok := s.committed(shopKey); ok {
		return id.(string), nil
	}
	s.commit(shopKey, fresh)
	return fresh, nil
}

// Cursor returns the value last set under name, or "" if there is none.
func (s *Store) Cursor(ctx context.Context, name string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	value, ok := s.Get(cursorTable + name)
	if !ok {
		return "", nil
	}
	return value.(string), nil
}

// SetCursor stores value under name.
func (s *Store) SetCursor(ctx context.Context, name, value string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commit(cursorTable+name, value)
	return nil
}
