package simtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
)

// restTimes are the pauses between the sweeps in which a shop comes to rest; what is not done by then never is.
var restTimes = []time.Duration{
	3 * time.Minute, 3 * time.Minute, 10 * time.Minute, time.Hour, time.Hour, 6 * time.Hour, 12 * time.Hour, 12 * time.Hour,
	6 * time.Hour, 6 * time.Hour, 6 * time.Hour, 6 * time.Hour, 6 * time.Hour, 6 * time.Hour, 6 * time.Hour, 6 * time.Hour,
}

// settleDown ends all trouble and lets time pass until nothing is due.
func (w *world) settleDown(t *testing.T) {
	w.jam.end()
	w.note("--- all is well")
	w.healed.Store(true)
	w.sched.release()
	w.srv.Faults()
	if left := noticedAfter - w.muteFor(); left > 0 {
		w.srv.Advance(left)
	}
	w.receive()
	if w.deaf {
		w.srv.Deliver(nil)
	}
	for _, p := range w.processes {
		p.Load().skew.Store(int64(w.apartOf(p.Load().name)))
	}
	if !w.trouble.forever {
		for i := range w.orders {
			w.mendRow(context.Background(), fmt.Sprintf("order-%d", i+1))
		}
	}
	synctest.Wait() // until who locked a row has unlocked it: a sweep passes locked rows over
	w.endPayments()
	if w.seed%2 == 0 {
		w.buyAgain(w.processes[w.seed/2%2].Load())
	}
	p := w.processes[0].Load()
	idle := false // the sweeps end once nothing is due
	for i, pause := range restTimes {
		if i == 0 && w.heard() {
			pause = 60 * time.Hour // a delivery can be two days late, and only that tells of some payments
		}
		w.srv.Advance(pause)
		w.sweepAtRest(p)
		if i == 2 && w.losses.Load() > 0 {
			w.backfill(p)
		}
		if idle = idle && !w.due(); idle {
			break
		}
		idle = i >= 6 && !w.due() // once more: money that was given back may be heard of after the payment
	}
	w.restOfSubscriptions(p)
	w.tell()
}

// sweepAtRest sweeps, which must succeed. Rows that stay locked can take all the time of a sweep: the next one goes on behind them.
func (w *world) sweepAtRest(p *simProcess) {
	_, err := p.flow.Sweep(actor{name: "rest"}.context(context.Background()))
	if err != nil && !(w.trouble.forever && errors.Is(err, context.DeadlineExceeded)) {
		w.fail("all is well, and a sweep fails: %v", err)
	}
}

// endPayments has the money that is on its way arrive or not, and ends authorizations.
func (w *world) endPayments() {
	w.check.hear()
	lapse := false
	for _, s := range w.sessions {
		dice := mix(w.seed, uint64(len(s.attempt)), uint64(s.order[len(s.order)-1]))
		switch {
		case s.authorized && dice%5 == 4:
			lapse = true
		case s.authorized:
			_ = w.capture(s, dice)
		case s.paying && dice%2 == 0:
			_ = w.srv.Settle(s.id)
		case s.paying:
			_ = w.srv.Bounce(s.id)
		}
	}
	if lapse {
		w.srv.Advance(8 * 24 * time.Hour)
		w.met("authorization lapsed")
	}
}

// backfill is what a person does after a backup was restored.
func (w *world) backfill(p *simProcess) {
	_, err := p.flow.Backfill(actor{name: "rest"}.context(context.Background()), testStart)
	for i := range w.orders {
		if w.broken(fmt.Sprintf("order-%d", i+1)) {
			return // its row fails, too
		}
	}
	if err != nil {
		w.fail("all is well, and the backfill fails: %v", err)
	}
	w.met("backfill")
}

// buyAgain has each customer come back: now that all is well they can buy, or are told why not.
func (w *world) buyAgain(p *simProcess) {
	for i := range w.orders {
		o := op{kind: opBegin, order: fmt.Sprintf("order-%d", i+1), dice: 5*7 + 4}
		if w.broken(o.order) {
			continue
		}
		ctx := actor{name: "rest"}.context(context.Background())
		_, err := p.flow.Begin(ctx, w.cart(o))
		if errors.Is(err, checkout.ErrSuperseded) { // the clock of the process was just set, and only now it learned of that
			_, err = p.flow.Begin(ctx, w.cart(o))
		}
		var short *reservation.ShortageError
		if err != nil && !errors.As(err, &short) && !errors.Is(err, checkout.ErrAlreadyPaid) &&
			!errors.Is(err, checkout.ErrProcessing) && !errors.Is(err, checkout.ErrCanceled) {
			w.fail("all is well, and the customer of %s can't buy: %v", o.order, err)
		}
		if short != nil && !w.isShort(o.order, w.cart(o)) {
			w.fail("the customer of %s is refused, and there is enough: %v", o.order, err)
		}
	}
}

// isShort reports whether less is left of something in a cart than the cart needs beside what its order holds.
func (w *world) isShort(order string, cart checkout.Session) bool {
	left := map[string]int64{}
	for _, s := range w.stocks() {
		left[s.SKU] = s.Available()
	}
	for _, hold := range w.holds() {
		if strings.HasPrefix(hold.ID, order+"/") {
			for _, line := range hold.Lines {
				left[line.SKU] += line.Quantity
			}
		}
	}
	for _, line := range cart.Lines {
		left[line.SKU] -= line.Quantity
	}
	w.met("refused for good")
	return left["last"] < 0 || left["tee"] < 0
}

func (w *world) due() bool {
	for i := range w.orders {
		if o := w.order(fmt.Sprintf("order-%d", i+1)); o != nil && !w.resting(o) && !w.broken(o.ID) {
			return true
		}
	}
	return false
}

// truth is what Stripe says of an order.
type truth struct {
	sessions map[string]*stripe.CheckoutSession
	refunds  map[string]*stripe.Refund
	disputes map[string]*stripe.Dispute
	received map[string]int64 // by payment intent
	// subscriptions are those that the sessions of the shop began, by session.
	subscriptions map[string]*subscriptionTruth
}

// charged is what the merchant got for a session, in minor units.
func (t truth) charged(s *stripe.CheckoutSession) int64 {
	if t.intentOf(s) == "" {
		return s.AmountTotal
	}
	return t.received[t.intentOf(s)]
}

// atRest checks what must hold once nothing goes wrong anymore and time has passed.
func (c *checker) atRest(t *testing.T) error {
	c.w.dirty.Store(true)
	if err := c.w.stepCheck(); err != nil {
		return err
	}
	all := c.askStripe(t)
	if err := c.lostAtRest(all); err != nil {
		return err
	}
	sold := map[string]int64{}
	for i := range c.w.orders {
		o := c.w.order(fmt.Sprintf("order-%d", i+1))
		if o == nil {
			continue
		}
		if !c.w.broken(o.ID) {
			if err := c.orderAtRest(o, all); err != nil {
				return err
			}
		}
		if counts := o.PaidAttempt(); counts != nil && counts.Hold.State == store.Sold {
			for _, l := range counts.Lines {
				sold[l.SKU] += l.Quantity
			}
			for _, missing := range o.Shortfall { // a person had the order fulfilled with what was there
				sold[missing.SKU] -= missing.Wanted - missing.Available
			}
		}
	}
	held := c.heldAtRest()
	for _, s := range c.w.stocks() {
		if s.Held != held[s.SKU] || s.Sold != sold[s.SKU] {
			return fmt.Errorf("at rest %d of %s are held and %d sold, and orders have %d and %d", s.Held, s.SKU, s.Sold, held[s.SKU], sold[s.SKU])
		}
	}
	return nil
}

// lostAtRest checks that every payment of the shop has an order.
func (c *checker) lostAtRest(all truth) error {
	for id, s := range all.sessions {
		order := s.Metadata["fulfil_order"]
		if isPaid(s) && order != "" && c.w.order(order) == nil && !c.w.broken(order) {
			return fmt.Errorf("session %s of %s is paid, and there is no such order", id, order)
		}
	}
	return nil
}

// heldAtRest is the stock that may be held at rest: that of orders for which nothing can be done, and of payments that are
// not for what was sold, until a person decides.
func (c *checker) heldAtRest() map[string]int64 {
	held := map[string]int64{}
	for _, h := range c.w.holds() {
		id, _, _ := strings.Cut(h.ID, "/")
		o := c.w.order(id)
		if counts := o.PaidAttempt(); !c.w.broken(id) && (counts == nil || counts.Agrees() || counts.Hold.ID != h.ID || !o.GivenUpAt.IsZero()) {
			continue
		}
		for _, l := range h.Lines {
			held[l.SKU] += l.Quantity
		}
	}
	return held
}

// askStripe fetches all that Stripe knows.
func (c *checker) askStripe(t *testing.T) truth {
	all := truth{
		map[string]*stripe.CheckoutSession{}, map[string]*stripe.Refund{}, map[string]*stripe.Dispute{}, map[string]int64{},
		map[string]*subscriptionTruth{},
	}
	c.askAccount(t, all, "")
	if c.w.trouble.account != "" {
		c.askAccount(t, all, c.w.trouble.account)
	}
	return all
}

func (c *checker) askAccount(t *testing.T, all truth, account string) {
	client, ctx := c.w.srv.Client(), context.Background()
	sessions, refunds := &stripe.CheckoutSessionListParams{}, &stripe.RefundListParams{}
	disputes, intents := &stripe.DisputeListParams{}, &stripe.PaymentIntentListParams{}
	for _, params := range []interface{ SetStripeAccount(string) }{sessions, refunds, disputes, intents} {
		setAccount(params, account)
	}
	for s, err := range client.V1CheckoutSessions.List(ctx, sessions) {
		require.NoError(t, err)
		all.sessions[s.ID] = s
		if s.Subscription != nil {
			all.subscriptions[s.ID] = c.askSubscription(t, account, s)
		}
	}
	for r, err := range client.V1Refunds.List(ctx, refunds) {
		require.NoError(t, err)
		all.refunds[r.ID] = r
	}
	for d, err := range client.V1Disputes.List(ctx, disputes) {
		require.NoError(t, err)
		all.disputes[d.ID] = d
	}
	for p, err := range client.V1PaymentIntents.List(ctx, intents) {
		require.NoError(t, err)
		all.received[p.ID] = p.AmountReceived
	}
}

func (c *checker) orderAtRest(o *store.Order, all truth) error {
	if !c.w.resting(o) {
		return fmt.Errorf("%s is still due at %v: %v", o.ID, o.DueAt, c.w.processes[0].Load().flow.Next(o))
	}
	if err := c.paymentsAtRest(o, all); err != nil {
		return err
	}
	if _, subscribes := c.w.signUps[o.ID]; !subscribes {
		if err := moneyBackAtRest(o, all); err != nil {
			return err
		}
	} else if err := c.subscriptionAtRest(o, all); err != nil {
		return err
	}
	if err := c.refundsAtRest(o, all); err != nil {
		return err
	}
	for _, n := range o.Notices {
		told := len(c.w.database().Scan(fmt.Sprintf("told/%s/%d/", o.ID, n.N)))
		if n.Kind != store.NoticeFulfil && told != 1 && c.w.callbacks == 0 {
			return fmt.Errorf("%s: the merchant was told %d times of %s", o.ID, told, n.Kind)
		}
	}
	return c.statusAtRest(o, all)
}

// paymentsAtRest checks that every payment is recorded, and led to goods or to a reason.
func (c *checker) paymentsAtRest(o *store.Order, all truth) error {
	leaks, counts := c.w.leaks, o.PaidAttempt()
	bounced := slices.ContainsFunc(o.Attempts, func(a store.Attempt) bool { return a.Failed && a.Paid }) // its invoice was paid by hand later
	several := leaks || bounced || c.w.trouble.recoveries || c.w.trouble.copies || c.w.losses.Load() > 0
	for id, s := range all.sessions {
		if s.ClientReferenceID != o.ID || s.Metadata["fulfil_order"] == "" {
			continue
		}
		paid := isPaid(s) || all.subscriptions[id].firstPaid()
		a := o.AttemptBySession(id)
		switch {
		case s.Status == stripe.CheckoutSessionStatusOpen:
			return fmt.Errorf("%s: a session is open after all this time", o.ID)
		case paid && c.w.foreign(id) && a == nil && len(o.Attempts) >= 10: // more payments with copied marks than an order records
		case paid && (a == nil || !a.Paid):
			return fmt.Errorf("%s: a payment is not recorded", o.ID)
		case a != nil && a.Paid && !paid:
			return fmt.Errorf("%s: attempt %d counts as paid and is not", o.ID, a.N)
		case a != nil && a.Hold.State == store.Held && (a != counts || counts.Agrees()):
			return fmt.Errorf("%s: attempt %d still holds stock", o.ID, a.N)
		case paid && !several && a.Duplicate:
			return fmt.Errorf("%s was paid twice", o.ID)
		case a != nil && a.Fingerprint != "" && s.Metadata["fulfil_attempt"] != fmt.Sprintf("%d-%s", a.N, a.Mark):
			return fmt.Errorf("%s: attempt %d has a session with the mark of another", o.ID, a.N)
		case paid && a == counts && !a.AcceptedAt.IsZero() && o.FulfilledAt.IsZero() && o.GivenUpAt.IsZero() && !o.GivenBack(a) &&
			!strings.HasPrefix(o.Parked, store.ParkedByCallback):
			return fmt.Errorf("%s: a person accepted the payment, and it is not fulfilled", o.ID)
		case paid && a == counts && !o.FulfilledAt.IsZero() && c.refundedBy(s, all) && (o.GivenBack(a) || a.RefundWanted != ""):
			// of what the shop gave back, a part may have come back, and a person have decided since
			return fmt.Errorf("%s was fulfilled, and the shop gave its payment back", o.ID)
		case paid && a.Mismatch == "" && c.w.foreign(id):
			return fmt.Errorf("%s: the payment of another application is taken for its own", o.ID)
		case paid && a.Mismatch != "" && !c.w.foreign(id) && c.w.losses.Load() == 0 && !(c.w.trouble.copies && leaks):
			return fmt.Errorf("%s: %s", o.ID, a.Mismatch)
		case paid && !o.Stuck() && (a != counts || o.FulfilledAt.IsZero()) && !o.GivenBack(a) && a.DismissedAt.IsZero():
			return fmt.Errorf("%s: the payment of attempt %d led to no goods, was not given back, and no person is told", o.ID, a.N)
		}
	}
	if !o.Paid() {
		return nil
	}
	refunded := o.Status() == store.Refunded
	// The stock of an attempt whose own session is not recorded is given back, and that of a debit that bounced before its invoice was paid.
	mayBeShort := leaks || counts.Failed || c.w.lost(counts.SessionID) || c.w.foreign(counts.SessionID)
	excused := refunded || o.Status() == store.Disputed || o.Parked != "" || !o.GivenUpAt.IsZero() || mayBeShort && len(o.Shortfall) > 0
	switch {
	case len(o.Shortfall) > 0 && !mayBeShort:
		return fmt.Errorf("%s is short of %v", o.ID, o.Shortfall)
	case o.FulfilledAt.IsZero() && !excused:
		return fmt.Errorf("%s is paid and was not fulfilled", o.ID)
	case counts.Failed && o.GivenBack(counts): // given back before it was heard of, it takes no stock again
	case counts.Agrees() && counts.Hold.ID != "" && counts.Hold.State != store.Sold && len(counts.Lines) > 0 && len(o.Shortfall) == 0 && o.GivenUpAt.IsZero() && !leaks:
		return fmt.Errorf("%s is paid and its stock is %q", o.ID, counts.Hold.State)
	}
	return nil
}

// refundedBy reports whether the shop gave the payment of a session back by itself, and the refund did not fail.
func (c *checker) refundedBy(s *stripe.CheckoutSession, all truth) bool {
	r := all.refunds[c.w.refunds[all.intentOf(s)]]
	return r != nil && r.Status != stripe.RefundStatusFailed && r.Status != stripe.RefundStatusCanceled
}

// statusAtRest checks the status against what follows from Stripe's objects.
func (c *checker) statusAtRest(o *store.Order, all truth) error {
	var paid *stripe.CheckoutSession
	var failed bool
	for id, s := range all.sessions {
		a := o.AttemptBySession(id)
		if a == nil {
			continue
		}
		if counts := o.PaidAttempt(); counts == a {
			paid = s
		}
		failed = failed || s.Status == stripe.CheckoutSessionStatusComplete && s.PaymentStatus == stripe.CheckoutSessionPaymentStatusUnpaid
	}
	var want []store.Status
	switch {
	case paid != nil:
		want = []store.Status{paidStatus(paid, all)}
	case o.Paid():
		return fmt.Errorf("%s counts as paid by a session that Stripe does not know", o.ID)
	case !o.CancelRequestedAt.IsZero():
		want = []store.Status{store.Canceled}
	case failed:
		want = []store.Status{store.Failed}
	default: // the end of a session that was never recorded may be heard of or not
		want = []store.Status{store.Expired, store.Draft}
		for _, s := range c.w.sessions {
			if s.order == o.ID && s.handed && !s.lost && !s.recovered {
				want = want[:1]
			}
		}
	}
	if !slices.Contains(want, o.Status()) {
		return fmt.Errorf("%s is %s, and by what Stripe knows it is %v", o.ID, o.Status(), want)
	}
	if shown := checkout.Display(o); shown == checkout.Fulfilled && o.Status() != store.Paid {
		return fmt.Errorf("%s is shown as fulfilled and is %s", o.ID, o.Status())
	}
	return nil
}
