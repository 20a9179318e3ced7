package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/internal/combiner"
	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation"
)

// BenchmarkCombined compares holds of 64 callers that wait together with what is written by hand: lock the row, check it, update
// it and insert the hold, for each caller in a transaction of its own. It also measures an UPDATE of one row alone, and the floor: a
// transaction that updates one row and inserts 32. All work goes to one hot SKU, or to one of three in a thousand. The result is
// holds, or rows, per second.
func BenchmarkCombined(b *testing.B) {
	for _, d := range All() {
		b.Run(d.Name, func(b *testing.B) {
			for _, conns := range byHandConns(d.Dialect) {
				r := newReserver(b, d, conns)
				makeByHand(b, r)
				for _, skus := range []int{1, 1000} {
					b.Run(fmt.Sprintf("by hand/conns=%d/skus=%d", conns, skus), func(b *testing.B) {
						run := benchRun.Add(1)
						perSecond(b, 1, "holds/s", func(n int) error {
							return r.byHand(fmt.Sprintf("%d-%d", run, n), cartOf(n, skus))
						})
					})
				}
				b.Run(fmt.Sprintf("one row/conns=%d", conns), func(b *testing.B) {
					perSecond(b, 1, "rows/s", func(int) error {
						_, err := r.db.Exec(`UPDATE by_hand_stock SET taken = taken + 1 WHERE sku = 'sku-0'`)
						return err
					})
				})
			}
			r := newReserver(b, d, 4)
			makeByHand(b, r)
			b.Run("floor of 32 rows", func(b *testing.B) {
				run := benchRun.Add(1)
				perSecond(b, 32, "rows/s", func(n int) error { return r.floor(fmt.Sprintf("floor-%d-%d", run, n)) })
			})
			for _, skus := range []int{1, 1000} {
				b.Run(fmt.Sprintf("combined/skus=%d", skus), func(b *testing.B) {
					run := benchRun.Add(1)
					c := r.combiner()
					perSecond(b, 1, "holds/s", func(n int) error {
						_, err := c.Do(context.Background(), holdOf(fmt.Sprintf("%d-%d", run, n), 1, cartOf(n, skus)...))
						return err
					})
				})
			}
		})
	}
}

// byHandConns are the pools that by hand is measured with: one for each caller, and its best.
func byHandConns(d sqlkit.Dialect) []int {
	if d == sqlkit.SQLite {
		return []int{1}
	}
	return []int{64, 4}
}

// cartOf is the SKU of a caller, or three if there are many.
func cartOf(n, skus int) []string {
	if skus == 1 {
		return []string{"sku-0"}
	}
	return []string{fmt.Sprint("sku-", n*7919%skus), fmt.Sprint("sku-", (n*104729+1)%skus), fmt.Sprint("sku-", (n*1299709+2)%skus)}
}

// combiner holds for callers that wait together.
func (r *reserver) combiner() *combiner.Combiner[reservation.Hold, struct{}] {
	return combiner.New(combiner.Config[reservation.Hold, struct{}]{
		Batch: 64, Queue: 1000, Patience: time.Minute,
		Run: func(_ context.Context, holds []reservation.Hold) ([]combiner.Answer[struct{}], error) {
			refusals, err := r.hold(holds...)
			answers := make([]combiner.Answer[struct{}], len(refusals))
			for i := range refusals {
				answers[i].Err = refusals[i]
			}
			return answers, err
		},
	})
}

// makeByHand makes the tables of the comparison, and stock for a thousand SKUs in both.
func makeByHand(b *testing.B, r *reserver) {
	b.Helper()
	text := map[sqlkit.Dialect]string{sqlkit.MySQL: "VARCHAR(255)"}[r.dialect]
	if text == "" {
		text = "text"
	}
	var skus []string
	var rows strings.Builder
	for i := range 1000 {
		skus = append(skus, fmt.Sprint("sku-", i))
		fmt.Fprintf(&rows, ", ('sku-%d', %d, 0)", i, int64(1)<<40)
	}
	r.set(b, 1<<40, skus...)
	for _, statement := range []string{
		`CREATE TABLE by_hand_stock (sku ` + text + ` NOT NULL PRIMARY KEY, stocked BIGINT NOT NULL, taken BIGINT NOT NULL)`,
		`CREATE TABLE by_hand_holds (id ` + text + ` NOT NULL, sku ` + text + ` NOT NULL, quantity BIGINT NOT NULL, PRIMARY KEY (id, sku))`,
		`INSERT INTO by_hand_stock VALUES ` + strings.TrimPrefix(rows.String(), ", "),
	} {
		_, err := r.db.Exec(statement)
		require.NoError(b, err)
	}
}

// byHand holds one of each SKU as a user would write it.
func (r *reserver) byHand(id string, skus []string) error {
	lock := " FOR UPDATE"
	if r.dialect == sqlkit.SQLite {
		lock = ""
	}
	return r.inTx(func(tx *sql.Tx) error {
		for _, sku := range skus {
			var left int64
			err := tx.QueryRow(r.dialect.Rebind(`SELECT stocked - taken FROM by_hand_stock WHERE sku = ?`+lock), sku).Scan(&left)
			if err != nil {
				return err
			}
			if left < 1 {
				return errors.New("sold out")
			}
			if _, err := tx.Exec(r.dialect.Rebind(`UPDATE by_hand_stock SET taken = taken + 1 WHERE sku = ?`), sku); err != nil {
				return err
			}
			if _, err := tx.Exec(r.dialect.Rebind(`INSERT INTO by_hand_holds (id, sku, quantity) VALUES (?, ?, 1)`), id, sku); err != nil {
				return err
			}
		}
		return nil
	})
}

// floor is the least that 32 holds need: an UPDATE of the row, and an INSERT of 32.
func (r *reserver) floor(id string) error {
	return r.inTx(func(tx *sql.Tx) error {
		if _, err := tx.Exec(`UPDATE by_hand_stock SET taken = taken + 32 WHERE sku = 'sku-0' AND taken + 32 <= stocked`); err != nil {
			return err
		}
		var rows []any
		for i := range 32 {
			rows = append(rows, fmt.Sprint(id, "/", i), "sku-0", 1)
		}
		_, err := tx.Exec(r.dialect.Rebind(`INSERT INTO by_hand_holds (id, sku, quantity) VALUES `+sqlkit.Rows(32, 3)), rows...)
		return err
	})
}
