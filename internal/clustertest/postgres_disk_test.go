package clustertest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/store/sqlstore"
)

// The disk is full for five seconds: the one with the tables, so that the server refuses what needs room, or the one with the
// write-ahead log, so that the server ends and has to be started again.
func TestPostgresDiskFull(t *testing.T) {
	scene(t, true)
	for _, full := range []string{"tables", "log"} {
		t.Run(full, func(t *testing.T) {
			user := accountOf(t, "postgres")
			small := newDisk(t, user, 100)
			at := place{data: small.dir, wal: user.folder(t)}
			if full == "log" {
				at.data, at.wal = at.wal, at.data
			}
			p := newPostgresAt(t, at)
			s := newShop(t, sqlstore.Postgres, same(3, "pgx", p.dsn("shop"))...)
			var filled time.Time
			first := p.run
			sold := s.sell(crowd{orders: 300, rate: 30}, map[int]func(){
				60: func() {
					filled = time.Now()
					small.fill()
				},
				210: func() { // five seconds later
					small.free()
					if !p.run.running() {
						p.start()
					}
				},
			})
			require.True(t, first.out.has("No space left on device"), "the server had room, so the scene shows nothing")
			s.end(sold, filled, "")
		})
	}
}

// For five seconds each write to disk takes three tenths of a second longer.
func TestPostgresSlowSync(t *testing.T) {
	scene(t, true)
	disk := newSlowSync(t, accountOf(t, "postgres"))
	p := newPostgresAt(t, place{env: disk.env()})
	s := newShop(t, sqlstore.Postgres, same(3, "pgx", p.dsn("shop"))...)
	var slowed time.Time
	sold := s.sell(crowd{orders: 300, rate: 30}, map[int]func(){
		60: func() {
			slowed = time.Now()
			disk.slow(300)
		},
		210: disk.fast,
	})
	require.Greater(t, sold.slowest(), 300*time.Millisecond, "nothing was slow, so the scene shows nothing")
	s.end(sold, slowed, "")
}
