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
//
// A shop reads ID, Lines, Metadata, Customer and Amounts, and calls checkout.Display, [Order.PaidAttempt], [Order.Refunded],
// [Order.Access] and [Order.StuckReason]. The other fields are how the Flow knows what to do next.
type Order struct {
	// ID is the merchant's own: up to 200 of the characters A-Z a-z 0-9 _ -.
	ID string `json:"id"`
	// CreatedAt is when the order was first drafted or begun.
	CreatedAt time.Time `json:"created_at"`
	// UpdatedAt is when the order was last saved.
	UpdatedAt time.Time `json:"updated_at"`
	// Mode is "payment", "subscription" or "setup".
	Mode string `json:"mode"`
	// Currency is a three-letter ISO code in lower case; empty until known.
	Currency string `json:"currency,omitempty"`
	// Lines is what is being bought: the lines of the paid attempt, or of the latest if none is paid. If the session lets the
	// customer change quantities, Lines has the customer's.
	Lines []Line `json:"lines,omitempty"`
	// Metadata is the merchant's own.
	Metadata map[string]string `json:"metadata,omitempty"`
	// Account is the connected account that the sessions are created on; empty for the merchant's own.
	Account string `json:"account,omitempty"`
	// Livemode says whether the money is real; known once a session is recorded.
	Livemode bool `json:"livemode,omitempty"`

	// Attempts holds every try to get the order paid. Attempts[n-1] is attempt n.
	Attempts []Attempt `json:"attempts,omitempty"`
	// CancelRequestedAt is when the merchant asked for the order to be canceled; zero if never.
	CancelRequestedAt time.Time `json:"cancel_requested_at,omitzero"`
	// Subscriptions are what the paid sessions of the order began: one, unless the order was paid twice.
	Subscriptions []Subscription `json:"subscriptions,omitempty"`
	// Invoices is the ledger of the subscriptions' invoices by ID, the oldest first. It has the latest [InvoicesKept] and those that
	// decide on access. OlderInvoices sums the others up: see [Order.SumUpInvoices].
	Invoices      []Invoice   `json:"invoices,omitempty"`
	OlderInvoices InvoiceSums `json:"older_invoices,omitzero"`
	// Refunds and Disputes are ledgers with an entry for each object of Stripe's. The object that was heard of first comes
	// first.
	Refunds  []Refund  `json:"refunds,omitempty"`
	Disputes []Dispute `json:"disputes,omitempty"`

	// Amounts is what was charged. It is known once the session is complete.
	Amounts Amounts `json:"amounts,omitzero"`
	// Customer is the buyer, known once the session is complete. It is personal data: see [Order.Erase].
	Customer Customer `json:"customer,omitzero"`
	// Session is the JSON of the last session that settled the order, as Stripe sent it. It is personal data.
	Session json.RawMessage `json:"session,omitempty"`

	// FulfilledAt is when the callback Fulfil handed over what was paid for; zero: not yet.
	FulfilledAt time.Time `json:"fulfilled_at,omitzero"`
	// Shortfall is the stock that was paid for and is not there. An order with a shortfall is not fulfilled, unless a person
	// accepts the payment. Then Shortfall is what the merchant must find.
	Shortfall []Shortage `json:"shortfall,omitempty"`
	// RestockedAt is when the goods that the order had sold were put back into stock with a refund; zero: never.
	RestockedAt time.Time `json:"restocked_at,omitzero"`
	// Parked says why a paid order waits for a person before it is fulfilled; empty: it does not.
	Parked string `json:"parked,omitempty"`
	// GivenUpAt is when a person decided never to fulfil the order; zero: never.
	GivenUpAt time.Time `json:"given_up_at,omitzero"`
	// ErasedAt is when the personal data of the order was erased; zero: never. The order keeps no personal data from then on.
	ErasedAt time.Time `json:"erased_at,omitzero"`
	// ErasedAttempts is the number of attempts that the order had when it was erased. Later attempts belong to another
	// purchase.
	ErasedAttempts int `json:"erased_attempts,omitempty"`
	// Notices is the outbox: the entries that were delivered and those that wait, oldest first.
	Notices []Notice `json:"notices,omitempty"`
	// Delivery is the state of the lane that fulfils. ChangeDelivery is the state of the lane of changes.
	Delivery       Delivery `json:"delivery,omitzero"`
	ChangeDelivery Delivery `json:"change_delivery,omitzero"`
	// DueAt is when a sweep must look at the order next; zero: never.
	DueAt time.Time `json:"due_at,omitzero"`

	// stored is the JSON that the order was decoded from, if it has members of a newer version. Stored is never changed.
	stored json.RawMessage
}

// Line is one position of an order.
type Line struct {
	// SKU names the goods whose stock is tracked; empty: no stock is tracked.
	SKU string `json:"sku,omitempty"`
	// Name is the text that the customer sees; empty if Stripe's price decides it.
	Name string `json:"name,omitempty"`
	// UnitAmount is the price of one piece in minor units; 0 if Stripe's price decides it.
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

// Customer is the buyer, as the buyer filled in Stripe's page.
type Customer struct {
	// ID is Stripe's (cus_), if the session has a customer object.
	ID    string `json:"id,omitempty"`
	Email string `json:"email,omitempty"`
	Name  string `json:"name,omitempty"`
	Phone string `json:"phone,omitempty"`
	// Address is the billing address.
	Address Address `json:"address,omitzero"`
	// ShippingName and ShippingAddress say where to send the goods; empty if the session did not ask.
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

// Refs returns the Stripe IDs that lead to the order, each once: those of its sessions, payment intents, charges,
// subscriptions and invoices.
func (o *Order) Refs() []string {
	var refs []string
	add := func(ids ...string) {
		for _, ref := range ids {
			if ref != "" && !slices.Contains(refs, ref) {
				refs = append(refs, ref)
			}
		}
	}
	for i := range o.Attempts {
		a := &o.Attempts[i]
		add(a.SessionID, a.PaymentIntent, a.Charge, a.Subscription)
	}
	for i := range o.Subscriptions {
		add(o.Subscriptions[i].ID)
	}
	for i := range o.Invoices {
		inv := &o.Invoices[i]
		add(inv.ID)
		add(inv.PaymentIntents...)
		add(inv.Charges...)
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

// AttemptBySubscription returns the attempt whose session began a subscription, or nil.
func (o *Order) AttemptBySubscription(id string) *Attempt {
	for i := range o.Attempts {
		if id != "" && o.Attempts[i].Subscription == id {
			return &o.Attempts[i]
		}
	}
	return nil
}

// Paid reports whether money for the order has arrived, in whichever attempt.
func (o *Order) Paid() bool { return o.PaidAttempt() != nil }

// PaidAttempt returns the attempt whose payment counts, or nil if the order is not paid. It is the paid one that agrees with
// what was sold and is no duplicate. If none agrees, it is the first paid one that is no duplicate.
func (o *Order) PaidAttempt() *Attempt {
	var first *Attempt
	for i := range o.Attempts {
		a := &o.Attempts[i]
		if !a.Paid || a.Duplicate {
			continue
		}
		if a.Agrees() {
			return a
		}
		if first == nil {
			first = a
		}
	}
	return first
}

// Fulfillable reports whether the Flow may run the callback Fulfil. The order must be paid for what was sold, and not yet
// fulfilled. It must not be wholly refunded, about to be refunded automatically, disputed, in review, short, parked or given
// up. If a part of the payment was lost in a dispute, a person must accept the payment first.
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

// StuckUnverified is how long Stripe may leave open what was given back of a payment before its order counts as stuck.
const StuckUnverified = time.Hour

// StuckAfter is the number of failed tries in a row after which an order counts as stuck.
const StuckAfter = 5

// Stuck reports whether a person can and must do something about the order: see [Order.StuckReason].
func (o *Order) Stuck() bool { return o.StuckReason() != "" }

// StuckReason says why the order needs a person; empty: it does not. The reasons are:
//
//   - The order is paid and neither fulfilled nor given back, and it is parked, short or in review, or a part of the payment
//     was lost in a dispute.
//   - The same, and Fulfil or its transaction failed [StuckAfter] times in a row, or Stripe does not say what was given back
//     of the payment.
//   - The order was paid twice, or after it was given up, and the money is still there.
//   - A subscription is charged on although nothing is handed over for it: its first payment failed or was given back, or the order
//     was given up. Somebody must end it at Stripe.
//   - An automatic refund was refused.
//   - A change was not delivered in [StuckAfter] tries, of the callback or of its transaction.
//   - Stripe does not know a session that was recorded, or does not show it.
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
			return fmt.Sprintf("stripe does not know the session of attempt %d, or does not show it", a.N)
		case o.stranded(a, paid):
			return fmt.Sprintf("the subscription of attempt %d is charged on, and nothing is handed over for it", a.N)
		case !a.Paid || o.GivenBack(a):
		case a.RefundRefused != "" && o.undecided(a):
			return fmt.Sprintf("attempt %d could not be refunded: %s", a.N, a.RefundRefused)
		case a != paid && a.RefundWanted == "" && o.undecided(a) && !a.free():
			return fmt.Sprintf("attempt %d was paid, too", a.N)
		}
	}
	if o.ChangeDelivery.Tries >= StuckAfter {
		return fmt.Sprintf("a change could not be delivered in %d tries", o.ChangeDelivery.Tries)
	}
	if o.ChangeDelivery.Rollbacks >= StuckAfter {
		return fmt.Sprintf("the transaction that delivers a change failed %d times", o.ChangeDelivery.Rollbacks)
	}
	return ""
}

// stranded reports whether the subscription that an attempt began is charged on although nothing is handed over for it. An automatic
// refund ends the subscription first. paid is the attempt whose payment counts, or nil.
func (o *Order) stranded(a, paid *Attempt) bool {
	if s := o.SubscriptionByID(a.Subscription); s == nil || !s.chargedOn() || a.RefundWanted != "" {
		return false
	}
	switch _, disputed := o.lost(a); {
	case !a.Paid:
		return a.Failed
	case !o.GivenUpAt.IsZero():
		return true
	case a == paid && !o.FulfilledAt.IsZero(), a != paid && !o.undecided(a):
		return false
	default:
		return o.GivenBack(a) && !disputed
	}
}

// unfulfilledReason says why a paid order that is not fulfilled needs a person; empty: it does not.
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
	case o.Delivery.Rollbacks >= StuckAfter:
		return fmt.Sprintf("the transaction of fulfilling failed %d times", o.Delivery.Rollbacks)
	}
	return ""
}

// undecided reports whether no person has decided about the order since the attempt was paid. Comparing times would not tell,
// as each process has a clock of its own.
func (o *Order) undecided(a *Attempt) bool { return a.AcceptedAt.IsZero() && a.DismissedAt.IsZero() }

// ParkedByCallback begins the reason of an order that is parked because Fulfil returned a permanent error. The text of that
// error follows.
const ParkedByCallback = "fulfil: "

// Erase removes the personal data of the order, now and from every later save: the customer, the session's JSON, the parameters
// and URLs of the sessions, and the texts of failures, which the merchant wrote. The lines, the payments and the deliveries
// remain, as bookkeeping demands. Metadata remains, too: the merchant chose it.
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
