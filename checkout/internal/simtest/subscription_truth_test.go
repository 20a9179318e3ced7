package simtest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
)

// subscriptionState is what Stripe says of a subscription at one time.
type subscriptionState struct {
	ID         string
	Status     string
	Customer   string
	TrialEnd   int64                     `json:"trial_end"`
	CancelAt   int64                     `json:"cancel_at"`
	CanceledAt int64                     `json:"canceled_at"`
	EndedAt    int64                     `json:"ended_at"`
	Details    struct{ Reason string }   `json:"cancellation_details"`
	Pause      struct{ Behavior string } `json:"pause_collection"`
	Items      struct{ Data []itemState }
}

type itemState struct {
	ID          string
	Quantity    int64
	PeriodStart int64 `json:"current_period_start"`
	PeriodEnd   int64 `json:"current_period_end"`
	Price       struct{ ID, Product string }
}

// invoiceTruth is what Stripe says of an invoice at one time.
type invoiceTruth struct {
	ID, Status, Currency string
	Reason               string `json:"billing_reason"`
	Total                int64
	AmountDue            int64 `json:"amount_due"`
	AmountPaid           int64 `json:"amount_paid"`
	Tries                int   `json:"attempt_count"`
	NextTry              int64 `json:"next_payment_attempt"`
	Created              int64
	DueDate              int64 `json:"due_date"`
	Transitions          struct {
		PaidAt int64 `json:"paid_at"`
	} `json:"status_transitions"`
	Lines struct {
		Data    []lineTruth
		HasMore bool `json:"has_more"`
	}
	Payments struct{ Data []invoicePaymentTruth }
	Parent   struct {
		Details struct{ Subscription string } `json:"subscription_details"`
	}
}

type lineTruth struct{ Period struct{ Start, End int64 } }

type invoicePaymentTruth struct {
	Invoice, Status string
	Payment         struct {
		PaymentIntent string `json:"payment_intent"`
	}
}

// period is the time that an invoice pays for: that of the line which ends last.
func (i invoiceTruth) period() (start, end time.Time) {
	for _, l := range i.Lines.Data {
		if at := unix(l.Period.End); at.After(end) {
			start, end = unix(l.Period.Start), at
		}
	}
	return start, end
}

// unix is a time of Stripe's; 0 is the zero time.
func unix(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// plan names the prices and quantities as the merchant is told of them.
func (s subscriptionState) plan() string {
	var items []string
	for _, i := range s.Items.Data {
		items = append(items, fmt.Sprintf("%d x %s", i.Quantity, i.Price.ID))
	}
	slices.Sort(items)
	return strings.Join(items, ", ")
}

func (s subscriptionState) over() bool {
	return s.Status == "canceled" || s.Status == "incomplete_expired"
}

// entry is what an order is to keep of the subscription.
func (s subscriptionState) entry(attempt int) store.Subscription {
	entry := store.Subscription{
		ID: s.ID, Attempt: attempt, Status: store.SubscriptionStatus(s.Status), Customer: s.Customer, TrialEnd: unix(s.TrialEnd), CancelAt: unix(s.CancelAt),
		CanceledAt: unix(s.CanceledAt), EndedAt: unix(s.EndedAt), EndReason: s.Details.Reason, CollectionPaused: s.Pause.Behavior,
		PeriodStart: unix(s.Items.Data[0].PeriodStart), PeriodEnd: unix(s.Items.Data[0].PeriodEnd),
	}
	for _, i := range s.Items.Data {
		entry.Items = append(entry.Items, store.SubscriptionItem{ID: i.ID, Price: i.Price.ID, Product: i.Price.Product, Quantity: i.Quantity})
	}
	return entry
}

// decode reads an object of Stripe's in an event of those types.
func decode[T any](e checkouttest.Event, prefix string) (object T, ok bool) {
	if !strings.HasPrefix(e.Type, prefix) {
		return object, false
	}
	if err := json.Unmarshal(e.Object, &object); err != nil {
		panic(err)
	}
	return object, true
}

func subscriptionIn(e checkouttest.Event) (subscriptionState, bool) {
	return decode[subscriptionState](e, "customer.subscription.")
}

func invoiceIn(e checkouttest.Event) (invoiceTruth, bool) { return decode[invoiceTruth](e, "invoice.") }

func invoicePaymentIn(e checkouttest.Event) (invoicePaymentTruth, bool) {
	return decode[invoicePaymentTruth](e, "invoice_payment.")
}

// subscriptionTruth is all that Stripe says of a subscription that a session of the shop began.
type subscriptionTruth struct {
	now      subscriptionState
	states   []subscriptionState // by the events, in their order
	invoices []invoiceTruth      // as they are now, the oldest first
	// tries are the failed tries to collect the payments: by invoice and number of the try, when Stripe said that it tries again.
	tries map[string]map[int][]int64
	// warned are the ends of trials of which Stripe warned before them, while the subscription was to go on.
	warned []int64
}

// intents are the payment intents of an invoice.
func (i invoiceTruth) intents() (intents []string) {
	for _, p := range i.Payments.Data {
		intents = append(intents, p.Payment.PaymentIntent)
	}
	return intents
}

// invoiceOf returns the invoice that a payment intent pays, or nil.
func (s *subscriptionTruth) invoiceOf(intent string) *invoiceTruth {
	for i := range s.invoices {
		if slices.Contains(s.invoices[i].intents(), intent) {
			return &s.invoices[i]
		}
	}
	return nil
}

// first is the invoice that began the subscription.
func (s *subscriptionTruth) first() *invoiceTruth {
	for i := range s.invoices {
		if s.invoices[i].Reason == "subscription_create" {
			return &s.invoices[i]
		}
	}
	return nil
}

// firstPaid reports whether the first invoice was paid, be it by another payment after a debit bounced.
func (s *subscriptionTruth) firstPaid() bool {
	return s != nil && s.first() != nil && s.first().Status == "paid" && s.first().AmountPaid > 0
}

// linesOf lists the lines of an invoice.
func (c *checker) linesOf(t *testing.T, account, invoice string) (lines []lineTruth) {
	params := &stripe.InvoiceListLinesParams{Invoice: &invoice}
	setAccount(params, account)
	for l, err := range c.w.srv.Client().V1Invoices.ListLines(context.Background(), params) {
		require.NoError(t, err)
		var line lineTruth
		line.Period.Start, line.Period.End = l.Period.Start, l.Period.End
		lines = append(lines, line)
	}
	return lines
}

// askSubscription fetches all of the subscription that a session of an account began.
func (c *checker) askSubscription(t *testing.T, account string, session *stripe.CheckoutSession) *subscriptionTruth {
	client, ctx := c.w.srv.Client(), context.Background()
	truth := &subscriptionTruth{tries: map[string]map[int][]int64{}}
	var invoices []string
	for _, e := range c.w.srv.Events() {
		if s, ok := subscriptionIn(e); ok && s.ID == session.Subscription.ID {
			truth.states = append(truth.states, s)
			if e.Type == "customer.subscription.trial_will_end" && s.CancelAt == 0 && e.Created.Unix() < s.TrialEnd {
				truth.warned = append(truth.warned, s.TrialEnd)
			}
		}
		i, ok := invoiceIn(e)
		if !ok || i.Parent.Details.Subscription != session.Subscription.ID {
			continue
		}
		if !slices.Contains(invoices, i.ID) {
			invoices = append(invoices, i.ID)
		}
		if e.Type == "invoice.payment_failed" || truth.tries[i.ID] != nil {
			if truth.tries[i.ID] == nil {
				truth.tries[i.ID] = map[int][]int64{}
			}
			truth.tries[i.ID][i.Tries] = append(truth.tries[i.ID][i.Tries], i.NextTry)
		}
	}
	params := &stripe.SubscriptionRetrieveParams{}
	setAccount(params, account)
	sub, err := client.V1Subscriptions.Retrieve(ctx, session.Subscription.ID, params)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(sub.LastResponse.RawJSON, &truth.now))
	for _, id := range invoices {
		params := &stripe.InvoiceRetrieveParams{Expand: stripe.StringSlice([]string{"payments"})}
		setAccount(params, account)
		answer, err := client.V1Invoices.Retrieve(ctx, id, params)
		require.NoError(t, err)
		var i invoiceTruth
		require.NoError(t, json.Unmarshal(answer.LastResponse.RawJSON, &i))
		if i.Lines.HasMore {
			i.Lines.Data = c.linesOf(t, account, id)
		}
		truth.invoices = append(truth.invoices, i)
	}
	return truth
}
