package store

// Refund is one entry of the refund ledger.
type Refund struct {
	// ID is Stripe's (re_, pyr_).
	ID string `json:"id"`
	// Attempt is the attempt whose payment it gives back.
	Attempt int `json:"attempt"`
	// Amount is in minor units of the order's currency.
	Amount int64       `json:"amount"`
	State  RefundState `json:"state"`
}

// RefundState is where a refund is in its life.
type RefundState string

// The states of a refund. A refund can fail after it succeeded.
const (
	RefundPending        RefundState = "pending"
	RefundRequiresAction RefundState = "requires_action"
	RefundSucceeded      RefundState = "succeeded"
	RefundFailed         RefundState = "failed"
	RefundCanceled       RefundState = "canceled"
)

// rank orders the states in time; an unknown state ranks below all.
func (s RefundState) rank() int {
	switch s {
	case RefundPending:
		return 1
	case RefundRequiresAction:
		return 2
	case RefundSucceeded:
		return 3
	case RefundFailed, RefundCanceled:
		return 4
	}
	return 0
}

// Dispute is one entry of the dispute ledger.
type Dispute struct {
	// ID is Stripe's (dp_, du_).
	ID string `json:"id"`
	// Attempt is the attempt whose payment is disputed.
	Attempt int `json:"attempt"`
	// Amount is in minor units of the order's currency.
	Amount int64        `json:"amount"`
	State  DisputeState `json:"state"`
}

// DisputeState is where a dispute is in its life.
type DisputeState string

// The states of a dispute.
const (
	DisputeOpen DisputeState = "open"
	DisputeWon  DisputeState = "won"
	DisputeLost DisputeState = "lost"
)

// rank orders the states in time; an unknown state ranks below all.
func (s DisputeState) rank() int {
	switch s {
	case DisputeOpen:
		return 1
	case DisputeWon, DisputeLost:
		return 2
	}
	return 0
}

// Joined is how a ledger took an entry.
type Joined int

// What joining an entry can come to.
const (
	// Known: the ledger knew as much or more already; nothing changed.
	Known Joined = iota
	// News: the entry was added, or its object moved on.
	News
	// Conflict: the ledger holds another end of the same object; ask Stripe which it is, and use SetRefund or SetDispute.
	Conflict
)

// JoinRefund takes what was heard of a refund into the ledger. Whatever the order in which states are heard, the ledger
// ends with the latest.
func (o *Order) JoinRefund(r Refund) Joined {
	for i := range o.Refunds {
		if known := &o.Refunds[i]; known.ID == r.ID {
			return join(known, r, known.State.rank(), r.State.rank(), known.State == r.State)
		}
	}
	o.Refunds = append(o.Refunds, r)
	return News
}

// JoinDispute takes what was heard of a dispute into the ledger, as JoinRefund does with a refund.
func (o *Order) JoinDispute(d Dispute) Joined {
	for i := range o.Disputes {
		if known := &o.Disputes[i]; known.ID == d.ID {
			return join(known, d, known.State.rank(), d.State.rank(), known.State == d.State)
		}
	}
	o.Disputes = append(o.Disputes, d)
	return News
}

func join[E any](known *E, heard E, knownRank, heardRank int, same bool) Joined {
	switch {
	case heardRank > knownRank:
		*known = heard
		return News
	case heardRank == knownRank && !same:
		return Conflict
	}
	return Known
}

// SetRefund makes the ledger's entry what Stripe answered when it was asked, whatever the entry was.
func (o *Order) SetRefund(r Refund) Joined {
	for i := range o.Refunds {
		if known := &o.Refunds[i]; known.ID == r.ID {
			return set(known, r)
		}
	}
	o.Refunds = append(o.Refunds, r)
	return News
}

// SetDispute makes the ledger's entry what Stripe answered when it was asked, whatever the entry was.
func (o *Order) SetDispute(d Dispute) Joined {
	for i := range o.Disputes {
		if known := &o.Disputes[i]; known.ID == d.ID {
			return set(known, d)
		}
	}
	o.Disputes = append(o.Disputes, d)
	return News
}

func set[E comparable](known *E, answered E) Joined {
	if *known == answered {
		return Known
	}
	*known = answered
	return News
}

// Refunded is the sum of the refunds of the payment that counts which succeeded, in minor units. What was given back of
// another payment, such as a duplicate, leaves the order paid.
func (o *Order) Refunded() int64 {
	var sum int64
	for _, r := range o.Refunds {
		if r.State == RefundSucceeded && o.counts(r.Attempt) {
			sum += r.Amount
		}
	}
	return sum
}

// Disputed reports whether a dispute of the payment that counts is open or lost.
func (o *Order) Disputed() bool {
	for _, d := range o.Disputes {
		if (d.State == DisputeOpen || d.State == DisputeLost) && o.counts(d.Attempt) {
			return true
		}
	}
	return false
}

// counts reports whether attempt n is the one whose payment the order goes by. The number 0, for a payment that can't be
// told, counts.
func (o *Order) counts(n int) bool {
	paid := o.PaidAttempt()
	return n == 0 || paid == nil || paid.N == n
}
