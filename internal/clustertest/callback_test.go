package clustertest

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// Fulfil counts what was sold, in the sequence of the cart, and overlooks that the count failed: with several writers the counts
// deadlock, and MariaDB undoes the shipment, too.
func TestGaleraOverlookedDeadlock(t *testing.T) {
	scene(t, true)
	g := newGalera(t, 3)
	var sources []source
	for _, at := range g.addresses() {
		sources = append(sources, source{"mysql", mysqlDSN(at)})
	}
	s := g.shop(t, sources...)
	db := s.processes[0].db
	_, err := db.Exec(`CREATE TABLE counts (sku VARCHAR(40) NOT NULL PRIMARY KEY, n BIGINT NOT NULL)`)
	require.NoError(t, err)
	_, err = db.Exec(`INSERT INTO counts VALUES ('ink', 0), ('pen', 0), ('rare', 0)`)
	require.NoError(t, err)
	var overlooked atomic.Int64
	s.also = func(ctx context.Context, tx *sql.Tx, _ int, o *store.Order) {
		for _, l := range o.PaidAttempt().Lines {
			if _, err := tx.ExecContext(ctx, `UPDATE counts SET n = n + 1 WHERE sku = ?`, l.SKU); err != nil {
				overlooked.Add(1)
			}
		}
	}
	sold := s.sell(crowd{orders: 300, rate: 50}, nil)
	s.delivering.Wait()
	require.Positive(t, overlooked.Load(), "no count failed, so the scene shows nothing")
	s.end(sold, time.Time{}, "")
}

// The first callbacks of a process stand still for longer than its right to deliver lasts. Then another process delivers, and the
// callbacks go on.
func TestPostgresStalledCallback(t *testing.T) {
	scene(t, false)
	p := newPostgres(t)
	s := newShop(t, sqlstore.Postgres, same(3, "pgx", p.dsn("shop"))...)
	const stalls = 3
	var mu sync.Mutex
	stalled := map[string]bool{}
	goOn, all := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(goOn) })
	t.Cleanup(release)
	s.also = func(_ context.Context, _ *sql.Tx, process int, o *store.Order) {
		mu.Lock()
		stands := process == 1 && len(stalled) < stalls
		if stands {
			stalled[o.ID] = true
			if len(stalled) == stalls {
				close(all)
			}
		}
		mu.Unlock()
		if stands {
			<-goOn
		}
	}
	sold := s.sell(crowd{orders: 60, rate: 60}, nil)
	<-all
	s.srv.Advance(6 * time.Minute)
	_, err := s.processes[2].flow.Sweep(t.Context())
	require.NoError(t, err)
	shipped := s.read(s.processes[0]).shipments
	for id := range stalled {
		require.Equal(t, 1, shipped[id], "no other process has delivered %s", id)
	}
	release()
	s.end(sold, time.Time{}, "")
}
