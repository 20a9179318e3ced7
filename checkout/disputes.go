package checkout

import (
	"context"
	"slices"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

var disputeEvents = [...]string{
	string(webhook.ChargeDisputeCreated), string(webhook.ChargeDisputeUpdated), string(webhook.ChargeDisputeClosed),
	string(webhook.ChargeDisputeFundsWithdrawn), string(webhook.ChargeDisputeFundsReinstated),
}

// disputeChanges are the changes that a dispute's coming to a state is.
var disputeChanges = map[store.DisputeState]ChangeKind{
	store.DisputeOpen: ChangeDisputed, store.DisputeWon: ChangeDisputeWon, store.DisputeLost: ChangeDisputeLost,
}

// disputeFacts is what the library reads of a dispute.
type disputeFacts struct {
	ID            string   `json:"id"`
	Status        string   `json:"status"`
	Amount        int64    `json:"amount"`
	Currency      string   `json:"currency"`
	Charge        objectID `json:"charge"`
	PaymentIntent objectID `json:"payment_intent"`

	// asked says that Stripe answered a request. An event says how the dispute was.
	asked bool
}

func (d disputeFacts) payment() payment { return payment{string(d.PaymentIntent), string(d.Charge)} }

func factsOfDispute(d *stripe.Dispute) disputeFacts {
	facts := disputeFacts{ID: d.ID, Status: string(d.Status), Amount: d.Amount, Currency: string(d.Currency), asked: true}
	if d.Charge != nil {
		facts.Charge = objectID(d.Charge.ID)
	}
	if d.PaymentIntent != nil {
		facts.PaymentIntent = objectID(d.PaymentIntent.ID)
	}
	return facts
}

// disputeState is where a dispute is by its status (https://docs.stripe.com/api/disputes/object#dispute_object-status). An
// inquiry that was closed, and a dispute that was prevented, took no money. A status that is not known counts as open.
func disputeState(status string) store.DisputeState {
	switch status {
	case "won", "warning_closed", "prevented":
		return store.DisputeWon
	case "lost":
		return store.DisputeLost
	}
	return store.DisputeOpen
}

// inquiryStatuses are those of a dispute in which the bank only asks so far. A full refund settles it
// (https://docs.stripe.com/disputes/how-disputes-work).
var inquiryStatuses = [...]string{"warning_needs_response", "warning_under_review"}

// entry is the ledger's entry for a dispute.
func (d disputeFacts) entry(o *store.Order) store.Dispute {
	attempt, invoice := paidWith(o, d.payment())
	if known := disputeEntry(o, d.ID); known != nil && invoice == store.OlderInvoice {
		attempt, invoice = known.Attempt, known.Invoice // it was told when the invoice was listed
	}
	return store.Dispute{
		ID: d.ID, Amount: d.Amount, Currency: d.Currency, State: disputeState(d.Status), Attempt: attempt, Invoice: invoice,
		Inquiry: slices.Contains(inquiryStatuses[:], d.Status),
	}
}

// disputeEntry returns the ledger's entry of a dispute, or nil.
func disputeEntry(o *store.Order, id string) *store.Dispute {
	for i := range o.Disputes {
		if o.Disputes[i].ID == id {
			return &o.Disputes[i]
		}
	}
	return nil
}

// setDispute makes the ledger's entry what Stripe answered, and puts into the outbox what became of the dispute. It reports
// whether the ledger changed. The error matches errPaymentLost.
func setDispute(o *store.Order, d disputeFacts, now time.Time, cause string) (changed bool, err error) {
	before, entry := o.Status(), d.entry(o)
	if err := paymentLost(o, "dispute "+d.ID, entry.Attempt, entry.Invoice); err != nil {
		return false, err
	}
	known := disputeEntry(o, d.ID)
	switch {
	case known == nil:
		entry.Answers = 1
		o.Disputes = append(o.Disputes, entry)
	default:
		entry.Answers = known.Answers
		if entry == *known {
			return false, nil
		}
		isNews := entry.State != known.State || known.Inquiry && !entry.Inquiry && entry.State == store.DisputeOpen
		entry.Answers++
		*known = entry
		if !isNews {
			return true, nil
		}
	}
	enqueue(o, store.Notice{
		Kind: string(disputeChanges[entry.State]), At: now, From: before, To: o.Status(), Attempt: entry.Attempt, Cause: cause, Detail: entry.ID,
		Invoice: entry.Invoice,
	})
	return true, nil
}

// observeDispute brings the ledger in line with Stripe after an event or a list named a dispute, and returns the ID of its
// order; empty: the dispute is not of this shop.
func (f *Flow[Tx]) observeDispute(ctx context.Context, account string, d disputeFacts, cause string) (id string, err error) {
	id, err = f.orderOfPayment(ctx, account, d.payment())
	if err != nil || id == "" {
		return "", err
	}
	return id, f.settleDispute(ctx, id, d, cause)
}

// settleDispute records Stripe's newest answer about a dispute, as settleRefund does for a refund.
func (f *Flow[Tx]) settleDispute(ctx context.Context, id string, d disputeFacts, cause string) error {
	answers := func(o *store.Order) int {
		if known := disputeEntry(o, d.ID); known != nil {
			return known.Answers
		}
		return 0
	}
	return f.recordNewest(ctx, id, "dispute "+d.ID, cause, answers, func(o *store.Order) (recorder, error) {
		known := disputeEntry(o, d.ID)
		if known != nil {
			if heard := d.entry(o); heard.State == known.State && heard.Inquiry == known.Inquiry && heard.Amount == known.Amount && heard.Attempt == known.Attempt && heard.Invoice == known.Invoice {
				return nil, nil
			}
		}
		if !d.asked || known != nil {
			answer, err := f.stripe.dispute(ctx, o.Account, d.ID)
			if err != nil {
				return nil, err
			}
			d = answer
		}
		return func(o *store.Order, now time.Time) (bool, error) { return setDispute(o, d, now, cause) }, nil
	})
}
