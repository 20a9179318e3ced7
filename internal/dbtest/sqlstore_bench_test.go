package dbtest

import (
	"database/sql"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// BenchmarkSQLStore measures the most frequent work of a Flow: one transaction inserts orders with a claim each, and another
// locks and saves them with three references each. A transaction has one order or 64, the pool four connections. The result is
// orders per second.
func BenchmarkSQLStore(b *testing.B) {
	for _, d := range All() {
		for _, batch := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/batch=%d", d.Name, batch), func(b *testing.B) {
				if d.Driver == "mysql" {
					d = withOptions(d, "interpolateParams=true")
				}
				db := d.Open(b, 4)
				migrateStore(b, db, d)
				st := sqlstore.New(db, d.Dialect)
				var n atomic.Int64
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := beginAndSettle(b, st, n.Add(1), batch); err != nil {
							b.Fatal(err)
						}
					}
				})
				b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "orders/s")
			})
		}
	}
}

func beginAndSettle(b *testing.B, st *sqlstore.Store, n int64, batch int) error {
	ctx := b.Context()
	orders, ids, keys := make([]*store.Order, batch), make([]string, batch), make([]string, batch)
	for i := range batch {
		ids[i] = fmt.Sprint("order-", n, "-", i)
		keys[i] = "evt_" + ids[i]
		orders[i] = &store.Order{
			ID: ids[i], CreatedAt: failureTime, DueAt: failureTime, Currency: "usd",
			Attempts: []store.Attempt{{N: 1, Params: strings.Repeat("p", 500)}},
		}
	}
	err := st.InTx(ctx, func(tx *sql.Tx) error {
		if _, err := st.Insert(ctx, tx, orders...); err != nil {
			return err
		}
		_, err := st.Claim(ctx, tx, failureTime, keys...)
		return err
	})
	if err != nil {
		return err
	}
	return st.InTx(ctx, func(tx *sql.Tx) error {
		locked, err := st.Lock(ctx, tx, ids...)
		if err != nil {
			return err
		}
		for _, o := range locked {
			a := &o.Attempts[0]
			a.SessionID, a.PaymentIntent, a.Charge, a.Paid = "cs_"+o.ID, "pi_"+o.ID, "ch_"+o.ID, true
		}
		return st.Save(ctx, tx, locked...)
	})
}
