package checkout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// settle brings the order id in line with what was heard of one of its sessions, and queues what the merchant is to be
// told. It runs no code of the merchant's. It is the one way in which money changes an order.
func (f *Flow[Tx]) settle(ctx context.Context, id string, n news) error {
	unlock, err := f.settling.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	if err := f.askDetails(ctx, id, &n); err != nil {
		return err
	}
	var s settlement
	err = f.change(ctx, id, func(tx Tx, o *store.Order, now time.Time) (bool, error) {
		s = settlement{o: o, news: n, now: now, before: o.Status()}
		if save, err := s.join(); err != nil || !save {
			return false, err
		}
		if err := f.settleStock(ctx, tx, &s); err != nil {
			return false, err
		}
		f.announce(&s)
		f.settleGivenBack(&s)
		return true, nil
	})
	if err == nil && s.attempt != nil {
		level, after := slog.LevelDebug, s.o.Status()
		if after != s.before || s.paid {
			level = slog.LevelInfo
		}
		f.log.Log(ctx, level, "order settled", "order", id, "attempt", s.attempt.N, "from", s.before, "to", after, "cause", n.cause)
	}
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: %s", ErrUnknownOrder, id)
	}
	return err
}

// settlement is one order being settled, under its lock.
type settlement struct {
	o      *store.Order
	news   news
	now    time.Time
	before store.Status

	attempt *store.Attempt // whose session it is
	// What is new with it:
	paid  bool
	short bool // paid, and its stock is gone
}

// join takes what was heard into the facts of the order. It reports whether the order must be saved.
func (s *settlement) join() (save bool, err error) {
	a, err := s.identify()
	if a == nil || err != nil {
		return false, err
	}
	s.attempt = a
	n, f := &s.news, &s.news.facts
	s.paid = n.paid && !a.Paid
	if s.paid {
		if a.Mismatch == "" {
			a.Mismatch = disagreement(s.o, a, f)
		}
		counts := s.o.PaidAttempt()
		a.Duplicate = counts != nil && counts.Mismatch == "" && a.Mismatch == ""
		a.PaidAt = s.now
	}

	if n.lines != nil {
		a.Lines = n.lines
	}
	changed := false
	for _, fact := range [...]struct {
		known *bool
		heard bool
	}{{&a.Completed, n.completed}, {&a.Paid, n.paid}, {&a.Failed, n.failed}, {&a.Expired, n.expired}} {
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
		if ref.heard != "" && *ref.known != ref.heard {
			*ref.known, changed = ref.heard, true
		}
	}
	if !changed && !n.asked {
		return false, nil
	}
	if n.asked {
		a.CheckedAt = s.now
	}
	s.describe()
	s.park()
	s.endOthers()
	a.CheckAt = nextCheck(s.o, a, s.now)
	return true, nil
}

// identify returns the attempt that the session belongs to. A session that names an attempt which has another session, or
// that is on another account, was not made by this library: it is of no interest until it is paid, and then it is recorded
// as an attempt of its own, a payment that a person must look at.
func (s *settlement) identify() (*store.Attempt, error) {
	f := &s.news.facts
	if a := s.o.AttemptBySession(f.ID); a != nil {
		return a, nil
	}
	a := s.o.Attempt(f.attempt())
	mismatch := ""
	switch {
	case a == nil:
		return nil, fmt.Errorf("%w: %s has no attempt %d", ErrUnknownOrder, s.o.ID, f.attempt())
	case a.SessionID != "":
		mismatch = fmt.Sprintf("session is not the one that attempt %d was begun with", a.N)
	case s.news.account != s.o.Account:
		mismatch = fmt.Sprintf("session is on account %q, not %q", s.news.account, s.o.Account)
	default:
		return a, nil
	}
	if !s.news.paid {
		return nil, nil
	}
	s.o.Attempts = append(s.o.Attempts, store.Attempt{
		N: len(s.o.Attempts) + 1, CreatedAt: s.now, ClosedAt: s.now, Mismatch: mismatch,
	})
	return s.o.Attempt(len(s.o.Attempts)), nil
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
		return "what it was to come to is not known"
	case f.Currency != q.Currency:
		return fmt.Sprintf("currency is %s, not %s", f.Currency, q.Currency)
	case q.Answered && f.Livemode != q.Livemode:
		return fmt.Sprintf("livemode is %t, not %t", f.Livemode, q.Livemode)
	case !q.Variable && (f.AmountSubtotal == nil || *f.AmountSubtotal != q.Subtotal):
		return fmt.Sprintf("subtotal is not %d", q.Subtotal)
	}
	return ""
}

// describe copies what a completed session says of customer and amounts, unless it is an older snapshot than one that
// was read already, or that of another attempt than the one whose payment counts.
func (s *settlement) describe() {
	a, f := s.attempt, &s.news.facts
	counts := s.o.PaidAttempt()
	if !s.news.completed || a.Paid && !s.news.paid || counts != nil && counts != a {
		return
	}
	s.o.Customer, s.o.Amounts, s.o.Session, s.o.Livemode = f.customer(), f.amounts(), s.news.raw, f.Livemode
	if f.Currency != "" {
		s.o.Currency = f.Currency
	}
	if len(a.Lines) > 0 {
		s.o.Lines, s.o.Metadata = a.Lines, a.Metadata
	}
}

// How the reasons for which an order is parked begin.
const (
	parkedMismatch  = "mismatch: "
	parkedPermanent = "fulfil: "
)

// park keeps an order whose only payment is not what was sold from being fulfilled.
func (s *settlement) park() {
	counts := s.o.PaidAttempt()
	switch {
	case counts == nil:
	case counts.Mismatch != "":
		s.o.Parked = parkedMismatch + counts.Mismatch
	case strings.HasPrefix(s.o.Parked, parkedMismatch):
		s.o.Parked = ""
	}
}

// endOthers gives up attempts that have no session yet once the money for the order is there or on its way, and has a
// sweep end the sessions that can still be paid.
func (s *settlement) endOthers() {
	if !s.o.Paid() && !s.attempt.Processing() {
		return
	}
	for i := range s.o.Attempts {
		switch other := &s.o.Attempts[i]; {
		case !other.Open():
		case other.SessionID == "":
			other.ClosedAt = s.now
		default:
			other.CheckAt = nextCheck(s.o, other, s.now)
		}
	}
}

// announce queues what the merchant is to be told.
func (f *Flow[Tx]) announce(s *settlement) {
	n := store.Notice{At: s.now, From: s.before, To: s.o.Status(), Attempt: s.attempt.N, Cause: s.news.cause}
	if !s.paid {
		f.notifyStatus(s.o, n)
		return
	}
	notify := func(kind, detail string) {
		n.Kind, n.Detail = kind, detail
		s.o.Notify(n)
	}
	if !slices.ContainsFunc(s.o.Notices, func(n store.Notice) bool { return n.Kind == store.NoticeFulfil }) {
		notify(store.NoticeFulfil, "")
	}
	var trouble ChangeKind
	switch {
	case s.attempt.Mismatch != "":
		trouble = ChangeMismatch
	case s.attempt.Duplicate:
		trouble = ChangeDuplicatePayment
	case s.short:
		trouble = ChangeShortfall
	}
	if trouble != "" {
		f.log.Error("payment needs a decision", "order", s.o.ID, "attempt", s.attempt.N, "what", trouble, "detail", s.attempt.Mismatch)
		notify(string(trouble), s.attempt.Mismatch)
		// A payment on another account, and one without a payment intent, such as that of a subscription, is for a person.
		refundable := s.attempt.PaymentIntent != "" && s.news.account == s.o.Account
		if refundable && slices.Contains(f.refund, trouble) {
			s.attempt.RefundWanted, s.attempt.CheckAt = true, s.now
		}
	}
	f.passChanges(s.o, s.now)
}
