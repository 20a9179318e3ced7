// Command standalone serves a Stripe Checkout for tests, for apps in any language. It serves the API, the hosted payment page
// and a control page, and delivers signed webhooks. It listens on loopback only and keeps everything in memory. No money
// moves.
//
//	go run ./examples/standalone -addr 127.0.0.1:12111 -key sk_test_standalone -webhook http://127.0.0.1:3000/webhook
//
// It prints the base URL of the API, the secret key and the signing secret of the webhooks. Each start makes a new key and a
// new secret; the flags -key and -webhook-secret keep them. Use any client with a configurable base URL:
//
//	curl http://127.0.0.1:12111/v1/checkout/sessions -u sk_test_standalone: \
//	  -d mode=payment -d success_url=http://127.0.0.1:3000/thanks \
//	  -d 'line_items[0][quantity]=1' -d 'line_items[0][price_data][currency]=usd' \
//	  -d 'line_items[0][price_data][unit_amount]=1999' -d 'line_items[0][price_data][product_data][name]=T-shirt'
//
// stripe-node 18.5.0 speaks the same API version as the server:
//
//	const stripe = new Stripe("sk_test_standalone", { protocol: "http", host: "127.0.0.1", port: 12111 });
//	const session = await stripe.checkout.sessions.create({
//	  mode: "payment",
//	  success_url: "http://127.0.0.1:3000/thanks",
//	  line_items: [{ quantity: 1, price_data: { currency: "usd", unit_amount: 1999, product_data: { name: "T-shirt" } } }],
//	});
//	console.log(session.url); // pay there with a test card, or on the control page
//
// The control page is at http://127.0.0.1:12112/; the flag -control changes the address. The page lists the platform's sessions
// and all events. Its buttons play the customer, the bank and time: they pay, settle, bounce, refund, dispute, move the clock
// and deliver an event again. The page works without JavaScript. It has a listener of its own, because the paths of the server
// are Stripe's.
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
	"syscall"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/examples/internal/loopback"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "standalone:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, and then finishes the requests that have begun.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("standalone", flag.ContinueOnError)
	flags.SetOutput(out)
	addr := flags.String("addr", "127.0.0.1:12111", "loopback `address` of the API and the payment page")
	controlAddr := flags.String("control", "127.0.0.1:12112", "loopback `address` of the control page")
	key := flags.String("key", "", "secret `key` that requests must carry: sk_test_… (default: a random one)")
	secret := flags.String("webhook-secret", "", "signing `secret` of the webhooks: whsec_… (default: a random one)")
	webhookURL := flags.String("webhook", "", "loopback `URL` that gets every event (default: none)")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	listener, err := loopback.Listen("-control", *controlAddr, "127.0.0.1:12112")
	if err != nil {
		return err
	}
	defer listener.Close()
	log := slog.New(slog.NewTextHandler(out, nil))
	test, err := newServer(checkouttest.Config{Addr: *addr, Key: *key, WebhookURL: *webhookURL, WebhookSecret: *secret, WallClock: true})
	if err != nil {
		return err
	}
	defer test.Close()
	server := &http.Server{
		Handler:           (&control{test: test, webhookURL: *webhookURL, log: log}).handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      5 * time.Minute, // a button waits for the deliveries that it causes
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { cancel(server.Serve(listener)) }()
	fmt.Fprintf(out, "\nAPI base        %s\nSecret key      %s\nWebhook secret  %s\nWebhooks        %s\nControl page    http://%s/\n\nCtrl-C stops it.\n\n",
		test.URL(), test.Key(), test.WebhookSecret(), receiver(*webhookURL), listener.Addr())

	<-ctx.Done()
	fmt.Fprintln(out, "\nStopping: finishing the requests that have begun.")
	last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancelLast()
	err = server.Shutdown(last)
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause // the listener failed
	}
	return err
}

// newServer is checkouttest.NewServer with its panics returned as errors. They come from a wrong flag or an address that is in
// use.
func newServer(cfg checkouttest.Config) (_ *checkouttest.Server, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case string:
			err = errors.New(p)
		default:
			panic(p)
		}
	}()
	return checkouttest.NewServer(cfg), nil
}

// receiver returns a text about the receiver of the webhooks.
func receiver(webhookURL string) string {
	if webhookURL == "" {
		return "go only to endpoints made with the API"
	}
	return "go to " + webhookURL
}
