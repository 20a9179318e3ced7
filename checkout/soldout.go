package checkout

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// refuseSoldOut returns the refusal of a new order whose stock is sold out, without a transaction. It asks only about SKUs that
// were short in this process before, so that an order that can be held costs nothing more. Nil: the transaction decides.
//
// Callers that wait at the same time are refused together, and take one connection to the database: however many want what is sold
// out, they hold up nobody who buys or pays.
func (f *Flow[Tx]) refuseSoldOut(ctx context.Context, c *cart) error {
	lines := stockLines(c.lines)
	if _, ok := f.reserver.(reservation.Previewer); !ok || !f.shortages.any(lines) {
		return nil
	}
	refusal, err := f.refusing.Do(ctx, demand{c.OrderID, lines})
	if err != nil {
		return nil // the transaction meets the error, too, if it is one
	}
	return refusal
}

// refuseTogether answers each demand with its refusal; nil: the transaction decides.
func (f *Flow[Tx]) refuseTogether(ctx context.Context, demands []demand) ([]combiner.Answer[error], error) {
	holds := make([]reservation.Hold, len(demands))
	for i, d := range demands {
		holds[i] = reservation.Hold{ID: fmt.Sprintf("%s/%d", d.orderID, 1), Lines: d.lines}
	}
	previews, err := f.reserver.(reservation.Previewer).Preview(ctx, holds...)
	if err != nil {
		return nil, err
	}
	short := store.Query{Limit: store.MaxLimit}
	for i, d := range demands {
		if isShort(previews[i]) {
			short.IDs = append(short.IDs, d.orderID)
		} else {
			f.shortages.forget(d.lines)
		}
	}
	answers := make([]combiner.Answer[error], len(demands))
	if len(short.IDs) == 0 {
		return answers, nil
	}
	existing, err := f.store.List(ctx, short)
	if err != nil {
		return nil, err
	}
	for i, d := range demands {
		// An order that exists may hold its stock already.
		exists := slices.ContainsFunc(existing, func(o *store.Order) bool { return o.ID == d.orderID })
		if isShort(previews[i]) && !exists {
			answers[i].Value = previews[i]
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
