package simtest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// plans are the prices that a subscription changes to, by interval.
var plans = map[string]checkouttest.Price{
	"month": {ID: "price_month", Product: "prod_large", Name: "Large tea club", Currency: "usd", UnitAmount: 1500, Interval: "month"},
	"week":  {ID: "price_week", Product: "prod_weekly", Name: "Weekly tea club", Currency: "usd", UnitAmount: 400, Interval: "week"},
}

// offerPlans adds the prices to the account that subscriptions change to.
func (w *world) offerPlans() {
	for _, interval := range []string{"month", "week"} {
		if w.subscribing() {
			w.srv.AddPrice(plans[interval])
		}
	}
}

// subscriptionOp does what happens to subscriptions. It reports false for what happens to other orders.
func (w *world) subscriptionOp(ctx context.Context, o op) bool {
	if o.kind == opMonths {
		w.passMonths(ctx, o)
		return true
	}
	if _, ok := w.signUps[o.order]; !ok {
		return false
	}
	change := map[opKind]func(ctx context.Context, s *simSession, o op) error{
		opMethod: w.replaceMethod, opPlan: w.changePlan, opEnding: w.endSubscription, opCollect: w.pauseCollection,
		opInvoice: w.payInvoice, opTrial: w.endTrial, opRefund: w.refundInvoice, opDispute: w.disputeInvoice,
		opAgain: w.hearAgain,
	}[o.kind]
	if change == nil {
		return false
	}
	s := w.payable(o.order, o.n)
	if s == nil || w.subscriptionOf(s) == "" {
		return true
	}
	err := change(ctx, s, o)
	w.say(ctx, "%v: %v", s, err)
	if err == nil {
		w.met("subscription: " + string(o.kind))
	}
	w.srv.Flush()
	return true
}

const (
	// sweptEvery is the time between two sweeps while months pass.
	sweptEvery = 60 * time.Hour
	// wellEvery is the number of sweeps after which Stripe answers everything for some hours. A shop that really sweeps every minute
	// has such hours often, and what it can't read for a month is beyond what Stripe lists.
	wellEvery = 4
)

// passMonths lets time pass, with sweeps. Broken rows are mended on the way, for the same reason.
func (w *world) passMonths(ctx context.Context, o op) {
	defer w.advancing.Store(false)
	sweep := func() {
		for i := range w.orders {
			w.mendRow(ctx, fmt.Sprintf("order-%d", i+1))
		}
		p := w.processes[o.proc].Load() // another, if the one before died
		_, err := p.flow.Sweep(ctx)
		w.answered(ctx, "sweep", err)
	}
	for left, n := o.d, 1; left > 0 && ctx.Err() == nil; left, n = left-sweptEvery, n+1 {
		w.sched.wait(actorOf(ctx).name, "time passes")
		w.srv.Advance(min(left, sweptEvery))
		if n%wellEvery == 0 {
			w.srv.Faults()
			for range 4 {
				sweep()
				w.srv.Advance(time.Hour)
			}
			if !w.healed.Load() {
				w.srv.Faults(w.stripeFaults()...)
			}
		}
		sweep()
	}
}

// subscriptionOf is the ID of the subscription that a session began, by its events; empty: it began none.
func (w *world) subscriptionOf(s *simSession) string {
	for _, e := range w.srv.Events() {
		if e.Type == "customer.subscription.created" && e.SessionID == s.id {
			return e.ObjectID
		}
	}
	return ""
}

// replaceMethod has the customer pay with something else from now on, which works or not.
func (w *world) replaceMethod(_ context.Context, s *simSession, o op) error {
	method := [...]checkouttest.PaymentMethod{
		checkouttest.CardDeclined, checkouttest.CardDeclined, checkouttest.CardAlways3DS, checkouttest.CardOK, checkouttest.CardOK,
		checkouttest.CardRefundPending, checkouttest.CardRefundFails,
	}[o.dice%7]
	return w.srv.ReplaceMethod(w.subscriptionOf(s), method)
}

// retrieveSubscription fetches the subscription of a session.
func (w *world) retrieveSubscription(ctx context.Context, s *simSession) (*stripe.Subscription, error) {
	params := &stripe.SubscriptionRetrieveParams{Expand: stripe.StringSlice([]string{"latest_invoice"})}
	setAccount(params, w.account(s.order))
	sub, err := w.srv.Client().V1Subscriptions.Retrieve(context.Background(), w.subscriptionOf(s), params)
	w.sched.wait(actorOf(ctx).name, "change the subscription") // a replay takes turns where one actor does several things at Stripe
	return sub, err
}

// updateSubscription changes the subscription of a session by a person at the dashboard, or by the customer in the portal.
func (w *world) updateSubscription(s *simSession, params *stripe.SubscriptionUpdateParams) error {
	setAccount(params, w.account(s.order))
	_, err := w.srv.Client().V1Subscriptions.Update(context.Background(), w.subscriptionOf(s), params)
	return err
}

// changePlan changes the price or the quantity of a subscription.
func (w *world) changePlan(ctx context.Context, s *simSession, o op) error {
	sub, err := w.retrieveSubscription(ctx, s)
	if err != nil {
		return err // the faults of Stripe hit others, too
	}
	item := &stripe.SubscriptionUpdateItemParams{ID: &sub.Items.Data[0].ID}
	if o.dice%2 == 0 {
		item.Quantity = stripe.Int64(int64(1 + o.dice/2%3))
	} else {
		item.Price = stripe.String(plans[string(sub.Items.Data[0].Price.Recurring.Interval)].ID)
		if o.dice%16 == 1 {
			item.Price = stripe.String(plans["month"].ID) // may be another interval
		}
	}
	return w.updateSubscription(s, &stripe.SubscriptionUpdateParams{
		Items:             []*stripe.SubscriptionUpdateItemParams{item},
		ProrationBehavior: stripe.String([...]string{"create_prorations", "always_invoice", "none"}[o.dice/8%3]),
	})
}

// endSubscription ends a subscription at once, with its period or at a time, or withdraws that.
func (w *world) endSubscription(ctx context.Context, s *simSession, o op) error {
	params := &stripe.SubscriptionUpdateParams{}
	switch o.dice % 8 {
	case 0:
		cancel := &stripe.SubscriptionCancelParams{}
		setAccount(cancel, w.account(s.order))
		_, err := w.srv.Client().V1Subscriptions.Cancel(context.Background(), w.subscriptionOf(s), cancel)
		return err
	case 1:
		params.CancelAt = stripe.Int64(w.srv.Now().Add(5 * day).Unix())
	case 2, 3:
		params.CancelAtPeriodEnd = stripe.Bool(false)
	case 4: // and changes their mind a moment later
		params.CancelAtPeriodEnd = stripe.Bool(true)
		if err := w.updateSubscription(s, params); err != nil {
			return err
		}
		w.sched.wait(actorOf(ctx).name, "withdraw the end")
		params = &stripe.SubscriptionUpdateParams{CancelAtPeriodEnd: stripe.Bool(false)}
	default:
		params.CancelAtPeriodEnd = stripe.Bool(true)
	}
	return w.updateSubscription(s, params)
}

// pauseCollection has payments not be collected for a time, or collected again, has invoices sent instead of charged, and has a paused
// subscription go on.
func (w *world) pauseCollection(ctx context.Context, s *simSession, o op) error {
	params := &stripe.SubscriptionUpdateParams{}
	switch o.dice % 8 {
	case 0, 1, 2:
		params.PauseCollection = &stripe.SubscriptionUpdatePauseCollectionParams{
			Behavior: stripe.String([...]string{"keep_as_draft", "mark_uncollectible", "void"}[o.dice%3]),
		}
	case 3, 4:
		params.PauseCollection = &stripe.SubscriptionUpdatePauseCollectionParams{
			Behavior: stripe.String([...]string{"keep_as_draft", "mark_uncollectible", "void"}[o.dice%3]), ResumesAt: stripe.Int64(w.srv.Now().Add(20 * day).Unix()),
		}
	case 5:
		if o.dice/8%2 == 0 {
			params.CollectionMethod, params.DaysUntilDue = stripe.String("send_invoice"), stripe.Int64(int64(o.dice/16%30))
		} else {
			params.CollectionMethod = stripe.String("charge_automatically")
			params.AddExtra("pause_collection", "")
		}
	default:
		if err := w.srv.ReplaceMethod(w.subscriptionOf(s), checkouttest.CardOK); err != nil {
			return err
		}
		w.sched.wait(actorOf(ctx).name, "resume")
		resume := &stripe.SubscriptionResumeParams{}
		setAccount(resume, w.account(s.order))
		_, err := w.srv.Client().V1Subscriptions.Resume(context.Background(), w.subscriptionOf(s), resume)
		return err
	}
	return w.updateSubscription(s, params)
}

// payInvoice pays an invoice that is not paid, by a card or by the authentication that the bank asked for.
func (w *world) payInvoice(ctx context.Context, s *simSession, o op) error {
	if o.dice%3 == 0 {
		return w.srv.Authenticate(w.subscriptionOf(s))
	}
	unpaid := w.invoices(s, func(i invoiceTruth) bool { return i.Status != "paid" && i.Status != "void" })
	if len(unpaid) == 0 {
		return checkouttest.ErrNotPending
	}
	params := &stripe.InvoicePayParams{}
	if o.dice%3 == 1 {
		if err := w.srv.ReplaceMethod(w.subscriptionOf(s), checkouttest.CardOK); err != nil {
			return err
		}
		w.sched.wait(actorOf(ctx).name, "pay an invoice")
	}
	setAccount(params, w.account(s.order))
	_, err := w.srv.Client().V1Invoices.Pay(context.Background(), unpaid[o.dice/3%uint64(len(unpaid))].ID, params)
	return err
}

// endTrial ends a trial at once, or lets it go on for longer.
func (w *world) endTrial(_ context.Context, s *simSession, o op) error {
	params := &stripe.SubscriptionUpdateParams{}
	if o.dice%2 == 0 {
		params.AddExtra("trial_end", "now")
	} else {
		params.TrialEnd = stripe.Int64(w.srv.Now().Add(10 * day).Unix())
	}
	return w.updateSubscription(s, params)
}

// refundInvoice refunds a payment of a subscription: often the first or the latest, in whole or in part.
func (w *world) refundInvoice(_ context.Context, s *simSession, o op) error {
	paid := w.invoices(s, func(i invoiceTruth) bool { return i.Status == "paid" && i.AmountPaid > 0 })
	if len(paid) == 0 {
		return checkouttest.ErrNotPaid
	}
	n := [...]int{0, len(paid) - 1, int(o.dice / 16 % uint64(len(paid)))}[o.dice/4%3]
	intent := w.intentOfInvoice(paid[n].ID)
	params := &stripe.RefundCreateParams{PaymentIntent: stripe.String(intent)}
	setAccount(params, w.account(s.order))
	if o.dice%4 == 0 {
		params.Amount = stripe.Int64(300)
	}
	before := len(w.srv.Events())
	_, err := w.srv.Client().V1Refunds.Create(context.Background(), params)
	if err == nil && o.dice%4 != 0 && paid[n].Reason == "subscription_create" {
		w.gaveBack(s, before)
	}
	return err
}

// disputeInvoice has the customer dispute the latest payment of a subscription.
func (w *world) disputeInvoice(_ context.Context, s *simSession, _ op) error {
	paid := w.invoices(s, func(i invoiceTruth) bool { return i.Status == "paid" && i.AmountPaid > 0 })
	before := len(w.srv.Events())
	_, err := w.srv.Dispute(s.id)
	if err == nil && len(paid) == 1 && paid[0].Reason == "subscription_create" {
		w.gaveBack(s, before)
	}
	return err
}

// hearAgain has an event of a subscription delivered once more.
func (w *world) hearAgain(_ context.Context, s *simSession, o op) error {
	var events []string
	for _, e := range w.srv.Events() {
		if _, ok := subscriptionIn(e); ok && e.SessionID == s.id {
			events = append(events, e.ID)
		}
	}
	return w.srv.Redeliver(events[o.dice%uint64(len(events))])
}

// invoices returns the invoices of a session's subscription that match, as they are now, the oldest first.
func (w *world) invoices(s *simSession, matches func(invoiceTruth) bool) []invoiceTruth {
	now := map[string]invoiceTruth{}
	var ids []string
	for _, e := range w.srv.Events() {
		if e.SessionID != s.id {
			continue
		}
		if i, ok := invoiceIn(e); ok {
			if _, known := now[i.ID]; !known {
				ids = append(ids, i.ID)
			}
			now[i.ID] = i
		}
	}
	var all []invoiceTruth
	for _, id := range ids {
		if matches(now[id]) {
			all = append(all, now[id])
		}
	}
	return all
}

// intentOfInvoice is the payment intent with which an invoice was paid, by its events; empty: there was none.
func (w *world) intentOfInvoice(id string) string {
	events := w.srv.Events()
	for _, e := range slices.Backward(events) {
		if p, ok := invoicePaymentIn(e); ok && p.Invoice == id {
			return p.Payment.PaymentIntent
		}
	}
	return ""
}
