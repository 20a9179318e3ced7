// Package sqlstock is the Reserver of packages sqlreserver and pgxreserver, which differ in the transaction that callers hold and in
// how statements reach the server.
package sqlstock

import (
	"context"
	"fmt"
	"regexp"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation"
)

var (
	_ reservation.Reserver[int]  = (*Reserver[int])(nil)
	_ reservation.Previewer      = (*Reserver[int])(nil)
	_ reservation.Forgetter[int] = (*Reserver[int])(nil)
)

// Reserver is a [reservation.Reserver] that keeps its state in the database of the transaction that it receives.
type Reserver[Tx any] struct {
	name string
	in   func(tx Tx) sqlkit.Sender
	db   sqlkit.Sender // for Preview; may be nil
	sql  statements
}

// New returns a Reserver whose errors begin with the name of the caller's package. In returns what sends statements in a
// transaction. Db sends the statements of Preview; nil: there is no preview. New panics if dialect is unknown.
func New[Tx any](name string, in func(tx Tx) sqlkit.Sender, db sqlkit.Sender, dialect sqlkit.Dialect) *Reserver[Tx] {
	r := &Reserver[Tx]{name: name, in: in, db: db}
	switch dialect {
	case sqlkit.Postgres:
		r.sql = postgres
	case sqlkit.MySQL:
		r.sql = mysql
	case sqlkit.SQLite:
		r.sql = sqlite
	default:
		panic(name + ": " + dialect.String())
	}
	return r
}

// OnTable returns a Reserver whose stock is in another table than fulfil_stock. The rows of the table are the merchant's own. OnTable
// panics unless [ValidTable] is true.
func OnTable[Tx any](r *Reserver[Tx], name string) *Reserver[Tx] {
	if !ValidTable(name) {
		panic(fmt.Sprintf("%s: the table %q: its name must consist of letters, digits and underscores, with at most one point", r.name, name))
	}
	other := *r
	other.sql = r.sql.onTable(name)
	return &other
}

// ValidTable reports whether a table's name can be written into SQL as it is.
func ValidTable(name string) bool { return tableName.MatchString(name) }

var tableName = regexp.MustCompile(`^[A-Za-z_]\w*(\.[A-Za-z_]\w*)?$`)

// fail adds the package and the action that failed to err.
func (r *Reserver[Tx]) fail(ctx context.Context, doing string, err error) error {
	return sqlkit.Fail(ctx, r.name+": "+doing, err)
}
