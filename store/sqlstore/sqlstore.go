package sqlstore

import (
	"database/sql"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/internal/sqlorders"
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

// Errors of a Store's InTx.
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

// Store is a [store.Store] in an SQL database. Make one with [New]. Beside the methods of [store.Store], [store.OwnTx] and
// [store.Counter] it has
//
//	Index(ctx context.Context, after store.Position, limit int) (next store.Position, err error)
//
// Index makes orders findable by e-mail address, customer's ID and metadata that were saved before schema version 4, or by a process
// of an older version. A program that had orders before calls it once for all pages, after the last process of the older version has
// ended: with the zero Position, and then with the one that it returned, until that is the zero Position again.
type Store struct{ *orders }

type orders = sqlorders.Store[*sql.Tx]

// New returns a Store for a database whose tables [Migrate] has made. It panics if db is nil or dialect is unknown. New does
// not talk to the database. The first use of the Store checks the settings of the connection, and returns an error if they do
// not suit, as [Check] does.
func New(db *sql.DB, dialect Dialect) *Store {
	if db == nil {
		panic("sqlstore: the database is nil")
	}
	return &Store{sqlorders.New("sqlstore", sqlkit.SQL{DB: db, Dialect: dialect}, dialect)}
}
