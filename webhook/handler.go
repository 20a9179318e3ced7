package webhook

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stripe/stripe-go/v82"
)

// Handler verifies Stripe's events, decodes them and calls the handlers of their types. It is an [http.Handler];
// [Handler.Dispatch] takes events that arrive in another way than by HTTP. A Handler starts no goroutine. It is safe for
// concurrent use after all handlers were registered.
type Handler struct {
	cfg  Config
	keys []*signingKey

	mu       sync.Mutex  // guards registration
	sealed   atomic.Bool // set by the first delivery; from then on the fields below are read without mu
	routes   map[string][]route
	fallback []route
	notify   []func(context.Context, *Notification) error
	names    map[string]bool // of Once

	versions versions
	refusals refusals
	buffers  sync.Pool // of *[]byte
}

var _ http.Handler = (*Handler)(nil)

// New returns a Handler that handles no event type yet. Its error names the field of cfg that is wrong, and never
// contains a secret.
func New(cfg Config) (*Handler, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Tolerance == 0 {
		cfg.Tolerance = DefaultTolerance
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	h := &Handler{cfg: cfg, routes: map[string][]route{}, names: map[string]bool{}}
	for _, secret := range cfg.Secrets {
		h.keys = append(h.keys, newSigningKey(secret))
	}
	h.cfg.Secrets = nil // the keys are enough, and so printing a Handler prints no secret
	return h, nil
}

// Dispatch calls the handlers of an event that arrived in another way than by ServeHTTP: from a queue, from a replay, or from
// Amazon EventBridge or Azure Event Grid (see [FromEventBridge] and [FromEventGrid]). It checks no signature. Use it for payloads
// from a trusted sender, or call Verify first.
//
// Dispatch returns nil where ServeHTTP would answer 200: also for duplicates, for events without a handler, and for permanent
// failures, which are logged and observed. An error that matches ErrEnvelope or ErrWrongObject stays when the event is
// dispatched again. Other errors may go away: those of a handler, and a [*PanicError]. The handlers keep payload, so
// the caller must not change it afterwards.
func (h *Handler) Dispatch(ctx context.Context, payload []byte) error {
	h.seal()
	res := Result{Bytes: len(payload)}
	ctx, ended := h.begin(ctx)
	res.Status, res.Err = h.handle(ctx, payload, false, &res)
	h.report(ctx, &res, ended)
	if res.Status == http.StatusOK {
		return nil
	}
	return res.Err
}

// handle reads the envelope of payload, calls the handlers and fills in res. If lent is true, payload is valid only until
// handle returns, and the handlers get a copy.
func (h *Handler) handle(ctx context.Context, payload []byte, lent bool, res *Result) (status int, err error) {
	start := h.cfg.Clock()
	defer func() { res.Handle = h.cfg.Clock().Sub(start) }()
	env, err := readEnvelope(payload)
	if err != nil {
		return http.StatusBadRequest, err
	}
	if env.thin() {
		return h.handleThin(ctx, env, payload, lent, res)
	}
	if h.versions.add(env.apiVersion) {
		h.cfg.Logger.WarnContext(ctx, "webhook: events come with another API version than stripe-go has",
			"api_version", string(env.apiVersion), "stripe_go", stripe.APIVersion)
	}
	routes := h.routes[string(env.typ)]
	if len(routes) == 0 {
		routes = h.fallback
	}
	strict := h.cfg.StrictAPIVersion && string(env.apiVersion) != stripe.APIVersion
	if len(routes) == 0 && !strict && h.cfg.Observe == nil {
		return http.StatusOK, nil // neither a handler nor Observe sees the event, so nothing is allocated for it
	}
	d := newDelivery(env, payload, lent)
	d.now = start
	res.EventID, res.EventType, res.Created = d.event.ID, d.event.Type, d.event.Created
	res.APIVersion, res.Account, res.Livemode = d.event.APIVersion, d.event.Account, d.event.Livemode
	if strict {
		return http.StatusBadRequest, ErrAPIVersion
	}
	return h.run(res, len(routes), func(i int) (bool, error) { return routes[i](ctx, d) })
}

// run calls handlers 0 to n-1 until one fails. It goes on after a permanent failure, because Stripe will not deliver the event
// again to the other handlers.
func (h *Handler) run(res *Result, n int, call func(i int) (duplicate bool, err error)) (status int, err error) {
	var permanent []error
	for i := range n {
		duplicate, err := callSafely(call, i)
		if duplicate {
			res.Duplicate = true
		} else {
			res.Handlers++
		}
		switch {
		case errors.Is(err, ErrPermanent):
			permanent = append(permanent, err)
		case err != nil:
			return http.StatusInternalServerError, errors.Join(append(permanent, err)...)
		}
	}
	return http.StatusOK, errors.Join(permanent...)
}

// callSafely calls handler i and turns its panic into a *PanicError.
func callSafely(call func(i int) (bool, error), i int) (duplicate bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			duplicate, err = false, &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return call(i)
}

// newDelivery copies the fields that handlers see from env.
func newDelivery(env envelope, payload []byte, lent bool) *delivery {
	if lent {
		payload = bytes.Clone(payload)
		env = env.in(payload)
	}
	created, _ := env.createdTime() // envelope.check has returned its error
	id := string(env.id)
	return &delivery{event: Event[struct{}]{
		ID: id, Key: id, Type: string(env.typ), Created: created, AsOf: created,
		APIVersion: string(env.apiVersion), Account: string(env.account), Livemode: env.livemode,
		Previous: env.previous, RawObject: env.data, Raw: payload,
	}}
}
