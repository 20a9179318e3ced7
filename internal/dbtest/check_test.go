package dbtest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// unsuited holds DSN options with which the library can't work, and a part of the error that they cause.
var unsuited = map[string]map[string]string{
	"mysql": {
		"charset=utf8":                                 "character set is utf8",
		"charset=latin1":                               "character set is latin1",
		"collation=latin1_swedish_ci":                  "character set is latin1",
		"sql_mode=%27%27":                              "add STRICT_TRANS_TABLES",
		"sql_mode=%27ANSI_QUOTES,NO_ZERO_DATE%27":      "add STRICT_TRANS_TABLES",
		"autocommit=0":                                 "autocommit is 0",
		"character_set_results=latin1&charset=utf8mb4": "character set is latin1",
	},
	"pgx":     {"client_encoding=latin1": "client_encoding is LATIN1"},
	"sqlite":  {"_pragma=busy_timeout(0)": "busy_timeout is 0"},
	"sqlite3": {"_busy_timeout=0": "busy_timeout is 0"},
}

// suited holds good DSN options that differ from the defaults.
var suited = map[string][]string{
	"mysql": {"charset=utf8mb4", "sql_mode=%27TRADITIONAL%27", "sql_mode=%27STRICT_ALL_TABLES%27", "collation=utf8mb4_unicode_ci"},
	"pgx":   {"client_encoding=utf8"},
}

// reopen connects to an existing database with other options.
func reopen(t *testing.T, d Database, dsn, options string) *sql.DB {
	t.Helper()
	if strings.Contains(options, "busy_timeout") {
		dsn, _, _ = strings.Cut(dsn, "?") // dsn already has a timeout
	}
	other := withOptions(Database{Create: func(testing.TB) string { return dsn }}, options)
	return d.Connect(t, other.Create(t), 2)
}

func TestUnsuitedConnection(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		dsn := d.Create(t)
		migrateStore(t, d.Connect(t, dsn, 1), d)
		require.NoError(t, sqlreserver.Migrate(t.Context(), d.Connect(t, dsn, 1), d.Dialect))
		for options, says := range unsuited[d.Driver] {
			t.Run(options, func(t *testing.T) {
				ctx, db := t.Context(), reopen(t, d, dsn, options)
				st := sqlstore.New(db, d.Dialect)
				_, find := st.Find(ctx, "a")
				_, list := st.List(ctx, store.Query{})
				_, due := st.Due(ctx, failureTime, 0, 1)
				_, prune := st.Prune(ctx, failureTime, 1)
				_, cursor := st.Cursor(ctx, "a")
				_, shop := st.ShopID(ctx, "a")
				for doing, err := range map[string]error{
					"sqlstore.Check":   sqlstore.Check(ctx, db, d.Dialect),
					"sqlstore.Migrate": sqlstore.Migrate(ctx, db, d.Dialect),
					"Check":            sqlreserver.Check(ctx, db, d.Dialect),
					"Migrate":          sqlreserver.Migrate(ctx, db, d.Dialect),
					"InTx":             st.InTx(ctx, func(*sql.Tx) error { t.Error("InTx ran its function"); return nil }),
					"SetCursor":        st.SetCursor(ctx, "a", "b"),
					"Find":             find, "List": list, "Due": due, "Prune": prune, "Cursor": cursor, "ShopID": shop,
				} {
					require.ErrorContains(t, err, says, doing)
				}
			})
		}
		for _, options := range append(suited[d.Driver], "") {
			t.Run("suited "+options, func(t *testing.T) {
				db := d.Connect(t, dsn, 2)
				if options != "" {
					db = reopen(t, d, dsn, options)
				}
				require.NoError(t, sqlstore.Check(t.Context(), db, d.Dialect))
				require.NoError(t, sqlreserver.Check(t.Context(), db, d.Dialect))
				_, err := sqlstore.New(db, d.Dialect).Find(t.Context(), "a")
				require.ErrorIs(t, err, store.ErrNotFound)
			})
		}
	})
}

// Migrate refuses a database of PostgreSQL in another encoding than UTF8.
func TestUnsuitedDatabase(t *testing.T) {
	for _, d := range All() {
		if d.Dialect != sqlkit.Postgres {
			continue
		}
		t.Run(d.Name, func(t *testing.T) {
			db := d.Open(t, 1)
			var of string
			require.NoError(t, db.QueryRow("SELECT current_database()").Scan(&of))
			dsn := d.Create(t)
			for encoding, says := range map[string]string{"LATIN1": "the database is encoded in LATIN1", "SQL_ASCII": "the database is encoded in SQL_ASCII"} {
				n := of + "_" + strings.ToLower(encoding)
				admin(t, d.Driver, dsn, fmt.Sprintf("CREATE DATABASE %s ENCODING '%s' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'", n, encoding),
					"DROP DATABASE "+n+" WITH (FORCE)")
				other := d.Connect(t, strings.Replace(dsn, pathOf(t, dsn), n, 1), 1)
				require.ErrorContains(t, sqlstore.Migrate(t.Context(), other, d.Dialect), says)
				require.ErrorContains(t, sqlreserver.Migrate(t.Context(), other, d.Dialect), says)
			}
		})
	}
}

func pathOf(t *testing.T, dsn string) string {
	t.Helper()
	_, rest, ok := strings.Cut(dsn, "/fulfil_test_")
	require.True(t, ok)
	n, _, _ := strings.Cut(rest, "?")
	return "fulfil_test_" + n
}

// If another tool made the tables of an SQLite file, the file has a write-ahead log only if that tool turned it on.
func TestSQLiteWithoutWAL(t *testing.T) {
	for _, d := range All() {
		if d.Dialect != sqlkit.SQLite {
			continue
		}
		t.Run(d.Name, func(t *testing.T) {
			ctx, dsn := t.Context(), d.Create(t)
			db := d.Connect(t, dsn, 1)
			migrateStore(t, db, d)
			for _, mode := range []string{"DELETE", "TRUNCATE", "MEMORY"} {
				require.NoError(t, db.QueryRow("PRAGMA journal_mode = "+mode).Scan(new(string)))
				require.ErrorContains(t, sqlstore.Check(ctx, db, d.Dialect), "run Migrate, or PRAGMA journal_mode = WAL once")
				_, err := sqlstore.New(db, d.Dialect).Find(ctx, "a")
				require.ErrorContains(t, err, "PRAGMA journal_mode = WAL")
				migrateStore(t, db, d)
				require.NoError(t, sqlstore.Check(ctx, db, d.Dialect))
			}
			memory := d.Connect(t, map[string]string{
				"sqlite": "file::memory:?_pragma=busy_timeout(1000)", "sqlite3": "file::memory:?_busy_timeout=1000",
			}[d.Driver], 1)
			migrateStore(t, memory, d)
			require.NoError(t, sqlstore.Check(ctx, memory, d.Dialect))
			worksStore(t, memory, d, "a")
		})
	}
}

// catalogQueries list the library's columns and indexes: kind, table and name.
var catalogQueries = map[sqlkit.Dialect]string{
	sqlkit.Postgres: `SELECT 'column', table_name, column_name FROM information_schema.columns WHERE table_name LIKE 'fulfil\_%'
		UNION ALL SELECT 'index', tablename, indexname FROM pg_indexes WHERE indexname LIKE 'fulfil\_%' AND indexname NOT LIKE '%\_pkey'`,
	sqlkit.MySQL: `SELECT 'column', table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE()
		UNION SELECT 'index', table_name, index_name FROM information_schema.statistics WHERE table_schema = DATABASE() AND index_name <> 'PRIMARY'`,
	sqlkit.SQLite: `SELECT 'column', m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'
		UNION ALL SELECT 'index', tbl_name, name FROM sqlite_master WHERE type = 'index' AND name LIKE 'fulfil%'`,
}

// Check notices every column and every index that is missing.
func TestCheckMisses(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		ctx, db := t.Context(), d.Open(t, 1)
		checks := func() error {
			if err := sqlstore.Check(ctx, db, d.Dialect); err != nil {
				return err
			}
			return sqlreserver.Check(ctx, db, d.Dialect)
		}
		require.ErrorContains(t, checks(), "apply the files of Schema")
		migrateStore(t, db, d)
		require.ErrorContains(t, checks(), "table fulfil_stock or one of its columns")
		require.NoError(t, sqlreserver.Migrate(ctx, db, d.Dialect))
		require.NoError(t, checks())
		var objects [][3]string
		require.NoError(t, eachRow(ctx, db, catalogQueries[d.Dialect], func(rows *sql.Rows) error {
			var o [3]string
			err := rows.Scan(&o[0], &o[1], &o[2])
			objects = append(objects, o)
			return err
		}))
		require.Greater(t, len(objects), 25)
		for _, o := range objects {
			kind, table, name := o[0], o[1], o[2]
			if table == "fulfil_schema" {
				continue // only Migrate uses this table
			}
			away, back := fmt.Sprintf("ALTER TABLE %s RENAME COLUMN %s TO away", table, name), fmt.Sprintf("ALTER TABLE %s RENAME COLUMN away TO %s", table, name)
			if kind == "index" {
				switch d.Dialect {
				case sqlkit.Postgres:
					away, back = "ALTER INDEX "+name+" RENAME TO away", "ALTER INDEX away RENAME TO "+name
				case sqlkit.MySQL:
					away, back = fmt.Sprintf("ALTER TABLE %s RENAME INDEX %s TO away", table, name), fmt.Sprintf("ALTER TABLE %s RENAME INDEX away TO %s", table, name)
				case sqlkit.SQLite:
					var create string
					require.NoError(t, db.QueryRow("SELECT sql FROM sqlite_master WHERE name = ?", name).Scan(&create))
					away, back = "DROP INDEX "+name, create
				}
			}
			mustExec(t, db, away)
			err := checks()
			require.Error(t, err, "%s %s of %s", kind, name, table)
			require.ErrorContains(t, err, "apply the files of Schema")
			require.ErrorContains(t, err, name)
			mustExec(t, db, back)
		}
		require.NoError(t, checks())
	})
}

func eachRow(ctx context.Context, db *sql.DB, query string, fn func(rows *sql.Rows) error) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
