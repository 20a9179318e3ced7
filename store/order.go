package store

import (
	"encoding/json"
	"slices"
	"time"
)

// Order is what one customer is buying. All amounts are in minor units of Currency, as Stripe takes them
// (1999 is 19.99 USD, 500 is 500 JPY).
type Order struct {
	// ID is the merchant's own, at most 200 of the characters A-Z a-z 0-9 _ -.
	ID string `json:"id"`
	// CreatedAt is when the order was first drafted or begun.
	CreatedAt time.Time `json:"created_at"`
	// UpdatedAt is when the order was last saved.
	UpdatedAt time.Time `json:"updated_at"`
	// Mode is "payment", "subscription" or "setup".
	Mode string `json:"mode"`
	// Currency is a three-letter ISO code in lower case; empty until known.
	Currency string `json:"currency,omitempty"`
	// Lines is what is being bought: the lines of the latest attempt, or of the one that was paid, as the customer changed them
	// if the session let them.
	Lines []Line `json:"lines,omitempty"`
	// Metadata is the merchant's own.
	Metadata map[string]string `json:"metadata,omitempty"`
	// Account is the connected account that the sessions are created on; empty for the merchant's own.
	Account string `json:"account,omitempty"`
	// Livemode says whether the money is real; known once a session is recorded.
	Livemode bool `json:"livemode,omitempty"`

	// Attempts holds every try to get the order paid; Attempts[n-1] is attempt n.
	Attempts []Attempt `json:"attempts,omitempty"`
	// CancelRequestedAt is when the merchant asked for the order to be canceled; zero if never.
	CancelRequestedAt time.Time `json:"cancel_requested_at,omitzero"`
	// Refunds and Disputes are ledgers by object ID, in the order in which the objects were first heard of.
	Refunds  []Refund  `json:"refunds,omitempty"`
	Disputes []Dispute `json:"disputes,omitempty"`

	// Amounts is what was charged, known once the session is complete.
	Amounts Amounts `json:"amounts,omitzero"`
	// Customer is who bought, known once the session is complete. It is personal data: see [Order.Erase].
	Customer Customer `json:"customer,omitzero"`
	// Session is the JSON of the last session that settled the order, as Stripe sent it. It is personal data.
	Session json.RawMessage `json:"session,omitempty"`

	// FulfilledAt is when the merchant's callback handed over what was paid for; zero: not yet.
	FulfilledAt time.Time `json:"fulfilled_at,omitzero"`
	// Shortfall is what was paid for and is not there; such an order is not fulfilled.
	Shortfall []Shortage `json:"shortfall,omitempty"`
	// Parked says why the order is not fulfilled although it is paid; empty: it is not parked.
	Parked string `json:"parked,omitempty"`
	// GivenUpAt is when a person decided that the order is not to be fulfilled; zero: nobody did.
	GivenUpAt time.Time `json:"given_up_at,omitzero"`
	// Notices is what the merchant is told, oldest first: what was delivered and what is waiting.
	Notices []Notice `json:"notices,omitempty"`
	// Delivery is the state of delivering Notices.
	Delivery Delivery `json:"delivery,omitzero"`
	// DueAt is when a sweep must look at the order next; zero: it need not.
	DueAt time.Time `json:"due_at,omitzero"`
}

// Line is one position of an order.
type Line struct {
	// SKU is what stock is kept of; empty: not stock-tracked.
	SKU string `json:"sku,omitempty"`
	// Name is what the customer sees; empty if Stripe's price decides it.
	Name string `json:"name,omitempty"`
	// UnitAmount is the price of one in minor units; 0 if Stripe's price decides it.
	UnitAmount int64 `json:"unit_amount,omitempty"`
	// Quantity is at least 1.
	Quantity int64 `json:"quantity"`
}

// Amounts is what a session came to, in minor units.
type Amounts struct {
	Subtotal int64 `json:"subtotal"`
	Discount int64 `json:"discount,omitempty"`
	Shipping int64 `json:"shipping,omitempty"`
	Tax      int64 `json:"tax,omitempty"`
	Total    int64 `json:"total"`
}

// Customer is who bought, as the customer told Stripe.
type Customer struct {
	// ID is Stripe's (cus_), if the session had or made one.
	ID    string `json:"id,omitempty"`
	Email string `json:"email,omitempty"`
	Name  string `json:"name,omitempty"`
	Phone string `json:"phone,omitempty"`
	// Address is the billing address.
	Address Address `json:"address,omitzero"`
	// ShippingName and ShippingAddress say where to send it; empty if the session did not ask.
	ShippingName    string  `json:"shipping_name,omitempty"`
	ShippingAddress Address `json:"shipping_address,omitzero"`
}

// Address is a postal address.
type Address struct {
	Line1      string `json:"line1,omitempty"`
	Line2      string `json:"line2,omitempty"`
	City       string `json:"city,omitempty"`
	State      string `json:"state,omitempty"`
	PostalCode string `json:"postal_code,omitempty"`
	// Country is a two-letter ISO code.
	Country string `json:"country,omitempty"`
}

// Shortage is stock that was paid for and is not there.
type Shortage struct {
	SKU       string `json:"sku"`
	Wanted    int64  `json:"wanted"`
	Available int64  `json:"available"`
}

// Refs returns the Stripe IDs that lead to the order, each once: those of its sessions, payment intents, charges and
// subscriptions.
func (o *Order) Refs() []string {
	var refs []string
	for i := range o.Attempts {
		a := &o.Attempts[i]
		for _, ref := range [...]string{a.SessionID, a.PaymentIntent, a.Charge, a.Subscription} {
			if ref != "" && !slices.Contains(refs, ref) {
				refs = append(refs, ref)
			}
		}
	}
	return refs
}

// Attempt returns attempt n, counted from 1, or nil if there is none.
func (o *Order) Attempt(n int) *Attempt {
	if n < 1 || n > len(o.Attempts) {
		return nil
	}
	return &o.Attempts[n-1]
}

// AttemptBySession returns the attempt with that session, or nil.
func (o *Order) AttemptBySession(sessionID string) *Attempt {
	for i := range o.Attempts {
		if sessionID != "" && o.Attempts[i].SessionID == sessionID {
			return &o.Attempts[i]
		}
	}
	return nil
}

// Paid reports whether money for the order has arrived, in whichever attempt.
func (o *Order) Paid() bool { return o.PaidAttempt() != nil }

// PaidAttempt returns the attempt whose payment counts: the paid one that agrees with what was sold and is no duplicate, or
// if none agrees the first that does not. It is nil if the order is not paid.
func (o *Order) PaidAttempt() *Attempt {
	var first *Attempt
	for i := range o.Attempts {
		switch a := &o.Attempts[i]; {
		case !a.Paid || a.Duplicate:
		case a.Mismatch == "":
			return a
		case first == nil:
			first = a
		}
	}
	return first
}

// Fulfillable reports whether the merchant's callback may hand the order over: it is paid, was not handed over yet, and
// is not wholly refunded, disputed, short, parked or given up.
func (o *Order) Fulfillable() bool {
	if !o.FulfilledAt.IsZero() || !o.GivenUpAt.IsZero() || len(o.Shortfall) > 0 || o.Parked != "" {
		return false
	}
	return o.Status() == Paid || o.Status() == PartiallyRefunded
}

// Stuck reports whether the order needs a person: it is parked or short, or what the merchant is to be told could not
// be delivered in [StuckAfter] tries. An order that was given up needs nobody.
func (o *Order) Stuck() bool {
	if !o.GivenUpAt.IsZero() {
		return false
	}
	return o.Parked != "" || len(o.Shortfall) > 0 || o.Delivery.Tries >= StuckAfter
}

// StuckAfter is the number of failed tries in a row after which an order counts as stuck.
const StuckAfter = 5

// Erase removes the personal data of the order: who bought it, the session's JSON, the parameters and addresses of its
// sessions, and the text of the last failure. What was bought, what was paid and what was told remain, as bookkeeping
// demands; so does Metadata, which is the merchant's own.
func (o *Order) Erase() {
	o.Customer = Customer{ID: o.Customer.ID}
	o.Session = nil
	o.Delivery.LastError = "" // the merchant's own words
	for i := range o.Attempts {
		o.Attempts[i].Params = ""
		o.Attempts[i].URL = ""
		o.Attempts[i].ClientSecret = ""
	}
}
