package checkout

import (
	"fmt"
	"slices"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// Action is a kind of thing that is done for an order.
type Action string

// The actions. The first three ask Stripe or end something there; the next three move stock; then come money, goods and
// changes; the last is a person's.
const (
	// CloseAttempt gives up an attempt whose session was never recorded. Its URL was never handed out.
	CloseAttempt Action = "close attempt"
	// EndSession has Stripe expire a session.
	EndSession Action = "end session"
	// AskSession asks Stripe how a session stands.
	AskSession Action = "ask session"
	// ReleaseStock gives the stock of an attempt back.
	ReleaseStock Action = "release stock"
	// TransferStock passes the stock of an attempt on to the attempt that replaces it.
	TransferStock Action = "transfer stock"
	// SellStock makes the stock of a paid attempt sold.
	SellStock Action = "sell stock"
	// AskSubscription asks Stripe how a subscription and its invoices stand.
	AskSubscription Action = "ask subscription"
	// VerifyPayment asks Stripe what was given back of a payment, because the last answer is old.
	VerifyPayment Action = "verify payment"
	// RefundPayment gives a payment back, as Config.Refund says.
	RefundPayment Action = "refund payment"
	// FulfilOrder runs Config.Fulfil.
	FulfilOrder Action = "fulfil order"
	// DeliverChange runs Config.OnChange.
	DeliverChange Action = "deliver change"
	// Decide waits for a person: see [Flow.Resolve].
	Decide Action = "decide"
)

// Step is one thing that is to be done next for an order.
type Step struct {
	Action Action
	// Attempt is the attempt that the step is for; 0: the order as a whole.
	Attempt int
	// At is the time from which the step is due; zero: at once.
	At time.Time
	// Reason says why, for a person.
	Reason string
}

// due reports whether the time of the step has come.
func (s Step) due(now time.Time) bool { return !s.At.After(now) }

const (
	// unrecordedFor is how long Begin has to record a session before its attempt is given up: [operationTimeout], and some
	// minutes by which the clocks of two processes may differ.
	unrecordedFor = 5 * time.Minute
	// triggerGrace is how long the trigger that settled an order has to begin delivering before a sweep does.
	triggerGrace = 30 * time.Second
	// expiryGrace is how long after a session's end its event may take before Stripe is asked.
	expiryGrace = time.Minute
	// verifiedFor is how long an answer about what was given back of a payment is good enough to hand goods over.
	verifiedFor = 10 * time.Minute
)

// Next returns what is to be done next for an order, and why: the steps that are due, and those that become due later. The
// Flow does the same, as it derives its own work from this function.
func (f *Flow[Tx]) Next(o *store.Order) []Step { return next(o, f.now()) }

// next is a pure function of an order's facts and the time. It is the one place that decides what happens to an order.
// Every trigger records facts, and then carries out what next says under the lock. Steps that are due at once come first.
func next(o *store.Order, now time.Time) []Step {
	steps := stockSteps(o)
	for i := range o.Attempts {
		if step, ok := sessionStep(o, &o.Attempts[i], now); ok {
			steps = append(steps, step)
		}
		if step, ok := subscriptionStep(o, &o.Attempts[i]); ok {
			steps = append(steps, step)
		}
		if step, ok := refundStep(o, &o.Attempts[i]); ok {
			steps = append(steps, step)
		}
		if step, ok := reviewStep(o, &o.Attempts[i]); ok {
			steps = append(steps, step)
		}
	}
	steps = append(steps, laneSteps(o, now)...)
	slices.SortStableFunc(steps, func(a, b Step) int { return a.At.Compare(b.At) })
	if reason := o.StuckReason(); reason != "" {
		steps = append(steps, Step{Action: Decide, Reason: reason})
	}
	return steps
}

// sessionStep says what is to be done about the session of an attempt that has not ended.
func sessionStep(o *store.Order, a *store.Attempt, now time.Time) (Step, bool) {
	step := Step{Attempt: a.N}
	switch {
	case a.Gone:
		return Step{}, false
	case a.Open() && a.SessionID == "":
		step.Action, step.At, step.Reason = CloseAttempt, a.CreatedAt.Add(unrecordedFor), "its session was not recorded in time"
		if unwanted(o) {
			step.At, step.Reason = time.Time{}, "the order needs no session anymore"
		}
		return step, true
	case a.Open() && a.CheckedAt.Before(replacementClosed(o, a)):
		step.Action, step.Reason = AskSession, "it may have been ended for another cart"
	case a.Open() && unwanted(o):
		step.Action, step.Reason = EndSession, "the order needs no session anymore"
	case a.Open() && a.PayBy.Before(a.ExpiresAt):
		step.Action, step.At, step.Reason = EndSession, a.PayBy, "its hold is over"
	case a.Open():
		step.Action, step.At, step.Reason = AskSession, a.ExpiresAt.Add(expiryGrace), "it should have expired"
	case (a.Processing() || a.Failed && !a.Paid) && firstInvoicePaid(a):
		step.Action, step.Reason = AskSession, "the first invoice of its subscription is paid"
		step.At = notBefore(time.Time{}, a.CheckedAt, growing(a.CheckedAt.Sub(a.CreatedAt), 5*time.Minute, 6*time.Hour))
	case a.Processing():
		since := a.CompletedAt
		if a.CheckedAt.After(since) {
			since = a.CheckedAt
		}
		step.Action, step.Reason = AskSession, "its money is on its way"
		step.At = since.Add(growing(since.Sub(a.CreatedAt), 5*time.Minute, 6*time.Hour))
	default:
		return Step{}, false
	}
	if step.Action == EndSession && !a.ExpiresAt.After(now) {
		step.Action, step.Reason = AskSession, "it should have expired"
	}
	step.At = notBefore(step.At, a.CheckedAt, expiryGrace)
	step.At = notBefore(step.At, a.CheckFailedAt, growing(a.CheckFailedAt.Sub(a.PayBy), 2*time.Minute, time.Hour))
	return step, true
}

// firstInvoicePaid reports whether the ledger knows with what the first invoice of an attempt's subscription was paid, as the session
// of a subscription names no payment intent.
func firstInvoicePaid(a *store.Attempt) bool { return a.Subscription != "" && a.PaymentIntent != "" }

// replacementClosed is when the last attempt that was to replace a was closed; zero: there is none.
func replacementClosed(o *store.Order, a *store.Attempt) (at time.Time) {
	for _, later := range o.Attempts[a.N:] {
		if later.Replaces == a.N && later.ClosedAt.After(at) {
			at = later.ClosedAt
		}
	}
	return at
}

// unwanted reports whether no session of the order is to be paid anymore.
func unwanted(o *store.Order) bool {
	return o.Paid() || o.Status() == store.Processing || !o.CancelRequestedAt.IsZero()
}

// refundStep says whether the payment of an attempt is to be given back automatically. What was wanted once is not done
// anymore after a person decided otherwise, or after the money was given back or disputed in another way.
func refundStep(o *store.Order, a *store.Attempt) (Step, bool) {
	if a.RefundWanted == "" || a.RefundRefused != "" || o.GivenBack(a) {
		return Step{}, false
	}
	at := notBefore(time.Time{}, a.VerifyFailedAt, growing(a.VerifyFailedAt.Sub(a.PaidAt), 2*time.Minute, time.Hour))
	return Step{Action: RefundPayment, Attempt: a.N, At: at, Reason: "Config.Refund names " + a.RefundWanted}, true
}

// reviewStep says when Stripe is asked about a review that holds goods back, as its event may be lost.
func reviewStep(o *store.Order, a *store.Attempt) (Step, bool) {
	if a != o.PaidAttempt() || a.Review == "" || a.ReviewClosed != "" || !o.FulfilledAt.IsZero() || !o.GivenUpAt.IsZero() || o.GivenBack(a) {
		return Step{}, false
	}
	at := a.VerifiedAt.Add(growing(a.VerifiedAt.Sub(a.PaidAt), verifiedFor, 6*time.Hour))
	at = notBefore(at, a.VerifyFailedAt, growing(a.VerifyFailedAt.Sub(a.PaidAt), time.Minute, time.Hour))
	return Step{Action: VerifyPayment, Attempt: a.N, At: at, Reason: "its payment is in review"}, true
}

// laneSteps says what the merchant's callbacks receive next: at most one step of each lane.
func laneSteps(o *store.Order, now time.Time) []Step {
	var steps []Step
	if n := nextNotice(o, fulfilLane); n != nil {
		step, question := questionStep(o, now)
		if !question {
			step = Step{Action: FulfilOrder, Attempt: n.Attempt, At: laneTime(&o.Delivery, now), Reason: "the order is paid"}
		}
		if step.Action != AskSubscription { // which is among the steps anyway
			steps = append(steps, step)
		}
	}
	if n := nextNotice(o, changeLane); n != nil {
		steps = append(steps, Step{
			Action: DeliverChange, Attempt: n.Attempt, At: laneTime(&o.ChangeDelivery, now), Reason: "the order's change is " + n.Kind,
		})
	}
	return steps
}

// questionStep says what Stripe must be asked before an order is fulfilled.
func questionStep(o *store.Order, now time.Time) (Step, bool) {
	if paid := o.PaidAttempt(); paid != nil && o.Fulfillable() && (o.SubscriptionByID(paid.Subscription) == nil || paidUnheard(o, paid)) {
		if step, ok := subscriptionStep(o, paid); ok {
			return step, true
		}
	}
	return verifyStep(o, now)
}

// subscriptionStep says when Stripe is asked for the subscription of an attempt: at once if nothing is known of it, and later
// when something should have happened of which no event came. The pauses grow while Stripe says the same.
func subscriptionStep(o *store.Order, a *store.Attempt) (Step, bool) {
	step := Step{Action: AskSubscription, Attempt: a.N, Reason: "stripe was not asked for the subscription yet"}
	s := o.SubscriptionByID(a.Subscription)
	switch {
	case a.Subscription == "" || !a.Completed:
		return Step{}, false
	case s == nil:
		step.At = notBefore(time.Time{}, a.VerifyFailedAt, growing(a.VerifyFailedAt.Sub(a.CompletedAt), time.Minute, time.Hour))
		return step, true
	case paidUnheard(o, a):
		step.At, step.Reason = a.PaidAt, "its first invoice should be paid"
		if s.AskedAt.After(a.PaidAt) {
			step.At = s.AskedAt.Add(growing(s.AskedAt.Sub(a.PaidAt), 5*time.Minute, 24*time.Hour))
		}
	case s.Ended():
		return Step{}, false
	default:
		step.At, step.Reason = subscriptionTime(o, s)
	}
	step.At = notBefore(step.At, s.AskFailedAt, growing(s.AskFailedAt.Sub(s.AskedAt), 2*time.Minute, time.Hour))
	return step, !step.At.IsZero()
}

// paidUnheard reports whether the first payment of a subscription arrived, and the ledger does not say so, as when a debit took days.
// The subscription may have ended by then. With the invoice the order learns with which payment it was paid, and whether that was given
// back.
func paidUnheard(o *store.Order, a *store.Attempt) bool {
	return a.Paid && slices.ContainsFunc(o.Invoices, func(i store.Invoice) bool {
		return i.Subscription == a.Subscription && i.First() && i.State == store.InvoiceOpen
	})
}

// subscriptionTime is the next time at which something should have happened to a subscription.
func subscriptionTime(o *store.Order, s *store.Subscription) (at time.Time, reason string) {
	by := func(due time.Time, why string) {
		if !due.After(s.AskedAt) { // Stripe was asked since, and it has not happened
			due = s.AskedAt.Add(growing(s.AskedAt.Sub(due), 5*time.Minute, 24*time.Hour))
		}
		if at.IsZero() || due.Before(at) {
			at, reason = due, why
		}
	}
	switch s.Status {
	case store.SubscriptionActive, store.SubscriptionTrialing:
		if !s.PeriodEnd.IsZero() {
			by(s.PeriodEnd.Add(expiryGrace), "its period should have ended")
		}
		if !s.CancelAt.IsZero() {
			by(s.CancelAt.Add(expiryGrace), "it should have ended")
		}
		if s.Status == store.SubscriptionTrialing && s.CancelAt.IsZero() && !s.TrialTold.Equal(s.TrialEnd) {
			by(s.TrialEnd.Add(-trialWarning), "its trial ends soon")
		}
	default:
		by(s.PeriodStart, "it is "+string(s.Status))
	}
	for _, inv := range o.Invoices {
		switch {
		case inv.Subscription != s.ID:
		case inv.State == store.InvoiceDraft:
			by(inv.CreatedAt.Add(draftFor+expiryGrace), "an invoice should have been charged")
		case inv.State == store.InvoiceOpen && !inv.NextTry.IsZero():
			by(inv.NextTry.Add(expiryGrace), "an invoice should have been charged again")
		case inv.State == store.InvoiceOpen:
			by(inv.CreatedAt.Add(draftFor+expiryGrace), "an invoice is not paid")
		}
	}
	return at, reason
}

// draftFor is how long the invoice of a renewal stays a draft
// (https://docs.stripe.com/billing/invoices/subscription#subscription-lifecycle).
const draftFor = time.Hour

// verifyStep says whether Stripe must be asked about the payment of an order that can be fulfilled, because the last that is
// known of it is old.
func verifyStep(o *store.Order, now time.Time) (Step, bool) {
	paid := o.PaidAttempt()
	if paid == nil || !o.Fulfillable() || paid.PaymentIntent == "" || now.Sub(paid.VerifiedAt) <= verifiedFor {
		return Step{}, false
	}
	at := notBefore(laneTime(&o.Delivery, now), paid.VerifyFailedAt, growing(paid.VerifyFailedAt.Sub(paid.PaidAt), time.Minute, time.Hour))
	return Step{Action: VerifyPayment, Attempt: paid.N, At: at, Reason: "the payment may have been given back since it was heard of"}, true
}

// laneTime is when the next delivery of a lane may be tried; zero: at once.
func laneTime(d *store.Delivery, now time.Time) time.Time {
	switch {
	case d.LeasedUntil.After(now):
		return d.LeasedUntil
	case d.NextAt.After(now):
		return d.NextAt
	}
	return time.Time{}
}

// stockSteps says how the holds follow from the facts. A hold is released when its session can no longer be paid, when its
// URL was never handed out, or when the order is paid in another attempt, as another payment would be a duplicate and needs
// no stock. A payment that is not for what was sold keeps its hold until a person decides. The sale comes last, as it may
// need what the other holds give back.
func stockSteps(o *store.Order) []Step {
	paid := o.PaidAttempt()
	sold := paid != nil && paid.Agrees()
	var steps []Step
	for i := range o.Attempts {
		a := &o.Attempts[i]
		ended := a.Expired || a.Failed && !a.Paid
		held := a.Hold.State == store.Held || a.Increase.State == store.Held
		switch {
		case a == paid && !sold:
			switch {
			case held && !o.GivenUpAt.IsZero() && !a.DismissedAt.IsZero():
				steps = append(steps, Step{Action: ReleaseStock, Attempt: a.N, Reason: "the order was given up"})
			case held && a.Hold.State != store.Held:
				steps = append(steps, Step{Action: ReleaseStock, Attempt: a.N, Reason: "it was paid before it had the stock of its whole cart"})
			}
		case a == paid:
		case ended && !sold && successor(o, a) != nil:
			steps = append(steps, Step{Action: TransferStock, Attempt: a.N, Reason: fmt.Sprintf("attempt %d replaces it", successor(o, a).N)})
		case held && (sold || ended || !a.ClosedAt.IsZero()):
			steps = append(steps, Step{Action: ReleaseStock, Attempt: a.N, Reason: "its session can no longer be paid, or needs no stock"})
		}
	}
	if sold {
		if step, ok := saleStep(o, paid); ok {
			steps = append(steps, step)
		}
	}
	return steps
}

// saleStep says what becomes of the stock of the payment that counts.
func saleStep(o *store.Order, paid *store.Attempt) (Step, bool) {
	held := paid.Hold.State == store.Held
	switch {
	case paid.Hold.ID == "" || paid.Hold.State == store.Sold:
		return Step{}, false
	case !o.GivenUpAt.IsZero() && !paid.DismissedAt.IsZero():
		return Step{Action: ReleaseStock, Attempt: paid.N, Reason: "the order was given up"}, held
	case held:
		return Step{Action: SellStock, Attempt: paid.N, Reason: "the order is paid"}, true
	case len(o.Shortfall) > 0, o.GivenBack(paid), !o.FulfilledAt.IsZero(), !o.GivenUpAt.IsZero(), len(stockLines(paid.Lines)) == 0:
		return Step{}, false
	}
	return Step{Action: SellStock, Attempt: paid.N, Reason: "the order was paid after its stock was given back"}, true
}

// successor is the attempt that waits for a to expire and to take over its stock, or nil.
func successor(o *store.Order, a *store.Attempt) *store.Attempt {
	for i := range o.Attempts {
		next := &o.Attempts[i]
		if next.Open() && next.Replaces == a.N && next.Hold.ID != "" && next.Hold.State == store.NotHeld {
			return next
		}
	}
	return nil
}

// dueAt is when a sweep must look at the order next; zero: it need not. The trigger that settled the order gets some time
// to deliver before a sweep does.
func dueAt(o *store.Order, now time.Time) time.Time {
	var due time.Time
	for _, step := range next(o, now) {
		at := step.At
		switch step.Action {
		case Decide:
			continue
		case FulfilOrder, DeliverChange:
			if !at.After(now) {
				at = now.Add(triggerGrace)
			}
		default:
			if !at.After(now) {
				at = now
			}
		}
		if due.IsZero() || at.Before(due) {
			due = at
		}
	}
	return due
}

// notBefore moves a time to a pause after last, if it is earlier.
func notBefore(at, last time.Time, pause time.Duration) time.Time {
	if last.IsZero() || !at.Before(last.Add(pause)) {
		return at
	}
	return last.Add(pause)
}

// growing is a pause of a quarter of the time something has taken, within bounds.
func growing(age, least, most time.Duration) time.Duration { return min(max(age/4, least), most) }
