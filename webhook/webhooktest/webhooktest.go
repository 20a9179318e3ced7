// Package webhooktest builds and signs webhook deliveries as Stripe does, for tests of receivers. It does not use package
// webhook, so it can test any receiver.
package webhooktest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Sign returns the Stripe-Signature header for payload, signed with secret at the given time. The header has the time in whole
// seconds (https://docs.stripe.com/webhooks/signature).
func Sign(payload []byte, secret string, at time.Time) string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "."))
	mac.Write(payload)
	return "t=" + stamp + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// NewRequest returns a signed POST request of payload to url, for an [http.Handler] or an [http.Client]. It panics if url is
// malformed.
func NewRequest(url string, payload []byte, secret string, at time.Time) *http.Request {
	r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(payload))
	if err != nil {
		panic(fmt.Sprintf("webhooktest: %v", err))
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("Stripe-Signature", Sign(payload, secret, at))
	return r
}

// Event describes an event for [Event.Payload].
type Event struct {
	ID         string    // default: "evt_test"
	Type       string    // for example "checkout.session.completed"
	Created    time.Time // sent in whole seconds
	APIVersion string    // default: null
	Account    string    // the connected account; default: none
	Livemode   bool

	// Object is data.object. Payload encodes it with encoding/json. It needs the "object" field of Stripe's object. Use a map,
	// a json.RawMessage or a small struct. The structs of stripe-go are made for decoding; encoded, they differ from Stripe's
	// objects.
	Object any
	// Previous is data.previous_attributes of an update. Default: none.
	Previous any
}

// Payload returns the event in the form that Stripe sends. It panics if encoding/json can't encode Object or Previous.
func (e Event) Payload() []byte {
	type data struct {
		Object   any `json:"object"`
		Previous any `json:"previous_attributes,omitempty"`
	}
	wire := struct {
		ID         string  `json:"id"`
		Object     string  `json:"object"`
		Account    string  `json:"account,omitempty"`
		APIVersion *string `json:"api_version"`
		Created    int64   `json:"created"`
		Data       data    `json:"data"`
		Livemode   bool    `json:"livemode"`
		Pending    int     `json:"pending_webhooks"`
		Request    struct {
			ID  *string `json:"id"`
			Key *string `json:"idempotency_key"`
		} `json:"request"`
		Type string `json:"type"`
	}{
		ID: e.ID, Object: "event", Account: e.Account, Created: e.Created.Unix(),
		Data: data{e.Object, e.Previous}, Livemode: e.Livemode, Pending: 1, Type: e.Type,
	}
	if wire.ID == "" {
		wire.ID = "evt_test"
	}
	if e.APIVersion != "" {
		wire.APIVersion = &e.APIVersion
	}
	payload, err := json.MarshalIndent(wire, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("webhooktest: %v", err))
	}
	return payload
}

// ThinEvent describes a thin event for [ThinEvent.Payload] (https://docs.stripe.com/events/how-events-work).
type ThinEvent struct {
	ID       string    // default: "evt_test"
	Type     string    // for example "v1.checkout.session.completed"
	Created  time.Time // sent in milliseconds
	Context  string    // the account that the event is of; default: none, for the own account
	Livemode bool

	Object        RelatedObject // the object that the event is about; default: none
	SnapshotEvent string        // ID of the snapshot event of the same change; default: none
}

// RelatedObject is the object that a [ThinEvent] is about.
type RelatedObject struct {
	ID   string `json:"id,omitempty"`
	Type string `json:"type"` // for example "checkout.session"
	URL  string `json:"url"`  // for example "/v1/checkout/sessions/cs_123"
}

// Payload returns the event in the form that Stripe sends.
func (e ThinEvent) Payload() []byte {
	wire := struct {
		ID       string         `json:"id"`
		Object   string         `json:"object"`
		Type     string         `json:"type"`
		Livemode bool           `json:"livemode"`
		Created  string         `json:"created"`
		Context  string         `json:"context,omitempty"`
		Related  *RelatedObject `json:"related_object,omitempty"`
		Snapshot string         `json:"snapshot_event,omitempty"`
	}{
		ID: e.ID, Object: "v2.core.event", Type: e.Type, Livemode: e.Livemode,
		Created: e.Created.UTC().Format("2006-01-02T15:04:05.000Z"), Context: e.Context, Snapshot: e.SnapshotEvent,
	}
	if wire.ID == "" {
		wire.ID = "evt_test"
	}
	if e.Object != (RelatedObject{}) {
		wire.Related = &e.Object
	}
	payload, err := json.Marshal(wire)
	if err != nil {
		panic(fmt.Sprintf("webhooktest: %v", err)) // nothing in it can't be encoded
	}
	return payload
}
