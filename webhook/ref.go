package webhook

import (
	"context"
	"encoding/json"
	"reflect"
)

// Ref names the object of an event, and gets the object when the handler asks for it. It is for handlers that often need no more
// than the ID: then a thin event costs no request, and needs no Config.Client. Declare the event type with it:
//
//	const completed = webhook.Type[webhook.Ref[stripe.CheckoutSession]](webhook.CheckoutSessionCompleted)
type Ref[T any] struct {
	raw  json.RawMessage // the object, if it is here already
	thin *Notification
	from *Handler
}

// ID is Stripe's ID of the object. It is empty for an object of which an account has one, such as its balance, and if the event is
// about no single object.
func (r Ref[T]) ID() string {
	if r.thin != nil {
		if r.thin.RelatedObject == nil {
			return ""
		}
		return r.thin.RelatedObject.ID
	}
	var object struct {
		ID string `json:"id"`
	}
	if err := unmarshal(r.raw, &object); err != nil {
		return ""
	}
	return object.ID
}

// Get returns the object of a snapshot event, or fetches that of a thin event as it is now. Each call for a thin event asks Stripe,
// unless another handler of the same delivery has. The errors are those of a handler whose object is a T: see [Config].Client.
func (r Ref[T]) Get(ctx context.Context) (object T, err error) {
	raw := r.raw
	if raw == nil && r.thin != nil {
		f, err := r.from.fetchObject(ctx, r.thin)
		if err != nil || f.object == nil {
			return object, err
		}
		raw = f.object
	}
	return object, decodeObject(raw, &object)
}

// reference is implemented by Ref.
type reference interface {
	refer(d *delivery)
	target() reflect.Type
}

func (r *Ref[T]) refer(d *delivery) {
	r.raw, r.thin, r.from = d.event.RawObject, d.event.Thin, d.handler
}

// target is the Go type of the object.
func (r *Ref[T]) target() reflect.Type { return reflect.TypeFor[T]() }

// wantsObject reports whether a handler with an Event[T] needs the object before it runs.
func wantsObject[T any]() bool {
	_, ref := any((*T)(nil)).(reference)
	return !ref
}

// objectType is the Go type of the object of a T, which may be a Ref.
func objectType[T any]() reflect.Type {
	if ref, ok := any((*T)(nil)).(reference); ok {
		return ref.target()
	}
	return reflect.TypeFor[T]()
}
