package checkout

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
)

// stockLines are the lines of a cart that take something from stock.
func stockLines(lines []store.Line) []reservation.Line {
	var tracked []reservation.Line
	for _, l := range lines {
		if l.SKU != "" {
			tracked = append(tracked, reservation.Line{SKU: l.SKU, Quantity: l.Quantity})
		}
	}
	return tracked
}

// moveStock does a step that closes an attempt or moves stock, and reports whether it did. Other steps need Stripe or the
// merchant and are left.
func (f *Flow[Tx]) moveStock(ctx context.Context, tx Tx, o *store.Order, step Step, now time.Time) (done bool, err error) {
	a := o.Attempt(step.Attempt)
	switch step.Action {
	case CloseAttempt:
		if !step.due(now) {
			return false, nil
		}
		a.ClosedAt = now
		return true, nil
	case ReleaseStock, TransferStock, SellStock:
	default:
		return false, nil
	}
	if f.reserver == nil {
		f.log.Error("stock can't be moved: Config.Reserver is nil", "order", o.ID, "attempt", step.Attempt, "step", step.Action)
		return false, nil
	}
	switch step.Action {
	case ReleaseStock:
		return true, f.release(ctx, tx, &a.Hold, &a.Increase)
	case TransferStock:
		return true, f.transfer(ctx, tx, o, a, successor(o, a), now)
	}
	return true, f.sell(ctx, tx, o, a)
}

// endHolds ends holds of several orders together, as far as next says so of the facts: one request to the Reserver gives back, and
// one sells. It reports of which orders it ended holds. A hold that the Reserver does not end is left to moveStock.
func (f *Flow[Tx]) endHolds(ctx context.Context, tx Tx, all []*recorded) (ended map[*store.Order]bool, err error) {
	ended = map[*store.Order]bool{}
	if f.reserver == nil {
		return ended, nil
	}
	var back, sold []heldStock
	for _, r := range all {
		for _, step := range stockSteps(r.order) {
			a := r.order.Attempt(step.Attempt)
			switch step.Action {
			case ReleaseStock:
				back = append(back, heldStock{r.order, &a.Hold}, heldStock{r.order, &a.Increase})
			case SellStock:
				back, sold = append(back, heldStock{r.order, &a.Increase}), append(sold, heldStock{r.order, &a.Hold})
			}
		}
	}
	if err := endTogether(ctx, tx, f.reserver.Release, back, store.Released, ended); err != nil {
		return nil, err
	}
	return ended, endTogether(ctx, tx, f.reserver.Commit, sold, store.Sold, ended)
}

// heldStock is a hold of an order.
type heldStock struct {
	order *store.Order
	hold  *store.Hold
}

// endTogether ends those holds that are held, and adds their orders to ended.
func endTogether[Tx any](
	ctx context.Context, tx Tx, end func(ctx context.Context, tx Tx, ids ...string) ([]error, error),
	holds []heldStock, state store.HoldState, ended map[*store.Order]bool,
) error {
	holds = slices.DeleteFunc(holds, func(h heldStock) bool { return h.hold.State != store.Held })
	if len(holds) == 0 {
		return nil
	}
	ids := make([]string, len(holds))
	for i, h := range holds {
		ids[i] = h.hold.ID
	}
	answers, err := end(ctx, tx, ids...)
	if err != nil {
		return err
	}
	for i, h := range holds {
		if answers[i] == nil {
			h.hold.State, ended[h.order] = state, true
		}
	}
	return nil
}

// holdStock sets lines aside as h. The refusal is a [*reservation.ShortageError] or what else the Reserver answers.
func (f *Flow[Tx]) holdStock(ctx context.Context, tx Tx, h *store.Hold, lines []reservation.Line) (refusal, err error) {
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
		if h.State != store.Held {
			continue
		}
		answers, err := f.reserver.Release(ctx, tx, h.ID)
		if err != nil {
			return err
		}
		h.State = store.Released
		if answers[0] != nil {
			// Somebody ended the hold by hand. To sell it again succeeds, and does nothing, if it was sold.
			f.log.Error("hold could not be released", "hold", h.ID, "error", answers[0])
			sold, err := f.reserver.Commit(ctx, tx, h.ID)
			if err != nil {
				return err
			}
			if sold[0] == nil {
				h.State = store.Sold
			}
		}
	}
	return nil
}

// sell makes the stock of a paid attempt sold. If its hold is gone, the stock is taken again, or the order is short.
func (f *Flow[Tx]) sell(ctx context.Context, tx Tx, o *store.Order, a *store.Attempt) error {
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
		a.Hold.State = store.Released
		f.log.Error("hold of a paid order is gone", "hold", a.Hold.ID, "error", answers[0])
	}
	refusal, err := f.sellLate(ctx, tx, a, stockLines(a.Lines))
	if err != nil || refusal == nil {
		return err
	}
	f.log.Error("paid order is short of stock", "order", o.ID, "attempt", a.N, "error", refusal)
	if !a.AcceptedAt.IsZero() {
		return f.sellWhatIsThere(ctx, tx, o, a)
	}
	o.Shortfall = shortfall(refusal, a)
	return nil
}

// lateSuffix is added to the ID of an attempt's hold for the stock of a late payment.
const lateSuffix = "/late"

// sellLate takes stock for a payment that has no hold anymore, and makes it sold.
func (f *Flow[Tx]) sellLate(ctx context.Context, tx Tx, a *store.Attempt, lines []reservation.Line) (refusal, err error) {
	late := store.Hold{ID: a.Hold.ID + lateSuffix}
	refusal, err = f.holdStock(ctx, tx, &late, lines)
	if err != nil || refusal != nil {
		return refusal, err
	}
	answers, err := f.reserver.Commit(ctx, tx, late.ID)
	if err != nil {
		return nil, err
	}
	if answers[0] != nil {
		return answers[0], nil // a Reserver that does not sell what it has just held keeps no payment from being recorded
	}
	late.State = store.Sold
	a.Hold = late
	return nil, nil
}

// sellWhatIsThere takes what there is of the lines of a short order that is fulfilled anyway. What is missing stays in the
// order's shortfall, and is the merchant's to find.
func (f *Flow[Tx]) sellWhatIsThere(ctx context.Context, tx Tx, o *store.Order, a *store.Attempt) error {
	o.Shortfall = nil
	refusal, err := f.sellLate(ctx, tx, a, stockLines(a.Lines))
	if err != nil || refusal == nil {
		return err
	}
	o.Shortfall = shortfall(refusal, a)
	var short *reservation.ShortageError
	if !errors.As(refusal, &short) {
		return nil
	}
	rest := available(stockLines(a.Lines), short)
	if len(rest) == 0 {
		return nil
	}
	refusal, err = f.sellLate(ctx, tx, a, rest)
	if refusal != nil { // somebody else was faster, and nothing was taken
		o.Shortfall = shortfall(nil, a)
	}
	return err
}

// available cuts lines to what a refusal says there is.
func available(lines []reservation.Line, short *reservation.ShortageError) []reservation.Line {
	left := make(map[string]int64)
	for _, l := range lines {
		left[l.SKU] += l.Quantity
	}
	for _, s := range short.Lines {
		left[s.SKU] = s.Available
	}
	var there []reservation.Line
	for _, l := range lines {
		quantity := min(l.Quantity, left[l.SKU])
		if quantity < 1 {
			continue
		}
		left[l.SKU] -= quantity
		there = append(there, reservation.Line{SKU: l.SKU, Quantity: quantity})
	}
	return there
}

// shortfall is what is missing by the Reserver's refusal: what it names; or everything, if it names nothing.
func shortfall(refusal error, a *store.Attempt) []store.Shortage {
	var short *reservation.ShortageError
	var missing []store.Shortage
	if errors.As(refusal, &short) {
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

// transfer passes the stock of a on to the attempt that replaces it: in one transaction, so that no other customer gets
// hold of it in between.
func (f *Flow[Tx]) transfer(ctx context.Context, tx Tx, o *store.Order, a, heir *store.Attempt, now time.Time) error {
	if err := f.release(ctx, tx, &a.Hold, &heir.Increase); err != nil {
		return err
	}
	refusal, err := f.holdStock(ctx, tx, &heir.Hold, stockLines(heir.Lines))
	if err != nil {
		return err
	}
	if refusal != nil {
		// Somebody took stock away by hand. The URL of the heir was not handed out yet.
		f.log.Error("changed cart lost its stock", "order", o.ID, "attempt", heir.N, "error", refusal)
		heir.ClosedAt = now
	}
	return nil
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
