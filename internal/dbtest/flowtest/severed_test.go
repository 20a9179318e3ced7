package flowtest

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/internal/dbtest"
	"github.com/gofulfil/fulfil/internal/sqlkit"
)

// severing is a proxy before a database server. It drops the answer to one COMMIT together with the connection: the transaction
// is committed, and its process does not know.
type severing struct {
	listener net.Listener
	server   string
	seen     atomic.Int64 // the number of commits
	at       atomic.Int64 // the commit whose answer is dropped, counted from 1
	conns    sync.WaitGroup
}

func newSevering(t *testing.T, server string) *severing {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &severing{listener: listener, server: server}
	s.conns.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			s.conns.Go(func() { s.serve(client) })
		}
	})
	return s
}

// close ends the proxy. The connections must be closed before.
func (s *severing) close() {
	_ = s.listener.Close()
	s.conns.Wait()
}

// severAt drops the answer to the n-th commit from now.
func (s *severing) severAt(n int64) {
	s.seen.Store(0)
	s.at.Store(n)
}

// severed reports whether that commit has come.
func (s *severing) severed() bool { return s.at.Load() > 0 && s.seen.Load() >= s.at.Load() }

func (s *severing) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", s.server)
	if err != nil {
		return
	}
	defer server.Close()
	var sever atomic.Bool
	s.conns.Go(func() {
		defer client.Close()
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			if err != nil || sever.Load() {
				return
			}
			if _, err := client.Write(buffer[:n]); err != nil {
				return
			}
		}
	})
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		if isCommit(buffer[:n]) && s.seen.Add(1) == s.at.Load() {
			sever.Store(true)
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// isCommit reports whether sent ends with a COMMIT in either protocol. On PostgreSQL a zero byte follows the word.
func isCommit(sent []byte) bool {
	return bytes.HasSuffix(bytes.ToUpper(bytes.TrimSuffix(sent, []byte{0})), []byte("COMMIT"))
}

// through returns dsn with the server's address replaced. addr returns the new address for the old one.
func through(t *testing.T, d dbtest.Database, dsn string, addr func(server string) string) string {
	t.Helper()
	if d.Dialect == sqlkit.MySQL {
		cfg, err := mysql.ParseDSN(dsn)
		require.NoError(t, err)
		cfg.Addr = addr(cfg.Addr)
		return cfg.FormatDSN()
	}
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	server := u.Host
	if u.Port() == "" {
		server = net.JoinHostPort(u.Hostname(), "5432")
	}
	u.Host = addr(server)
	return u.String()
}

// TestCommitAnswerLost begins, pays and fulfils an order for each commit that this takes, and each time the answer to another
// commit is lost. The customer notices nothing, and Stripe and sweeps try again. Nothing may be missing or happen twice.
//
// SQLite has no connection that could break: there a commit has no answer only if the process dies, which [TestKill] covers.
func TestCommitAnswerLost(t *testing.T) {
	for _, d := range dbtest.All() {
		if d.Dialect == sqlkit.SQLite {
			continue
		}
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			var way *severing
			dsn := through(t, d, d.Create(t), func(server string) string {
				way = newSevering(t, server)
				return way.listener.Addr().String()
			})
			t.Cleanup(way.close) // after the pools are closed
			srv := checkouttest.NewServer(checkouttest.Config{Start: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)})
			t.Cleanup(srv.Close)
			p := newPair(t, poolsOf(t, d, dsn), srv)
			p.setStock("ink", 1000)
			srv.Deliver(p.hooks[0])
			lost := int64(0)
			for {
				way.severAt(lost + 1)
				p.persist(fmt.Sprintf("order-%d", lost))
				if !way.severed() {
					break
				}
				lost++
			}
			way.severAt(0)
			require.Greater(t, lost, int64(5))
			p.requireStock("ink", 1000-lost-1, 0, lost+1)
			t.Logf("%d lost answers to commits", lost)
		})
	}
}

// persist begins an order and pays it, and lets time pass until the order must be fulfilled.
func (p *pair) persist(id string) {
	p.t.Helper()
	cart := cartRequest{Order: id, SKUs: []string{"ink"}}.session()
	started, err := p.flows[0].Begin(p.t.Context(), cart)
	require.NoError(p.t, err, "Begin looks for itself whether a commit was carried out: %s", p.log)
	require.NoError(p.t, p.srv.Pay(started.SessionID, checkouttest.CardOK))
	for range 3 {
		p.srv.Advance(time.Hour)
		_, _ = p.flows[0].Sweep(p.t.Context()) // the next sweep makes up for a failed one
	}
	p.requireEnds(id, checkout.Fulfilled, 1)
	require.True(p.t, p.order(id).DueAt.IsZero())
}
