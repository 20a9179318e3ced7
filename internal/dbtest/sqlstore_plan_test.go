package dbtest

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

var storePlans = flag.Bool("store.plans", false, "explain the statements of sqlstore on a million orders")

// slow matches the plan of a statement that reads a whole table, or sorts rows that an index could have sorted.
var slow = map[sqlkit.Dialect]*regexp.Regexp{
	sqlkit.Postgres: regexp.MustCompile(`Seq Scan on fulfil_`),
	sqlkit.MySQL:    regexp.MustCompile(`\|(SIMPLE|DERIVED|PRIMARY|SUBQUERY)\|fulfil_\w+\|([^|]*\|)?(ALL\||index\|.*Using where|.*filesort)`),
	sqlkit.SQLite:   regexp.MustCompile(`SCAN fulfil_\w+\|`),
}

var planStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestSQLStorePlans checks the plan of each statement with a million orders, two million references and a million claims. Most
// orders are paid or expired, every fiftieth is due, every thousandth is stuck. Run it with -v to see the plans and times.
func TestSQLStorePlans(t *testing.T) {
	if !*storePlans {
		t.Skip("-store.plans is not set")
	}
	Each(t, func(t *testing.T, d Database) {
		if d.Driver == "postgres" || d.Driver == "sqlite3" {
			t.Skip("the same database through another driver")
		}
		dsn := d.Create(t)
		plain := d.Connect(t, dsn, 1)
		migrateStore(t, plain, d)
		start := time.Now()
		fillOrders(t, plain, d.Dialect)
		t.Logf("filled in %v", time.Since(start))
		tapped := &tap{driver: plain.Driver(), dsn: dsn}
		db := sql.OpenDB(tapped)
		t.Cleanup(func() { _ = db.Close() })
		st := sqlstore.New(db, d.Dialect)
		for _, analyze := range []string{"", map[sqlkit.Dialect]string{sqlkit.Postgres: "VACUUM ANALYZE", sqlkit.SQLite: "ANALYZE",
			sqlkit.MySQL: "ANALYZE TABLE fulfil_orders, fulfil_refs, fulfil_terms, fulfil_claims"}[d.Dialect]} {
			if analyze != "" {
				mustExec(t, plain, analyze)
			}
			for _, act := range storeActs(st) {
				must(t, act.do()) // the first run prepares statements and reads pages
				tapped.take()
				start := time.Now()
				must(t, act.do())
				t.Logf("after %q, %s: %v", analyze, act.name, time.Since(start))
				for _, s := range tapped.take() {
					if s.query == "DELETE FROM fulfil_schema WHERE 0" {
						continue
					}
					plan := explain(t, plain, d.Dialect, s)
					if slow[d.Dialect].MatchString(plan) {
						t.Errorf("after %q, %s: %s\n%s", analyze, act.name, shorten(s.query), plan)
					} else {
						t.Logf("%s\n%s", shorten(s.query), plan)
					}
				}
			}
		}
	})
}

func shorten(query string) string {
	if len(query) > 600 {
		return query[:400] + " … " + query[len(query)-200:]
	}
	return query
}

type storeAct struct {
	name string
	do   func() error
}

// storeActs returns all work of a Store, in batches of 64 if possible.
func storeActs(st *sqlstore.Store) []storeAct {
	ctx, run := context.Background(), 0
	var ids []string
	for i := range 64 {
		ids = append(ids, orderID(i*15_000+7))
	}
	list := func(name string, q store.Query) storeAct {
		return storeAct{name, func() error { _, err := st.List(ctx, q); return err }}
	}
	deep := store.Position{CreatedAt: planStart.Add(900_000 * 30 * time.Second), ID: orderID(900_000)}
	return []storeAct{
		{"Find", func() error { _, err := st.Find(ctx, orderID(500_000)); return err }},
		{"FindRef", func() error { _, err := st.FindRef(ctx, "cs_"+orderID(500_000)); return err }},
		list("List, first page", store.Query{}),
		list("List, page 9000", store.Query{After: deep}),
		list("List, older than a time, deep", store.Query{CreatedTo: planStart.AddDate(0, 11, 0), After: deep, Limit: 1000}),
		list("List, of a day", store.Query{CreatedFrom: deep.CreatedAt, CreatedTo: deep.CreatedAt.Add(24 * time.Hour), Limit: 1000}),
		list("List, paid, deep", store.Query{Status: []store.Status{store.Paid}, After: deep}),
		list("List, open", store.Query{Status: []store.Status{store.Open}}),
		list("List, four statuses", store.Query{Status: []store.Status{store.Paid, store.Open, store.Expired, store.Processing}}),
		list("List, a rare status of a day", store.Query{Status: []store.Status{store.Processing}, CreatedFrom: deep.CreatedAt}),
		list("List, stuck", store.Query{Stuck: true}),
		list("List, of a customer", store.Query{Metadata: map[string]string{"user": "7"}}),
		list("List, of a customer, deep", store.Query{CustomerID: "cus_1", After: deep, Newest: true}),
		list("List, stuck and paid, deep", store.Query{Stuck: true, Status: []store.Status{store.Paid}, After: deep}),
		{"Prune, the oldest", func() error { return prunes(st, planStart.AddDate(0, 6, 0)) }},
		{"Prune, most are older", func() error { return prunes(st, planStart.AddDate(1, 0, 0)) }},
		{"Due", func() error { _, err := st.Due(ctx, planStart.AddDate(0, 6, 0), time.Minute, 64); return err }},
		{"Insert, Claim, Lock, Save", func() error {
			run++
			return st.InTx(ctx, func(tx *sql.Tx) error {
				var fresh []*store.Order
				var keys []string
				for i := range 64 {
					fresh = append(fresh, &store.Order{ID: fmt.Sprint("new-", run, "-", i), CreatedAt: planStart})
					keys = append(keys, fmt.Sprint("evt_new-", run, "-", i))
				}
				if _, err := st.Insert(ctx, tx, fresh...); err != nil {
					return err
				}
				if _, err := st.Claim(ctx, tx, planStart, keys...); err != nil {
					return err
				}
				orders, err := st.Lock(ctx, tx, ids...)
				if err != nil {
					return err
				}
				return st.Save(ctx, tx, orders...)
			})
		}},
	}
}

// prunes frees a thousand claims of a million, and fails if Prune frees fewer.
func prunes(st *sqlstore.Store, before time.Time) error {
	n, err := st.Prune(context.Background(), before, 1000)
	if err == nil && n != 1000 {
		return fmt.Errorf("Prune freed %d of 1000", n)
	}
	return err
}

func orderID(n int) string { return fmt.Sprintf("order-%07d", n) }

// fillOrders makes a million orders, one each 30 seconds.
func fillOrders(t *testing.T, db *sql.DB, d sqlkit.Dialect) {
	t.Helper()
	const digits = `WITH digits AS (SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4
		UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9) `
	const numbers = `(SELECT a.n + 10*b.n + 100*c.n + 1000*d.n + 10000*e.n + 100000*f.n AS n
		FROM digits f, digits e, digits d, digits c, digits b, digits a) x
		ORDER BY n`
	id, at, due, data := "'order-' || substr('0000000' || n, -7)", "", "", ""
	json := []string{`'{"id":"'`, "", `'","created_at":"2026-01-01T00:00:00Z","mode":"payment","attempts":[{"n":1,"session_id":"cs_'`, "",
		`'","payment_intent":"pi_'`, "", `'","paid":true}],"metadata":{"text":"'`, "'" + strings.Repeat("x", 200) + "'", `'"}}'`}
	concat := func(parts ...string) string { return strings.Join(parts, " || ") }
	yes, token, tokenValue := "1", "", ""
	switch d {
	case sqlkit.Postgres:
		id = "'order-' || lpad(n::text, 7, '0')"
		at = "timestamptz '2026-01-01T00:00:00Z' + n * interval '30 seconds'"
		due = at + " + interval '1 hour'"
		yes = "true"
	case sqlkit.MySQL:
		id = "CONCAT('order-', LPAD(n, 7, '0'))"
		at = "TIMESTAMP('2026-01-01') + INTERVAL n * 30 SECOND"
		due = at + " + INTERVAL 1 HOUR"
		concat = func(parts ...string) string { return "CONCAT(" + strings.Join(parts, ", ") + ")" }
		token, tokenValue = ", token", ", ''"
	case sqlkit.SQLite:
		at = "strftime('%Y-%m-%dT%H:%M:%S.000000Z', '2026-01-01', (n * 30) || ' seconds')"
		due = "strftime('%Y-%m-%dT%H:%M:%S.000000Z', '2026-01-01', (n * 30 + 3600) || ' seconds')"
	}
	claim := map[sqlkit.Dialect]string{
		sqlkit.Postgres: "convert_to(" + concat("'evt_'", id) + ", 'UTF8')", sqlkit.MySQL: concat("'evt_'", id), sqlkit.SQLite: "CAST(" + concat("'evt_'", id) + " AS BLOB)",
	}[d]
	term := map[sqlkit.Dialect]string{
		sqlkit.Postgres: "sha256(convert_to(" + id + ", 'UTF8'))", sqlkit.MySQL: "UNHEX(SHA2(" + id + ", 256))", sqlkit.SQLite: "randomblob(32)",
	}[d]
	json[1], json[3], json[5] = id, id, id
	data = concat(json...)
	if d == sqlkit.Postgres {
		data = "(" + data + ")::json"
	}
	no := strings.NewReplacer("true", "false", "1", "0").Replace(yes)
	status := `CASE WHEN n % 10 < 7 THEN 'paid' WHEN n % 10 < 9 THEN 'expired' WHEN n % 200 = 9 THEN 'open' WHEN n % 1000 = 19 THEN 'processing'
		ELSE 'canceled' END`
	for _, statement := range []string{
		"INSERT INTO fulfil_orders (id, status, stuck, email, currency, total, livemode, created_at, updated_at, due_at, data" + token + ") " + digits +
			"SELECT " + id + ", " + status + ", CASE WHEN n % 1000 = 1 THEN " + yes + " ELSE " + no + " END, 'a@example.com', 'usd', 1999, " + yes + ", " + at + ", " + at +
			", CASE WHEN n % 50 = 0 THEN " + due + " END, " + data + tokenValue + " FROM " + numbers,
		"INSERT INTO fulfil_refs (ref, order_id) " + digits + "SELECT " + concat("'cs_'", id) + ", " + id + " FROM " + numbers,
		"INSERT INTO fulfil_refs (ref, order_id) " + digits + "SELECT " + concat("'pi_'", id) + ", " + id + " FROM " + numbers,
		"INSERT INTO fulfil_terms (term, created_at, order_id) " + digits + "SELECT " + term + ", " + at + ", " + id + " FROM " + numbers,
		"INSERT INTO fulfil_claims (claim, claimed_at" + token + ") " + digits + "SELECT " + claim + ", " + at + tokenValue + " FROM " + numbers,
	} {
		mustExec(t, db, statement)
	}
}
