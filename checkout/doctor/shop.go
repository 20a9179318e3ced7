package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
)

// sweptWithin is how long ago the last sweep may be. Flow.Run sweeps every half minute, and cron should do so every minute.
const sweptWithin = 10 * time.Minute

// examineShop looks at the database, and at what the Flow knows.
func (x *examination) examineShop(ctx context.Context) {
	if x.Database != nil {
		x.examineDatabase(ctx)
	}
	if x.Flow == nil {
		x.skip("orders and sweeps", "Config.Flow is nil")
		return
	}
	health, err := x.Flow.Health(ctx)
	if err == nil {
		x.orders, err = x.Flow.List(ctx, store.Query{Newest: true})
	}
	if err != nil {
		x.skip("orders and sweeps", "the database can't be read: see the finding about it, or the log")
		return
	}
	x.health = health
	x.examineSweeps()
	if n := health.FailedEvents; n > 0 {
		x.find(EventsFailed, Warning, fmt.Sprintf("The shop could not handle %s.", count(n, "event that a sweep found", "events that sweeps found")),
			"They are tried again for as long as Stripe keeps them.", "Look at the log at level ERROR, and mend the handler that fails.")
	}
}

// examineDatabase makes a finding of each error that errors.Join put together.
func (x *examination) examineDatabase(ctx context.Context) {
	err := x.Database(ctx)
	if err == nil || ctx.Err() != nil {
		return
	}
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	for _, err := range errs {
		x.find(Database, Error, fmt.Sprintf("The database does not suit: %v.", err), "Orders and stock can't be kept safely.", "Do what the message says.")
	}
}

func (x *examination) examineSweeps() {
	at := x.health.SweptAt
	const why = "What webhooks missed is not found, and stock of expired sessions is not released."
	const cure = "Run Flow.Run in every process, or Flow.Sweep from cron every minute."
	switch {
	case at.IsZero() && len(x.orders) == 0:
		x.find(NotSwept, Note, "No process has swept yet, and there are no orders.", why, cure)
	case at.IsZero():
		x.find(NotSwept, Error, "No process has swept yet.", why, cure)
	case x.Clock().Sub(at) > sweptWithin:
		x.find(NotSwept, Error, fmt.Sprintf("The last sweep was at %s.", at.UTC().Format(time.RFC3339)), why, cure)
	}
}

// examineStock asks the Reserver for one of each SKU.
func (x *examination) examineStock(ctx context.Context) {
	sold := map[string]bool{}
	for _, o := range x.orders {
		for _, line := range o.Lines {
			if line.SKU != "" {
				sold[line.SKU] = true
			}
		}
	}
	if x.Stock == nil {
		if len(sold)+len(x.SKUs) > 0 {
			x.skip("stock", "Config.Stock is nil")
		}
		return
	}
	var holds []reservation.Hold
	for _, sku := range x.SKUs {
		sold[sku] = true
	}
	for sku := range sold {
		holds = append(holds, reservation.Hold{ID: "doctor", Lines: []reservation.Line{{SKU: sku, Quantity: 1}}})
	}
	answers, err := x.Stock.Preview(ctx, holds...)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		x.skip("stock", "the Reserver has no database to read from, as WithDB gives it one")
		return
	case err != nil:
		x.skip("stock", "the database can't be read: see the finding about it, or the log")
		return
	}
	var unknown []string
	for i, err := range answers {
		if errors.Is(err, reservation.ErrUnknownSKU) || errors.Is(err, reservation.ErrInvalidHold) {
			unknown = append(unknown, holds[i].Lines[0].SKU)
		}
	}
	if len(unknown) == 0 {
		return
	}
	slices.Sort(unknown)
	severity, why := Warning, "Orders with this SKU can't be begun again. They were, so its stock was removed or is in another database."
	if slices.ContainsFunc(unknown, func(sku string) bool { return slices.Contains(x.SKUs, sku) }) {
		severity, why = Error, "Orders with this SKU can't be begun."
	}
	x.find(StockUnknown, severity, fmt.Sprintf("There is no stock of %s: %s.", count(len(unknown), "SKU", "SKUs"), some(unknown)), why,
		"Set the stock of each once, by SetNew or Set of the Reserver.")
}
