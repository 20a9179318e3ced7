package checkout

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
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
// whether the ledger changed. The error matches errPaymentLost.
func setRefund(o *store.Order, r refundFacts, now time.Time, cause string) (changed bool, err error) {
	if r.Reason == expiredUncaptured {
		return false, nil
	}
	before, entry := o.Status(), r.entry(o)
	if err := paymentLost(o, "refund "+r.ID, entry.Attempt, entry.Invoice); err != nil {
		return false, err
	}
	known := refundEntry(o, r.ID)
	switch {
	case known == nil:
		entry.Answers = 1
		o.Refunds = append(o.Refunds, entry)
	default:
		entry.Answers = known.Answers
		if entry == *known {
			return false, nil
		}
		same := entry.State == known.State
		entry.Answers++
		*known = entry
		if same {
			return true, nil
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
	return true, nil
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
		return func(o *store.Order, now time.Time) (bool, error) { return setRefund(o, r, now, cause) }, nil
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
		key := fmt.Sprintf("%s/%s/%d/refund", shop.id, o.ID, n)
		if a.RefundRetries > 0 { // Stripe answers a key that it knows with its first answer
			key += fmt.Sprintf("/%d", a.RefundRetries)
		}
		params.SetIdempotencyKey(idempotencyKey("%s", key))
		a.RefundAskedAt = now
		return true, nil
	})
	if err != nil || params == nil {
		return err
	}
	var answer refundFacts
	if err = f.cancelUnwanted(ctx, account, subscription); err == nil {
		answer, err = f.stripe.createRefund(ctx, account, params)
	}
	switch {
	case err == nil:
		return f.record(ctx, id, "refund", func(o *store.Order, now time.Time) (bool, error) {
			a := o.Attempt(n)
			if a == nil {
				return false, nil
			}
			a.VerifyFailedAt, a.RefundAskedAt = time.Time{}, time.Time{}
			// Stripe gave back what was left, which is less than what the order says if somebody else refunded, too. So Stripe is asked
			// again before a person's decision can have the goods handed over.
			a.VerifiedAt = time.Time{}
			known := refundEntry(o, answer.ID)
			if known == nil {
				if _, err := setRefund(o, answer, now, "refund"); err != nil {
					return false, err
				}
			} else if undone(known.State) {
				// Stripe answers a repeated request with its first answer, which is older than what the ledger says.
				a.RefundRefused = refundUndone
			}
			return true, nil
		})
	case unrefundable(err):
		// The money is gone already, in a way that was not heard of: asking for the payment brings it to light.
		if failed := f.verifyPayment(ctx, id, n, "refund"); failed != nil {
			return failed
		}
		return f.record(ctx, id, "refund", func(o *store.Order, _ time.Time) (bool, error) {
			a := o.Attempt(n)
			if a == nil {
				return false, nil
			}
			a.RefundAskedAt = time.Time{}
			if !o.GivenBack(a) { // asking for the refund again would get the same answer
				a.RefundRefused = refusal(err)
			}
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

// retryRefund has an automatic refund that was refused or failed asked for anew, as far as it is still wanted.
func retryRefund(a *store.Attempt) {
	if a.RefundRefused != "" {
		a.RefundRefused = ""
		a.RefundRetries++
	}
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

// Refund says what [Flow.Refund] gives back.
type Refund struct {
	// Amount is in minor units of the payment's currency. Default: everything that is left of the payment.
	Amount int64
	// Attempt is the number of the attempt whose payment is given back, of an order that was paid twice. Default: the attempt
	// whose payment counts, see [store.Order.PaidAttempt].
	Attempt int
	// Invoice is the ID of the invoice whose payment is given back, of an order with a subscription. Default: the latest
	// invoice that was paid of the subscription that the attempt began, for which Stripe is asked. That may be the invoice of a change
	// of the plan: [store.Invoice] Reason tells renewals apart.
	Invoice string
	// Key tells this refund from other refunds of the order. A call with the same Key and Amount refunds nothing more for a
	// day, as Stripe keeps idempotency keys that long (https://docs.stripe.com/api/idempotent_requests). A form that is sent
	// twice needs one Key, for instance a random text in a hidden field. It has at most 100 characters. If the refund with this Key
	// failed later, such a call is an error: use another Key. Default: the amount, the sum of earlier refunds and the number of
	// those that failed, so that calls at the same moment make one refund.
	Key string
	// Restock puts the goods of the order back into stock, together with the record of the refund. An order is restocked at
	// most once, also by several refunds. If the whole payment was given back already, for instance in the Dashboard, the
	// goods are restocked all the same. A second payment has no goods to restock: that is an error.
	Restock bool
}

// restocker is a Reserver that can put goods back, as sqlreserver and memreserver can.
type restocker[Tx any] interface {
	Adjust(ctx context.Context, tx Tx, sku string, delta int64) error
}

// Refund gives money back that an order was paid with, records it, and delivers the change. The key needs write permission for
// Charges and Refunds. On a destination charge the transfer and the application fee go back, too. A refund does not end a
// subscription.
//
// Errors: one that matches [ErrNotFound] for the order and its invoice, [ErrNotPaid] for the order and its attempt,
// [ErrNothingToRefund] if less than Amount is left or the payment is disputed, [ErrNoRestock]; Stripe's answer, by errors.As as
// a [*stripe.Error]. After an error of the network or the Store the refund may have been made; calling again with the same Key is
// safe.
func (f *Flow[Tx]) Refund(ctx context.Context, id string, r Refund) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	if r.Amount < 0 || len(r.Key) > 100 {
		return fmt.Errorf("checkout: refund of %d with a key of %d bytes: an amount is positive, a key has at most 100", r.Amount, len(r.Key))
	}
	if _, ok := f.reserver.(restocker[Tx]); r.Restock && f.reserver != nil && !ok {
		return ErrNoRestock
	}
	o, err := f.store.Find(ctx, id)
	if err != nil {
		return err
	}
	if o, err = f.withLatestInvoice(ctx, o, r); err != nil {
		return err
	}
	payment, err := r.payment(o)
	if err != nil {
		return err
	}
	params, err := f.wantedRefund(ctx, o, payment, r)
	if err != nil {
		return err
	}
	var answer refundFacts
	if params != nil {
		if answer, err = f.stripe.createRefund(ctx, o.Account, params); err != nil {
			return err
		}
	}
	if err := f.recordRefund(ctx, id, answer, r.Restock); err != nil {
		return err
	}
	f.tryDeliver(ctx, id)
	return nil
}

// withLatestInvoice returns the order with what Stripe says of the subscription whose latest invoice a refund gives back. The event of
// that invoice may not have been heard of.
func (f *Flow[Tx]) withLatestInvoice(ctx context.Context, o *store.Order, r Refund) (*store.Order, error) {
	payment, err := r.payment(o)
	if err != nil || r.Invoice != "" || payment.attempt.Subscription == "" {
		return o, nil // the caller sees the error
	}
	if err := f.settleSubscription(ctx, o.ID, payment.attempt.Subscription, "refund", false); err != nil {
		return nil, err
	}
	return f.store.Find(ctx, o.ID)
}

// Left returns how much is left of the payment that [Flow.Refund] would give back, in minor units, and the currency of the payment.
// It is 0 while the payment is disputed, see [store.Order.Refundable]. The errors are those of Flow.Refund about order, attempt and
// invoice.
func (r Refund) Left(o *store.Order) (left int64, currency string, err error) {
	p, err := r.payment(o)
	if err != nil {
		return 0, "", err
	}
	return p.left(o), p.currency(o), nil
}

// paymentToRefund is the payment that a person wants to give back: that of an attempt, or of a renewal of the attempt's subscription.
type paymentToRefund struct {
	attempt *store.Attempt
	renewal *store.Invoice // nil: the payment of the attempt
}

func (p paymentToRefund) left(o *store.Order) int64 {
	if p.renewal != nil {
		return o.InvoiceRefundable(p.renewal.ID)
	}
	return o.AttemptRefundable(p.attempt.N)
}

func (p paymentToRefund) currency(o *store.Order) string {
	if p.renewal != nil {
		return cmp.Or(p.renewal.Currency, o.Currency)
	}
	return cmp.Or(p.attempt.Currency, o.Currency)
}

// payment returns the payment that the refund gives back.
func (r Refund) payment(o *store.Order) (paymentToRefund, error) {
	a, inv := o.PaidAttempt(), o.Invoice(r.Invoice)
	if r.Attempt != 0 {
		a = o.Attempt(r.Attempt)
	}
	if inv != nil {
		of := o.AttemptBySubscription(inv.Subscription)
		if r.Attempt != 0 && of != a {
			return paymentToRefund{}, fmt.Errorf("checkout: invoice %s of order %s is not of attempt %d: name one of the two", inv.ID, o.ID, r.Attempt)
		}
		a = of
	}
	switch {
	case r.Attempt != 0 && (a == nil || !a.Paid):
		return paymentToRefund{}, fmt.Errorf("%w: attempt %d of order %s", ErrNotPaid, r.Attempt, o.ID)
	case a == nil || !a.Paid:
		return paymentToRefund{}, fmt.Errorf("%w: %s", ErrNotPaid, o.ID)
	case r.Invoice != "" && inv == nil:
		return paymentToRefund{}, fmt.Errorf("%w: invoice %s of order %s", ErrNotFound, r.Invoice, o.ID)
	case r.Restock && a != o.PaidAttempt():
		return paymentToRefund{}, fmt.Errorf("checkout: the goods of order %s are not those of attempt %d: refund it without Restock", o.ID, a.N)
	}
	if inv == nil {
		inv = latestPaidRenewal(o, a)
	} else if inv.First() {
		inv = nil
	}
	return paymentToRefund{a, inv}, nil
}

// wantedRefund returns the parameters of a refund that a person asked for; nil: the money is back already, and only the goods
// are to be restocked.
func (f *Flow[Tx]) wantedRefund(ctx context.Context, o *store.Order, p paymentToRefund, r Refund) (*stripe.RefundCreateParams, error) {
	shop, err := f.shop(ctx)
	if err != nil {
		return nil, err
	}
	params, back, of := refundParams(p.attempt), o.AttemptRefunded(p.attempt.N), r.Invoice
	if p.attempt != o.PaidAttempt() && of == "" {
		of = fmt.Sprintf("attempt %d", p.attempt.N)
	}
	if p.renewal != nil {
		back, of = o.InvoiceRefunded(p.renewal.ID), p.renewal.ID
		params.PaymentIntent = stripe.String("")
		if intents := p.renewal.PaymentIntents; len(intents) > 0 {
			params.PaymentIntent = &intents[0]
		}
	}
	left := p.left(o)
	amount := cmp.Or(r.Amount, left)
	switch {
	case left == 0 && r.Amount == 0 && r.Restock && restockable(o, p.attempt):
		return nil, nil
	case left == 0, amount > left, *params.PaymentIntent == "":
		return nil, fmt.Errorf("%w: %d of %d %s of order %s", ErrNothingToRefund, amount, left, p.currency(o), o.ID)
	}
	params.Amount = &amount
	key := cmp.Or(r.Key, defaultRefundKey(o, back, amount))
	params.SetIdempotencyKey(idempotencyKey("%s/%s/%s/refund/%s", shop.id, o.ID, of, key))
	return params, nil
}

// defaultRefundKey tells refunds of an order apart that have no Key. A refund that failed is followed by one with the same amount
// and the same sum of earlier refunds, which Stripe would answer with the one that failed.
func defaultRefundKey(o *store.Order, back, amount int64) string {
	key, failed := fmt.Sprintf("%d-%d", back, amount), 0
	for _, r := range o.Refunds {
		if undone(r.State) {
			failed++
		}
	}
	if failed > 0 {
		key += fmt.Sprintf("-%d", failed)
	}
	return key
}

// undone reports whether a refund in this state gave nothing back.
func undone(s store.RefundState) bool { return s == store.RefundFailed || s == store.RefundCanceled }

// latestPaidRenewal returns the latest paid invoice of the subscription that an attempt began; nil: only its first invoice was
// paid, or there is none.
func latestPaidRenewal(o *store.Order, paid *store.Attempt) *store.Invoice {
	for i := range slices.Backward(o.Invoices) {
		inv := &o.Invoices[i]
		if inv.Subscription == paid.Subscription && inv.State == store.InvoicePaid && inv.Paid > 0 && !inv.First() {
			return inv
		}
	}
	return nil
}

// restockable reports whether goods of the order were sold and not put back.
func restockable(o *store.Order, paid *store.Attempt) bool {
	return paid.Hold.State == store.Sold && o.RestockedAt.IsZero()
}

// recordRefund records a refund that a person asked for, and puts the goods back.
func (f *Flow[Tx]) recordRefund(ctx context.Context, id string, answer refundFacts, restock bool) error {
	return f.recordTx(ctx, id, "refund", func(tx Tx, o *store.Order, now time.Time) (bool, error) {
		switch known := refundEntry(o, answer.ID); {
		case answer.ID == "":
		case known == nil:
			if _, err := setRefund(o, answer, now, "refund"); err != nil {
				return false, err
			}
		case undone(known.State): // a repeated request is answered with the first answer
			return false, fmt.Errorf("checkout: refund %s of order %s %s: use another Key for another refund", known.ID, o.ID, known.State)
		}
		if paid := o.PaidAttempt(); restock && f.reserver != nil && paid != nil && restockable(o, paid) {
			o.RestockedAt = now
			if err := f.restock(ctx, tx, o, paid); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

// restock puts the goods back that an attempt sold: its lines without those that were short.
func (f *Flow[Tx]) restock(ctx context.Context, tx Tx, o *store.Order, paid *store.Attempt) error {
	sold := make(map[string]int64)
	for _, l := range stockLines(paid.Lines) {
		sold[l.SKU] += l.Quantity
	}
	for _, short := range o.Shortfall {
		sold[short.SKU] = min(sold[short.SKU], short.Available)
	}
	for _, sku := range slices.Sorted(maps.Keys(sold)) { // in one sequence, so that two orders do not deadlock each other
		if sold[sku] == 0 {
			continue
		}
		if err := f.reserver.(restocker[Tx]).Adjust(ctx, tx, sku, sold[sku]); err != nil {
			return fmt.Errorf("restocking order %s: %w", o.ID, err)
		}
	}
	return nil
}
