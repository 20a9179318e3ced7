package sqlorders

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gofulfil/fulfil/store"
)

// beside is what a save changes in the tables beside fulfil_orders: new references, new terms, and terms that orders have no more.
type beside struct {
	refs, terms [][]any
	gone        []goneTerm
}

type goneTerm struct{ term, order string }

// beside returns what a save of orders changes beside fulfil_orders, as far as the transaction knows what is there. A reference
// that already leads to another order stays. If several orders have the same reference, the first gets it.
func (s *Store[Tx]) beside(tx Tx, orders []*store.Order) (beside, error) {
	t := s.in(tx)
	if t == nil {
		t = &transaction{}
	}
	var b beside
	leads := map[string]bool{}
	for _, o := range orders {
		now := written{o.Refs(), o.Terms(), o.Session, true}
		before := t.set(o.ID, now)
		for _, ref := range now.refs {
			switch {
			case !validKey(ref, maxRef):
				return beside{}, fmt.Errorf(s.name+": save order %s: a reference has %d bytes; give it 1 to %d bytes of UTF-8 without U+0000", o.ID, len(ref), maxRef)
			case !leads[ref] && !slices.Contains(before.refs, ref):
				leads[ref] = true
				b.refs = append(b.refs, []any{ref, o.ID})
			}
		}
		for _, term := range now.terms {
			if !slices.Contains(before.terms, term) {
				b.terms = append(b.terms, []any{hashTerm(term), s.dialect.Time(o.CreatedAt), o.ID})
			}
		}
		for _, term := range before.terms {
			if !slices.Contains(now.terms, term) {
				b.gone = append(b.gone, goneTerm{term, o.ID})
			}
		}
	}
	// All transactions insert in one sequence, so that they do not deadlock.
	slices.SortFunc(b.refs, func(x, y []any) int { return strings.Compare(x[0].(string), y[0].(string)) })
	slices.SortFunc(b.terms, func(x, y []any) int {
		if c := bytes.Compare(x[0].([]byte), y[0].([]byte)); c != 0 {
			return c
		}
		return strings.Compare(x[2].(string), y[2].(string))
	})
	return b, nil
}

// writeBeside writes what a save changes beside fulfil_orders.
func (s *Store[Tx]) writeBeside(ctx context.Context, tx Tx, b beside) error {
	statements := slices.Concat(s.keep(refsTable, b.refs), s.keep(termsTable, b.terms))
	for _, gone := range b.gone {
		statements = append(statements, s.deleteTerm(gone.term, gone.order))
	}
	return s.fail(ctx, "save references and terms", s.db.In(tx).Send(ctx, statements...))
}
