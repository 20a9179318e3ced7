package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
)

// The tables refuse any SQL that would leave stock below zero or an ID with two holds.
func TestSQLReserverChecks(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		r := newReserver(t, d, 1)
		r.set(t, 5, "tee")
		answers, err := r.hold(holdOf("h", 3, "tee"))
		require.NoError(t, errors.Join(append(answers, err)...))
		for _, statement := range []string{
			`UPDATE fulfil_stock SET taken = taken + 3 WHERE sku = 'tee'`,
			`UPDATE fulfil_stock SET taken = taken - 4 WHERE sku = 'tee'`,
			`UPDATE fulfil_stock SET stocked = 2 WHERE sku = 'tee'`,
			`INSERT INTO fulfil_stock (sku, stocked, taken) VALUES ('cap', -1, 0)`,
			`INSERT INTO fulfil_stock (sku, stocked, taken) VALUES ('tee', 1, 0)`,
			`INSERT INTO fulfil_stock (sku, stocked, taken) VALUES ('', 1, 0)`,
			`INSERT INTO fulfil_holds (id, state, hold_lines) VALUES ('h', 'held', '[]')`,
			`INSERT INTO fulfil_holds (id, state, hold_lines) VALUES ('', 'held', '[]')`,
			`UPDATE fulfil_holds SET state = 'lost' WHERE id = 'h'`,
			`INSERT INTO fulfil_held (sku, hold_id, quantity) VALUES ('tee', 'h', 1)`,
			`UPDATE fulfil_held SET quantity = 0`,
		} {
			_, err := r.db.Exec(statement)
			require.Error(t, err, statement)
		}
		require.Equal(t, []reservation.Stock{{SKU: "tee", OnHand: 5, Held: 3}}, r.stock(t))
	})
}

// A hold is refused, and a later hold of the same call with the same ID and other lines fits.
func TestSQLReserverTriedAgainInOneCall(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		r := newReserver(t, d, 1)
		r.set(t, 5, "tee", "cap")
		answers, err := r.hold(holdOf("h", 6, "tee"), holdOf("i", 1, "tee"), holdOf("h", 2, "cap"), holdOf("h", 2, "cap"), holdOf("h", 6, "tee"))
		require.NoError(t, err)
		var short *reservation.ShortageError
		require.ErrorAs(t, answers[0], &short)
		require.NoError(t, errors.Join(answers[1:4]...))
		require.ErrorIs(t, answers[4], reservation.ErrHoldExists)
		require.Equal(t, []reservation.Stock{{SKU: "cap", OnHand: 5, Held: 2}, {SKU: "tee", OnHand: 5, Held: 1}}, r.stock(t))
		answers, err = r.release("h")
		require.NoError(t, errors.Join(append(answers, err)...))
		require.Equal(t, []reservation.Stock{{SKU: "cap", OnHand: 5}, {SKU: "tee", OnHand: 5, Held: 1}}, r.stock(t))
	})
}

// A key that is not text gets a refusal of its own, and leaves the others of the call as they are.
func TestSQLReserverNoText(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		r := newReserver(t, d, 1)
		r.set(t, 5, "tee")
		for _, bad := range []string{"a\x00b", "a\xffb"} {
			answers, err := r.hold(holdOf(bad, 1, "tee"), holdOf("h", 1, bad), holdOf("good", 1, "tee"))
			require.NoError(t, err)
			require.ErrorIs(t, answers[0], reservation.ErrInvalidHold)
			require.ErrorIs(t, answers[1], reservation.ErrInvalidHold)
			require.NoError(t, answers[2])
			answers, err = r.commit(bad, "good")
			require.NoError(t, err)
			require.ErrorIs(t, answers[0], reservation.ErrNotHeld)
			require.NoError(t, answers[1])
			require.NoError(t, r.inTx(func(tx *sql.Tx) error {
				require.ErrorIs(t, r.Set(context.Background(), tx, bad, 1), reservation.ErrInvalidStock)
				require.ErrorIs(t, r.Adjust(context.Background(), tx, bad, 1), reservation.ErrInvalidStock)
				return nil
			}))
			require.Equal(t, []reservation.Stock{{SKU: bad}}, r.stock(t, bad))
			_, err = r.release("good")
			require.NoError(t, err)
			emptyReserver(t, r.db)
			r.set(t, 5, "tee")
		}
	})
}

// A call may have more rows than one statement has placeholders for.
func TestSQLReserverLargeBatch(t *testing.T) {
	const n = 2500
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		r := newReserver(t, d, 1)
		r.set(t, 3*n, "hot")
		var holds []reservation.Hold
		var ids []string
		for i := range n {
			ids = append(ids, fmt.Sprintf("order-%d", i*7919%n))
			holds = append(holds, holdOf(ids[i], 2, "hot"))
		}
		holds[7].Lines[0].Quantity = 3 * n
		for range 2 {
			answers, err := r.hold(holds...)
			require.NoError(t, err)
			var short *reservation.ShortageError
			require.ErrorAs(t, answers[7], &short)
			answers[7] = nil
			require.NoError(t, errors.Join(answers...))
			require.Equal(t, []reservation.Stock{{SKU: "hot", OnHand: 3 * n, Held: 2 * (n - 1)}}, r.stock(t))
		}
		ids = slices.Delete(ids, 7, 8)
		answers, err := r.commit(ids[:1500]...)
		require.NoError(t, errors.Join(append(answers, err)...))
		answers, err = r.release(ids[1500:]...)
		require.NoError(t, errors.Join(append(answers, err)...))
		require.Equal(t, []reservation.Stock{{SKU: "hot", OnHand: 3*n - 3000, Sold: 3000}}, r.stock(t))
	})
}

// Stock of the largest number may be set only as long as nothing was sold.
func TestSQLReserverSetHuge(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		r := newReserver(t, d, 1)
		r.set(t, math.MaxInt64, "tee")
		_, err := r.hold(holdOf("h", math.MaxInt64, "tee"))
		require.NoError(t, err)
		_, err = r.commit("h")
		require.NoError(t, err)
		require.Equal(t, []reservation.Stock{{SKU: "tee", Sold: math.MaxInt64}}, r.stock(t))
		for _, fn := range []func(tx *sql.Tx) error{
			func(tx *sql.Tx) error { return r.Set(context.Background(), tx, "tee", 1) },
			func(tx *sql.Tx) error { return r.Adjust(context.Background(), tx, "tee", 1) },
		} {
			require.ErrorIs(t, r.inTx(fn), reservation.ErrInvalidStock)
		}
	})
}

func TestSQLReserverNotMigrated(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		db := d.Open(t, 1)
		tx, err := db.Begin()
		require.NoError(t, err)
		defer tx.Rollback()
		_, err = sqlreserver.New(d.Dialect).Hold(context.Background(), tx, holdOf("h", 1, "tee"))
		require.ErrorContains(t, err, "sqlreserver: holding: ")
		require.ErrorContains(t, err, "fulfil_holds")
		require.ErrorContains(t, err, "Migrate")
	})
}

// Ten processes may migrate at once, even if another tool has made the tables from the same files.
func TestSQLReserverMigrate(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		db := d.Open(t, 10)
		files, err := sqlreserver.Schema(d.Dialect)
		require.NoError(t, err)
		names, err := fs.Glob(files, "*.up.sql")
		require.NoError(t, err)
		require.NotEmpty(t, names)
		for _, name := range names {
			text, err := fs.ReadFile(files, name)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(string(text), "-- +goose Up\n"), name)
			for statement := range strings.SplitSeq(string(text), ";\n") {
				if strings.TrimSpace(statement) != "" {
					_, err = db.Exec(statement)
					require.NoError(t, err, statement)
				}
			}
		}
		var wg sync.WaitGroup
		errs := make([]error, 10)
		for i := range errs {
			wg.Go(func() { errs[i] = sqlreserver.Migrate(context.Background(), db, d.Dialect) })
		}
		wg.Wait()
		require.NoError(t, errors.Join(errs...))
	})
}
