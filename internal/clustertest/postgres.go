package clustertest

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
	_ "github.com/lib/pq"              // driver "postgres"
	"github.com/stretchr/testify/require"
)

// postgres is a server of PostgreSQL.
type postgres struct {
	t    testing.TB
	user account
	dir  string
	port int
	env  []string // what the server has in its environment beside the usual
	run  *program
}

// programOf returns the path of one of PostgreSQL's programs, of the newest version that is installed.
func programOf(t testing.TB, name string) string {
	t.Helper()
	paths, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(paths) == 0 {
		t.Fatalf("install the package postgresql: there is no /usr/lib/postgresql/*/bin/%s", name)
	}
	return paths[len(paths)-1]
}

// place is where and how a server of PostgreSQL runs.
type place struct {
	data string   // a folder for all of it; "": a temporary one
	wal  string   // a folder for the write-ahead log; "": with the rest
	env  []string // of the server, beside the usual
}

// newPostgres starts a server with an empty database "shop".
func newPostgres(t testing.TB) *postgres {
	t.Helper()
	return newPostgresAt(t, place{})
}

// newPostgresAt starts a server with an empty database "shop" at a place.
func newPostgresAt(t testing.TB, at place) *postgres {
	t.Helper()
	p := &postgres{t: t, user: accountOf(t, "postgres"), dir: at.data, port: freePort(t), env: at.env}
	if p.dir == "" {
		p.dir = p.user.folder(t)
	}
	options := []string{"-D", p.data(), "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync"}
	if at.wal != "" {
		options = append(options, "-X", filepath.Join(at.wal, "wal"), "--wal-segsize=1") // megabyte, so that a small disk has room for some
	}
	p.user.run(t, p.dir, programOf(t, "initdb"), options...)
	p.start()
	p.exec("CREATE DATABASE shop TEMPLATE template0")
	return p
}

func (p *postgres) data() string { return filepath.Join(p.dir, "data") }

// start starts the server on its port, and returns when it answers.
func (p *postgres) start() {
	p.t.Helper()
	p.run = p.user.start(p.t, p.dir, p.env, programOf(p.t, "postgres"), "-D", p.data(), "-p", fmt.Sprint(p.port), "-k", p.dir,
		"-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", "-c", "deadlock_timeout=50ms", "-c", "wal_level=replica",
		"-c", "hot_standby=on")
	await(p.t, "PostgreSQL does not answer", func() error {
		db, err := sql.Open("pgx", p.dsn("postgres"))
		if err != nil {
			return err
		}
		defer db.Close()
		return db.Ping()
	})
}

// restart stops the server by a signal (SIGINT is a fast shutdown, SIGQUIT an immediate one) and starts it again.
func (p *postgres) restart(s syscall.Signal) {
	p.t.Helper()
	p.run.stop(s)
	p.start()
}

// dsn returns the DSN of a database of the server, at another address if one is given.
func (p *postgres) dsn(database string, at ...string) string {
	hosts := append(at, address(p.port))[:max(1, len(at))]
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable&connect_timeout=2", strings.Join(hosts, ","), database)
}

// exec runs a statement as the administrator.
func (p *postgres) exec(statement string) {
	p.t.Helper()
	db, err := sql.Open("pgx", p.dsn("postgres"))
	require.NoError(p.t, err)
	defer db.Close()
	_, err = db.Exec(statement)
	require.NoError(p.t, err, statement)
}

// ask returns the only value of a query.
func (p *postgres) ask(query string) (value string) {
	p.t.Helper()
	db, err := sql.Open("pgx", p.dsn("shop"))
	require.NoError(p.t, err)
	defer db.Close()
	require.NoError(p.t, db.QueryRow(query).Scan(&value), query)
	return value
}

// standby starts a server that follows p over the address at. It returns when the standby has all that p has.
func (p *postgres) standby(at string) *postgres {
	p.t.Helper()
	s := &postgres{t: p.t, user: p.user, port: freePort(p.t)}
	s.dir = s.user.folder(p.t)
	source := fmt.Sprintf("host=127.0.0.1 port=%s user=postgres application_name=standby", strings.TrimPrefix(at, "127.0.0.1:"))
	s.user.run(p.t, s.dir, programOf(p.t, "pg_basebackup"), "-D", s.data(), "-d", source, "-R", "-X", "stream", "-c", "fast", "--no-sync")
	s.start()
	await(p.t, "the standby does not follow", func() error {
		if state := p.ask("SELECT COALESCE(max(state), 'none') FROM pg_stat_replication"); state != "streaming" {
			return fmt.Errorf("it is %s", state)
		}
		return nil
	})
	return s
}

// synchronous has every commit wait until the standby shows it.
func (p *postgres) synchronous() {
	p.t.Helper()
	p.exec("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
	p.exec("ALTER SYSTEM SET synchronous_commit = 'remote_apply'")
	p.exec("SELECT pg_reload_conf()")
	await(p.t, "the standby is not synchronous", func() error {
		if state := p.ask("SELECT COALESCE(max(sync_state), 'none') FROM pg_stat_replication"); state != "sync" {
			return fmt.Errorf("it is %s", state)
		}
		return nil
	})
}

// demote has the server refuse to write. It returns when the last transaction that writes has ended.
func (p *postgres) demote() {
	p.t.Helper()
	p.exec("ALTER SYSTEM SET default_transaction_read_only = on")
	p.exec("SELECT pg_reload_conf()")
	await(p.t, "the server still writes", func() error {
		if setting := p.ask("SHOW default_transaction_read_only"); setting != "on" {
			return fmt.Errorf("default_transaction_read_only is %s", setting)
		}
		return nil
	})
	since := p.ask("SELECT now()::text")
	await(p.t, "a transaction that writes does not end", func() error {
		open := p.ask("SELECT count(*)::text FROM pg_stat_activity WHERE datname = 'shop' AND backend_type = 'client backend' AND xact_start < '" + since + "'")
		if open != "0" {
			return fmt.Errorf("%s transactions are open", open)
		}
		return nil
	})
}

// promote makes a standby a primary.
func (p *postgres) promote() {
	p.t.Helper()
	require.Equal(p.t, "true", p.ask("SELECT pg_promote(true, 60)::text"))
	if p.ask("SHOW synchronous_standby_names") != "" {
		p.exec("ALTER SYSTEM RESET synchronous_standby_names") // nobody follows the new primary yet
		p.exec("SELECT pg_reload_conf()")
	}
}
