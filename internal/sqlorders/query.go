package sqlorders

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/store"
)

// List returns a page of committed orders, as [store.Store] says.
func (s *Store[Tx]) List(ctx context.Context, q store.Query) ([]*store.Order, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(q.IDs) > 0 {
		return s.listByID(ctx, q)
	}
	if terms := q.Terms(); len(terms) > 0 {
		return s.listByTerm(ctx, q, terms[0])
	}
	query, args := s.page(q)
	page, err := s.readOrders(ctx, query, args)
	if err != nil {
		return nil, s.fail(ctx, "list orders", err)
	}
	return page, nil
}

// listByID returns a page of the orders that have one of the IDs of q and match q.
func (s *Store[Tx]) listByID(ctx context.Context, q store.Query) ([]*store.Order, error) {
	ids := slices.DeleteFunc(slices.Clone(q.IDs), func(id string) bool { return !validKey(id, maxID) })
	slices.Sort(ids)
	rest, args := s.where(q, nil)
	var page []*store.Order
	for chunk := range slices.Chunk(slices.Compact(ids), maxParams) {
		query := "SELECT " + s.grammar.storedColumns() + " FROM fulfil_orders" + s.grammar.byKey +
			" WHERE id IN " + sqlkit.List(len(chunk)) + " AND " + rest
		read, err := s.readOrders(ctx, s.dialect.Rebind(query), slices.Concat(texts(chunk), args))
		if err != nil {
			return nil, s.fail(ctx, "list orders", err)
		}
		page = append(page, read...)
	}
	page = slices.DeleteFunc(page, func(o *store.Order) bool { return !q.Matches(o) })
	slices.SortFunc(page, func(a, b *store.Order) int {
		if q.Newest {
			a, b = b, a
		}
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return page[:min(len(page), q.PageSize())], nil
}

// readOrders returns the orders that a query returns.
func (s *Store[Tx]) readOrders(ctx context.Context, query string, args []any) (orders []*store.Order, err error) {
	err = s.read(ctx, func() error {
		orders = nil
		return s.db.Send(ctx, sqlkit.Statement{Query: query, Args: args, Row: func(scan sqlkit.Scan) error {
			var r storedOrder
			if err := scan(r.fields()...); err != nil {
				return err
			}
			o, err := r.order()
			orders = append(orders, o)
			return err
		}})
	})
	return orders, err
}

// page returns the query for a page. It first reads the keys of the page from an index, and then the orders with those keys.
// Each status has a subquery of its own that reads at most one page: the index sorts the orders of one status by time. For
// several statuses at once the database would read and sort all of their orders. Stuck orders are few and need only one
// subquery.
func (s *Store[Tx]) page(q store.Query) (query string, args []any) {
	parted := [][]store.Status{q.Status}
	if !q.Stuck && len(q.Status) > 0 {
		statuses := slices.Clone(q.Status)
		slices.Sort(statuses)
		parted = slices.Collect(slices.Chunk(slices.Compact(statuses), 1))
	}
	by := func(prefix string) string {
		if q.Newest {
			return " ORDER BY " + prefix + "created_at DESC, " + prefix + "id DESC"
		}
		return " ORDER BY " + prefix + "created_at, " + prefix + "id"
	}
	var parts []string
	for _, statuses := range parted {
		where, whereArgs := s.where(q, statuses)
		parts = append(parts, "SELECT * FROM (SELECT created_at, id FROM fulfil_orders WHERE "+where+by("")+" LIMIT ?) AS part")
		args = append(append(args, whereArgs...), q.PageSize())
	}
	query = "SELECT " + s.grammar.storedColumns() + " FROM (" +
		"SELECT * FROM (" + strings.Join(parts, " UNION ALL ") + ") AS parts" + by("") + " LIMIT ?" +
		") AS page JOIN fulfil_orders ON fulfil_orders.id = page.id" + by("page.")
	return s.dialect.Rebind(query), append(args, q.PageSize())
}

// where returns the condition of q for orders in one of statuses, or in any status if there are none.
func (s *Store[Tx]) where(q store.Query, statuses []store.Status) (condition string, args []any) {
	var all []string
	and := func(condition string, arg ...any) {
		all = append(all, condition)
		args = append(args, arg...)
	}
	and("1 = 1")
	switch {
	case q.Stuck:
		and("stuck = " + s.grammar.yes)
		if len(statuses) > 0 {
			// COALESCE keeps the planner from the index on the status.
			and("COALESCE(status, '') IN "+sqlkit.List(len(statuses)), texts(statuses)...)
		}
	case len(statuses) > 0:
		and("status = ?", string(statuses[0]))
	}
	// A bound between two microseconds is rounded up: stored times are whole microseconds.
	if !q.CreatedFrom.IsZero() {
		and("created_at >= ?", s.dialect.Time(q.CreatedFrom.Add(time.Microsecond-1)))
	}
	if !q.CreatedTo.IsZero() {
		and("created_at < ?", s.dialect.Time(q.CreatedTo.Add(time.Microsecond-1)))
	}
	if q.After != (store.Position{}) {
		// MySQL and MariaDB would not use an index for (created_at, id) > (?, ?).
		at := s.dialect.Time(q.After.CreatedAt)
		if q.Newest {
			and("created_at <= ? AND (created_at < ? OR id < ?)", at, at, q.After.ID)
		} else {
			and("created_at >= ? AND (created_at > ? OR id > ?)", at, at, q.After.ID)
		}
	}
	return strings.Join(all, " AND "), args
}

// Count counts orders, as [store.Counter] says. It reads two indexes, and of these only the orders that it counts.
func (s *Store[Tx]) Count(ctx context.Context, now time.Time) (counts store.Counts, err error) {
	if err := ctx.Err(); err != nil {
		return counts, err
	}
	query := s.dialect.Rebind("SELECT (SELECT COUNT(*) FROM fulfil_orders WHERE stuck = " + s.grammar.yes + "), " +
		"(SELECT COUNT(*) FROM fulfil_orders WHERE due_at <= ?), " +
		"(SELECT " + s.grammar.dueText + " FROM fulfil_orders WHERE due_at <= ? ORDER BY due_at LIMIT 1)")
	var since sql.NullString
	err = s.read(ctx, func() error {
		args := []any{s.dialect.Time(now), s.dialect.Time(now)}
		return s.db.Send(ctx, sqlkit.Statement{Query: query, Args: args, Row: func(scan sqlkit.Scan) error {
			return scan(&counts.Stuck, &counts.Due, &since)
		}})
	})
	if err == nil && since.Valid {
		counts.DueSince, err = time.Parse(time.RFC3339, since.String)
	}
	if err != nil {
		return store.Counts{}, s.fail(ctx, "count orders", err)
	}
	counts.DueSince = store.Time(counts.DueSince)
	return counts, nil
}

// Due leases orders that are due, as [store.Store] says, in a transaction of its own.
func (s *Store[Tx]) Due(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]string, error) {
	if err := ctx.Err(); err != nil || limit <= 0 {
		return nil, err
	}
	query := s.dialect.Rebind("SELECT id FROM fulfil_orders WHERE due_at <= ? ORDER BY due_at, id LIMIT ?" + s.grammar.skipLocked)
	var ids []string
	err := s.ownTx(ctx, s.grammar.skipLevel, func(tx Tx) error {
		ids = nil
		q := s.db.In(tx)
		err := q.Send(ctx, sqlkit.Statement{Query: query, Args: []any{s.dialect.Time(now), limit}, Row: func(scan sqlkit.Scan) error {
			var id string
			err := scan(&id)
			ids = append(ids, id)
			return err
		}})
		if err != nil {
			return err
		}
		var leases []sqlkit.Statement
		for chunk := range slices.Chunk(ids, maxParams-1) {
			statement := "UPDATE fulfil_orders" + s.grammar.byKey + " SET due_at = ? WHERE id IN " + sqlkit.List(len(chunk))
			args := append([]any{s.dialect.Time(now.Add(lease))}, texts(chunk)...)
			leases = append(leases, sqlkit.Statement{Query: s.dialect.Rebind(statement), Args: args})
		}
		return q.Send(ctx, leases...)
	})
	if err != nil {
		return nil, s.fail(ctx, "lease due orders", err)
	}
	return ids, nil
}
