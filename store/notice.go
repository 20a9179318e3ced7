package store

import "time"

// Notice is an outbox entry: something that happened to an order and that a callback of the merchant's receives.
type Notice struct {
	// N counts from 1; the order's ID with it is the same at every delivery.
	N int `json:"n"`
	// Kind is [NoticeFulfil] or the kind of a change.
	Kind string `json:"kind"`
	// At is when it was recorded.
	At time.Time `json:"at"`
	// From and To are the order's status before and after.
	From Status `json:"from"`
	To   Status `json:"to"`
	// Attempt is the attempt it happened to; 0: the order as a whole.
	Attempt int `json:"attempt,omitempty"`
	// Cause is what brought the news: an event ID, or what was being done.
	Cause string `json:"cause,omitempty"`
	// Detail says more, for a person.
	Detail string `json:"detail,omitempty"`
	// DeliveredAt is when the merchant's callback returned without an error; zero: the entry waits.
	DeliveredAt time.Time `json:"delivered_at,omitzero"`
}

// NoticeFulfil is the kind of the notice that hands over what was paid for.
const NoticeFulfil = "fulfil"

// Delivery is the state of one lane of an order's notices: of the notice that fulfils, or of all changes.
type Delivery struct {
	// Token and LeasedUntil say who is delivering; until then nobody else does.
	Token       string    `json:"token,omitempty"`
	LeasedUntil time.Time `json:"leased_until,omitzero"`
	// Tries counts the failed tries of the next notice of the lane; NextAt is when it may be tried again.
	Tries  int       `json:"tries,omitempty"`
	NextAt time.Time `json:"next_at,omitzero"`
	// LastError is the text of the last failure.
	LastError string `json:"last_error,omitempty"`
}
