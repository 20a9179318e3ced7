package dbtest

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/reservation"
)

// BenchmarkSQLReserver holds one SKU from 64 goroutines at once, with one hold or 64 in a transaction. For comparison it also
// changes one row with plain SQL. The result is holds, or rows, per second.
func BenchmarkSQLReserver(b *testing.B) {
	for _, d := range All() {
		b.Run(d.Name, func(b *testing.B) {
			for _, conns := range []int{1, 4, 16} {
				r := newReserver(b, d, conns)
				r.set(b, 1<<40, "hot")
				b.Run(fmt.Sprintf("conns=%d/one row", conns), func(b *testing.B) {
					perSecond(b, 1, "rows/s", func(int) error {
						return r.inTx(func(tx *sql.Tx) error {
							_, err := tx.Exec(`UPDATE fulfil_stock SET taken = taken + 1 WHERE sku = 'hot'`)
							return err
						})
					})
				})
				for _, batch := range []int{1, 64} {
					b.Run(fmt.Sprintf("conns=%d/hold %d", conns, batch), func(b *testing.B) {
						benchHold(b, r, batch)
					})
				}
				b.Run(fmt.Sprintf("conns=%d/refuse 64", conns), func(b *testing.B) {
					r.set(b, 0, "sold out")
					perSecond(b, 64, "holds/s", func(n int) error {
						_, err := r.hold(batchOf(fmt.Sprint("refused-", b.N, "-", n), 64, "sold out")...)
						return err
					})
				})
				b.Run(fmt.Sprintf("conns=%d/settle 1", conns), func(b *testing.B) { benchCommit(b, r) })
			}
		})
	}
}

// perSecond runs fn from 64 goroutines and reports items per second. Each run of fn makes that many items.
func perSecond(b *testing.B, items int, unit string, fn func(n int) error) {
	var next atomic.Int64
	b.SetParallelism(32) // times GOMAXPROCS: 64 goroutines on two cores
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := fn(int(next.Add(1))); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(items)*float64(b.N)/b.Elapsed().Seconds(), unit)
}

func batchOf(id string, n int, sku string) []reservation.Hold {
	holds := make([]reservation.Hold, n)
	for i := range holds {
		holds[i] = holdOf(fmt.Sprintf("%s/%d", id, i), 1, sku)
	}
	return holds
}

var benchRun atomic.Int64 // makes the IDs of each run new

func benchHold(b *testing.B, r *reserver, batch int) {
	run := benchRun.Add(1)
	perSecond(b, batch, "holds/s", func(n int) error {
		answers, err := r.hold(batchOf(fmt.Sprintf("order-%d-%d", run, n), batch, "hot")...)
		if err == nil {
			err = answers[0]
		}
		return err
	})
}

// benchCommit sells holds of one SKU, each in a transaction of its own.
func benchCommit(b *testing.B, r *reserver) {
	id := fmt.Sprint("settled-", benchRun.Add(1))
	for at := 0; at < b.N; at += 500 {
		holds := batchOf(fmt.Sprint(id, "-", at), min(500, b.N-at), "hot")
		for i := range holds {
			holds[i].ID = fmt.Sprint(id, "/", at+i+1)
		}
		_, err := r.hold(holds...)
		require.NoError(b, err)
	}
	perSecond(b, 1, "commits/s", func(n int) error {
		var answers []error
		err := r.inTx(func(tx *sql.Tx) (err error) {
			answers, err = r.Commit(context.Background(), tx, fmt.Sprint(id, "/", n))
			return err
		})
		if err == nil {
			err = answers[0]
		}
		return err
	})
}
