package checkout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// invoiceEvents are the events of invoices after which the ledger is brought up to date. invoice.updated tells of a new time of
// the next try (https://docs.stripe.com/billing/revenue-recovery/smart-retries).
var invoiceEvents = [...]string{
	string(webhook.InvoiceFinalized), string(webhook.InvoicePaid), string(webhook.InvoicePaymentFailed),
	string(webhook.InvoicePaymentActionRequired), string(webhook.InvoiceUpdated), string(webhook.InvoiceVoided),
	string(webhook.InvoiceMarkedUncollectible),
}

// invoiceFacts is what the library reads of an invoice. Since API version 2025-03-31 an invoice names its subscription in
// parent, and its payments on request alone (https://docs.stripe.com/changelog/basil/2025-03-31/adds-new-parent-field-to-invoicing-objects).
// Events of older versions have the fields of the second part. The payments are those of an answer, which is of the version that
// stripe-go asks for.
type invoiceFacts struct {
	ID           string `json:"id"`
	Status       string `json:"status"`
	Reason       string `json:"billing_reason"`
	Currency     string `json:"currency"`
	Total        int64  `json:"total"`
	AmountDue    int64  `json:"amount_due"`
	AmountPaid   int64  `json:"amount_paid"`
	AttemptCount int    `json:"attempt_count"`
	NextAttempt  int64  `json:"next_payment_attempt"`
	Created      int64  `json:"created"`
	DueDate      int64  `json:"due_date"`
	Lines        struct {
		Data []lineFacts `json:"data"`
	} `json:"lines"`
	Parent struct {
		Subscription subscriptionDetails `json:"subscription_details"`
	} `json:"parent"`

	OldSubscription objectID            `json:"subscription"`
	OldDetails      subscriptionDetails `json:"subscription_details"`

	payments  []payment // those that are paid first; nil in an event
	moreLines bool      // the answer has the first lines alone
}

type lineFacts struct {
	Amount int64       `json:"amount"`
	Period periodFacts `json:"period"`
}

// subscriptionDetails names the subscription of an invoice, with a copy of the subscription's metadata.
type subscriptionDetails struct {
	Subscription objectID          `json:"subscription"`
	Metadata     map[string]string `json:"metadata"`
}

type periodFacts struct {
	Start int64 `json:"start"`
	End   int64 `json:"end"`
}

// subscription names the subscription of an invoice, and has the subscription's metadata as far as the invoice has it.
func (i *invoiceFacts) subscription() (id string, metadata map[string]string) {
	d := i.Parent.Subscription
	if d.Subscription == "" {
		d.Subscription = i.OldSubscription
	}
	if d.Metadata == nil {
		d.Metadata = i.OldDetails.Metadata
	}
	return string(d.Subscription), d.Metadata
}

func factsOfInvoice(i *stripe.Invoice) invoiceFacts {
	facts := invoiceFacts{
		ID: i.ID, Status: string(i.Status), Reason: string(i.BillingReason), Currency: string(i.Currency),
		Total: i.Total, AmountDue: i.AmountDue, AmountPaid: i.AmountPaid, AttemptCount: int(i.AttemptCount),
		NextAttempt: i.NextPaymentAttempt, Created: i.Created, DueDate: i.DueDate,
	}
	if i.Lines != nil {
		for _, l := range i.Lines.Data {
			facts.Lines.Data = append(facts.Lines.Data, factsOfLine(l))
		}
		facts.moreLines = i.Lines.HasMore
	}
	if i.Parent != nil && i.Parent.SubscriptionDetails != nil && i.Parent.SubscriptionDetails.Subscription != nil {
		facts.Parent.Subscription = subscriptionDetails{
			objectID(i.Parent.SubscriptionDetails.Subscription.ID), i.Parent.SubscriptionDetails.Metadata,
		}
	}
	if i.Payments != nil {
		facts.payments = paymentsOf(i.Payments.Data)
	}
	return facts
}

func factsOfLine(l *stripe.InvoiceLineItem) lineFacts {
	line := lineFacts{Amount: l.Amount}
	if l.Period != nil {
		line.Period = periodFacts{l.Period.Start, l.Period.End}
	}
	return line
}

// paymentsOf are the payments of an invoice, those that are paid first.
func paymentsOf(all []*stripe.InvoicePayment) []payment {
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b *stripe.InvoicePayment) int {
		return strings.Compare(fmt.Sprint(a.Status != "paid"), fmt.Sprint(b.Status != "paid"))
	})
	var payments []payment
	for _, p := range sorted {
		var paid payment
		if p.Payment != nil && p.Payment.PaymentIntent != nil {
			paid.intent = p.Payment.PaymentIntent.ID
		}
		if p.Payment != nil && p.Payment.Charge != nil {
			paid.charge = p.Payment.Charge.ID
		}
		if paid != (payment{}) {
			payments = append(payments, paid)
		}
	}
	return payments
}

// entry is the ledger's entry for an invoice. The time that the invoice pays for is that of the line which ends last, as others
// may settle what was before. A credit pays for nothing: after a change from years to months that of the year ends last. An invoice's
// own period is the one before (https://docs.stripe.com/api/invoices/object).
func (i *invoiceFacts) entry(attempt int, subscription string) store.Invoice {
	entry := store.Invoice{
		ID: i.ID, Attempt: attempt, Subscription: subscription, Reason: i.Reason, State: store.InvoiceState(i.Status),
		Currency: i.Currency, Total: i.Total, Due: i.AmountDue, Paid: i.AmountPaid, CreatedAt: unixTime(i.Created), DueDate: unixTime(i.DueDate),
		Tries: i.AttemptCount, NextTry: unixTime(i.NextAttempt),
	}
	charges := slices.ContainsFunc(i.Lines.Data, func(l lineFacts) bool { return l.Amount >= 0 })
	for _, l := range i.Lines.Data {
		if charges && l.Amount < 0 {
			continue
		}
		if end := unixTime(l.Period.End); end.After(entry.PeriodEnd) {
			entry.PeriodStart, entry.PeriodEnd = unixTime(l.Period.Start), end
		}
	}
	for _, p := range i.payments {
		entry.PaymentIntents = addID(entry.PaymentIntents, p.intent)
		entry.Charges = addID(entry.Charges, p.charge)
	}
	return entry
}

func addID(ids []string, id string) []string {
	if id == "" || slices.Contains(ids, id) {
		return ids
	}
	return append(ids, id)
}

// unixTime is a time of Stripe's; 0 is the zero time.
func unixTime(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// tellsNothingNew reports whether an event about an invoice says what the ledger says.
func (i *invoiceFacts) tellsNothingNew(known *store.Invoice) bool {
	return known != nil && known.State == store.InvoiceState(i.Status) && known.Paid == i.AmountPaid && known.Due == i.AmountDue &&
		known.Tries == i.AttemptCount && known.NextTry.Equal(unixTime(i.NextAttempt)) &&
		known.DueDate.Equal(unixTime(i.DueDate))
}

// observeInvoice brings the ledger in line with Stripe after an event named an invoice, and returns the ID of its order; empty:
// the invoice is not of this shop. The events of the first invoice often come before that of the session. Then the order is
// found by the metadata of the subscription.
func (f *Flow[Tx]) observeInvoice(ctx context.Context, account string, i invoiceFacts, cause string) (id string, err error) {
	subscription, metadata := i.subscription()
	if subscription == "" {
		return "", nil // an invoice of another kind
	}
	o, err := f.orderOfSubscription(ctx, account, subscription, metadata, cause)
	if o == nil || err != nil {
		return "", err
	}
	if !latestInvoice(o, subscription, i.ID) {
		return o.ID, f.settleSubscription(ctx, o.ID, subscription, cause, false) // with all invoices
	}
	if i.tellsNothingNew(o.Invoice(i.ID)) {
		return o.ID, nil
	}
	return o.ID, f.settleInvoice(ctx, o.ID, subscription, i.ID, cause, false)
}

// latestInvoice reports whether an answer about one invoice brings the ledger of a subscription up to date: the invoice is known, and
// no other waits for its payment. Otherwise a renewal could be told before an older one whose event was lost.
func latestInvoice(o *store.Order, subscription, id string) bool {
	return o.Invoice(id) != nil && !slices.ContainsFunc(o.Invoices, func(i store.Invoice) bool {
		return i.Subscription == subscription && i.ID != id && (i.State == store.InvoiceDraft || i.State == store.InvoiceOpen)
	})
}

// askInvoice does for a thin event what observeInvoice does for a snapshot. Of a recorded invoice Stripe is asked once.
func (f *Flow[Tx]) askInvoice(ctx context.Context, t thinEvent) (id string, err error) {
	return f.askFor(ctx, t.object, func() (string, error) {
		o, err := f.store.FindRef(ctx, t.object)
		switch {
		case err == nil && o.Account == t.account && o.Invoice(t.object) != nil && latestInvoice(o, o.Invoice(t.object).Subscription, t.object):
			return o.ID, f.settleInvoice(ctx, o.ID, o.Invoice(t.object).Subscription, t.object, t.id, true)
		case err != nil && !errors.Is(err, ErrNotFound):
			return "", err
		}
		i, err := f.stripe.invoice(ctx, t.account, t.object)
		if err != nil {
			return "", err
		}
		return f.observeInvoice(ctx, t.account, i, t.id)
	})
}

// settleInvoice records Stripe's newest answers about an invoice and its subscription. They are recorded together, so that whoever is
// told of the invoice sees in the order what follows for access. With onlyNews, an answer that says of the invoice what the ledger says
// is not recorded, and Stripe is not asked for the subscription.
func (f *Flow[Tx]) settleInvoice(ctx context.Context, id, subscription, invoice, cause string, onlyNews bool) error {
	return f.recordSubscription(ctx, id, subscription, cause, func(before *store.Order) (*subscriptionAnswers, error) {
		i, err := f.stripe.invoice(ctx, before.Account, invoice)
		if err != nil || onlyNews && i.tellsNothingNew(before.Invoice(invoice)) {
			return nil, err
		}
		asked := f.now()
		s, err := f.subscriptionOf(ctx, before, subscription)
		return &subscriptionAnswers{s, asked, []invoiceFacts{i}}, err
	})
}

// completeInvoice asks for what an answer about an invoice lacks. status is that of the subscription.
func (f *Flow[Tx]) completeInvoice(ctx context.Context, o *store.Order, i *invoiceFacts, status store.SubscriptionStatus) error {
	if err := f.readLines(ctx, o, i); err != nil {
		return err
	}
	return f.leaveOutTry(ctx, o, i, status)
}

// readLines has an answer about an invoice include all lines. Prorations come before the line of the period, and the answer has
// ten lines (https://docs.stripe.com/api/invoices/object#invoice_object-lines). What a finalized invoice pays for stays.
func (f *Flow[Tx]) readLines(ctx context.Context, o *store.Order, i *invoiceFacts) (err error) {
	known := o.Invoice(i.ID)
	if !i.moreLines || known != nil && known.State != store.InvoiceDraft || known == nil && summedUp(o, unixTime(i.Created)) {
		return nil
	}
	i.Lines.Data, err = f.stripe.linesOf(ctx, o.Account, i.ID)
	i.moreLines = err != nil
	return err
}

// leaveOutTry has an answer about an invoice not count a try that is on its way. While a debit follows a card that failed, the
// subscription stays past due, and only the payment says that the debit has not failed
// (https://docs.stripe.com/billing/subscriptions/overview#delayed-payment-confirmation).
func (f *Flow[Tx]) leaveOutTry(ctx context.Context, o *store.Order, i *invoiceFacts, status store.SubscriptionStatus) error {
	told := 0
	if known := o.Invoice(i.ID); known != nil {
		told = known.FailureTold
	}
	if i.Status != string(store.InvoiceOpen) || i.NextAttempt != 0 || i.AttemptCount <= told || i.Reason == "subscription_create" || goesOn(status) {
		return nil
	}
	payment, err := f.stripe.paymentStatus(ctx, o.Account, i.ID)
	if err == nil && payment == string(stripe.PaymentIntentStatusProcessing) {
		i.AttemptCount = max(told, i.AttemptCount-1)
	}
	return err
}

// summedUp reports whether an invoice that was made at that time, and is not in the ledger, was summed up.
func summedUp(o *store.Order, created time.Time) bool { return !created.After(o.OlderInvoices.Through) }

// setInvoice makes the ledger's entry what Stripe answered. It reports whether the ledger changed. The payment of the first
// invoice is that of the attempt, so that refunds and disputes find it there.
func (f *Flow[Tx]) setInvoice(o *store.Order, a *store.Attempt, i invoiceFacts) (changed bool) {
	entry := i.entry(a.N, a.Subscription)
	known := o.Invoice(i.ID)
	switch {
	case known == nil && summedUp(o, entry.CreatedAt):
		return false
	case known == nil:
		o.Invoices = append(o.Invoices, entry)
		slices.SortStableFunc(o.Invoices, func(a, b store.Invoice) int { return a.CreatedAt.Compare(b.CreatedAt) })
	default:
		for _, intent := range known.PaymentIntents {
			entry.PaymentIntents = addID(entry.PaymentIntents, intent)
		}
		for _, charge := range known.Charges {
			entry.Charges = addID(entry.Charges, charge)
		}
		if i.moreLines {
			entry.PeriodStart, entry.PeriodEnd = known.PeriodStart, known.PeriodEnd
		}
		entry.RenewalTold, entry.FailureTold = known.RenewalTold, known.FailureTold
		if reflect.DeepEqual(entry, *known) {
			return false
		}
		*known = entry
	}
	firstPaid := entry.First() && entry.State == store.InvoicePaid
	if firstPaid && entry.Currency == cmp.Or(a.Currency, o.Currency) {
		a.Amount = entry.Paid // less than the total of the session if the customer's credit paid a part
	}
	if firstPaid && a.PaymentIntent == "" && len(i.payments) > 0 {
		a.PaymentIntent, a.Charge = i.payments[0].intent, i.payments[0].charge
		if !a.Paid {
			a.CheckedAt = time.Time{} // what Stripe said of the session is older than its payment
		}
		if !isStray(a) {
			wantRefund(o, a, f.refund)
		}
	}
	return true
}

// paidWith returns what was paid with p: the number of the attempt, and the invoice if that is not the first of a
// subscription. The number is 0 if the payment can't be told.
func paidWith(o *store.Order, p payment) (attempt int, invoice string) {
	for _, a := range o.Attempts {
		if p.intent != "" && a.PaymentIntent == p.intent || p.charge != "" && a.Charge == p.charge {
			return a.N, ""
		}
	}
	for _, i := range o.Invoices {
		if p.intent != "" && slices.Contains(i.PaymentIntents, p.intent) || p.charge != "" && slices.Contains(i.Charges, p.charge) {
			if i.First() {
				return i.Attempt, ""
			}
			return i.Attempt, i.ID
		}
	}
	if o.OlderInvoices.Count > 0 {
		return 0, store.OlderInvoice
	}
	return 0, ""
}

// orderOfInvoicePayment returns the order of a subscription whose invoice was paid with a payment intent, or nil. Refunds and
// disputes name no invoice since API version 2025-03-31, so that Stripe is asked for it
// (https://docs.stripe.com/api/invoice-payment/list).
func (f *Flow[Tx]) orderOfInvoicePayment(ctx context.Context, account, intent string) (*store.Order, error) {
	invoice, err := f.stripe.invoiceOfPayment(ctx, account, intent)
	if err != nil || invoice == "" {
		return nil, err
	}
	answer, err := f.stripe.invoice(ctx, account, invoice)
	if err != nil {
		return nil, err
	}
	subscription, metadata := answer.subscription()
	if subscription == "" {
		return nil, nil
	}
	o, err := f.orderOfSubscription(ctx, account, subscription, metadata, "refund or dispute")
	if o == nil || err != nil {
		return nil, err
	}
	if !latestInvoice(o, subscription, answer.ID) {
		err = f.settleSubscription(ctx, o.ID, subscription, "refund or dispute", false)
	} else {
		err = f.settleInvoice(ctx, o.ID, subscription, answer.ID, "refund or dispute", false)
	}
	return o, err
}
