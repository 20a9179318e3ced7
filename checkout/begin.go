package checkout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
)

// Started is a session that a customer can be sent to.
type Started struct {
	OrderID   string `json:"order_id"`
	SessionID string `json:"session_id"`
	// URL is the hosted page; ClientSecret is for an embedded one. One of them is empty.
	URL          string `json:"url,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`
	// Attempt counts the tries of the order to get paid, from 1. It is not in the JSON.
	Attempt int `json:"-"`
	// ExpiresAt is until when the customer can pay: until the hold or the session ends, whichever is earlier.
	ExpiresAt time.Time `json:"expires_at"`
	// Reused says that the session was there already, for the same cart. It is not in the JSON.
	Reused bool `json:"-"`
}

const (
	// createTries is how many attempts one Begin makes while answers get lost.
	createTries = 3
	// reuseMargin is what a session must have left to be handed out again, if its whole life is not shorter.
	reuseMargin = time.Minute
)

// Begin holds the stock of the session's lines, creates the session and returns where to send the customer. Begin makes the
// order if there is none of this ID.
//
// The same cart again returns the same session while the session can be paid. A changed cart ends the old session first. If
// only the increase does not fit, the old session stays as it is.
//
// A Begin whose context has no deadline gets one of two minutes.
//
// Errors: an [*InvalidSessionError]; [ErrNoReserver]; a [*reservation.ShortageError], or one that matches
// [reservation.ErrUnknownSKU]; [ErrAlreadyPaid], [ErrProcessing], [ErrCanceled]; [ErrSuperseded]; [ErrStillOpen];
// [ErrWrongMode]; [ErrWrongAccount]; a [*stripe.Error] by errors.As if Stripe refused or could not be reached; [store.ErrUnavailable];
// [store.ErrInDoubt]. After each of them either no stock is held for the customer, or a sweep gives it back within minutes. To begin
// the same order again is always safe.
func (f *Flow[Tx]) Begin(ctx context.Context, s Session) (begun *Started, err error) {
	ctx, ended := f.observe.begin(ctx, Operation{Kind: OperationBegin, OrderID: s.OrderID})
	defer func() { ended(begunOutcome(begun, err)) }()
	ctx, cancel := limited(ctx)
	defer cancel()
	shop, err := f.shop(ctx)
	if err != nil {
		return nil, err
	}
	c, err := s.cart(shop.id)
	if err != nil {
		return nil, err
	}
	if err := f.checkReserver(c); err != nil {
		return nil, err
	}
	if err := f.checkAccount(ctx); err != nil {
		return nil, err
	}
	if err := f.refuseSoldOut(ctx, c); err != nil {
		return nil, err
	}
	if err := f.startAccount(ctx, c.Connect.Account); err != nil {
		return nil, err
	}
	begun, err = f.begin(ctx, c)
	if errors.Is(err, ErrAlreadyPaid) || errors.Is(err, ErrProcessing) {
		f.tryDeliver(ctx, s.OrderID) // ending the old session may have brought the payment to light
	}
	return begun, err
}

// checkReserver refuses lines that name stock when no stock is kept.
func (f *Flow[Tx]) checkReserver(c *cart) error {
	if f.reserver == nil && len(stockLines(c.lines)) > 0 {
		return ErrNoReserver
	}
	return nil
}

// begin repeats the three steps of Begin with new attempts while answers get lost: open, post, record.
func (f *Flow[Tx]) begin(ctx context.Context, c *cart) (*Started, error) {
	unlock, err := f.beginning.lock(ctx, c.OrderID)
	if err != nil {
		return nil, err
	}
	defer unlock()
	searched := false
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
			return nil, err // the caller is gone; a later Begin or a sweep closes the attempt
		}
		if closeErr := f.closeBegun(ctx, o.ID, a.N); closeErr != nil {
			return nil, errors.Join(err, closeErr)
		}
		if lost(err) && a.N <= lostAttempts {
			// The database may have lost many attempts. All their sessions are found by one search.
			if !searched {
				if err := f.findLost(ctx, o); err != nil {
					return nil, err
				}
			}
			searched, try = true, 0
			continue
		}
		// Stripe replays a server error for a day under the same idempotency key, so the next try is another attempt.
		var failed *stripeError
		if !errors.As(err, &failed) || refused(err) && !tooLate(err) || try == createTries {
			return nil, err
		}
		f.log.Warn("creating a session failed; trying again", "order", o.ID, "attempt", a.N, "error", err)
	}
}

// replace ends the session that a takes the place of. It returns nil if a can go on.
func (f *Flow[Tx]) replace(ctx context.Context, o *store.Order, a *store.Attempt) error {
	err := untilShown(ctx, func() (bool, error) {
		return true, surely(ctx, func() error { return f.end(ctx, o, o.Attempt(a.Replaces), "begin") })
	})
	if err == nil {
		err = f.mayCreate(ctx, o.ID, a.N)
	}
	if err == nil {
		return nil
	}
	// The increase is given back; the old session stays as it is.
	return errors.Join(err, f.closeBegun(ctx, o.ID, a.N))
}

// mayCreate says why attempt n must not get a session after all; nil: it may.
func (f *Flow[Tx]) mayCreate(ctx context.Context, id string, n int) error {
	var o *store.Order
	err := untilShown(ctx, func() (shown bool, err error) {
		o, err = f.store.Find(ctx, id)
		return err == nil && o.Attempt(n) != nil, err
	})
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

// create is steps two and three of Begin: it posts the stored parameters of an attempt, and records the session if the
// attempt is still open. Only then may the URL be handed out.
func (f *Flow[Tx]) create(ctx context.Context, o *store.Order, a *store.Attempt) (*Started, error) {
	shop, err := f.shop(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := f.stripe.createSession(ctx, o.Account, a.Params, idempotencyKey("%s/%s/%d", shop.id, o.ID, a.N))
	if err != nil {
		return nil, err
	}
	if err := f.checkMode(ctx, answer.facts.Livemode); err != nil {
		_, endErr := f.stripe.expireSession(ctx, o, answer.facts.ID, "begin")
		return nil, errors.Join(err, endErr)
	}
	if err := f.keepWitness(ctx, o.Account, answer.facts.ID); err != nil {
		return nil, err
	}
	var recorded *Started
	err = f.recordBegun(ctx, o.ID, a.N, func(locked *store.Order, now time.Time) (bool, error) {
		recorded = nil
		open := locked.Attempt(a.N)
		switch {
		case !open.Open() || open.Mark != a.Mark || open.SessionID != "" && open.SessionID != answer.facts.ID:
			return false, nil
		case open.Hold.ID != "" && open.Hold.State != store.Held:
			return false, nil // the database went back to before the stock was held
		}
		recordSession(open, &answer.facts)
		locked.Livemode = answer.facts.Livemode
		recorded = started(locked.ID, open, false)
		return true, nil
	})
	if errors.Is(err, ErrNotFound) {
		err = nil // the database lost the order meanwhile: the session must not be paid
	}
	if err != nil {
		return nil, err
	}
	if recorded == nil {
		_, err := f.stripe.expireSession(ctx, o, answer.facts.ID, "begin")
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

func started(orderID string, a *store.Attempt, reused bool) *Started {
	return &Started{
		OrderID: orderID, SessionID: a.SessionID, URL: a.URL, ClientSecret: a.ClientSecret,
		Attempt: a.N, ExpiresAt: a.PayBy, Reused: reused,
	}
}

// lost reports whether Stripe created another session with this idempotency key before: the order was begun before, and the
// database lost what was recorded of it (https://docs.stripe.com/api/idempotent_requests).
func lost(err error) bool {
	var se *stripe.Error
	return errors.As(err, &se) && se.Type == stripe.ErrorTypeIdempotency
}

// findLost looks for the sessions of an order that the database lost, so that the order is not sold twice: one that was
// paid is settled, and one that is open is ended. Sweeps then look for what else was lost. It returns [ErrAlreadyPaid] or
// [ErrProcessing] if there was such a payment.
func (f *Flow[Tx]) findLost(ctx context.Context, o *store.Order) error {
	shop, err := f.shop(ctx)
	if err != nil {
		return err
	}
	sessions, err := f.stripe.sessionsSince(ctx, o.Account, f.now().Add(-lostSince), lostPages)
	if err != nil {
		return err
	}
	if len(sessions) == lostPages*pageSize {
		f.log.Warn("the database lost this order, and not all sessions were searched for its payment: run Flow.Backfill", "order", o.ID)
	}
	var paid []sessionUpdate
	for _, s := range sessions {
		if !shop.marked(&s, o.ID) || o.AttemptBySession(s.ID) != nil {
			continue
		}
		if s.Status == "open" {
			if _, err := f.stripe.expireSession(ctx, o, s.ID, "begin"); err != nil && !badRequest(err) {
				return err
			}
		}
		answer, err := f.stripe.session(ctx, o.Account, o.Mode, s.ID, "begin")
		if err == nil {
			err = f.noticeLoss(ctx, o.Account, time.Unix(answer.facts.Created, 0))
		}
		if err == nil {
			_, err = f.settleSession(ctx, answer)
		}
		if err != nil {
			return err
		}
		if answer.bringsMoney() {
			paid = append(paid, answer)
		}
	}
	for try := 1; ; try++ {
		found, err := f.store.Find(ctx, o.ID)
		if err != nil && (!errors.Is(err, ErrNotFound) || try == lostTries) {
			return err
		}
		// The database may have lost a payment again that was recorded just now.
		again := slices.DeleteFunc(slices.Clone(paid), func(u sessionUpdate) bool { return err == nil && found.AttemptBySession(u.facts.ID) != nil })
		if err == nil && (len(again) == 0 || try == lostTries) {
			return cancelable(found)
		}
		for _, u := range again {
			if _, err := f.settleSession(ctx, u); err != nil {
				return err
			}
		}
	}
}

const (
	// lostSince is how long ago a session can have been created whose idempotency key Stripe still knows. Stripe keeps a key for at
	// least a day and does not say how much longer (https://docs.stripe.com/api/idempotent_requests), so there are two days to spare.
	lostSince = 3 * 24 * time.Hour
	// lostAttempts is how many attempts of an order that the database lost are passed over at most.
	lostAttempts = 100
	// lostPages is how many pages of sessions findLost reads at most.
	lostPages = 20
	// lostTries is how often findLost looks at most whether what it recorded is there.
	lostTries = 3
)

// Draft makes an order without a session, for [Flow.Begin] to begin later. No stock is held. The session must be as valid
// as one that is begun. If there is an order of this ID, the error matches [ErrOrderExists].
//
// A Draft whose context has no deadline gets one of two minutes.
func (f *Flow[Tx]) Draft(ctx context.Context, s Session) (*store.Order, error) {
	ctx, cancel := limited(ctx)
	defer cancel()
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
	if err := f.checkReserver(c); err != nil {
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
