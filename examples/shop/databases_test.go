package main

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
)

// These variables name the servers to test with, as in internal/dbtest. Each holds the DSN of a user who may create databases.
const (
	postgresEnv = "FULFIL_TEST_POSTGRES"
	mysqlEnv    = "FULFIL_TEST_MYSQL"
)

func TestMain(m *testing.M) {
	stripe.SetHTTPClient(&http.Client{Transport: withoutStripe{}})
	if os.Getenv("SHOP_TEST_CHILD") == "1" {
		main()
		return
	}
	for env, name := range map[string]string{postgresEnv: "PostgreSQL", mysqlEnv: "MySQL or MariaDB"} {
		switch {
		case os.Getenv(env) != "":
		case os.Getenv("FULFIL_REQUIRE_DB") == "1":
			fmt.Printf("shop: FULFIL_REQUIRE_DB=1, but %s is not set\n", env)
			os.Exit(1)
		default:
			fmt.Printf("shop: %s is left out: set %s to the DSN of a user who may create databases\n", name, env)
		}
	}
	os.Exit(m.Run())
}

// each runs fn with the DATABASE_URL of an empty database of each available kind.
func each(t *testing.T, fn func(t *testing.T, url string)) {
	for name, create := range map[string]func(t *testing.T) string{"sqlite": sqliteFile, "postgres": postgresDatabase, "mariadb": mysqlDatabase} {
		if name == "postgres" && os.Getenv(postgresEnv) == "" || name == "mariadb" && os.Getenv(mysqlEnv) == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn(t, create(t))
		})
	}
}

func sqliteFile(t *testing.T) string {
	return "file:" + filepath.ToSlash(filepath.Join(t.TempDir(), "shop.db"))
}

func postgresDatabase(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(os.Getenv(postgresEnv))
	require.NoError(t, err)
	u.Path = "/" + createDatabase(t, "pgx", os.Getenv(postgresEnv), " WITH (FORCE)")
	return u.String()
}

func mysqlDatabase(t *testing.T) string {
	t.Helper()
	cfg, err := mysql.ParseDSN(os.Getenv(mysqlEnv))
	require.NoError(t, err)
	cfg.DBName = createDatabase(t, "mysql", os.Getenv(mysqlEnv), "")
	return cfg.FormatDSN()
}

// createDatabase makes an empty database, which is dropped when the test ends.
func createDatabase(t *testing.T, driver, dsn, force string) string {
	t.Helper()
	name := "fulfil_shop_" + strings.ToLower(rand.Text())
	do := func(statement string) {
		db, err := sql.Open(driver, dsn)
		require.NoError(t, err)
		defer db.Close()
		_, err = db.Exec(statement)
		require.NoError(t, err)
	}
	do("CREATE DATABASE " + name)
	t.Cleanup(func() { do("DROP DATABASE " + name + force) })
	return name
}
