package memstore

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// List returns a page of committed orders, as [store.Store] says.
func (s *Store) List(ctx context.Context, q store.Query) ([]*store.Order, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var page []*record
	terms := q.Terms()
	s.mu.Lock()
	for _, value := range s.candidates(q) {
		if r := value.(*record); r.matches(q, terms) {
			page = append(page, r)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(page, func(a, b *record) int { return a.after(q, b.created, b.id) })
	page = page[:min(len(page), q.PageSize())]
	orders := make([]*store.Order, len(page))
	for i, r := range page {
		orders[i] = r.order()
	}
	return orders, nil
}

// candidates returns the rows of the orders that q names, or of all if it names none. The Store's mutex is held.
func (s *Store) candidates(q store.Query) map[string]any {
	all := s.tables[tableOf(orderTable)]
	if len(q.IDs) == 0 {
		return all
	}
	named := map[string]any{}
	for _, id := range q.IDs {
		if row, ok := all[orderTable+id]; ok {
			named[id] = row
		}
	}
	return named
}

func (r *record) matches(q store.Query, terms []string) bool {
	switch {
	case len(q.Status) > 0 && !slices.Contains(q.Status, r.status),
		q.Stuck && !r.stuck,
		!q.CreatedFrom.IsZero() && r.created.Before(q.CreatedFrom),
		!q.CreatedTo.IsZero() && !r.created.Before(q.CreatedTo):
		return false
	}
	for _, term := range terms {
		if !slices.Contains(r.terms, term) {
			return false
		}
	}
	return q.After == store.Position{} || r.after(q, store.Time(q.After.CreatedAt), q.After.ID) > 0
}

// after compares the position of r in the list of q with the position of another order. It is positive if r comes later.
func (r *record) after(q store.Query, at time.Time, id string) int {
	if q.Newest {
		return compare(at, id, r.created, r.id)
	}
	return compare(r.created, r.id, at, id)
}

// compare compares by time and then by ID.
func compare(at time.Time, id string, otherAt time.Time, otherID string) int {
	if c := at.Compare(otherAt); c != 0 {
		return c
	}
	return strings.Compare(id, otherID)
}

// Count counts orders, as [store.Counter] says.
func (s *Store) Count(ctx context.Context, now time.Time) (counts store.Counts, err error) {
	if err := ctx.Err(); err != nil {
		return counts, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, value := range s.tables[tableOf(orderTable)] {
		r := value.(*record)
		if r.stuck {
			counts.Stuck++
		}
		if r.due.IsZero() || r.due.After(now) {
			continue
		}
		counts.Due++
		if counts.DueSince.IsZero() || r.due.Before(counts.DueSince) {
			counts.DueSince = r.due
		}
	}
	return counts, nil
}

// Due leases orders that are due, as [store.Store] says. It commits at once.
func (s *Store) Due(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []*record
	for key, value := range s.tables[tableOf(orderTable)] {
		r := value.(*record)
		if !r.due.IsZero() && !r.due.After(now) && s.locks[key] == nil {
			due = append(due, r)
		}
	}
	slices.SortFunc(due, func(a, b *record) int { return compare(a.due, a.id, b.due, b.id) })
	due = due[:min(len(due), max(limit, 0))]
	ids := make([]string, len(due))
	for i, r := range due {
		leased := *r
		leased.due = store.Time(now.Add(lease))
		s.commit(orderTable+r.id, &leased)
		ids[i] = r.id
	}
	return ids, nil
}
