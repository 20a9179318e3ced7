package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
)

// The errors of a delivery, for [errors.Is]. [Handler.Verify] and [Handler.Dispatch] return them, and Config.Observe gets
// them. The comments give the status that ServeHTTP answers. No error contains a part of the payload, of the header or of a
// secret.
var (
	// ErrMethod says that the request is not a POST (405).
	ErrMethod = errors.New("webhook: method is not POST")
	// ErrContentType says that the body is not declared as application/json (415).
	ErrContentType = errors.New("webhook: content type is not application/json")
	// ErrNoSignature says that the request has no Stripe-Signature header (400).
	ErrNoSignature = errors.New("webhook: no Stripe-Signature header")
	// ErrHeader says that the Stripe-Signature header has no timestamp or several, no v1 signature, or too many (400).
	ErrHeader = errors.New("webhook: malformed Stripe-Signature header")
	// ErrTimestamp says that the signature's timestamp is further from Config.Clock than Config.Tolerance, in the past or
	// in the future (400).
	ErrTimestamp = errors.New("webhook: timestamp out of tolerance")
	// ErrTooLarge says that the body is larger than Config.MaxBytes (413).
	ErrTooLarge = errors.New("webhook: body larger than Config.MaxBytes")
	// ErrBodyRead says that reading the body failed, usually because the sender closed the connection (400).
	ErrBodyRead = errors.New("webhook: reading the body")
	// ErrBodyConsumed says that another handler has read the body already (500, because the server is set up wrongly). A
	// chunked body has no length, so an empty one matches both ErrBodyConsumed and ErrSignature (400).
	ErrBodyConsumed = errors.New("webhook: the request body was consumed before this handler: mount it outside of any middleware that reads or parses bodies")
	// ErrSignature says that no v1 signature fits the body and one of Config.Secrets (400). Either the secret belongs to
	// another endpoint, or the body was changed after it was signed.
	ErrSignature = errors.New("webhook: no signature matches the body and Config.Secrets")
	// ErrEnvelope says that the payload is not a Stripe event (400).
	ErrEnvelope = errors.New("webhook: payload is not an event")
	// ErrWrongObject says that events of this type carry other objects than this data.object (400), or than the one that was
	// fetched (500).
	ErrWrongObject = errors.New("webhook: data.object is not an object of this event type")
	// ErrAPIVersion says that Config.StrictAPIVersion is set and the event has another API version than stripe.APIVersion
	// (400).
	ErrAPIVersion = errors.New("webhook: event of another API version")
	// ErrDecode says that data.object does not fit the handler's type (500, so that Stripe delivers the event again after
	// the type was corrected).
	ErrDecode = errors.New("webhook: decoding data.object")
	// ErrNoClient says that a handler needs the object of a thin event, which only a client can fetch (500, so that Stripe delivers
	// the event again after the client was set).
	ErrNoClient = errors.New("webhook: a thin event came for a handler that needs the object: set Config.Client, so that it can be fetched, or send snapshot events to this endpoint")
	// ErrFetch says that Stripe did not answer with the object of a thin event (500, so that Stripe delivers the event again).
	// errors.As finds Stripe's *stripe.Error. An object that was deleted, and that no snapshot event is left of, is never found:
	// Stripe gives up after three days.
	ErrFetch = errors.New("webhook: fetching the object of a thin event")
	// ErrPermanent says that a handler or another callback returned an error made by [Permanent] (200).
	ErrPermanent = errors.New("webhook: permanent failure")
)

// Permanent marks err as a failure that trying again can't cure. The result matches [ErrPermanent] and err, and may be wrapped.
// Permanent(nil) is nil. Two kinds of callback may return it:
//
// A handler of events: the delivery is acknowledged, so Stripe does not send the event again. A [Once] transaction is rolled
// back. The error is logged and passed to Config.Observe. The other handlers of the event still run, because it does not come
// again.
//
// The callbacks Fulfil and OnChange of a checkout.Flow: the Flow does not call them again for the same order or change. Their
// transaction is rolled back. An order that Fulfil refuses is parked until a person decides.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrPermanent, err)
}

// PanicError is the error of a callback that panicked: of an event handler, or of a callback of a checkout.Flow. It counts as
// a failure that may go away, so the callback is called again. ServeHTTP answers 500.
//
// A panic with [net/http.ErrAbortHandler] is observed too, and ServeHTTP then passes it on to net/http.
type PanicError struct {
	Value any    // the value that was passed to panic
	Stack []byte // the goroutine's stack at the panic
}

// Error contains the value if it is a string or an error. Of other values, which might be customer data, it contains only
// the type.
func (e *PanicError) Error() string {
	switch v := e.Value.(type) {
	case string:
		return "callback panicked: " + v
	case error:
		return "callback panicked: " + v.Error()
	default:
		return fmt.Sprintf("callback panicked with a %T", v)
	}
}

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// withoutValues removes the quotes from the payload that an error of encoding/json contains.
func withoutValues(err error) error {
	var mistyped *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &mistyped):
		return fmt.Errorf("field %q does not fit Go type %v", mistyped.Field, mistyped.Type)
	case errors.As(err, &syntax):
		return fmt.Errorf("invalid JSON at byte %d", syntax.Offset)
	default:
		return fmt.Errorf("%T", err)
	}
}
