package webhook

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/stripe/stripe-go/v82"
)

// Result is the outcome of one delivery.
type Result struct {
	// The event's own fields. All are zero if the delivery was refused before its payload was read as an event.
	EventID    string
	EventType  string // as it came: thin events about v1 objects have the prefix "v1."
	APIVersion string // empty for thin events
	Account    string
	Livemode   bool
	Created    time.Time

	Status    int   // the HTTP status that ServeHTTP answers; for Dispatch, the one that it would answer
	Err       error // the refusal or the handlers' failure; with status 200, a permanent failure (ErrPermanent)
	Handlers  int   // how many handlers ran; 0 with status 200 if the event's type has no handler
	Duplicate bool  // a Once handler did not run, because it has handled the event before
	Bytes     int   // how much of the payload was read

	Read   time.Duration // how long receiving the body took
	Verify time.Duration // how long checking the signature took
	Handle time.Duration // how long decoding and the handlers took
}

// begin begins a delivery for Config.Observe. ended may be nil.
func (h *Handler) begin(ctx context.Context) (_ context.Context, ended func(Result)) {
	if h.cfg.Observe == nil {
		return ctx, nil
	}
	return h.cfg.Observe(ctx)
}

// report logs a failure and ends the delivery for Config.Observe.
func (h *Handler) report(ctx context.Context, res *Result, ended func(Result)) {
	switch {
	case res.Err == nil, aborted(res):
	case res.Handlers > 0:
		h.logFailure(ctx, res)
	default:
		if unlogged, ok := h.refusals.log(h.cfg.Clock()); ok {
			h.cfg.Logger.WarnContext(ctx, "webhook: delivery refused", eventAttr(res), "status", res.Status, "error", res.Err, "refused_before", unlogged)
		}
	}
	if ended != nil {
		ended(*res)
	}
}

func (h *Handler) logFailure(ctx context.Context, res *Result) {
	var panicked *PanicError
	if errors.As(res.Err, &panicked) {
		h.cfg.Logger.ErrorContext(ctx, "webhook: handler panicked", eventAttr(res), "error", res.Err, "stack", string(panicked.Stack))
		return
	}
	h.cfg.Logger.ErrorContext(ctx, "webhook: handler failed", eventAttr(res), "status", res.Status, "error", res.Err, requestIDAttr(res.Err))
}

// requestIDAttr is Stripe's ID of the request that failed; no attribute if err is not about one.
func requestIDAttr(err error) slog.Attr {
	var failed *stripe.Error
	if !errors.As(err, &failed) || failed.RequestID == "" {
		return slog.Attr{}
	}
	return slog.String("stripe_request_id", failed.RequestID)
}

func eventAttr(res *Result) slog.Attr {
	return slog.Group("event", "id", res.EventID, "type", res.EventType)
}

// refusals limits the log of refused deliveries to one a second. Anyone can send a request without a signature.
type refusals struct {
	mu       sync.Mutex
	loggedAt time.Time
	unlogged int // since loggedAt
}

// log reports whether a refusal at now is logged, and how many were not logged before it.
func (r *refusals) log(now time.Time) (unlogged int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if since := now.Sub(r.loggedAt); 0 <= since && since < time.Second {
		r.unlogged++
		return 0, false
	}
	unlogged, r.unlogged, r.loggedAt = r.unlogged, 0, now
	return unlogged, true
}

// aborted reports whether a handler panicked with http.ErrAbortHandler. With it, a handler asks net/http to close the
// connection and to log nothing. Stripe counts the delivery as failed.
func aborted(res *Result) bool {
	if res.Err == nil || res.Handlers == 0 {
		return false
	}
	var p *PanicError
	return errors.As(res.Err, &p) && p.Value == http.ErrAbortHandler
}

// versions counts events by their API version.
type versions struct {
	mu     sync.Mutex
	counts map[string]*int64
}

// add counts an event. It reports whether the event is the first one of a version other than stripe-go's.
func (v *versions) add(version []byte) (news bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n, ok := v.counts[string(version)]; ok {
		*n++
		return false
	}
	if v.counts == nil {
		v.counts = map[string]*int64{}
	}
	n := int64(1)
	v.counts[string(version)] = &n
	return string(version) != stripe.APIVersion
}

// APIVersions returns the number of events of each API version since the process started. The key "" counts events without a
// version. Thin events have none and are not counted. The Handler logs a warning when it first sees a version other than
// stripe.APIVersion. Set the API version of the endpoint to stripe.APIVersion to have every field decoded.
func (h *Handler) APIVersions() map[string]int64 {
	h.versions.mu.Lock()
	defer h.versions.mu.Unlock()
	counts := make(map[string]int64, len(h.versions.counts))
	for version, n := range h.versions.counts {
		counts[version] = *n
	}
	return counts
}
