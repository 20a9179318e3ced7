// Package scenarios tells stories of an order at Stripe. Each story's events are recorded once. A shop on any store must then
// end in the same way for every sequence in which it hears them. The package is for tests.
package scenarios

import (
	"context"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// OrderID is the ID of the order in every story.
const OrderID = "order-1"

// Stock is the stock of the shop before its first sale.
var Stock = map[string]int64{"tee": 5, "last": 1}

// Process is one process of the shop.
type Process struct {
	Flow Flow
	Hook *webhook.Handler
}

// Flow has the methods of a [checkout.Flow] that steps call. It does not depend on the type of transactions.
type Flow interface {
	Order(ctx context.Context, id string) (*store.Order, error)
	Settle(ctx context.Context, sessionID string) (*store.Order, error)
	Sweep(ctx context.Context) (checkout.Swept, error)
	Cancel(ctx context.Context, id string) error
}

// Step is one thing that reaches the shop: an event, an answer of Stripe's, or a decision of the merchant's. If Do returns an
// error, the step must be done again, as Stripe sends an event again.
type Step struct {
	Name string
	Do   func(ctx context.Context, p Process) error

	thin *Step // the thin form of the event; nil: the step is none
}

func (s Step) String() string { return s.Name }

// hears returns the step of an event.
func hears(eventType string, payload []byte) Step {
	return Step{Name: eventType, Do: func(ctx context.Context, p Process) error { return p.Hook.Dispatch(ctx, payload) }}
}

// poll is the step of asking Stripe about every session, as status pages and sweeps do.
var poll = Step{Name: "poll", Do: func(ctx context.Context, p Process) error {
	o, err := p.Flow.Order(ctx, OrderID)
	if err != nil {
		return err
	}
	for _, a := range o.Attempts {
		if a.SessionID == "" {
			continue
		}
		if _, err := p.Flow.Settle(ctx, a.SessionID); err != nil {
			return err
		}
	}
	_, err = p.Flow.Sweep(ctx)
	return err
}}
