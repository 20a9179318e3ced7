package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/stripe/stripe-go/v82"
)

// Verify checks that header, the value of a Stripe-Signature header, was made for payload with one of Config.Secrets,
// not longer ago than Config.Tolerance. It is for payloads that are taken in at one place and dispatched at another.
// Its errors match ErrNoSignature, ErrHeader, ErrTimestamp or ErrSignature.
func (h *Handler) Verify(payload []byte, header string) error {
	sig, err := h.checkHeader(header)
	if err != nil {
		return err
	}
	return h.checkBody(&sig, payload)
}

// Dispatch runs the handlers of an event that came by another road than ServeHTTP: a queue, a replay, or the "detail"
// of an Amazon EventBridge event. It checks no signature: use it for payloads whose sender is known, or after Verify.
//
// It returns nil where ServeHTTP would have answered 200, so also for duplicates, for events nobody handles and for
// permanent failures, which are logged and observed. Errors that match ErrEnvelope or ErrWrongObject will not go away
// by trying again; others, a handler's own or a *PanicError, may. The handlers see payload itself, so it must not
// be changed afterwards.
func (h *Handler) Dispatch(ctx context.Context, payload []byte) error {
	h.seal()
	res := Result{Bytes: len(payload)}
	res.Status, res.Err = h.handle(ctx, payload, false, &res)
	h.report(ctx, &res)
	if res.Status == http.StatusOK {
		return nil
	}
	return res.Err
}

// handle reads the envelope of payload, runs the handlers and fills in res. If lent is true, payload is only valid
// until handle returns, and handlers get a copy.
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
		return http.StatusOK, nil // nobody will look at it: allocate nothing
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

// handleThin decodes a thin event, which is small, and runs its handlers.
func (h *Handler) handleThin(ctx context.Context, env envelope, payload []byte, lent bool, res *Result) (int, error) {
	res.EventID, res.EventType, res.Livemode = string(env.id), string(env.typ), env.livemode
	if lent {
		payload = bytes.Clone(payload)
	}
	return h.run(res, len(h.notify), func(i int) (bool, error) {
		n := &Notification{Raw: payload}
		if err := json.Unmarshal(payload, n); err != nil {
			return false, fmt.Errorf("%w into a Notification: %w", ErrDecode, withoutValues(err))
		}
		return false, h.notify[i](ctx, n)
	})
}

// run calls handlers 0 to n-1 until one fails. A permanent failure is no reason to keep the event from the others: it
// will not come again.
func (h *Handler) run(res *Result, n int, call func(i int) (duplicate bool, err error)) (int, error) {
	var permanent []error
	for i := range n {
		res.Handlers++
		duplicate, err := protect(call, i)
		if duplicate {
			res.Handlers--
			res.Duplicate = true
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

// protect turns a panic of call into an error.
func protect(call func(i int) (bool, error), i int) (duplicate bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			duplicate, err = false, &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return call(i)
}

// newDelivery takes out of env what handlers see.
func newDelivery(env envelope, payload []byte, lent bool) *delivery {
	if lent {
		payload = bytes.Clone(payload)
		env = env.in(payload)
	}
	created, _ := env.createdTime() // check has seen its error
	return &delivery{event: Event[struct{}]{
		ID: string(env.id), Type: string(env.typ), Created: created,
		APIVersion: string(env.apiVersion), Account: string(env.account), Livemode: env.livemode,
		Previous: env.previous, RawObject: env.data, Raw: payload,
	}}
}
