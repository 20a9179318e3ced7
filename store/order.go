package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
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
	// ErasedAt is when the personal data of the order was erased; zero: never. None is kept from then on.
	ErasedAt time.Time `json:"erased_at,omitzero"`
	// ErasedAttempts is the number of attempts that there were then. Later ones belong to another purchase.
	ErasedAttempts int `json:"erased_attempts,omitempty"`
	// Notices is the outbox: what callbacks of the merchant's received and what waits for them, oldest first.
	Notices []Notice `json:"notices,omitempty"`
	// Delivery is the state of delivering the notice that fulfils, ChangeDelivery that of delivering changes.
	Delivery       Delivery `json:"delivery,omitzero"`
	ChangeDelivery Delivery `json:"change_delivery,omitzero"`
	// DueAt is when a sweep must look at the order next; zero: it need not.
	DueAt time.Time `json:"due_at,omitzero"`

	// stored is the JSON that the order was decoded from, if that has members of a newer version; it is never changed.
	stored json.RawMessage
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
		case a.Agrees():
			return a
		case first == nil:
			first = a
		}
	}
	return first
}

// Fulfillable reports whether the merchant's callback may hand the order over: it is paid for what was sold, was not handed
// over yet, and is not wholly refunded, disputed, in review, short, parked or given up. After a part of the payment was lost in
// a dispute, a person decides. A payment that is about to be refunded
// automatically is not fulfilled either.
func (o *Order) Fulfillable() bool {
	paid := o.PaidAttempt()
	switch {
	case paid == nil, !paid.Agrees(), paid.RefundWanted != "", paid.Review != "", o.GivenBack(paid):
		return false
	case !o.FulfilledAt.IsZero(), !o.GivenUpAt.IsZero(), o.Parked != "":
		return false
	}
	lost, _ := o.lost(paid)
	return len(o.Shortfall) == 0 && lost == 0 || !paid.AcceptedAt.IsZero()
}

// StuckUnverified is after how long an order counts as stuck because Stripe does not answer what was given back of its
// payment.
const StuckUnverified = time.Hour

// StuckAfter is the number of failed tries in a row after which an order counts as stuck.
const StuckAfter = 5

// Stuck reports whether a person can and must do something about the order: see [Order.StuckReason].
func (o *Order) Stuck() bool { return o.StuckReason() != "" }

// StuckReason says why the order needs a person; empty: it does not. An order needs a person if it is paid and neither
// fulfilled nor given back, because it is parked, short or in review, because Fulfil failed [StuckAfter] times in a row, or
// because Stripe does not say what was given back of the payment; if it was paid twice, or after it was given up, and the money is still there; if an automatic refund was refused; if changes could
// not be delivered in [StuckAfter] tries; or if Stripe does not know a session that was recorded.
func (o *Order) StuckReason() string {
	paid := o.PaidAttempt()
	if paid != nil && o.FulfilledAt.IsZero() && paid.RefundWanted == "" && !o.GivenBack(paid) {
		if reason := o.unfulfilledReason(paid); reason != "" {
			return reason
		}
	}
	for i := range o.Attempts {
		a := &o.Attempts[i]
		switch {
		case a.Gone && (a.Open() || a.Processing()):
			return fmt.Sprintf("stripe does not know the session of attempt %d", a.N)
		case !a.Paid || o.GivenBack(a):
		case a.RefundRefused != "" && o.undecided(a):
			return fmt.Sprintf("attempt %d could not be refunded: %s", a.N, a.RefundRefused)
		case a != paid && a.RefundWanted == "" && o.undecided(a):
			return fmt.Sprintf("attempt %d was paid, too", a.N)
		}
	}
	if o.ChangeDelivery.Tries >= StuckAfter {
		return fmt.Sprintf("a change could not be delivered in %d tries", o.ChangeDelivery.Tries)
	}
	return ""
}

// unfulfilledReason says why a paid order waits for a person before it can be fulfilled; empty: it does not.
func (o *Order) unfulfilledReason(paid *Attempt) string {
	lost, _ := o.lost(paid)
	switch {
	case !o.undecided(paid) && !o.GivenUpAt.IsZero():
		return ""
	case !o.GivenUpAt.IsZero():
		return "a payment arrived after the order was given up"
	case o.Parked != "":
		return o.Parked
	case !paid.Agrees():
		return paid.Mismatch
	case len(o.Shortfall) > 0 && paid.AcceptedAt.IsZero():
		return "stock is short"
	case lost > 0 && paid.AcceptedAt.IsZero():
		return "a part of the payment was lost in a dispute"
	case paid.Review != "" && paid.ReviewClosed != "":
		return "the review of the payment was closed: " + paid.ReviewClosed
	case paid.Review != "":
		return "the payment is in review"
	case paid.VerifyFailedAt.Sub(paid.PaidAt) > StuckUnverified:
		return "stripe does not say whether the payment was given back"
	case o.Delivery.Tries >= StuckAfter:
		return fmt.Sprintf("fulfilling failed %d times", o.Delivery.Tries)
	}
	return ""
}

// undecided reports whether no person decided about the order since the attempt was paid. Times say nothing of that, as
// processes have clocks of their own.
func (o *Order) undecided(a *Attempt) bool { return a.AcceptedAt.IsZero() && a.DismissedAt.IsZero() }

// ParkedByCallback begins the reason of an order that is parked because Fulfil failed for good. The rest is the text of the
// callback's error.
const ParkedByCallback = "fulfil: "

// Erase removes the personal data of the order, now and from every later save: who bought it, the session's JSON, the
// parameters and addresses of its sessions, and the texts of failures, which are the merchant's own words. What was bought,
// what was paid and what was delivered remain, as bookkeeping demands. Metadata remains, too: the merchant chose it.
func (o *Order) Erase() {
	o.Customer = Customer{ID: o.Customer.ID}
	o.forgetCustomer()
	o.Session = nil
	o.Delivery.LastError, o.ChangeDelivery.LastError = "", ""
	if strings.HasPrefix(o.Parked, ParkedByCallback) {
		o.Parked = ParkedByCallback + "erased"
	}
	for i := range o.Attempts {
		a := &o.Attempts[i]
		a.Params, a.URL, a.ClientSecret = "", "", ""
	}
}
