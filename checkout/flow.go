package checkout

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofulfil/fulfil/internal/combiner"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// Flow leads orders through their life. It is safe for concurrent use and starts no goroutine.
type Flow[Tx any] struct {
	stripe   stripeAPI
	store    store.Store[Tx]
	reserver reservation.Reserver[Tx]
	fulfil   func(ctx context.Context, tx Tx, o *store.Order) error
	onChange func(ctx context.Context, tx Tx, c Change) error
	// delivered is Config.Delivered; nil: nobody is woken.
	delivered func(orderID string)
	// deliverElsewhere is Config.DeliverElsewhere.
	deliverElsewhere bool
	refund           []ChangeKind
	// holdForReview is Config.HoldForReview.
	holdForReview bool
	accounts      func(ctx context.Context) ([]string, error)
	clock         func() time.Time
	log           *slog.Logger
	observe       observer

	sweepBudget int

	// In this process one goroutine at a time begins, settles, delivers or asks Stripe, for each order or session, and changes
	// the list of failed events.
	beginning, settling, asking, fulfilling, telling, settingAside keyedMutex

	// refusing tells whether stock is sold out. opening is step one of Begin. recording is everything that is recorded about an order
	// that exists.
	refusing  *combiner.Combiner[demand, error]
	opening   *combiner.Combiner[opening, opened]
	recording *combiner.Combiner[*recording[Tx], struct{}]

	waiters      waitingRoom
	statusBudget askBudget

	ownShopID      string // Config.ShopID
	identity       atomic.Pointer[shopIdentity]
	accountChecked atomic.Bool
	accountAsked   atomic.Int64 // how often it was asked whether the key is of the shop's account
	learning       keyedMutex   // has one caller read for all what a process must know of its shop
	wrongAccount   atomic.Bool
	stripeClock    *clockOffset
	hook           atomic.Pointer[webhook.Handler] // set by Handle

	ownHook   *webhook.Handler // has the Flow's handlers alone
	seen      seenEvents
	questions questions
	snapshots accountTimes // when receivedCursor was last set
	started   accountTimes // when the reading of the account's events was seen to have a beginning
	shortages shortages

	ended   chan struct{} // closed when Run has ended
	endOnce sync.Once

	sweeps        atomic.Int64
	sweptCheck    atomic.Int64 // Unix seconds when the last sweep was last looked up, see warnUnswept
	listeners     atomic.Int64 // Unix seconds until which changes wait for a process that has an OnChange
	listenersRead atomic.Int64 // Unix seconds when listeners was last read from the Store
	foreign       atomic.Int64
	foreignSaid   atomic.Int64 // Unix seconds when foreign sessions were last logged
}

// operationTimeout limits an operation whose caller set no deadline, so that a connection that went silent holds nothing
// up for ever.
const operationTimeout = 2 * time.Minute

// limited gives ctx a deadline, unless it has one.
func limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, operationTimeout)
}

// Order returns the order as last committed, or an error that matches [ErrNotFound].
func (f *Flow[Tx]) Order(ctx context.Context, id string) (*store.Order, error) {
	return f.store.Find(ctx, id)
}

// FindRef returns the order that a Stripe ID leads to, as last committed: the ID of a session, payment intent, charge, subscription
// or invoice. The error matches [ErrNotFound] if none does.
func (f *Flow[Tx]) FindRef(ctx context.Context, ref string) (*store.Order, error) {
	return f.store.FindRef(ctx, ref)
}

// List returns orders by time of creation, a page at a time.
func (f *Flow[Tx]) List(ctx context.Context, q store.Query) ([]*store.Order, error) {
	return f.store.List(ctx, q)
}

// Erase removes the personal data of an order, and keeps none that is heard of later: see [store.Order.Erase]. The error
// matches [ErrNotFound] if there is no such order. An order that is not yet fulfilled loses its address, too.
//
// An Erase whose context has no deadline gets one of two minutes.
func (f *Flow[Tx]) Erase(ctx context.Context, id string) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	return f.record(ctx, id, "erase", func(o *store.Order, now time.Time) (bool, error) {
		o.ErasedAt, o.ErasedAttempts = now, len(o.Attempts)
		return true, nil
	})
}

// now is the time as it is stored: in UTC, to the microsecond, by Stripe's clock as soon as an answer told it, so that the
// processes of a shop agree on the time.
func (f *Flow[Tx]) now() time.Time { return store.Time(f.stripeClock.at(f.clock())) }

// inTx runs fn, in which none of the merchant's callbacks runs, in a transaction.
func (f *Flow[Tx]) inTx(ctx context.Context, fn func(tx Tx) error) error {
	if st, ok := f.store.(store.OwnTx[Tx]); ok {
		return st.InOwnTx(ctx, nil, fn)
	}
	return f.store.InTx(ctx, fn)
}

// inCallbackTx runs a callback of the merchant's and then fn in one transaction.
func (f *Flow[Tx]) inCallbackTx(ctx context.Context, callback, fn func(tx Tx) error) error {
	if st, ok := f.store.(store.OwnTx[Tx]); ok {
		return st.InOwnTx(ctx, callback, fn)
	}
	return f.store.InTx(ctx, func(tx Tx) error {
		if err := callback(tx); err != nil {
			return err
		}
		return fn(tx)
	})
}

// parkedMismatch begins the reason of an order that is parked because its payment is not for what was sold.
const parkedMismatch = "mismatch: "

// park keeps an order whose only payment is not for what was sold from being fulfilled.
func park(o *store.Order) {
	paid := o.PaidAttempt()
	switch {
	case paid != nil && !paid.Agrees():
		o.Parked = parkedMismatch + paid.Mismatch
	case strings.HasPrefix(o.Parked, parkedMismatch):
		o.Parked = ""
	}
}

// tidy prepares an order for being written: it sets the time at which the order is due next, and removes what is not needed
// anymore.
func tidy(o *store.Order, now time.Time) {
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a.SessionID != "" || !a.ClosedAt.IsZero() {
			a.Params = ""
		}
	}
	trim(o, now)
	o.SumUpInvoices()
	trimNotices(o)
	eraseAgain(o)
	o.UpdatedAt = now
	o.DueAt = dueAt(o, now)
}

// eraseAgain keeps an erased order free of personal data. An order that was begun again after it was erased keeps the data
// of the new purchase.
func eraseAgain(o *store.Order) {
	switch {
	case o.ErasedAt.IsZero():
	case len(o.Attempts) == o.ErasedAttempts:
		o.Erase()
	default:
		for i := range o.Attempts[:o.ErasedAttempts] {
			a := &o.Attempts[i]
			a.Params, a.URL, a.ClientSecret = "", "", ""
		}
	}
}

// cartKept is how long the cart of an attempt is kept whose session may have been paid for all the shop knows. Stripe lists the event of
// the payment for 30 days (https://docs.stripe.com/api/events). The link to the copy of an expired session is good for 30 days, too, and
// the copy for one more (https://docs.stripe.com/payments/checkout/abandoned-carts).
const cartKept = 32 * 24 * time.Hour

// trim keeps orders with many attempts small: an attempt that can't be paid anymore and is not the latest loses its cart
// and its URL. If its payment is heard of all the same, a person must decide: see disagreement.
func trim(o *store.Order, now time.Time) {
	for i := range o.Attempts[:max(len(o.Attempts)-1, 0)] {
		a := &o.Attempts[i]
		ended := a.Expired || !a.ClosedAt.IsZero()
		over := a.Expired && !a.Recoverable || ended && now.Sub(a.ExpiresAt) > cartKept
		if over && !a.Paid && a.Hold.State != store.Held && a.Increase.State != store.Held {
			a.Lines, a.Metadata, a.Fingerprint, a.URL, a.ClientSecret = nil, nil, "", "", ""
		}
	}
}

// logDecision is one line of the log for an order that a person should know of.
func (f *Flow[Tx]) logDecision(o *store.Order, attempt int, kind ChangeKind, detail string) {
	f.log.Error("payment needs a decision", "order", o.ID, "attempt", attempt, "what", kind, "detail", detail)
}
