package checkout

import (
	"context"
	"fmt"
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

	// opening is step one of Begin.
	opening *combiner.Combiner[opening, opened]

	waiters      waitingRoom
	statusBudget askBudget

	ownShopID      string // Config.ShopID
	identity       atomic.Pointer[shopIdentity]
	accountChecked atomic.Bool
	wrongAccount   atomic.Bool
	stripeClock    *clockOffset
	hook           atomic.Pointer[webhook.Handler] // set by Handle

	ownHook   *webhook.Handler // has the Flow's handlers alone
	seen      seenEvents
	questions questions
	snapshots snapshotTimes
	started   startedAccounts
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

// record runs fn on a locked order. If fn changed the order, record carries out what [next] says can be done under the lock,
// puts what the merchant's callbacks receive into the outbox, and saves the order. fn may run more than once.
func (f *Flow[Tx]) record(ctx context.Context, id, cause string, fn func(o *store.Order, now time.Time) (changed bool, err error)) error {
	return f.recordTx(ctx, id, cause, func(_ Tx, o *store.Order, now time.Time) (bool, error) { return fn(o, now) })
}

// recordTx is record for a fn that also moves stock, in the transaction in which the order is locked.
func (f *Flow[Tx]) recordTx(ctx context.Context, id, cause string, fn func(tx Tx, o *store.Order, now time.Time) (changed bool, err error)) error {
	if err := f.lookForListeners(ctx); err != nil {
		return err
	}
	return f.inTx(ctx, func(tx Tx) error {
		o, err := f.lock(ctx, tx, id)
		if err != nil {
			return err
		}
		now, before := f.now(), o.Status()
		changed, err := fn(tx, o, now)
		if err != nil || !changed {
			return err
		}
		return f.carryOut(ctx, tx, o, before, now, cause)
	})
}

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

// recorder records an answer of Stripe's on a locked order, and reports whether the order changed.
type recorder func(o *store.Order, now time.Time) (changed bool)

// answerTries is how often Stripe is asked about an object while other answers about it are recorded at the same time.
const answerTries = 5

// recordNewest records Stripe's newest answer about an object that an order keeps facts of, such as a refund. answers is how
// many answers about the object were recorded. ask asks Stripe and returns what records the answer; nil: there is nothing to
// record. Between the look at the order and the lock another answer may have been recorded, and may be newer: then ask is
// called again.
func (f *Flow[Tx]) recordNewest(ctx context.Context, id, object, cause string, answers func(o *store.Order) int, ask func(o *store.Order) (recorder, error)) error {
	for range answerTries {
		o, err := f.store.Find(ctx, id)
		if err != nil {
			return err
		}
		before := answers(o)
		set, err := ask(o)
		if set == nil || err != nil {
			return err
		}
		newest := true
		err = f.record(ctx, id, cause, func(o *store.Order, now time.Time) (bool, error) {
			newest = answers(o) == before
			return newest && set(o, now), nil
		})
		if err != nil || newest {
			return err
		}
	}
	return fmt.Errorf("checkout: %s changes too fast to be recorded", object)
}

// lock returns the locked order, or an error that matches [ErrNotFound].
func (f *Flow[Tx]) lock(ctx context.Context, tx Tx, id string) (*store.Order, error) {
	orders, err := f.store.Lock(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if orders[0] == nil {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	return orders[0], nil
}

// carryOut does what follows from the facts of a locked order, and saves it: see advance.
func (f *Flow[Tx]) carryOut(ctx context.Context, tx Tx, o *store.Order, before store.Status, now time.Time, cause string) error {
	if err := f.advance(ctx, tx, o, before, now, cause); err != nil {
		return err
	}
	return f.save(ctx, tx, o, now)
}

// advance does the steps that are due and need neither Stripe nor the merchant: it closes attempts and moves stock. Then it
// fills the outbox. before is the status of the order before it was changed.
func (f *Flow[Tx]) advance(ctx context.Context, tx Tx, o *store.Order, before store.Status, now time.Time, cause string) error {
	tried := map[Step]bool{} // no step is done twice here, so that a step after which the facts stay the same ends, too
	for moved := true; moved; {
		moved = false
		for _, step := range next(o, now) {
			if tried[step] {
				continue
			}
			done, err := f.moveStock(ctx, tx, o, step, now)
			if err != nil {
				return err
			}
			if done {
				moved, tried[step] = true, true
				break // the other steps may be different now
			}
		}
	}
	if len(tried) > 0 && now.Sub(o.CreatedAt) >= holdsKept { // pruneHolds may have passed the order already
		if err := f.forgetHolds(ctx, tx, o); err != nil {
			return err
		}
	}
	park(o)
	f.enqueueNotices(o, before, now, cause)
	return nil
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

// save writes the order as tidy leaves it.
func (f *Flow[Tx]) save(ctx context.Context, tx Tx, o *store.Order, now time.Time) error {
	tidy(o, now)
	return f.store.Save(ctx, tx, o)
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
	trimInvoices(o)
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
