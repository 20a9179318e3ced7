package checkout

import (
	"context"
	"errors"
	"fmt"

	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
)

// stockLines is what a cart takes from stock.
func stockLines(lines []store.Line) []reservation.Line {
	var tracked []reservation.Line
	for _, l := range lines {
		if l.SKU != "" {
			tracked = append(tracked, reservation.Line{SKU: l.SKU, Quantity: l.Quantity})
		}
	}
	return tracked
}

// settleStock makes the holds follow the facts. A hold is released when its session can no longer be paid, when nobody was
// given its URL, or when the order is paid in another attempt: another payment would be a duplicate and needs no stock.
// What was paid and is not what was sold keeps its hold for a person to decide.
func (f *Flow[Tx]) settleStock(ctx context.Context, tx Tx, s *settlement) error {
	counts := s.o.PaidAttempt()
	sold := counts != nil && counts.Mismatch == ""
	for i := range s.o.Attempts {
		a := &s.o.Attempts[i]
		ended := a.Expired || a.Failed && !a.Paid
		var err error
		switch {
		case sold && a == counts: // last, as it may want what the others give back
		case ended && !sold && successor(s.o, a) != nil:
			err = f.swap(ctx, tx, s, a, successor(s.o, a))
		case sold || ended || !a.ClosedAt.IsZero():
			err = f.release(ctx, tx, &a.Hold, &a.Increase)
		}
		if err != nil {
			return err
		}
	}
	if !sold {
		return nil
	}
	return f.sell(ctx, tx, s, counts)
}

// successor is the attempt that waits for a to expire and to take over its stock, or nil.
func successor(o *store.Order, a *store.Attempt) *store.Attempt {
	for i := range o.Attempts {
		next := &o.Attempts[i]
		if next.Open() && next.Replaces == a.N && next.Hold.ID != "" && next.Hold.State == store.NotHeld {
			return next
		}
	}
	return nil
}

// holdStock sets lines aside as h. The answer is a [*reservation.ShortageError] or what else the Reserver says of it.
func (f *Flow[Tx]) holdStock(ctx context.Context, tx Tx, h *store.Hold, lines []reservation.Line) (answer, err error) {
	answers, err := f.reserver.Hold(ctx, tx, reservation.Hold{ID: h.ID, Lines: lines})
	if err != nil {
		return nil, err
	}
	if answers[0] == nil {
		h.State = store.Held
	}
	return answers[0], nil
}

// release gives the stock of those holds back that are held.
func (f *Flow[Tx]) release(ctx context.Context, tx Tx, holds ...*store.Hold) error {
	for _, h := range holds {
		if h.State != store.Held || f.untracked(h) {
			continue
		}
		answers, err := f.reserver.Release(ctx, tx, h.ID)
		if err != nil {
			return err
		}
		if answers[0] != nil { // ended by somebody else's hand
			f.log.Error("hold could not be released", "hold", h.ID, "error", answers[0])
		}
		h.State = store.Released
	}
	return nil
}

// untracked reports whether there is no Reserver to end a hold with, although there was one when it was taken.
func (f *Flow[Tx]) untracked(h *store.Hold) bool {
	if f.reserver == nil {
		f.log.Error("hold can't be ended: Config.Reserver is nil", "hold", h.ID)
	}
	return f.reserver == nil
}

// sell makes the stock of a paid attempt sold. Money that comes after the stock was given back takes it again, or the
// order is short.
func (f *Flow[Tx]) sell(ctx context.Context, tx Tx, s *settlement, a *store.Attempt) error {
	if a.Hold.ID == "" || a.Hold.State == store.Sold || len(s.o.Shortfall) > 0 || f.untracked(&a.Hold) {
		return nil
	}
	if err := f.release(ctx, tx, &a.Increase); err != nil {
		return err
	}
	if a.Hold.State == store.Held {
		answers, err := f.reserver.Commit(ctx, tx, a.Hold.ID)
		if err != nil {
			return err
		}
		if answers[0] == nil {
			a.Hold.State = store.Sold
			return nil
		}
		f.log.Error("hold of a paid order is gone", "hold", a.Hold.ID, "error", answers[0])
	}
	late := store.Hold{ID: a.Hold.ID + "/late"}
	answer, err := f.holdStock(ctx, tx, &late, stockLines(a.Lines))
	if err != nil {
		return err
	}
	if answer != nil {
		s.short, s.o.Shortfall = true, shortfall(answer, a)
		f.log.Error("paid order is short of stock", "order", s.o.ID, "attempt", a.N, "error", answer)
		return nil
	}
	answers, err := f.reserver.Commit(ctx, tx, late.ID)
	if err != nil {
		return err
	}
	if answers[0] != nil {
		return fmt.Errorf("checkout: selling what late money took: %w", answers[0])
	}
	late.State = store.Sold
	a.Hold = late
	return nil
}

// shortfall is what is missing by the Reserver's answer: what it names, or everything.
func shortfall(answer error, a *store.Attempt) []store.Shortage {
	var short *reservation.ShortageError
	var missing []store.Shortage
	if errors.As(answer, &short) {
		for _, l := range short.Lines {
			missing = append(missing, store.Shortage(l))
		}
		return missing
	}
	for _, l := range stockLines(a.Lines) {
		missing = append(missing, store.Shortage{SKU: l.SKU, Wanted: l.Quantity})
	}
	return missing
}

// swap has next take over the stock of a, whose session ended for it: in one transaction, so that nobody else gets hold
// of it in between.
func (f *Flow[Tx]) swap(ctx context.Context, tx Tx, s *settlement, a, next *store.Attempt) error {
	if err := f.release(ctx, tx, &a.Hold, &next.Increase); err != nil {
		return err
	}
	answer, err := f.holdStock(ctx, tx, &next.Hold, stockLines(next.Lines))
	if answer != nil {
		// Somebody took stock away by hand. The successor's URL was not handed out yet.
		f.log.Error("changed cart lost its stock", "order", s.o.ID, "attempt", next.N, "error", answer)
		next.ClosedAt = s.now
	}
	return err
}

// increase is what lines take from stock beyond what held takes.
func increase(lines, held []reservation.Line) []reservation.Line {
	have := make(map[string]int64)
	for _, l := range held {
		have[l.SKU] += l.Quantity
	}
	var more []reservation.Line
	for _, l := range lines {
		covered := min(have[l.SKU], l.Quantity)
		have[l.SKU] -= covered
		if l.Quantity > covered {
			more = append(more, reservation.Line{SKU: l.SKU, Quantity: l.Quantity - covered})
		}
	}
	return more
}
