package checkout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// Started is a session that a customer can be sent to.
type Started struct {
	OrderID   string
	SessionID string
	// URL is the hosted page; ClientSecret is for an embedded one. One of them is empty.
	URL          string
	ClientSecret string
	// Attempt counts the tries of the order to get paid, from 1.
	Attempt int
	// ExpiresAt is until when the customer can pay: until the hold or the session ends, whichever is earlier.
	ExpiresAt time.Time
	// Reused says that the session was there already, for the same cart.
	Reused bool
}

const (
	// createTries is how many attempts one Begin makes while answers get lost.
	createTries = 3
	// reuseMargin is what a session must have left to be handed out again, if its whole life is not shorter.
	reuseMargin = time.Minute
)

// Begin holds the stock of the session's lines, creates the session and returns where to send the customer. The order is
// made if there is none of this ID.
//
// The same cart again returns the same session while it can be paid. A changed cart ends the old session first; if only
// the increase does not fit, the old session stays as it is.
//
// Errors: an [*InvalidSessionError]; a [*reservation.ShortageError], or one that matches [reservation.ErrUnknownSKU];
// [ErrAlreadyPaid], [ErrProcessing], [ErrCanceled]; [ErrSuperseded]; [ErrStillOpen]; a [*stripe.Error] by errors.As if
// Stripe refused or could not be reached. After every one of them no stock is held for a session that nobody was given, or
// a sweep gives it back within minutes.
func (f *Flow[Tx]) Begin(ctx context.Context, s Session) (*Started, error) {
	shop, err := f.shopID(ctx)
	if err != nil {
		return nil, err
	}
	c, err := s.cart(shop)
	if err != nil {
		return nil, err
	}
	begun, err := f.begin(ctx, c)
	if errors.Is(err, ErrAlreadyPaid) || errors.Is(err, ErrProcessing) {
		f.deliverAside(ctx, s.OrderID) // ending the old session may have brought it to light
	}
	return begun, err
}

func (f *Flow[Tx]) begin(ctx context.Context, c *cart) (*Started, error) {
	unlock, err := f.beginning.lock(ctx, c.OrderID)
	if err != nil {
		return nil, err
	}
	defer unlock()
	for try := 1; ; try++ {
		o, a, err := f.open(ctx, c)
		if err != nil {
			return nil, err
		}
		if a.SessionID != "" {
			return started(o.ID, a, true), nil
		}
		if a.Replaces != 0 {
			if err := f.replace(ctx, o, a); err != nil {
				return nil, err
			}
		}
		begun, err := f.create(ctx, o, a)
		switch {
		case err == nil, errors.Is(err, ErrSuperseded):
			return begun, err
		case ctx.Err() != nil:
			return nil, err // nobody waits for the answer; a later Begin or a sweep gives the attempt up
		}
		if abandoned := f.abandon(ctx, o.ID, a.N, "begin"); abandoned != nil {
			return nil, errors.Join(err, abandoned)
		}
		// Stripe replays a server error for a day under the same idempotency key, so the next try is another attempt.
		var asking *stripeError
		if !errors.As(err, &asking) || refused(err) && !tooLate(err) || try == createTries {
			return nil, err
		}
		f.log.Warn("creating a session failed; trying again", "order", o.ID, "attempt", a.N, "error", err)
	}
}

// open is step (a) of Begin, one transaction: it finds the attempt that can be handed out again, or stores a new one with
// its exact parameters and holds its stock.
func (f *Flow[Tx]) open(ctx context.Context, c *cart) (*store.Order, *store.Attempt, error) {
	var o *store.Order
	var a *store.Attempt
	err := f.store.InTx(ctx, func(tx Tx) error {
		now := f.now()
		var err error
		if o, err = f.insertOrLock(ctx, tx, c, now); err != nil {
			return err
		}
		if err := beginnable(o); err != nil {
			return err
		}
		if len(o.Attempts) > 0 && (o.Mode != string(c.mode()) || o.Account != c.Connect.Account) {
			return fmt.Errorf("checkout: order %s was begun in another mode or on another account", o.ID)
		}
		gaveUp, err := f.giveUpUnrecorded(ctx, tx, o, now)
		if err != nil {
			return err
		}
		a = o.OpenAttempt()
		if a == nil || !reusable(a, c, now) {
			if a, err = f.newAttempt(ctx, tx, o, c, a, now); err != nil {
				return err
			}
		} else if !gaveUp {
			return nil
		}
		return f.save(ctx, tx, o, now)
	})
	return o, a, err
}

// reusable reports whether the session of an open attempt can be handed out for the cart.
func reusable(a *store.Attempt, c *cart, now time.Time) bool {
	margin := min(reuseMargin, a.PayBy.Sub(a.CreatedAt)/2)
	return a.Fingerprint == c.fingerprint && a.URL+a.ClientSecret != "" && a.PayBy.After(now.Add(margin))
}

func (f *Flow[Tx]) insertOrLock(ctx context.Context, tx Tx, c *cart, now time.Time) (*store.Order, error) {
	o := c.order(now)
	inserted, err := f.store.Insert(ctx, tx, o)
	if err != nil || inserted[0] {
		return o, err
	}
	orders, err := f.store.Lock(ctx, tx, o.ID)
	if err != nil {
		return nil, err
	}
	if orders[0] == nil {
		return nil, store.ErrNotFound
	}
	return orders[0], nil
}

// beginnable says why the order can't be begun anymore; nil: it can.
func beginnable(o *store.Order) error {
	if err := cancelable(o); err != nil || o.CancelRequestedAt.IsZero() {
		return err
	}
	return fmt.Errorf("%w: %s", ErrCanceled, o.ID)
}

// replace ends the session that a is to take the place of. It returns nil if a can go on.
func (f *Flow[Tx]) replace(ctx context.Context, o *store.Order, a *store.Attempt) error {
	err := f.end(ctx, o, o.Attempt(a.Replaces), "begin")
	if err == nil {
		err = f.mayCreate(ctx, o.ID, a.N)
	}
	if err == nil {
		return nil
	}
	// The increase is given back; the old session stays as it is.
	return errors.Join(err, f.abandon(ctx, o.ID, a.N, "begin"))
}

// mayCreate says why attempt n is not to get a session after all; nil: it is.
func (f *Flow[Tx]) mayCreate(ctx context.Context, id string, n int) error {
	o, err := f.store.Find(ctx, id)
	if err != nil {
		return err
	}
	if err := beginnable(o); err != nil {
		return err
	}
	if a := o.Attempt(n); a == nil || !a.Open() {
		return fmt.Errorf("%w: %s", ErrSuperseded, id)
	}
	return nil
}

func started(orderID string, a *store.Attempt, reused bool) *Started {
	return &Started{
		OrderID: orderID, SessionID: a.SessionID, URL: a.URL, ClientSecret: a.ClientSecret,
		Attempt: a.N, ExpiresAt: a.PayBy, Reused: reused,
	}
}
