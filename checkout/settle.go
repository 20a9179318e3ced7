package checkout

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// settle brings an order, as it was last read, in line with what Stripe says of one of its sessions, and puts what the
// merchant's callbacks receive into the outbox. It runs no code of the merchant's. It is the one way in which money changes an
// order.
//
// If the trigger delivers at once, the same transaction takes the leases for that, and settle hands the order on with them.
func (f *Flow[Tx]) settle(ctx context.Context, o *store.Order, u sessionUpdate) (settled handover, err error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	ctx, ended := f.observe.begin(ctx, Operation{Kind: OperationSettle, OrderID: o.ID, Cause: u.cause})
	defer func() { ended(settledOutcome(settled, err)) }()
	unlock, err := f.settling.lock(ctx, o.ID)
	if err != nil {
		return handover{}, err
	}
	defer unlock()
	if err := f.askLines(ctx, o, &u); err != nil {
		return handover{}, err
	}
	var lanes map[lane]func()
	if u.delivers {
		lanes = f.tryLanes(o.ID)
	}
	h := handover{orderID: o.ID}
	defer func() {
		for l, unlock := range lanes {
			if h.leased[l] == nil {
				unlock()
			}
		}
	}()
	var s settlement
	var leased map[lane]func()
	token := rand.Text()
	r := &recording[Tx]{
		id: o.ID, cause: u.cause,
		facts: func(locked *store.Order, now time.Time) (changed bool, err error) {
			leased = leasedLanes(locked, lanes, token)
			s = settlement{o: locked, update: u, now: now, before: locked.Status(), verifyFirst: f.holdForReview || f.deliverElsewhere}
			return s.join(f.refund), nil
		},
		lease: func(locked *store.Order, now time.Time) { leased = f.leaseLanes(locked, now, lanes, token) },
	}
	err = surely(ctx, func() error { return f.recordFacts(ctx, r) })
	if errors.Is(err, ErrNotFound) {
		return handover{}, fmt.Errorf("%w: %s", ErrUnknownOrder, o.ID)
	}
	if err != nil {
		return handover{}, err
	}
	if s.attempt != nil {
		s.log(ctx, f.log)
		if s.paid || s.o.Status() != s.before {
			f.waiters.changed(o.ID)
		}
	}
	h.order, h.leased = s.o, leased
	return h, nil
}

// settlement is one order being settled, under its lock.
type settlement struct {
	o      *store.Order
	update sessionUpdate
	now    time.Time
	before store.Status
	// verifyFirst says that Stripe must be asked about the payment in any case before the order is fulfilled. So it is if the
	// process that delivers may have a HoldForReview that this process does not know of.
	verifyFirst bool

	attempt *store.Attempt // whose session it is; nil: the update changes nothing
	paid    bool           // the update brings the payment of the attempt
	older   bool           // what is known of the attempt's session is of a later time than the update
}

func (s *settlement) log(ctx context.Context, log *slog.Logger) {
	level, after := slog.LevelDebug, s.o.Status()
	if after != s.before || s.paid {
		level = slog.LevelInfo
	}
	log.Log(ctx, level, "order settled",
		"order", s.o.ID, "attempt", s.attempt.N, "from", s.before, "to", after, "cause", s.update.cause)
}

// join takes an update into the facts of the order. It reports whether the order changed. refund names the changes after
// which a payment is given back automatically.
func (s *settlement) join(refund []ChangeKind) (changed bool) {
	s.attempt = s.identify()
	if s.attempt == nil {
		return false
	}
	a, u, f := s.attempt, &s.update, &s.update.facts
	s.paid = u.paid && !a.Paid
	// Facts only grow. Of everything else, what is known of a later time stands, in whatever sequence it was heard.
	s.older = u.at.Before(a.HeardAt)
	for _, fact := range [...]struct {
		known *bool
		heard bool
	}{{&a.Completed, u.completed}, {&a.Paid, u.paid}, {&a.Failed, u.failed}, {&a.Expired, u.expired}} {
		if fact.heard && !*fact.known {
			*fact.known, changed = true, true
		}
	}
	for _, ref := range [...]struct {
		known *string
		heard string
	}{
		{&a.SessionID, f.ID}, {&a.PaymentIntent, f.PaymentIntent.ID},
		{&a.Charge, f.PaymentIntent.LatestCharge.ID}, {&a.Subscription, f.Subscription.ID},
	} {
		if ref.heard != "" && *ref.known != ref.heard && (*ref.known == "" || !s.older) {
			*ref.known, changed = ref.heard, true
		}
	}
	if u.completed && a.CompletedAt.IsZero() {
		a.CompletedAt, changed = s.now, true
	}
	if u.lines != nil && s.paid {
		a.Lines = u.lines
	}
	if u.paid && s.setAmount() {
		changed = true
	}
	if s.paid {
		s.recordPayment(refund)
	}
	if u.asked {
		a.CheckedAt, a.CheckFailedAt, a.Gone, changed = s.now, time.Time{}, false, true
	}
	if changed {
		s.describe()
		if !s.older {
			a.HeardAt = store.Time(u.at)
		}
	}
	return changed
}

// setAmount sets what was charged: what was captured if Stripe says that, and the total of the session otherwise. The first invoice of a
// subscription says it better: see setInvoice.
func (s *settlement) setAmount() (changed bool) {
	amount := s.update.facts.PaymentIntent.AmountReceived
	if s.older && s.attempt.Amount != 0 {
		return false
	}
	if amount == 0 && s.attempt.Amount == 0 && (s.paid || s.attempt.Subscription == "") {
		amount = s.update.facts.amounts().Total
	}
	if amount == 0 || amount == s.attempt.Amount {
		return false
	}
	s.attempt.Amount = amount
	return true
}

// recordPayment sets what follows from the arrival of the money, once for an attempt.
func (s *settlement) recordPayment(refund []ChangeKind) {
	a, f := s.attempt, &s.update.facts
	a.Paid = false // the question is which payment counted before this one
	counted := s.o.PaidAttempt()
	a.Paid = true
	stray := a.Mismatch != "" // of a session that was not begun for the order: a person must decide
	if !stray {
		a.Mismatch = disagreement(s.o, a, f)
	}
	a.Duplicate = counted != nil && counted.Agrees() && a.Mismatch == ""
	a.PaidAt, a.Currency = s.now, f.Currency
	if at := s.update.verifiedUntil(); at.After(a.VerifiedAt) && !s.verifyFirst {
		a.VerifiedAt = at
	}
	if !stray {
		wantRefund(s.o, a, refund)
	}
}

// wantRefund keeps that a payment is to be given back automatically, if it has trouble that Config.Refund names and no person
// has decided. A payment without a payment intent waits for a person. The payment intent of a subscription is known with its
// first invoice. The payment is by a session that was begun for the order.
func wantRefund(o *store.Order, a *store.Attempt, refund []ChangeKind) {
	trouble := ChangeKind("")
	switch {
	case a.PaymentIntent == "" || !a.Paid || a.RefundRefused != "" || !a.AcceptedAt.IsZero() || !a.DismissedAt.IsZero():
	case a.Mismatch != "":
		trouble = ChangeMismatch
	case a.Duplicate:
		trouble = ChangeDuplicatePayment
	}
	if trouble != "" && slices.Contains(refund, trouble) {
		a.RefundWanted = string(trouble)
	}
}

// isStray reports whether an attempt stands for a session that was not begun for the order.
func isStray(a *store.Attempt) bool { return a.Fingerprint == "" && a.Quote == nil && a.Mismatch != "" }

// verifiedUntil is the time until which an update shows that nothing was given back. An event shows it until it was
// created. An answer shows it only if the charge is so new that nothing can have happened to it.
func (u *sessionUpdate) verifiedUntil() time.Time {
	if !u.asked {
		return u.at
	}
	return u.facts.PaymentIntent.LatestCharge.createdAt()
}

// identify returns the attempt that the session belongs to; nil: the update changes nothing. A session that was not
// recorded belongs to the attempt whose mark it carries, if Stripe was asked. Any other session of the order changes
// nothing until it brings money. Then it is recorded as an attempt of its own, for a person to decide about.
func (s *settlement) identify() *store.Attempt {
	f := &s.update.facts
	if a := s.o.AttemptBySession(f.ID); a != nil {
		return a
	}
	if !s.update.asked {
		return nil
	}
	marked := markedAttempt(s.o, f)
	if marked != nil && marked.SessionID == "" {
		return marked
	}
	origin := s.o.AttemptBySession(string(f.RecoveredFrom))
	if origin == nil && f.RecoveredFrom != "" {
		origin = marked // it recovers a copy that was never paid, and so never recorded
	}
	if origin != nil && len(stockLines(origin.Lines)) == 0 {
		if !s.update.completed {
			return nil
		}
		return s.append(store.Attempt{
			Lines: origin.Lines, Metadata: origin.Metadata, Quote: origin.Quote, ExpiresAt: origin.ExpiresAt, PayBy: origin.PayBy,
			Destination: origin.Destination, ApplicationFee: origin.ApplicationFee,
		})
	}
	if !s.update.bringsMoney() || s.strays() >= maxStrays {
		return nil
	}
	mismatch := "the session is not one that was begun for the order"
	if n, _ := f.attempt(); s.o.Attempt(n) == nil {
		mismatch = fmt.Sprintf("attempt %d of the order is not in the store", n)
	}
	return s.append(store.Attempt{ClosedAt: s.now, Mismatch: mismatch})
}

// markedAttempt returns the attempt whose mark a session carries, or nil.
func markedAttempt(o *store.Order, f *sessionFacts) *store.Attempt {
	n, mark := f.attempt()
	if a := o.Attempt(n); a != nil && sameMark(a.Mark, mark) {
		return a
	}
	return nil
}

func (s *settlement) append(a store.Attempt) *store.Attempt {
	a.N, a.CreatedAt = len(s.o.Attempts)+1, s.now
	if !s.o.ErasedAt.IsZero() && len(s.o.Attempts) == s.o.ErasedAttempts {
		s.o.ErasedAttempts++ // the session is of the purchase that was erased, and no new one
	}
	s.o.Attempts = append(s.o.Attempts, a)
	return s.o.Attempt(a.N)
}

// maxStrays is the number of payments, also those on their way, by sessions that were not begun for an order that are recorded with it.
const maxStrays = 10

// strays counts the attempts that stand for sessions which were not begun for the order.
func (s *settlement) strays() (n int) {
	for i := range s.o.Attempts {
		if isStray(&s.o.Attempts[i]) {
			n++
		}
	}
	return n
}

// sameMark compares marks in constant time. An empty mark is not like any other.
func sameMark(known, heard string) bool {
	return known != "" && subtle.ConstantTimeCompare([]byte(known), []byte(heard)) == 1
}

// disagreement says how a paid session differs from what was sold; empty: it does not.
func disagreement(o *store.Order, a *store.Attempt, f *sessionFacts) string {
	q := a.Quote
	switch {
	case o.Mode != "" && f.Mode != "" && f.Mode != o.Mode:
		return fmt.Sprintf("mode is %s, not %s", f.Mode, o.Mode)
	case o.Mode == string(ModeSetup):
		return ""
	case q == nil:
		return "the price that was begun with is not known"
	case len(a.Lines) == 0:
		return "the cart of the attempt is not kept anymore"
	case f.Currency != q.Currency:
		return fmt.Sprintf("currency is %s, not %s", f.Currency, q.Currency)
	case !q.Variable && (f.AmountSubtotal == nil || *f.AmountSubtotal != q.Subtotal):
		return fmt.Sprintf("subtotal is not %d", q.Subtotal)
	}
	return ""
}

// describe copies what a completed session says of customer and amounts. What is older than what was read already is left out,
// unless it brings the payment, and so is the session of another attempt than the one whose payment counts.
func (s *settlement) describe() {
	a, f := s.attempt, &s.update.facts
	paid := s.o.PaidAttempt()
	if !s.update.completed || a.Paid && !s.update.paid || s.older && !s.paid || paid != nil && paid != a {
		return
	}
	s.o.Amounts, s.o.Livemode = f.amounts(), f.Livemode
	if s.o.ErasedAt.IsZero() || a.N > s.o.ErasedAttempts {
		s.o.Customer, s.o.Session = f.customer(), s.update.raw
	}
	if f.Currency != "" {
		s.o.Currency = f.Currency
	}
	if len(a.Lines) > 0 {
		s.o.Lines, s.o.Metadata = a.Lines, a.Metadata
	}
}
