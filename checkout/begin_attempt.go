package checkout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
)

// newAttempt appends the next attempt and holds its stock: all of it, or what is more than an open attempt holds that it
// is to replace.
func (f *Flow[Tx]) newAttempt(ctx context.Context, tx Tx, o *store.Order, c *cart, old *store.Attempt, now time.Time) (*store.Attempt, error) {
	n := len(o.Attempts) + 1
	body, expiresAt := c.body(n, now)
	a := store.Attempt{
		N: n, CreatedAt: now, Lines: c.lines, Metadata: c.Metadata, Fingerprint: c.fingerprint,
		Params: body, ExpiresAt: expiresAt, PayBy: expiresAt,
	}
	if c.quote != nil {
		a.Quote = &store.Quote{Currency: c.quote.Currency, Subtotal: c.quote.Subtotal, Variable: variable(body)}
	}
	if c.HoldFor > 0 && now.Add(c.HoldFor).Before(a.ExpiresAt) {
		a.PayBy = now.Add(c.HoldFor)
	}
	if old != nil {
		a.Replaces = old.N
	}
	if wanted := stockLines(c.lines); f.reserver != nil && len(wanted) > 0 {
		a.Hold.ID = fmt.Sprintf("%s/%d", o.ID, n)
		if err := f.holdAttempt(ctx, tx, &a, old, wanted); err != nil {
			return nil, err
		}
	}
	c.describe(o)
	o.Attempts = append(o.Attempts, a)
	return o.Attempt(n), nil
}

func (f *Flow[Tx]) holdAttempt(ctx context.Context, tx Tx, a, old *store.Attempt, wanted []reservation.Line) error {
	if old == nil {
		answer, err := f.holdStock(ctx, tx, &a.Hold, wanted)
		if err == nil {
			err = answer
		}
		return err
	}
	var held []reservation.Line
	if old.Hold.State == store.Held {
		held = stockLines(old.Lines)
	}
	more := increase(wanted, held)
	if len(more) == 0 {
		return nil
	}
	a.Increase.ID = a.Hold.ID + "+"
	answer, err := f.holdStock(ctx, tx, &a.Increase, more)
	if err != nil {
		return err
	}
	var short *reservation.ShortageError
	if errors.As(answer, &short) {
		addHeld(short, held)
	}
	return answer
}

// addHeld turns a shortage of the increase into one of the whole cart: what its owner holds already counts as available.
func addHeld(short *reservation.ShortageError, held []reservation.Line) {
	for i := range short.Lines {
		for _, l := range held {
			if l.SKU == short.Lines[i].SKU {
				short.Lines[i].Wanted += l.Quantity
				short.Lines[i].Available += l.Quantity
			}
		}
	}
}
