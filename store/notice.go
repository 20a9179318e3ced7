package store

import "time"

// Notice is an outbox entry: something that happened to an order, queued for a callback of the merchant's.
type Notice struct {
	// N counts from 1. The order's ID and N are the same at every delivery of the entry.
	// Old entries about a subscription are dropped after their delivery, so that N may exceed the number of entries.
	N int `json:"n"`
	// Kind is [NoticeFulfil] or the kind of a change.
	Kind string `json:"kind"`
	// At is when the entry was recorded.
	At time.Time `json:"at"`
	// From and To are the order's status before and after.
	From Status `json:"from"`
	To   Status `json:"to"`
	// Attempt is the number of the attempt that the entry is about; 0: the order as a whole.
	Attempt int `json:"attempt,omitempty"`
	// Cause is what caused the entry: an event ID, or the name of an operation such as a sweep.
	Cause string `json:"cause,omitempty"`
	// Detail is an explanation for a person.
	Detail string `json:"detail,omitempty"`
	// Invoice is the invoice of a subscription that it happened to, Try the failed try to collect its payment, and When a time that
	// the kind of change explains.
	Invoice string    `json:"invoice,omitempty"`
	Try     int       `json:"try,omitempty"`
	When    time.Time `json:"when,omitzero"`
	// DeliveredAt is when the merchant's callback returned without an error; zero: the entry waits.
	DeliveredAt time.Time `json:"delivered_at,omitzero"`
}

// NoticeFulfil is the kind of the outbox entry that runs the callback Fulfil.
const NoticeFulfil = "fulfil"

// Delivery is the state of one lane of an order's outbox: the entry that fulfils, or all changes.
type Delivery struct {
	// Token names the lease of the process that is delivering. No other process delivers until LeasedUntil.
	Token       string    `json:"token,omitempty"`
	LeasedUntil time.Time `json:"leased_until,omitzero"`
	// Tries counts the failed tries of the lane's next entry. NextAt is when the entry may be tried again.
	Tries  int       `json:"tries,omitempty"`
	NextAt time.Time `json:"next_at,omitzero"`
	// Rollbacks counts the tries of which the callback succeeded and the transaction did not: the database failed, or the
	// callback did not return an error of the database.
	Rollbacks int `json:"rollbacks,omitempty"`
	// LastError is the text of the last failure.
	LastError string `json:"last_error,omitempty"`
}
