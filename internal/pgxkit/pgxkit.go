// Package pgxkit is shared by the backends on pgx. It is for pgx.Tx what [sqlkit.SQL] is for *sql.Tx.
package pgxkit

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/gofulfil/fulfil/internal/sqlkit"
)

var _ sqlkit.DB[pgx.Tx] = Pool{}

// Pool is a PostgreSQL database through a pool of pgx.
type Pool struct{ Pool *pgxpool.Pool }

// OpenDB opens the pool for database/sql. The caller closes what OpenDB returns; the pool stays open.
func (p Pool) OpenDB() *sql.DB {
	db := stdlib.OpenDBFromPool(p.Pool)
	db.SetMaxOpenConns(int(p.Pool.Config().MaxConns)) // the search for a pooler must know how many connections it can have
	return db
}

// CheckSettings returns an error if a setting of a connection does not suit the library.
func (p Pool) CheckSettings(ctx context.Context) error {
	db := p.OpenDB()
	defer db.Close()
	return sqlkit.SQL{DB: db, Dialect: sqlkit.Postgres}.CheckSettings(ctx)
}

// Send sends statements outside of transactions, in one round trip.
func (p Pool) Send(ctx context.Context, statements ...sqlkit.Statement) error {
	return send(ctx, p.Pool, statements)
}

// In returns what sends statements in a transaction, each time in one round trip.
func (Pool) In(tx pgx.Tx) sqlkit.Sender { return sender{tx} }

type sender struct{ tx pgx.Tx }

func (s sender) Send(ctx context.Context, statements ...sqlkit.Statement) error {
	return send(ctx, s.tx, statements)
}

// querier is *pgxpool.Pool or pgx.Tx.
type querier interface {
	Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
	SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults
}

func send(ctx context.Context, q querier, statements []sqlkit.Statement) error {
	switch len(statements) {
	case 0:
		return nil
	case 1:
		s := statements[0]
		if s.Row != nil {
			rows, err := q.Query(ctx, s.Query, s.Args...)
			return each(rows, err, s.Row)
		}
		tag, err := q.Exec(ctx, s.Query, s.Args...)
		return changed(tag, err, s.Changed)
	}
	var batch pgx.Batch
	for _, s := range statements {
		batch.Queue(s.Query, s.Args...)
	}
	results := q.SendBatch(ctx, &batch)
	for _, s := range statements {
		if err := answer(results, s); err != nil {
			_ = results.Close() // it fails for the same reason
			return err
		}
	}
	return results.Close()
}

// answer reads the answer to the next statement of a batch.
func answer(results pgx.BatchResults, s sqlkit.Statement) error {
	if s.Row != nil {
		rows, err := results.Query()
		return each(rows, err, s.Row)
	}
	tag, err := results.Exec()
	return changed(tag, err, s.Changed)
}

// each calls row for each row of an answer.
func each(rows pgx.Rows, err error, row func(scan sqlkit.Scan) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// changed stores the number of rows that a statement changed.
func changed(tag pgconn.CommandTag, err error, n *int64) error {
	if err == nil && n != nil {
		*n = tag.RowsAffected()
	}
	return err
}

// InTx is InTx of [sqlkit.SQL].
func (p Pool) InTx(ctx context.Context, level sql.IsolationLevel, fn func(tx pgx.Tx) error) error {
	options := pgx.TxOptions{IsoLevel: levels[level]}
	return sqlkit.Retry(ctx, func() error { return p.once(ctx, options, false, fn, nil) })
}

var levels = map[sql.IsolationLevel]pgx.TxIsoLevel{
	sql.LevelReadCommitted: pgx.ReadCommitted, sql.LevelRepeatableRead: pgx.RepeatableRead, sql.LevelSerializable: pgx.Serializable,
}

// begunAndMarked begins a transaction and marks it, in one round trip.
var begunAndMarked = pgx.TxOptions{BeginQuery: "BEGIN; " + sqlkit.MarkPostgres}

// InMarkedTx is InMarkedTx of [sqlkit.SQL].
func (p Pool) InMarkedTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return sqlkit.Retry(ctx, func() error { return p.once(ctx, begunAndMarked, true, fn, nil) })
}

// InCallbackTx is InCallbackTx of [sqlkit.SQL].
func (p Pool) InCallbackTx(ctx context.Context, callback, record func(tx pgx.Tx) error) error {
	return sqlkit.Retry(ctx, func() error { return p.once(ctx, begunAndMarked, true, callback, record) })
}

// rollbackTime is how long a ROLLBACK may take. It does not depend on the caller's context, which may have ended.
const rollbackTime = 10 * time.Second

// once runs fn and record, which may be nil, in one transaction.
func (p Pool) once(ctx context.Context, options pgx.TxOptions, marked bool, fn, record func(tx pgx.Tx) error) (err error) {
	conn, err := p.Pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Release() // closes a connection that is still in a transaction
	defer func() {
		if sqlkit.IsReadOnly(err) {
			_ = conn.Conn().Close(ctx) // so that the pool connects anew, to the server that writes
		}
	}()
	tx, err := conn.BeginTx(ctx, options)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTime)
		defer cancel()
		_ = tx.Rollback(ctx) // after a commit it does nothing, and otherwise the first error counts
	}()
	if err := sqlkit.Run(ctx, sqlkit.Postgres, p.In(tx), marked, tx, fn, record); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return sqlkit.CommitError(err)
	}
	return nil
}
