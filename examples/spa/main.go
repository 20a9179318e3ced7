// Command spa is a shop whose page is plain JavaScript: it orders by a JSON API, and the customer pays in Stripe's embedded form
// without leaving the page.
//
//	go run ./examples/spa
//
// It needs nothing else: payments go to a test server in this process, and the page has a button in the place of Stripe's form. With
// STRIPE_SECRET_KEY, STRIPE_PUBLISHABLE_KEY and STRIPE_WEBHOOK_SECRET set, it shows Stripe's form. api.go and app.js are the parts to
// copy.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/examples/internal/loopback"
	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/webhook"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	stripe.DefaultLeveledLogger = &stripe.LeveledLogger{} // it would print e-mail addresses; errors are returned anyway
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "spa:", err)
		os.Exit(1)
	}
}

// payments takes the money: Stripe, or a test server in this process.
type payments struct {
	client                        *stripe.Client
	publishableKey, webhookSecret string
	now                           func() time.Time
	test                          *checkouttest.Server // nil: payments go to Stripe
}

// connect uses Stripe if all of its keys are set, and starts a test server if none is.
func connect(getenv func(string) string) (payments, error) {
	key, publishable, secret := getenv("STRIPE_SECRET_KEY"), getenv("STRIPE_PUBLISHABLE_KEY"), getenv("STRIPE_WEBHOOK_SECRET")
	if key == "" && publishable == "" && secret == "" {
		test := checkouttest.NewServer(checkouttest.Config{WallClock: true})
		return payments{test.Client(), "", test.WebhookSecret(), test.Now, test}, nil
	}
	if key == "" || publishable == "" || secret == "" {
		return payments{}, errors.New("set all of STRIPE_SECRET_KEY, STRIPE_PUBLISHABLE_KEY and STRIPE_WEBHOOK_SECRET, or none for the test server")
	}
	return payments{stripe.NewClient(key), publishable, secret, time.Now, nil}, nil
}

// shop is shared by the handlers.
type shop struct {
	url  string
	pay  payments
	flow *checkout.Flow[*memstore.Tx]
	hook *webhook.Handler
	log  *slog.Logger
}

func newShop(ctx context.Context, url string, pay payments, log *slog.Logger) (*shop, error) {
	st := memstore.New()
	stock := memreserver.New().WithStore(st)
	if err := st.InTx(ctx, func(tx *memstore.Tx) error { return stock.SetNew(ctx, tx, "tee-m", 5) }); err != nil {
		return nil, err
	}
	s := &shop{url: url, pay: pay, log: log}
	var err error
	s.flow, err = checkout.New(checkout.Config[*memstore.Tx]{
		Stripe:   pay.client,
		Store:    st,
		Reserver: stock,
		Fulfil: func(ctx context.Context, tx *memstore.Tx, o *store.Order) error {
			return tx.Set(ctx, "shipments/"+o.ID, o.Lines)
		},
		Clock:  pay.now,
		Logger: log,
	})
	if err != nil {
		return nil, err
	}
	s.hook, err = webhook.New(webhook.Config{Secrets: []string{pay.webhookSecret}, Clock: pay.now, Logger: log})
	if err != nil {
		return nil, err
	}
	s.flow.Handle(s.hook)
	if pay.test != nil {
		pay.test.Deliver(s.hook)
	}
	return s, nil
}

// run serves the shop until ctx ends, and then finishes the open requests.
func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	flags := flag.NewFlagSet("spa", flag.ContinueOnError)
	flags.SetOutput(out)
	addr := flags.String("addr", "127.0.0.1:4242", "loopback `address` to listen on")
	if err := flags.Parse(args); err != nil {
		return err
	}
	listener, err := loopback.Listen("-addr", *addr, "127.0.0.1:4242")
	if err != nil {
		return err
	}
	defer listener.Close()
	pay, err := connect(getenv)
	if err != nil {
		return err
	}
	if pay.test != nil {
		defer pay.test.Close()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s, err := newShop(ctx, "http://"+listener.Addr().String(), pay, slog.New(slog.NewTextHandler(out, nil)))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: s.handler(), ReadTimeout: 15 * time.Second, WriteTimeout: time.Minute}
	fmt.Fprintf(out, "Shop  %s\n\nCtrl-C stops it.\n\n", s.url)
	var sweeping sync.WaitGroup
	sweeping.Go(func() { _ = s.flow.Run(ctx) })
	go func() { cancel(server.Serve(listener)) }()

	<-ctx.Done()
	last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancelLast()
	err = server.Shutdown(last)
	sweeping.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause // the listener failed
	}
	return err
}
