package clustertest

import (
	"testing"
	"time"

	"github.com/gofulfil/fulfil/store/sqlstore"
)

// The pooler is restarted while customers buy.
func TestPgBouncerRestarted(t *testing.T) {
	scene(t, true)
	for driver, option := range map[string]string{"pgx": "default_query_exec_mode=exec", "postgres": "binary_parameters=yes"} {
		t.Run(driver, func(t *testing.T) {
			p := newPostgres(t)
			b := newPgBouncer(t, p)
			s := newShop(t, sqlstore.Postgres, same(3, driver, b.dsn(option))...)
			var first time.Time
			again := func() {
				if first.IsZero() {
					first = time.Now()
				}
				b.restart()
			}
			sold := s.sell(crowd{orders: 300, rate: 40}, map[int]func(){80: again, 140: again, 200: again})
			s.end(sold, first, "restarted three times")
		})
	}
}
