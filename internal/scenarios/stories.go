package scenarios

import (
	"context"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// Story is the life of one order at Stripe while the shop hears nothing.
type Story struct {
	Name    string
	happens func(s *recorder)
	events  []string                 // the types of the events that are steps
	acts    func(s *recorder) []Step // the steps that are not events
	steps   int                      // the number of all steps
	// Ends is the order's last status, for display.
	Ends checkout.DisplayStatus
	// Told are the changes that OnChange receives, whatever the sequence of the steps.
	Told []checkout.ChangeKind
	// HandedOverOrNot says that goods leave in some sequences only: not if the shop first hears that the payment was given back.
	HandedOverOrNot bool
	// unpolled says that the shop can't ask Stripe, because it does not know of the session.
	unpolled bool
}

const (
	completed   = "checkout.session.completed"
	succeeded   = "checkout.session.async_payment_succeeded"
	failed      = "checkout.session.async_payment_failed"
	expired     = "checkout.session.expired"
	refunded    = "refund.created"
	refundMoved = "refund.updated"
	refundFails = "refund.failed"
	chargeBack  = "charge.refunded"
	disputed    = "charge.dispute.created"
	disputeEnds = "charge.dispute.closed"
	withdrawn   = "charge.dispute.funds_withdrawn"
	reinstated  = "charge.dispute.funds_reinstated"

	subscribed       = "customer.subscription.created"
	subChanged       = "customer.subscription.updated"
	subEnded         = "customer.subscription.deleted"
	invoicePaid      = "invoice.paid"
	invoiceFails     = "invoice.payment_failed"
	untilTrialIsPaid = 15 * 24 * time.Hour
	aMonthAndADay    = 32 * 24 * time.Hour
	untilGivenUp     = 70 * 24 * time.Hour
)

// Stories are all stories.
var Stories = []Story{
	{Name: "card", events: []string{completed}, steps: 1, Ends: checkout.Fulfilled,
		happens: func(s *recorder) {
			id := s.begin("last")
			s.decline(id)
			s.pay(id)
		}},
	{Name: "delayed success", events: []string{completed, succeeded}, steps: 2, Ends: checkout.Fulfilled,
		happens: func(s *recorder) {
			id := s.begin("last")
			s.debit(id)
			s.must(s.srv.Settle(id))
		}},
	{Name: "delayed failure", events: []string{completed, failed}, steps: 2, Ends: "failed", Told: []checkout.ChangeKind{checkout.ChangeFailed},
		happens: func(s *recorder) {
			id := s.begin("last")
			s.debit(id)
			s.must(s.srv.Bounce(id))
		}},
	{Name: "expired", events: []string{expired}, steps: 1, Ends: "expired", Told: []checkout.ChangeKind{checkout.ChangeExpired},
		happens: func(s *recorder) {
			s.begin("last")
			s.srv.Advance(25 * time.Hour)
		}},
	{Name: "canceled", events: []string{expired}, steps: 2, Ends: "canceled", Told: []checkout.ChangeKind{checkout.ChangeCanceled},
		acts: func(*recorder) []Step {
			return []Step{{Name: "cancel", Do: func(ctx context.Context, p Process) error { return p.Flow.Cancel(ctx, OrderID) }}}
		},
		happens: func(s *recorder) {
			id := s.begin("last")
			s.expire(id)
		}},
	{Name: "partial refunds adding up", events: []string{completed, refunded}, steps: 3, Ends: "refunded",
		Told: []checkout.ChangeKind{checkout.ChangeRefunded}, HandedOverOrNot: true, happens: refundedInParts},
	{Name: "partial refunds adding up, as old API versions report them", events: []string{completed, chargeBack}, steps: 3, Ends: "refunded",
		Told: []checkout.ChangeKind{checkout.ChangeRefunded}, HandedOverOrNot: true, happens: refundedInParts},
	{Name: "a refund that fails later", events: []string{completed, refunded, refundMoved, refundFails}, steps: 4, Ends: checkout.Fulfilled,
		happens: func(s *recorder) {
			id := s.begin("tee")
			s.pay(id)
			s.must(s.srv.FailRefund(s.refund(id, 0)))
		}},
	{Name: "one refund fails, another stands", events: []string{completed, refunded, refundFails}, steps: 4, Ends: "partially_refunded",
		Told: []checkout.ChangeKind{checkout.ChangeRefunded},
		happens: func(s *recorder) {
			id := s.begin("tee")
			s.pay(id)
			failing := s.refund(id, 500)
			s.refund(id, 300)
			s.must(s.srv.FailRefund(failing))
		}},
	{Name: "a debit given back", events: []string{completed, succeeded, refunded, refundMoved}, steps: 4, Ends: "refunded",
		Told: []checkout.ChangeKind{checkout.ChangeRefunded}, HandedOverOrNot: true,
		happens: func(s *recorder) {
			id := s.begin("tee")
			s.debit(id)
			s.must(s.srv.Settle(id))
			s.must(s.srv.SettleRefund(s.refund(id, 0)))
		}},
	{Name: "dispute opened", events: []string{completed, disputed, withdrawn}, steps: 3, Ends: "disputed",
		Told: []checkout.ChangeKind{checkout.ChangeDisputed}, HandedOverOrNot: true,
		happens: func(s *recorder) {
			id := s.begin("tee")
			s.pay(id)
			s.dispute(id)
		}},
	{Name: "dispute won", events: []string{completed, disputed, withdrawn, reinstated, disputeEnds}, steps: 5, Ends: checkout.Fulfilled,
		Told: []checkout.ChangeKind{checkout.ChangeDisputeWon},
		happens: func(s *recorder) {
			id := s.begin("tee")
			s.pay(id)
			s.must(s.srv.WinDispute(s.dispute(id)))
		}},
	{Name: "dispute lost", events: []string{completed, disputed, withdrawn, disputeEnds}, steps: 4, Ends: "disputed",
		Told: []checkout.ChangeKind{checkout.ChangeDisputeLost}, HandedOverOrNot: true,
		happens: func(s *recorder) {
			id := s.begin("tee")
			s.pay(id)
			s.must(s.srv.LoseDispute(s.dispute(id)))
		}},
	// The bank only inquires, and closes the inquiry because the money was refunded:
	// https://docs.stripe.com/disputes/how-disputes-work.
	{Name: "refund during inquiry", events: []string{completed, refunded, disputed, disputeEnds}, steps: 4, Ends: "refunded",
		Told: []checkout.ChangeKind{checkout.ChangeRefunded, checkout.ChangeDisputeWon}, HandedOverOrNot: true,
		happens: func(s *recorder) {
			id := s.begin("tee")
			s.pay(id)
			_, err := s.srv.Inquire(id)
			s.must(err)
			s.refund(id, 0)
		}},
	{Name: "the first session expires, the second is paid by debit", events: []string{completed, succeeded, expired}, steps: 3,
		Ends: checkout.Fulfilled,
		happens: func(s *recorder) {
			s.begin("tee")
			id := s.begin("tee", "last")
			s.debit(id)
			s.must(s.srv.Settle(id))
		}},
	{Name: "the first debit bounces, the second session is paid", events: []string{completed, failed}, steps: 3,
		Ends: checkout.Fulfilled,
		happens: func(s *recorder) {
			first := s.begin("tee")
			s.debit(first)
			s.must(s.srv.Bounce(first))
			id := s.begin("tee", "last")
			s.pay(id)
		}},
	{Name: "both sessions are paid", events: []string{completed}, steps: 2, Ends: checkout.Fulfilled, unpolled: true,
		Told: []checkout.ChangeKind{checkout.ChangeDuplicatePayment},
		happens: func(s *recorder) {
			old := s.beginUnrecorded("tee")
			id := s.begin("tee")
			s.pay(old)
			s.pay(id)
		}},
	{Name: "a subscription begins", events: []string{completed, subscribed, invoicePaid}, steps: 3, Ends: checkout.Fulfilled,
		happens: func(s *recorder) { s.subscribe() }},
	{Name: "a subscription renews", events: []string{completed, subChanged, invoicePaid}, steps: 4, Ends: checkout.Fulfilled,
		Told: []checkout.ChangeKind{checkout.ChangeRenewed},
		happens: func(s *recorder) {
			s.subscribe()
			s.srv.Advance(aMonthAndADay)
		}},
	{Name: "the first payment of a subscription is given back", events: []string{completed, invoicePaid, refunded}, steps: 3, Ends: "refunded",
		Told: []checkout.ChangeKind{checkout.ChangeRefunded}, HandedOverOrNot: true,
		happens: func(s *recorder) { s.refundInvoice(s.subscribe()) }},
	{Name: "a renewal is given back", events: []string{completed, invoicePaid, refunded}, steps: 4, Ends: checkout.Fulfilled,
		Told: []checkout.ChangeKind{checkout.ChangeRefunded, checkout.ChangeRenewed},
		happens: func(s *recorder) {
			id := s.subscribe()
			s.srv.Advance(aMonthAndADay)
			s.refundInvoice(id)
		}},
	{Name: "a subscription begins with a trial", events: []string{completed, subChanged, invoicePaid}, steps: 4, Ends: checkout.Fulfilled,
		Told: []checkout.ChangeKind{checkout.ChangeRenewed},
		happens: func(s *recorder) {
			s.subscribeAfter(14)
			s.srv.Advance(untilTrialIsPaid)
		}},
	{Name: "a subscription ends with its period", events: []string{completed, invoicePaid, subChanged, subEnded}, steps: 4, Ends: checkout.Fulfilled,
		Told: []checkout.ChangeKind{checkout.ChangeEnded},
		happens: func(s *recorder) {
			s.cancelAtPeriodEnd(s.subscribe())
			s.srv.Advance(aMonthAndADay)
		}},
	{Name: "a subscription ends after its card failed", events: []string{completed, invoiceFails, subEnded}, steps: 6, Ends: checkout.Fulfilled,
		Told: []checkout.ChangeKind{checkout.ChangePaymentFailed, checkout.ChangeEnded},
		happens: func(s *recorder) {
			s.must(s.srv.ReplaceMethod(s.subscribe(), checkouttest.CardDeclined))
			s.srv.Advance(untilGivenUp)
		}},
}

func refundedInParts(s *recorder) {
	id := s.begin("tee")
	s.pay(id)
	s.refund(id, 500)
	s.refund(id, 1499)
}
