package checkout

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gofulfil/fulfil/internal/combiner"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
)

// refusePatience is how long refusals may take together. They wait for no row, but for a connection, which they would not get sooner
// one by one.
const refusePatience = 5 * time.Second

// demand is what a Begin asks of the stock, for an order that may be new.
type demand struct {
	orderID string
	lines   []reservation.Line
}

// refuseSoldOut returns the refusal of a new order whose stock is sold out, without a transaction. Nil: the transaction decides.
//
// Callers that wait at the same time are refused together, and take one connection to the database: however many want what is sold
// out, they hold up nobody who buys or pays.
func (f *Flow[Tx]) refuseSoldOut(ctx context.Context, c *cart) error {
	d := demand{c.OrderID, stockLines(c.lines)}
	if !f.maySoldOut(d) {
		return nil
	}
	refusal, err := f.refusing.Do(ctx, d)
	if err != nil {
		return nil // the transaction meets the error, too, if it is one
	}
	return refusal
}

// maySoldOut reports whether something of a demand was short in this process before. Only then the database is asked, so that an
// order that can be held costs nothing more.
func (f *Flow[Tx]) maySoldOut(d demand) bool {
	_, ok := f.reserver.(reservation.Previewer)
	return ok && f.shortages.any(d.lines)
}

// refuseTogether answers each demand that is sold out with its refusal.
func (f *Flow[Tx]) refuseTogether(ctx context.Context, demands []demand) ([]combiner.Answer[error], error) {
	answers := make([]combiner.Answer[error], len(demands))
	var holds []reservation.Hold
	var holders []int // the demand of each hold
	for i, d := range demands {
		if f.maySoldOut(d) {
			holds = append(holds, reservation.Hold{ID: fmt.Sprintf("%s/%d", d.orderID, 1), Lines: d.lines})
			holders = append(holders, i)
		}
	}
	if len(holds) == 0 {
		return answers, nil
	}
	previews, err := f.reserver.(reservation.Previewer).Preview(ctx, holds...)
	if errors.Is(err, errors.ErrUnsupported) { // it was given nothing to read from
		return answers, nil
	}
	if err != nil {
		return nil, err
	}
	short := store.Query{Limit: store.MaxLimit}
	for n, i := range holders {
		if isShort(previews[n]) {
			answers[i].Value = previews[n]
			short.IDs = append(short.IDs, demands[i].orderID)
		} else {
			f.shortages.forget(demands[i].lines)
		}
	}
	if len(short.IDs) == 0 {
		return answers, nil
	}
	existing, err := f.store.List(ctx, short)
	if err != nil {
		return nil, err
	}
	for _, o := range existing {
		// The order may hold its stock already.
		for i, d := range demands {
			if d.orderID == o.ID {
				answers[i].Value = nil
			}
		}
	}
	return answers, nil
}

func isShort(err error) bool {
	var short *reservation.ShortageError
	return errors.As(err, &short)
}

// shortages remembers SKUs of which too little was left when a hold was last refused.
type shortages struct {
	mu   sync.Mutex
	skus map[string]bool
}

// maxShortages is how many SKUs are remembered. Beyond that all are forgotten, which costs a transaction each.
const maxShortages = 10_000

func (s *shortages) any(lines []reservation.Line) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range lines {
		if s.skus[l.SKU] {
			return true
		}
	}
	return false
}

// learn remembers the SKUs of a refusal, if err is one.
func (s *shortages) learn(err error) {
	var short *reservation.ShortageError
	if !errors.As(err, &short) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.skus == nil || len(s.skus) >= maxShortages {
		s.skus = make(map[string]bool)
	}
	for _, l := range short.Lines {
		s.skus[l.SKU] = true
	}
}

func (s *shortages) forget(lines []reservation.Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range lines {
		delete(s.skus, l.SKU)
	}
}
