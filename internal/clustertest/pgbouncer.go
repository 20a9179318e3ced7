package clustertest

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// pgbouncer is a pooler in transaction mode before a server of PostgreSQL.
type pgbouncer struct {
	t    testing.TB
	user account
	dir  string
	port int
	run  *program
}

// newPgBouncer starts a pooler with eight connections to the server.
func newPgBouncer(t testing.TB, server *postgres) *pgbouncer {
	t.Helper()
	if _, err := exec.LookPath("pgbouncer"); err != nil {
		t.Fatalf("install the package pgbouncer: %v", err)
	}
	b := &pgbouncer{t: t, user: server.user, port: freePort(t)}
	b.dir = b.user.folder(t)
	users := filepath.Join(b.dir, "users")
	require.NoError(t, os.WriteFile(users, []byte(`"postgres" ""`), 0o644))
	require.NoError(t, os.WriteFile(b.config(), fmt.Appendf(nil, `[databases]
shop = host=127.0.0.1 port=%d dbname=shop
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = trust
auth_file = %s
pool_mode = transaction
default_pool_size = 8
ignore_startup_parameters = extra_float_digits
`, server.port, b.port, users), 0o644))
	b.start()
	return b
}

func (b *pgbouncer) config() string { return filepath.Join(b.dir, "pgbouncer.ini") }

func (b *pgbouncer) start() {
	b.t.Helper()
	b.run = b.user.start(b.t, b.dir, nil, "pgbouncer", b.config())
	await(b.t, "PgBouncer does not answer", func() error {
		db, err := sql.Open("pgx", b.dsn("default_query_exec_mode=exec"))
		if err != nil {
			return err
		}
		defer db.Close()
		return db.Ping()
	})
}

// restart ends the pooler at once, with the connections of all clients, and starts it again.
func (b *pgbouncer) restart() {
	b.t.Helper()
	b.run.stop(syscall.SIGTERM)
	b.start()
}

func (b *pgbouncer) dsn(option string) string {
	return fmt.Sprintf("postgres://postgres@%s/shop?sslmode=disable&connect_timeout=2&%s", address(b.port), option)
}
