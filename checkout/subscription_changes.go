package checkout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// trialWarning is how long before its end a trial is said to end
// (https://docs.stripe.com/billing/subscriptions/webhooks).
const trialWarning = 3 * 24 * time.Hour

// tellSubscription puts into the outbox how an answer about a subscription differs from the one before.
func tellSubscription(o *store.Order, before, after store.Subscription, now time.Time, cause string) {
	tell := func(kind ChangeKind, when time.Time, detail string) {
		status := o.Status()
		enqueue(o, store.Notice{
			Kind: string(kind), At: now, From: status, To: status, Attempt: after.Attempt, Cause: cause, Detail: detail, When: when,
		})
	}
	if plan, was := planText(after), planText(before); before.Status != "" && plan != was {
		tell(ChangePlanChanged, time.Time{}, was+" -> "+plan)
	}
	begins := before.Status == "" || before.Status == store.SubscriptionIncomplete
	if !begins && !after.Ended() && after.Status != before.Status {
		tell(ChangeSubscriptionStatus, time.Time{}, string(before.Status+" -> "+after.Status))
	}
	switch {
	case after.Ended() && !before.Ended():
		tell(ChangeEnded, after.EndedAt, after.EndReason)
	case after.Ended() || after.CancelAt.Equal(before.CancelAt):
	case after.CancelAt.IsZero():
		tell(ChangeCancellationWithdrawn, time.Time{}, "")
	default:
		tell(ChangeCancellationScheduled, after.CancelAt, after.EndReason)
	}
}

// planText shows the prices and quantities of a subscription, for a person.
func planText(s store.Subscription) string {
	var items []string
	for _, i := range s.Items {
		items = append(items, fmt.Sprintf("%d x %s", i.Quantity, i.Price))
	}
	slices.Sort(items)
	return strings.Join(items, ", ")
}

// skipOldNews keeps the merchant from being told of what happened before this version of the library followed subscriptions: the order
// was fulfilled, and no subscription of it was asked for.
func skipOldNews(o *store.Order, subscription string) {
	for i := range o.Invoices {
		if inv := &o.Invoices[i]; inv.Subscription == subscription {
			inv.RenewalTold, inv.FailureTold = inv.State == store.InvoicePaid, inv.Tries
		}
	}
}

// enqueueSubscriptions puts into the outbox what follows from the ledger of invoices and was not told yet: paid renewals,
// failed payments, and trials that are about to end.
func enqueueSubscriptions(o *store.Order, now time.Time, cause string) {
	status := o.Status()
	for i := range o.Invoices {
		inv := &o.Invoices[i]
		notice := store.Notice{At: now, From: status, To: status, Attempt: inv.Attempt, Cause: cause, Invoice: inv.ID, Detail: inv.ID}
		switch {
		case inv.First():
		case inv.State == store.InvoicePaid && renews(inv, o.Invoices[:i]) && !inv.RenewalTold:
			inv.RenewalTold = true
			notice.Kind, notice.When = string(ChangeRenewed), inv.PeriodEnd
			enqueue(o, notice)
		case failedTry(o, inv):
			inv.FailureTold = inv.Tries
			notice.Kind, notice.Try, notice.When = string(ChangePaymentFailed), inv.Tries, inv.NextTry
			enqueue(o, notice)
		}
	}
	for i := range o.Subscriptions {
		if s := &o.Subscriptions[i]; trialEnds(s, now) {
			s.TrialTold = s.TrialEnd
			enqueue(o, store.Notice{
				Kind: string(ChangeTrialEnding), At: now, From: status, To: status, Attempt: s.Attempt, Cause: cause, When: s.TrialEnd,
			})
		}
	}
}

// renews reports whether an invoice after the first pays for a period. A change of the subscription can begin one, as when a trial is
// ended by hand, or the price is by the year from now on. Any other change is prorated within a period, for which there is an earlier
// invoice (https://docs.stripe.com/billing/subscriptions/prorations).
func renews(inv *store.Invoice, earlier []store.Invoice) bool {
	if inv.Reason != "subscription_update" || inv.Total <= 0 {
		return inv.Reason == "subscription_cycle"
	}
	return inv.PeriodEnd.After(inv.CreatedAt) && !slices.ContainsFunc(earlier, func(i store.Invoice) bool {
		return i.Subscription == inv.Subscription && i.PeriodEnd.Equal(inv.PeriodEnd)
	})
}

// failedTry reports whether a try to collect an invoice failed that was not told yet. A debit that takes days was tried, too,
// and has not failed: its subscription stays active, and no next try is set. Of another subscription it is left out of the tries. A
// subscription whose latest invoice is given up as uncollectible is active, too
// (https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses).
func failedTry(o *store.Order, inv *store.Invoice) bool {
	if inv.State != store.InvoiceOpen && inv.State != store.InvoiceUncollectible || inv.Tries <= inv.FailureTold {
		return false
	}
	s := o.SubscriptionByID(inv.Subscription)
	if s == nil {
		return false
	}
	return !inv.NextTry.IsZero() || !goesOn(s.Status) || inv.State == store.InvoiceUncollectible
}

// goesOn reports whether a subscription in this status is paid, or in trial.
func goesOn(s store.SubscriptionStatus) bool {
	return s == store.SubscriptionActive || s == store.SubscriptionTrialing
}

// trialEnds reports whether a trial is about to end and that was not told yet. Nobody is to be told so after its end: a first debit
// can take longer than the trial, and a shop can stand still for days.
func trialEnds(s *store.Subscription, now time.Time) bool {
	return s != nil && s.Status == store.SubscriptionTrialing && s.CancelAt.IsZero() && !s.TrialTold.Equal(s.TrialEnd) &&
		!now.Before(s.TrialEnd.Add(-trialWarning)) && now.Before(s.TrialEnd)
}

// toldKept is how many entries the outbox of an order with a subscription has before delivered ones are dropped.
const toldKept = 50

// trimNotices drops the oldest entries about a subscription that were delivered, so that an order stays small over the years.
// Whether they were told is kept with the subscription and its invoices. The latest entry stays, as entries are numbered on.
func trimNotices(o *store.Order) {
	for i := 0; len(o.Notices) > toldKept && i < len(o.Notices)-1; {
		if n := o.Notices[i]; slices.Contains(subscriptionChanges, ChangeKind(n.Kind)) && !n.DeliveredAt.IsZero() {
			o.Notices = slices.Delete(o.Notices, i, i+1)
			continue
		}
		i++
	}
}

// subscriptionChanges are the kinds of changes that are told of a subscription again and again.
var subscriptionChanges = []ChangeKind{
	ChangeRenewed, ChangePaymentFailed, ChangePlanChanged, ChangeSubscriptionStatus, ChangeCancellationScheduled,
	ChangeCancellationWithdrawn, ChangeTrialEnding,
}
