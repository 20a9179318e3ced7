package checkout

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/stripe/stripe-go/v82"
)

// Errors that say where an order stands. They are matched with errors.Is.
var (
	// ErrOrderExists: an order of this ID is there already.
	ErrOrderExists = errors.New("checkout: order exists")
	// ErrAlreadyPaid: the money for the order has arrived.
	ErrAlreadyPaid = errors.New("checkout: order is already paid")
	// ErrProcessing: the customer finished the page and the money is on its way.
	ErrProcessing = errors.New("checkout: payment of the order is processing")
	// ErrCanceled: the order was canceled; what the customer buys now is another order.
	ErrCanceled = errors.New("checkout: order is canceled")
	// ErrSuperseded: while the session was being created, another call of Begin or Cancel, or a sweep, took the order
	// over. Nobody gets the URL of this one.
	ErrSuperseded = errors.New("checkout: superseded by another call for the same order")
	// ErrStillOpen: Stripe would not end a session, and says that it is open.
	ErrStillOpen = errors.New("checkout: session could not be ended")
	// ErrUnknownOrder: a session carries the mark of this shop, but the Store has no such order or attempt. The database
	// is not the one that the session was begun with, or lost something.
	ErrUnknownOrder = errors.New("checkout: session of this shop without an order")
	// ErrBusy: another process is delivering what happened to the order.
	ErrBusy = errors.New("checkout: order is being delivered elsewhere")
	// ErrBackoff: delivering failed before and is tried again later.
	ErrBackoff = errors.New("checkout: delivery is waiting for its next try")
	// ErrPermanent is matched by what [Permanent] makes.
	ErrPermanent = errors.New("checkout: permanent failure")
	// ErrNotPaid: what is asked for is for paid orders.
	ErrNotPaid = errors.New("checkout: order is not paid")
	// ErrFulfilled: an order that was handed over can't be given up.
	ErrFulfilled = errors.New("checkout: order is fulfilled")
	// ErrUnknownSession: no order was begun with this session.
	ErrUnknownSession = errors.New("checkout: unknown session")
)

// Permanent marks an error of Fulfil or OnChange as one that trying again can't cure: an order that can't be fulfilled is
// parked until [Flow.Resolve], and a change counts as told. What the callback wrote is rolled back. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrPermanent, err)
}

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
