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

// settleStock makes the holds follow the facts. A hold is released only when its session can no longer be paid, or
// nobody was given its URL.
func (f *Flow[Tx]) settleStock(ctx context.Context, tx Tx, s *settlement) error {
	counts := s.o.PaidAttempt()
	for i := range s.o.Attempts {
		a := &s.o.Attempts[i]
		var err error
		switch {
		case a.Paid && a == counts:
			err = f.sell(ctx, tx, s, a)
		case a.Expired && successor(s.o, a) != nil:
			err = f.swap(ctx, tx, s, a, successor(s.o, a))
		case a.Paid || a.Expired || a.Failed || !a.ClosedAt.IsZero():
			err = f.release(ctx, tx, &a.Hold, &a.Increase)
		}
		if err != nil {
			return err
		}
	}
	return nil
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

// holdStock sets lines aside as h. Its error is a [*reservation.ShortageError] or what else the Reserver answered for it.
func (f *Flow[Tx]) holdStock(ctx context.Context, tx Tx, h *store.Hold, lines []reservation.Line) error {
	answers, err := f.reserver.Hold(ctx, tx, reservation.Hold{ID: h.ID, Lines: lines})
	if err != nil {
		return err
	}
	if answers[0] != nil {
		return answers[0]
	}
	h.State = store.Held
	return nil
}

// release gives the stock of those holds back that are held.
func (f *Flow[Tx]) release(ctx context.Context, tx Tx, holds ...*store.Hold) error {
	for _, h := range holds {
		if h.State != store.Held {
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

// sell makes the stock of a paid attempt sold. Money that comes after the stock was given back takes it again, or the
// order is short.
func (f *Flow[Tx]) sell(ctx context.Context, tx Tx, s *settlement, a *store.Attempt) error {
	if a.Hold.ID == "" || a.Hold.State == store.Sold || len(s.o.Shortfall) > 0 {
		return nil
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
	err := f.holdStock(ctx, tx, &late, stockLines(a.Lines))
	if short := shortage(err, a); short != nil {
		s.short, s.o.Shortfall = true, short
		f.log.Error("paid order is short of stock", "order", s.o.ID, "attempt", a.N)
		return nil
	}
	if err != nil {
		return fmt.Errorf("checkout: taking stock for late money: %w", err)
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

// shortage reads what is short from a Reserver's answer; nil: the answer is another one.
func shortage(err error, a *store.Attempt) []store.Shortage {
	var short *reservation.ShortageError
	var lines []store.Shortage
	switch {
	case errors.As(err, &short):
		for _, l := range short.Lines {
			lines = append(lines, store.Shortage(l))
		}
	case errors.Is(err, reservation.ErrUnknownSKU):
		for _, l := range stockLines(a.Lines) {
			lines = append(lines, store.Shortage{SKU: l.SKU, Wanted: l.Quantity})
		}
	}
	return lines
}

// swap has next take over the stock of a, whose session expired for it: in one transaction, so that nobody else gets
// hold of it in between.
func (f *Flow[Tx]) swap(ctx context.Context, tx Tx, s *settlement, a, next *store.Attempt) error {
	if err := f.release(ctx, tx, &a.Hold, &next.Increase); err != nil {
		return err
	}
	err := f.holdStock(ctx, tx, &next.Hold, stockLines(next.Lines))
	if shortage(err, next) != nil {
		// Somebody took stock away by hand. The successor's URL was not handed out yet.
		next.ClosedAt = s.now
		return nil
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
