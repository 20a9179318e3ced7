package simtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

// checker holds a world to the invariants.
type checker struct {
	w      *world
	events int // of Stripe, looked at so far
	kept   map[string]any
	orders map[string]*store.Order
	// timelines are those of subscriptions.
	timelines timelines
}

func newChecker(w *world) *checker {
	return &checker{
		w: w, kept: map[string]any{}, orders: map[string]*store.Order{},
		timelines: timelines{states: map[string][]store.Subscription{}, known: map[string]int{}},
	}
}

// lookAgain takes the orders as they are now, as the database forgot what was recorded since.
func (c *checker) lookAgain() {
	for i := range c.w.orders {
		id := fmt.Sprintf("order-%d", i+1)
		c.kept[id], _ = c.w.database().Get("fulfil_order/" + id)
		c.orders[id] = c.w.order(id)
	}
}

// step checks what must hold at any moment.
func (c *checker) step() error {
	c.hear()
	for _, s := range c.w.stocks() {
		if s.Available() < 0 || s.Held < 0 || s.Sold < 0 || s.Available()+s.Held+s.Sold != simStock[s.SKU] {
			return fmt.Errorf("stock of %s: %d available, %d held, %d sold, and there were %d", s.SKU, s.Available(), s.Held, s.Sold, simStock[s.SKU])
		}
	}
	for i := range c.w.orders {
		if err := c.order(fmt.Sprintf("order-%d", i+1)); err != nil {
			return err
		}
	}
	return c.payable()
}

// hear brings what is known of the sessions up to date.
func (c *checker) hear() {
	events := c.w.srv.Events()
	for _, e := range events[c.events:] {
		for _, s := range c.w.sessions {
			if s.id != e.SessionID {
				continue
			}
			c.hearSubscription(s, e)
			if s.debit != "" && e.ObjectID != s.debit && strings.HasPrefix(e.Type, "payment_intent.") {
				continue // of another invoice of the subscription, while the first debit is on its way
			}
			switch e.Type {
			case "payment_intent.processing":
				s.debit = cmp.Or(s.debit, e.ObjectID)
			case "payment_intent.amount_capturable_updated":
				s.authorized = true
			case "payment_intent.succeeded":
				s.paid, s.paying, s.authorized = true, false, false
			case "payment_intent.canceled":
				s.paying, s.authorized = false, false
			case "checkout.session.completed":
				s.ended, s.paying = true, !s.paid
			case "checkout.session.async_payment_failed":
				s.paying = false
			case "checkout.session.expired":
				s.ended = true
			}
			if cameBack(e.Type) {
				s.givenBack = time.Time{}
			}
		}
	}
	c.events = len(events)
}

// order checks one order, if it has changed.
func (c *checker) order(id string) error {
	kept, ok := c.w.database().Get("fulfil_order/" + id)
	if !ok || kept == c.kept[id] {
		return nil
	}
	before, o := c.orders[id], c.w.order(id)
	c.kept[id], c.orders[id] = kept, o
	shipments := len(c.w.database().Scan("shipment/" + id + "/"))
	paid := false
	for _, s := range c.w.sessions {
		paid = paid || s.order == id && s.paid && !s.elsewhere
		if s.elsewhere && o.AttemptBySession(s.id) != nil {
			return fmt.Errorf("%v is on another account and is recorded", s)
		}
	}
	if err := strays(o); err != nil {
		return err
	}
	if err := toldOnce(o); err != nil {
		return err
	}
	if tries := o.Delivery.Tries + o.ChangeDelivery.Tries; tries > c.w.failures[id] {
		return fmt.Errorf("%s: %d tries of callbacks count as failed, and %d failed", id, tries, c.w.failures[id])
	}
	switch {
	case shipments > 1:
		return fmt.Errorf("%s was shipped %d times", id, shipments)
	case shipments == 1 && !paid:
		return fmt.Errorf("%s was shipped and is not paid", id)
	case o.Paid() && !paid:
		return fmt.Errorf("%s counts as paid and is not", id)
	case (shipments == 1) != !o.FulfilledAt.IsZero():
		return fmt.Errorf("%s has %d shipments and was fulfilled at %v", id, shipments, o.FulfilledAt)
	}
	shipped := !o.FulfilledAt.IsZero() && (before == nil || before.FulfilledAt.IsZero())
	if shipped && !c.w.healed.Load() && givenBack(o) {
		return fmt.Errorf("%s was shipped after its money was given back", id)
	}
	if shipped && !c.w.healed.Load() && c.w.longGivenBack(o.PaidAttempt().SessionID, id) {
		return fmt.Errorf("%s was shipped long after its money was given back", id)
	}
	if shipped && !c.w.healed.Load() && o.Status() != store.Paid && o.Status() != store.PartiallyRefunded {
		return fmt.Errorf("%s was shipped and is %s", id, o.Status())
	}
	if counts := o.PaidAttempt(); shipped && c.w.foreign(counts.SessionID) && counts.AcceptedAt.IsZero() {
		return fmt.Errorf("%s was shipped for the payment of another application", id)
	}
	if shipped && !o.GivenUpAt.IsZero() {
		return fmt.Errorf("%s was shipped after it was given up", id)
	}
	if !o.ErasedAt.IsZero() && len(o.Attempts) == o.ErasedAttempts && (o.Customer.Email != "" || o.Customer.Name != "" || len(o.Session) > 0) {
		return fmt.Errorf("%s was erased, and its customer is %+v", id, o.Customer)
	}
	for _, n := range o.Notices {
		told := len(c.w.database().Scan(fmt.Sprintf("told/%s/%d/", id, n.N)))
		if told > 1 || told == 1 && n.DeliveredAt.IsZero() {
			return fmt.Errorf("%s: the merchant was told %d times of %s", id, told, n.Kind)
		}
	}
	for _, a := range o.Attempts {
		if a.Hold.State == store.Held && a.Increase.State == store.Held {
			return fmt.Errorf("%s: attempt %d holds its stock, and the increase of it once more", id, a.N)
		}
	}
	if err := c.subscriptions(before, o); err != nil {
		return err
	}
	return grown(before, o)
}

// strays checks the payments that were recorded with an order and not begun for it: there are few of them, and the shop does
// not give them back by itself.
func strays(o *store.Order) error {
	n := 0
	for _, a := range o.Attempts {
		if !stray(&a) {
			continue
		}
		n++
		if a.RefundWanted != "" {
			return fmt.Errorf("%s: the payment of attempt %d is not the shop's, and is to be given back", o.ID, a.N)
		}
	}
	if n > 10 {
		return fmt.Errorf("%s has %d payments that were not begun for it", o.ID, n)
	}
	return nil
}

// stray reports whether an attempt stands for a session that was not begun for the order. One that was has a quote.
func stray(a *store.Attempt) bool { return a.Mismatch != "" && a.Fingerprint == "" && a.Quote == nil }

// toldOnce checks that no change is told twice of an attempt. A refund or a dispute can come back to a state.
func toldOnce(o *store.Order) error {
	for i, n := range o.Notices {
		switch checkout.ChangeKind(n.Kind) {
		case checkout.ChangeRefunded, checkout.ChangeRefundFailed, checkout.ChangeDisputed, checkout.ChangeDisputeWon, checkout.ChangeDisputeLost:
			continue
		case checkout.ChangeRenewed, checkout.ChangePaymentFailed, checkout.ChangePlanChanged, checkout.ChangeCancellationScheduled,
			checkout.ChangeCancellationWithdrawn, checkout.ChangeTrialEnding, checkout.ChangeSubscriptionStatus:
			continue // see subscriptions
		}
		for _, other := range o.Notices[:i] {
			if other.Kind == n.Kind && other.Attempt == n.Attempt {
				return fmt.Errorf("%s: %s of attempt %d is told twice", o.ID, n.Kind, n.Attempt)
			}
		}
	}
	return nil
}

// givenBack reports whether by the ledgers the whole payment that counts was or is being refunded, or is disputed.
func givenBack(o *store.Order) bool {
	counts, refunded := o.PaidAttempt(), int64(0)
	for _, r := range o.Refunds {
		if r.Attempt == counts.N && r.Invoice == "" && r.State != store.RefundFailed && r.State != store.RefundCanceled {
			refunded += r.Amount
		}
	}
	disputed := slices.ContainsFunc(o.Disputes, func(d store.Dispute) bool {
		return d.Attempt == counts.N && d.Invoice == "" && d.State != store.DisputeWon
	})
	return disputed || refunded > 0 && refunded >= counts.Amount
}

// grown checks that facts only grow.
func grown(before, o *store.Order) error {
	if before == nil {
		return nil
	}
	if before.Paid() && !o.Paid() || !before.FulfilledAt.IsZero() && o.FulfilledAt.IsZero() || len(before.Refunds) > len(o.Refunds) {
		return fmt.Errorf("%s forgot what was known", o.ID)
	}
	for i := range before.Attempts {
		a, b := &before.Attempts[i], &o.Attempts[i]
		if a.Completed && !b.Completed || a.Paid && !b.Paid || a.Failed && !b.Failed || a.Expired && !b.Expired || a.SessionID != "" && a.SessionID != b.SessionID {
			return fmt.Errorf("%s forgot a fact of attempt %d", o.ID, a.N)
		}
		if final := a.Hold.State == store.Sold; final && b.Hold.State != store.Sold {
			return fmt.Errorf("%s: sold stock of attempt %d is %s", o.ID, a.N, b.Hold.State)
		}
	}
	return nil
}

// payable checks the sessions that customers were sent to: at most one per order can be paid, and its stock is held, as is
// that of a session whose money is on its way.
func (c *checker) payable() error {
	open := map[string]*simSession{}
	for _, s := range c.w.sessions {
		if !s.handed || s.ended && !s.paying || s.lost || s.recovered || c.w.broken(s.order) {
			continue
		}
		o := c.orders[s.order]
		if o == nil {
			return fmt.Errorf("%v can be paid, and there is no such order", s)
		}
		if !s.ended {
			if other := open[s.order]; other != nil {
				return fmt.Errorf("%v and %v can both be paid", other, s)
			}
			open[s.order] = s
		}
		a := o.AttemptBySession(s.id)
		switch {
		case a == nil:
			return fmt.Errorf("%v can be paid and is not recorded", s)
		case o.Paid() || c.w.leaks:
		case !a.Open() && !a.Processing():
			return fmt.Errorf("%v can be paid or is being paid, and the shop takes it as over", s)
		case c.w.losses.Load() > 0 && a.Replaces != 0 && o.Attempt(a.Replaces).Hold.State == store.Held: // it still has the stock
		case a.Hold.ID != "" && a.Hold.State != store.Held:
			return fmt.Errorf("%v can be paid or is being paid, and its stock is %q", s, a.Hold.State)
		}
	}
	return nil
}
