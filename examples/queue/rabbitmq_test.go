package main

import (
	"io"
	"net"
	"net/url"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// road leads to a broker, and can be cut and mended.
type road struct {
	addr, broker string
	mu           sync.Mutex
	open         []io.Closer // the listener and all connections
}

func (r *road) mend(t *testing.T) {
	listener, err := net.Listen("tcp", r.addr)
	require.NoError(t, err)
	r.addr = listener.Addr().String()
	r.keep(listener)
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			broker, err := net.Dial("tcp", r.broker)
			if err != nil {
				_ = client.Close()
				continue
			}
			r.keep(client, broker)
			go func() { _, _ = io.Copy(broker, client) }()
			go func() { _, _ = io.Copy(client, broker) }()
		}
	}()
}

func (r *road) keep(open ...io.Closer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = append(r.open, open...)
}

func (r *road) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.open {
		_ = c.Close()
	}
	r.open = nil
}

// TestRabbitMQSurvives is [TestQueueSurvivesItsBroker] with the RabbitMQ at FULFIL_TEST_RABBITMQ, to which the connections are cut. It
// empties the queue first.
func TestRabbitMQSurvives(t *testing.T) {
	at := os.Getenv("FULFIL_TEST_RABBITMQ")
	if at == "" {
		t.Skip("set FULFIL_TEST_RABBITMQ to the URL of a RabbitMQ, such as amqp://guest:guest@127.0.0.1:5672/")
	}
	u, err := url.Parse(at)
	require.NoError(t, err)
	r := &road{addr: "127.0.0.1:0", broker: u.Host}
	r.mend(t)
	t.Cleanup(r.cut)
	u.Host = r.addr
	q := &rabbit{url: u.String()}
	t.Cleanup(q.close)
	conn, channel, err := q.open()
	require.NoError(t, err)
	_, err = channel.QueuePurge(subject, false)
	require.NoError(t, err)
	_ = conn.Close()
	survive(t, q, r.cut, func() { r.mend(t) })
}
