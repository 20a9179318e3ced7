package checkout

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
)

// sessionFacts is what the library reads of a Checkout Session: few fields, the same in every API version, so that no
// version of an event is a reason to refuse a payment. Fields that some versions lack are never required.
type sessionFacts struct {
	ID             string            `json:"id"`
	Status         string            `json:"status"`         // absent before 2021
	PaymentStatus  string            `json:"payment_status"` // absent before 2020
	Mode           string            `json:"mode"`
	Currency       string            `json:"currency"`
	Livemode       bool              `json:"livemode"`
	AmountSubtotal *int64            `json:"amount_subtotal"`
	AmountTotal    *int64            `json:"amount_total"`
	Created        int64             `json:"created"`
	ExpiresAt      int64             `json:"expires_at"`
	RecoveredFrom  objectID          `json:"recovered_from"`
	URL            string            `json:"url"`
	ClientSecret   string            `json:"client_secret"`
	Metadata       map[string]string `json:"metadata"`
	PaymentIntent  intentFacts       `json:"payment_intent"`
	Subscription   intentFacts       `json:"subscription"`
	Invoice        objectID          `json:"invoice"`
	Customer       objectID          `json:"customer"`
	CustomerEmail  string            `json:"customer_email"`

	CustomerDetails *struct {
		Email   string        `json:"email"`
		Name    string        `json:"name"`
		Phone   string        `json:"phone"`
		Address *addressFacts `json:"address"`
	} `json:"customer_details"`
	// The shipping address has moved: https://docs.stripe.com/changelog (2025-03-31, checkout sessions).
	CollectedInformation *struct {
		ShippingDetails *shippingFacts `json:"shipping_details"`
	} `json:"collected_information"`
	ShippingDetails *shippingFacts `json:"shipping_details"`
	Shipping        *shippingFacts `json:"shipping"`
	TotalDetails    *struct {
		AmountDiscount int64 `json:"amount_discount"`
		AmountShipping int64 `json:"amount_shipping"`
		AmountTax      int64 `json:"amount_tax"`
	} `json:"total_details"`
}

type addressFacts struct {
	Line1      string `json:"line1"`
	Line2      string `json:"line2"`
	City       string `json:"city"`
	State      string `json:"state"`
	PostalCode string `json:"postal_code"`
	Country    string `json:"country"`
}

type shippingFacts struct {
	Name    string        `json:"name"`
	Address *addressFacts `json:"address"`
}

// objectID reads an object's ID whether or not the object is expanded.
type objectID string

func (id *objectID) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '{' {
		var object struct {
			ID string `json:"id"`
		}
		err := json.Unmarshal(data, &object)
		*id = objectID(object.ID)
		return err
	}
	if plain, ok := plainText(data); ok {
		*id = objectID(plain)
		return nil
	}
	var s string
	err := json.Unmarshal(data, &s) // null leaves it empty
	*id = objectID(s)
	return err
}

// plainText returns the text of a JSON string without escapes, as that of an ID is, or of null. Most members of a session are one or
// the other, and encoding/json takes longer.
func plainText(data []byte) (text string, ok bool) {
	if string(data) == "null" {
		return "", true
	}
	if len(data) < 2 || data[0] != '"' || data[len(data)-1] != '"' {
		return "", false
	}
	for _, c := range data[1 : len(data)-1] {
		if c <= ' ' || c >= 0x7f || c == '\\' || c == '"' {
			return "", false
		}
	}
	return string(data[1 : len(data)-1]), true
}

// intentFacts reads a payment intent or a subscription that is null, an ID, or expanded.
type intentFacts struct {
	ID     string
	Status string
	// AmountReceived is what was captured of a payment intent, in minor units.
	AmountReceived int64
	// LatestCharge is a payment intent's.
	LatestCharge chargeState
}

func (p *intentFacts) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '{' {
		var object struct {
			ID             string      `json:"id"`
			Status         string      `json:"status"`
			AmountReceived int64       `json:"amount_received"`
			LatestCharge   chargeState `json:"latest_charge"`
		}
		err := json.Unmarshal(data, &object)
		*p = intentFacts(object)
		return err
	}
	var id objectID
	err := id.UnmarshalJSON(data)
	p.ID = string(id)
	return err
}

// chargeState reads a charge that is null, an ID, or expanded.
type chargeState struct {
	ID string
	// Created is when the charge was made, in Unix seconds; 0 if the charge is not expanded.
	Created int64
}

// createdAt is when the charge was made; zero: that is not known.
func (c chargeState) createdAt() time.Time {
	if c.Created == 0 {
		return time.Time{}
	}
	return time.Unix(c.Created, 0).UTC()
}

func (c *chargeState) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '{' {
		var object struct {
			ID      string `json:"id"`
			Created int64  `json:"created"`
		}
		err := json.Unmarshal(data, &object)
		*c = chargeState(object)
		return err
	}
	var id objectID
	err := id.UnmarshalJSON(data)
	c.ID = string(id)
	return err
}

// sessionUpdate is what an event or an answer of Stripe's says of one session.
type sessionUpdate struct {
	facts sessionFacts
	raw   json.RawMessage
	// cause is the event's ID, or what was being done when Stripe was asked.
	cause string
	// account is the connected account that the session is on; empty: the merchant's own.
	account string
	// asked says that Stripe answered a request, and so says how the session is now. An event says how the session was.
	asked bool
	// at is the time of which the update speaks: when the event was created, or when Stripe was asked.
	at time.Time

	completed, paid, failed, expired bool

	// delivers says that what settling puts into the outbox is delivered at once, by the trigger that settles.
	delivers bool

	// lines is what was bought, if the customer could change it; nil: what was begun.
	lines []store.Line
}

// observeEvent reads a session event. The event's type counts even where old versions of the object lack the field for it.
func observeEvent(eventType, eventID, account string, created time.Time, facts sessionFacts, raw json.RawMessage) sessionUpdate {
	u := sessionUpdate{facts: facts, raw: raw, cause: eventID, account: account, at: created}
	switch eventType {
	case eventCompleted, eventAsyncSucceeded:
		u.completed = true
	case eventAsyncFailed:
		u.completed, u.failed = true, true
	case eventExpired:
		u.expired = true
	}
	u.derive()
	return u
}

// observeAnswer reads a session as Stripe answered it. asked is when the request was sent.
func observeAnswer(doing, account string, asked time.Time, response *stripe.APIResponse) (sessionUpdate, error) {
	u := sessionUpdate{raw: response.RawJSON, cause: doing, account: account, asked: true, at: asked}
	if err := json.Unmarshal(u.raw, &u.facts); err != nil {
		return sessionUpdate{}, &stripeError{doing: "decoding a session", err: err}
	}
	u.derive()
	return u, nil
}

// derive sets the facts that follow from the object. Only "paid" and "no_payment_required" count as paid
// (https://docs.stripe.com/checkout/fulfillment), and a payment intent that succeeded, as that of a payment that was
// captured later (https://docs.stripe.com/payments/place-a-hold-on-a-payment-method). Any other status is not paid.
func (u *sessionUpdate) derive() {
	u.completed = u.completed || u.facts.Status == "complete"
	u.expired = u.expired || u.facts.Status == "expired"
	switch u.facts.PaymentStatus {
	case "paid", "no_payment_required":
		u.paid = u.completed
	case "unpaid":
		// A delayed payment that bounced leaves its session complete and unpaid, with the payment intent back at the start
		// (https://docs.stripe.com/payments/paymentintents/lifecycle), or with a subscription that never began
		// (https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses).
		switch u.facts.PaymentIntent.Status {
		case "requires_payment_method", "canceled":
			u.failed = u.failed || u.completed
		case "":
			u.failed = u.failed || u.completed && u.facts.Subscription.Status == "incomplete_expired"
		case "succeeded":
			u.paid = u.completed
		}
	}
	u.failed = u.failed && !u.paid
}

// leavesPayment reports whether the update does not say what became of the first payment of a subscription. As long as the
// subscription is incomplete, the payment is on its way, and if it expires incomplete, the payment has failed. Any other status can come
// from something else that happened while the money was on its way: another invoice was paid or not, or the subscription was canceled.
func (u *sessionUpdate) leavesPayment() bool {
	if u.facts.PaymentStatus != "unpaid" || u.facts.PaymentIntent.Status != "" || u.facts.Invoice == "" {
		return false
	}
	switch u.facts.Subscription.Status {
	case "", string(store.SubscriptionIncomplete), string(store.SubscriptionIncompleteExpired):
		return false
	}
	return true
}

// bringsMoney reports whether the money of the session has arrived or is on its way. It counts from when it is on its way, as some
// events of its arrival, such as that of a capture, do not name the session.
func (u *sessionUpdate) bringsMoney() bool { return u.paid || u.completed && !u.failed }

// attempt is the number of the attempt that the metadata names, and the attempt's mark; 0 if the metadata names none.
func (s *sessionFacts) attempt() (n int, mark string) {
	number, mark, _ := strings.Cut(s.Metadata[metadataAttempt], "-")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 {
		return 0, ""
	}
	return n, mark
}

func (s *sessionFacts) customer() store.Customer {
	c := store.Customer{ID: string(s.Customer), Email: s.CustomerEmail}
	if d := s.CustomerDetails; d != nil {
		c.Name, c.Phone, c.Address = d.Name, d.Phone, d.Address.address()
		if d.Email != "" {
			c.Email = d.Email
		}
	}
	shipping := s.ShippingDetails
	if s.CollectedInformation != nil && s.CollectedInformation.ShippingDetails != nil {
		shipping = s.CollectedInformation.ShippingDetails
	}
	if shipping == nil {
		shipping = s.Shipping
	}
	if shipping != nil {
		c.ShippingName, c.ShippingAddress = shipping.Name, shipping.Address.address()
	}
	return c
}

func (a *addressFacts) address() store.Address {
	if a == nil {
		return store.Address{}
	}
	return store.Address(*a)
}

func (s *sessionFacts) amounts() store.Amounts {
	var a store.Amounts
	if s.AmountSubtotal != nil {
		a.Subtotal = *s.AmountSubtotal
	}
	if s.AmountTotal != nil {
		a.Total = *s.AmountTotal
	}
	if d := s.TotalDetails; d != nil {
		a.Discount, a.Shipping, a.Tax = d.AmountDiscount, d.AmountShipping, d.AmountTax
	}
	return a
}
