package sqlkit

import (
	"context"
	"database/sql"
)

// Statement is a statement with its arguments, and with what takes its answer.
type Statement struct {
	Query string
	Args  []any
	// Row is called for each row that the statement returns; nil: the rows do not matter.
	Row func(scan Scan) error
	// Changed receives the number of rows that the statement changed; nil: the number does not matter. A statement with Row has
	// none.
	Changed *int64
}

// Scan copies the columns of a row.
type Scan func(dest ...any) error

// Sender sends statements to a database. It stops at the first that fails and returns its error. Over database/sql each
// statement takes a round trip; over pgx all of them take one.
type Sender interface {
	Send(ctx context.Context, statements ...Statement) error
}

// DB is a database, through database/sql or through pgx. Tx is its transaction.
type DB[Tx any] interface {
	// Send, of Sender, sends statements outside of transactions.
	Sender
	// In returns what sends statements in a transaction.
	In(tx Tx) Sender
	// InTx, InMarkedTx and InCallbackTx are those of [SQL].
	InTx(ctx context.Context, level sql.IsolationLevel, fn func(tx Tx) error) error
	InMarkedTx(ctx context.Context, fn func(tx Tx) error) error
	InCallbackTx(ctx context.Context, callback, record func(tx Tx) error) error
	// CheckSettings returns an error if a setting of a connection does not suit the library.
	CheckSettings(ctx context.Context) error
}

var _ DB[*sql.Tx] = SQL{}

// SQL is a database through database/sql.
type SQL struct {
	DB      *sql.DB
	Dialect Dialect
}

// Send sends statements outside of transactions, over one connection. A server that refuses even reads, such as a node that left its
// cluster, loses the connection, as in InTx.
func (s SQL) Send(ctx context.Context, statements ...Statement) error {
	conn, err := s.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	err = send(ctx, conn, statements)
	if IsReadOnly(err) {
		discard(conn)
	}
	return err
}

// In returns what sends statements in a transaction.
func (SQL) In(tx *sql.Tx) Sender { return sqlTx{tx} }

type sqlTx struct{ tx *sql.Tx }

func (t sqlTx) Send(ctx context.Context, statements ...Statement) error {
	return send(ctx, t.tx, statements)
}

// querier is *sql.Conn or *sql.Tx.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func send(ctx context.Context, q querier, statements []Statement) error {
	for _, s := range statements {
		if s.Row != nil {
			if err := each(ctx, q, s); err != nil {
				return err
			}
			continue
		}
		result, err := q.ExecContext(ctx, s.Query, s.Args...)
		if err == nil && s.Changed != nil {
			*s.Changed, err = result.RowsAffected()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// each calls Row for each row of a statement.
func each(ctx context.Context, q querier, s Statement) error {
	rows, err := q.QueryContext(ctx, s.Query, s.Args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := s.Row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
