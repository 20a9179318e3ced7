package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
)

// withOptions returns a Database with options added to its DSN.
func withOptions(d Database, options string) Database {
	create := d.Create
	d.Create = func(t testing.TB) string {
		dsn := create(t)
		if strings.Contains(dsn, "?") {
			return dsn + "&" + options
		}
		return dsn + "?" + options
	}
	return d
}

// snapshotIsolation makes MariaDB refuse to lock a row that is newer than the transaction's snapshot.
const snapshotIsolation = "innodb_snapshot_isolation=1"

func isMariaDB(t *testing.T, d Database) (is bool) {
	t.Helper()
	require.NoError(t, d.Open(t, 1).QueryRow("SELECT VERSION() LIKE '%MariaDB%'").Scan(&is))
	return is
}

// Driver options change how statements are sent and which rows count as affected.
func TestSQLReserverDriverOptions(t *testing.T) {
	options := map[string][]string{
		"pgx":   {"default_query_exec_mode=simple_protocol", "default_query_exec_mode=exec"},
		"mysql": {"clientFoundRows=true&interpolateParams=true", snapshotIsolation},
	}
	Each(t, func(t *testing.T, d Database) {
		for _, o := range options[d.Driver] {
			t.Run(o, func(t *testing.T) {
				if o == snapshotIsolation && !isMariaDB(t, d) {
					t.Skip("only MariaDB has this option")
				}
				t.Parallel()
				runReservationtest(t, withOptions(d, o), sql.LevelDefault)
			})
		}
	})
}

// A transaction that read before others changed stock must still decide from the current stock.
func TestSQLReserverOldSnapshot(t *testing.T) {
	ctx := context.Background()
	Each(t, func(t *testing.T, d Database) {
		if d.Dialect == sqlkit.SQLite {
			t.Skip("SQLite allows no other writer while a transaction of InTx is open")
		}
		variants := []Database{d}
		if d.Dialect == sqlkit.MySQL && isMariaDB(t, d) {
			variants = append(variants, withOptions(d, snapshotIsolation))
		}
		for _, d := range variants {
			for name, act := range map[string]func(r *reserver, tx *sql.Tx) error{
				"Hold": func(r *reserver, tx *sql.Tx) error {
					answers, err := r.Hold(ctx, tx, holdOf("new", 2, "tee"), holdOf("other", 4, "tee"), holdOf("other", 1, "tee"))
					var short *reservation.ShortageError
					if err == nil && (!errors.As(answers[0], &short) || answers[1] != nil || !errors.Is(answers[2], reservation.ErrHoldExists)) {
						t.Errorf("another transaction holds 4 of 5: a hold of 2 must be short, and a hold with the other's ID must be a repetition or exist; the answers are %v", answers)
					}
					return err
				},
				"Release": func(r *reserver, tx *sql.Tx) error {
					answers, err := r.Release(ctx, tx, "other")
					if err == nil && answers[0] != nil {
						t.Errorf("another transaction's hold can be released; the answer is %v", answers[0])
					}
					return err
				},
				"Set":    func(r *reserver, tx *sql.Tx) error { return r.Set(ctx, tx, "tee", 9) },
				"Adjust": func(r *reserver, tx *sql.Tx) error { return r.Adjust(ctx, tx, "tee", 4) },
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					r := newReserver(t, d, 4)
					r.set(t, 5, "tee")
					acted := false
					require.NoError(t, r.inTx(func(tx *sql.Tx) error {
						if _, err := r.Stock(ctx, tx); err != nil { // at REPEATABLE READ this takes the snapshot
							return err
						}
						if !acted {
							acted = true
							answers, err := r.hold(holdOf("other", 4, "tee"))
							require.NoError(t, errors.Join(append(answers, err)...))
						}
						return act(r, tx)
					}))
					want := map[string]reservation.Stock{
						"Hold": {SKU: "tee", OnHand: 5, Held: 4}, "Release": {SKU: "tee", OnHand: 5},
						"Set": {SKU: "tee", OnHand: 9, Held: 4}, "Adjust": {SKU: "tee", OnHand: 9, Held: 4},
					}
					require.Equal(t, []reservation.Stock{want[name]}, r.stock(t, "tee"))
				})
			}
		}
	})
}

// If two transactions hold the same ID with different goods, the second waits for the first. Then its hold is refused, or taken
// if the first was rolled back.
func TestSQLReserverSameID(t *testing.T) {
	ctx := context.Background()
	no := errors.New("no")
	Each(t, func(t *testing.T, d Database) {
		for name, end := range map[string]error{"committed": nil, "rolled back": no} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := newReserver(t, d, 4)
				r.set(t, 5, "cap", "tee")
				second := make(chan error, 1)
				began := false
				err := r.inTx(func(tx *sql.Tx) error {
					answers, err := r.Hold(ctx, tx, holdOf("h", 1, "cap"))
					if err != nil || answers[0] != nil {
						return errors.Join(err, answers[0])
					}
					if !began {
						began = true
						go func() {
							answers, err := r.hold(holdOf("h", 1, "tee"))
							if err == nil {
								err = answers[0]
							}
							second <- err
						}()
					}
					for range 1000 {
						runtime.Gosched()
					}
					return end
				})
				require.ErrorIs(t, err, end)
				if end == nil {
					require.ErrorIs(t, <-second, reservation.ErrHoldExists)
					require.EqualValues(t, 1, r.stock(t, "cap")[0].Held)
					require.EqualValues(t, 0, r.stock(t, "tee")[0].Held)
					return
				}
				require.NoError(t, <-second)
				require.EqualValues(t, 0, r.stock(t, "cap")[0].Held)
				require.EqualValues(t, 1, r.stock(t, "tee")[0].Held)
			})
		}
	})
}

// Set and Adjust work in a transaction that the merchant began.
func TestSQLReserverMerchantTx(t *testing.T) {
	ctx := context.Background()
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		db := openReserver(t, d, 4)
		r := sqlreserver.New(d.Dialect)
		for range 2 {
			tx, err := db.BeginTx(ctx, nil)
			require.NoError(t, err)
			require.NoError(t, r.Set(ctx, tx, "tee", 5))
			require.NoError(t, tx.Commit())
		}
		tx, err := db.BeginTx(ctx, nil)
		require.NoError(t, err)
		require.NoError(t, r.Adjust(ctx, tx, "tee", 3))
		require.NoError(t, tx.Rollback())

		// A transaction that begins with a Release or an Adjust waits for a writer, on SQLite too.
		tx, err = db.BeginTx(ctx, nil)
		require.NoError(t, err)
		answers, err := r.Hold(ctx, tx, holdOf("h", 1, "tee"))
		require.NoError(t, errors.Join(append(answers, err)...))
		second, err := db.BeginTx(ctx, nil)
		require.NoError(t, err)
		going, adjusted := make(chan bool), make(chan error, 1)
		go func() {
			close(going)
			adjusted <- errors.Join(r.Adjust(ctx, second, "tee", -5), second.Rollback())
		}()
		<-going
		for range 20_000 {
			runtime.Gosched()
		}
		require.NoError(t, tx.Commit())
		require.ErrorIs(t, <-adjusted, reservation.ErrBelowHeld)
	})
}

// A commit does not wait for a transaction that holds the same goods.
func TestSQLReserverCommitLocksNoStock(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		if d.Dialect == sqlkit.SQLite {
			t.Skip("SQLite has one writer")
		}
		t.Parallel()
		ctx := untilDeadline(t)
		r := newReserver(t, d, 4)
		r.set(t, 5, "tee")
		answers, err := r.hold(holdOf("h", 1, "tee"))
		require.NoError(t, errors.Join(append(answers, err)...))
		require.NoError(t, r.inTx(func(tx *sql.Tx) error {
			answers, err := r.Hold(ctx, tx, holdOf("i", 1, "tee"))
			require.NoError(t, errors.Join(append(answers, err)...))
			return sqlkit.SQL{DB: r.db, Dialect: d.Dialect}.InTx(ctx, sql.LevelDefault, func(other *sql.Tx) error {
				answers, err := r.Commit(ctx, other, "h")
				return errors.Join(append(answers, err)...)
			})
		}), "a commit must not wait for a hold of the same goods")
		require.Equal(t, []reservation.Stock{{SKU: "tee", OnHand: 4, Held: 1, Sold: 1}}, r.stock(t))
	})
}
