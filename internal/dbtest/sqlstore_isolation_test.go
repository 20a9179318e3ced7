package dbtest

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/gofulfil/fulfil/internal/sqlkit"
)

// The suite over databases whose default isolation is another than the server's, as the DSN of a shop may say.
func TestSQLStoreIsolation(t *testing.T) {
	levels := map[string][]map[string]string{
		"pgx": {
			{"default_transaction_isolation": "serializable"},
			{"default_transaction_isolation": "repeatable read"},
		},
		"mysql": {
			{mysqlIsolation(t): "'SERIALIZABLE'"},
			{mysqlIsolation(t): "'READ-COMMITTED'"},
		},
	}
	if mysqlIsolation(t) == mariadbIsolation {
		levels["mysql"] = append(levels["mysql"], map[string]string{"innodb_snapshot_isolation": "1"})
	}
	for _, d := range All() {
		for _, params := range levels[d.Driver] {
			value := slices.Collect(maps.Values(params))[0]
			t.Run(d.Name+"/"+slices.Collect(maps.Keys(params))[0]+"="+value, func(t *testing.T) {
				t.Parallel()
				d := d.with(params)
				show := "SHOW "
				if d.Dialect == sqlkit.MySQL {
					show = "SELECT @@"
				}
				for name, want := range params {
					var is string
					if err := d.Open(t, 1).QueryRow(show + name).Scan(&is); err != nil || is != strings.Trim(want, "'") {
						t.Fatalf("%s is %q instead of %s: %v", name, is, want, err)
					}
				}
				runStoretest(t, d)
			})
		}
	}
}

const mariadbIsolation = "tx_isolation"

// mysqlIsolation is the variable that holds the isolation level: MySQL and MariaDB have none in common.
func mysqlIsolation(t *testing.T) string {
	for _, d := range All() {
		if d.Dialect == sqlkit.MySQL {
			var n int
			err := d.Open(t, 1).QueryRow("SELECT VERSION() LIKE '%MariaDB%'").Scan(&n)
			if err != nil {
				t.Fatal(err)
			}
			if n == 1 {
				return mariadbIsolation
			}
		}
	}
	return "transaction_isolation"
}

// with is the database with variables of the session set by its DSN.
func (d Database) with(params map[string]string) Database {
	create := d.Create
	d.Create = func(t testing.TB) string {
		t.Helper()
		dsn := create(t)
		if d.Dialect == sqlkit.MySQL {
			cfg, err := mysql.ParseDSN(dsn)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Params = maps.Clone(params)
			return cfg.FormatDSN()
		}
		u, err := url.Parse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		for name, value := range params {
			q.Set(name, value)
		}
		u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // pgx reads a plus as itself
		return u.String()
	}
	return d
}
