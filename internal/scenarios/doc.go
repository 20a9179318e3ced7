// Package scenarios is what happens to an order at Stripe, told in every order: stories whose events are recorded once, and
// that a shop on any kind of store must end in the same way, in whatever order it hears them. It is for tests.
package scenarios

import (
	"context"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// OrderID is the order that every story is of.
const OrderID = "order-1"

// Stock is what the shop has on hand before anything is sold.
var Stock = map[string]int64{"tee": 5, "last": 1}

// Process is one process of the shop.
type Process struct {
	Flow Flow
	Hook *webhook.Handler
}

// Flow is what steps ask of a [checkout.Flow], whatever the kind of its transactions.
type Flow interface {
	Order(ctx context.Context, id string) (*store.Order, error)
	Settle(ctx context.Context, sessionID string) (*store.Order, error)
	Sweep(ctx context.Context) (checkout.Swept, error)
	Cancel(ctx context.Context, id string) error
}

// Step is one thing that reaches the shop: an event, an answer of Stripe's, a decision of the merchant's. An error means that
// it must come again, as Stripe's events do.
type Step struct {
	Name string
	Do   func(ctx context.Context, p Process) error
}

func (s Step) String() string { return s.Name }

// hears is the step in which an event comes.
func hears(eventType string, payload []byte) Step {
	return Step{eventType, func(ctx context.Context, p Process) error { return p.Hook.Dispatch(ctx, payload) }}
}

// poll asks Stripe for everything, as pages and sweeps do.
var poll = Step{"poll", func(ctx context.Context, p Process) error {
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
