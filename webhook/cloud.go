package webhook

import (
	"encoding/json"
	"fmt"
	"strings"
)

// The sources of Stripe's events in the two clouds. The rest of a source is the ID of the event destination.
const (
	eventBridgeSource = "aws.partner/stripe.com/"
	eventGridSource   = "/providers/stripe/"
)

// FromEventBridge returns the payload of an event that Amazon EventBridge delivered, for [Handler.Dispatch]. envelope is
// EventBridge's JSON object, with Stripe's event as its "detail" (https://docs.stripe.com/event-destinations/eventbridge). An error
// matches ErrEnvelope or ErrWrongObject.
//
// The payload has no signature, and neither Dispatch nor FromEventBridge can tell who sent it. The caller must see to that: take
// events from the partner event bus of the destination alone, by a rule for its source "aws.partner/stripe.com/ed_…", and let only
// that rule send to the function or the queue that the envelope is read from.
func FromEventBridge(envelope []byte) (payload []byte, err error) {
	var wire struct {
		Source string          `json:"source"`
		Type   string          `json:"detail-type"`
		Detail json.RawMessage `json:"detail"`
	}
	if err := json.Unmarshal(envelope, &wire); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEnvelope, withoutValues(err))
	}
	if !strings.HasPrefix(wire.Source, eventBridgeSource) {
		return nil, fmt.Errorf("%w: its source is not %s…", ErrEnvelope, eventBridgeSource)
	}
	return unwrapped(wire.Detail, wire.Type, "detail")
}

// FromEventGrid returns the payload of an event that Azure Event Grid delivered, for [Handler.Dispatch]. envelope is one CloudEvent
// in JSON, with Stripe's event as its "data" (https://docs.stripe.com/event-destinations/eventgrid). Of a batch, which is an array,
// pass each element. An error matches ErrEnvelope or ErrWrongObject.
//
// The payload has no signature, and neither Dispatch nor FromEventGrid can tell who sent it. The caller must see to that: read from
// a queue that only the subscription of the partner topic can write to, or secure the endpoint with Microsoft Entra ID
// (https://learn.microsoft.com/azure/event-grid/security-authentication).
func FromEventGrid(envelope []byte) (payload []byte, err error) {
	var wire struct {
		Version string          `json:"specversion"`
		Source  string          `json:"source"`
		Type    string          `json:"type"`
		Data    json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(envelope, &wire); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEnvelope, withoutValues(err))
	}
	switch {
	case wire.Version == "":
		return nil, fmt.Errorf("%w: it is no CloudEvent: its specversion is missing", ErrEnvelope)
	case !strings.HasPrefix(wire.Source, eventGridSource):
		return nil, fmt.Errorf("%w: its source is not %s…", ErrEnvelope, eventGridSource)
	}
	return unwrapped(wire.Data, wire.Type, "data")
}

// unwrapped returns payload if it is an event of the type that its envelope says.
func unwrapped(payload json.RawMessage, typ, member string) ([]byte, error) {
	env, err := readEnvelope(payload)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", member, err)
	}
	if string(env.typ) != typ {
		return nil, fmt.Errorf("%w: the types of the envelope and of its %s differ", ErrEnvelope, member)
	}
	return payload, nil
}
