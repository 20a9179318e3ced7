// Package shipments is what sqlc makes of one query, with sql_package: "pgx/v5".
package shipments

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

type DBTX interface {
	Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
	Query(context.Context, string, ...any) (pgx.Rows, error)
	QueryRow(context.Context, string, ...any) pgx.Row
}

func New(db DBTX) *Queries { return &Queries{db: db} }

type Queries struct{ db DBTX }

const createShipment = `-- name: CreateShipment :exec
INSERT INTO shipments (order_id, email) VALUES ($1, $2)
`

type CreateShipmentParams struct {
	OrderID string
	Email   string
}

func (q *Queries) CreateShipment(ctx context.Context, arg CreateShipmentParams) error {
	_, err := q.db.Exec(ctx, createShipment, arg.OrderID, arg.Email)
	return err
}
