package simtest

import (
	"fmt"
	"slices"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
)

// knownFor is how long ago Stripe was asked at most about a payment whose goods are handed over, with time to spare.
const knownFor = time.Hour

// gaveBack notes that all the money of a session was refunded or disputed. before is the number of Stripe's events before that: one
// that says that the money came back may have overtaken the note.
func (w *world) gaveBack(s *simSession, before int) {
	for _, e := range w.srv.Events()[before:] {
		if e.SessionID == s.id && cameBack(e.Type) {
			return
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s.givenBack = w.srv.Now()
}

// cameBack reports whether money may have come back to the shop by an event of this type.
func cameBack(eventType string) bool {
	return eventType == "refund.updated" || eventType == "refund.failed" || eventType == "charge.dispute.closed"
}

// longGivenBack reports whether all the money of a session was given back so long before its order was handed over that it must
// not have been.
func (w *world) longGivenBack(id, order string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := w.fulfilling[order]
	return slices.ContainsFunc(w.sessions, func(s *simSession) bool {
		return s.id == id && !s.givenBack.IsZero() && at.Sub(s.givenBack) > knownFor
	})
}

// refundsAtRest checks that what is to be refunded at once was, unless the bank had asked for it; a refund may fail later.
func (c *checker) refundsAtRest(o *store.Order, all truth) error {
	if !c.w.refund {
		return nil
	}
	for _, a := range o.Attempts {
		session := all.sessions[a.SessionID]
		if !a.Paid || stray(&a) || c.w.foreign(a.SessionID) || !a.Duplicate && a.Mismatch == "" && len(o.Shortfall) == 0 || session == nil {
			continue
		}
		var refunded int64
		for _, r := range all.refunds {
			if r.PaymentIntent != nil && r.PaymentIntent.ID == all.intentOf(session) {
				refunded += r.Amount
			}
		}
		disputed := false
		for _, d := range all.disputes {
			disputed = disputed || d.PaymentIntent != nil && d.PaymentIntent.ID == all.intentOf(session)
		}
		// A person decides after a refund of the payment failed, whoever made it.
		left := a.RefundRefused != "" && (o.Stuck() || !a.DismissedAt.IsZero())
		withdrawn := a.RefundWanted == "" && !a.DismissedAt.IsZero() // by a person, who accepted the payment
		// A good payment after GiveUp waits for a person, also if it is short.
		late := a.Mismatch == "" && !a.Duplicate && !o.GivenUpAt.IsZero() && a.DismissedAt.IsZero() && o.Stuck()
		if refunded < all.charged(session) && !disputed && !left && !withdrawn && !late {
			return fmt.Errorf("%s: attempt %d was to be refunded, and %d were", o.ID, a.N, refunded)
		}
	}
	return nil
}

// moneyBackAtRest checks the ledgers against Stripe's.
func moneyBackAtRest(o *store.Order, all truth) error {
	ledger := 0
	for _, r := range all.refunds {
		for _, a := range o.Attempts {
			if r.PaymentIntent == nil || a.PaymentIntent != r.PaymentIntent.ID {
				continue
			}
			ledger++
			want := store.Refund{ID: r.ID, Attempt: a.N, Amount: r.Amount, Currency: string(r.Currency), State: store.RefundState(r.Status)}
			if !slices.ContainsFunc(o.Refunds, func(known store.Refund) bool { known.Answers = 0; return known == want }) {
				return fmt.Errorf("%s: of a refund, Stripe says %+v, the ledger %+v", o.ID, want, o.Refunds)
			}
		}
	}
	if ledger != len(o.Refunds) {
		return fmt.Errorf("%s: %d refunds in the ledger, %d at Stripe", o.ID, len(o.Refunds), ledger)
	}
	ends := map[stripe.DisputeStatus]store.DisputeState{stripe.DisputeStatusWon: store.DisputeWon, stripe.DisputeStatusLost: store.DisputeLost}
	ledger = 0
	for _, d := range all.disputes {
		for _, a := range o.Attempts {
			if d.PaymentIntent == nil || a.PaymentIntent != d.PaymentIntent.ID {
				continue
			}
			ledger++
			want := store.Dispute{ID: d.ID, Attempt: a.N, Amount: d.Amount, Currency: string(d.Currency), State: store.DisputeOpen}
			if end := ends[d.Status]; end != "" {
				want.State = end
			}
			if !slices.ContainsFunc(o.Disputes, func(known store.Dispute) bool { known.Answers = 0; return known == want }) {
				return fmt.Errorf("%s: of a dispute, Stripe says %+v, the ledger %+v", o.ID, want, o.Disputes)
			}
		}
	}
	if ledger != len(o.Disputes) {
		return fmt.Errorf("%s: %d disputes in the ledger, %d at Stripe", o.ID, len(o.Disputes), ledger)
	}
	return nil
}

func paidStatus(s *stripe.CheckoutSession, all truth) store.Status {
	var refunded int64
	for _, r := range all.refunds {
		if r.PaymentIntent != nil && r.PaymentIntent.ID == all.intentOf(s) && r.Status != stripe.RefundStatusFailed && r.Status != stripe.RefundStatusCanceled {
			refunded += r.Amount
		}
	}
	for _, d := range all.disputes {
		if d.PaymentIntent != nil && d.PaymentIntent.ID == all.intentOf(s) && d.Status != stripe.DisputeStatusWon {
			return store.Disputed
		}
	}
	switch {
	case refunded > 0 && refunded >= all.charged(s):
		return store.Refunded
	case refunded > 0:
		return store.PartiallyRefunded
	}
	return store.Paid
}
