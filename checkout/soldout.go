package checkout

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/gofulfil/fulfil/reservation"
)

// refuseSoldOut returns the refusal of a new order whose stock is sold out, without a transaction. It asks only about SKUs that
// were short in this process before, so that an order that can be held costs nothing more. Nil: the transaction decides.
func (f *Flow[Tx]) refuseSoldOut(ctx context.Context, c *cart) error {
	previewer, ok := f.reserver.(reservation.Previewer)
	lines := stockLines(c.lines)
	if !ok || !f.shortages.any(lines) {
		return nil
	}
	answers, err := previewer.Preview(ctx, reservation.Hold{ID: fmt.Sprintf("%s/%d", c.OrderID, 1), Lines: lines})
	if err != nil {
		return nil // the transaction meets the error, too, if it is one
	}
	var short *reservation.ShortageError
	if !errors.As(answers[0], &short) {
		f.shortages.forget(lines)
		return nil
	}
	// An order that exists may hold its stock already.
	if _, err := f.store.Find(ctx, c.OrderID); !errors.Is(err, ErrNotFound) {
		return nil
	}
	return short
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
