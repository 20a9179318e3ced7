package dbtest

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// swallower is a shop whose callback does not return the errors of its statements.
type swallower struct {
	t  *testing.T
	db *sql.DB
	d  Database
	st *sqlstore.Store
	// own makes fulfil use InOwnTx, as a Flow does, and not InTx.
	own bool
}

// inBothTx runs fn with a swallower that uses InTx, and with one that uses InOwnTx.
func inBothTx(t *testing.T, d Database, fn func(t *testing.T, s *swallower)) {
	t.Helper()
	for name, own := range map[string]bool{"InTx": false, "InOwnTx": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSwallower(t, d)
			s.own = own
			fn(t, s)
		})
	}
}

func newSwallower(t *testing.T, d Database) *swallower {
	t.Helper()
	s := &swallower{t: t, db: d.Open(t, 4), d: d}
	migrateStore(t, s.db, d)
	mustExec(t, s.db, "CREATE TABLE shipments (order_id VARCHAR(50) NOT NULL PRIMARY KEY)")
	mustExec(t, s.db, "CREATE TABLE counters (n INTEGER NOT NULL PRIMARY KEY, c INTEGER NOT NULL)")
	for n := range 50 {
		mustExec(t, s.db, d.Dialect.Rebind("INSERT INTO counters (n, c) VALUES (?, 0)"), n)
	}
	s.st = sqlstore.New(s.db, d.Dialect)
	s.insert("order-1")
	return s
}

func (s *swallower) insert(id string) {
	s.t.Helper()
	require.NoError(s.t, s.st.InTx(s.t.Context(), func(tx *sql.Tx) error {
		_, err := s.st.Insert(s.t.Context(), tx, &store.Order{ID: id})
		return err
	}))
}

// fulfil does the work of a Flow around a callback: it claims an event, calls the callback, and locks and saves the order as
// fulfilled. With InTx it locks the order before the callback. It returns the errors of Save and of the transaction.
func (s *swallower) fulfil(callback func(tx *sql.Tx)) (saveErr, err error) {
	ctx := s.t.Context()
	claim := func(tx *sql.Tx) error {
		_, err := s.st.Claim(ctx, tx, failureTime, "evt_1")
		return err
	}
	if s.own {
		err = s.st.InOwnTx(ctx, func(tx *sql.Tx) error {
			if err := claim(tx); err != nil {
				return err
			}
			callback(tx)
			return nil
		}, func(tx *sql.Tx) error {
			orders, err := s.st.Lock(ctx, tx, "order-1")
			if err != nil {
				return err
			}
			orders[0].FulfilledAt = failureTime
			return s.st.Save(ctx, tx, orders[0])
		})
		return err, err
	}
	err = s.st.InTx(ctx, func(tx *sql.Tx) error {
		if err := claim(tx); err != nil {
			return err
		}
		orders, err := s.st.Lock(ctx, tx, "order-1")
		if err != nil {
			return err
		}
		callback(tx)
		orders[0].FulfilledAt = failureTime
		saveErr = s.st.Save(ctx, tx, orders[0])
		return nil
	})
	return saveErr, err
}

func (s *swallower) ship(tx *sql.Tx) {
	_, _ = tx.ExecContext(s.t.Context(), "INSERT INTO shipments (order_id) VALUES ('order-1')")
}

// unfulfilled fails if the order was saved, or if the number of shipments is another.
func (s *swallower) unfulfilled(shipments int) {
	s.t.Helper()
	o, err := s.st.Find(s.t.Context(), "order-1")
	require.NoError(s.t, err)
	require.True(s.t, o.FulfilledAt.IsZero(), "the order must not be fulfilled")
	require.Equal(s.t, shipments, s.count("shipments"))
}

// requireEnded checks the error of a transaction that a failed statement ended. With InOwnTx the database may say so itself, as
// the first statement after the callback fails.
func (s *swallower) requireEnded(err error) {
	s.t.Helper()
	if s.own && s.d.Dialect == sqlkit.Postgres {
		require.ErrorContains(s.t, err, "aborted")
		return
	}
	require.ErrorIs(s.t, err, sqlstore.ErrTxEnded)
}

func (s *swallower) count(table string) (n int) {
	s.t.Helper()
	require.NoError(s.t, s.db.QueryRowContext(s.t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

// If a deadlock rolls the transaction back in the middle, no later statement is committed.
func TestSQLStoreSwallowedDeadlock(t *testing.T) {
	for _, d := range All() {
		if d.Dialect == sqlkit.SQLite {
			continue // SQLite has one writer and no deadlocks
		}
		t.Run(d.Name, func(t *testing.T) {
			inBothTx(t, d, func(t *testing.T, s *swallower) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var swallowed error
				_, err := s.fulfil(func(tx *sql.Tx) {
					_, err := tx.ExecContext(ctx, "UPDATE counters SET c = 1 WHERE n = 0")
					require.NoError(t, err)
					other, err := s.db.BeginTx(ctx, nil)
					require.NoError(t, err)
					// InnoDB ends the transaction that changed fewer rows.
					_, err = other.ExecContext(ctx, "UPDATE counters SET c = 2 WHERE n > 0")
					require.NoError(t, err)
					done := make(chan bool)
					go func() {
						defer close(done)
						_, _ = other.ExecContext(ctx, "UPDATE counters SET c = 2 WHERE n = 0")
					}()
					_, swallowed = tx.ExecContext(ctx, "UPDATE counters SET c = 1 WHERE n = 1")
					if swallowed == nil { // PostgreSQL ended the other transaction
						swallowed = sqlFails(ctx, tx)
					}
					<-done
					require.NoError(t, other.Rollback())
					s.ship(tx)
				})
				require.Error(t, swallowed)
				s.requireEnded(err)
				s.unfulfilled(0)
				require.Zero(t, s.count("fulfil_claims"))
				s.worksOnEveryConnection()
			})
		})
	}
}

func sqlFails(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO counters (n, c) VALUES (0, 0)")
	return err
}

// worksOnEveryConnection fails if a connection of the pool does not commit by itself.
func (s *swallower) worksOnEveryConnection() {
	s.t.Helper()
	var conns []*sql.Conn
	for n := range 4 {
		conn, err := s.db.Conn(s.t.Context())
		require.NoError(s.t, err)
		conns = append(conns, conn)
		if s.d.Dialect == sqlkit.MySQL {
			var auto bool
			require.NoError(s.t, conn.QueryRowContext(s.t.Context(), "SELECT @@autocommit").Scan(&auto))
			require.True(s.t, auto)
		}
		_, err = conn.ExecContext(s.t.Context(), s.d.Dialect.Rebind("UPDATE counters SET c = 7 WHERE n = ?"), n)
		require.NoError(s.t, err)
	}
	for _, conn := range conns {
		require.NoError(s.t, conn.Close())
	}
	var n int
	require.NoError(s.t, s.db.QueryRowContext(s.t.Context(), "SELECT count(*) FROM counters WHERE c = 7").Scan(&n))
	require.Equal(s.t, 4, n)
}

// On PostgreSQL any error aborts the transaction, and its COMMIT rolls it back.
func TestSQLStoreSwallowedError(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		inBothTx(t, d, func(t *testing.T, s *swallower) {
			_, err := s.fulfil(func(tx *sql.Tx) {
				require.Error(t, sqlFails(t.Context(), tx))
				s.ship(tx)
			})
			if d.Dialect == sqlkit.Postgres {
				s.requireEnded(err)
				s.unfulfilled(0)
				return
			}
			require.NoError(t, err, "on MySQL and SQLite only the failed statement is undone")
			require.Equal(t, 1, s.count("shipments"))
		})
	})
}

func TestSQLStoreSwallowedFullDisk(t *testing.T) {
	for _, d := range All() {
		if d.Dialect != sqlkit.SQLite {
			continue
		}
		t.Run(d.Name, func(t *testing.T) {
			inBothTx(t, d, func(t *testing.T, s *swallower) {
				s.db.SetMaxOpenConns(1) // the limit belongs to the connection
				var pages int
				require.NoError(t, s.db.QueryRow("PRAGMA page_count").Scan(&pages))
				require.NoError(t, s.db.QueryRow("PRAGMA max_page_count").Scan(new(int)))
				mustExec(t, s.db, "CREATE TABLE big (text TEXT)")
				saveErr, err := s.fulfil(func(tx *sql.Tx) {
					_, err := tx.Exec("PRAGMA max_page_count = 1") // SQLite keeps the pages that exist
					require.NoError(t, err)
					_, err = tx.Exec("INSERT INTO big (text) VALUES (?)", strings.Repeat("x", 1_000_000))
					require.ErrorContains(t, err, "full")
					s.ship(tx)
				})
				require.NoError(t, s.db.QueryRow("PRAGMA max_page_count = 1000000").Scan(new(int)))
				require.ErrorIs(t, err, sqlstore.ErrTxEnded)
				require.ErrorIs(t, saveErr, sqlstore.ErrTxEnded)
				s.unfulfilled(1) // the callback's own statement committed by itself
				require.Zero(t, s.count("fulfil_claims"))
			})
		})
	}
}

// InTx notices a callback that ends the transaction itself.
func TestSQLStoreEndedByHand(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		begin := map[sqlkit.Dialect]string{sqlkit.Postgres: "BEGIN", sqlkit.MySQL: "START TRANSACTION", sqlkit.SQLite: "BEGIN"}[d.Dialect]
		ends := map[string][]string{
			"rollback": {"ROLLBACK"}, "commit": {"COMMIT"}, "another": {"COMMIT", begin}, "another after a rollback": {"ROLLBACK", begin},
		}
		if d.Dialect == sqlkit.MySQL {
			ends["change of the schema"] = []string{"CREATE TABLE implicit (n INTEGER)"}
		}
		for name, statements := range ends {
			t.Run(name, func(t *testing.T) {
				inBothTx(t, d, func(t *testing.T, s *swallower) {
					_, err := s.fulfil(func(tx *sql.Tx) {
						for _, statement := range statements {
							_, err := tx.Exec(statement)
							require.NoError(t, err)
						}
					})
					require.ErrorIs(t, err, sqlstore.ErrTxEnded)
					s.unfulfilled(0)
					s.worksOnEveryConnection()
				})
			})
		}
	})
}

// InOwnTx checks the transaction after the callback, whatever the code behind the callback does first.
func TestSQLStoreOwnTxIsChecked(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		for name, record := range map[string]func(s *swallower, tx *sql.Tx) error{
			"nothing": func(*swallower, *sql.Tx) error { return nil },
			"a claim": func(s *swallower, tx *sql.Tx) error {
				_, err := s.st.Claim(s.t.Context(), tx, failureTime, "evt_2")
				return err
			},
			"an unknown order": func(s *swallower, tx *sql.Tx) error {
				_, err := s.st.Lock(s.t.Context(), tx, "order-2")
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newSwallower(t, d)
				err := s.st.InOwnTx(t.Context(), func(tx *sql.Tx) error {
					_, err := tx.Exec("ROLLBACK")
					return err
				}, func(tx *sql.Tx) error { return record(s, tx) })
				require.ErrorIs(t, err, sqlstore.ErrTxEnded)
			})
		}
	})
}

// A callback may use a savepoint of its own, and undo an error with it.
func TestSQLStoreOwnSavepoint(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		s := newSwallower(t, d)
		_, err := s.fulfil(func(tx *sql.Tx) {
			for _, statement := range []string{"SAVEPOINT own", "INSERT INTO counters (n, c) VALUES (0, 0)", "ROLLBACK TO SAVEPOINT own"} {
				_, err := tx.Exec(statement)
				require.Equal(t, strings.HasPrefix(statement, "INSERT"), err != nil, statement)
			}
			s.ship(tx)
		})
		require.NoError(t, err)
		require.Equal(t, 1, s.count("shipments"))
	})
}

// A transaction that was not begun by InTx has no mark, and Save works in it, too.
func TestSQLStoreSaveInAnotherTransaction(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		s := newSwallower(t, d)
		for _, session := range []json.RawMessage{json.RawMessage(`"1"`), json.RawMessage(`"2"`)} {
			tx, err := s.db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			orders, err := s.st.Lock(t.Context(), tx, "order-1")
			require.NoError(t, err)
			orders[0].Session = session
			require.NoError(t, s.st.Save(t.Context(), tx, orders...))
			require.NoError(t, tx.Commit())
			o, err := s.st.Find(t.Context(), "order-1")
			require.NoError(t, err)
			require.Equal(t, string(session), string(o.Session))
			s.insert("order-" + string(session[1]) + "b") // leaves an old mark in the database session
		}
	})
}
