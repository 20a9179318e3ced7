package checkout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gofulfil/fulfil/reservation"
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

// create is steps (b) and (c) of Begin: it posts the stored parameters of an attempt, and records the session if the
// attempt is still open. Only then may the URL be handed out.
func (f *Flow[Tx]) create(ctx context.Context, o *store.Order, a *store.Attempt) (*Started, error) {
	params, err := wireParams(a.Params)
	if err != nil {
		return nil, err
	}
	shop, err := f.shopID(ctx)
	if err != nil {
		return nil, err
	}
	params.SetIdempotencyKey(fmt.Sprintf("%s/%s/%d", shop, o.ID, a.N))
	onAccount(params, o.Account)
	session, err := f.stripe.V1CheckoutSessions.Create(ctx, params)
	if err != nil {
		return nil, &stripeError{doing: "creating a session", err: err}
	}
	answer, err := heardAnswer("begin", o.Account, session.LastResponse)
	if err != nil {
		return nil, err
	}
	if answer.facts.ID == "" || answer.facts.URL == "" && answer.facts.ClientSecret == "" {
		return nil, errors.New("checkout: stripe answered a session without an ID or a URL")
	}

	var recorded *Started
	err = f.change(ctx, o.ID, func(_ Tx, locked *store.Order, now time.Time) (bool, error) {
		recorded = nil
		open := locked.Attempt(a.N)
		if open == nil || !open.Open() || open.SessionID != "" && open.SessionID != answer.facts.ID {
			return false, nil
		}
		recordSession(open, &answer.facts)
		open.CheckAt = nextCheck(locked, open, now)
		locked.Livemode = answer.facts.Livemode
		recorded = started(locked.ID, open, false)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if recorded == nil {
		_, err := f.expire(ctx, o, answer.facts.ID, "begin")
		if badRequest(err) {
			err = nil // it has ended already
		}
		return nil, errors.Join(fmt.Errorf("%w: %s", ErrSuperseded, o.ID), err)
	}
	return recorded, nil
}

func recordSession(a *store.Attempt, f *sessionFacts) {
	a.SessionID, a.URL, a.ClientSecret = f.ID, f.URL, f.ClientSecret
	a.PaymentIntent, a.Subscription = f.PaymentIntent.ID, f.Subscription.ID
	a.Quote = &store.Quote{Answered: true, Currency: f.Currency, Livemode: f.Livemode, Variable: variable(a.Params)}
	if f.AmountSubtotal != nil {
		a.Quote.Subtotal = *f.AmountSubtotal
	}
	if f.ExpiresAt != 0 {
		a.ExpiresAt = time.Unix(f.ExpiresAt, 0).UTC()
	}
	if a.ExpiresAt.Before(a.PayBy) {
		a.PayBy = a.ExpiresAt
	}
}

// newAttempt appends the next attempt and holds its stock: all of it, or what is more than an open attempt holds that it
// is to replace.
func (f *Flow[Tx]) newAttempt(ctx context.Context, tx Tx, o *store.Order, c *cart, old *store.Attempt, now time.Time) (*store.Attempt, error) {
	n := len(o.Attempts) + 1
	body, expiresAt := c.body(n, now)
	a := store.Attempt{
		N: n, CreatedAt: now, Lines: c.lines, Metadata: c.Metadata, Fingerprint: c.fingerprint,
		Params: body, ExpiresAt: expiresAt, PayBy: expiresAt,
	}
	if c.quote != nil {
		a.Quote = &store.Quote{Currency: c.quote.Currency, Subtotal: c.quote.Subtotal, Variable: variable(body)}
	}
	if c.HoldFor > 0 && now.Add(c.HoldFor).Before(a.ExpiresAt) {
		a.PayBy = now.Add(c.HoldFor)
	}
	if old != nil {
		a.Replaces = old.N
	}
	if wanted := stockLines(c.lines); f.reserver != nil && len(wanted) > 0 {
		a.Hold.ID = fmt.Sprintf("%s/%d", o.ID, n)
		if err := f.holdAttempt(ctx, tx, &a, old, wanted); err != nil {
			return nil, err
		}
	}
	c.describe(o)
	o.Attempts = append(o.Attempts, a)
	return o.Attempt(n), nil
}

func (f *Flow[Tx]) holdAttempt(ctx context.Context, tx Tx, a, old *store.Attempt, wanted []reservation.Line) error {
	if old == nil {
		answer, err := f.holdStock(ctx, tx, &a.Hold, wanted)
		if err == nil {
			err = answer
		}
		return err
	}
	var held []reservation.Line
	if old.Hold.State == store.Held {
		held = stockLines(old.Lines)
	}
	more := increase(wanted, held)
	if len(more) == 0 {
		return nil
	}
	a.Increase.ID = a.Hold.ID + "+"
	answer, err := f.holdStock(ctx, tx, &a.Increase, more)
	if err != nil {
		return err
	}
	var short *reservation.ShortageError
	if errors.As(answer, &short) {
		addHeld(short, held)
	}
	return answer
}

// addHeld turns a shortage of the increase into one of the whole cart: what its owner holds already counts as available.
func addHeld(short *reservation.ShortageError, held []reservation.Line) {
	for i := range short.Lines {
		for _, l := range held {
			if l.SKU == short.Lines[i].SKU {
				short.Lines[i].Wanted += l.Quantity
				short.Lines[i].Available += l.Quantity
			}
		}
	}
}

// Draft makes an order without a session, for [Flow.Begin] to begin later. No stock is held. The session must be as valid
// as one that is begun. If there is an order of this ID, the error matches [ErrOrderExists].
func (f *Flow[Tx]) Draft(ctx context.Context, s Session) (*store.Order, error) {
	var o *store.Order
	err := f.store.InTx(ctx, func(tx Tx) (err error) {
		o, err = f.DraftTx(ctx, tx, s)
		return err
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// DraftTx is Draft in the merchant's own transaction: the order is there if that commits.
func (f *Flow[Tx]) DraftTx(ctx context.Context, tx Tx, s Session) (*store.Order, error) {
	c, err := s.cart("-") // a draft has no session to mark
	if err != nil {
		return nil, err
	}
	o := c.order(f.now())
	inserted, err := f.store.Insert(ctx, tx, o)
	if err != nil {
		return nil, err
	}
	if !inserted[0] {
		return nil, fmt.Errorf("%w: %s", ErrOrderExists, o.ID)
	}
	return o, nil
}
