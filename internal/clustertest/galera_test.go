package clustertest

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation/reservationtest"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
	"github.com/gofulfil/fulfil/store/storetest"
)

// each is a process for each node, which it reaches through a proxy of its own.
func (g *galera) each() (sources []source, ways []*proxy) {
	for _, at := range g.addresses() {
		way := newProxy(g.t, at)
		ways = append(ways, way)
		sources = append(sources, source{"mysql", mysqlDSN(way.addr())})
	}
	return sources, ways
}

// away leads the clients of a node to another node, as a load balancer does that checks with a query. It returns what leads them
// back.
func (g *galera) away(ways []*proxy, from, to int) (back func()) {
	ways[from].lead(address(g.nodes[to].port))
	return func() { ways[from].lead(address(g.nodes[from].port)) }
}

// shop opens a shop on the cluster, when every node has the tables.
func (g *galera) shop(t testing.TB, sources ...source) *shop {
	t.Helper()
	s := newShop(t, sqlstore.MySQL, sources...)
	s.settled = g.settleNodes
	s.settle()
	return s
}

// settleNodes waits until all nodes have all that others committed.
func (g *galera) settleNodes() {
	g.t.Helper()
	for _, m := range g.nodes {
		await(g.t, "a node lags behind", func() error {
			db, err := sql.Open("mysql", mysqlDSN(address(m.port))+"&wsrep_sync_wait=15")
			if err != nil {
				return err
			}
			defer db.Close()
			return db.QueryRow("SELECT count(*) FROM fulfil_orders").Scan(new(int))
		})
	}
}

// The conformance suites pass on a node of a cluster.
func TestGaleraConformance(t *testing.T) {
	scene(t, true)
	g := newGalera(t, 3)
	db, err := sql.Open("mysql", mysqlDSN(address(g.nodes[0].port)))
	require.NoError(t, err)
	defer db.Close()
	db.SetMaxOpenConns(12)
	require.NoError(t, sqlstore.Migrate(t.Context(), db, sqlstore.MySQL))
	require.NoError(t, sqlreserver.Migrate(t.Context(), db, sqlstore.MySQL))
	empty := func(t *testing.T, tables ...string) {
		for _, table := range tables {
			_, err := db.Exec("DELETE FROM " + table)
			require.NoError(t, err)
		}
	}
	t.Run("store", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store[*sql.Tx] {
			empty(t, "fulfil_orders", "fulfil_refs", "fulfil_terms", "fulfil_claims", "fulfil_values")
			return sqlstore.New(db, sqlstore.MySQL)
		})
	})
	t.Run("reserver", func(t *testing.T) {
		r := sqlreserver.New(sqlstore.MySQL).WithDB(db)
		reservationtest.Run(t, func(t *testing.T) reservationtest.Subject[*sql.Tx] {
			empty(t, "fulfil_held", "fulfil_holds", "fulfil_stock")
			return reservationtest.Subject[*sql.Tx]{Reserver: r, Stock: r, InTx: func(ctx context.Context, fn func(tx *sql.Tx) error) error {
				return sqlkit.SQL{DB: db, Dialect: sqlkit.MySQL}.InTx(ctx, sql.LevelDefault, fn)
			}}
		})
	})
}

// All processes write at one node, and at three nodes at once.
func TestGaleraWriters(t *testing.T) {
	scene(t, false)
	g := newGalera(t, 3)
	for _, writers := range []int{1, 3} {
		t.Run(fmt.Sprint(writers), func(t *testing.T) {
			scene(t, writers == 1)
			g.nodes[0].exec("DROP DATABASE shop")
			g.nodes[0].exec("CREATE DATABASE shop")
			var sources []source
			for i := range 3 {
				sources = append(sources, source{"mysql", mysqlDSN(address(g.nodes[i%writers].port))})
			}
			s := g.shop(t, sources...)
			sold := s.sell(crowd{orders: 300, rate: 50}, nil)
			s.end(sold, time.Time{}, "")
		})
	}
}

// A node is killed, its clients are led to another, and it joins again.
func TestGaleraKilled(t *testing.T) {
	scene(t, true)
	g := newGalera(t, 3)
	sources, ways := g.each()
	s := g.shop(t, sources...)
	var killed time.Time
	var rejoined sync.WaitGroup
	sold := s.sell(crowd{orders: 400, rate: 25}, map[int]func(){
		100: func() {
			killed = time.Now()
			g.nodes[2].run.kill()
			back := g.away(ways, 2, 0)
			rejoined.Go(func() { g.start(2, false); back() })
		},
	})
	rejoined.Wait()
	g.awaitSize(3)
	s.end(sold, killed, "")
}

// A node stands still for twenty seconds. The cluster waits for it, then goes on without it, and it joins again.
func TestGaleraStopped(t *testing.T) {
	scene(t, true)
	g := newGalera(t, 3)
	sources, ways := g.each()
	s := g.shop(t, sources...)
	var stopped time.Time
	back := func() {}
	sold := s.sell(crowd{orders: 400, rate: 12}, map[int]func(){
		50: func() {
			stopped = time.Now()
			g.nodes[2].run.signal(syscall.SIGSTOP)
		},
		86:  func() { back = g.away(ways, 2, 0) }, // the load balancer notices after three seconds
		290: func() { g.nodes[2].run.signal(syscall.SIGCONT) },
	})
	g.nodes[2].awaitReady()
	back()
	g.awaitSize(3)
	s.end(sold, stopped, "")
}

// A node refuses queries (1047), and nothing leads its clients away.
func TestGaleraRefuses(t *testing.T) {
	scene(t, true)
	g := newGalera(t, 3)
	sources, _ := g.each()
	s := g.shop(t, sources...)
	var refused time.Time
	sold := s.sell(crowd{orders: 300, rate: 25}, map[int]func(){
		75: func() {
			refused = time.Now()
			g.nodes[1].exec("SET GLOBAL wsrep_reject_queries = ALL")
		},
		175: func() { g.nodes[1].exec("SET GLOBAL wsrep_reject_queries = NONE") }, // four seconds later
	})
	s.end(sold, refused, "")
}

// A node refuses queries from some moment on, and new connections are led to another, while nothing closes the old ones.
func TestGaleraAvoided(t *testing.T) {
	scene(t, true)
	g := newGalera(t, 3)
	sources, ways := g.each()
	s := g.shop(t, sources...)
	var refused time.Time
	sold := s.sell(crowd{orders: 300, rate: 25, patience: 20 * time.Second}, map[int]func(){75: func() {
		refused = time.Now()
		ways[1].divert(address(g.nodes[0].port))
		g.nodes[1].exec("SET GLOBAL wsrep_reject_queries = ALL")
	}})
	g.nodes[1].exec("SET GLOBAL wsrep_reject_queries = NONE")
	s.end(sold, refused, "")
}

// A node is cut off from the others and refuses queries, as it is in the minority. Its clients are led away and back.
func TestGaleraPartition(t *testing.T) {
	scene(t, true)
	g := newGalera(t, 3)
	sources, ways := g.each()
	s := g.shop(t, sources...)
	var cut time.Time
	back := func() {}
	sold := s.sell(crowd{orders: 400, rate: 25}, map[int]func(){
		75: func() {
			cut = time.Now()
			g.nodes[2].exec("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'")
		},
		150: func() { back = g.away(ways, 2, 0) },
		275: func() { g.nodes[2].exec("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=0'") }, // eight seconds later
	})
	g.nodes[2].awaitReady()
	back()
	g.awaitSize(3)
	s.end(sold, cut, "")
}

// Each connection goes to another node, so that a process reads at one node what it wrote at another.
func TestGaleraRoundRobin(t *testing.T) {
	scene(t, true)
	g := newGalera(t, 3)
	for _, options := range []string{"", "&wsrep_sync_wait=15"} {
		t.Run("options"+options, func(t *testing.T) {
			g.nodes[0].exec("DROP DATABASE shop")
			g.nodes[0].exec("CREATE DATABASE shop")
			g.settleSchema()
			way := newProxy(t, g.addresses()...)
			s := g.shop(t, same(3, "mysql", mysqlDSN(way.addr())+options)...)
			sold := s.sell(crowd{orders: 300, rate: 40}, nil)
			s.end(sold, time.Time{}, "", "ErrConflict")
		})
	}
}

// settleSchema waits until all nodes have the empty database.
func (g *galera) settleSchema() {
	g.t.Helper()
	for _, m := range g.nodes {
		await(g.t, "a node lags behind", func() error {
			db, err := sql.Open("mysql", mysqlDSN(address(m.port)))
			if err != nil {
				return err
			}
			defer db.Close()
			return db.Ping()
		})
	}
}
