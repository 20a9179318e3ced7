// Command river ships orders by jobs of River, a job queue on PostgreSQL: Fulfil inserts the job in the transaction that also marks
// the order as fulfilled, so that there is one job for each paid order.
//
//	DATABASE_URL=… go run ./examples/river
//
// It needs an empty PostgreSQL database and nothing else: payments go to a test server in this process. This file is the part to copy.
package main

import (
	"context"
	"database/sql"
	"log"
	"log/slog"
	"os"

	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

func main() {
	url := os.Getenv("DATABASE_URL")
	if url == "" {
		log.Fatal("river: set DATABASE_URL to an empty PostgreSQL database")
	}
	if err := demo(url, os.Stdout); err != nil {
		log.Fatal("river: ", err)
	}
}

// shipment is the job: what a worker needs to know. An order is found by its ID, so the job holds nothing else of it.
type shipment struct {
	OrderID string `json:"order_id"`
}

// Kind names the job in River's table.
func (shipment) Kind() string { return "shipment" }

// carrier works the jobs. River tries a job again that returns an error, so ship gets the order's ID as a key.
type carrier struct {
	river.WorkerDefaults[shipment]
	ship func(ctx context.Context, orderID string) error
}

// Work is called by River.
func (c *carrier) Work(ctx context.Context, job *river.Job[shipment]) error {
	return c.ship(ctx, job.Args.OrderID)
}

// newQueue returns a client of River that works the jobs of this process and of every other one.
func newQueue(ctx context.Context, db *sql.DB, c *carrier, log *slog.Logger) (*river.Client[*sql.Tx], error) {
	driver := riverdatabasesql.New(db)
	migrator, err := rivermigrate.New(driver, nil)
	if err != nil {
		return nil, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, c)
	return river.NewClient(driver, &river.Config{
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4}},
		Workers: workers,
		Logger:  log,
	})
}

// newFlow returns a flow that inserts a job for each paid order. Check stands for anything else that Fulfil does, and that may fail
// after the job was inserted.
func newFlow(ctx context.Context, c checkout.Config[*sql.Tx], db *sql.DB, queue *river.Client[*sql.Tx], check func() error) (*checkout.Flow[*sql.Tx], error) {
	if err := sqlstore.Migrate(ctx, db, sqlstore.Postgres); err != nil {
		return nil, err
	}
	c.Store = sqlstore.New(db, sqlstore.Postgres)
	// The job and the mark that the order is fulfilled commit together, or not at all.
	c.Fulfil = func(ctx context.Context, tx *sql.Tx, o *store.Order) error {
		if _, err := queue.InsertTx(ctx, tx, shipment{o.ID}, nil); err != nil {
			return err
		}
		return check()
	}
	return checkout.New(c)
}
