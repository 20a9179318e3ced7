package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/store"
)

// member is an order whose monthly subscription is active in its second month, at the time at.
func member() *store.Order {
	start, renewed, end := at.AddDate(0, -1, -10), at.AddDate(0, 0, -10), at.AddDate(0, 1, -10)
	return &store.Order{
		ID: "club", Mode: "subscription", Currency: "eur", Amounts: store.Amounts{Total: 900},
		Attempts: []store.Attempt{{
			N: 1, SessionID: "cs_1", Subscription: "sub_1", PaymentIntent: "pi_1", Completed: true, Paid: true, Amount: 900,
		}},
		Subscriptions: []store.Subscription{{ID: "sub_1", Attempt: 1, Status: store.SubscriptionActive, PeriodStart: renewed, PeriodEnd: end}},
		Invoices: []store.Invoice{
			{ID: "in_1", Attempt: 1, Subscription: "sub_1", Reason: "subscription_create", State: store.InvoicePaid, Due: 900, Paid: 900, CreatedAt: start, PeriodStart: start, PeriodEnd: renewed},
			{ID: "in_2", Attempt: 1, Subscription: "sub_1", Reason: "subscription_cycle", State: store.InvoicePaid, Due: 900, Paid: 900, CreatedAt: renewed, PeriodStart: renewed, PeriodEnd: end},
		},
	}
}

// The table of Order.Access, row by row.
func TestAccess(t *testing.T) {
	t.Parallel()
	const grace = 7 * 24 * time.Hour
	day := func(n int) time.Time { return at.AddDate(0, 0, n) }
	end := member().Subscriptions[0].PeriodEnd
	sub := func(change func(s *store.Subscription)) func(o *store.Order) {
		return func(o *store.Order) { change(&o.Subscriptions[0]) }
	}
	single := func(change func(o *store.Order)) func(o *store.Order) {
		return func(o *store.Order) {
			o.Mode, o.Attempts[0].Subscription, o.Subscriptions, o.Invoices = "payment", "", nil, nil
			change(o)
		}
	}
	// unpaid is past due since the renewal was made so many days ago.
	unpaid := func(days int) func(o *store.Order) {
		return func(o *store.Order) {
			o.Subscriptions[0].Status = store.SubscriptionPastDue
			o.Invoices[1].State, o.Invoices[1].Paid, o.Invoices[1].CreatedAt = store.InvoiceOpen, 0, day(-days)
		}
	}
	back := func(invoice string, amount int64) []store.Refund {
		return []store.Refund{{ID: "re_1", Attempt: 1, Invoice: invoice, Amount: amount, State: store.RefundPending}}
	}
	yes, no := true, false
	for _, row := range []struct {
		facts  string
		change func(o *store.Order)
		access bool
		reason store.AccessReason
		until  time.Time
	}{
		{"not paid", func(o *store.Order) { o.Attempts[0].Paid = false }, no, store.AccessNotPaid, time.Time{}},
		{"setup", func(o *store.Order) { o.Mode = "setup" }, no, store.AccessNotPaid, time.Time{}},
		{"parked", func(o *store.Order) { o.Parked = "why" }, no, store.AccessHeld, time.Time{}},
		{"given up", func(o *store.Order) { o.GivenUpAt = at }, no, store.AccessHeld, time.Time{}},
		{"in review", func(o *store.Order) { o.Attempts[0].Review = "prv_1" }, no, store.AccessHeld, time.Time{}},
		{"paid for something else", func(o *store.Order) { o.Attempts[0].Mismatch = "why" }, no, store.AccessHeld, time.Time{}},

		{"single payment", single(func(*store.Order) {}), yes, store.AccessPaid, time.Time{}},
		{"single payment, a part refunded", single(func(o *store.Order) { o.Refunds = back("", 899) }), yes, store.AccessPaid, time.Time{}},
		{"single payment, refunded", single(func(o *store.Order) { o.Refunds = back("", 900) }), no, store.AccessRefunded, time.Time{}},
		{"single payment, disputed", single(func(o *store.Order) { o.Disputes = dispute(store.DisputeOpen) }), no, store.AccessDisputed, time.Time{}},
		{"single payment, dispute lost", single(func(o *store.Order) { o.Disputes = dispute(store.DisputeLost) }), no, store.AccessDisputed, time.Time{}},
		{"single payment, a part lost in a dispute and accepted", single(func(o *store.Order) {
			o.Disputes, o.Attempts[0].AcceptedAt = dispute(store.DisputeLost), at
		}), yes, store.AccessPaid, time.Time{}},
		{"single payment, lost in a dispute and accepted", single(func(o *store.Order) {
			o.Disputes, o.Attempts[0].AcceptedAt, o.Attempts[0].Amount = dispute(store.DisputeLost), at, 100
		}), no, store.AccessDisputed, time.Time{}},
		{"single payment, dispute won", single(func(o *store.Order) { o.Disputes = dispute(store.DisputeWon) }), yes, store.AccessPaid, time.Time{}},

		{"not asked for", func(o *store.Order) { o.Subscriptions, o.Invoices = nil, nil }, yes, store.AccessActive, time.Time{}},
		{"canceled", sub(func(s *store.Subscription) { s.Status, s.EndedAt = store.SubscriptionCanceled, day(-1) }), no, store.AccessEnded, day(-1)},
		{"ended in its trial", sub(func(s *store.Subscription) {
			s.Status, s.TrialEnd, s.EndedAt = store.SubscriptionCanceled, day(5), day(-1)
		}), no, store.AccessEnded, day(-1)},
		{"should have ended", sub(func(s *store.Subscription) { s.CancelAt = day(0) }), no, store.AccessEnded, day(0)},
		{"never began", sub(func(s *store.Subscription) { s.Status = store.SubscriptionIncompleteExpired }), no, store.AccessEnded, time.Time{}},
		{"incomplete", sub(func(s *store.Subscription) { s.Status = store.SubscriptionIncomplete }), no, store.AccessUnpaid, time.Time{}},
		{"unpaid", sub(func(s *store.Subscription) { s.Status = store.SubscriptionUnpaid }), no, store.AccessUnpaid, time.Time{}},
		{"paused", sub(func(s *store.Subscription) { s.Status, s.PeriodEnd = store.SubscriptionPaused, day(-9) }), no, store.AccessPaused, time.Time{}},

		{"the renewal was refunded", func(o *store.Order) { o.Refunds = back("in_2", 900) }, no, store.AccessRefunded, time.Time{}},
		{"a part of the renewal was refunded", func(o *store.Order) { o.Refunds = back("in_2", 899) }, yes, store.AccessActive, end},
		{"the first payment was refunded after a renewal", func(o *store.Order) { o.Refunds = back("", 900) }, yes, store.AccessActive, end},
		{"the first payment was refunded, and credit paid for the renewal", func(o *store.Order) {
			o.Invoices[1].Due, o.Invoices[1].Paid, o.Refunds = 0, 0, back("", 900)
		}, yes, store.AccessActive, end},
		{"the first payment was refunded, and the renewal is void", func(o *store.Order) {
			o.Invoices[1].State, o.Invoices[1].Paid, o.Refunds = store.InvoiceVoid, 0, back("", 900)
		}, no, store.AccessRefunded, time.Time{}},
		{"the renewal was refunded, and its period has an invoice for nothing", func(o *store.Order) {
			o.Invoices = append(o.Invoices, store.Invoice{ID: "in_3", Subscription: "sub_1", Reason: "subscription_update", State: store.InvoicePaid, PeriodEnd: end})
			o.Refunds = back("in_2", 900)
		}, no, store.AccessRefunded, time.Time{}},
		{"the first payment was refunded", func(o *store.Order) {
			o.Invoices, o.Refunds = o.Invoices[:1], back("", 900)
		}, no, store.AccessRefunded, time.Time{}},
		{"the renewal is disputed", func(o *store.Order) {
			o.Disputes = []store.Dispute{{ID: "dp_1", Attempt: 1, Invoice: "in_2", Amount: 900, State: store.DisputeOpen}}
		}, no, store.AccessDisputed, time.Time{}},
		{"the dispute of the renewal was won", func(o *store.Order) {
			o.Disputes = []store.Dispute{{ID: "dp_1", Attempt: 1, Invoice: "in_2", Amount: 900, State: store.DisputeWon}}
		}, yes, store.AccessActive, end},
		{"refunded, and renewed since", func(o *store.Order) {
			o.Invoices = append(o.Invoices, store.Invoice{ID: "in_3", Subscription: "sub_1", Reason: "subscription_cycle", Paid: 900, PeriodEnd: end.AddDate(0, 1, 0)})
			o.Refunds = back("in_2", 900)
		}, yes, store.AccessActive, end},

		{"past due within the grace", unpaid(6), yes, store.AccessPastDue, day(1)},
		{"past due after the grace", unpaid(7), no, store.AccessPastDue, day(0)},
		{"past due, an invoice that was sent", func(o *store.Order) {
			unpaid(20)(o)
			o.Invoices[1].DueDate = day(-6)
		}, yes, store.AccessPastDue, day(1)},
		{"past due, no invoice known", func(o *store.Order) {
			o.Invoices, o.Subscriptions[0].Status = nil, store.SubscriptionPastDue
		}, no, store.AccessPastDue, day(-3)},
		{"the period ended a moment ago", sub(func(s *store.Subscription) { s.PeriodEnd = day(-1) }), yes, store.AccessActive, day(-1)},
		{"the period ended, within the grace", sub(func(s *store.Subscription) { s.PeriodEnd = day(-6) }), yes, store.AccessPastDue, day(1)},
		{"the period ended, after the grace", sub(func(s *store.Subscription) { s.PeriodEnd = day(-7) }), no, store.AccessPastDue, day(0)},

		{"to end with the period", sub(func(s *store.Subscription) { s.CancelAt = end }), yes, store.AccessCanceling, end},
		{"trial that is to end", sub(func(s *store.Subscription) {
			s.Status, s.TrialEnd, s.CancelAt = store.SubscriptionTrialing, day(3), day(3)
		}), yes, store.AccessCanceling, day(3)},
		{"in trial", sub(func(s *store.Subscription) { s.Status, s.TrialEnd = store.SubscriptionTrialing, day(3) }), yes, store.AccessTrial, day(3)},
		{"active", func(*store.Order) {}, yes, store.AccessActive, end},
		{"collection is paused", sub(func(s *store.Subscription) { s.CollectionPaused = "void" }), yes, store.AccessActive, end},
		{"unknown", sub(func(s *store.Subscription) { s.Status = "frozen" }), no, store.AccessUnknown, time.Time{}},
	} {
		t.Run(row.facts, func(t *testing.T) {
			t.Parallel()
			o := member()
			row.change(o)
			require.Equal(t, store.Access{Granted: row.access, Reason: row.reason, Until: row.until}, o.Access(at, grace))
		})
	}
}
