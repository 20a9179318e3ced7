package checkout

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// Config is what [New] needs. Stripe, Store and Fulfil must be set.
type Config[Tx any] struct {
	// Stripe makes the requests. A restricted key needs write permission for Checkout Sessions and read permission for
	// Payment Intents, Charges, Refunds, Disputes and Events (https://docs.stripe.com/keys/restricted-api-keys).
	Stripe *stripe.Client
	// Store keeps the orders.
	Store store.Store[Tx]
	// Reserver keeps stock for lines with a SKU, in the Store's transactions. Nil: nothing is stock-tracked.
	Reserver reservation.Reserver[Tx]
	// Fulfil hands over what was paid for. It runs after the payment was recorded, in a transaction of its own: what it
	// writes through tx commits together with the mark that the order is fulfilled, or not at all, and so happens once.
	// Anything else it does happens at least once: make it repeatable by the order's ID. An error, a panic or running
	// longer than [DeliverTimeout] rolls back, and it is tried again with growing pauses. It must end when its context
	// does. The order is a copy. The text of an error or a panic is logged and kept with the order: it should hold no
	// personal data.
	Fulfil func(ctx context.Context, tx Tx, o *store.Order) error
	// OnChange, if set, receives everything else that happened to an order, under the same terms as Fulfil. Changes are
	// delivered in their order, in a lane of their own: a change that can't be delivered holds back later changes of the same
	// order, not its fulfilment. A process without an OnChange leaves changes to the processes that have one. If no process
	// had one for 30 days, changes are not kept. Default: no changes are delivered.
	OnChange func(ctx context.Context, tx Tx, c Change) error
	// Refund names the changes after which a payment is given back at once, of [ChangeDuplicatePayment], [ChangeShortfall] and
	// [ChangeMismatch]. The key needs write permission for Charges and Refunds then. Left out, such an order waits for a person:
	// see [Flow.Resolve]. So does, in any case, a subscription, and a payment on another account than the order's.
	Refund []ChangeKind
	// Accounts lists the connected accounts that orders may be on (see [Connect]). A sweep looks for the refunds and disputes
	// that webhooks missed on each of them once an hour, with at most half of its requests. Nil: there are none.
	Accounts func(ctx context.Context) ([]string, error)
	// SweepBudget is the number of requests to Stripe that one sweep makes at most; 0 stands for 500. [Flow.Run] sweeps every
	// half minute, so that 500 are fewer than the 25 in a second that Stripe answers in a sandbox, and the 100 in live mode
	// (https://docs.stripe.com/rate-limits).
	SweepBudget int
	// Clock tells the time; nil means time.Now.
	Clock func() time.Time
	// Logger gets what a person should know; never personal data. Nil means slog.Default().
	Logger *slog.Logger
}

// New makes a Flow. Its error names the field of c that can't be used.
func New[Tx any](c Config[Tx]) (*Flow[Tx], error) {
	switch {
	case c.Stripe == nil:
		return nil, errors.New("checkout: Config.Stripe is nil")
	case c.Store == nil:
		return nil, errors.New("checkout: Config.Store is nil")
	case c.Fulfil == nil:
		return nil, errors.New("checkout: Config.Fulfil is nil")
	}
	f := &Flow[Tx]{
		store: c.Store, reserver: c.Reserver,
		fulfil: c.Fulfil, onChange: c.OnChange, refund: c.Refund, accounts: c.Accounts, clock: c.Clock, log: c.Logger,
		sweepBudget: cmp.Or(c.SweepBudget, 500), ended: make(chan struct{}),
	}
	if c.SweepBudget < 0 {
		return nil, errors.New("checkout: Config.SweepBudget is negative")
	}
	for _, kind := range c.Refund {
		if kind != ChangeDuplicatePayment && kind != ChangeShortfall && kind != ChangeMismatch {
			return nil, fmt.Errorf("checkout: Config.Refund holds %q, after which nothing can be refunded", kind)
		}
	}
	if f.clock == nil {
		f.clock = time.Now
	}
	if f.log == nil {
		f.log = slog.Default()
	}
	f.stripeClock = &clockOffset{local: f.now, log: f.log}
	f.stripe = stripeAPI{client: c.Stripe, clock: f.stripeClock, now: f.now}
	f.sweptCheck.Store(f.clock().Unix())
	own, err := webhook.New(webhook.Config{Secrets: []string{rand.Text()}, Clock: f.clock, Logger: f.log})
	if err != nil {
		return nil, err
	}
	f.register(own)
	f.ownHook = own
	return f, nil
}
