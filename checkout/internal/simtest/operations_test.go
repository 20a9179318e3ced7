package simtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// start has somebody do o, on a goroutine of their own.
func (w *world) start(t *testing.T, o op) {
	a := actor{name: w.actorName(o.String()), threaded: o.sweeps()}
	ctx, cancel := context.WithCancel(w.sched.acting(context.Background(), a))
	w.mu.Lock()
	w.callers[a.name] = cancel
	w.mu.Unlock()
	w.running.Add(1)
	if o.passesTime() {
		w.advancing.Store(true)
	}
	w.note("%s starts", a.name)
	go func() {
		defer w.running.Add(-1)
		defer w.sched.leads(a)()
		defer func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			cancel()
			delete(w.callers, a.name)
		}()
		w.perform(t, ctx, o)
		w.dirty.Store(true)
	}()
}

func (w *world) perform(t *testing.T, ctx context.Context, o op) {
	if w.subscribing() && w.subscriptionOp(ctx, o) {
		return
	}
	p := w.processes[o.proc].Load()
	switch o.kind {
	case opBegin:
		w.begin(ctx, p, o)
	case opCancel:
		err := p.flow.Cancel(ctx, o.order)
		w.answered(ctx, "cancel", err)
	case opSweep:
		_, err := p.flow.Sweep(ctx)
		w.answered(ctx, "sweep", err)
	case opStatus:
		if s := w.payable(o.order, o.n); s != nil {
			_, err := p.flow.Settle(ctx, s.id)
			w.answered(ctx, "status", err)
		}
	case opResolve:
		how := [...]checkout.Resolution{checkout.Retry, checkout.FulfilAnyway, checkout.GiveUp}[o.dice%3]
		w.resolving(o.order, how)
		w.answered(ctx, string(how), p.flow.Resolve(ctx, o.order, how))
	case opErase:
		w.answered(ctx, "erase", p.flow.Erase(ctx, o.order))
	case opForge:
		w.forge(ctx, p, o)
	case opSkew:
		p.skew.Store(int64(w.apartOf(p.name) + [...]time.Duration{0, -40 * time.Second, 40 * time.Second, 10 * time.Minute}[o.dice%4]))
		w.met("clock jumps")
	default:
		w.outside(t, ctx, o)
	}
}

// outside does what happens at Stripe, and not in the shop.
func (w *world) outside(t *testing.T, ctx context.Context, o op) {
	switch o.kind {
	case opAdvance:
		w.srv.Advance(o.d)
		w.say(ctx, "%v later", o.d)
		w.advancing.Store(false)
		return
	case opFlush:
		w.srv.Flush()
		return
	case opReceiver:
		if o.dice%2 == 0 && !w.heard() {
			w.srv.Deliver(nil)
			if w.mute.IsZero() {
				w.mute = w.srv.Now()
			}
			w.met("no receiver")
		} else if w.muteFor() >= noticedAfter {
			w.receive()
		}
		return
	case opRedeliver:
		events := w.srv.Events()
		if w.payloads == checkouttest.Thin {
			events = w.srv.ThinEvents()
		}
		if len(events) > 0 {
			_ = w.srv.Redeliver(events[o.dice%uint64(len(events))].ID)
		}
		return
	case opStranger:
		w.stranger(ctx, o)
		return
	case opCopy:
		w.copyMarks(ctx, o)
		return
	case opRecover:
		w.recover(ctx, o)
		return
	case opBackup:
		w.backUp(ctx)
		return
	case opRestore:
		w.restore(ctx)
		return
	case opBreak:
		w.breakRow(ctx, o)
		return
	case opMend:
		w.mendRow(ctx, o.order)
		return
	case opTake:
		w.take(ctx, o.order)
		return
	case opJam:
		if o.dice == 1 {
			w.endJam()
		} else if !w.calm { // time may pass before the jam ends
			w.jam.begin()
		}
		return
	}
	s := w.payable(o.order, o.n)
	if s == nil {
		return
	}
	before := len(w.srv.Events())
	var err error
	switch o.kind {
	case opPay:
		card := checkouttest.CardOK
		switch o.dice % 8 {
		case 0, 1, 2:
			card = checkouttest.CardRefundPending
		case 3:
			card = checkouttest.CardRefundFails // its refunds leave the state succeeded after a day
		}
		err = w.srv.Pay(s.id, card)
	case opDecline:
		err = w.srv.Pay(s.id, checkouttest.CardDeclined)
	case opDebit:
		err = w.srv.Pay(s.id, checkouttest.BankDebit)
	case opBank:
		if o.dice%2 == 0 {
			err = w.srv.Settle(s.id)
		} else {
			err = w.srv.Bounce(s.id)
		}
	case opRefund:
		_, err = w.srv.Refund(s.id, [...]int64{0, 500, 700}[o.dice%3])
		if err == nil && o.dice%3 == 0 {
			w.gaveBack(s, before)
		}
	case opRefundFail:
		err = w.endRefund(s, o.dice)
	case opDispute:
		if _, err = w.srv.Dispute(s.id); err == nil {
			w.gaveBack(s, before)
		}
	case opVerdict:
		err = w.endDispute(s, o.dice)
	case opCapture:
		err = w.capture(s, o.dice)
	}
	w.say(ctx, "%v: %v", s, err)
}

// begin has the customer of an order check out, and give up waiting if they go away.
func (w *world) begin(ctx context.Context, p *simProcess, o op) {
	before, losses := w.order(o.order), w.losses.Load()
	started, err := p.flow.Begin(ctx, w.cart(o))
	if err == nil && losses == w.losses.Load() && replaced(before, started.Attempt) {
		w.fail("%s#%d was to be replaced, and a customer is sent to it", o.order, started.Attempt)
	}
	if kept := w.order(o.order); err == nil && losses == w.losses.Load() && (kept == nil || kept.AttemptBySession(started.SessionID) == nil) {
		w.fail("%s#%d is handed out and not recorded", o.order, started.Attempt)
	}
	if lost := w.conflict(ctx); lost != nil && err == nil {
		w.fail("%v was paid before the database lost it, and %s is sold again", lost, o.order)
	}
	if stopped := p.step(ctx, "answer"); stopped != nil {
		w.say(ctx, "begin: %v, and no answer", err)
		return
	}
	w.answered(ctx, "begin", err)
	var short *reservation.ShortageError
	if errors.As(err, &short) && !strings.HasPrefix(short.Hold, o.order+"/") {
		w.fail("%s was refused as %s was: %v", o.order, short.Hold, err)
	}
	if err != nil {
		return
	}
	if started.OrderID != o.order {
		w.fail("the customer of %s is sent to the session of %s", o.order, started.OrderID)
	}
	s := w.session(started.SessionID, started.OrderID, fmt.Sprint(started.Attempt))
	w.mu.Lock()
	s.handed = true
	w.mu.Unlock()
	w.say(ctx, "sent to %v", s)
}

// replaced reports whether an attempt of an order was to replace attempt n, whose session may have been ended for that.
func replaced(o *store.Order, n int) bool {
	return o != nil && slices.ContainsFunc(o.Attempts, func(a store.Attempt) bool { return a.Replaces == n })
}

// expected are the errors that a caller may get.
var expected = []error{
	errDead, context.Canceled, store.ErrNotFound, checkout.ErrAlreadyPaid, checkout.ErrProcessing, checkout.ErrCanceled,
	checkout.ErrSuperseded, checkout.ErrStillOpen, checkout.ErrBusy, checkout.ErrBackoff, checkout.ErrNotPaid,
	checkout.ErrNotFound, checkout.ErrGivenBack, checkout.ErrFulfilled, errCallback, errCommit, context.DeadlineExceeded,
	checkout.ErrUnknownOrder, errUnreadable, errEnded, errFailover,
}

// answered notes what a call of the Flow came to, and fails if that is nothing a caller should see.
func (w *world) answered(ctx context.Context, what string, err error) {
	w.say(ctx, "%s: %v", what, err)
	var short *reservation.ShortageError
	var panicked *webhook.PanicError
	var refused *stripe.Error
	known := err == nil || errors.As(err, &short) || errors.As(err, &panicked) || errors.As(err, &refused) ||
		slices.ContainsFunc(expected, func(e error) bool { return errors.Is(err, e) })
	if !known && !isReset(err) {
		w.fail("%s: %s returned %v", actorOf(ctx).name, what, err)
	}
}

// resolving counts in which state an order is that a person decides about.
func (w *world) resolving(order string, how checkout.Resolution) {
	state := "missing"
	if o := w.order(order); o != nil {
		state = string(checkout.Display(o))
		if o.Stuck() {
			state += ", stuck"
		}
	}
	w.met(string(how) + " an order that is " + state)
}

// stranger has another application on the account sell something under the ID of an order of the shop.
func (w *world) stranger(ctx context.Context, o op) {
	params := &stripe.CheckoutSessionCreateParams{
		Mode: stripe.String("payment"), ClientReferenceID: stripe.String(o.order), SuccessURL: stripe.String("https://other.example/"),
		LineItems: []*stripe.CheckoutSessionCreateLineItemParams{{
			Quantity: stripe.Int64(1),
			PriceData: &stripe.CheckoutSessionCreateLineItemPriceDataParams{
				Currency: stripe.String("usd"), UnitAmount: stripe.Int64(199),
				ProductData: &stripe.CheckoutSessionCreateLineItemPriceDataProductDataParams{Name: stripe.String("Sticker")},
			},
		}},
	}
	session, err := w.srv.Client().V1CheckoutSessions.Create(context.Background(), params)
	if err == nil {
		err = w.srv.Pay(session.ID, checkouttest.CardOK)
	}
	w.say(ctx, "a stranger pays for something else: %v", err)
	if err == nil {
		w.met("foreign session")
	}
}

const (
	// refundEnds and disputeEnds are the longest times after which a refund fails and a dispute is decided. A shop without a receiver
	// for events looks at them for some days longer.
	refundEnds  = 30 * 24 * time.Hour
	disputeEnds = 90 * 24 * time.Hour
)

// endRefund lets a refund of a session that can still end do so, mostly by failing.
func (w *world) endRefund(s *simSession, dice uint64) error {
	return w.endObject(s, "refund.created", refundEnds, func(id string) error {
		if dice%3 == 0 {
			return w.srv.SettleRefund(id)
		}
		return w.srv.FailRefund(id)
	})
}

func (w *world) endDispute(s *simSession, dice uint64) error {
	return w.endObject(s, "charge.dispute.created", disputeEnds, func(id string) error {
		if dice%2 == 0 {
			return w.srv.WinDispute(id)
		}
		return w.srv.LoseDispute(id)
	})
}

// endObject ends the first object of a session that an event of a type told of, within a time before, and that has not ended.
func (w *world) endObject(s *simSession, eventType string, within time.Duration, end func(id string) error) error {
	for _, e := range w.srv.Events() {
		if e.Type == eventType && e.SessionID == s.id && w.srv.Now().Sub(e.Created) <= within {
			if err := end(e.ObjectID); !errors.Is(err, checkouttest.ErrNotPending) {
				return err
			}
		}
	}
	return checkouttest.ErrNotPending
}

// noticedAfter is how long the shop must be without a receiver for events before it notices: see docs/design.md. What happens to a
// subscription in a shorter time is found at the end of its period.
const noticedAfter = time.Hour + 10*time.Minute

// muteFor is how long there has been no receiver; very long if there is one.
func (w *world) muteFor() time.Duration {
	if w.mute.IsZero() {
		return 1000 * time.Hour
	}
	return w.srv.Now().Sub(w.mute)
}

// receive has Stripe deliver events to the shop.
func (w *world) receive() {
	w.srv.Deliver(hookRouter{w}, w.payloads)
	w.mute = time.Time{}
}
