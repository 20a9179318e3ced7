package guides

import (
	"context"
	"database/sql"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/examples/shop/guides/shipments"
	"github.com/gofulfil/fulfil/reservation/pgxreserver"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/pgxstore"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// NewPgxFlow makes the Flow of a shop on pgx.
func NewPgxFlow(ctx context.Context, pool *pgxpool.Pool, client *stripe.Client) (*checkout.Flow[pgx.Tx], error) {
	if err := pgxstore.Migrate(ctx, pool); err != nil {
		return nil, err
	}
	if err := pgxreserver.Migrate(ctx, pool); err != nil {
		return nil, err
	}
	return checkout.New(checkout.Config[pgx.Tx]{
		Stripe:   client,
		Store:    pgxstore.New(pool),
		Reserver: pgxreserver.New(pool),
		Fulfil: func(ctx context.Context, tx pgx.Tx, o *store.Order) error {
			return shipments.New(tx).CreateShipment(ctx, shipments.CreateShipmentParams{OrderID: o.ID, Email: o.Customer.Email})
		},
	})
}

// OverPool has orders and stock use the connections of a pgx pool through database/sql.
func OverPool(pool *pgxpool.Pool) (*sqlstore.Store, *sqlreserver.Reserver) {
	db := stdlib.OpenDBFromPool(pool) // the pool limits the connections; close db before the pool
	return sqlstore.New(db, sqlstore.Postgres), sqlreserver.New(sqlreserver.Postgres).WithDB(db)
}

// EntDriver is the driver of an ent client that writes in the Flow's transaction. Name is dialect.Postgres or another of ent's.
func EntDriver(name string, tx *sql.Tx) dialect.Driver {
	return entDriver{entsql.NewDriver(name, entsql.Conn{ExecQuerier: tx})}
}

type entDriver struct{ dialect.Driver }

// Tx is called where ent would begin a transaction, as for an entity with edges. The Flow's goes on, and the Flow ends it.
func (d entDriver) Tx(context.Context) (dialect.Tx, error) { return dialect.NopTx(d.Driver), nil }
