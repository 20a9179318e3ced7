package store

// Status is where an order stands, computed from its facts by [Order.Status].
type Status string

// The statuses of an order. Disputed, Refunded and PartiallyRefunded are laid over Paid.
const (
	// Draft: the order has no attempt that anybody was sent to.
	Draft Status = "draft"
	// Open: a session can be paid.
	Open Status = "open"
	// Processing: the customer finished the page; the money is on its way.
	Processing Status = "processing"
	// Paid: the money has arrived, or nothing was to pay.
	Paid Status = "paid"
	// PartiallyRefunded: paid, and some of it given back.
	PartiallyRefunded Status = "partially_refunded"
	// Refunded: paid, and all of it given back.
	Refunded Status = "refunded"
	// Disputed: paid, and the customer's bank wants it back or took it back.
	Disputed Status = "disputed"
	// Canceled: the merchant ended the order unpaid.
	Canceled Status = "canceled"
	// Failed: the last that was heard of a payment is that it did not arrive.
	Failed Status = "failed"
	// Expired: nobody paid in time.
	Expired Status = "expired"
)

// Status is a pure function of the order's facts, the same whatever the order in which they were heard: paid before
// processing before open before canceled before failed before expired before draft, with disputes and refunds laid over
// paid, disputes first.
func (o *Order) Status() Status {
	var processing, open, failed, expired bool
	for i := range o.Attempts {
		a := &o.Attempts[i]
		if a.Paid {
			return o.paidStatus()
		}
		processing = processing || a.Processing()
		open = open || a.Open()
		failed = failed || a.Failed
		expired = expired || a.Expired
	}
	switch {
	case processing:
		return Processing
	case open:
		return Open
	case !o.CancelRequestedAt.IsZero():
		return Canceled
	case failed:
		return Failed
	case expired:
		return Expired
	}
	return Draft
}

func (o *Order) paidStatus() Status {
	refunded, amount := o.Refunded(), o.Amounts.Total
	if paid := o.PaidAttempt(); paid != nil {
		amount = o.charged(paid)
	}
	switch {
	case o.Disputed():
		return Disputed
	case refunded > 0 && refunded >= amount:
		return Refunded
	case refunded > 0:
		return PartiallyRefunded
	}
	return Paid
}
