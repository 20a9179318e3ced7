package store

// Refund is one entry of the refund ledger.
type Refund struct {
	// ID is Stripe's (re_, pyr_).
	ID string `json:"id"`
	// Attempt is the attempt whose payment it gives back, or whose subscription's.
	Attempt int `json:"attempt"`
	// Invoice is the invoice whose payment it gives back, if that is not the first of a subscription; empty: it gives back the
	// payment of the attempt. It is [OlderInvoice] for an invoice that the order no longer lists.
	Invoice string `json:"invoice,omitempty"`
	// Amount is in minor units of Currency.
	Amount int64 `json:"amount"`
	// Currency is a three-letter ISO code in lower case; empty: that of the payment.
	Currency string      `json:"currency,omitempty"`
	State    RefundState `json:"state"`
	// Answers counts how often an answer of Stripe's about this refund was recorded. The Flow compares the count from before
	// its question with the count when it records the answer, so that an older answer never replaces a newer one.
	Answers int `json:"answers,omitempty"`
}

// RefundState is the state of a refund.
type RefundState string

// The states of a refund. None is final: a refund can fail after it succeeded.
const (
	RefundPending        RefundState = "pending"
	RefundRequiresAction RefundState = "requires_action"
	RefundSucceeded      RefundState = "succeeded"
	RefundFailed         RefundState = "failed"
	RefundCanceled       RefundState = "canceled"
)

// Dispute is one entry of the dispute ledger.
type Dispute struct {
	// ID is Stripe's (dp_, du_).
	ID string `json:"id"`
	// Attempt is the attempt whose payment is disputed, or whose subscription's.
	Attempt int `json:"attempt"`
	// Invoice is the invoice whose payment is disputed, as in [Refund].
	Invoice string `json:"invoice,omitempty"`
	// Amount is in minor units of Currency.
	Amount int64 `json:"amount"`
	// Currency is a three-letter ISO code in lower case; empty: that of the payment.
	Currency string       `json:"currency,omitempty"`
	State    DisputeState `json:"state"`
	// Inquiry says that the bank only asks so far. An inquiry takes no money, and its payment can be refunded.
	Inquiry bool `json:"inquiry,omitempty"`
	// Answers counts how often an answer of Stripe's about this dispute was recorded, as in [Refund].
	Answers int `json:"answers,omitempty"`
}

// DisputeState is the state of a dispute.
type DisputeState string

// The states of a dispute. None is final: a lost dispute can be won, and a closed inquiry can be opened again.
const (
	// DisputeOpen: the bank may take the money, or took it for now.
	DisputeOpen DisputeState = "open"
	// DisputeWon: the merchant keeps the money.
	DisputeWon DisputeState = "won"
	// DisputeLost: the bank took the money.
	DisputeLost DisputeState = "lost"
)

// counts reports whether a refund in this state gives money back, now or soon unless it fails.
func (s RefundState) counts() bool {
	return s == RefundPending || s == RefundRequiresAction || s == RefundSucceeded
}

// Refunded is the sum of the refunds of the payment that counts, in minor units. A refund counts from the moment it is asked
// for until it fails or is canceled. A refund of another payment, such as a duplicate, leaves the order paid. So does a
// refund of a renewal. A refund in another currency than the payment's is not added.
func (o *Order) Refunded() int64 {
	paid := o.PaidAttempt()
	return o.refunded(func(of int) bool { return paid == nil || isOfAttempt(of, paid.N) })
}

// AttemptRefunded is what [Order.Refunded] says, for the payment of attempt n.
func (o *Order) AttemptRefunded(n int) int64 {
	return o.refunded(func(of int) bool { return isOfAttempt(of, n) })
}

// refunded is the sum of the refunds of payments of attempts that match. Refunds of renewals are not among them.
func (o *Order) refunded(matches func(attempt int) bool) int64 {
	var sum int64
	for _, r := range o.Refunds {
		if r.Invoice == "" && matches(r.Attempt) {
			sum += o.counted(r)
		}
	}
	return sum
}

// Refundable is what can still be given back of the payment that counts, in minor units: what was charged without the refunds
// that count, and without what a dispute took. It is 0 while a dispute is open that is no inquiry, because Stripe refuses refunds
// then (https://docs.stripe.com/disputes/responding). For renewals see [Order.InvoiceRefundable].
func (o *Order) Refundable() int64 {
	if paid := o.PaidAttempt(); paid != nil {
		return o.AttemptRefundable(paid.N)
	}
	return 0
}

// AttemptRefundable is what [Order.Refundable] says, for the payment of attempt n, such as the second payment of an order that
// was paid twice. It is in minor units of that payment's currency.
func (o *Order) AttemptRefundable(n int) int64 {
	a := o.Attempt(n)
	if a == nil || !a.Paid {
		return 0
	}
	for _, d := range o.Disputes {
		if d.Invoice == "" && d.freezes() && isOfAttempt(d.Attempt, n) {
			return 0
		}
	}
	lost, _ := o.lost(a)
	return max(0, o.charged(a)-o.AttemptRefunded(n)-lost)
}

// isOfAttempt reports whether the entry of a ledger for attempt of is about the payment of attempt n. The number 0 stands for an
// unknown attempt. It is about each: goods must not be shipped for money that may have been given back.
func isOfAttempt(of, n int) bool { return of == n || of == 0 }

// freezes reports whether Stripe refuses refunds of the payment because of the dispute.
func (d Dispute) freezes() bool { return d.State == DisputeOpen && !d.Inquiry }

// counted is how much of the payment that a refund is of it gives back.
func (o *Order) counted(r Refund) int64 {
	if !r.State.counts() || !o.inCurrencyOf(r.Attempt, r.Currency) {
		return 0
	}
	return r.Amount
}

// inCurrencyOf reports whether a currency is that of the payment of attempt n; an empty currency is.
func (o *Order) inCurrencyOf(n int, currency string) bool {
	paid := o.Currency
	if a := o.Attempt(n); a != nil && a.Currency != "" {
		paid = a.Currency
	}
	return currency == "" || currency == paid
}

// Disputed reports whether a dispute of the payment that counts is open or lost.
func (o *Order) Disputed() bool {
	paid := o.PaidAttempt()
	for _, d := range o.Disputes {
		if d.Invoice == "" && d.State != DisputeWon && (paid == nil || isOfAttempt(d.Attempt, paid.N)) {
			return true
		}
	}
	return false
}

// GivenBack reports whether an open dispute of an attempt's payment exists, or whether refunds and lost disputes together amount to
// the whole payment. A refund that is on its way counts.
func (o *Order) GivenBack(a *Attempt) bool {
	back, open := o.lost(a)
	back += o.AttemptRefunded(a.N)
	return open || back > 0 && back >= o.charged(a)
}

// lost returns how much of an attempt's payment was lost in disputes, and whether a dispute of the payment is open. What was lost in
// another currency than the payment's can't be compared, and counts as the whole payment.
func (o *Order) lost(a *Attempt) (sum int64, open bool) {
	for _, d := range o.Disputes {
		if d.Invoice != "" || !isOfAttempt(d.Attempt, a.N) {
			continue
		}
		switch d.State {
		case DisputeWon:
		case DisputeLost:
			if !o.inCurrencyOf(a.N, d.Currency) {
				d.Amount = o.charged(a)
			}
			sum += d.Amount
		default:
			open = true
		}
	}
	return sum, open
}

// charged is what was charged for an attempt, in minor units.
func (o *Order) charged(a *Attempt) int64 {
	paid := o.PaidAttempt()
	if a.Amount > 0 || a.PaymentIntent == "" && (a.Subscription != "" || paid != nil && paid.N != a.N) {
		return a.Amount
	}
	return o.Amounts.Total
}
