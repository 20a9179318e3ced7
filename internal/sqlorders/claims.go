package sqlorders

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gofulfil/fulfil/internal/sqlkit"
)

// Claim takes the keys that are free, as [store.Store] says.
func (s *Store[Tx]) Claim(ctx context.Context, tx Tx, now time.Time, keys ...string) (first []bool, err error) {
	at := map[string]int{}
	for i, key := range keys {
		if key == "" || len(key) > maxClaim {
			return nil, fmt.Errorf(s.name+": claim: a key has %d bytes; give it 1 to %d", len(key), maxClaim)
		}
		if _, repeated := at[key]; !repeated {
			at[key] = i
		}
	}
	rows := make([][]any, 0, len(at))
	for _, key := range slices.Sorted(maps.Keys(at)) {
		rows = append(rows, []any{[]byte(key), s.dialect.Time(now)})
	}
	added, err := s.grammar.add(ctx, s.db.In(tx), claimsTable, rows)
	if err != nil {
		return nil, s.fail(ctx, "claim", err)
	}
	first = make([]bool, len(keys))
	for key := range added {
		first[at[key]] = true
	}
	return first, nil
}

// Prune frees keys that were claimed long ago, as [store.Store] says, in a transaction of its own.
func (s *Store[Tx]) Prune(ctx context.Context, before time.Time, limit int) (pruned int, err error) {
	if err := ctx.Err(); err != nil || limit <= 0 {
		return 0, err
	}
	// The subquery finds the claims by their time; the DELETE looks them up by their key. So the statement reads, locks and
	// waits for no other rows.
	oldest := "SELECT claim FROM fulfil_claims WHERE claimed_at < ? ORDER BY claimed_at, claim LIMIT ?" + s.grammar.skipLocked
	statement := s.dialect.Rebind(s.grammar.deleteClaims(oldest))
	var deleted int64
	err = s.ownTx(ctx, s.grammar.skipLevel, func(tx Tx) error {
		args := []any{s.dialect.Time(before), limit}
		return s.db.In(tx).Send(ctx, sqlkit.Statement{Query: statement, Args: args, Changed: &deleted})
	})
	return int(deleted), s.fail(ctx, "prune claims", err)
}

// The names in fulfil_values.
const (
	shopName     = "shop"
	cursorPrefix = "cursor/"
)

// ShopID returns the ID of this installation, as [store.Store] says.
func (s *Store[Tx]) ShopID(ctx context.Context, fresh string) (string, error) {
	if fresh == "" {
		return "", errors.New(s.name + ": the fresh shop ID is empty: pass a random one")
	}
	id, err := s.value(ctx, shopName)
	if err != nil || id != "" {
		return id, err
	}
	err = s.ownTx(ctx, sql.LevelDefault, func(tx Tx) error {
		// If another process was faster, this reads the ID of that process.
		query := s.dialect.Rebind("SELECT value FROM fulfil_values WHERE name = ?" + s.grammar.lock)
		read := sqlkit.Statement{Query: query, Args: []any{shopName}, Row: func(scan sqlkit.Scan) error { return scan(&id) }}
		return s.db.In(tx).Send(ctx, append(s.keep(valuesTable, [][]any{{shopName, fresh}}), read)...)
	})
	return id, s.fail(ctx, "keep the shop ID", err)
}

// Cursor returns the value last set under name, or "" if there is none.
func (s *Store[Tx]) Cursor(ctx context.Context, name string) (string, error) {
	return s.value(ctx, cursorPrefix+name)
}

// SetCursor stores value under name. A name has at most 200 bytes.
func (s *Store[Tx]) SetCursor(ctx context.Context, name, value string) error {
	if len(name) > maxName {
		return fmt.Errorf(s.name+": set a cursor: its name has %d bytes; give it at most %d", len(name), maxName)
	}
	err := s.ownTx(ctx, sql.LevelDefault, func(tx Tx) error {
		query := s.dialect.Rebind("UPDATE fulfil_values SET value = ? WHERE name = ?")
		set := sqlkit.Statement{Query: query, Args: []any{value, cursorPrefix + name}}
		return s.db.In(tx).Send(ctx, append(s.keep(valuesTable, [][]any{{cursorPrefix + name, value}}), set)...)
	})
	return s.fail(ctx, "set a cursor", err)
}

// value returns a value of fulfil_values, or "" if there is none.
func (s *Store[Tx]) value(ctx context.Context, name string) (value string, err error) {
	query := s.dialect.Rebind("SELECT value FROM fulfil_values WHERE name = ?")
	err = s.read(ctx, func() error {
		value = ""
		return s.db.Send(ctx, sqlkit.Statement{Query: query, Args: []any{name}, Row: func(scan sqlkit.Scan) error { return scan(&value) }})
	})
	return value, s.fail(ctx, "read "+name, err)
}
