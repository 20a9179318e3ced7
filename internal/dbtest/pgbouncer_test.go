package dbtest

import (
	"database/sql"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// pgbouncerEnv holds the DSN of a PgBouncer in transaction mode that has two or more servers for each database.
const pgbouncerEnv = "FULFIL_TEST_PGBOUNCER"

func pgbouncer(t *testing.T, driver, options string) Database {
	t.Helper()
	dsn := os.Getenv(pgbouncerEnv)
	if dsn == "" {
		t.Skip(pgbouncerEnv + " is not set")
	}
	d := Database{Dialect: sqlkit.Postgres, Driver: driver, Create: postgresDatabase(dsn)}
	if options != "" {
		d = withOptions(d, options)
	}
	return d
}

// With one option both drivers work behind PgBouncer.
func TestPgBouncer(t *testing.T) {
	for _, c := range [][2]string{
		{"pgx", "default_query_exec_mode=exec"}, {"pgx", "default_query_exec_mode=simple_protocol"}, {"postgres", "binary_parameters=yes"},
	} {
		t.Run(c[0]+" "+c[1], func(t *testing.T) {
			d := pgbouncer(t, c[0], c[1])
			require.NoError(t, sqlstore.Migrate(t.Context(), d.Open(t, 4), d.Dialect))
			t.Run("store", func(t *testing.T) { runStoretest(t, d) })
			t.Run("reserver", func(t *testing.T) { runReservationtest(t, d, sql.LevelDefault) })
		})
	}
}

// Without the option Migrate and Check return an error that names it.
func TestPgBouncerWithoutOptions(t *testing.T) {
	for _, driver := range []string{"pgx", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			d := pgbouncer(t, driver, "")
			const cure = "add default_query_exec_mode=exec (pgx) or binary_parameters=yes (lib/pq) to the DSN"
			err := sqlstore.Migrate(t.Context(), d.Open(t, 4), d.Dialect)
			if err == nil && driver == "pgx" {
				t.Log("this PgBouncer has max_prepared_statements")
				runStoretest(t, d)
				return
			}
			require.ErrorContains(t, err, cure)
			require.ErrorContains(t, sqlreserver.Migrate(t.Context(), d.Open(t, 4), d.Dialect), cure)
			require.ErrorContains(t, sqlstore.Check(t.Context(), d.Open(t, 4), d.Dialect), cure)
		})
	}
}
