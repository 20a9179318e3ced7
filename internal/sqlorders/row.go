package sqlorders

import (
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/store"
)

// table is a table that the Store inserts into. Its first column is the key, except that all columns of termsTable are.
type table struct {
	name    string
	columns []string
}

func (t table) key() string { return t.columns[0] }

// keys are the columns of the primary key.
func (t table) keys() string {
	if t.name == termsTable.name {
		return strings.Join(t.columns, ", ")
	}
	return t.key()
}

var (
	ordersTable = table{"fulfil_orders", []string{
		"id", "status", "stuck", "email", "currency", "total", "livemode", "created_at", "updated_at", "due_at", "data",
	}}
	refsTable   = table{"fulfil_refs", []string{"ref", "order_id"}}
	claimsTable = table{"fulfil_claims", []string{"claim", "claimed_at"}}
	valuesTable = table{"fulfil_values", []string{"name", "value"}}
)

// Needs returns the tables and indexes that the Store uses.
func Needs(d sqlkit.Dialect) (tables []sqlkit.Table, indexes []string) {
	for _, t := range []table{ordersTable, refsTable, claimsTable, valuesTable, termsTable} {
		columns := t.columns
		if d == sqlkit.MySQL && (t.name == ordersTable.name || t.name == claimsTable.name) {
			columns = tokenTable(t).columns
		}
		tables = append(tables, sqlkit.Table{Name: t.name, Columns: columns})
	}
	if d == sqlkit.SQLite { // each transaction takes the write lock through this table
		tables = append(tables, sqlkit.Table{Name: "fulfil_schema", Columns: []string{"component", "version", "statement"}})
	}
	return tables, []string{
		"fulfil_orders_created", "fulfil_orders_status", "fulfil_orders_stuck", "fulfil_orders_due", "fulfil_claims_claimed",
	}
}

// row returns the values of an order for the columns of ordersTable. It removes or replaces the characters that PostgreSQL
// refuses: a payment that can't be stored would be lost.
func (s *Store[Tx]) row(o *store.Order) ([]any, error) {
	data, err := o.Encode()
	if err != nil {
		return nil, err
	}
	var due any
	if !o.DueAt.IsZero() {
		due = s.dialect.Time(o.DueAt)
	}
	return []any{
		o.ID, string(o.Status()), o.Stuck(), strings.ReplaceAll(o.Customer.Email, "\x00", ""), o.Currency, o.Amounts.Total, o.Livemode,
		s.dialect.Time(o.CreatedAt), s.dialect.Time(o.UpdatedAt), due, strings.ToValidUTF8(string(data), "\uFFFD"),
	}, nil
}

// storedOrder is an order as the database returns it.
type storedOrder struct {
	data []byte
	due  sql.NullString
}

// order decodes the order. DueAt comes from the column, because Due changes only the column.
func (r *storedOrder) order() (*store.Order, error) {
	o, err := store.DecodeOrder(r.data)
	if err != nil {
		return nil, err
	}
	o.DueAt = time.Time{}
	if r.due.Valid {
		due, err := time.Parse(time.RFC3339, r.due.String)
		if err != nil {
			return nil, fmt.Errorf("due_at of order %s: %w", o.ID, err)
		}
		o.DueAt = store.Time(due)
	}
	return o, nil
}
