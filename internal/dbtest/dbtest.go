// Package dbtest runs the SQL backends on real databases, each through every driver that is in common use.
//
// SQLite always runs. An environment variable adds a server. It holds the DSN of a user who may create databases:
//
//	FULFIL_TEST_POSTGRES=postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable
//	FULFIL_TEST_MYSQL=root@tcp(127.0.0.1:3306)/
//
// The tests skip a server without a variable and print a line about it. With FULFIL_REQUIRE_DB=1 they fail instead.
package dbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
	_ "github.com/lib/pq"              // driver "postgres"
	_ "github.com/mattn/go-sqlite3"    // driver "sqlite3"
	_ "modernc.org/sqlite"             // driver "sqlite"

	"github.com/gofulfil/fulfil/internal/sqlkit"
)

// Database is a kind of database through one driver.
type Database struct {
	// Name is the name in tests, such as "postgres/pgx".
	Name    string
	Dialect sqlkit.Dialect
	// Driver is the name for sql.Open.
	Driver string
	// Create makes an empty database and returns its DSN. The database is dropped when the test ends.
	Create func(t testing.TB) (dsn string)
}

// Open creates an empty database and opens it with at most that many connections.
func (d Database) Open(t testing.TB, conns int) *sql.DB {
	t.Helper()
	return d.Connect(t, d.Create(t), conns)
}

// Connect opens an existing database, as another process would.
func (d Database) Connect(t testing.TB, dsn string, conns int) *sql.DB {
	t.Helper()
	db, err := sql.Open(d.Driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// versionQueries return the version of a database.
var versionQueries = map[sqlkit.Dialect]string{
	sqlkit.Postgres: "SHOW server_version", sqlkit.MySQL: "SELECT VERSION()", sqlkit.SQLite: "SELECT sqlite_version()",
}

// Version returns the version of the server, or of the SQLite library.
func (d Database) Version(t testing.TB, db *sql.DB) (version string) {
	t.Helper()
	if err := db.QueryRow(versionQueries[d.Dialect]).Scan(&version); err != nil {
		t.Fatal(err)
	}
	return version
}

// All returns the available databases, one for each driver.
func All() []Database {
	// Writers on SQLite wait for each other for up to ten minutes: a busy machine may need more time than an application would
	// grant.
	all := []Database{
		{Name: "sqlite/modernc", Dialect: sqlkit.SQLite, Driver: "sqlite", Create: sqliteFile("_pragma=busy_timeout(600000)&_pragma=synchronous(normal)")},
		{Name: "sqlite/mattn", Dialect: sqlkit.SQLite, Driver: "sqlite3", Create: sqliteFile("_busy_timeout=600000&_synchronous=normal")},
	}
	if dsn := os.Getenv(postgresEnv); dsn != "" {
		all = append(all,
			Database{Name: "postgres/pgx", Dialect: sqlkit.Postgres, Driver: "pgx", Create: postgresDatabase(dsn)},
			Database{Name: "postgres/pq", Dialect: sqlkit.Postgres, Driver: "postgres", Create: postgresDatabase(dsn)},
		)
	}
	if dsn := os.Getenv(mysqlEnv); dsn != "" {
		all = append(all, Database{Name: "mariadb/go-sql-driver", Dialect: sqlkit.MySQL, Driver: "mysql", Create: mysqlDatabase(dsn)})
	}
	return all
}

const (
	postgresEnv = "FULFIL_TEST_POSTGRES"
	mysqlEnv    = "FULFIL_TEST_MYSQL"
	requireEnv  = "FULFIL_REQUIRE_DB"
)

// Each runs fn as a subtest for every available database.
func Each(t *testing.T, fn func(t *testing.T, d Database)) {
	for _, d := range All() {
		t.Run(d.Name, func(t *testing.T) { fn(t, d) })
	}
}

// Main runs the tests of a package and returns the exit code. TestMain calls it. Main prints the versions of the available
// databases and which ones are left out. It fails if a database that was asked for is missing.
func Main(m *testing.M) int {
	for env, name := range map[string]string{postgresEnv: "PostgreSQL", mysqlEnv: "MySQL or MariaDB"} {
		if os.Getenv(env) != "" {
			continue
		}
		if os.Getenv(requireEnv) == "1" {
			fmt.Printf("dbtest: %s=1, but %s is not set\n", requireEnv, env)
			return 1
		}
		fmt.Printf("dbtest: %s is left out: set %s to the DSN of a user who may create databases\n", name, env)
	}
	for _, v := range []struct{ env, driver, query string }{
		{postgresEnv, "pgx", versionQueries[sqlkit.Postgres]}, {mysqlEnv, "mysql", versionQueries[sqlkit.MySQL]},
	} {
		dsn := os.Getenv(v.env)
		if dsn == "" {
			continue
		}
		version, err := ask(v.driver, dsn, v.query)
		if err != nil {
			fmt.Printf("dbtest: %s is set, but the server does not answer: %v\n", v.env, err)
			return 1
		}
		fmt.Printf("dbtest: %s %s\n", v.driver, version)
	}
	for _, driver := range []string{"sqlite", "sqlite3"} {
		version, err := ask(driver, ":memory:", versionQueries[sqlkit.SQLite])
		if err != nil {
			fmt.Printf("dbtest: %s: %v\n", driver, err)
			return 1
		}
		fmt.Printf("dbtest: %s %s\n", driver, version)
	}
	return m.Run()
}

func ask(driver, dsn, query string) (answer string, err error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return "", err
	}
	defer db.Close()
	return answer, db.QueryRow(query).Scan(&answer)
}

func sqliteFile(options string) func(t testing.TB) string {
	return func(t testing.TB) string {
		return "file:" + filepath.ToSlash(filepath.Join(t.TempDir(), "shop.db")) + "?" + options
	}
}

// name returns the name of a new database.
func name() string { return "fulfil_test_" + strings.ToLower(rand.Text()) }

func postgresDatabase(dsn string) func(t testing.TB) string {
	return func(t testing.TB) string {
		t.Helper()
		n := name()
		admin(t, "pgx", dsn, "CREATE DATABASE "+n+" TEMPLATE template0", "DROP DATABASE "+n+" WITH (FORCE)") // template1 may be in use
		u, err := url.Parse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		u.Path = "/" + n
		if db, err := sql.Open("pgx", dsn); err == nil {
			// PostgreSQL finds a deadlock only after a second by default, which makes tests slow. Only a superuser may change
			// that.
			_, _ = db.Exec("ALTER DATABASE " + n + " SET deadlock_timeout = '20ms'")
			_ = db.Close()
		}
		return u.String()
	}
}

func mysqlDatabase(dsn string) func(t testing.TB) string {
	return func(t testing.TB) string {
		t.Helper()
		n := name()
		admin(t, "mysql", dsn, "CREATE DATABASE "+n, "DROP DATABASE "+n)
		cfg, err := mysql.ParseDSN(dsn)
		if err != nil {
			t.Fatal(err)
		}
		cfg.DBName = n
		return cfg.FormatDSN()
	}
}

// admin runs one statement now and another at the end of the test.
func admin(t testing.TB, driver, dsn, now, atEnd string) {
	t.Helper()
	run := func(statement string) {
		db, err := sql.Open(driver, dsn)
		if err == nil {
			defer db.Close()
			_, err = db.ExecContext(context.Background(), statement)
		}
		if err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
	run(now)
	t.Cleanup(func() { run(atEnd) })
}
