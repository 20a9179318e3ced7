package checkout

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// Change is something that happened to an order, other than that the order can be fulfilled.
type Change struct {
	// Order is a copy of the order as it was when delivering began, which may be later than the change.
	Order *store.Order
	Kind  ChangeKind
	// From and To are the order's status before and after the change. They are the same if the change leaves the status.
	From, To store.Status
	// Attempt is the attempt that the change happened to; 0: the order as a whole.
	Attempt int
	// At is when the change was recorded.
	At time.Time
	// Cause is the ID of the event that brought the change, or what was being done when Stripe was asked.
	Cause string
	// Detail says more, for a person.
	Detail string
	// Invoice is the invoice of a subscription that the change happened to; empty: it happened to none, or to the first.
	Invoice string
	// Try and When say more about some changes of a subscription: see their kinds.
	Try  int
	When time.Time
	// Key is the same at every delivery of this change. No other change has it.
	Key string
}

// ChangeKind says what happened.
type ChangeKind string

// The kinds of changes. Each happens once to the attempt, refund or dispute that it is about, except that a refund or a
// dispute may come back to a state that it was in before.
const (
	// ChangeProcessing: the customer finished the page with a payment method that takes days. The stock stays held.
	ChangeProcessing ChangeKind = "processing"
	// ChangeFailed: the money of a delayed payment method did not arrive, or an authorization was not captured. The stock
	// is back.
	ChangeFailed ChangeKind = "failed"
	// ChangeExpired: the customer did not pay in time. The stock is back.
	ChangeExpired ChangeKind = "expired"
	// ChangeCanceled: Flow.Cancel ended the order. The stock is back.
	ChangeCanceled ChangeKind = "canceled"
	// ChangePartlyCaptured: only a part of what was authorized was captured. Refunds are measured by that part. Detail has
	// both amounts in minor units.
	ChangePartlyCaptured ChangeKind = "partly_captured"
	// ChangeRefunded: money was given back. The order's Refunds say how much in all. Detail is the refund's ID. Stock does
	// not come back by itself, as the goods may be anywhere.
	ChangeRefunded ChangeKind = "refunded"
	// ChangeRefundFailed: a refund failed or was canceled, so that the money is the merchant's again.
	ChangeRefundFailed ChangeKind = "refund_failed"
	// ChangeDisputed: the customer's bank wants money back, or only asks so far ([store.Dispute] Inquiry). An inquiry that becomes a
	// dispute is told again, as the merchant has to answer again. Detail is the dispute's ID.
	ChangeDisputed ChangeKind = "disputed"
	// ChangeDisputeWon: the merchant keeps the disputed money.
	ChangeDisputeWon ChangeKind = "dispute_won"
	// ChangeDisputeLost: the bank keeps the disputed money.
	ChangeDisputeLost ChangeKind = "dispute_lost"
	// ChangeFraudWarning: the card network suspects fraud, before any dispute. Detail is the warning's ID. The goods can be
	// held back by refunding the payment.
	ChangeFraudWarning ChangeKind = "fraud_warning"
	// ChangeReviewOpened and ChangeReviewClosed: Stripe or a person at the merchant's reviews the payment. Detail is the
	// review's ID, and why it was closed. With Config.HoldForReview the goods wait until then.
	ChangeReviewOpened ChangeKind = "review_opened"
	ChangeReviewClosed ChangeKind = "review_closed"
	// ChangeDuplicatePayment: an order that was paid was paid again. It is fulfilled once. The second payment is the
	// merchant's to refund. A second subscription is charged until it is canceled.
	ChangeDuplicatePayment ChangeKind = "duplicate_payment"
	// ChangeLatePayment: a payment arrived after the order was given up. The order is not fulfilled until a person decides.
	ChangeLatePayment ChangeKind = "late_payment"
	// ChangeShortfall: a payment arrived after its stock was given back, and the stock is gone. The order is not fulfilled.
	ChangeShortfall ChangeKind = "shortfall"
	// ChangeMismatch: the payment is not for what was sold. Detail says how it differs. The order is not fulfilled for that
	// payment.
	ChangeMismatch ChangeKind = "mismatch"
)

// The kinds of changes of a subscription. Those with an Invoice happen once to that invoice, and a failed payment once to each
// try. A try that nobody heard of before a later one is left out. Refunds and disputes of a renewal are told as those of the
// first payment are, with the Invoice.
const (
	// ChangeRenewed: the invoice of a period was paid, be it that a change began the period, such as one from months to years or the
	// end of a trial by hand. When is the end of what is paid for.
	ChangeRenewed ChangeKind = "renewed"
	// ChangePaymentFailed: a try to collect the payment of an invoice failed. Try counts the tries of the invoice, from 1. When is
	// when Stripe tries again; zero: it does not, or does not say.
	ChangePaymentFailed ChangeKind = "payment_failed"
	// ChangePlanChanged: prices or quantities of the subscription changed. Detail has both, for a person.
	ChangePlanChanged ChangeKind = "plan_changed"
	// ChangeSubscriptionStatus: the status of the subscription changed, other than at its beginning and its end. It is past due, unpaid
	// or paused, or active again. Detail has both statuses, for a person. [store.Order.Access] says what follows from the status.
	ChangeSubscriptionStatus ChangeKind = "subscription_status"
	// ChangeCancellationScheduled: the subscription is to end at When.
	ChangeCancellationScheduled ChangeKind = "cancellation_scheduled"
	// ChangeCancellationWithdrawn: the subscription was to end and goes on.
	ChangeCancellationWithdrawn ChangeKind = "cancellation_withdrawn"
	// ChangeEnded: the subscription ended at When, by whatever cause. Detail is Stripe's reason.
	ChangeEnded ChangeKind = "ended"
	// ChangeTrialEnding: the trial ends at When, in at most three days.
	ChangeTrialEnding ChangeKind = "trial_ending"
)

func changeOf(o *store.Order, n *store.Notice) Change {
	return Change{
		Order: o, Kind: ChangeKind(n.Kind), From: n.From, To: n.To, Attempt: n.Attempt,
		At: n.At, Cause: n.Cause, Detail: n.Detail, Invoice: n.Invoice, Try: n.Try, When: n.When, Key: fmt.Sprintf("%s/%d", o.ID, n.N),
	}
}

// enqueue appends an entry to the outbox of an order and numbers it.
func enqueue(o *store.Order, n store.Notice) {
	n.N = 1
	if last := len(o.Notices); last > 0 {
		n.N = o.Notices[last-1].N + 1
	}
	o.Notices = append(o.Notices, n)
}

// noticeOf returns entry n of the outbox of an order.
func noticeOf(o *store.Order, n int) *store.Notice {
	i := slices.IndexFunc(o.Notices, func(notice store.Notice) bool { return notice.N == n })
	return &o.Notices[i]
}

// enqueueNotices puts into the outbox what follows from the facts of an order and is not in there yet. before is the status
// before the facts changed.
func (f *Flow[Tx]) enqueueNotices(o *store.Order, before store.Status, now time.Time, cause string) {
	status := o.Status()
	add := func(kind string, attempt int, detail string) bool {
		if slices.ContainsFunc(o.Notices, func(n store.Notice) bool { return n.Kind == kind && n.Attempt == attempt }) {
			return false
		}
		enqueue(o, store.Notice{Kind: kind, At: now, From: before, To: status, Attempt: attempt, Cause: cause, Detail: detail})
		return true
	}
	paid, latest := o.PaidAttempt(), latestSession(o)
	for i := range o.Attempts {
		a := &o.Attempts[i]
		if a.Paid {
			f.enqueuePayment(o, a, paid, add)
			continue
		}
		switch {
		case a.Processing() && status == store.Processing:
			add(string(ChangeProcessing), a.N, "")
		case a.Failed && paid == nil:
			add(string(ChangeFailed), a.N, "")
		case a.Expired && a == latest && (status == store.Expired || status == store.Failed):
			add(string(ChangeExpired), a.N, "")
		}
	}
	enqueueSubscriptions(o, now, cause)
	if status == store.Canceled {
		add(string(ChangeCanceled), 0, "")
	}
	if f.onChange == nil && f.listeners.Load() < now.Unix() {
		skipChanges(o, now)
	}
}

// enqueuePayment puts into the outbox what follows from the payment of an attempt.
func (f *Flow[Tx]) enqueuePayment(o *store.Order, a, paid *store.Attempt, add func(kind string, attempt int, detail string) bool) {
	if a == paid && !slices.ContainsFunc(o.Notices, func(n store.Notice) bool { return n.Kind == store.NoticeFulfil }) {
		add(store.NoticeFulfil, a.N, "")
	}
	trouble := func(kind ChangeKind, detail string) {
		if add(string(kind), a.N, detail) {
			f.logDecision(o, a.N, kind, detail)
		}
	}
	switch {
	case a.Mismatch != "":
		trouble(ChangeMismatch, a.Mismatch)
	case a.Duplicate:
		trouble(ChangeDuplicatePayment, "")
	case !o.GivenUpAt.IsZero() && a.DismissedAt.IsZero():
		trouble(ChangeLatePayment, "")
	case a == paid && len(o.Shortfall) > 0 && a.AcceptedAt.IsZero():
		trouble(ChangeShortfall, "")
		if slices.Contains(f.refund, ChangeShortfall) && a.PaymentIntent != "" && a.RefundRefused == "" && a.DismissedAt.IsZero() {
			a.RefundWanted = string(ChangeShortfall)
		}
	}
	if a == paid && a.Amount < o.Amounts.Total && a.Amount > 0 && a.Subscription == "" {
		add(string(ChangePartlyCaptured), a.N, strconv.FormatInt(a.Amount, 10)+" of "+strconv.FormatInt(o.Amounts.Total, 10))
	}
}

// latestSession is the latest attempt whose session was recorded, or nil.
func latestSession(o *store.Order) *store.Attempt {
	for i := len(o.Attempts) - 1; i >= 0; i-- {
		if o.Attempts[i].SessionID != "" {
			return &o.Attempts[i]
		}
	}
	return nil
}

// skipChanges marks pending changes as delivered when no process has an OnChange.
func skipChanges(o *store.Order, now time.Time) {
	for i := range o.Notices {
		if n := &o.Notices[i]; n.Kind != store.NoticeFulfil && n.DeliveredAt.IsZero() {
			n.DeliveredAt = now
		}
	}
}

const (
	// listenersCursor holds the time until which changes wait for a process with an OnChange.
	listenersCursor = "on_change"
	// listenersKept is how long changes wait for a process with an OnChange after the last one was seen.
	listenersKept = 30 * 24 * time.Hour
	// listenersChecked is how long a process trusts what it read about the other processes.
	listenersChecked = 10 * time.Minute
)

// lookForListeners finds out whether some process has an OnChange, as changes wait for it. A process that has one says so
// in the Store.
func (f *Flow[Tx]) lookForListeners(ctx context.Context) error {
	now := f.now()
	known := f.listenersRead.Load()
	if now.Sub(time.Unix(known, 0)) < listenersChecked {
		return nil
	}
	until, err := f.storedTime(ctx, listenersCursor, time.Time{})
	if err != nil {
		return err
	}
	if f.onChange != nil && until.Sub(now) < listenersKept/2 {
		until = now.Add(listenersKept)
		if err := f.setCursorTime(ctx, listenersCursor, until); err != nil {
			return err
		}
	}
	if !until.IsZero() {
		f.listeners.Store(until.Unix())
	}
	f.listenersRead.Store(now.Unix())
	return nil
}
