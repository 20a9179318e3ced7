package store

// Status is the state of an order. [Order.Status] computes it from the facts.
type Status string

// The statuses of an order. Disputed, Refunded and PartiallyRefunded are laid over Paid.
const (
	// Draft: the order has no attempt whose URL was handed out.
	Draft Status = "draft"
	// Open: a session can be paid.
	Open Status = "open"
	// Processing: the customer finished the page, and the money is on its way.
	Processing Status = "processing"
	// Paid: the money has arrived, or there was nothing to pay.
	Paid Status = "paid"
	// PartiallyRefunded: paid, and a part was given back.
	PartiallyRefunded Status = "partially_refunded"
	// Refunded: paid, and everything was given back.
	Refunded Status = "refunded"
	// Disputed: paid, and the customer's bank wants the money back or took it back.
	Disputed Status = "disputed"
	// Canceled: the merchant canceled the order before it was paid.
	Canceled Status = "canceled"
	// Failed: a payment did not arrive, and no session is open.
	Failed Status = "failed"
	// Expired: the session ended unpaid.
	Expired Status = "expired"
)

// Status is a pure function of the order's facts. The sequence in which the facts were heard does not matter. Where several
// statuses apply, the first of these counts: paid, processing, open, canceled, failed, expired, draft. Refunds are laid over
// paid, and disputes over both.
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
