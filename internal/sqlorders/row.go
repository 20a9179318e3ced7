package sqlorders

import (
	"bytes"
	"database/sql"
	"encoding/json"
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
		"id", "status", "stuck", "email", "currency", "total", "livemode", "created_at", "updated_at", "due_at", "data", "session",
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
// refuses: a payment that can't be stored would be lost. Stripe's session is the largest part of most orders, and rarely changes: it has
// a column of its own, which is NULL in the row if the transaction knows that the table has this session already.
func (s *Store[Tx]) row(o *store.Order, before written) ([]any, error) {
	rest := *o
	rest.Session = nil
	data, err := rest.Encode()
	if err != nil {
		return nil, err
	}
	var session any
	if !before.known || !bytes.Equal(o.Session, before.session) {
		if session, err = sessionText(o); err != nil {
			return nil, err
		}
	}
	var due any
	if !o.DueAt.IsZero() {
		due = s.dialect.Time(o.DueAt)
	}
	return []any{
		o.ID, string(o.Status()), o.Stuck(), strings.ReplaceAll(o.Customer.Email, "\x00", ""), o.Currency, o.Amounts.Total, o.Livemode,
		s.dialect.Time(o.CreatedAt), s.dialect.Time(o.UpdatedAt), due, strings.ToValidUTF8(string(data), "\uFFFD"), session,
	}, nil
}

// newValue is what a save sets a column to. The session stays as it is where the row has NULL.
func newValue(column, value string) string {
	if column == "session" {
		return "COALESCE(" + value + ", fulfil_orders.session)"
	}
	return value
}

// noSession stands in the column session of an order that has no session anymore. NULL would leave the column as it is.
const noSession = "null"

// sessionText is an order's session as the column has it.
func sessionText(o *store.Order) (string, error) {
	if len(o.Session) == 0 {
		return noSession, nil
	}
	var text bytes.Buffer
	if err := json.Compact(&text, o.Session); err != nil {
		return "", fmt.Errorf("session of order %s: %w", o.ID, err)
	}
	return strings.ToValidUTF8(text.String(), "\uFFFD"), nil
}

// storedOrder is an order as the database returns it.
type storedOrder struct {
	data, session []byte
	due           sql.NullString
}

// storedColumns are the columns of a storedOrder, in the order of its fields.
func (g grammar) storedColumns() string { return "data, session, " + g.dueText }

// fields are what storedColumns are scanned into.
func (r *storedOrder) fields() []any { return []any{&r.data, &r.session, &r.due} }

// order decodes the order. DueAt comes from the column, because Due changes only the column. Orders that were saved before schema
// version 5 have their session in data.
func (r *storedOrder) order() (*store.Order, error) {
	if string(r.session) == noSession {
		r.session = nil
	}
	o, err := store.DecodeOrder(r.data)
	if err != nil {
		return nil, err
	}
	if len(o.Session) == 0 && len(r.session) > 0 {
		o.Session = bytes.Clone(r.session)
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
