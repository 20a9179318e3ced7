package sqlstore

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

// Claim takes keys that nobody has taken, as [store.Store] says.
func (s *Store) Claim(ctx context.Context, tx *sql.Tx, now time.Time, keys ...string) (first []bool, err error) {
	at := map[string]int{}
	for i, key := range keys {
		if key == "" || len(key) > maxClaim {
			return nil, fmt.Errorf("sqlstore: a claim's key has %d bytes, not 1 to %d", len(key), maxClaim)
		}
		if _, repeated := at[key]; !repeated {
			at[key] = i
		}
	}
	rows := make([][]any, 0, len(at))
	for _, key := range slices.Sorted(maps.Keys(at)) {
		rows = append(rows, []any{[]byte(key), s.dialect.Time(now)})
	}
	added, err := s.grammar.add(ctx, tx, claimsTable, rows)
	if err != nil {
		return nil, sqlkit.Fail(ctx, "sqlstore: claim", err)
	}
	first = make([]bool, len(keys))
	for key := range added {
		first[at[key]] = true
	}
	return first, nil
}

// Prune frees keys that were claimed long ago, as [store.Store] says, in a transaction of its own.
func (s *Store) Prune(ctx context.Context, before time.Time, limit int) (pruned int, err error) {
	if err := ctx.Err(); err != nil || limit <= 0 {
		return 0, err
	}
	// The claims are found by their time and deleted by their key, so that the statement reads, locks and waits for no others.
	oldest := "SELECT claim FROM fulfil_claims WHERE claimed_at < ? ORDER BY claimed_at, claim LIMIT ?" + s.grammar.skipLocked
	statement := s.dialect.Rebind(s.grammar.deleteClaims(oldest))
	var deleted int64
	err = s.ownTx(ctx, s.grammar.skipLevel, func(tx *sql.Tx) (err error) {
		deleted, err = exec(ctx, tx, statement, []any{s.dialect.Time(before), limit})
		return err
	})
	return int(deleted), sqlkit.Fail(ctx, "sqlstore: prune claims", err)
}

// Names in fulfil_values.
const (
	shopName     = "shop"
	cursorPrefix = "cursor/"
)

// ShopID returns the ID of this installation, as [store.Store] says.
func (s *Store) ShopID(ctx context.Context, fresh string) (string, error) {
	if fresh == "" {
		return "", errors.New("sqlstore: a fresh shop ID is empty")
	}
	id, err := s.value(ctx, shopName)
	if err != nil || id != "" {
		return id, err
	}
	err = s.ownTx(ctx, sql.LevelDefault, func(tx *sql.Tx) error {
		if err := s.keep(ctx, tx, valuesTable, [][]any{{shopName, fresh}}); err != nil {
			return err
		}
		query := "SELECT value FROM fulfil_values WHERE name = ?" + s.grammar.lock // the ID of a process that was faster, if there is one
		return tx.QueryRowContext(ctx, s.dialect.Rebind(query), shopName).Scan(&id)
	})
	return id, sqlkit.Fail(ctx, "sqlstore: keep the shop ID", err)
}

// Cursor returns the value last set under name, empty if there is none.
func (s *Store) Cursor(ctx context.Context, name string) (string, error) {
	return s.value(ctx, cursorPrefix+name)
}

// SetCursor keeps value under name, which has at most 200 bytes.
func (s *Store) SetCursor(ctx context.Context, name, value string) error {
	if len(name) > maxName {
		return fmt.Errorf("sqlstore: the name of a cursor has %d bytes, not at most %d", len(name), maxName)
	}
	err := s.ownTx(ctx, sql.LevelDefault, func(tx *sql.Tx) error {
		if err := s.keep(ctx, tx, valuesTable, [][]any{{cursorPrefix + name, value}}); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, s.dialect.Rebind("UPDATE fulfil_values SET value = ? WHERE name = ?"), value, cursorPrefix+name)
		return err
	})
	return sqlkit.Fail(ctx, "sqlstore: set a cursor", err)
}

// value returns a row of fulfil_values, empty if it is missing.
func (s *Store) value(ctx context.Context, name string) (value string, err error) {
	query := s.dialect.Rebind("SELECT value FROM fulfil_values WHERE name = ?")
	err = s.read(ctx, func() error { return s.db.QueryRowContext(ctx, query, name).Scan(&value) })
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", sqlkit.Fail(ctx, "sqlstore: read "+name, err)
	}
	return value, nil
}
