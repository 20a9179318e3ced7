package checkoutotel

import (
	"context"
	"errors"
	"strconv"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/webhook"
)

// The outcomes of an operation.
const (
	outcomeOK      = "ok"
	outcomeRefused = "refused" // the shop works, and the customer gets nothing
	outcomeFailed  = "failed"
)

// refusals are the errors that say where an order stands.
var refusals = []struct {
	err  error
	name string
}{
	{checkout.ErrAlreadyPaid, "already_paid"}, {checkout.ErrProcessing, "processing"}, {checkout.ErrCanceled, "canceled"},
	{checkout.ErrSuperseded, "superseded"}, {checkout.ErrStillOpen, "still_open"},
}

// failures are the errors that a person should know of, and the refusals of a delivery, which anyone can send.
var failures = []struct {
	err  error
	name string
}{
	{checkout.ErrUnknownOrder, "unknown_order"}, {checkout.ErrWrongMode, "wrong_mode"}, {checkout.ErrWrongAccount, "wrong_account"},
	{checkout.ErrNoReserver, "no_reserver"}, {reservation.ErrUnknownSKU, "unknown_sku"}, {webhook.ErrPermanent, "permanent"},
	{checkout.ErrBusy, "busy"}, {checkout.ErrBackoff, "backoff"},
	{webhook.ErrMethod, "method"}, {webhook.ErrContentType, "content_type"}, {webhook.ErrNoSignature, "no_signature"},
	{webhook.ErrHeader, "header"}, {webhook.ErrTimestamp, "timestamp"}, {webhook.ErrTooLarge, "too_large"},
	{webhook.ErrBodyRead, "body_read"}, {webhook.ErrBodyConsumed, "body_consumed"}, {webhook.ErrSignature, "signature"},
	{webhook.ErrEnvelope, "envelope"}, {webhook.ErrWrongObject, "wrong_object"}, {webhook.ErrAPIVersion, "api_version"},
	{context.DeadlineExceeded, "timeout"}, {context.Canceled, "context_canceled"},
}

// classify says how an operation ended and, in a word of which there are few, why. It reads no text of the error.
func classify(err error) (outcome, class string) {
	if err == nil {
		return outcomeOK, ""
	}
	var short *reservation.ShortageError
	if errors.As(err, &short) {
		return outcomeRefused, "shortage"
	}
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			return outcomeRefused, r.name
		}
	}
	var panicked *webhook.PanicError
	var invalid *checkout.InvalidSessionError
	var refused *stripe.Error
	switch {
	case errors.As(err, &panicked):
		return outcomeFailed, "panic"
	case errors.As(err, &invalid):
		return outcomeFailed, "invalid_session"
	case errors.As(err, &refused):
		return outcomeFailed, "stripe_" + strconv.Itoa(refused.HTTPStatusCode)
	}
	for _, f := range failures {
		if errors.Is(err, f.err) {
			return outcomeFailed, f.name
		}
	}
	return outcomeFailed, "_OTHER" // https://opentelemetry.io/docs/specs/semconv/registry/attributes/error/
}
