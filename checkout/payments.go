package checkout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// intentEvents are the events of payment intents and charges after which the session is asked for: money that was
// authorized was captured, in whole or in part, or the authorization ended.
var (
	intentEvents = [...]string{string(webhook.PaymentIntentSucceeded), string(webhook.PaymentIntentCanceled)}
	chargeEvents = [...]string{string(webhook.ChargeCaptured)}
	// warningEvents and reviewEvents tell of a payment and move no money.
	warningEvents = [...]string{string(webhook.RadarEarlyFraudWarningCreated)}
	reviewEvents  = [...]string{string(webhook.ReviewOpened), string(webhook.ReviewClosed)}
)

// payment names what was paid with; either ID may be empty.
type payment struct{ intent, charge string }

// paymentFacts is what the library reads of an object that names a payment: a payment intent, an early fraud warning, a
// review.
type paymentFacts struct {
	ID            string   `json:"id"`
	Object        string   `json:"object"`
	Charge        objectID `json:"charge"`
	PaymentIntent objectID `json:"payment_intent"`
	ClosedReason  string   `json:"closed_reason"`
}

func (p paymentFacts) payment() payment {
	if p.Object == "payment_intent" {
		return payment{intent: p.ID}
	}
	return payment{string(p.PaymentIntent), string(p.Charge)}
}

func (p *paymentFacts) setPayment(intent *stripe.PaymentIntent, charge *stripe.Charge) {
	if intent != nil {
		p.PaymentIntent = objectID(intent.ID)
	}
	if charge != nil {
		p.Charge = objectID(charge.ID)
	}
}

// orderOfPayment returns the ID of the order that was paid with p; empty: the payment is not of this shop. Stripe does not
// copy metadata to refunds and disputes. So an order is found by the IDs that were recorded, or else by the session of the
// payment intent, which is settled then, or by its invoice. That Stripe refuses the question means that the payment is not the shop's.
func (f *Flow[Tx]) orderOfPayment(ctx context.Context, account string, p payment) (string, error) {
	o, err := f.findPayment(ctx, account, p)
	if err != nil || o != nil {
		return idOf(o), err
	}
	if sweeping(ctx) {
		return "", nil // once the payment is heard of, verifying it asks what was given back
	}
	if p.intent == "" && p.charge != "" {
		p.intent, err = f.stripe.intentOfCharge(ctx, account, p.charge)
	}
	if err == nil && p.intent != "" {
		var sessionID string
		sessionID, err = f.stripe.sessionOfPayment(ctx, account, p.intent)
		if err == nil && sessionID != "" {
			var update sessionUpdate
			if update, err = f.stripe.session(ctx, account, "", sessionID, "refund or dispute"); err == nil {
				h, err := f.settleSession(ctx, update)
				return h.orderID, err
			}
		}
		if err == nil && sessionID == "" {
			if o, err = f.orderOfInvoicePayment(ctx, account, p.intent); err == nil && o != nil {
				return o.ID, nil
			}
		}
	}
	if err != nil && !notOurs(err) {
		return "", err
	}
	f.countForeign("refund or dispute", p.intent+p.charge)
	return "", nil
}

// notOurs reports whether Stripe refused a question in a way that no repetition changes: the object is not known, or the
// key may not see it.
func notOurs(err error) bool {
	switch statusCode(err) {
	case 400, 403, 404:
		return true
	}
	return false
}

// errPaymentLost means that an order was found by its payment, and the database has lost the payment since, as after a
// failover. A later try finds that the payment is not recorded, and asks Stripe for it.
var errPaymentLost = errors.New("checkout: the database lost the payment")

// paymentLost returns an error that matches errPaymentLost if what paidWith says of an object of Stripe's is nothing.
func paymentLost(o *store.Order, object string, attempt int, invoice string) error {
	if attempt != 0 || invoice != "" {
		return nil
	}
	return fmt.Errorf("%w: %s of order %s", errPaymentLost, object, o.ID)
}

// findPayment returns the order that was recorded as paid with p on an account, or nil.
func (f *Flow[Tx]) findPayment(ctx context.Context, account string, p payment) (*store.Order, error) {
	for _, ref := range [...]string{p.intent, p.charge} {
		if ref == "" {
			continue
		}
		o, err := f.store.FindRef(ctx, ref)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil || o.Account == account {
			return o, err
		}
		return nil, nil // an ID of another account
	}
	return nil, nil
}

func idOf(o *store.Order) string {
	if o == nil {
		return ""
	}
	return o.ID
}

// observePayment asks for the session of a recorded payment that something happened to, and returns the ID of its order;
// empty: the payment is not recorded. Payments of other applications on the account cost no request.
func (f *Flow[Tx]) observePayment(ctx context.Context, account string, p payment, cause string) (id string, err error) {
	o, err := f.findPayment(ctx, account, p)
	if o == nil || err != nil {
		return "", err
	}
	n, renewal := paidWith(o, p)
	a := o.Attempt(n)
	if renewal != "" || a == nil || a.SessionID == "" || a.Paid && (a.Subscription != "" || a.Charge != "" && a.Amount == o.Amounts.Total) {
		return o.ID, nil // nothing that the event could say is news
	}
	update, err := f.stripe.session(ctx, o.Account, o.Mode, a.SessionID, cause)
	if err != nil {
		return o.ID, err
	}
	_, err = f.settle(ctx, o, update)
	return o.ID, err
}

// observeWarning records an early fraud warning or a review of a payment. A review is often heard of before its session, so
// that Stripe is asked for the session of a payment that was not recorded.
func (f *Flow[Tx]) observeWarning(ctx context.Context, account, eventType string, p paymentFacts, cause string) (id string, err error) {
	id, err = f.orderOfPayment(ctx, account, p.payment())
	if id == "" || err != nil {
		return "", err
	}
	kind, detail := ChangeFraudWarning, p.ID
	switch eventType {
	case string(webhook.ReviewOpened):
		kind = ChangeReviewOpened
	case string(webhook.ReviewClosed):
		kind, detail = ChangeReviewClosed, p.ID+" "+p.ClosedReason
	}
	attempt, invoice := 0, ""
	err = f.record(ctx, id, cause, func(o *store.Order, now time.Time) (bool, error) {
		attempt, invoice = paidWith(o, p.payment())
		if err := paymentLost(o, p.ID, attempt, invoice); err != nil {
			return false, err
		}
		for _, n := range o.Notices {
			if n.Kind == string(kind) && n.Detail == detail {
				return false, nil
			}
		}
		enqueue(o, store.Notice{
			Kind: string(kind), At: now, From: o.Status(), To: o.Status(), Attempt: attempt, Cause: cause, Detail: detail,
			Invoice: invoice,
		})
		return true, nil
	})
	if err != nil || !f.holdForReview || kind == ChangeFraudWarning || attempt == 0 || invoice != "" {
		return id, err
	}
	return id, f.verifyPayment(ctx, id, attempt, cause) // which asks how the review stands
}

// verifyPayment asks Stripe what was given back of the payment of attempt n, so that nothing is handed over that was.
func (f *Flow[Tx]) verifyPayment(ctx context.Context, id string, n int, doing string) error {
	o, err := f.store.Find(ctx, id)
	if err != nil {
		return err
	}
	a := o.Attempt(n)
	asked := f.now()
	p, err := f.givenBack(ctx, o, a, doing)
	return errors.Join(err, f.record(ctx, id, doing, func(o *store.Order, now time.Time) (bool, error) {
		a := o.Attempt(n)
		switch {
		case a == nil: // the database lost the attempt
			return false, nil
		case err != nil:
			a.VerifyFailedAt = now
			return true, nil
		}
		a.VerifyFailedAt, a.VerifiedAt = time.Time{}, asked
		if f.holdForReview && o.FulfilledAt.IsZero() {
			setReview(a, p.review)
		}
		for _, r := range p.refunds {
			if known := refundEntry(o, r.ID); known == nil || known.Answers == p.answers[r.ID] {
				if _, err := setRefund(o, r, now, doing); err != nil {
					return false, err
				}
			}
		}
		for _, d := range p.disputes {
			if known := disputeEntry(o, d.ID); known == nil || known.Answers == p.answers[d.ID] {
				if _, err := setDispute(o, d, now, doing); err != nil {
					return false, err
				}
			}
		}
		return true, nil
	}))
}

// given is what Stripe says was given back of a payment. answers holds how often Stripe's answer about each object was
// recorded before Stripe was asked.
type given struct {
	refunds  []refundFacts
	disputes []disputeFacts
	answers  map[string]int
	// review is the review of the payment if Config.HoldForReview is set; nil: there is none.
	review *stripe.Review
}

// setReview keeps whether a review holds the goods of an attempt back. A person who fulfils an order anyway has decided about
// the review, too.
func setReview(a *store.Attempt, r *stripe.Review) {
	a.Review, a.ReviewClosed = "", ""
	if r == nil || !a.AcceptedAt.IsZero() {
		return
	}
	reason := r.ClosedReason
	if !r.Open && (reason == stripe.ReviewClosedReasonApproved || reason == reviewAcknowledged) {
		return
	}
	a.Review = r.ID
	if !r.Open {
		a.ReviewClosed = cmp.Or(string(reason), "no reason is known")
	}
}

// reviewAcknowledged closes a review without a decision against the payment.
const reviewAcknowledged = "acknowledged"

func (f *Flow[Tx]) givenBack(ctx context.Context, o *store.Order, a *store.Attempt, doing string) (given, error) {
	g := given{answers: map[string]int{}}
	for _, r := range o.Refunds {
		g.answers[r.ID] = r.Answers
	}
	for _, d := range o.Disputes {
		g.answers[d.ID] = d.Answers
	}
	if a == nil || a.PaymentIntent == "" {
		return g, fmt.Errorf("checkout: attempt of order %s has no payment intent", o.ID)
	}
	var err error
	if g.refunds, err = f.stripe.refundsOf(ctx, o.Account, payment{intent: a.PaymentIntent}); err != nil {
		return g, err
	}
	g.disputes, err = f.stripe.disputesOf(ctx, o.Account, payment{intent: a.PaymentIntent})
	if err == nil && f.holdForReview {
		g.review, err = f.stripe.reviewOf(ctx, o.Account, a.PaymentIntent)
	}
	return g, err
}

// askLines asks what was bought in a session that was paid, if the customer could change that. The session may be a copy, which
// recovers one that was begun. o is the order as it was last read.
func (f *Flow[Tx]) askLines(ctx context.Context, o *store.Order, u *sessionUpdate) (err error) {
	if !u.paid {
		return nil
	}
	recorded := o.AttemptBySession(u.facts.ID)
	if recorded == nil { // the session may have been recorded meanwhile
		o, err = f.store.Find(ctx, o.ID)
		if errors.Is(err, store.ErrNotFound) {
			return nil // settle says so
		}
		if err != nil {
			return err
		}
		recorded = o.AttemptBySession(u.facts.ID)
	}
	begun := cmp.Or(recorded, o.AttemptBySession(string(u.facts.RecoveredFrom)), markedAttempt(o, &u.facts))
	if begun == nil || begun.Quote == nil || !begun.Quote.Variable || recorded != nil && recorded.Paid {
		return nil
	}
	u.lines, err = f.stripe.lineItems(ctx, o.Account, u.facts.ID)
	return err
}
