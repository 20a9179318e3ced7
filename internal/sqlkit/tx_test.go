package sqlkit

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func noSteps(*sql.Tx) error { return nil }

// Each transaction has the same few statements around its function.
func TestStatementsOfATransaction(t *testing.T) {
	t.Parallel()
	for d, want := range map[Dialect][]string{
		Postgres: {"BEGIN", guards[Postgres].mark, guards[Postgres].look, "COMMIT"},
		MySQL:    {"SET autocommit = 0", "BEGIN", savepoint, release, "COMMIT", "SET autocommit = 1"},
		SQLite:   {"BEGIN", "DELETE FROM fulfil_schema WHERE 0", savepoint, release, "COMMIT"},
	} {
		server := &fakeServer{}
		require.NoError(t, SQL{server.open(t), d}.InMarkedTx(t.Context(), noSteps))
		require.Equal(t, "1: CONNECT\n1: "+strings.Join(want, "\n1: "), strings.Join(server.log, "\n"), d)
	}
	server := &fakeServer{}
	require.NoError(t, SQL{server.open(t), Postgres}.InTx(t.Context(), sql.LevelDefault, noSteps))
	require.Equal(t, []string{"1: CONNECT", "1: BEGIN", "1: COMMIT"}, server.log)
}

// outages are errors of a database that fails before a transaction is committed.
var outages = map[string]error{
	"admin shutdown":      stateError("57P01"),
	"crash shutdown":      stateError("57P02"),
	"starting up":         stateError("57P03"),
	"connection failure":  stateError("08006"),
	"read-only":           stateError("25006"),
	"too many":            stateError("53300"),
	"disk full":           stateError("53100"),
	"refused":             &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED},
	"reset":               &net.OpError{Op: "read", Err: syscall.ECONNRESET},
	"closed":              net.ErrClosed,
	"end of file":         io.EOF,
	"unexpected end":      fmt.Errorf("failed to receive: %w", io.ErrUnexpectedEOF),
	"bad connection":      driver.ErrBadConn,
	"invalid connection":  errors.New("invalid connection"),
	"joined with another": errors.Join(errors.New("rollback"), stateError("57P01")),
}

// A transaction is tried until the database is back, whichever of its statements fails.
func TestOutageBeforeTheCommit(t *testing.T) {
	t.Parallel()
	mark, look := guards[Postgres].mark, guards[Postgres].look
	for name, outage := range outages {
		for _, at := range []string{"CONNECT", "BEGIN", mark, "INSERT", look} {
			t.Run(name+" at "+at, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					back := time.Now().Add(2 * time.Second)
					server := &fakeServer{answer: func(_ int, statement string) error {
						if (statement == at || statement == "SELECT 1") && time.Now().Before(back) {
							return outage
						}
						return nil
					}}
					db := server.open(t)
					runs := 0
					require.NoError(t, SQL{db, Postgres}.InMarkedTx(t.Context(), func(tx *sql.Tx) error {
						runs++
						_, err := tx.Exec("INSERT")
						return err
					}))
					require.Equal(t, 1, strings.Count(strings.Join(server.log, "\n"), "COMMIT"))
					require.Positive(t, runs)
					require.NoError(t, db.Close())
				})
			})
		}
	}
}

// A COMMIT is not repeated if its answer was lost: the database may have carried it out.
func TestCommitIsNotRepeated(t *testing.T) {
	t.Parallel()
	for name, outage := range outages {
		if isFull(outage) {
			continue // the database says that it did not commit
		}
		server := &fakeServer{answer: func(_ int, statement string) error {
			if statement == "COMMIT" {
				return outage
			}
			return nil
		}}
		runs := 0
		err := SQL{server.open(t), Postgres}.InMarkedTx(t.Context(), func(*sql.Tx) error { runs++; return nil })
		require.ErrorIs(t, err, outage, name)
		require.ErrorIs(t, err, ErrInDoubt, name)
		require.Equal(t, 1, runs, name)
	}
}

// A COMMIT that the database refused is tried again.
func TestRefusedCommit(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]stateError{"conflict": "40001", "disk full": "53100"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refusals := 0
			server := &fakeServer{answer: func(_ int, statement string) error {
				if statement == "COMMIT" && refusals < 3 {
					refusals++
					return code
				}
				return nil
			}}
			require.NoError(t, SQL{server.open(t), Postgres}.InMarkedTx(t.Context(), noSteps))
			require.Equal(t, 3, refusals)
		})
	}
}

// The tries end after half a minute, or with the context.
func TestOutageThatLasts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{answer: func(int, string) error { return outages["refused"] }}
		db := server.open(t)
		began := time.Now()
		err := SQL{db, Postgres}.InMarkedTx(t.Context(), noSteps)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		require.ErrorIs(t, err, ErrUnavailable)
		require.ErrorContains(t, err, "the database failed ")
		require.Greater(t, time.Since(began), 28*time.Second)
		require.LessOrEqual(t, time.Since(began), 30*time.Second)
		require.Less(t, server.conns, 60, "the pauses grow")

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		err = SQL{db, Postgres}.InMarkedTx(ctx, noSteps)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		require.Equal(t, time.Second, time.Since(began))
		require.NoError(t, db.Close())
	})
}

// A pool full of connections to a server that became a replica, or that left its cluster, keeps neither a transaction nor a statement
// outside of transactions from another server.
func TestRefusedConnectionsLeaveThePool(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(ctx context.Context, s SQL) error{
		"transaction": func(ctx context.Context, s SQL) error {
			return s.InMarkedTx(ctx, func(tx *sql.Tx) error {
				_, err := tx.Exec("INSERT")
				return err
			})
		},
		"statement": func(ctx context.Context, s SQL) error {
			return Retry(ctx, func() error { return s.Send(ctx, Statement{Query: "INSERT"}) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const old = 8
				server := &fakeServer{answer: func(conn int, statement string) error {
					if conn <= old && statement == "INSERT" {
						return stateError("25006")
					}
					return nil
				}}
				db := server.open(t)
				db.SetMaxIdleConns(old)
				db.SetMaxOpenConns(old)
				var idle []*sql.Conn
				for range old {
					conn, err := db.Conn(t.Context())
					require.NoError(t, err)
					idle = append(idle, conn)
				}
				for _, conn := range idle {
					require.NoError(t, conn.Close())
				}
				require.NoError(t, use(t.Context(), SQL{db, Postgres}))
				require.Equal(t, old+1, server.conns)
				require.Equal(t, 1, db.Stats().OpenConnections)
				require.NoError(t, db.Close())
			})
		})
	}
}

// A network error of another connection is the function's own error, and the function is not run again.
func TestFunctionsOwnNetworkError(t *testing.T) {
	t.Parallel()
	for _, d := range []Dialect{Postgres, MySQL, SQLite} {
		server := &fakeServer{}
		runs := 0
		err := SQL{server.open(t), d}.InMarkedTx(t.Context(), func(*sql.Tx) error {
			runs++
			return fmt.Errorf("carrier: %w", outages["reset"])
		})
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.Equal(t, 1, runs, d)
	}
}

// InMarkedTx notices before the commit that its transaction has ended.
func TestTransactionThatEnded(t *testing.T) {
	t.Parallel()
	for d, gone := range map[Dialect]error{
		Postgres: stateError("25P02"), MySQL: errors.New("SAVEPOINT does not exist"), SQLite: errors.New("no such savepoint"),
	} {
		server := &fakeServer{answer: func(_ int, statement string) error {
			if statement == guards[d].look {
				return gone
			}
			return nil
		}}
		runs := 0
		err := SQL{server.open(t), d}.InMarkedTx(t.Context(), func(*sql.Tx) error { runs++; return nil })
		require.ErrorIs(t, err, ErrTxEnded, d)
		require.ErrorIs(t, err, gone, d)
		require.Equal(t, 1, runs, d)
		require.NotContains(t, server.log, "1: COMMIT")
		require.Contains(t, server.log, "1: ROLLBACK")
	}
}

// On MySQL autocommit is turned on only after the rollback. Before the rollback it would commit.
func TestAutocommitIsRestored(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		fn   func(ctx context.Context, cancel func()) error
		want error
	}{
		"error":    {func(context.Context, func()) error { return boom }, boom},
		"canceled": {func(ctx context.Context, cancel func()) error { cancel(); return ctx.Err() }, context.Canceled},
	} {
		server := &fakeServer{}
		db := server.open(t)
		ctx, cancel := context.WithCancel(t.Context())
		require.ErrorIs(t, SQL{db, MySQL}.InMarkedTx(ctx, func(*sql.Tx) error { return c.fn(ctx, cancel) }), c.want, name)
		cancel()
		text := strings.Join(server.log, " ")
		require.Contains(t, text[:strings.Index(text, "SET autocommit = 1")], "ROLLBACK", name)
		require.Equal(t, 1, db.Stats().Idle, name)
	}
	server := &fakeServer{}
	db := server.open(t)
	require.PanicsWithValue(t, "boom", func() { _ = SQL{db, MySQL}.InMarkedTx(t.Context(), func(*sql.Tx) error { panic("boom") }) })
	require.Contains(t, server.log, "1: SET autocommit = 1")

	server = &fakeServer{answer: func(_ int, statement string) error {
		if statement == "SET autocommit = 1" {
			return boom
		}
		return nil
	}}
	db = server.open(t)
	require.NoError(t, SQL{db, MySQL}.InMarkedTx(t.Context(), noSteps))
	require.Zero(t, db.Stats().OpenConnections, "a connection without autocommit must not be used again")
}
