package sqlstore

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/store"
)

// Dialect is the SQL that a database speaks. The dialects of sqlstore and sqlreserver are the same type. It has the methods
//
//	String() string                // the name in lower case: postgres, mysql or sqlite
//	Rebind(query string) string    // replaces question marks by the dialect's placeholders: $1, $2 … on PostgreSQL
//	Time(t time.Time) string       // t in UTC to the microsecond, as a parameter for a column of times
type Dialect = sqlkit.Dialect

// The dialects.
const (
	// Postgres is PostgreSQL 12 and later.
	Postgres = sqlkit.Postgres
	// MySQL is MySQL 8.0 and later, and MariaDB 10.6 and later.
	MySQL = sqlkit.MySQL
	// SQLite is SQLite 3.35 and later.
	SQLite = sqlkit.SQLite
)

// Errors of [Store.InTx].
var (
	// ErrConflict is matched when a transaction collided with others in all of its tries. It is also matched by the errors of
	// methods that work in a transaction of their own.
	ErrConflict = sqlkit.ErrConflict
	// ErrTxEnded is matched when the transaction ended before its function returned. Either the database rolled it back and
	// the function did not return that error, or the function ran a COMMIT, a ROLLBACK or a change of the schema.
	ErrTxEnded = sqlkit.ErrTxEnded
)

var (
	_ store.Store[*sql.Tx] = (*Store)(nil)
	_ store.OwnTx[*sql.Tx] = (*Store)(nil)
	_ store.Counter        = (*Store)(nil)
)

// Store is a [store.Store] in an SQL database. Make one with [New].
type Store struct {
	db      *sql.DB
	dialect Dialect
	grammar grammar
	begun   sync.Map    // the open transactions of InTx and InOwnTx: *sql.Tx to *transaction
	checked atomic.Bool // a connection's settings were checked, and they suit
}

// New returns a Store for a database whose tables [Migrate] has made. It panics if db is nil or dialect is unknown. New does
// not talk to the database. The first use of the Store checks the settings of the connection, and returns an error if they do
// not suit, as [Check] does.
func New(db *sql.DB, dialect Dialect) *Store {
	g, ok := grammars[dialect]
	if !ok {
		panic("sqlstore: " + dialect.String())
	}
	if db == nil {
		panic("sqlstore: the database is nil")
	}
	return &Store{db: db, dialect: dialect, grammar: g}
}

// read runs fn, which only reads, outside of a transaction.
func (s *Store) read(ctx context.Context, fn func() error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	return named(sqlkit.Retry(ctx, fn))
}

// ready checks the settings of a connection before the Store is first used. A setting that would lose a customer's name then
// shows before a customer has paid.
func (s *Store) ready(ctx context.Context) error {
	if s.checked.Load() {
		return nil
	}
	if err := sqlkit.CheckSettings(ctx, s.db, s.dialect); err != nil {
		return named(sqlkit.Fail(ctx, "check the connection", err))
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
