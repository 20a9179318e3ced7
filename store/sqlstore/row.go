package sqlstore

import (
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// table is where rows are inserted; its key is the first of its columns.
type table struct {
	name    string
	columns []string
}

func (t table) key() string { return t.columns[0] }

var (
	ordersTable = table{"fulfil_orders", []string{
		"id", "status", "stuck", "email", "currency", "total", "livemode", "created_at", "updated_at", "due_at", "data",
	}}
	refsTable   = table{"fulfil_refs", []string{"ref", "order_id"}}
	claimsTable = table{"fulfil_claims", []string{"claim", "claimed_at"}}
	valuesTable = table{"fulfil_values", []string{"name", "value"}}
)

// row returns the columns of ordersTable for an order. What PostgreSQL takes for no text is left out or replaced: a payment
// that could not be kept for it would be lost.
func (s *Store) row(o *store.Order) ([]any, error) {
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

// kept is an order as it comes from the database.
type kept struct {
	data []byte
	due  sql.NullString
}

// order decodes it. Due moves the column alone, so that counts.
func (k *kept) order() (*store.Order, error) {
	o, err := store.DecodeOrder(k.data)
	if err != nil {
		return nil, err
	}
	o.DueAt = time.Time{}
	if k.due.Valid {
		due, err := time.Parse(time.RFC3339, k.due.String)
		if err != nil {
			return nil, fmt.Errorf("due_at of order %s: %w", o.ID, err)
		}
		o.DueAt = store.Time(due)
	}
	return o, nil
}
