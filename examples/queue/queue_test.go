package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/webhook"
)

// brokerEnv has the folder of a broker that this test runs as a process of its own, so that it can kill it.
const brokerEnv = "FULFIL_TEST_BROKER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(brokerEnv); dir != "" {
		serveBroker(dir)
	}
	os.Exit(m.Run())
}

// serveBroker is a NATS server until it is killed. It says its address when it is ready.
func serveBroker(dir string) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, NoSigs: true})
	if err != nil {
		panic(err)
	}
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		panic("the broker does not start")
	}
	fmt.Println(s.Addr())
	s.WaitForShutdown()
}

// startNATS starts a broker and returns its address and what kills it.
func startNATS(t *testing.T, dir string) (addr string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), brokerEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(kill)
	line := bufio.NewScanner(out)
	require.True(t, line.Scan(), "the broker ended by itself")
	return line.Text(), kill
}

// Customers pay while there is no worker, and while the broker is killed and started again. Every order is fulfilled once, and
// Stripe is refused only while there is no broker.
func TestQueueSurvivesItsBroker(t *testing.T) {
	dir := t.TempDir()
	broker, kill := startNATS(t, dir)
	r := newRoad(t, broker)
	q, err := openNATS("nats://" + r.addr())
	require.NoError(t, err)
	t.Cleanup(q.close)
	_, err = q.setUp(t.Context())
	require.NoError(t, err)
	survive(t, q, func() { kill(); r.cut() }, func() {
		broker, _ := startNATS(t, dir) // at another port
		r.mend(broker)
	})
}

// survive sells on a queue whose broker is killed and started again.
func survive(t *testing.T, q queue, kill, start func()) {
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(t.TempDir(), "shop.db"))+"?_pragma=busy_timeout(60000)")
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	srv := checkouttest.NewServer(checkouttest.Config{})
	t.Cleanup(srv.Close)
	flow, err := newFlow(t.Context(), db, srv.Client(), srv.Now)
	require.NoError(t, err)
	hook, err := webhook.New(webhook.Config{Secrets: []string{srv.WebhookSecret()}, Clock: srv.Now})
	require.NoError(t, err)
	flow.Handle(hook)
	srv.Deliver(intake(hook, q))
	orders := 0
	buy := func(n int) {
		for range n {
			orders++
			started, err := flow.Begin(t.Context(), checkout.Session{
				OrderID: fmt.Sprintf("order-%d", orders), SuccessURL: "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}",
				Lines: []checkout.Line{{Name: "E-book", UnitAmount: checkout.MustAmount("5.00", "eur"), Quantity: 1}},
			})
			require.NoError(t, err)
			require.NoError(t, srv.Pay(started.SessionID, checkouttest.CardOK))
		}
	}
	refused := func() (n int) {
		for _, e := range srv.Events() {
			if e.Pending {
				n++
			}
		}
		return n
	}

	buy(10) // no worker runs, as when the database is down
	require.Zero(t, refused(), "Stripe gets its answer without a worker")
	require.Zero(t, shipments(t, db))

	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	working.Go(func() { _ = q.work(ctx, hook.Dispatch) })
	defer working.Wait()
	defer stop()
	kill()
	buy(3)
	require.NotZero(t, refused(), "without a broker Stripe keeps the event")
	start()
	require.Eventually(t, func() bool {
		srv.Advance(10 * time.Minute) // Stripe sends again what was refused
		return refused() == 0 && shipments(t, db) == orders
	}, time.Minute, 100*time.Millisecond)
	buy(5)
	require.Eventually(t, func() bool { return shipments(t, db) == orders }, time.Minute, 50*time.Millisecond)
}

// shipments counts the orders that were handed over. A second one of an order would violate the table's key.
func shipments(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), `SELECT count(*) FROM shipments`).Scan(&n))
	return n
}
