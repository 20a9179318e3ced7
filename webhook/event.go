package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Type is the name of a Stripe event type whose data.object decodes into T. This package has a constant for every event type
// that stripe-go knows. Declare a newer type, or one that decodes only a part of the object, with a conversion:
//
//	const completed = webhook.Type[myFacts]("checkout.session.completed")
type Type[T any] string

// Event is the event that a handler gets. Each handler gets an Event of its own with an Object of its own. The handlers of one
// delivery share the byte slices and must not change them. A handler may keep the Event after it returns.
//
// Stripe has two forms of events. A snapshot event carries the object as it was when the event happened. A thin event only names
// the object (https://docs.stripe.com/events/how-events-work). The handlers of a type get both forms: for a thin event, the Handler
// fetches the object as it is now. Thin and AsOf say which form came.
type Event[T any] struct {
	ID         string    // Stripe's ID of the event ("evt_…"); the same in every delivery
	Key        string    // tells repetitions: the same in the snapshot and the thin form of one event; otherwise the ID
	Type       string    // the event type that the handler was registered for, for example "checkout.session.completed"
	Created    time.Time // when the event happened, in whole seconds if it is a snapshot; events do not arrive in this order
	APIVersion string    // the API version of Object; empty in very old events
	Account    string    // the connected account ("acct_…") of the event; empty for the endpoint's own account
	Livemode   bool      // true in live mode, false in test mode

	Object   T               // data.object, or the object that was fetched, decoded; zero if a thin event is about no single object
	AsOf     time.Time       // the time of which Object speaks: Created, or when a thin event's object was asked for, by Config.Clock
	Previous json.RawMessage // data.previous_attributes: the old values of the changed fields in *.updated events; nil if there are none, and in thin events

	Thin *Notification // the thin event that came; nil for a snapshot event

	RawObject json.RawMessage // the object as Stripe sent it; nil if a thin event is about no single object, and if Object is a Ref
	Raw       json.RawMessage // the whole payload as Stripe sent it
}

// Metadata returns the "metadata" of data.object, for every T. It returns nil if the object has none, and if a value is not a
// string, which does not happen at Stripe (https://docs.stripe.com/api/metadata).
func (e *Event[T]) Metadata() map[string]string {
	var object struct {
		Metadata map[string]string `json:"metadata"`
	}
	if err := unmarshal(e.RawObject, &object); err != nil {
		return nil
	}
	return object.Metadata
}

// delivery is one event on its way to the handlers, without a decoded object.
type delivery struct {
	event   Event[struct{}]
	now     time.Time
	handler *Handler // of a thin event
	fetched bool     // the object of the thin event was fetched
}

// load fetches the object of a thin event, once for all handlers.
func (d *delivery) load(ctx context.Context) error {
	if d.event.Thin == nil || d.fetched {
		return nil
	}
	f, err := d.handler.fetchObject(ctx, d.event.Thin)
	if err != nil {
		return err
	}
	d.fetched = true
	d.event.RawObject, d.event.Previous, d.event.APIVersion, d.event.AsOf = f.object, f.previous, f.apiVersion, f.asOf
	return nil
}

// prepare has everything ready that decode needs for a T.
func prepare[T any](ctx context.Context, d *delivery) error {
	if !wantsObject[T]() {
		return nil
	}
	return d.load(ctx)
}

// decode returns an Event with a newly decoded object.
func decode[T any](d *delivery) (*Event[T], error) {
	e := &Event[T]{
		ID: d.event.ID, Key: d.event.Key, Type: d.event.Type, Created: d.event.Created,
		APIVersion: d.event.APIVersion, Account: d.event.Account, Livemode: d.event.Livemode,
		AsOf: d.event.AsOf, Previous: d.event.Previous, RawObject: d.event.RawObject, Raw: d.event.Raw,
	}
	if d.event.Thin != nil {
		e.Thin = d.event.Thin.clone()
	}
	if ref, ok := any(&e.Object).(reference); ok {
		ref.refer(d)
		return e, nil
	}
	if len(e.RawObject) == 0 && e.Thin != nil {
		return e, nil
	}
	return e, decodeObject(e.RawObject, &e.Object)
}

// decodeObject decodes raw, which is known to be valid JSON.
func decodeObject[T any](raw json.RawMessage, object *T) error {
	var err error
	if custom, ok := any(object).(json.Unmarshaler); ok {
		// Most structs of stripe-go have this method. Calling it directly saves most of the time, because json.Unmarshal
		// would read the JSON three more times, though it is known to be valid.
		err = custom.UnmarshalJSON(raw)
	} else {
		err = unmarshal(raw, object)
	}
	if err != nil {
		return fmt.Errorf("%w into %T: %w", ErrDecode, *object, withoutValues(err))
	}
	return nil
}
