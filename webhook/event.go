package webhook

import (
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
type Event[T any] struct {
	ID         string    // Stripe's ID of the event ("evt_…"); the same in every delivery
	Type       string    // the event type, for example "checkout.session.completed"
	Created    time.Time // when the event happened, in whole seconds; events do not arrive in this order
	APIVersion string    // the API version of Object; empty in very old events
	Account    string    // the connected account ("acct_…") of the event; empty for the endpoint's own account
	Livemode   bool      // true in live mode, false in test mode

	Object   T               // data.object, decoded
	Previous json.RawMessage // data.previous_attributes: the old values of the changed fields in *.updated events; nil if there are none

	RawObject json.RawMessage // data.object as Stripe sent it
	Raw       json.RawMessage // the whole payload as Stripe sent it
}

// Metadata returns the "metadata" of data.object, for every T. It returns nil if the object has none, and if a value is not a
// string, which does not happen at Stripe (https://docs.stripe.com/api/metadata).
func (e *Event[T]) Metadata() map[string]string {
	var object struct {
		Metadata map[string]string `json:"metadata"`
	}
	if err := json.Unmarshal(e.RawObject, &object); err != nil {
		return nil
	}
	return object.Metadata
}

// Notification is a thin event. It names the object that changed, and the kind of change, without the object's data. Fetch the
// object or the full event with stripe-go (https://docs.stripe.com/event-destinations#thin-events).
type Notification struct {
	ID       string    `json:"id"`       // the same in every delivery
	Type     string    `json:"type"`     // for example "v1.billing.meter.error_report_triggered"
	Created  time.Time `json:"created"`  // when the event happened
	Livemode bool      `json:"livemode"` // true in live mode, false in test mode
	Context  string    `json:"context"`  // authentication context for fetching the event or the object; often empty

	RelatedObject *RelatedObject  `json:"related_object"` // nil if the event is about no single object
	Raw           json.RawMessage `json:"-"`              // the whole payload as Stripe sent it
}

// RelatedObject names the object of a [Notification].
type RelatedObject struct {
	ID   string `json:"id"`
	Type string `json:"type"` // for example "billing.meter"
	URL  string `json:"url"`  // path to fetch it from, for example "/v1/billing/meters/mtr_123"
}

// delivery is one event on its way to the handlers, without a decoded object.
type delivery struct {
	event Event[struct{}]
	now   time.Time
}

// decode returns an Event with a newly decoded object.
func decode[T any](d *delivery) (*Event[T], error) {
	e := &Event[T]{
		ID: d.event.ID, Type: d.event.Type, Created: d.event.Created,
		APIVersion: d.event.APIVersion, Account: d.event.Account, Livemode: d.event.Livemode,
		Previous: d.event.Previous, RawObject: d.event.RawObject, Raw: d.event.Raw,
	}
	var err error
	if custom, ok := any(&e.Object).(json.Unmarshaler); ok {
		// Most structs of stripe-go have this method. Calling it directly saves most of the time, because json.Unmarshal
		// would read the JSON three more times, though it is known to be valid.
		err = custom.UnmarshalJSON(e.RawObject)
	} else {
		err = json.Unmarshal(e.RawObject, &e.Object)
	}
	if err != nil {
		return nil, fmt.Errorf("%w into %T: %w", ErrDecode, e.Object, withoutValues(err))
	}
	return e, nil
}
