// Package sqlorders is the Store of packages sqlstore and pgxstore, which differ in the transaction that callers hold and in how
// statements reach the server.
package sqlorders

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/store"
)

var (
	_ store.Store[int] = (*Store[int])(nil)
	_ store.OwnTx[int] = (*Store[int])(nil)
	_ store.Counter    = (*Store[int])(nil)
)

// Store is a [store.Store] in an SQL database. Tx is its transaction, which must be comparable.
type Store[Tx any] struct {
	name    string
	db      sqlkit.DB[Tx]
	dialect sqlkit.Dialect
	grammar grammar
	begun   sync.Map    // the open transactions of InTx and InOwnTx: Tx to *transaction
	checked atomic.Bool // a connection's settings were checked, and they suit
}

// New returns a Store. Its errors begin with the name of the caller's package. New panics if dialect is unknown. It does not talk to
// the database. The first use of the Store checks the settings of the connection, and returns an error if they do not suit.
func New[Tx any](name string, db sqlkit.DB[Tx], dialect sqlkit.Dialect) *Store[Tx] {
	g, ok := grammars[dialect]
	if !ok {
		panic(name + ": " + dialect.String())
	}
	return &Store[Tx]{name: name, db: db, dialect: dialect, grammar: g}
}

// fail adds the package and the action that failed to err.
func (s *Store[Tx]) fail(ctx context.Context, doing string, err error) error {
	return sqlkit.Fail(ctx, s.name+": "+doing, err)
}

// read runs fn, which only reads, outside of a transaction.
func (s *Store[Tx]) read(ctx context.Context, fn func() error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	return named(sqlkit.Retry(ctx, fn))
}

// ready checks the settings of a connection before the Store is first used. A setting that would lose a customer's name then
// shows before a customer has paid.
func (s *Store[Tx]) ready(ctx context.Context) error {
	if s.checked.Load() {
		return nil
	}
	if err := s.db.CheckSettings(ctx); err != nil {
		return named(s.fail(ctx, "check the connection", err))
	}
	s.checked.Store(true)
	return nil
}

// The largest lengths, in bytes.
const (
	maxID    = 200
	maxRef   = 255
	maxClaim = 500
	maxName  = 200
)

// validKey reports whether text can be stored as a key of at most that many bytes. No database holds any other key, and
// PostgreSQL returns an error when asked for one.
func validKey(text string, most int) bool {
	return text != "" && len(text) <= most && utf8.ValidString(text) && !strings.Contains(text, "\x00")
}
