package store

import (
	"cmp"
	"slices"
	"time"
)

// Subscription is what Stripe last answered of a subscription that an order began
// (https://docs.stripe.com/api/subscriptions/object). Its events have no order in time that can be relied on, so each of them
// causes a question, and the newest answer stands.
type Subscription struct {
	// ID is Stripe's (sub_).
	ID string `json:"id"`
	// Attempt is the attempt whose session began it.
	Attempt int                `json:"attempt"`
	Status  SubscriptionStatus `json:"status"`
	// Customer is Stripe's ID (cus_) of the customer who is charged. A second subscription of an order can have another one than the
	// order's Customer.
	Customer string `json:"customer,omitempty"`
	// Items are what is subscribed to.
	Items []SubscriptionItem `json:"items,omitempty"`
	// PeriodStart and PeriodEnd are the current billing period. If the items have several periods, PeriodStart is the latest
	// start and PeriodEnd the earliest end.
	PeriodStart time.Time `json:"period_start,omitzero"`
	PeriodEnd   time.Time `json:"period_end,omitzero"`
	// TrialEnd is when the trial ends or ended; zero: there was none.
	TrialEnd time.Time `json:"trial_end,omitzero"`
	// CancelAt is when the subscription is to end: at the end of its period or at another time; zero: its end is not set.
	CancelAt time.Time `json:"cancel_at,omitzero"`
	// CanceledAt is when somebody asked for the end, EndedAt when the subscription ended.
	CanceledAt time.Time `json:"canceled_at,omitzero"`
	EndedAt    time.Time `json:"ended_at,omitzero"`
	// EndReason is why the subscription ended or is to end, such as cancellation_requested, payment_failed or payment_disputed.
	EndReason string `json:"end_reason,omitempty"`
	// CollectionPaused is what becomes of invoices while the merchant collects no payments: keep_as_draft, mark_uncollectible or
	// void; empty: payments are collected (https://docs.stripe.com/billing/subscriptions/pause-payment).
	CollectionPaused string `json:"collection_paused,omitempty"`

	// AskedAt is when Stripe was asked for what is recorded here, AskFailedAt when a later question failed.
	AskedAt     time.Time `json:"asked_at,omitzero"`
	AskFailedAt time.Time `json:"ask_failed_at,omitzero"`
	// Answers counts how often an answer changed what is recorded of the subscription or its invoices, as in [Refund], or said that
	// it is what was recorded.
	Answers int `json:"answers,omitempty"`
	// TrialTold is the end of the trial that the merchant was told of before it came.
	TrialTold time.Time `json:"trial_told,omitzero"`
}

// SubscriptionItem is one position of a subscription.
type SubscriptionItem struct {
	// ID is Stripe's (si_).
	ID string `json:"id"`
	// Price and Product are Stripe's IDs of what is subscribed to.
	Price   string `json:"price"`
	Product string `json:"product,omitempty"`
	// Quantity is 0 for a price that is metered.
	Quantity int64 `json:"quantity,omitempty"`
}

// SubscriptionStatus is the status of a subscription in Stripe's words. A later API version may have others.
type SubscriptionStatus string

// The statuses: https://docs.stripe.com/api/subscriptions/object#subscription_object-status.
const (
	SubscriptionActive            SubscriptionStatus = "active"
	SubscriptionTrialing          SubscriptionStatus = "trialing"
	SubscriptionPastDue           SubscriptionStatus = "past_due"
	SubscriptionUnpaid            SubscriptionStatus = "unpaid"
	SubscriptionPaused            SubscriptionStatus = "paused"
	SubscriptionIncomplete        SubscriptionStatus = "incomplete"
	SubscriptionIncompleteExpired SubscriptionStatus = "incomplete_expired"
	SubscriptionCanceled          SubscriptionStatus = "canceled"
)

// Ended reports whether the subscription has ended. An ended subscription never begins again.
func (s *Subscription) Ended() bool {
	return s.Status == SubscriptionCanceled || s.Status == SubscriptionIncompleteExpired || !s.EndedAt.IsZero()
}

// chargedOn reports whether the customer will be charged again. An incomplete subscription ends by itself unless its first invoice is paid.
func (s *Subscription) chargedOn() bool {
	switch s.Status {
	case SubscriptionActive, SubscriptionTrialing, SubscriptionPastDue:
		return !s.Ended() && s.CancelAt.IsZero()
	}
	return false
}

// Invoice is one entry of the ledger of invoices: what Stripe last answered of an invoice of a subscription
// (https://docs.stripe.com/api/invoices/object).
type Invoice struct {
	// ID is Stripe's (in_).
	ID string `json:"id"`
	// Attempt is the attempt whose session began the subscription, Subscription the subscription's ID.
	Attempt      int    `json:"attempt"`
	Subscription string `json:"subscription"`
	// Reason is why the invoice was made, such as subscription_create, subscription_cycle or subscription_update.
	Reason string       `json:"reason,omitempty"`
	State  InvoiceState `json:"state"`
	// Total, Due and Paid are in minor units of Currency. Due is what was to be collected, Paid what was.
	Currency string `json:"currency,omitempty"`
	Total    int64  `json:"total"`
	Due      int64  `json:"due"`
	Paid     int64  `json:"paid"`
	// CreatedAt is when the invoice was made.
	CreatedAt time.Time `json:"created_at,omitzero"`
	// PeriodStart and PeriodEnd are the time that the invoice pays for: that of the line which ends last, and is no credit.
	PeriodStart time.Time `json:"period_start,omitzero"`
	PeriodEnd   time.Time `json:"period_end,omitzero"`
	// DueDate is until when the customer is to pay an invoice that is sent and not charged; zero: it is charged.
	DueDate time.Time `json:"due_date,omitzero"`
	// Tries counts the tries to collect the payment. NextTry is when Stripe tries again; zero: it does not, or does not say.
	Tries   int       `json:"tries,omitempty"`
	NextTry time.Time `json:"next_try,omitzero"`
	// PaymentIntents and Charges are the IDs of the payments, failed ones included. Those of a paid invoice begin with one that paid it.
	PaymentIntents []string `json:"payment_intents,omitempty"`
	Charges        []string `json:"charges,omitempty"`

	// RenewalTold says that the merchant was told of the renewal, FailureTold of which failed try.
	RenewalTold bool `json:"renewal_told,omitempty"`
	FailureTold int  `json:"failure_told,omitempty"`
}

// InvoiceState is where an invoice is in its life, in Stripe's words.
type InvoiceState string

// The states of an invoice: https://docs.stripe.com/api/invoices/object#invoice_object-status.
const (
	InvoiceDraft         InvoiceState = "draft"
	InvoiceOpen          InvoiceState = "open"
	InvoicePaid          InvoiceState = "paid"
	InvoiceVoid          InvoiceState = "void"
	InvoiceUncollectible InvoiceState = "uncollectible"
)

// First reports whether the invoice is the one that began its subscription. Its payment is that of the attempt.
func (i *Invoice) First() bool { return i.Reason == "subscription_create" }

// settled reports whether the time that the invoice pays for is paid, in part at least, or owed by nobody.
func (i *Invoice) settled() bool { return i.Paid > 0 || i.State == InvoicePaid }

// InvoicesKept is the number of latest invoices that an order keeps: see [Order.SumUpInvoices].
const InvoicesKept = 24

// InvoiceSums is what an order keeps of the invoices that it no longer lists.
type InvoiceSums struct {
	// Count is the number of invoices.
	Count int `json:"count,omitempty"`
	// Paid is what was paid for them, in minor units of the order's currency.
	Paid int64 `json:"paid,omitempty"`
	// Through is when the latest of them was made.
	Through time.Time `json:"through,omitzero"`
}

// OlderInvoice stands in [Refund.Invoice] and [Dispute.Invoice] for an invoice that the order no longer lists.
const OlderInvoice = "older"

// Subscription returns the subscription of the payment that counts, or nil if there is none or Stripe has not answered yet. After it
// ended, it is one that the customer has by a duplicate payment, if such a one goes on.
func (o *Order) Subscription() *Subscription {
	paid := o.PaidAttempt()
	if paid == nil {
		return nil
	}
	s := o.SubscriptionByID(paid.Subscription)
	if s == nil || !s.Ended() {
		return s
	}
	for _, a := range o.Attempts {
		if other := o.SubscriptionByID(a.Subscription); other != nil && a.Paid && a.Duplicate && !other.Ended() {
			return other
		}
	}
	return s
}

// SubscriptionByID returns a subscription of the order by its ID, or nil.
func (o *Order) SubscriptionByID(id string) *Subscription {
	i := slices.IndexFunc(o.Subscriptions, func(s Subscription) bool { return s.ID == id })
	if i < 0 {
		return nil
	}
	return &o.Subscriptions[i]
}

// Invoice returns an invoice of the ledger by its ID, or nil.
func (o *Order) Invoice(id string) *Invoice {
	i := slices.IndexFunc(o.Invoices, func(inv Invoice) bool { return inv.ID == id })
	if i < 0 {
		return nil
	}
	return &o.Invoices[i]
}

// InvoiceRefunded is the sum of the refunds of an invoice, in minor units. Refunds of the first invoice are those of its attempt.
func (o *Order) InvoiceRefunded(id string) int64 {
	inv := o.Invoice(id)
	if inv == nil {
		return 0
	}
	if inv.First() {
		return o.AttemptRefunded(inv.Attempt)
	}
	var sum int64
	for _, r := range o.Refunds {
		if r.Invoice == id {
			sum += o.counted(r)
		}
	}
	return sum
}

// InvoiceDisputed reports whether a dispute of an invoice's payment is open or lost.
func (o *Order) InvoiceDisputed(id string) bool {
	inv := o.Invoice(id)
	return inv != nil && slices.ContainsFunc(o.Disputes, func(d Dispute) bool { return d.State != DisputeWon && d.isOf(inv) })
}

// InvoiceRefundable is what can still be given back of an invoice's payment, in minor units: what was paid without the refunds that
// count, and without what a dispute took. It is 0 while a dispute is open that is no inquiry, as with [Order.Refundable].
func (o *Order) InvoiceRefundable(id string) int64 {
	inv := o.Invoice(id)
	if inv == nil || inv.State != InvoicePaid {
		return 0
	}
	if inv.First() {
		return o.AttemptRefundable(inv.Attempt)
	}
	left := inv.Paid - o.InvoiceRefunded(id)
	for _, d := range o.Disputes {
		switch {
		case !d.isOf(inv):
		case d.freezes():
			return 0
		case d.State == DisputeLost && d.Currency != "" && d.Currency != cmp.Or(inv.Currency, o.Currency):
			return 0 // what was lost can't be compared, and counts as the whole payment
		case d.State == DisputeLost:
			left -= d.Amount
		}
	}
	return max(0, left)
}

// isOf reports whether a dispute is about the payment of an invoice.
func (d Dispute) isOf(inv *Invoice) bool {
	if inv.First() {
		return d.Invoice == "" && isOfAttempt(d.Attempt, inv.Attempt)
	}
	return d.Invoice == inv.ID
}

// TotalPaid is what was paid for all invoices of the order's subscriptions, in minor units, and their number. What was given
// back is not taken off.
func (o *Order) TotalPaid() (amount int64, invoices int) {
	amount, invoices = o.OlderInvoices.Paid, o.OlderInvoices.Count
	for _, inv := range o.Invoices {
		amount += inv.Paid
	}
	return amount, invoices + len(o.Invoices)
}

// SumUpInvoices keeps the ledger small: of invoices beyond the latest [InvoicesKept] the order keeps the sums, in
// [Order.OlderInvoices]. What happens to such an invoice later is not recorded, apart from refunds and disputes. An older invoice that
// decides on access stays: one for the latest period of its subscription that is paid for, and the oldest one that is open. In all at
// most 100 invoices stay, the latest of those, as a year can have hundreds of invoices for changes within it.
func (o *Order) SumUpInvoices() {
	n := len(o.Invoices) - InvoicesKept
	if n <= 0 {
		return
	}
	type deciding struct {
		through time.Time
		open    *Invoice
	}
	of := map[string]deciding{} // by subscription
	var kept []Invoice
	for _, i := range slices.Backward(o.Invoices[:n]) {
		d, known := of[i.Subscription]
		if !known {
			d = deciding{o.paidThrough(i.Subscription), o.oldestOpen(i.Subscription)}
			of[i.Subscription] = d
		}
		decides := i.settled() && i.PeriodEnd.Equal(d.through) || d.open != nil && d.open.ID == i.ID
		if decides && len(kept) < decidingKept {
			kept = append(kept, i)
			continue
		}
		o.OlderInvoices.Count++
		o.OlderInvoices.Paid += i.Paid
		if i.CreatedAt.After(o.OlderInvoices.Through) {
			o.OlderInvoices.Through = i.CreatedAt
		}
	}
	slices.Reverse(kept)
	o.Invoices = append(kept, o.Invoices[n:]...)
}

// decidingKept is how many older invoices stay at most because they decide on access.
const decidingKept = 100 - InvoicesKept
