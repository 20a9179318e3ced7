package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"
	"strings"
	"unicode/utf8"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/store"
)

// Dialect is the SQL that a database speaks.
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

// ErrConflict is matched by the error of [Store.InTx], and of what the Store does in transactions of its own, when all
// its tries collided with other transactions.
var ErrConflict = sqlkit.ErrConflict

//go:embed schema
var files embed.FS

var component = sqlkit.Component{Name: "store", Files: files}

// Migrate creates the Store's tables or brings them up to date. Any number of processes may call it at once and as often
// as they like: they take turns, and what is done is not done again. After a crash the next call goes on where it ended.
func Migrate(ctx context.Context, db *sql.DB, dialect Dialect) error {
	return sqlkit.Migrate(ctx, db, dialect, component)
}

// Schema returns what [Migrate] runs as plain SQL, one file per version named as golang-migrate wants it
// (0001_orders.up.sql) and annotated for goose. Statements end with a semicolon at the end of a line.
func Schema(dialect Dialect) (fs.FS, error) { return component.Schema(dialect) }

var _ store.Store[*sql.Tx] = (*Store)(nil)

// Store is a [store.Store] in an SQL database. Make one with [New].
type Store struct {
	db      *sql.DB
	dialect Dialect
	grammar grammar
}

// New returns the Store of a database whose tables [Migrate] has made. It panics if dialect is not one of this package's or
// db is nil; it does not talk to the database.
func New(db *sql.DB, dialect Dialect) *Store {
	g, ok := grammars[dialect]
	if !ok {
		panic("sqlstore: " + dialect.String())
	}
	if db == nil {
		panic("sqlstore: no database")
	}
	return &Store{db: db, dialect: dialect, grammar: g}
}

// InTx runs fn in a transaction, as [store.Store] says: up to thirty times within a minute while it collides with
// others, with growing pauses between, and then it returns an error that matches [ErrConflict]. So fn may run several times, and what it does outside
// of tx may happen several times. On SQLite the transaction has the write lock from its beginning.
//
// Fn must not use the database except through tx: it would wait for a second connection while it holds one, and on SQLite
// for itself.
func (s *Store) InTx(ctx context.Context, fn func(tx *sql.Tx) error) error {
	return sqlkit.InTx(ctx, s.db, s.dialect, fn)
}

// Lengths in bytes at most.
const (
	maxID    = 200
	maxRef   = 255
	maxClaim = 500
	maxName  = 200
)

// possible reports whether text can be a key of the database: on none is there one that is not, and PostgreSQL refuses to
// look for it.
func possible(text string, most int) bool {
	return text != "" && len(text) <= most && utf8.ValidString(text) && !strings.Contains(text, "\x00")
}
