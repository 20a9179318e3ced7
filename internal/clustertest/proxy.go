package clustertest

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy passes TCP connections on to a server, as a load balancer does, and does what networks do.
type proxy struct {
	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex
	targets []string // new connections take turns
	turn    int
	conns   map[net.Conn]bool

	// hole has bytes of both directions vanish while the connections stay open.
	hole atomic.Bool
	// delay is how much later bytes come out, in nanoseconds. It holds a connection's next bytes up as well.
	delay atomic.Int64
	// loseCommit is how often the answer to a COMMIT is lost with its connection: once in so many. Zero: never.
	loseCommit, commits, lost atomic.Int64
}

// newProxy starts a proxy before one or more addresses.
func newProxy(t testing.TB, targets ...string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, targets: targets, conns: map[net.Conn]bool{}}
	p.running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.running.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.cut()
		p.running.Wait()
	})
	return p
}

// addr is the address to connect to.
func (p *proxy) addr() string { return p.listener.Addr().String() }

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		_ = conn.Close()
	}
}

// lead has new connections go to other addresses, and closes the old ones. Without an address, connections are refused.
func (p *proxy) lead(targets ...string) {
	p.divert(targets...)
	p.cut()
}

// divert has new connections go to other addresses, and leaves the old ones.
func (p *proxy) divert(targets ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.targets = targets
}

func (p *proxy) next() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.targets) == 0 {
		return ""
	}
	p.turn++
	return p.targets[p.turn%len(p.targets)]
}

func (p *proxy) keep(conn net.Conn) (forget func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[conn] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, conn)
		_ = conn.Close()
	}
}

func (p *proxy) serve(client net.Conn) {
	defer p.keep(client)()
	target := p.next()
	if target == "" {
		return
	}
	server, err := net.DialTimeout("tcp", target, time.Second)
	if err != nil {
		return
	}
	defer p.keep(server)()
	var severed atomic.Bool
	var both sync.WaitGroup
	both.Go(func() { p.pass(client, server, func(sent []byte) bool { p.watch(sent, &severed); return true }) })
	both.Go(func() { p.pass(server, client, func([]byte) bool { return !severed.Load() }) })
	both.Wait()
}

// pass copies bytes until one side ends or may says that they must not come out.
func (p *proxy) pass(from, to net.Conn, may func([]byte) bool) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil || !may(buffer[:n]) {
			return
		}
		time.Sleep(time.Duration(p.delay.Load()))
		if p.hole.Load() {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// watch decides whether the answer to what a client sends is lost.
func (p *proxy) watch(sent []byte, severed *atomic.Bool) {
	every := p.loseCommit.Load()
	if every > 0 && isCommit(sent) && p.commits.Add(1)%every == 0 {
		p.lost.Add(1)
		severed.Store(true)
	}
}

// isCommit reports whether sent ends with a COMMIT in either protocol. On PostgreSQL a zero byte follows the word.
func isCommit(sent []byte) bool {
	return bytes.HasSuffix(bytes.ToUpper(bytes.TrimSuffix(sent, []byte{0})), []byte("COMMIT"))
}
