package store

import "time"

// Attempt is one try of an order to get paid: its stored parameters, its session, its hold and what Stripe said of it.
type Attempt struct {
	// N counts from 1.
	N         int       `json:"n"`
	CreatedAt time.Time `json:"created_at"`
	// Lines and Metadata are the cart of this attempt.
	Lines    []Line            `json:"lines,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	// Fingerprint identifies the cart: equal carts have equal fingerprints.
	Fingerprint string `json:"fingerprint"`
	// Params is the exact form body that creates the session, so that a repeated request is the same request. The Flow keeps it
	// until the session is recorded or the attempt is closed.
	Params string `json:"params,omitempty"`
	// ExpiresAt is when the session can no longer be paid, by Stripe's clock.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// PayBy is when the merchant wants the stock back. The Flow ends the session then, which may be before ExpiresAt.
	PayBy time.Time `json:"pay_by,omitzero"`
	// Replaces is the attempt whose session must expire before this one's is created; 0: none.
	Replaces int `json:"replaces,omitempty"`

	// Hold is the stock set aside for the attempt.
	Hold Hold `json:"hold,omitzero"`
	// Increase is the stock that a changed cart needs beyond the hold of the replaced attempt. It is held until the replaced
	// session has ended; then one new Hold takes the place of Increase and of the replaced attempt's hold.
	Increase Hold `json:"increase,omitzero"`

	// Mark is an unguessable text in the metadata of this attempt's session. A session that was not recorded belongs to the
	// attempt only if it carries the mark.
	Mark string `json:"mark,omitempty"`
	// SessionID, URL and ClientSecret are from Stripe's answer, and empty until it is recorded. The URL leads to a hosted page.
	// The client secret is for an embedded one.
	SessionID    string `json:"session_id,omitempty"`
	URL          string `json:"url,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`
	// Quote is what the session must agree with when it is paid. It is nil if unknown: only Stripe knows the price, and
	// Stripe's answer was not recorded.
	Quote *Quote `json:"quote,omitempty"`
	// PaymentIntent, Charge and Subscription are the Stripe IDs of what the session led to.
	PaymentIntent string `json:"payment_intent,omitempty"`
	Charge        string `json:"charge,omitempty"`
	Subscription  string `json:"subscription,omitempty"`

	// Destination says that the money is transferred to a connected account. ApplicationFee says that the platform keeps a fee.
	// An automatic refund takes both back.
	Destination    bool `json:"destination,omitempty"`
	ApplicationFee bool `json:"application_fee,omitempty"`

	// Recoverable says that Stripe offers the customer to recover the session after it expired.
	Recoverable bool `json:"recoverable,omitempty"`

	// ClosedAt is when the attempt was closed before its session was recorded. The URL of such a session was never handed out.
	ClosedAt time.Time `json:"closed_at,omitzero"`

	// Completed, Paid, Failed and Expired are facts: what Stripe said of the session. They are set and never unset.
	//
	// Completed: the customer finished the page. The money may still be on its way.
	Completed bool `json:"completed,omitempty"`
	// Paid: the money has arrived, or there was nothing to pay.
	Paid bool `json:"paid,omitempty"`
	// Failed: the money of a completed session did not arrive and will not.
	Failed bool `json:"failed,omitempty"`
	// Expired: the session ended unpaid.
	Expired bool `json:"expired,omitempty"`

	// CompletedAt is when Completed was recorded, PaidAt when Paid was.
	CompletedAt time.Time `json:"completed_at,omitzero"`
	PaidAt      time.Time `json:"paid_at,omitzero"`
	// Amount is what was charged, in minor units: the total of the session, or less if only a part was captured, or if the customer's
	// credit paid a part of the first invoice of a subscription. It is 0 until the attempt is paid.
	Amount int64 `json:"amount,omitempty"`
	// Currency is what Amount is in: a three-letter ISO code in lower case; empty: the order's.
	Currency string `json:"currency,omitempty"`
	// Duplicate says that another attempt had already paid the order.
	Duplicate bool `json:"duplicate,omitempty"`
	// Mismatch says how a paid session differs from what was sold; empty: it agrees.
	Mismatch string `json:"mismatch,omitempty"`
	// DismissedAt is when a person decided to leave the payment as it is, for example a duplicate.
	DismissedAt time.Time `json:"dismissed_at,omitzero"`
	// AcceptedAt is when a person accepted the payment in spite of a mismatch, a shortfall or a dispute that lost a part of it;
	// zero: never.
	AcceptedAt time.Time `json:"accepted_at,omitzero"`

	// RefundWanted is the kind of change that makes the Flow refund the payment automatically; empty: no refund.
	RefundWanted string `json:"refund_wanted,omitempty"`
	// RefundRefused is why the automatic refund was refused or failed; empty: neither. A person must then give the money back, or
	// have it tried again. RefundRetries is how often that was decided.
	RefundRefused string `json:"refund_refused,omitempty"`
	RefundRetries int    `json:"refund_retries,omitempty"`
	// RefundAskedAt is when Stripe was asked for the automatic refund. It is zero again once Stripe has answered. In between, a
	// person can't withdraw the decision to refund.
	RefundAskedAt time.Time `json:"refund_asked_at,omitzero"`

	// Review is the ID of the review that holds the goods back; empty: none does. ReviewClosed is why that review was closed,
	// if it was not approved.
	Review       string `json:"review,omitempty"`
	ReviewClosed string `json:"review_closed,omitempty"`

	// CheckedAt is when Stripe was last asked for the session. CheckFailedAt is when such a question last failed.
	CheckedAt     time.Time `json:"checked_at,omitzero"`
	CheckFailedAt time.Time `json:"check_failed_at,omitzero"`
	// HeardAt is the time, by Stripe's clock, of which the latest news of the session speaks.
	HeardAt time.Time `json:"heard_at,omitzero"`
	// VerifiedAt is the latest time for which Stripe has said what was given back of the payment.
	VerifiedAt time.Time `json:"verified_at,omitzero"`
	// VerifyFailedAt is when a question about the payment, or the request to refund it, last failed.
	VerifyFailedAt time.Time `json:"verify_failed_at,omitzero"`
	// Gone says that Stripe does not know a session that was recorded, or does not show it, as that of a connected account that has
	// disconnected.
	Gone bool `json:"gone,omitempty"`
}

// Quote is what a session comes to. Stripe's answer at its creation gives it, and the cart until then.
type Quote struct {
	// Answered says that the quote is Stripe's answer. Only then is Livemode known.
	Answered bool   `json:"answered,omitempty"`
	Currency string `json:"currency"`
	// Subtotal is in minor units.
	Subtotal int64 `json:"subtotal"`
	Livemode bool  `json:"livemode,omitempty"`
	// Variable says that the customer may change quantities or amounts. The subtotal then need not agree.
	Variable bool `json:"variable,omitempty"`
}

// Hold is what an order remembers of a reservation.
type Hold struct {
	// ID is the ID of the reservation; empty: no stock is tracked.
	ID    string    `json:"id,omitempty"`
	State HoldState `json:"state,omitempty"`
}

// HoldState is the state of a hold. Sold and Released are final.
type HoldState string

// The states of a hold.
const (
	NotHeld  HoldState = ""
	Held     HoldState = "held"
	Sold     HoldState = "sold"
	Released HoldState = "released"
)

// Open reports whether the attempt may still be paid as far as is recorded: it was not closed, and Stripe said nothing final of
// its session. A completed session whose money is on its way is no longer open.
func (a *Attempt) Open() bool {
	return a.ClosedAt.IsZero() && !a.Completed && !a.Paid && !a.Failed && !a.Expired
}

// Processing reports whether the customer finished the page and the money is on its way.
func (a *Attempt) Processing() bool { return a.Completed && !a.Paid && !a.Failed && !a.Expired }

// Agrees reports whether the payment of the attempt is for what was sold: it has no mismatch, or a person accepted it.
func (a *Attempt) Agrees() bool { return a.Mismatch == "" || !a.AcceptedAt.IsZero() }

// free reports whether the attempt came to nothing, as with a promotion code for the whole amount, so that there is no payment to give
// back.
func (a *Attempt) free() bool { return a.Amount == 0 && a.PaymentIntent == "" && a.Subscription == "" }

// OpenAttempt returns the latest attempt that is open, or nil.
func (o *Order) OpenAttempt() *Attempt {
	for i := len(o.Attempts) - 1; i >= 0; i-- {
		if o.Attempts[i].Open() {
			return &o.Attempts[i]
		}
	}
	return nil
}
