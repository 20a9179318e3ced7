package checkout

import (
	"fmt"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// Change is something that happened to an order other than that it is to be fulfilled.
type Change struct {
	// Order is a copy of the order as it was when delivering began, which may be later than the change.
	Order *store.Order
	Kind  ChangeKind
	// From and To are the order's status before and after; they are the same for what does not change it.
	From, To store.Status
	// Attempt is the attempt it happened to, 0: the order as a whole.
	Attempt int
	// At is when it was recorded.
	At time.Time
	// Cause is the ID of the event that brought the news, or what was being done when Stripe was asked.
	Cause string
	// Detail says more, for a person.
	Detail string
	// Key is the same at every delivery of this change, and no other's.
	Key string
}

// ChangeKind is what happened.
type ChangeKind string

// The kinds of changes.
const (
	// ChangeProcessing: the customer finished the page with a payment method that takes days. Its stock stays held.
	ChangeProcessing ChangeKind = "processing"
	// ChangeFailed: the money of a delayed payment method did not arrive. The stock is back.
	ChangeFailed ChangeKind = "failed"
	// ChangeExpired: nobody paid in time. The stock is back.
	ChangeExpired ChangeKind = "expired"
	// ChangeCanceled: Flow.Cancel ended the order. The stock is back.
	ChangeCanceled ChangeKind = "canceled"
	// ChangeRefunded: money was given back; the order's Refunds say how much in all. Detail is the refund's ID. Stock does not come
	// back by itself: the goods may be anywhere.
	ChangeRefunded ChangeKind = "refunded"
	// ChangeRefundFailed: money that was to be given back was not, or came back.
	ChangeRefundFailed ChangeKind = "refund_failed"
	// ChangeDisputed, ChangeDisputeWon, ChangeDisputeLost: the customer's bank wants money back, and how that ended.
	ChangeDisputed    ChangeKind = "disputed"
	ChangeDisputeWon  ChangeKind = "dispute_won"
	ChangeDisputeLost ChangeKind = "dispute_lost"
	// ChangeDuplicatePayment: an order that was paid was paid again. It is fulfilled once; the second payment is the merchant's
	// to refund.
	ChangeDuplicatePayment ChangeKind = "duplicate_payment"
	// ChangeShortfall: money came after its stock was given back, and the stock is gone. The order is not fulfilled.
	ChangeShortfall ChangeKind = "shortfall"
	// ChangeMismatch: what was paid is not what was sold; Detail says how. The order is not fulfilled for that payment.
	ChangeMismatch ChangeKind = "mismatch"
)

// changeTo is the change that an order's coming to a status is.
var changeTo = map[store.Status]ChangeKind{
	store.Processing: ChangeProcessing,
	store.Failed:     ChangeFailed,
	store.Expired:    ChangeExpired,
	store.Canceled:   ChangeCanceled,
}

func changeOf(o *store.Order, n *store.Notice) Change {
	return Change{
		Order: o, Kind: ChangeKind(n.Kind), From: n.From, To: n.To, Attempt: n.Attempt,
		At: n.At, Cause: n.Cause, Detail: n.Detail, Key: fmt.Sprintf("%s/%d", o.ID, n.N),
	}
}

// notifyStatus queues that the order came to another status, if merchants are told of that.
func (f *Flow[Tx]) notifyStatus(o *store.Order, n store.Notice) {
	n.To = o.Status()
	if kind, ok := changeTo[n.To]; ok && n.To != n.From {
		n.Kind = string(kind)
		o.Notify(n)
	}
	f.passChanges(o, n.At)
}

// passChanges marks changes as told that nobody wants to be told of.
func (f *Flow[Tx]) passChanges(o *store.Order, now time.Time) {
	if f.onChange != nil {
		return
	}
	for i := range o.Notices {
		if n := &o.Notices[i]; n.Kind != store.NoticeFulfil && n.DeliveredAt.IsZero() {
			n.DeliveredAt = now
		}
	}
}
