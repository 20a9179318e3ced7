package dbtest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"flag"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation"
)

var reserverPlans = flag.Bool("reserver.plans", false, "explain the statements of sqlreserver on 100,000 SKUs and a million holds")

// said is a statement with its arguments.
type said struct {
	query string
	args  []any
}

// tap is a connector that remembers the statements on its connections.
type tap struct {
	driver driver.Driver
	dsn    string
	mu     sync.Mutex
	said   []said
}

func (t *tap) Connect(context.Context) (driver.Conn, error) {
	conn, err := t.driver.Open(t.dsn)
	return &tapConn{conn, t}, err
}

// Driver implements driver.Connector.
func (t *tap) Driver() driver.Driver { return t.driver }

// take returns the statements since the last take.
func (t *tap) take() []said {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.said
	t.said = nil
	return all
}

func (t *tap) add(query string, named []driver.NamedValue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := said{query: query}
	for _, a := range named {
		s.args = append(s.args, a.Value)
	}
	t.said = append(t.said, s)
}

type tapConn struct {
	driver.Conn
	tap *tap
}

func (c *tapConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.tap.add(query, args)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c *tapConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.tap.add(query, args)
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c *tapConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
}

// newTapped returns a reserver and the tap on its connections.
func newTapped(t *testing.T, d Database) (*reserver, *tap) {
	dsn := d.Create(t)
	plain := d.Connect(t, dsn, 1)
	tapped := &tap{driver: plain.Driver(), dsn: dsn}
	d.Create = func(testing.TB) string { return dsn }
	r := newReserver(t, d, 1)
	r.db = sql.OpenDB(tapped)
	t.Cleanup(func() { _ = r.db.Close() })
	return r, tapped
}

// acts returns all work of a Reserver, with two holds for each of the SKUs. The SKUs must have stock.
func acts(t *testing.T, r *reserver, name string, skus []string) map[string]func(tx *sql.Tx) error {
	ctx := context.Background()
	var holds []reservation.Hold
	var ids, others []string
	for i, sku := range skus {
		ids, others = append(ids, fmt.Sprint(name, i)), append(others, fmt.Sprint(name, i, "o"))
		holds = append(holds, holdOf(ids[i], 1, sku), holdOf(others[i], 1, sku))
	}
	ok := func(answers []error, err error) error { return errors.Join(append(answers, err)...) }
	return map[string]func(tx *sql.Tx) error{
		"1 hold":       func(tx *sql.Tx) error { return ok(r.Hold(ctx, tx, holds...)) },
		"2 hold again": func(tx *sql.Tx) error { return ok(r.Hold(ctx, tx, holds...)) },
		"3 refuse": func(tx *sql.Tx) error {
			_, err := r.Hold(ctx, tx, batchOf(name+"short", len(skus), "sold out")...)
			return err
		},
		"4 commit":  func(tx *sql.Tx) error { return ok(r.Commit(ctx, tx, ids...)) },
		"5 release": func(tx *sql.Tx) error { return ok(r.Release(ctx, tx, others...)) },
		"6 set":     func(tx *sql.Tx) error { return r.Set(ctx, tx, skus[0], 50) },
		"7 adjust":  func(tx *sql.Tx) error { return r.Adjust(ctx, tx, skus[0], 5) },
		"8 stock":   func(tx *sql.Tx) error { _, err := r.Stock(ctx, tx, skus...); return err },
		"A forget":  func(tx *sql.Tx) error { return r.Forget(ctx, tx, append(ids, others...)...) },
		"9 holds":   func(tx *sql.Tx) error { _, err := r.Holds(ctx, tx, "hold-5", 10); return err },
	}
}

// A batch takes as many statements as a batch for one SKU.
func TestSQLReserverStatements(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		r, tap := newTapped(t, d)
		var skus []string
		for i := range 50 {
			skus = append(skus, fmt.Sprint("sku-", i))
		}
		r.set(t, 10, skus...)
		r.set(t, 0, "sold out")
		one, many := acts(t, r, "one", skus[:1]), acts(t, r, "many", skus)
		for _, name := range slices.Sorted(maps.Keys(one)) {
			tap.take()
			require.NoError(t, r.inTx(one[name]))
			few := len(tap.take())
			require.NoError(t, r.inTx(many[name]))
			more := 0
			if d.Dialect == sqlkit.MySQL && name == "1 hold" {
				more = 1 // MySQL checks and takes one SKU in one statement, and several in two
			}
			require.Len(t, tap.take(), few+more, name)
			require.LessOrEqual(t, few, 7, name)
			t.Logf("%s: %d statements", name, few)
		}
	})
}

// scans matches the plan of a statement that reads a whole table or index.
var scans = map[sqlkit.Dialect]*regexp.Regexp{
	sqlkit.Postgres: regexp.MustCompile(`Seq Scan on fulfil_`),
	sqlkit.MySQL:    regexp.MustCompile(`\|(SIMPLE|PRIMARY|SUBQUERY|DEPENDENT SUBQUERY)\|(s|h|fulfil_\w+)\|([^|]*\|)?(ALL|index)\|`), // MySQL has a column more than MariaDB: partitions
	sqlkit.SQLite:   regexp.MustCompile(`SCAN (s|h|fulfil_\w+)\b`),
}

// TestSQLReserverPlans checks the plan of each statement on 100,000 SKUs with a million holds, of which 20,000 stand. It does
// so before and after the database has gathered statistics.
func TestSQLReserverPlans(t *testing.T) {
	if !*reserverPlans {
		t.Skip("-reserver.plans is not set")
	}
	Each(t, func(t *testing.T, d Database) {
		r, tap := newTapped(t, d)
		fill(t, r.db, d.Dialect)
		skus := []string{"sku-7", "sku-70", "sku-700", "sku-7000", "sku-70000"}
		for _, analyze := range []string{"", map[sqlkit.Dialect]string{sqlkit.Postgres: "ANALYZE", sqlkit.SQLite: "ANALYZE",
			sqlkit.MySQL: "ANALYZE TABLE fulfil_stock, fulfil_holds, fulfil_held"}[d.Dialect]} {
			if analyze != "" {
				_, err := r.db.Exec(analyze)
				require.NoError(t, err)
			}
			all := acts(t, r, "plan"+analyze, skus)
			for _, name := range slices.Sorted(maps.Keys(all)) {
				tap.take()
				start := time.Now()
				require.NoError(t, r.inTx(all[name]))
				t.Logf("%s: %v", name, time.Since(start))
				for _, s := range tap.take() {
					if s.query == "DELETE FROM fulfil_schema WHERE 0" || s.query == "DELETE FROM fulfil_holds WHERE 0" {
						continue
					}
					plan := explain(t, r.db, d.Dialect, s)
					if scans[d.Dialect].MatchString(plan) {
						t.Errorf("%s, after %q: %s\n%s", name, analyze, s.query, plan)
					} else {
						t.Logf("%s\n%s", s.query, plan)
					}
				}
			}
		}
		start := time.Now()
		require.Len(t, r.stock(t), 100_000+1)
		t.Logf("stock of all SKUs: %v", time.Since(start))
	})
}

func explain(t *testing.T, db *sql.DB, d sqlkit.Dialect, s said) string {
	t.Helper()
	with := "EXPLAIN "
	if d == sqlkit.SQLite {
		with = "EXPLAIN QUERY PLAN "
	}
	rows, err := db.Query(with+s.query, s.args...)
	require.NoError(t, err, s.query)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var plan strings.Builder
	for rows.Next() {
		values, to := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		require.NoError(t, rows.Scan(to...))
		for _, v := range values {
			plan.WriteString("|" + v.String)
		}
		plan.WriteString("|\n")
	}
	require.NoError(t, rows.Err())
	return plan.String()
}

// fill makes 100,000 SKUs with ten holds each. One hold in fifty stands, and the others are sold.
func fill(t *testing.T, db *sql.DB, d sqlkit.Dialect) {
	t.Helper()
	numbers := `(SELECT a.n + 10*b.n + 100*c.n + 1000*d.n + 10000*e.n AS n FROM digits a, digits b, digits c, digits d, digits e)`
	digits := `WITH digits AS (SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4
		UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9) `
	text := func(parts ...string) string {
		if d == sqlkit.MySQL {
			return "CONCAT(" + strings.Join(parts, ", ") + ")"
		}
		return strings.Join(parts, " || ")
	}
	lines := text(`'[{"sku":"sku-'`, "x.n", `'","quantity":1}]'`)
	if d == sqlkit.Postgres {
		lines = "(" + lines + ")::jsonb"
	}
	state := `CASE WHEN (x.n + h.n) % 50 = 0 THEN 'held' ELSE 'sold' END`
	for _, statement := range []string{
		`INSERT INTO fulfil_stock (sku, stocked, taken) ` + digits + `SELECT ` + text("'sku-'", "x.n") + `, 100, 10 FROM ` + numbers + ` x`,
		`INSERT INTO fulfil_stock (sku, stocked, taken) VALUES ('sold out', 0, 0)`,
		`INSERT INTO fulfil_holds (id, state, hold_lines) ` + digits + `SELECT ` + text("'hold-'", "x.n", "'-'", "h.n") + `, ` + state + `, ` +
			lines + ` FROM ` + numbers + ` x, digits h`,
		`INSERT INTO fulfil_held (sku, hold_id, quantity) ` + digits + `SELECT ` + text("'sku-'", "x.n") + `, ` + text("'hold-'", "x.n", "'-'", "h.n") +
			`, 1 FROM ` + numbers + ` x, digits h WHERE (x.n + h.n) % 50 = 0`,
	} {
		_, err := db.Exec(statement)
		require.NoError(t, err, statement)
	}
}
