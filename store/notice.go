package store

import "time"

// Notice is something that happened to an order and that the merchant is told of.
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
	// DeliveredAt is when the merchant's callback returned without an error; zero: it is waiting.
	DeliveredAt time.Time `json:"delivered_at,omitzero"`
}

// NoticeFulfil is the kind of the notice that hands over what was paid for.
const NoticeFulfil = "fulfil"

// Delivery is the state of delivering an order's notices.
type Delivery struct {
	// Token and LeasedUntil say who is delivering; until then nobody else does.
	Token       string    `json:"token,omitempty"`
	LeasedUntil time.Time `json:"leased_until,omitzero"`
	// Tries counts the failed tries of the next notice; NextAt is when it may be tried again.
	Tries  int       `json:"tries,omitempty"`
	NextAt time.Time `json:"next_at,omitzero"`
	// LastError is the text of the last failure.
	LastError string `json:"last_error,omitempty"`
}

// Notify appends a notice to those that wait and numbers it.
func (o *Order) Notify(n Notice) {
	n.N = len(o.Notices) + 1
	o.Notices = append(o.Notices, n)
}

// NextNotice returns the notice to deliver next, or nil. They are delivered in order, but one that fulfils is passed by
// while the order may not be fulfilled.
func (o *Order) NextNotice() *Notice {
	for i := range o.Notices {
		n := &o.Notices[i]
		if n.DeliveredAt.IsZero() && (n.Kind != NoticeFulfil || o.Fulfillable()) {
			return n
		}
	}
	return nil
}
