package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Func is a handler of events whose object is a T: a function, or the result of [Once].
type Func[T any] interface {
	~func(context.Context, *Event[T]) error | OnceFunc[T]
}

// route calls one registered handler.
type route func(ctx context.Context, d *delivery) (duplicate bool, err error)

// On registers fn as a handler of the events of type t. A type may have several handlers. They run in the order of
// registration, each with an object of its own. A handler that returns nil has handled the event. The first error stops the
// handlers, and Stripe delivers the event again to all of them, so a handler can see an event twice; [Once] prevents that.
// For errors that trying again can't cure see [Permanent].
//
// fn gets both forms of the events: snapshot events, and the thin events of the same changes, whose types begin with "v1."; for
// those, Config.Client fetches the object. Types of events that are only thin, such as [V1CustomerSubscriptionPastDue], are
// registered by their whole name. For thin events about v2 objects see [Handler.OnNotification].
//
// On panics if T is a struct of stripe-go that events of type t do not carry, if t is empty, the name of a snapshot event's thin
// form or one of a v2 event, if t is only thin, T needs the object and Config.Client is nil, if fn is nil, if the name of a Once is
// taken, and after the first delivery.
func On[T any, F Func[T]](h *Handler, t Type[T], fn F) {
	h.checkType(string(t), wantsObject[T]())
	if want, got := knownGoType([]byte(t)), stripeGoType(objectType[T]()); want != "" && got != "" && got != want {
		panic(fmt.Sprintf("webhook: events of type %q carry %s, not stripe.%s", t, want, got))
	}
	r, name := newRoute[T](string(t), fn)
	h.register(name, func() { h.routes[string(t)] = append(h.routes[string(t)], r) })
}

// checkType panics if no event of type t can reach a handler. needsObject says that the handler needs the object.
func (h *Handler) checkType(t string, needsObject bool) {
	snapshotType, thin := strings.CutPrefix(t, thinPrefix)
	switch {
	case t == "":
		panic("webhook: On without an event type")
	case strings.HasPrefix(t, "v2."):
		panic(fmt.Sprintf("webhook: events of type %q are about v2 objects: use OnNotification", t))
	case thin && knownObjects([]byte(snapshotType)) != "":
		panic(fmt.Sprintf("webhook: %q is the thin form of %q: register the handler for %[2]q, and it gets both", t, snapshotType))
	case thin && needsObject && h.cfg.Client == nil:
		panic(fmt.Sprintf("webhook: events of type %q are only thin: set Config.Client, so that their objects can be fetched", t))
	}
}

// Fallback registers fn as a handler of all events whose type has no handler, including types that this package does not
// know. Stripe delivers only the types in the endpoint's enabled_events. Thin events about v1 objects are among them if there is no
// OnNotification. Fallback panics as [On] does.
func Fallback[F Func[json.RawMessage]](h *Handler, fn F) {
	r, name := newRoute[json.RawMessage]("Fallback", fn)
	h.register(name, func() { h.fallback = append(h.fallback, r) })
}

// OnNotification registers fn as a handler of the thin events whose type has no handler of [On]: those about v2 objects, and the
// others if the destination sends such types. Thin events are recognised by their "object", which is "v2.core.event", and not by
// their type. OnNotification panics if fn is nil, and after the first delivery.
func (h *Handler) OnNotification(fn func(ctx context.Context, n *Notification) error) {
	if fn == nil {
		panic("webhook: OnNotification with a nil handler")
	}
	h.register("", func() { h.notify = append(h.notify, fn) })
}

// Types returns the types of snapshot events that have a handler, sorted. Use it as the enabled_events of a webhook endpoint
// (https://docs.stripe.com/api/webhook_endpoints/create), or of an event destination whose event_payload is "snapshot". Types that
// are only thin are not among them. Fallback and OnNotification add no types.
func (h *Handler) Types() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	types := slices.Sorted(maps.Keys(h.routes))
	return slices.DeleteFunc(types, func(t string) bool { return strings.HasPrefix(t, thinPrefix) })
}

// ThinTypes returns the types of thin events that have a handler, sorted. Use it as the enabled_events of an event destination whose
// event_payload is "thin" (https://docs.stripe.com/api/v2/core/event-destinations/create). Types that Stripe does not send as thin
// events, such as treasury.*, are not among them: their handlers need a destination of snapshot events. Fallback and
// OnNotification add no types.
func (h *Handler) ThinTypes() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var types []string
	for t := range h.routes {
		switch {
		case strings.HasPrefix(t, thinPrefix):
			types = append(types, t)
		case !neverThin(t):
			types = append(types, thinPrefix+t)
		}
	}
	slices.Sort(types)
	return types
}

// newRoute returns the route of fn, and its name if Once has made fn. what names the registration in a panic.
func newRoute[T any, F Func[T]](what string, fn F) (r route, name string) {
	if once, ok := any(fn).(OnceFunc[T]); ok {
		if once.run == nil {
			panic(fmt.Sprintf("webhook: %s with an OnceFunc that Once has not made", what))
		}
		return once.run, once.name
	}
	// fn may be of a named function type, so it is converted to the plain one.
	type function = func(context.Context, *Event[T]) error
	plain := reflect.ValueOf(fn).Convert(reflect.TypeFor[function]()).Interface().(function)
	if plain == nil {
		panic(fmt.Sprintf("webhook: %s with a nil handler", what))
	}
	r = func(ctx context.Context, d *delivery) (bool, error) {
		if err := prepare[T](ctx, d); err != nil {
			return false, err
		}
		e, err := decode[T](d)
		if err != nil {
			return false, err
		}
		return false, plain(ctx, e)
	}
	return r, ""
}

// register calls add unless a delivery was received or the name of a Once is taken.
func (h *Handler) register(onceName string, add func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sealed.Load() {
		panic("webhook: a handler was registered after the first delivery")
	}
	if onceName != "" {
		if h.names[onceName] {
			panic(fmt.Sprintf("webhook: two Once are named %q: the second would never run; give each type and handler a name of its own", onceName))
		}
		h.names[onceName] = true
	}
	add()
}

// seal ends registration, so that deliveries can read the routes without a lock.
func (h *Handler) seal() {
	if h.sealed.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sealed.Store(true)
}

// stripeGoType returns the name of a type of stripe-go, of any major version, and "" for all other types.
func stripeGoType(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if !strings.HasPrefix(t.PkgPath(), "github.com/stripe/stripe-go/") {
		return ""
	}
	return t.Name()
}
