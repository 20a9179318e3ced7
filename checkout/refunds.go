package checkout

import (
	"context"
	"fmt"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// The events of refunds. Since API version 2024-10-28, refund.* cover every refund
// (https://docs.stripe.com/refunds#refund-events). Before, some refunds had charge.refunded alone.
var (
	refundEvents = [...]string{
		string(webhook.RefundCreated), string(webhook.RefundUpdated), string(webhook.RefundFailed), string(webhook.ChargeRefundUpdated),
	}
	chargeRefunded = string(webhook.ChargeRefunded)
)

// refundChanges are the changes that a refund's coming to a state is.
var refundChanges = map[store.RefundState]ChangeKind{
	store.RefundSucceeded: ChangeRefunded, store.RefundFailed: ChangeRefundFailed, store.RefundCanceled: ChangeRefundFailed,
}

// expiredUncaptured is the reason of the refunds that Stripe makes for money that was never captured. They give nothing
// back (https://docs.stripe.com/api/refunds/object#refund_object-reason).
const expiredUncaptured = "expired_uncaptured_charge"

// refundFacts is what the library reads of a refund.
type refundFacts struct {
	ID            string   `json:"id"`
	Status        string   `json:"status"`
	Reason        string   `json:"reason"`
	Amount        int64    `json:"amount"`
	Currency      string   `json:"currency"`
	Charge        objectID `json:"charge"`
	PaymentIntent objectID `json:"payment_intent"`

	// asked says that Stripe answered a request. An event says how the refund was.
	asked bool
}

// chargeFacts is what the library reads of a charge in an event.
type chargeFacts struct {
	ID            string   `json:"id"`
	PaymentIntent objectID `json:"payment_intent"`
}

func (r refundFacts) payment() payment { return payment{string(r.PaymentIntent), string(r.Charge)} }

func (c chargeFacts) payment() payment { return payment{string(c.PaymentIntent), c.ID} }

func factsOfRefund(r *stripe.Refund) refundFacts {
	facts := refundFacts{
		ID: r.ID, Status: string(r.Status), Reason: string(r.Reason), Amount: r.Amount, Currency: string(r.Currency), asked: true,
	}
	if r.Charge != nil {
		facts.Charge = objectID(r.Charge.ID)
	}
	if r.PaymentIntent != nil {
		facts.PaymentIntent = objectID(r.PaymentIntent.ID)
	}
	return facts
}

// entry is the ledger's entry for a refund.
func (r refundFacts) entry(o *store.Order) store.Refund {
	attempt, invoice := paidWith(o, r.payment())
	if known := refundEntry(o, r.ID); known != nil && invoice == store.OlderInvoice {
		attempt, invoice = known.Attempt, known.Invoice // it was told when the invoice was listed
	}
	return store.Refund{
		ID: r.ID, Amount: r.Amount, Currency: r.Currency, State: store.RefundState(r.Status), Attempt: attempt, Invoice: invoice,
	}
}

// refundEntry returns the ledger's entry of a refund, or nil.
func refundEntry(o *store.Order, id string) *store.Refund {
	for i := range o.Refunds {
		if o.Refunds[i].ID == id {
			return &o.Refunds[i]
		}
	}
	return nil
}

// setRefund makes the ledger's entry what Stripe answered, and puts into the outbox what became of the refund. It reports
// whether the ledger changed.
func setRefund(o *store.Order, r refundFacts, now time.Time, cause string) (changed bool) {
	if r.Reason == expiredUncaptured {
		return false
	}
	before, entry := o.Status(), r.entry(o)
	known := refundEntry(o, r.ID)
	switch {
	case known == nil:
		entry.Answers = 1
		o.Refunds = append(o.Refunds, entry)
	default:
		entry.Answers = known.Answers
		if entry == *known {
			return false
		}
		same := entry.State == known.State
		entry.Answers++
		*known = entry
		if same {
			return true
		}
	}
	kind, ok := refundChanges[entry.State]
	if a := o.Attempt(entry.Attempt); kind == ChangeRefundFailed && entry.Invoice == "" && a != nil && a.RefundWanted != "" && a.RefundRefused == "" {
		a.RefundRefused = refundUndone // the same request again would be answered with the same refund
	}
	if ok {
		enqueue(o, store.Notice{
			Kind: string(kind), At: now, From: before, To: o.Status(), Attempt: entry.Attempt, Cause: cause, Detail: entry.ID,
			Invoice: entry.Invoice,
		})
	}
	return true
}

// observeRefund brings the ledger in line with Stripe after an event or a list named a refund, and returns the ID of its
// order; empty: the refund is not of this shop.
func (f *Flow[Tx]) observeRefund(ctx context.Context, account string, r refundFacts, cause string) (id string, err error) {
	id, err = f.orderOfPayment(ctx, account, r.payment())
	if err != nil || id == "" {
		return "", err
	}
	return id, f.settleRefund(ctx, id, r, cause)
}

// observeChargeRefunded does the like for all refunds of a charge, as charge.refunded does not name them.
func (f *Flow[Tx]) observeChargeRefunded(ctx context.Context, account string, c chargeFacts, cause string) (id string, err error) {
	id, err = f.orderOfPayment(ctx, account, c.payment())
	if err != nil || id == "" {
		return "", err
	}
	refunds, err := f.stripe.refundsOf(ctx, account, payment{charge: c.ID})
	if err != nil {
		return id, err
	}
	for _, r := range refunds {
		if err := f.settleRefund(ctx, id, r, cause); err != nil {
			return id, err
		}
	}
	return id, nil
}

// refundUndone is why an automatic refund is left to a person after Stripe had accepted it.
const refundUndone = "the refund failed or was canceled"

// settleRefund records Stripe's newest answer about a refund. Refunds have no order of states that can be relied on, so an
// event says only that something changed. If the event says what the ledger says, nothing is asked. Nothing is asked either if r
// is an answer about a refund of which none was recorded yet.
func (f *Flow[Tx]) settleRefund(ctx context.Context, id string, r refundFacts, cause string) error {
	answers := func(o *store.Order) int {
		if known := refundEntry(o, r.ID); known != nil {
			return known.Answers
		}
		return 0
	}
	return f.recordNewest(ctx, id, "refund "+r.ID, cause, answers, func(o *store.Order) (recorder, error) {
		known := refundEntry(o, r.ID)
		if known != nil {
			if heard := r.entry(o); heard.State == known.State && heard.Amount == known.Amount && heard.Attempt == known.Attempt && heard.Invoice == known.Invoice {
				return nil, nil
			}
		}
		if !r.asked || known != nil {
			answer, err := f.stripe.refund(ctx, o.Account, r.ID)
			if err != nil {
				return nil, err
			}
			r = answer
		}
		return func(o *store.Order, now time.Time) bool { return setRefund(o, r, now, cause) }, nil
	})
}

// refundPayment gives the payment of an attempt back, as Config.Refund says. The intention is looked at again under the
// lock, as a person may have decided otherwise. A repeated request refunds nothing more.
func (f *Flow[Tx]) refundPayment(ctx context.Context, id string, n int) error {
	shop, err := f.shop(ctx)
	if err != nil {
		return err
	}
	var account, subscription string
	var params *stripe.RefundCreateParams
	err = f.record(ctx, id, "refund", func(o *store.Order, now time.Time) (bool, error) {
		params = nil
		a := o.Attempt(n)
		if a == nil {
			return false, nil // the database lost the attempt
		}
		step, ok := refundStep(o, a)
		if !ok || !step.due(now) {
			return false, nil
		}
		account, subscription, params = o.Account, a.Subscription, refundParams(a)
		params.SetIdempotencyKey(fmt.Sprintf("%s/%s/%d/refund", shop.id, o.ID, n))
		a.RefundAskedAt = now
		return true, nil
	})
	if err != nil || params == nil {
		return err
	}
	if err := f.cancelUnwanted(ctx, account, subscription); err != nil {
		return err
	}
	answer, err := f.stripe.createRefund(ctx, account, params)
	switch {
	case err == nil:
		return f.record(ctx, id, "refund", func(o *store.Order, now time.Time) (bool, error) {
			a := o.Attempt(n)
			if a == nil {
				return false, nil
			}
			a.VerifyFailedAt, a.RefundAskedAt = time.Time{}, time.Time{}
			known := refundEntry(o, answer.ID)
			if known == nil {
				setRefund(o, answer, now, "refund")
			} else if known.State == store.RefundFailed || known.State == store.RefundCanceled {
				// Stripe answers a repeated request with its first answer, which is older than what the ledger says.
				a.RefundRefused = refundUndone
			}
			return true, nil
		})
	case unrefundable(err):
		// The money is gone already, in a way that was not heard of: asking for the payment brings it to light.
		if err := f.verifyPayment(ctx, id, n, "refund"); err != nil {
			return err
		}
		return f.record(ctx, id, "refund", func(o *store.Order, _ time.Time) (bool, error) {
			o.Attempt(n).RefundAskedAt = time.Time{}
			return true, nil
		})
	case refused(err) && statusCode(err) != 429:
		f.log.Error("automatic refund was refused", "order", id, "attempt", n, "error", err)
		return f.record(ctx, id, "refund", func(o *store.Order, _ time.Time) (bool, error) {
			a := o.Attempt(n)
			if a == nil {
				return false, nil
			}
			a.RefundRefused, a.RefundAskedAt = refusal(err), time.Time{}
			return true, nil
		})
	}
	return err
}

// refundParams are the parameters of the refund of a whole payment. On a destination charge the transfer and the
// application fee go back, too, as the platform would pay the refund otherwise
// (https://docs.stripe.com/connect/destination-charges#issue-refunds).
func refundParams(a *store.Attempt) *stripe.RefundCreateParams {
	params := &stripe.RefundCreateParams{PaymentIntent: stripe.String(a.PaymentIntent)}
	if a.Destination {
		params.ReverseTransfer = stripe.Bool(true)
	}
	if a.ApplicationFee {
		params.RefundApplicationFee = stripe.Bool(true)
	}
	return params
}
