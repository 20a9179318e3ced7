package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

const (
	// growthChunk orders are loaded in one statement.
	growthChunk = 100_000
	// growthSweeps prune at most. They pass all old orders of a million; more would take hours.
	growthSweeps = 60
	// growthDue orders are due in each sweep that is measured.
	growthDue = 20
)

// A grown shop has copies of three orders that a Flow made. Of a hundred copies these are of the same kind.
var growthKinds = []struct {
	name     string
	from, to int // of a hundred
}{{"paid", 0, 70}, {"expired", 70, 98}, {"open", 98, 100}}

// grown is a shop with many orders.
type grown struct {
	bench
	orders  int
	age     time.Duration // of the oldest order; the others are spread evenly until now
	bytes   int64         // on disk, by order
	pruning time.Duration // the longest sweep that pruned
	sweeps  int           // that pruned
	holds   int64         // that are left after pruning
}

// newGrown makes a shop and loads its orders.
func newGrown(ctx context.Context, d *database, o *options, orders int) (g *grown, err error) {
	g = &grown{bench: bench{d: d, callers: growthCallers, prepared: o.prepared}, orders: orders, age: o.age}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	db, err := d.open(o.pool)
	if err != nil {
		return g, err
	}
	g.pools = []*sql.DB{db}
	if err := errors.Join(warm(ctx, db), migrateOurs(ctx, d, db)); err != nil {
		return g, err
	}
	if g.ours, err = newOurs(d, db, &stubStripe{}); err != nil {
		return g, err
	}
	g.prepareOurs = g.ours
	for i := range o.skus {
		g.skus = append(g.skus, fmt.Sprintf("sku-%03d", i))
	}
	if err := g.ours.stock(ctx, plenty, g.skus...); err != nil {
		return g, err
	}
	before, err := g.size(ctx)
	if err != nil {
		return g, err
	}
	if err := g.load(ctx); err != nil {
		return g, fmt.Errorf("loading orders: %w", err)
	}
	after, err := g.size(ctx)
	if err != nil {
		return g, err
	}
	g.bytes = (after - before) / int64(orders)
	return g, g.prune(ctx)
}

// growthCallers is small, so that the latencies are those of the work and not of a queue.
const growthCallers = 2

// load makes an order of each kind and copies the rows that the Flow wrote.
func (g *grown) load(ctx context.Context) error {
	db, now := g.pools[0], time.Now().UTC()
	for _, kind := range growthKinds {
		id := "template-" + kind.name
		session, err := g.ours.begin(ctx, id, g.skus[0])
		if err != nil {
			return err
		}
		payload := event("evt_"+kind.name, session, "paid")
		switch kind.name {
		case "expired":
			payload = []byte(strings.NewReplacer(`"complete"`, `"expired"`, `session.completed`, `session.expired`, `"paid"`, `"unpaid"`,
				`"pi_`+session+`"`, `null`).Replace(string(payload)))
			fallthrough
		case "paid":
			if err := serve(g.ours.hook, delivery(payload)); err != nil {
				return err
			}
		}
		o, err := g.ours.flow.Order(ctx, id)
		if err != nil {
			return err
		}
		if string(o.Status()) != kind.name {
			return fmt.Errorf("benchmarks: the order to copy is %s, not %s", o.Status(), kind.name)
		}
		for from := 0; from < g.orders; from += growthChunk {
			to := min(from+growthChunk, g.orders)
			for _, statement := range g.copies(o, session, now, kind.from, kind.to, from, to) {
				if _, err := db.ExecContext(ctx, statement); err != nil {
					return fmt.Errorf("%w: %.300s", err, statement)
				}
			}
		}
	}
	taken := "UPDATE fulfil_stock SET taken = taken + (SELECT count(*) FROM fulfil_holds WHERE id LIKE 'order-%' AND state <> 'released') WHERE sku = '" + g.skus[0] + "'"
	if _, err := db.ExecContext(ctx, taken); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, map[sqlstore.Dialect]string{sqlstore.Postgres: "VACUUM ANALYZE", sqlstore.SQLite: "ANALYZE"}[g.d.dialect])
	return err
}

// copies returns the statements that copy the rows of an order for those numbers from from to below to that are of its kind.
func (g *grown) copies(o *store.Order, session string, now time.Time, low, high, from, to int) []string {
	numbers := fmt.Sprintf("(SELECT n FROM generate_series(%d, %d) AS n WHERE n %% 100 >= %d AND n %% 100 < %d) AS numbers", from, to-1, low, high)
	step, start := g.age.Seconds()/float64(g.orders), now.Add(-g.age)
	at := fmt.Sprintf("(timestamptz '%s' + n * interval '%f seconds')", start.Format(time.RFC3339), step)
	text := "to_char(" + at + " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
	id, term, data, cast := "('order-' || lpad(n::text, 9, '0'))", "sha256(n::text::bytea)", "t.data::text", "::json"
	if g.d.dialect == sqlstore.SQLite {
		numbers = fmt.Sprintf(`(WITH RECURSIVE c(n) AS (SELECT %d UNION ALL SELECT n + 1 FROM c WHERE n < %d)
			SELECT n FROM c WHERE n %% 100 >= %d AND n %% 100 < %d) AS numbers`, from, to-1, low, high)
		text = fmt.Sprintf("(strftime('%%Y-%%m-%%dT%%H:%%M:%%f', %f + n * %f, 'unixepoch') || '000Z')", float64(start.Unix()), step)
		at, id, term, data, cast = text, "('order-' || substr('000000000' || n, -9))", "randomblob(32)", "t.data", ""
	}
	sessionID := "('cs_grown_' || n)"
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	data = "replace(replace(replace(" + data + ", " + quote(o.ID) + ", " + id + "), " + quote(session) + ", " + sessionID + "), " +
		quote(o.CreatedAt.Format(time.RFC3339Nano)) + ", " + text + ")" + cast
	statements := []string{
		"INSERT INTO fulfil_orders (id, status, stuck, email, currency, total, livemode, created_at, updated_at, due_at, data, session) SELECT " + id +
			", t.status, t.stuck, t.email, t.currency, t.total, t.livemode, " + at + ", " + at + ", t.due_at, " + data + ", t.session" +
			" FROM " + numbers + ", fulfil_orders t WHERE t.id = " + quote(o.ID),
		"INSERT INTO fulfil_refs (ref, order_id) SELECT replace(t.ref, " + quote(session) + ", " + sessionID + "), " + id +
			" FROM " + numbers + ", fulfil_refs t WHERE t.order_id = " + quote(o.ID),
		"INSERT INTO fulfil_holds (id, state, hold_lines) SELECT " + id + " || '/1', t.state, t.hold_lines FROM " + numbers +
			", fulfil_holds t WHERE t.id = " + quote(o.ID+"/1"),
		"INSERT INTO fulfil_held (sku, hold_id, quantity) SELECT t.sku, " + id + " || '/1', t.quantity FROM " + numbers +
			", fulfil_held t WHERE t.hold_id = " + quote(o.ID+"/1"),
	}
	if len(o.Terms()) > 0 {
		statements = append(statements, "INSERT INTO fulfil_terms (term, created_at, order_id) SELECT "+term+", "+at+", "+id+" FROM "+numbers)
	}
	return statements
}

// size is how much disk the database takes.
func (g *grown) size(ctx context.Context) (bytes int64, err error) {
	query := "SELECT pg_database_size(current_database())"
	if g.d.dialect == sqlstore.SQLite {
		if _, err := g.pools[0].ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
			return 0, err
		}
		query = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
	}
	err = g.pools[0].QueryRowContext(ctx, query).Scan(&bytes)
	return bytes, err
}

// prune sweeps until a sweep has passed all old orders, or growthSweeps have pruned.
func (g *grown) prune(ctx context.Context) error {
	count := func() (n int64, err error) {
		err = g.pools[0].QueryRowContext(ctx, "SELECT count(*) FROM fulfil_holds").Scan(&n)
		return n, err
	}
	for g.sweeps < growthSweeps {
		before, err := count()
		if err != nil {
			return err
		}
		began := time.Now()
		if _, err := g.ours.flow.Sweep(ctx); err != nil {
			return err
		}
		took := time.Since(began)
		g.holds, err = count()
		if err != nil || g.holds == before {
			return err
		}
		g.sweeps++
		g.pruning = max(g.pruning, took)
	}
	return nil
}

// random is the number of an order that is paid.
func (g *grown) random() int { return rand.IntN(g.orders/100)*100 + rand.IntN(70) }

// growthRow is one line of the table: the same work in each of the shops.
type growthRow struct {
	name string
	of   func(g *grown) *contender
}

func growthRows() []growthRow {
	list := func(q func(g *grown) store.Query) func(g *grown) *contender {
		return func(g *grown) *contender {
			return g.contender("", func(ctx context.Context) error {
				orders, err := g.ours.flow.List(ctx, q(g))
				if err == nil && len(orders) == 0 {
					err = errors.New("benchmarks: the list is empty")
				}
				return err
			})
		}
	}
	somewhere := func(g *grown) store.Position {
		return store.Position{CreatedAt: time.Now().Add(-time.Duration(float64(g.age) * (0.1 + 0.8*rand.Float64()))), ID: "x"}
	}
	return []growthRow{
		{"Begin", func(g *grown) *contender {
			return g.contender("", func(ctx context.Context) error {
				_, err := g.ours.begin(ctx, g.id("new"), g.skus[rand.IntN(len(g.skus))])
				return err
			})
		}},
		{"webhook to fulfilled", (*grown).settling},
		{"status of an order", func(g *grown) *contender {
			return g.contender("", func(context.Context) error { return getStatus(g.ours.status, "cs_grown_"+strconv.Itoa(g.random())) })
		}},
		{"List, 100 newest paid", list(func(*grown) store.Query { return store.Query{Status: []store.Status{store.Paid}, Newest: true} })},
		{"List, 100 expired, from anywhere", list(func(g *grown) store.Query {
			return store.Query{Status: []store.Status{store.Expired}, After: somewhere(g)}
		})},
		{"List, 100 of any status, from anywhere", list(func(g *grown) store.Query { return store.Query{After: somewhere(g)} })},
		{"sweep with " + strconv.Itoa(growthDue) + " orders due", func(g *grown) *contender {
			c := g.contender("", g.sweep)
			c.callers = 1
			return c
		}},
	}
}

// settling has webhooks of orders that were begun before the round.
func (g *grown) settling() *contender {
	var requests queue[*http.Request]
	c := g.contender("", func(context.Context) error {
		request, ok := requests.next()
		if !ok {
			return errExhausted
		}
		return serve(g.ours.hook, request)
	})
	c.prepare = func(ctx context.Context) error {
		prepared := make([]*http.Request, g.prepared)
		err := atOnce(g.prepared, func(i int) error {
			session, err := g.ours.begin(ctx, g.id("order"), g.skus[i%len(g.skus)])
			if err == nil {
				prepared[i] = delivery(event(g.id("evt"), session, "paid"))
			}
			return err
		})
		requests.refill(prepared)
		return err
	}
	return c
}

// sweep has some orders due, and sweeps.
func (g *grown) sweep(ctx context.Context) error {
	var ids []string
	for range growthDue {
		ids = append(ids, fmt.Sprintf("'order-%09d'", g.random()))
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	due := g.d.dialect.Time(time.Now().Add(-time.Minute))
	statement := g.d.sqlText("UPDATE fulfil_orders SET due_at = ? WHERE id IN (" + strings.Join(ids, ", ") + ")")
	if _, err := g.pools[0].ExecContext(ctx, statement, due); err != nil {
		return err
	}
	swept, err := g.ours.flow.Sweep(ctx)
	if err == nil && swept.Orders < len(ids) {
		err = fmt.Errorf("benchmarks: the sweep found %d of %d orders", swept.Orders, len(ids))
	}
	return errors.Join(err, failed(swept))
}

func failed(swept checkout.Swept) error {
	if swept.Failed > 0 {
		return fmt.Errorf("benchmarks: %d orders could not be swept", swept.Failed)
	}
	return nil
}

// growth measures one kind of database with as many orders as each of the sizes says. All sizes exist side by side, and their
// rounds are interleaved.
func (o *options) growth(ctx context.Context, r *report, kind, admin string, sizes []int) error {
	var shops []*grown
	for _, size := range sizes {
		d, err := newDatabase(ctx, kind, admin, 0)
		if err != nil {
			return err
		}
		defer d.drop()
		began := time.Now()
		g, err := newGrown(ctx, d, o, size)
		if err != nil {
			return fmt.Errorf("%d orders: %w", size, err)
		}
		defer g.close()
		o.log("%s has %d orders, loaded and pruned in %.0fs: %d bytes each", d.name, size, time.Since(began).Seconds(), g.bytes)
		shops = append(shops, g)
	}
	r.growthHeading(shops)
	for _, row := range growthRows() {
		if !strings.Contains(row.name, o.only) {
			continue
		}
		var contenders []*contender
		for _, g := range shops {
			c := row.of(g)
			c.name = fmt.Sprintf("%d orders", g.orders)
			contenders = append(contenders, c)
		}
		o.log("%s: %s", shops[0].d.name, row.name)
		results, err := compare(ctx, contenders, o.rounds, o.length)
		if err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
		for i, result := range results {
			if result.failure != nil {
				return fmt.Errorf("%s with %s failed %d times, last: %w", row.name, contenders[i].name, result.failures, result.failure)
			}
		}
		r.growthRow(row.name, results)
	}
	return nil
}

// growthHeading begins the table of a database.
func (r *report) growthHeading(shops []*grown) {
	heads, sizes, prunes := "| p50 and p99 in ms |", "| bytes on disk for an order |", "| longest sweep that pruned, in s |"
	holds, line := "| holds after pruning, open ones too |", "|---|"
	for _, g := range shops {
		heads += fmt.Sprintf(" %d orders |", g.orders)
		sizes += fmt.Sprintf(" %d |", g.bytes)
		prunes += fmt.Sprintf(" %.2f (of %d) |", g.pruning.Seconds(), g.sweeps)
		holds += fmt.Sprintf(" %d |", g.holds)
		line += "---|"
	}
	r.line("\n### %s as orders pile up\n", shops[0].d.name)
	r.line("%s p50, times | p99, times |", heads)
	r.line("%s---|---|", line)
	r.line("%s | |", sizes)
	r.line("%s | |", prunes)
	r.line("%s | |", holds)
}

// growthRow writes one line. The ratios are those of the largest shop to the smallest.
func (r *report) growthRow(name string, results []*result) {
	cells := ""
	for _, result := range results {
		cells += fmt.Sprintf(" %s, %s |", precise(quantile(result.latencies, 50)), precise(quantile(result.latencies, 99)))
	}
	first, last := results[0], results[len(results)-1]
	times := func(percent int) string {
		return ratio(float64(quantile(last.latencies, percent)), float64(quantile(first.latencies, percent)))
	}
	r.line("| %s |%s %s | %s |", name, cells, times(50), times(99))
}

// precise is in milliseconds.
func precise(d time.Duration) string {
	return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond))
}
