package checkout

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
)

// refused reports whether Stripe answered that it did not do what it was asked for. A conflict of idempotency keys (409)
// is not such an answer: the first request may still succeed. Neither are server errors and lost answers.
func refused(err error) bool {
	var se *stripe.Error
	return errors.As(err, &se) && se.HTTPStatusCode >= 400 && se.HTTPStatusCode < 500 && se.HTTPStatusCode != 409
}

// badRequest reports whether Stripe found the request at odds with the object, as when a session is to be expired that
// is no longer open.
func badRequest(err error) bool {
	var se *stripe.Error
	return errors.As(err, &se) && se.HTTPStatusCode == 400
}

// tooLate reports whether so much time passed before Stripe got the request that the session's end is too near.
func tooLate(err error) bool {
	var se *stripe.Error
	return errors.As(err, &se) && se.HTTPStatusCode == 400 && se.Param == "expires_at"
}

// missing reports whether Stripe does not know the object.
func missing(err error) bool {
	var se *stripe.Error
	return errors.As(err, &se) && se.HTTPStatusCode == 404
}

// unrefundable reports whether the money of a charge is gone already: refunded, or taken back by the customer's bank
// (https://docs.stripe.com/error-codes).
func unrefundable(err error) bool {
	var se *stripe.Error
	return errors.As(err, &se) && (se.Code == stripe.ErrorCodeChargeAlreadyRefunded || se.Code == stripe.ErrorCodeChargeDisputed)
}

// stripeError keeps an error of a Stripe call matchable by errors.As, and its text free of what Stripe or stripe-go quote:
// an e-mail address from the request, the beginning of an answer that could not be read.
type stripeError struct {
	doing string
	err   error
}

func (e *stripeError) Error() string {
	text := "checkout: " + e.doing + ": "
	var se *stripe.Error
	var ne net.Error
	switch {
	case errors.As(e.err, &se):
		text += "stripe answered " + strconv.Itoa(se.HTTPStatusCode)
		for _, part := range []string{string(se.Type), string(se.Code), se.Param, se.RequestID} {
			if part != "" {
				text += " " + part
			}
		}
		return text
	case errors.Is(e.err, context.Canceled), errors.Is(e.err, context.DeadlineExceeded), errors.As(e.err, &ne):
		return text + e.err.Error()
	}
	return text + fmt.Sprintf("stripe's answer could not be read (%T)", e.err)
}

func (e *stripeError) Unwrap() error { return e.err }

// expansions are what an answer must say beside the session: what became of the payment.
func expansions(o *store.Order) []*string {
	if o.Mode == string(ModeSubscription) {
		return stripe.StringSlice([]string{"subscription"})
	}
	return stripe.StringSlice([]string{"payment_intent.latest_charge"})
}

// onAccount has a request made on a connected account; empty: on the merchant's own.
func onAccount(p interface{ SetStripeAccount(string) }, account string) {
	if account != "" {
		p.SetStripeAccount(account)
	}
}

// end ends the session of an attempt and settles what comes of it. If Stripe answers that the session is not open, what
// it is instead is fetched and settled. If it can be paid all the same, the error matches [ErrStillOpen].
func (f *Flow[Tx]) end(ctx context.Context, o *store.Order, a *store.Attempt, doing string) error {
	answer, err := f.expire(ctx, o, a.SessionID, doing)
	if badRequest(err) {
		answer, err = f.retrieve(ctx, o, a.SessionID, doing)
	}
	if err != nil {
		return err
	}
	if err := f.settle(ctx, o.ID, answer); err != nil {
		return err
	}
	if !answer.completed && !answer.expired {
		return fmt.Errorf("%w: %s", ErrStillOpen, o.ID)
	}
	return nil
}

// ask fetches the session of an attempt and settles it.
func (f *Flow[Tx]) ask(ctx context.Context, o *store.Order, a *store.Attempt, doing string) error {
	answer, err := f.retrieve(ctx, o, a.SessionID, doing)
	if err != nil {
		return err
	}
	return f.settle(ctx, o.ID, answer)
}

func (f *Flow[Tx]) expire(ctx context.Context, o *store.Order, sessionID, doing string) (news, error) {
	params := &stripe.CheckoutSessionExpireParams{Expand: expansions(o)}
	onAccount(params, o.Account)
	session, err := f.stripe.V1CheckoutSessions.Expire(ctx, sessionID, params)
	if err != nil {
		return news{}, &stripeError{doing: "expiring a session", err: err}
	}
	return heardAnswer(doing, o.Account, session.LastResponse)
}

func (f *Flow[Tx]) retrieve(ctx context.Context, o *store.Order, sessionID, doing string) (news, error) {
	params := &stripe.CheckoutSessionRetrieveParams{Expand: expansions(o)}
	onAccount(params, o.Account)
	session, err := f.stripe.V1CheckoutSessions.Retrieve(ctx, sessionID, params)
	if err != nil {
		return news{}, &stripeError{doing: "fetching a session", err: err}
	}
	return heardAnswer(doing, o.Account, session.LastResponse)
}
