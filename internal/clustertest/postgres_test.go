package clustertest

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// same is n processes that reach their database alike.
func same(n int, driver, dsn string) (sources []source) {
	for range n {
		sources = append(sources, source{driver, dsn})
	}
	return sources
}

// Nothing happens: what the other scenes are compared with.
func TestPostgresAlone(t *testing.T) {
	scene(t, true)
	p := newPostgres(t)
	s := newShop(t, sqlstore.Postgres, same(3, "pgx", p.dsn("shop"))...)
	sold := s.sell(crowd{orders: 300, rate: 100}, nil)
	s.end(sold, time.Time{}, "")
}

// The primary is killed, and the standby, which has every commit, takes over behind an address that stays.
func TestPostgresPromotedSynchronous(t *testing.T) {
	scene(t, false)
	primary := newPostgres(t)
	standby := primary.standby(address(primary.port))
	primary.synchronous()
	way := newProxy(t, address(primary.port))
	s := newShop(t, sqlstore.Postgres, same(3, "pgx", primary.dsn("shop", way.addr()))...)
	var killed time.Time
	sold := s.sell(crowd{orders: 300, rate: 60}, map[int]func(){100: func() {
		killed = time.Now()
		primary.run.kill()
		standby.promote()
		way.lead(address(standby.port))
	}})
	s.end(sold, killed, "")
}

// The primary refuses to write from some moment on, and keeps its connections. The standby takes over, and new connections are led to
// it, while nothing closes the old ones.
func TestPostgresDemoted(t *testing.T) {
	scene(t, true)
	primary := newPostgres(t)
	standby := primary.standby(address(primary.port))
	primary.synchronous()
	way := newProxy(t, address(primary.port))
	s := newShop(t, sqlstore.Postgres, same(3, "pgx", primary.dsn("shop", way.addr()))...)
	var demoted time.Time
	sold := s.sell(crowd{orders: 300, rate: 40, patience: 20 * time.Second}, map[int]func(){100: func() {
		demoted = time.Now()
		primary.demote()
		standby.promote()
		way.divert(address(standby.port))
	}})
	s.end(sold, demoted, "")
}

// The same with both hosts in the DSN, as each process finds the primary by itself.
func TestPostgresTwoHosts(t *testing.T) {
	scene(t, true)
	for _, driver := range []string{"pgx", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			primary := newPostgres(t)
			standby := primary.standby(address(primary.port))
			primary.synchronous()
			dsn := fmt.Sprintf("host=127.0.0.1,127.0.0.1 port=%d,%d user=postgres dbname=shop sslmode=disable connect_timeout=2 target_session_attrs=read-write",
				primary.port, standby.port) // lib/pq takes two hosts in this form alone
			s := newShop(t, sqlstore.Postgres, same(3, driver, dsn)...)
			var killed time.Time
			sold := s.sell(crowd{orders: 300, rate: 60}, map[int]func(){100: func() {
				killed = time.Now()
				primary.run.kill()
				standby.promote()
			}})
			s.end(sold, killed, "")
		})
	}
}

// Every connection is ended several times in a second.
func TestPostgresTerminated(t *testing.T) {
	scene(t, true)
	for _, driver := range []string{"pgx", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			p := newPostgres(t)
			s := newShop(t, sqlstore.Postgres, same(3, driver, p.dsn("shop"))...)
			ended := 0
			at := map[int]func(){}
			for n := 20; n < 280; n += 15 { // six times in a second
				at[n] = func() {
					p.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop'")
					ended++
				}
			}
			sold := s.sell(crowd{orders: 300, rate: 90}, at)
			s.end(sold, time.Time{}, fmt.Sprintf("all connections ended %d times", ended))
		})
	}
}

// The server is restarted, in an orderly way and as after a crash.
func TestPostgresRestarted(t *testing.T) {
	scene(t, true)
	for name, signal := range map[string]syscall.Signal{"fast": syscall.SIGINT, "immediate": syscall.SIGQUIT} {
		t.Run(name, func(t *testing.T) {
			p := newPostgres(t)
			s := newShop(t, sqlstore.Postgres, same(3, "pgx", p.dsn("shop"))...)
			var first time.Time
			again := func() {
				if first.IsZero() {
					first = time.Now()
				}
				p.restart(signal)
			}
			sold := s.sell(crowd{orders: 300, rate: 60}, map[int]func(){80: again, 160: again})
			s.end(sold, first, "restarted twice")
		})
	}
}

// One in twenty answers to a COMMIT is lost with its connection.
func TestPostgresCommitAnswersLost(t *testing.T) {
	scene(t, false)
	for _, driver := range []string{"pgx", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			scene(t, driver != "pgx")
			p := newPostgres(t)
			way := newProxy(t, address(p.port))
			s := newShop(t, sqlstore.Postgres, same(3, driver, p.dsn("shop", way.addr()))...)
			way.loseCommit.Store(20)
			sold := s.sell(crowd{orders: 300, rate: 90}, nil)
			way.loseCommit.Store(0)
			s.end(sold, time.Time{}, fmt.Sprintf("%d of %d answers lost", way.lost.Load(), way.commits.Load()))
			require.Positive(t, way.lost.Load())
		})
	}
}

// The standby stops showing what it gets: commits wait for it, and go on when it does.
func TestPostgresReplayPaused(t *testing.T) {
	scene(t, true)
	primary := newPostgres(t)
	standby := primary.standby(address(primary.port))
	primary.synchronous()
	s := newShop(t, sqlstore.Postgres, same(3, "pgx", primary.dsn("shop"))...)
	var paused time.Time
	sold := s.sell(crowd{orders: 300, rate: 30}, map[int]func(){
		60: func() {
			paused = time.Now()
			standby.exec("SELECT pg_wal_replay_pause()")
		},
		210: func() { standby.exec("SELECT pg_wal_replay_resume()") }, // five seconds later
	})
	s.end(sold, paused, "")
}

// The primary is killed, and the standby that takes over lacks the last commits: orders that customers have paid are gone. Sweeps and
// [checkout.Flow.Backfill] bring every payment back for a person to decide about.
func TestPostgresPromotedAsynchronous(t *testing.T) {
	scene(t, false)
	primary := newPostgres(t)
	following := newProxy(t, address(primary.port))
	standby := primary.standby(following.addr())
	way := newProxy(t, address(primary.port))
	s := newShop(t, sqlstore.Postgres, same(3, "pgx", primary.dsn("shop", way.addr()))...)
	var killed time.Time
	sold := s.sell(crowd{orders: 200, rate: 40}, map[int]func(){
		100: func() { following.hole.Store(true) },
		140: func() {
			killed = time.Now()
			primary.run.kill()
			following.cut() // the standby waits for more otherwise
			standby.promote()
			way.lead(address(standby.port))
		},
	})
	s.delivering.Wait()
	before := s.read(s.processes[0])
	lost, fulfilled := 0, 0
	for id := range before.paid {
		if before.orders[id] == nil {
			lost++
		}
		fulfilled += before.shipments[id]
	}
	require.Positive(t, lost, "no paid order was lost, so the scene shows nothing")

	s.srv.Advance(11 * time.Minute) // until then an order may only be on its way
	_, err := s.processes[0].flow.Backfill(t.Context(), killed.Add(-time.Hour))
	require.NoError(t, err)
	s.rest()
	found := s.read(s.processes[0])
	stuck := 0
	for id := range found.paid {
		o := found.orders[id]
		require.NotNil(t, o, "%s is paid and is no order", id)
		require.LessOrEqual(t, found.shipments[id], 1, "%s is fulfilled twice", id)
		if found.shipments[id] == 1 {
			continue
		}
		require.NotEmpty(t, o.StuckReason(), "%s is paid, not fulfilled, and waits for nobody", id)
		stuck++
		require.NoError(t, s.processes[0].flow.Resolve(t.Context(), id, checkout.FulfilAnyway))
	}
	s.end(sold, killed, fmt.Sprintf("%d of %d paid orders were lost, %d fulfilled before, %d waited for a person", lost, len(before.paid), fulfilled, stuck),
		"ErrSuperseded") // the database lost the order while it was begun
}

// At SERIALIZABLE the database refuses transactions that it would otherwise have wait. They are run again, and some give up.
func TestPostgresSerializable(t *testing.T) {
	scene(t, true)
	for _, level := range []string{"read committed", "serializable"} {
		t.Run(level, func(t *testing.T) {
			p := newPostgres(t)
			s := newShop(t, sqlstore.Postgres, same(3, "pgx", p.dsn("shop")+"&default_transaction_isolation="+url.PathEscape(level))...)
			sold := s.sell(crowd{orders: 300, rate: 40}, nil)
			ratio := p.ask("SELECT xact_rollback || ' of ' || xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'shop'")
			s.end(sold, time.Time{}, "transactions rolled back: "+ratio, "ErrConflict")
		})
	}
}

// A Store on the standby reads, and shows what was committed a moment later.
func TestPostgresReadsFromStandby(t *testing.T) {
	scene(t, true)
	primary := newPostgres(t)
	standby := primary.standby(address(primary.port))
	s := newShop(t, sqlstore.Postgres, same(1, "pgx", primary.dsn("shop"))...)
	db, err := sql.Open("pgx", standby.dsn("shop"))
	require.NoError(t, err)
	defer db.Close()
	reader := sqlstore.New(db, sqlstore.Postgres)
	s.stockUp(map[string]int64{"ink": plenty})
	var lags []time.Duration
	for order := range 50 {
		_, err := s.processes[0].flow.Begin(t.Context(), cart(order, "ink"))
		require.NoError(t, err)
		began := time.Now()
		for err = store.ErrNotFound; errors.Is(err, store.ErrNotFound); {
			_, err = reader.Find(t.Context(), fmt.Sprintf("order-%d", order))
		}
		require.NoError(t, err)
		lags = append(lags, time.Since(began))
	}
	orders, err := reader.List(t.Context(), store.Query{Limit: 100})
	require.NoError(t, err)
	require.Len(t, orders, 50)
	err = reader.InTx(t.Context(), func(tx *sql.Tx) error { _, err := reader.Insert(t.Context(), tx, orders[0]); return err })
	require.ErrorIs(t, err, store.ErrUnavailable, "a standby writes nothing")
	slices.Sort(lags)
	t.Logf("an order shows at the standby after %s, at most %s", lags[len(lags)/2], lags[len(lags)-1])
}
