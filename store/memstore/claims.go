package memstore

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// maxClaimBytes is the length of a claim's key at most.
const maxClaimBytes = 500

// Claim takes keys that nobody has taken, as [store.Store] says.
func (s *Store) Claim(ctx context.Context, tx *Tx, now time.Time, keys ...string) (first []bool, err error) {
	if err := tx.of(s); err != nil {
		return nil, err
	}
	rows := make([]string, len(keys))
	for i, key := range keys {
		if key == "" || len(key) > maxClaimBytes {
			return nil, fmt.Errorf("memstore: a claim's key has %d bytes, not 1 to %d", len(key), maxClaimBytes)
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

// ShopID returns the ID of this installation, as [store.Store] says.
func (s *Store) ShopID(ctx context.Context, fresh string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if fresh == "" {
		return "", errors.New("memstore: a fresh shop ID is empty")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if id, ok := s.committed(shopKey); ok {
		return id.(string), nil
	}
	s.commit(shopKey, fresh)
	return fresh, nil
}

// Cursor returns the value last set under name, empty if there is none.
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

// SetCursor keeps value under name.
func (s *Store) SetCursor(ctx context.Context, name, value string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commit(cursorTable+name, value)
	return nil
}
