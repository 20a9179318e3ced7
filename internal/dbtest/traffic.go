package dbtest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/gofulfil/fulfil/internal/sqlkit"
)

// Traffic counts what a pool of connections asks its database for.
//
// A round trip is counted on the wire: the client sends after the server has sent. So BEGIN and COMMIT are round trips, and so is a
// statement that a driver first prepares and then runs: that is two. What a driver sends without waiting for an answer is none.
// SQLite has no wire: each call of the driver counts as a round trip.
type Traffic struct {
	mu    sync.Mutex
	total Count
	text  []string
}

// Count is what was counted since the last [Traffic.Take].
type Count struct {
	RoundTrips int
	// Statements are those other than BEGIN, COMMIT and ROLLBACK.
	Statements int
	Commits    int
}

// Take returns what was counted since the last Take, and the texts of the statements.
func (tr *Traffic) Take() (Count, []string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	count, text := tr.total, tr.text
	tr.total, tr.text = Count{}, nil
	return count, text
}

func (tr *Traffic) add(c Count, text string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.total.RoundTrips += c.RoundTrips
	tr.total.Statements += c.Statements
	tr.total.Commits += c.Commits
	if text != "" {
		tr.text = append(tr.text, text)
	}
}

// Watch opens an existing database with at most that many connections and counts what they ask for.
func (d Database) Watch(t testing.TB, dsn string, conns int) (*sql.DB, *Traffic) {
	t.Helper()
	tr := &Traffic{}
	if d.Dialect != sqlkit.SQLite {
		dsn = tr.tap(t, d, dsn)
	}
	opened, err := sql.Open(d.Driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	inner := opened.Driver()
	_ = opened.Close()
	db := sql.OpenDB(&watchedConnector{inner, dsn, tr, d.Dialect == sqlkit.SQLite})
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	t.Cleanup(func() { _ = db.Close() })
	return db, tr
}

// tap puts a proxy before the server and returns the DSN that leads through the proxy. The proxy ends with the test.
func (tr *Traffic) tap(t testing.TB, d Database, dsn string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var server string
	if d.Dialect == sqlkit.MySQL {
		cfg, err := mysql.ParseDSN(dsn)
		if err != nil {
			t.Fatal(err)
		}
		server, cfg.Addr = cfg.Addr, listener.Addr().String()
		cfg.InterpolateParams = true // otherwise the driver prepares each statement, which takes two round trips
		dsn = cfg.FormatDSN()
	} else {
		u, err := url.Parse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		server, u.Host = u.Host, listener.Addr().String()
		dsn = u.String()
	}
	var tapped sync.WaitGroup
	tapped.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			tapped.Go(func() { tr.pass(client, server) })
		}
	})
	t.Cleanup(func() { // after the pool was closed
		_ = listener.Close()
		tapped.Wait()
	})
	return dsn
}

// pass copies between a client and the server, and counts each time the client sends after the server has.
func (tr *Traffic) pass(client net.Conn, address string) {
	defer client.Close()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer server.Close()
	var mu sync.Mutex
	asked := false // the client sent last
	var both sync.WaitGroup
	both.Go(func() {
		defer server.Close()
		_, _ = io.Copy(turn{server, func() {
			mu.Lock()
			defer mu.Unlock()
			if !asked {
				tr.add(Count{RoundTrips: 1}, "")
			}
			asked = true
		}}, client)
	})
	both.Go(func() {
		defer client.Close()
		_, _ = io.Copy(turn{client, func() {
			mu.Lock()
			defer mu.Unlock()
			asked = false
		}}, server)
	})
	both.Wait()
}

// turn calls before ahead of each write.
type turn struct {
	to     io.Writer
	before func()
}

func (t turn) Write(p []byte) (int, error) {
	t.before()
	return t.to.Write(p)
}

// watchedConnector makes connections that count statements and commits, and round trips if there is no wire.
type watchedConnector struct {
	driver  driver.Driver
	dsn     string
	traffic *Traffic
	local   bool
}

func (c *watchedConnector) Driver() driver.Driver { return c.driver }

func (c *watchedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	var conn driver.Conn
	var err error
	if contextual, ok := c.driver.(driver.DriverContext); ok {
		var connector driver.Connector
		if connector, err = contextual.OpenConnector(c.dsn); err == nil {
			conn, err = connector.Connect(ctx)
		}
	} else {
		conn, err = c.driver.Open(c.dsn)
	}
	if err != nil {
		return nil, err
	}
	return &watchedConn{Conn: conn, c: c}, nil
}

// count counts one call of the driver.
func (c *watchedConnector) count(n Count, text string) {
	if c.local {
		n.RoundTrips = 1
	}
	c.traffic.add(n, text)
}

type watchedConn struct {
	driver.Conn
	c *watchedConnector
}

func (w *watchedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	execer, ok := w.Conn.(driver.ExecerContext)
	if !ok {
		return nil, driver.ErrSkip
	}
	result, err := execer.ExecContext(ctx, query, args)
	if !errors.Is(err, driver.ErrSkip) {
		w.c.count(Count{Statements: 1}, query)
	}
	return result, err
}

func (w *watchedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	queryer, ok := w.Conn.(driver.QueryerContext)
	if !ok {
		return nil, driver.ErrSkip
	}
	rows, err := queryer.QueryContext(ctx, query, args)
	if !errors.Is(err, driver.ErrSkip) {
		w.c.count(Count{Statements: 1}, query)
	}
	return rows, err
}

// PrepareContext counts a statement that database/sql prepares, and so runs, because the driver wants that.
func (w *watchedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	w.c.count(Count{Statements: 1}, query)
	if preparer, ok := w.Conn.(driver.ConnPrepareContext); ok {
		return preparer.PrepareContext(ctx, query)
	}
	return w.Conn.Prepare(query)
}

func (w *watchedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	w.c.count(Count{}, "BEGIN")
	tx, err := w.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
	return &watchedTx{tx, w.c}, err
}

func (w *watchedConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := w.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (w *watchedConn) ResetSession(ctx context.Context) error {
	if resetter, ok := w.Conn.(driver.SessionResetter); ok {
		return resetter.ResetSession(ctx)
	}
	return nil
}

func (w *watchedConn) IsValid() bool {
	validator, ok := w.Conn.(driver.Validator)
	return !ok || validator.IsValid()
}

type watchedTx struct {
	driver.Tx
	c *watchedConnector
}

func (w *watchedTx) Commit() error {
	w.c.count(Count{Commits: 1}, "COMMIT")
	return w.Tx.Commit()
}

func (w *watchedTx) Rollback() error {
	w.c.count(Count{}, "ROLLBACK")
	return w.Tx.Rollback()
}
