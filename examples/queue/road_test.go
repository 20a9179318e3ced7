package main

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// road leads to a broker and can be cut. Its address stays, and so no other program can take it meanwhile.
type road struct {
	listener net.Listener
	mu       sync.Mutex
	broker   string      // "": the road is cut, and who comes is turned away
	open     []io.Closer // all connections
}

// newRoad opens a road to the broker at an address.
func newRoad(t *testing.T, broker string) *road {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &road{listener: listener, broker: broker}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			r.lead(client)
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
		r.cut()
	})
	return r
}

func (r *road) addr() string { return r.listener.Addr().String() }

// lead connects a client to the broker.
func (r *road) lead(client net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broker == "" {
		_ = client.Close()
		return
	}
	broker, err := net.Dial("tcp", r.broker)
	if err != nil {
		_ = client.Close()
		return
	}
	r.open = append(r.open, client, broker)
	for _, way := range [][2]net.Conn{{client, broker}, {broker, client}} {
		go func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].Close() // if one side ends, so does the other
		}()
	}
}

// cut ends all connections and leads nowhere.
func (r *road) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broker = ""
	for _, c := range r.open {
		_ = c.Close()
	}
	r.open = nil
}

// mend leads to the broker at an address.
func (r *road) mend(broker string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broker = broker
}
