package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/gofulfil/fulfil/webhook"
)

// queue is a broker that keeps events until they are worked on. Events may come twice and in any order: the Flow's guarantees hold.
type queue interface {
	// publish returns when the broker has the event on disk.
	publish(ctx context.Context, event []byte) error
	// work passes on each event, and again later if dispatch fails, until ctx ends.
	work(ctx context.Context, dispatch func(ctx context.Context, event []byte) error) error
}

const (
	// maxEvent is the largest event in bytes, as [webhook.Config] has it by default.
	maxEvent = 256 << 10
	// publishTime is how long Stripe waits for the broker's word.
	publishTime = 5 * time.Second
)

// intake answers Stripe's webhooks without a database: it verifies an event and publishes it. If the broker does not take the event,
// the answer is 503, and Stripe sends the event again.
func intake(hook *webhook.Handler, q queue) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEvent))
		if err != nil {
			http.Error(w, "The event can't be read.", http.StatusBadRequest)
			return
		}
		if err := hook.Verify(event, r.Header.Get("Stripe-Signature")); err != nil {
			http.Error(w, "The signature is not valid.", http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), publishTime)
		defer cancel()
		if err := q.publish(ctx, event); err != nil {
			slog.Error("event is not taken; Stripe sends it again", "error", err)
			http.Error(w, "Try again later.", http.StatusServiceUnavailable)
		}
	})
}

// hopeless reports whether an event fails again however often it is dispatched.
func hopeless(err error) bool {
	return errors.Is(err, webhook.ErrEnvelope) || errors.Is(err, webhook.ErrWrongObject)
}
