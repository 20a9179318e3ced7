package checkout

import (
	"context"
	"errors"
	"log/slog"

	"github.com/stripe/stripe-go/v82"
)

// requestIDs is a handler of log lines that adds the ID of Stripe's answer to each line about a request that failed, so that a person
// finds the request in Stripe's Dashboard.
type requestIDs struct{ slog.Handler }

// Handle implements slog.Handler.
func (h requestIDs) Handle(ctx context.Context, r slog.Record) error {
	if id := requestID(r); id != "" {
		r = r.Clone()
		r.AddAttrs(slog.String("stripe_request_id", id))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h requestIDs) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestIDs{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h requestIDs) WithGroup(name string) slog.Handler { return requestIDs{h.Handler.WithGroup(name)} }

// requestID returns the ID of the request that the error of a line is about; empty: there is none.
func requestID(r slog.Record) (id string) {
	for a := range r.Attrs {
		err, ok := a.Value.Any().(error)
		var failed *stripe.Error
		if ok && errors.As(err, &failed) && failed.RequestID != "" {
			return failed.RequestID
		}
	}
	return ""
}
