package store_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/store"
)

// Invoices that are summed up change neither what was paid nor who has access, whatever became of the years before: periods that were
// paid for, or not, or by credit, and some of whose payments were given back.
func TestSumUpInvoices(t *testing.T) {
	t.Parallel()
	seen := map[store.AccessReason]int{}
	for seed := range uint64(2000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		o := longMember(rnd)
		want := o.Clone()
		o.SumUpInvoices()
		require.Equal(t, want.Invoices[len(want.Invoices)-store.InvoicesKept:], o.Invoices[len(o.Invoices)-store.InvoicesKept:])
		for _, grace := range []time.Duration{0, 40 * 24 * time.Hour} {
			access := want.Access(at, grace)
			require.Equal(t, access, o.Access(at, grace), "seed %d", seed)
			seen[access.Reason]++
		}
		amount, invoices := want.TotalPaid()
		gotAmount, got := o.TotalPaid()
		require.Equal(t, []int64{amount, int64(invoices)}, []int64{gotAmount, int64(got)})
		for _, i := range want.Invoices {
			require.True(t, o.Invoice(i.ID) != nil || !i.CreatedAt.After(o.OlderInvoices.Through), "an invoice that comes again is not new")
		}
		again := o.Clone()
		again.SumUpInvoices()
		require.Equal(t, o, again)
	}
	for _, reason := range []store.AccessReason{store.AccessActive, store.AccessPastDue, store.AccessRefunded, store.AccessDisputed} {
		require.Greater(t, seen[reason], 50, reason)
	}
}

// longMember is a member for forty periods of a day each, of which none may be paid for since long ago.
func longMember(rnd *rand.Rand) *store.Order {
	const periods = 40
	o := member()
	s := &o.Subscriptions[0]
	s.PeriodStart, s.PeriodEnd = at.Add(-time.Hour), at.Add(23*time.Hour)
	s.Status = []store.SubscriptionStatus{store.SubscriptionActive, store.SubscriptionPastDue}[rnd.IntN(2)]
	begin := s.PeriodEnd.AddDate(0, 0, -periods)
	paidFor := 1 + rnd.IntN(periods)
	o.Invoices = nil
	for n := range periods {
		i := store.Invoice{
			ID: fmt.Sprintf("in_%d", n), Attempt: 1, Subscription: s.ID, Reason: "subscription_cycle", Due: 900, State: store.InvoicePaid, Paid: 900,
			CreatedAt: begin.AddDate(0, 0, n), PeriodStart: begin.AddDate(0, 0, n), PeriodEnd: begin.AddDate(0, 0, n+1),
		}
		switch {
		case n == 0:
			i.Reason = "subscription_create"
		case n >= paidFor:
			i.Paid, i.State = 0, []store.InvoiceState{store.InvoiceUncollectible, store.InvoiceVoid, store.InvoiceOpen, store.InvoiceDraft}[rnd.IntN(4)]
		case rnd.IntN(8) == 0: // a change of the plan is charged at once
			i.Reason, i.PeriodEnd = "subscription_update", i.PeriodStart
		case rnd.IntN(8) == 0:
			i.Due, i.Paid = 0, 0
		}
		o.Invoices = append(o.Invoices, i)
		of := i.ID
		if i.First() {
			of = ""
		}
		if i.Paid == 0 {
			continue
		}
		switch rnd.IntN(4) {
		case 0:
			o.Refunds = append(o.Refunds, store.Refund{ID: "re_" + i.ID, Attempt: 1, Invoice: of, Amount: 900, State: store.RefundSucceeded})
		case 1:
			o.Disputes = append(o.Disputes, store.Dispute{ID: "dp_" + i.ID, Attempt: 1, Invoice: of, Amount: 900, State: store.DisputeOpen})
		}
	}
	return o
}

// A year with a change of the plan every day stays small.
func TestSumUpInvoicesOfManyChanges(t *testing.T) {
	t.Parallel()
	o := member()
	for n := range 365 {
		i := o.Invoices[1]
		i.ID, i.Reason, i.CreatedAt = fmt.Sprintf("in_change_%d", n), "subscription_update", i.CreatedAt.Add(time.Duration(n)*time.Hour)
		o.Invoices = append(o.Invoices, i)
		o.SumUpInvoices()
	}
	require.Len(t, o.Invoices, 100)
	require.Equal(t, "in_change_364", o.Invoices[99].ID)
	amount, invoices := o.TotalPaid()
	require.EqualValues(t, 900*367, amount)
	require.Equal(t, 367, invoices)
}
