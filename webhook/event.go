package webhook

import (
	"encoding/json"
	"fmt"
	"time"
)

// Type is the name of a Stripe event type whose data.object decodes into T. The event types Stripe had when this
// package was made are constants of this package; declare further ones, or a type that decodes only a part of the
// object, with a conversion:
//
//	const completed = webhook.Type[myFacts]("checkout.session.completed")
type Type[T any] string

// Event is one event as a handler sees it. Each handler gets an Event of its own with its own Object; the byte slices
// are shared by the handlers of one delivery and must not be changed. All of it may be kept after the handler returns.
type Event[T any] struct {
	ID         string    // Stripe's ID of the event ("evt_…"); the same in every redelivery
	Type       string    // the event type, for example "checkout.session.completed"
	Created    time.Time // when Stripe says the event happened, in whole seconds; not an order to rely on
	APIVersion string    // the API version Object was rendered with; empty in very old events
	Account    string    // the connected account ("acct_…") the event belongs to; empty for the endpoint's own
	Livemode   bool      // whether it belongs to live mode

	Object   T               // data.object, decoded
	Previous json.RawMessage // data.previous_attributes as it came: the changed keys' old values in *.updated events; nil if there are none

	RawObject json.RawMessage // data.object as it came
	Raw       json.RawMessage // the whole payload as it came
}

// Metadata decodes the "metadata" of data.object, whatever T is. It is nil when the object has none, and when it holds
// anything but strings, which Stripe's does not (https://docs.stripe.com/api/metadata).
func (e *Event[T]) Metadata() map[string]string {
	var object struct {
		Metadata map[string]string `json:"metadata"`
	}
	if err := json.Unmarshal(e.RawObject, &object); err != nil {
		return nil
	}
	return object.Metadata
}

// Notification is a thin event: it says what happened to which object and carries none of the object's data. Fetch the
// event or the object with stripe-go for more (https://docs.stripe.com/event-destinations#thin-events).
type Notification struct {
	ID       string    `json:"id"`       // the same in every redelivery
	Type     string    `json:"type"`     // for example "v1.billing.meter.error_report_triggered"
	Created  time.Time `json:"created"`  // when Stripe says the event happened
	Livemode bool      `json:"livemode"` // whether it belongs to live mode
	Context  string    `json:"context"`  // authentication context for fetching the event or the object; often empty

	RelatedObject *RelatedObject  `json:"related_object"` // nil when the event is about no single object
	Raw           json.RawMessage `json:"-"`              // the whole payload as it came
}

// RelatedObject names the object a [Notification] is about.
type RelatedObject struct {
	ID   string `json:"id"`
	Type string `json:"type"` // for example "billing.meter"
	URL  string `json:"url"`  // path to fetch it from, for example "/v1/billing/meters/mtr_123"
}

// delivery is one event on its way to the handlers: everything of it but the decoded object.
type delivery struct {
	event Event[struct{}]
	now   time.Time
}

// decode makes an event with its own object from d.
func decode[T any](d *delivery) (*Event[T], error) {
	e := &Event[T]{
		ID: d.event.ID, Type: d.event.Type, Created: d.event.Created,
		APIVersion: d.event.APIVersion, Account: d.event.Account, Livemode: d.event.Livemode,
		Previous: d.event.Previous, RawObject: d.event.RawObject, Raw: d.event.Raw,
	}
	var err error
	if custom, ok := any(&e.Object).(json.Unmarshaler); ok {
		// Most of stripe-go's structs are. The JSON is known to be valid, and json.Unmarshal would go over it three times
		// more, which is most of its time.
		err = custom.UnmarshalJSON(e.RawObject)
	} else {
		err = json.Unmarshal(e.RawObject, &e.Object)
	}
	if err != nil {
		return nil, fmt.Errorf("%w into %T: %w", ErrDecode, e.Object, withoutValues(err))
	}
	return e, nil
}
