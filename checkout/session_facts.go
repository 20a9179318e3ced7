package checkout

import (
	"encoding/json"
	"strconv"

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
	ExpiresAt      int64             `json:"expires_at"`
	URL            string            `json:"url"`
	ClientSecret   string            `json:"client_secret"`
	Metadata       map[string]string `json:"metadata"`
	PaymentIntent  intentFacts       `json:"payment_intent"`
	Subscription   intentFacts       `json:"subscription"`
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
	var s string
	err := json.Unmarshal(data, &s) // null leaves it empty
	*id = objectID(s)
	return err
}

// intentFacts reads a payment intent or a subscription that is null, an ID, or expanded.
type intentFacts struct {
	ID     string
	Status string
	// LatestCharge is a payment intent's.
	LatestCharge chargeState
}

func (p *intentFacts) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '{' {
		var object struct {
			ID           string      `json:"id"`
			Status       string      `json:"status"`
			LatestCharge chargeState `json:"latest_charge"`
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

// chargeState reads a charge that is null, an ID, or expanded. What was given back of it is known only of an expanded one.
type chargeState struct {
	ID             string
	AmountRefunded int64
	Disputed       bool
}

func (c *chargeState) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '{' {
		var object struct {
			ID             string `json:"id"`
			AmountRefunded int64  `json:"amount_refunded"`
			Disputed       bool   `json:"disputed"`
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

// news is what was heard of one session.
type news struct {
	facts sessionFacts
	raw   json.RawMessage
	// cause is the event's ID, or what was being done when Stripe was asked.
	cause string
	// account is the connected account that the session is on; empty: the merchant's own.
	account string
	// asked says that Stripe was asked and answered how the session is now; an event says how it was.
	asked bool

	completed, paid, failed, expired bool

	// lines is what was bought, if the customer could change it; nil: what was begun.
	lines []store.Line
	// refunds and disputes are what was given back of the payment before it was asked for.
	refunds  []refundFacts
	disputes []disputeFacts
}

// heardEvent reads a session event. What the type says stands even where old versions lack the field for it.
func heardEvent(eventType, eventID, account string, facts sessionFacts, raw json.RawMessage) news {
	n := news{facts: facts, raw: raw, cause: eventID, account: account}
	switch eventType {
	case eventCompleted, eventAsyncSucceeded:
		n.completed = true
	case eventAsyncFailed:
		n.completed, n.failed = true, true
	case eventExpired:
		n.expired = true
	}
	n.conclude()
	return n
}

// heardAnswer reads a session as Stripe answered it.
func heardAnswer(doing, account string, response *stripe.APIResponse) (news, error) {
	n := news{raw: response.RawJSON, cause: doing, account: account, asked: true}
	if err := json.Unmarshal(n.raw, &n.facts); err != nil {
		return news{}, &stripeError{doing: "decoding a session", err: err}
	}
	n.conclude()
	return n, nil
}

// conclude draws from the object what follows from it. Fulfil on paid and no_payment_required, nothing else
// (https://docs.stripe.com/checkout/fulfillment): a status that is not known is not paid.
func (n *news) conclude() {
	n.completed = n.completed || n.facts.Status == "complete"
	n.expired = n.expired || n.facts.Status == "expired"
	switch n.facts.PaymentStatus {
	case "paid", "no_payment_required":
		n.paid = n.completed
	case "unpaid":
		// A delayed payment that bounced leaves its session complete and unpaid, with the payment intent back at the start
		// (https://docs.stripe.com/payments/paymentintents/lifecycle), or with a subscription that never began
		// (https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses).
		switch n.facts.PaymentIntent.Status + n.facts.Subscription.Status {
		case "requires_payment_method", "canceled", "incomplete_expired":
			n.failed = n.failed || n.completed
		}
	}
	n.failed = n.failed && !n.paid
}

// attempt is the number of the attempt that the metadata names; 0 if it names none.
func (s *sessionFacts) attempt() int {
	n, err := strconv.Atoi(s.Metadata[metadataAttempt])
	if err != nil || n < 1 {
		return 0
	}
	return n
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
