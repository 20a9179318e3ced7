package dbtest

import (
	"strings"
	"testing"

	"github.com/gofulfil/fulfil/internal/sqlkit"
)

// sessionOptions returns DSN options that set another isolation level than the server's default. For each it returns the
// variable and the value that the database then shows.
func sessionOptions(t *testing.T, d Database) map[string][2]string {
	switch {
	case d.Driver == "pgx":
		return map[string][2]string{
			"default_transaction_isolation=serializable":      {"default_transaction_isolation", "serializable"},
			"default_transaction_isolation=repeatable%20read": {"default_transaction_isolation", "repeatable read"},
		}
	case d.Dialect != sqlkit.MySQL:
		return nil
	case isMariaDB(t, d):
		return map[string][2]string{
			"tx_isolation=%27SERIALIZABLE%27":   {"tx_isolation", "SERIALIZABLE"},
			"tx_isolation=%27READ-COMMITTED%27": {"tx_isolation", "READ-COMMITTED"},
			snapshotIsolation:                   {"innodb_snapshot_isolation", "1"},
		}
	}
	return map[string][2]string{
		"transaction_isolation=%27SERIALIZABLE%27":   {"transaction_isolation", "SERIALIZABLE"},
		"transaction_isolation=%27READ-COMMITTED%27": {"transaction_isolation", "READ-COMMITTED"},
	}
}

func TestSQLStoreIsolation(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		for option, variable := range sessionOptions(t, d) {
			t.Run(option, func(t *testing.T) {
				t.Parallel()
				d := withOptions(d, option)
				show := "SHOW "
				if d.Dialect == sqlkit.MySQL {
					show = "SELECT @@"
				}
				var is string
				if err := d.Open(t, 1).QueryRow(show + variable[0]).Scan(&is); err != nil || is != variable[1] {
					t.Fatalf("%s is %q instead of %q: %v", variable[0], is, variable[1], err)
				}
				runStoretest(t, d)
			})
		}
	})
}

// Driver options change how statements are sent, which rows count as affected, and how times come back.
func TestSQLStoreDriverOptions(t *testing.T) {
	options := map[string][]string{
		"pgx":      {"default_query_exec_mode=simple_protocol", "default_query_exec_mode=exec&timezone=Asia/Kolkata"},
		"postgres": {"binary_parameters=yes"},
		"mysql":    {"clientFoundRows=true&interpolateParams=true&parseTime=true&loc=Asia%2FKolkata&time_zone=%27%2B05:30%27"},
		"sqlite":   {"_txlock=immediate"},
		"sqlite3":  {"_txlock=immediate&_foreign_keys=on&_loc=auto"},
	}
	Each(t, func(t *testing.T, d Database) {
		for _, o := range options[d.Driver] {
			t.Run(strings.ReplaceAll(o, "/", "-"), func(t *testing.T) {
				t.Parallel()
				runStoretest(t, withOptions(d, o))
			})
		}
	})
}
