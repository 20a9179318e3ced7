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

// Func is what handles events whose object is a T: a function, or what [Once] returns.
type Func[T any] interface {
	~func(context.Context, *Event[T]) error | OnceFunc[T]
}

// route runs one registered handler.
type route func(ctx context.Context, d *delivery) (duplicate bool, err error)

// On has fn handle the events of type t. Several handlers of one type run in the order they were registered, each with
// its own decoded object; the first error stops them and has the whole event delivered again, so each must bear to see
// an event twice, which [Once] gives it. A handler that returns nil has handled the event; for errors see [Permanent].
//
// On panics if t is a known event type and T is a struct of stripe-go that its events do not carry, if t is empty, if
// fn is nil, if the name of a Once is taken, and after the first delivery.
func On[T any, F Func[T]](h *Handler, t Type[T], fn F) {
	if t == "" {
		panic("webhook: On without an event type")
	}
	if want, got := knownGoType([]byte(t)), stripeGoType(reflect.TypeFor[T]()); want != "" && got != "" && got != want {
		panic(fmt.Sprintf("webhook: events of type %q carry %s, not stripe.%s", t, want, got))
	}
	r, name := newRoute[T](string(t), fn)
	h.register(name, func() { h.routes[string(t)] = append(h.routes[string(t)], r) })
}

// Fallback has fn handle the events that have no handler of their own type, of types known and unknown; an endpoint
// gets only what its enabled_events ask for. It panics as [On] does.
func Fallback[F Func[json.RawMessage]](h *Handler, fn F) {
	r, name := newRoute[json.RawMessage]("Fallback", fn)
	h.register(name, func() { h.fallback = append(h.fallback, r) })
}

// OnNotification has fn handle thin events, which Stripe sends about its v2 objects and, where an endpoint asks for
// thin payloads, about others. They are told by their "object" being "v2.core.event", never by their type. It panics
// if fn is nil, and after the first delivery.
func (h *Handler) OnNotification(fn func(ctx context.Context, n *Notification) error) {
	if fn == nil {
		panic("webhook: OnNotification with a nil handler")
	}
	h.register("", func() { h.notify = append(h.notify, fn) })
}

// Types lists the event types that have a handler, sorted: what to give a webhook endpoint as enabled_events
// (https://docs.stripe.com/api/webhook_endpoints/create). Fallback and OnNotification add nothing to it.
func (h *Handler) Types() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.routes))
}

func newRoute[T any, F Func[T]](what string, fn F) (r route, name string) {
	if once, ok := any(fn).(OnceFunc[T]); ok {
		if once.run == nil {
			panic(fmt.Sprintf("webhook: %s with an OnceFunc that Once has not made", what))
		}
		return once.run, once.name
	}
	// A function of a named type is converted, so that the caller need not.
	plain := reflect.ValueOf(fn).Convert(reflect.TypeFor[func(context.Context, *Event[T]) error]()).
		Interface().(func(context.Context, *Event[T]) error)
	if plain == nil {
		panic(fmt.Sprintf("webhook: %s with a nil handler", what))
	}
	return func(ctx context.Context, d *delivery) (bool, error) {
		e, err := decode[T](d)
		if err != nil {
			return false, err
		}
		return false, plain(ctx, e)
	}, ""
}

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

func (h *Handler) seal() {
	if h.sealed.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sealed.Store(true)
}

// stripeGoType returns the name of a stripe-go type, of whatever major version, and "" for all other types.
func stripeGoType(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if !strings.HasPrefix(t.PkgPath(), "github.com/stripe/stripe-go/") {
		return ""
	}
	return t.Name()
}
