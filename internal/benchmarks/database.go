package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
	_ "modernc.org/sqlite"             // driver "sqlite"

	"github.com/gofulfil/fulfil/store/sqlstore"
)

// database is an empty database of its own, with a way to it that takes a round trip.
type database struct {
	name      string // for a person, with the version
	dialect   sqlstore.Dialect
	roundTrip time.Duration
	driver    string
	dsn       string // with the round trip
	direct    string // without
	drop      func()
}

// open opens the database with a pool of that many connections, all of which are kept.
func (d *database) open(conns int) (*sql.DB, error) { return openPool(d.driver, d.dsn, conns) }

// openDirect opens the database without the round trip, for preparing.
func (d *database) openDirect() (*sql.DB, error) { return openPool(d.driver, d.direct, 4) }

func openPool(driver, dsn string, conns int) (*sql.DB, error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// warm opens all connections of a pool, so that no round measures that.
func warm(ctx context.Context, db *sql.DB) error {
	var conns []*sql.Conn
	defer func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
	}()
	for range db.Stats().MaxOpenConnections {
		conn, err := db.Conn(ctx)
		if err != nil {
			return fmt.Errorf("the server may allow too few connections: %w", err)
		}
		conns = append(conns, conn)
		if err := conn.PingContext(ctx); err != nil {
			return err
		}
	}
	return nil
}

// openPgx opens the database with a pool of pgx, and all of its connections.
func (d *database) openPgx(ctx context.Context, conns int) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(d.dsn)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(conns)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	var held []*pgxpool.Conn
	for range conns {
		conn, acquireErr := pool.Acquire(ctx)
		if acquireErr != nil {
			err = fmt.Errorf("the server may allow too few connections: %w", acquireErr)
			break
		}
		held = append(held, conn)
	}
	for _, conn := range held {
		conn.Release()
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// sqlText writes the parameters of a statement as the dialect does. Statements are written with "?".
func (d *database) sqlText(statement string) string {
	if d.dialect != sqlstore.Postgres {
		return statement
	}
	parts := strings.Split(statement, "?")
	var b strings.Builder
	for i, part := range parts {
		b.WriteString(part)
		if i < len(parts)-1 {
			b.WriteString("$" + strconv.Itoa(i+1))
		}
	}
	return b.String()
}

// newDatabase creates an empty database of a kind: postgres, mysql or sqlite. admin is the DSN of a user who may create databases.
func newDatabase(ctx context.Context, kind, admin string, roundTrip time.Duration) (*database, error) {
	var d *database
	var err error
	switch kind {
	case "postgres":
		d, err = newPostgres(ctx, admin, roundTrip)
	case "mysql":
		d, err = newMySQL(ctx, admin, roundTrip)
	default:
		d, err = newSQLite()
	}
	if err != nil {
		return nil, err
	}
	db, err := d.openDirect()
	if err == nil {
		defer db.Close()
		version := ""
		query := map[sqlstore.Dialect]string{
			sqlstore.Postgres: "SHOW server_version", sqlstore.MySQL: "SELECT VERSION()", sqlstore.SQLite: "SELECT sqlite_version()",
		}[d.dialect]
		err = db.QueryRowContext(ctx, query).Scan(&version)
		version, _, _ = strings.Cut(version, " ")
		d.name += " " + version
	}
	if err != nil {
		d.drop()
		return nil, err
	}
	return d, nil
}

// databaseName is the name of a database that no other run has.
func databaseName() string {
	return fmt.Sprintf("fulfil_bench_%d_%d", os.Getpid(), time.Now().UnixNano())
}

// inAdmin runs one statement on the server.
func inAdmin(ctx context.Context, driver, dsn, statement string) error {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, statement)
	return err
}

func newPostgres(ctx context.Context, admin string, roundTrip time.Duration) (*database, error) {
	name := databaseName()
	u, err := url.Parse(admin)
	if err != nil {
		return nil, err
	}
	if err := inAdmin(ctx, "pgx", admin, "CREATE DATABASE "+name); err != nil {
		return nil, err
	}
	u.Path = "/" + name
	d := &database{name: "PostgreSQL", dialect: sqlstore.Postgres, roundTrip: roundTrip, driver: "pgx", direct: u.String()}
	d.drop = func() { _ = inAdmin(context.WithoutCancel(ctx), "pgx", admin, "DROP DATABASE "+name+" WITH (FORCE)") }
	d.dsn, err = d.behindProxy(ctx, u.Host, func(addr string) string {
		through := *u
		through.Host = addr
		return through.String()
	})
	return d, err
}

func newMySQL(ctx context.Context, admin string, roundTrip time.Duration) (*database, error) {
	name := databaseName()
	c, err := mysql.ParseDSN(admin)
	if err != nil {
		return nil, err
	}
	if err := inAdmin(ctx, "mysql", admin, "CREATE DATABASE "+name+" CHARACTER SET utf8mb4"); err != nil {
		return nil, err
	}
	c.DBName, c.InterpolateParams = name, true
	d := &database{name: "MariaDB or MySQL", dialect: sqlstore.MySQL, roundTrip: roundTrip, driver: "mysql", direct: c.FormatDSN()}
	d.drop = func() { _ = inAdmin(context.WithoutCancel(ctx), "mysql", admin, "DROP DATABASE "+name) }
	d.dsn, err = d.behindProxy(ctx, c.Addr, func(addr string) string {
		through := c.Clone()
		through.Addr = addr
		return through.FormatDSN()
	})
	return d, err
}

// behindProxy returns a DSN through a proxy, if there is a round trip to add.
func (d *database) behindProxy(ctx context.Context, target string, dsn func(addr string) string) (string, error) {
	if d.roundTrip == 0 {
		return d.direct, nil
	}
	addr, stop, err := startProxy(ctx, target, d.roundTrip)
	if err != nil {
		d.drop()
		return "", err
	}
	drop := d.drop
	d.drop = func() { drop(); stop() }
	return dsn(addr), nil
}

func newSQLite() (*database, error) {
	dir, err := os.MkdirTemp("", "fulfil-bench-")
	if err != nil {
		return nil, err
	}
	dsn := "file:" + filepath.ToSlash(filepath.Join(dir, "shop.db")) + "?_pragma=busy_timeout(60000)&_pragma=journal_mode(wal)&_txlock=immediate"
	return &database{name: "SQLite", dialect: sqlstore.SQLite, driver: "sqlite", dsn: dsn, direct: dsn, drop: func() { _ = os.RemoveAll(dir) }}, nil
}
