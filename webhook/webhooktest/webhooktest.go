// Package webhooktest signs and builds webhook deliveries as Stripe sends them, for tests of code that receives them.
// It knows nothing of package webhook, so it serves to test any receiver.
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

// Sign returns the Stripe-Signature header of payload, signed with secret at the given time, which is sent in whole
// seconds (https://docs.stripe.com/webhooks/signature).
func Sign(payload []byte, secret string, at time.Time) string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "."))
	mac.Write(payload)
	return "t=" + stamp + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// NewRequest returns a signed POST of payload to url, for an [http.Handler] or an [http.Client]. It panics if url can't
// be parsed.
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
	ID         string    // empty: "evt_test"
	Type       string    // for example "checkout.session.completed"
	Created    time.Time // sent in whole seconds
	APIVersion string    // empty: sent as null
	Account    string    // the connected account; empty: left out
	Livemode   bool

	// Object is data.object, marshalled with encoding/json. Give it the "object" Stripe's has. A map, a
	// json.RawMessage or a small struct are best: stripe-go's own structs are made for reading and do not marshal into
	// what Stripe sends.
	Object any
	// Previous is data.previous_attributes of an update; nil: left out.
	Previous any
}

// Payload returns the event as Stripe sends it. It panics if Object or Previous can't be marshalled.
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
