package store

import "time"

// Access says whether a customer may use what an order pays for.
type Access struct {
	Granted bool
	// Reason says why.
	Reason AccessReason
	// Until is the end of what is paid for, of the trial or of the grace, or when the subscription ends or ended; zero: there is
	// no end, or it is not known.
	Until time.Time
}

// AccessReason says why access is granted or not.
type AccessReason string

// The reasons: see [Order.Access].
const (
	AccessPaid      AccessReason = "paid"
	AccessActive    AccessReason = "active"
	AccessTrial     AccessReason = "trial"
	AccessCanceling AccessReason = "canceling"
	AccessPastDue   AccessReason = "past_due"
	AccessNotPaid   AccessReason = "not_paid"
	AccessHeld      AccessReason = "held"
	AccessRefunded  AccessReason = "refunded"
	AccessDisputed  AccessReason = "disputed"
	AccessEnded     AccessReason = "ended"
	AccessUnpaid    AccessReason = "unpaid"
	AccessPaused    AccessReason = "paused"
	AccessUnknown   AccessReason = "unknown"
)

// AccessMargin is how long after the end of a period or a trial access goes on while nothing was heard of the renewal.
const AccessMargin = 24 * time.Hour

// Access says whether the customer has access at a time, and until when. It is a pure function of the order's facts. grace is
// how long access goes on although a renewal was not paid. A part of the first payment that was lost in a dispute counts until a
// person accepts the payment. Of these rows the first that applies counts:
//
//	facts                                                             access        reason     until
//	the order is not paid, or in setup mode                           no            not_paid
//	parked, given up, in review, or paid for something else           no            held
//	a single payment was given back as a whole                        no            refunded
//	a dispute of a single payment is open or lost                     no            disputed
//	a single payment                                                  yes           paid
//	a subscription that stripe was not asked for yet                  yes           active
//	the subscription ended, or should have                            no            ended      its end
//	the subscription was never paid, or is no longer charged          no            unpaid
//	the subscription is paused                                        no            paused
//	the payments for the latest period were given back as a whole     no            refunded
//	a dispute of such a payment is open or lost                       no            disputed
//	past due                                                          within grace  past_due   the end of the grace
//	the period or trial ended more than [AccessMargin] ago            within grace  past_due   the end of the grace
//	in trial or active, and to end                                    yes           canceling  its end
//	in trial                                                          yes           trial      the end of the trial
//	active                                                            yes           active     the end of the period
//	a status that this version does not know                          no            unknown
//
// The subscription is that of [Order.Subscription]. The grace of one that is past due begins when its oldest unpaid invoice was made,
// or, if the invoice was sent to the customer, when it was due. A subscription whose payments the merchant does not collect for a time
// stays active (https://docs.stripe.com/billing/subscriptions/pause-payment).
func (o *Order) Access(now time.Time, grace time.Duration) Access {
	paid := o.PaidAttempt()
	switch {
	case paid == nil || o.Mode == "setup":
		return Access{Reason: AccessNotPaid}
	case o.Parked != "" || !o.GivenUpAt.IsZero() || paid.Review != "" || !paid.Agrees():
		return Access{Reason: AccessHeld}
	case paid.Subscription == "":
		return o.paymentAccess(paid)
	}
	s := o.Subscription()
	if s == nil {
		return Access{Granted: true, Reason: AccessActive}
	}
	return o.subscriptionAccess(s, now, grace)
}

// paymentAccess is the access that a single payment gives.
func (o *Order) paymentAccess(paid *Attempt) Access {
	if reason := o.givenBackReason(paid); reason != "" {
		return Access{Reason: reason}
	}
	return Access{Granted: true, Reason: AccessPaid}
}

// givenBackReason says how the payment of an attempt was given back; empty: it was not, or only a part of it.
func (o *Order) givenBackReason(a *Attempt) AccessReason {
	lost, open := o.lost(a)
	switch {
	case open, lost > 0 && (a.AcceptedAt.IsZero() || o.GivenBack(a)):
		return AccessDisputed
	case o.GivenBack(a):
		return AccessRefunded
	}
	return ""
}

// subscriptionAccess is the access that a subscription gives.
func (o *Order) subscriptionAccess(s *Subscription, now time.Time, grace time.Duration) Access {
	switch {
	case s.Ended():
		return Access{Reason: AccessEnded, Until: s.EndedAt}
	case !s.CancelAt.IsZero() && !s.CancelAt.After(now):
		return Access{Reason: AccessEnded, Until: s.CancelAt}
	case s.Status == SubscriptionIncomplete || s.Status == SubscriptionUnpaid:
		return Access{Reason: AccessUnpaid}
	case s.Status == SubscriptionPaused:
		return Access{Reason: AccessPaused}
	}
	if reason := o.latestGivenBack(s); reason != "" {
		return Access{Reason: reason}
	}
	end, reason := s.PeriodEnd, AccessActive
	switch s.Status {
	case SubscriptionPastDue:
		return pastDue(o.unpaidSince(s).Add(grace), now)
	case SubscriptionTrialing:
		end, reason = s.TrialEnd, AccessTrial
	case SubscriptionActive:
	default:
		return Access{Reason: AccessUnknown}
	}
	switch {
	case !end.IsZero() && now.After(end.Add(AccessMargin)):
		return pastDue(end.Add(grace), now)
	case !s.CancelAt.IsZero():
		return Access{Granted: true, Reason: AccessCanceling, Until: s.CancelAt}
	}
	return Access{Granted: true, Reason: reason, Until: end}
}

func pastDue(until, now time.Time) Access {
	return Access{Granted: now.Before(until), Reason: AccessPastDue, Until: until}
}

// unpaidSince is when the oldest unpaid invoice of a subscription was to be paid, or when its period began.
func (o *Order) unpaidSince(s *Subscription) time.Time {
	i := o.oldestOpen(s.ID)
	switch {
	case i == nil:
		return s.PeriodStart
	case i.DueDate.After(i.CreatedAt):
		return i.DueDate
	}
	return i.CreatedAt
}

// oldestOpen returns the oldest invoice of a subscription that is to be paid, or nil.
func (o *Order) oldestOpen(subscription string) *Invoice {
	for i := range o.Invoices { // the oldest first
		if inv := &o.Invoices[i]; inv.Subscription == subscription && inv.State == InvoiceOpen && inv.Due > inv.Paid {
			return inv
		}
	}
	return nil
}

// paidThrough is the end of the latest period of a subscription that is paid for. Credit or a discount can pay for a period as a whole.
// A change of plan can begin a shorter period, and what was left of the longer one is credited
// (https://docs.stripe.com/billing/subscriptions/change-price).
func (o *Order) paidThrough(subscription string) (end time.Time) {
	for _, i := range o.Invoices { // the oldest first
		shortens := i.Reason == "subscription_update" && i.PeriodEnd.After(i.CreatedAt) // and bills more than what was bought once
		if i.Subscription == subscription && i.settled() && (shortens || i.PeriodEnd.After(end)) {
			end = i.PeriodEnd
		}
	}
	return end
}

// latestGivenBack says how the payments for the latest period that is paid for were given back; empty: they were not, or only
// a part of them. Where credit or a discount paid for the period as a whole, there is no payment to give back, and what became of
// earlier periods does not count.
func (o *Order) latestGivenBack(s *Subscription) AccessReason {
	end, began := o.paidThrough(s.ID), o.AttemptBySubscription(s.ID)
	var sum, back int64
	for _, i := range o.Invoices {
		if i.Subscription != s.ID || i.Paid == 0 || !i.PeriodEnd.Equal(end) {
			continue
		}
		if i.First() && o.givenBackReason(began) == AccessDisputed || !i.First() && o.InvoiceDisputed(i.ID) {
			return AccessDisputed
		}
		back += o.InvoiceRefunded(i.ID)
		sum += i.Paid
	}
	if sum > 0 && back >= sum {
		return AccessRefunded
	}
	return ""
}
