package checkout

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/internal/combiner"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// Config is what [New] needs. Stripe, Store and either Fulfil or DeliverElsewhere must be set.
type Config[Tx any] struct {
	// Stripe makes the requests. A restricted key needs write permission for Checkout Sessions and read permission for
	// Payment Intents, Charges, Refunds, Disputes and Events, and for subscriptions for Subscriptions and Invoices (https://docs.stripe.com/keys/restricted-api-keys). If the shop gets
	// thin events, the key also needs read permission for Reviews and early fraud warnings.
	Stripe *stripe.Client
	// Store keeps the orders.
	Store store.Store[Tx]
	// Reserver keeps stock for lines with a SKU, in the Store's transactions. Default: no stock is kept, and a line with a
	// SKU is an error.
	Reserver reservation.Reserver[Tx]
	// Fulfil hands over the goods. It runs after the payment was recorded, in a transaction of its own. The writes of Fulfil
	// through tx commit together with the mark that the order is fulfilled, or not at all, so they happen once. Everything
	// else that Fulfil does happens at least once: use the order's ID to tell repetitions. An error, a panic, or a run of
	// more than [DeliverTimeout] rolls the transaction back, and Fulfil is tried again with growing pauses; an error that
	// webhook.Permanent marks parks the order instead. Fulfil must end when its context does. The order is a copy. The text
	// of an error or a panic is logged and kept with the order, so it should hold no personal data. On a database with one writer,
	// such as SQLite, a call of the Flow in Fulfil waits for the transaction of Fulfil until its time is over. On any database such a
	// call takes a second connection, so that as many callbacks as the pool has connections would wait for each other. A sweep runs
	// up to eight callbacks at once. Have a worker make the call, see Delivered.
	Fulfil func(ctx context.Context, tx Tx, o *store.Order) error
	// OnChange, if set, receives everything else that happened to an order, under the same terms as Fulfil. Changes are
	// delivered in their order, in a lane of their own: a change that can't be delivered holds back later changes of the same
	// order, not its fulfilment. Nor does a Fulfil that fails hold changes back. A process without an OnChange leaves changes to the
	// processes that have one. If no process had one for 30 days, changes are not kept. Default: no changes are delivered.
	OnChange func(ctx context.Context, tx Tx, c Change) error
	// Delivered, if set, is called with the ID of an order when a transaction of Fulfil or OnChange has committed. It wakes a
	// worker that looks for the rows which the callback wrote, so that the worker need not wait for its next look. It is called in
	// the process that delivered, by any goroutine, and should return at once. If the process ends right after the commit, it is not
	// called, so the worker must look by itself, too. Default: nobody is woken.
	Delivered func(orderID string)
	// DeliverElsewhere makes a Flow without callbacks, for a tool such as the command fulfil: it records decisions, refunds and
	// what Stripe says, and leaves Fulfil and OnChange to the shop's own processes, whose sweeps deliver within a minute. Such a
	// Flow can't sweep. Fulfil, OnChange and Delivered must be nil then. A payment that such a Flow hears of first is given back
	// automatically if its own Refund says so, and waits for a person otherwise. Default: this process delivers.
	DeliverElsewhere bool
	// Refund names the changes after which a payment is given back at once, of [ChangeDuplicatePayment], [ChangeShortfall] and
	// [ChangeMismatch]. The key then needs write permission for Charges and Refunds. A subscription is canceled at once before its
	// payment is given back, for which the key needs write permission for Subscriptions. A payment by a session that was not begun
	// for the order always waits for a person. Default: every such order waits for a person, see
	// [Flow.Resolve].
	Refund []ChangeKind
	// HoldForReview has goods wait while Stripe Radar's review of their payment is open. Before Fulfil runs, Stripe is asked
	// for a review. An order whose payment is in review is stuck, so that a person looks at it. The order is fulfilled when
	// the review is closed as approved or acknowledged, or when a person decides so: see [Flow.Resolve]. A review that is
	// closed for another reason leaves the order to a person. A review that is opened after Fulfil has run holds nothing back, and
	// leaves a member's access alone. The key needs read permission for Reviews then. Default: a review is a change, see
	// [ChangeReviewOpened], and holds nothing back.
	HoldForReview bool
	// Accounts lists the connected accounts that orders may be on (see [Connect]). A sweep reads the undelivered events of each,
	// and once an hour its refunds and disputes, with at most half of the requests that are left. Default: there are none.
	Accounts func(ctx context.Context) ([]string, error)
	// SweepBudget is the number of requests to Stripe that one sweep makes at most. [Flow.Run] sweeps every half minute. With one or two,
	// the first sweep of a process makes one more, which asks for the time.
	// Stripe answers 25 requests in a second in a sandbox, and 100 in live mode (https://docs.stripe.com/rate-limits).
	// Default: 500.
	SweepBudget int
	// ShopID names the shop in the metadata of its sessions. With it, a shop that lost its whole database still knows the
	// sessions that it began. It must never change, and differ from the ID of every other shop on the Stripe account. Default:
	// a random ID that the Store keeps.
	ShopID string
	// Observe, if set, is called when an operation of the Flow begins. The operation goes on with the context that Observe returns,
	// which must be derived from ctx, and the returned func is called once, when the operation has ended; nil: it is not called.
	// Operations nest: those that an operation leads to begin with its context. Observe is called by many goroutines at once, and
	// what it does takes the operation's time. Requests to Stripe are observed if Stripe has a backend of stripe-go's own. Package
	// checkoutotel has an Observe for OpenTelemetry. Default: nothing is observed, which costs nothing.
	Observe func(ctx context.Context, op Operation) (_ context.Context, ended func(Outcome))
	// Clock tells the time. A difference of up to an hour from Stripe's clock is made up for. Default: time.Now.
	Clock func() time.Time
	// Logger receives messages for a person, and no personal data but what errors of Fulfil and OnChange say. A line about a failed
	// request has Stripe's ID of the request as stripe_request_id. docs/observing.md lists all messages. Default: slog.Default().
	Logger *slog.Logger
}

// New makes a Flow. Its error names the field of c that can't be used.
func New[Tx any](c Config[Tx]) (*Flow[Tx], error) {
	switch {
	case c.Stripe == nil:
		return nil, errors.New("checkout: Config.Stripe is nil")
	case c.Store == nil:
		return nil, errors.New("checkout: Config.Store is nil")
	case c.DeliverElsewhere && (c.Fulfil != nil || c.OnChange != nil || c.Delivered != nil):
		return nil, errors.New("checkout: Config.DeliverElsewhere is set, and so is Fulfil, OnChange or Delivered, which would never run")
	case c.Fulfil == nil && !c.DeliverElsewhere:
		return nil, errors.New("checkout: Config.Fulfil is nil")
	}
	f := &Flow[Tx]{
		store: c.Store, reserver: c.Reserver,
		fulfil: c.Fulfil, onChange: c.OnChange, delivered: c.Delivered, deliverElsewhere: c.DeliverElsewhere, refund: c.Refund, holdForReview: c.HoldForReview, accounts: c.Accounts, ownShopID: c.ShopID, clock: c.Clock, log: c.Logger, observe: c.Observe,
		sweepBudget: cmp.Or(c.SweepBudget, 500), ended: make(chan struct{}),
	}
	if c.SweepBudget < 0 {
		return nil, errors.New("checkout: Config.SweepBudget is negative")
	}
	if len(c.ShopID) > 64 || strings.Trim(c.ShopID, idCharacters) != "" {
		return nil, errors.New("checkout: Config.ShopID is longer than 64 characters, or has others than letters, digits, _ and -")
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
	f.log = slog.New(requestIDs{f.log.Handler()})
	f.refusing = combiner.New(combiner.Config[demand, error]{
		Run: f.refuseTogether, Batch: batchSize, Queue: batchQueue, Patience: refusePatience, Split: f.logSplit("refuse"),
	})
	f.opening = combiner.New(combiner.Config[opening, opened]{
		Run: f.openBatch, Batch: batchSize, Queue: batchQueue, Patience: batchPatience, Split: f.logSplit("begin"),
		Observe: f.observe.batches(OperationHold),
	})
	f.recording = combiner.New(combiner.Config[*recording[Tx], struct{}]{
		Run: f.recordTogether, Batch: batchSize, Queue: batchQueue, Patience: batchPatience, Split: f.logSplit("record"),
		Key: func(r *recording[Tx]) string { return r.id }, Stays: true, Observe: f.observe.batches(OperationRecord),
	})
	f.stripeClock = &clockOffset{local: f.clock, log: f.log}
	f.stripe = stripeAPI{client: f.observe.client(c.Stripe), clock: f.stripeClock, now: f.now}
	f.sweptCheck.Store(f.clock().Unix())
	own, err := webhook.New(webhook.Config{Secrets: []string{rand.Text()}, Clock: f.clock, Logger: f.log})
	if err != nil {
		return nil, err
	}
	f.register(own)
	f.ownHook = own
	return f, nil
}
