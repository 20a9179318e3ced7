package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/store"
)

// Refunds count from the moment they are asked for until they fail. They count only in the order's currency and for the payment
// that counts.
func TestRefunded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		refund store.Refund
		want   int64
	}{
		"pending":          {store.Refund{Attempt: 1, Amount: 10, State: store.RefundPending}, 10},
		"requires action":  {store.Refund{Attempt: 1, Amount: 10, State: store.RefundRequiresAction}, 10},
		"succeeded":        {store.Refund{Attempt: 1, Amount: 10, State: store.RefundSucceeded}, 10},
		"failed":           {store.Refund{Attempt: 1, Amount: 10, State: store.RefundFailed}, 0},
		"canceled":         {store.Refund{Attempt: 1, Amount: 10, State: store.RefundCanceled}, 0},
		"unknown":          {store.Refund{Attempt: 1, Amount: 10, State: "new"}, 0},
		"another attempt":  {store.Refund{Attempt: 2, Amount: 10, State: store.RefundSucceeded}, 0},
		"no attempt told":  {store.Refund{Amount: 10, State: store.RefundSucceeded}, 10},
		"of a renewal":     {store.Refund{Attempt: 1, Invoice: "in_2", Amount: 10, State: store.RefundSucceeded}, 0},
		"same currency":    {store.Refund{Attempt: 1, Amount: 10, Currency: "usd", State: store.RefundSucceeded}, 10},
		"another currency": {store.Refund{Attempt: 1, Amount: 10, Currency: "eur", State: store.RefundSucceeded}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &store.Order{Currency: "usd", Attempts: []store.Attempt{{N: 1, Paid: true, Amount: 10}, {N: 2, Paid: true, Duplicate: true, Amount: 10}}}
			o.Refunds = []store.Refund{tt.refund}
			require.Equal(t, tt.want, o.Refunded())
			require.Equal(t, tt.want == 10, o.GivenBack(o.Attempt(1)))
			require.Equal(t, tt.want == 10, o.Status() == store.Refunded)
		})
	}
}

// Refunds are measured by the captured amount, not by the total of the session.
func TestRefundedOfWhatWasCaptured(t *testing.T) {
	t.Parallel()
	o := &store.Order{Amounts: store.Amounts{Total: 100}, Attempts: []store.Attempt{{N: 1, Paid: true, Amount: 60}}}
	o.Refunds = []store.Refund{{ID: "re_1", Attempt: 1, Amount: 60, State: store.RefundSucceeded}}
	require.Equal(t, store.Refunded, o.Status())
	require.False(t, o.Fulfillable())
	o.Refunds[0].Amount = 59
	require.Equal(t, store.PartiallyRefunded, o.Status())
	require.True(t, o.Fulfillable())
}

// What was lost in another currency than the payment's counts as the whole payment. A refund counts in the currency of its payment.
func TestLedgersInSeveralCurrencies(t *testing.T) {
	t.Parallel()
	o := &store.Order{Currency: "usd", Attempts: []store.Attempt{
		{N: 1, Paid: true, Amount: 5000, Currency: "usd"}, {N: 2, Paid: true, Duplicate: true, Amount: 20, Currency: "eur"},
	}}
	o.Disputes = []store.Dispute{{Attempt: 1, Amount: 10, Currency: "usd", State: store.DisputeLost}}
	require.False(t, o.GivenBack(o.Attempt(1)))
	o.Disputes[0].Currency = "jpy"
	require.True(t, o.GivenBack(o.Attempt(1)))
	require.Zero(t, o.Refundable())

	o.Refunds = []store.Refund{{Attempt: 2, Amount: 20, Currency: "usd", State: store.RefundSucceeded}}
	require.False(t, o.GivenBack(o.Attempt(2)))
	o.Refunds[0].Currency = "eur"
	require.True(t, o.GivenBack(o.Attempt(2)))
}

// While a dispute is open Stripe refuses refunds, but not while it is an inquiry.
func TestRefundableOfADisputedPayment(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		dispute store.Dispute
		want    int64
	}{
		"inquiry":        {store.Dispute{Attempt: 1, Amount: 10, State: store.DisputeOpen, Inquiry: true}, 10},
		"open":           {store.Dispute{Attempt: 1, Amount: 10, State: store.DisputeOpen}, 0},
		"of another":     {store.Dispute{Attempt: 2, Amount: 10, State: store.DisputeOpen}, 10},
		"lost of a part": {store.Dispute{Attempt: 1, Amount: 4, State: store.DisputeLost}, 6},
		"won":            {store.Dispute{Attempt: 1, Amount: 10, State: store.DisputeWon}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &store.Order{Attempts: []store.Attempt{{N: 1, Paid: true, Amount: 10}, {N: 2, Paid: true, Duplicate: true, Amount: 10}}}
			o.Disputes = []store.Dispute{tt.dispute}
			require.Equal(t, tt.want, o.Refundable())
			require.Equal(t, tt.dispute.State == store.DisputeOpen && tt.dispute.Attempt == 1, o.GivenBack(o.Attempt(1)))

			tt.dispute.Invoice, tt.dispute.Attempt = "in_2", 1
			o = &store.Order{Invoices: []store.Invoice{{ID: "in_2", State: store.InvoicePaid, Paid: 10}}, Disputes: []store.Dispute{tt.dispute}}
			if name != "of another" {
				require.Equal(t, tt.want, o.InvoiceRefundable("in_2"))
			}
		})
	}
}

// A second session that came to nothing, as with a promotion code for the whole amount, has no payment that could be given back.
func TestSecondSessionThatIsFree(t *testing.T) {
	t.Parallel()
	o := &store.Order{Amounts: store.Amounts{Total: 100}, FulfilledAt: time.Unix(1, 0), Attempts: []store.Attempt{
		{N: 1, Paid: true, Amount: 100, PaymentIntent: "pi_1"}, {N: 2, Paid: true, Duplicate: true},
	}}
	require.EqualValues(t, 100, o.Refundable())
	require.Zero(t, o.AttemptRefundable(2))
	require.Empty(t, o.StuckReason())
	o.Attempts[1].Subscription = "sub_1"
	require.NotEmpty(t, o.StuckReason(), "a subscription is charged later")
	o.Attempts[1].Subscription, o.Attempts[1].PaymentIntent = "", "pi_2"
	require.EqualValues(t, 100, o.AttemptRefundable(2), "an old event does not say the amount")
}

// What is asked about an invoice is answered for the first one, too, whose refunds and disputes are those of its attempt.
func TestFirstInvoiceIsAnInvoice(t *testing.T) {
	t.Parallel()
	o := member()
	require.Equal(t, []int64{0, 900, 0, 900}, []int64{
		o.InvoiceRefunded("in_1"), o.InvoiceRefundable("in_1"), o.InvoiceRefunded("in_2"), o.InvoiceRefundable("in_2"),
	})
	o.Refunds = []store.Refund{{ID: "re_1", Attempt: 1, Amount: 300, State: store.RefundSucceeded}}
	require.Equal(t, []int64{300, 600, 0, 900}, []int64{
		o.InvoiceRefunded("in_1"), o.InvoiceRefundable("in_1"), o.InvoiceRefunded("in_2"), o.InvoiceRefundable("in_2"),
	})
	o.Disputes = []store.Dispute{{ID: "dp_1", Attempt: 1, Amount: 600, State: store.DisputeOpen}}
	require.True(t, o.InvoiceDisputed("in_1"))
	require.False(t, o.InvoiceDisputed("in_2"))
	require.Zero(t, o.InvoiceRefundable("in_1"))
	o.Disputes[0].State = store.DisputeWon
	require.False(t, o.InvoiceDisputed("in_1"))
	require.False(t, o.InvoiceDisputed("in_3"))
	require.Zero(t, o.InvoiceRefunded("in_3"))

	o.Disputes = []store.Dispute{{ID: "dp_2", Attempt: 1, Invoice: "in_2", Amount: 100, Currency: "usd", State: store.DisputeLost}}
	require.Zero(t, o.InvoiceRefundable("in_2"), "dollars can't be taken off euros")
	o.Disputes[0].Currency = "eur"
	require.EqualValues(t, 800, o.InvoiceRefundable("in_2"))
}
