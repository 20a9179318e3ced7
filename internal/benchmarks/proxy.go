package main

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// delayed is a part of a stream that is passed on later.
type delayed struct {
	data []byte
	due  time.Time
}

// startProxy passes TCP connections on to target, and each byte half of roundTrip later, in both directions: an answer comes back
// roundTrip later than without the proxy. It returns the address to connect to. stop ends all connections and goroutines.
func startProxy(ctx context.Context, target string, roundTrip time.Duration) (addr string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // stop closed the listener
			}
			running.Go(func() { proxyConn(ctx, client, target, roundTrip/2) })
		}
	})
	return listener.Addr().String(), func() {
		cancel()
		_ = listener.Close()
		running.Wait()
	}, nil
}

// proxyConn passes on one connection until either side ends it.
func proxyConn(ctx context.Context, client net.Conn, target string, delay time.Duration) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(ctx, func() { client.Close(); server.Close() })
	var both sync.WaitGroup
	for _, way := range [...]struct{ from, to net.Conn }{{client, server}, {server, client}} {
		both.Go(func() {
			defer cancel()
			passOn(way.from, way.to, delay)
		})
	}
	both.Wait()
}

// passOn copies from one connection to the other, each part after the delay.
func passOn(from io.Reader, to io.Writer, delay time.Duration) {
	parts := make(chan delayed, 1024)
	var writing sync.WaitGroup
	writing.Go(func() {
		failed := false
		for part := range parts {
			if failed {
				continue
			}
			time.Sleep(time.Until(part.due))
			_, err := to.Write(part.data)
			failed = err != nil
		}
	})
	for {
		buf := make([]byte, 16<<10)
		n, err := from.Read(buf)
		if n > 0 {
			parts <- delayed{data: buf[:n], due: time.Now().Add(delay)}
		}
		if err != nil {
			break
		}
	}
	close(parts)
	writing.Wait()
}
