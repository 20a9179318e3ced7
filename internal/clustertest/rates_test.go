package clustertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gofulfil/fulfil/store/sqlstore"
)

// How fast 64 buyers are served, on one server and on several, when nothing fails.
func TestRates(t *testing.T) {
	scene(t, true)
	measure := func(t *testing.T, s *shop) {
		s.sell(crowd{from: 100_000, orders: 40, buyers: 16}, nil) // warms caches up
		s.stockUp(map[string]int64{"ink": plenty, "pen": plenty, "rare": plenty})
		sold := s.sell(crowd{orders: 400, buyers: 64}, nil)
		s.delivering.Wait()
		sold.report(t, s, time.Time{}, fmt.Sprintf("%.0f orders a second", float64(len(sold.visits))/sold.took.Seconds()))
	}
	t.Run("postgres", func(t *testing.T) {
		p := newPostgres(t)
		measure(t, newShop(t, sqlstore.Postgres, same(3, "pgx", p.dsn("shop"))...))
	})
	t.Run("postgres, synchronous standby", func(t *testing.T) {
		p := newPostgres(t)
		p.standby(address(p.port))
		p.synchronous()
		measure(t, newShop(t, sqlstore.Postgres, same(3, "pgx", p.dsn("shop"))...))
	})
	t.Run("postgres behind PgBouncer", func(t *testing.T) {
		b := newPgBouncer(t, newPostgres(t))
		measure(t, newShop(t, sqlstore.Postgres, same(3, "pgx", b.dsn("default_query_exec_mode=exec"))...))
	})
	for _, c := range [][2]int{{1, 1}, {3, 1}, {3, 3}} {
		t.Run(fmt.Sprintf("galera, %d nodes, %d written to", c[0], c[1]), func(t *testing.T) {
			g := newGalera(t, c[0])
			var sources []source
			for i := range 3 {
				sources = append(sources, source{"mysql", mysqlDSN(address(g.nodes[i%c[1]].port))})
			}
			measure(t, g.shop(t, sources...))
		})
	}
}
