package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
	_ "modernc.org/sqlite"             // driver "sqlite"

	"github.com/gofulfil/fulfil/store/sqlstore"
)

// source is a database as sql.Open takes it.
type source struct {
	dialect     sqlstore.Dialect
	driver, dsn string
	password    string // so that no message repeats it
}

// parseDatabase reads the address of a database. Its errors do not repeat the address, which may contain a password. An SQLite file
// that is not there is made only if create is set.
func parseDatabase(address string, create bool) (source, error) {
	scheme, _, _ := strings.Cut(address, ":")
	switch scheme {
	case "postgres", "postgresql":
		cfg, err := pgx.ParseConfig(address)
		if err != nil {
			return source{}, errors.New("the URL of the PostgreSQL database is not understood: write it like postgres://user:password@host:5432/shop, and escape special characters of the password by %")
		}
		return source{sqlstore.Postgres, "pgx", address, cfg.Password}, nil
	case "file":
		return source{sqlstore.SQLite, "sqlite", sqliteDSN(address, create), ""}, nil
	}
	cfg, err := mysqlConfig(scheme, address)
	switch {
	case address == "":
		return source{}, errors.New("no database is named: set DATABASE_URL or -database to file:shop.db, postgres://user:password@host/shop or mysql://user:password@host:3306/shop")
	case err != nil:
		return source{}, errors.New("the URL of the database is not understood: write it like file:shop.db, postgres://user:password@host/shop, " +
			"mysql://user:password@host:3306/shop or user:password@tcp(host:3306)/shop")
	case cfg.DBName == "":
		return source{}, errors.New("the URL does not name a database: put it behind the host, as in mysql://user@host/shop")
	}
	return source{sqlstore.MySQL, "mysql", cfg.FormatDSN(), cfg.Passwd}, nil
}

// sqliteDSN adds the options that the library needs. Options of the address win.
func sqliteDSN(address string, create bool) string {
	file, query, _ := strings.Cut(address, "?")
	var options []string
	if !strings.Contains(query, "busy_timeout") {
		options = append(options, "_pragma=busy_timeout(10000)")
	}
	if !strings.Contains(query, "synchronous") {
		options = append(options, "_pragma=synchronous(full)")
	}
	if !create && !strings.Contains("&"+query, "&mode=") {
		options = append(options, "mode=rw") // a name that is mistyped makes no file
	}
	if query != "" {
		options = append(options, query)
	}
	return file + "?" + strings.Join(options, "&")
}

// mysqlConfig reads the driver's own form, user:password@tcp(host:3306)/shop?option=value, or a URL.
func mysqlConfig(scheme, address string) (*mysql.Config, error) {
	if scheme != "mysql" && scheme != "mariadb" {
		return mysql.ParseDSN(address)
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if u.Host == "" {
		return nil, errors.New("no host")
	}
	cfg, err := mysql.ParseDSN("/?" + u.RawQuery)
	if err != nil {
		return nil, err
	}
	password, _ := u.User.Password()
	cfg.User, cfg.Passwd, cfg.Addr, cfg.DBName = u.User.Username(), password, u.Host, strings.TrimPrefix(u.Path, "/")
	if u.Port() == "" {
		cfg.Addr = net.JoinHostPort(u.Hostname(), "3306")
	}
	return cfg, nil
}

// connectTimeout is how long the database may take to answer.
const connectTimeout = 10 * time.Second

// openDatabase opens the database that the flags or the environment name, and has it answer.
func (p *program) openDatabase(ctx context.Context, create bool) (*sql.DB, source, error) {
	address := p.options.database
	if address == "" {
		address = p.getenv("DATABASE_URL")
	}
	src, err := parseDatabase(address, create)
	if err != nil {
		return nil, src, usagef("%v", err)
	}
	p.secrets = append(p.secrets, src.password, url.QueryEscape(src.password), url.PathEscape(src.password))
	db, err := sql.Open(src.driver, src.dsn)
	if err != nil {
		return nil, src, fmt.Errorf("the %s database can't be opened: %w", src.dialect, err)
	}
	db.SetMaxOpenConns(4)
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	err = db.PingContext(ctx)
	if err == nil && src.dialect == sqlstore.SQLite {
		_, err = db.ExecContext(ctx, "PRAGMA schema_version") // opens the file, as Ping does not
	}
	if err != nil {
		_ = db.Close()
		return nil, src, fmt.Errorf("the %s database does not answer: look at its address, and whether it runs: %w", src.dialect, err)
	}
	return db, src, nil
}
