package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/webhook"
)

// mailServer takes mails. A mail whose key it knows is dropped. While broken, it takes a mail and its answer is lost.
type mailServer struct {
	mu     sync.Mutex
	broken bool
	known  map[string]bool
	took   chan string // a line about each mail
}

func (s *mailServer) send(_ context.Context, m mail) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := fmt.Sprintf("%s to %s, key %s", m.Subject, m.To, m.Key)
	if s.known[m.Key] {
		line = fmt.Sprintf("known already: key %s", m.Key)
	}
	s.known[m.Key] = true
	s.took <- line
	if s.broken {
		return errors.New("the answer of the mail server was lost")
	}
	return nil
}

func (s *mailServer) breakDown(broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = broken
}

// demo sells through a test server and prints which mails the mail server takes.
func demo(out io.Writer) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	folder, err := os.MkdirTemp("", "outbox-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(folder, "shop.db"))+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_txlock=immediate")
	if err != nil {
		return err
	}
	defer db.Close()
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	mails, log := &mailServer{known: map[string]bool{}, took: make(chan string, 8)}, slog.New(slog.DiscardHandler)
	box, err := newOutbox(ctx, db, mails.send, srv.Now, log)
	if err != nil {
		return err
	}
	flow, err := newFlow(ctx, db, box, srv.Client(), srv.Now, log)
	if err != nil {
		return err
	}
	hook, err := webhook.New(webhook.Config{Secrets: []string{srv.WebhookSecret()}, Clock: srv.Now, Logger: log})
	if err != nil {
		return err
	}
	flow.Handle(hook)
	srv.Deliver(hook)

	var worker sync.WaitGroup
	worker.Go(func() { box.run(ctx) })
	defer worker.Wait()
	defer cancel()
	return scenes(ctx, out, srv, flow, box, mails)
}

func scenes(ctx context.Context, out io.Writer, srv *checkouttest.Server, flow *checkout.Flow[*sql.Tx], box *outbox, mails *mailServer) error {
	buy := func(id string) error {
		started, err := flow.Begin(ctx, checkout.Session{
			OrderID:    id,
			Lines:      []checkout.Line{{Name: "Tea", UnitAmount: checkout.MustAmount("5.00", "usd"), Quantity: 1}},
			SuccessURL: "https://shop.example/thanks",
		})
		if err != nil {
			return err
		}
		return srv.PayAs(started.SessionID, checkouttest.CardOK, checkouttest.Buyer{Email: "customer@example.com"})
	}
	next := func() error {
		select {
		case line := <-mails.took:
			fmt.Fprintln(out, "  "+line)
			return nil
		case <-time.After(time.Minute):
			return errors.New("no mail within a minute")
		}
	}

	fmt.Fprintln(out, "An order is paid, and its event arrives twice:")
	srv.Faults(checkouttest.Duplicate(2))
	if err := errors.Join(buy("order-1"), next()); err != nil {
		return err
	}

	fmt.Fprintln(out, "It is refunded:")
	if err := errors.Join(flow.Refund(ctx, "order-1", checkout.Refund{}), next()); err != nil {
		return err
	}

	fmt.Fprintln(out, "Another one is paid, and the answer of the mail server is lost:")
	mails.breakDown(true)
	if err := errors.Join(buy("order-2"), next()); err != nil {
		return err
	}
	mails.breakDown(false)
	fmt.Fprintln(out, "A minute later the mail is sent again:")
	srv.Advance(time.Minute + time.Second)
	box.wakeUp() // the worker looks every 15 seconds; this spares the wait
	return next()
}
