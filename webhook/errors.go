package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
)

// The errors of a delivery, to be matched with [errors.Is]. [Handler.Verify] and [Handler.Dispatch] return them,
// Config.Observe sees them. None holds a part of the payload, the header or a secret.
var (
	// ErrMethod: the request is not a POST (405).
	ErrMethod = errors.New("webhook: method is not POST")
	// ErrContentType: the body is not declared as application/json (415).
	ErrContentType = errors.New("webhook: content type is not application/json")
	// ErrNoSignature: there is no Stripe-Signature header (400).
	ErrNoSignature = errors.New("webhook: no Stripe-Signature header")
	// ErrHeader: the Stripe-Signature header has no or several timestamps, no v1 signature, or too many (400).
	ErrHeader = errors.New("webhook: malformed Stripe-Signature header")
	// ErrTimestamp: the signature's timestamp is further from the clock than Config.Tolerance, either way (400).
	ErrTimestamp = errors.New("webhook: timestamp out of tolerance")
	// ErrTooLarge: the body is larger than Config.MaxBytes (413).
	ErrTooLarge = errors.New("webhook: body larger than Config.MaxBytes")
	// ErrBodyRead: the body could not be read to its end, most often because the sender hung up (400).
	ErrBodyRead = errors.New("webhook: reading the body")
	// ErrBodyConsumed: something before this handler has read the body (500: the server is wired wrongly). An empty body
	// that came in chunks, so without a length, matches it together with ErrSignature (400).
	ErrBodyConsumed = errors.New("webhook: the request body was consumed before this handler: mount it outside of any middleware that reads or parses bodies")
	// ErrSignature: no v1 signature fits the body and any of the secrets (400). Either the secret is that of another
	// endpoint, or the body is not byte for byte what was signed.
	ErrSignature = errors.New("webhook: no signature matches the body and Config.Secrets")
	// ErrEnvelope: the payload is not a Stripe event (400).
	ErrEnvelope = errors.New("webhook: payload is not an event")
	// ErrWrongObject: data.object is not one of the objects that events of this type carry (400).
	ErrWrongObject = errors.New("webhook: data.object is not an object of this event type")
	// ErrAPIVersion: the event has another API version than stripe.APIVersion and Config.StrictAPIVersion is set (400).
	ErrAPIVersion = errors.New("webhook: event of another API version")
	// ErrDecode: data.object could not be decoded into the handler's type (500, so that it comes again once that is mended).
	ErrDecode = errors.New("webhook: decoding data.object")
	// ErrPermanent: a handler returned an error made by [Permanent] (200).
	ErrPermanent = errors.New("webhook: permanent failure")
)

// Permanent marks err as one that trying again can't cure. A handler that returns it (wrapped or not) has failed: a
// [Once] transaction is rolled back and the error is logged and given to Config.Observe, where it matches
// [ErrPermanent] and err. But the delivery is acknowledged, so that Stripe does not send it again, and the type's
// other handlers still run, as this is their only chance. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrPermanent, err)
}

// PanicError is the error of a handler that panicked; the delivery is answered with 500. A panic with
// [net/http.ErrAbortHandler] is passed on by ServeHTTP after it was observed, as net/http expects of it.
type PanicError struct {
	Value any    // what was given to panic
	Stack []byte // the goroutine's stack at that point
}

// Error says what was panicked with if that is a string or an error; of anything else, which might be
// customer data, it says the type.
func (e *PanicError) Error() string {
	switch v := e.Value.(type) {
	case string:
		return "webhook: handler panicked: " + v
	case error:
		return "webhook: handler panicked: " + v.Error()
	default:
		return fmt.Sprintf("webhook: handler panicked with a %T", v)
	}
}

// Unwrap returns what was panicked with if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// withoutValues strips a decoding error of what it quotes from the payload.
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
