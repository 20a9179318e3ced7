package sqlkit

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"testing"
)

// fakeServer is a database whose answers the test decides.
type fakeServer struct {
	mu    sync.Mutex
	conns int
	log   []string // "2: BEGIN" is a statement on the second connection
	// answer, if not nil, returns the error of each statement and of each new connection ("CONNECT").
	answer func(conn int, statement string) error
}

func (s *fakeServer) open(t *testing.T) *sql.DB {
	t.Helper()
	db := sql.OpenDB(s)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func (s *fakeServer) do(conn int, statement string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, fmt.Sprintf("%d: %s", conn, statement))
	if s.answer == nil {
		return nil
	}
	return s.answer(conn, statement)
}

func (s *fakeServer) Connect(context.Context) (driver.Conn, error) {
	s.mu.Lock()
	s.conns++
	conn := s.conns
	s.mu.Unlock()
	if err := s.do(conn, "CONNECT"); err != nil {
		return nil, err
	}
	return &fakeConn{server: s, number: conn}, nil
}

func (s *fakeServer) Driver() driver.Driver { return nil }

type fakeConn struct {
	server *fakeServer
	number int
}

func (c *fakeConn) ExecContext(_ context.Context, statement string, _ []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), c.server.do(c.number, statement)
}

func (c *fakeConn) Begin() (driver.Tx, error) { return c, c.server.do(c.number, "BEGIN") }
func (c *fakeConn) Commit() error             { return c.server.do(c.number, "COMMIT") }
func (c *fakeConn) Rollback() error           { return c.server.do(c.number, "ROLLBACK") }
func (c *fakeConn) Close() error              { return c.server.do(c.number, "CLOSE") }

func (c *fakeConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not supported") }

// stateError is an error of PostgreSQL.
type stateError string

func (e stateError) Error() string    { return "state " + string(e) }
func (e stateError) SQLState() string { return string(e) }
