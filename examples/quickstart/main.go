// Command quickstart is a small shop that sells through Stripe Checkout.
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -thin	# with thin events in place of snapshot events
//
// It needs nothing else: payments go to a test server in this process. With STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET
// set, the same shop sells through Stripe. newShop is the wiring, the part to copy. The shop keeps everything in memory.
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
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/examples/internal/loopback"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/webhook"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	// stripe-go prints every request that Stripe refuses, with the customer's e-mail in it. The errors come back anyway.
	stripe.DefaultLeveledLogger = &stripe.LeveledLogger{}
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// shop is shared by the handlers.
type shop struct {
	url    string // the address of the shop
	log    *slog.Logger
	pay    payments
	store  *memstore.Store
	stock  *memreserver.Reserver
	flow   *checkout.Flow[*memstore.Tx]
	hook   *webhook.Handler
	events eventLog
	stage  *stage // the scenes of the control page; nil: payments go to Stripe
}

func newShop(ctx context.Context, address string, pay payments, log *slog.Logger) (*shop, error) {
	s := &shop{url: address, log: log, pay: pay, store: memstore.New(), stock: memreserver.New()}
	if err := s.fillShelves(ctx); err != nil {
		return nil, err
	}
	fulfil := s.fulfil
	if pay.test != nil {
		s.stage = newStage(s)
		fulfil = s.stage.fulfil
	}
	var err error
	s.flow, err = checkout.New(checkout.Config[*memstore.Tx]{
		Stripe:   pay.client,
		Store:    s.store,
		Reserver: s.stock,
		Fulfil:   fulfil,
		OnChange: s.changed,
		Clock:    pay.now,
		Logger:   log,
	})
	if err != nil {
		return nil, err
	}
	s.hook, err = webhook.New(webhook.Config{
		Secrets: []string{pay.webhookSecret},
		Clock:   pay.now,
		Logger:  log,
		Observe: func(ctx context.Context) (context.Context, func(webhook.Result)) {
			return ctx, func(r webhook.Result) { s.events.add(received{At: pay.now(), Result: r}) }
		},
	})
	if err != nil {
		return nil, err
	}
	s.flow.Handle(s.hook)
	return s, nil
}

// fulfil hands over the goods. The shipment commits together with the mark that the order is fulfilled, or not at all, so there
// is exactly one. If fulfil returned an error, the shipment would be rolled back, and fulfil would be called again later.
func (s *shop) fulfil(ctx context.Context, tx *memstore.Tx, o *store.Order) error {
	s.log.Info("shipping", "order", o.ID)
	sent := shipment{Name: o.Customer.Name, Email: o.Customer.Email, Parcels: 1}
	if before, ok := tx.Get("shipments/" + o.ID); ok {
		sent.Parcels += before.(shipment).Parcels // would show that an order is sent twice
	}
	return tx.Set(ctx, "shipments/"+o.ID, sent)
}

// changed is called for every other change of an order: it expired, its payment bounced, it was paid twice …
func (s *shop) changed(_ context.Context, _ *memstore.Tx, c checkout.Change) error {
	s.log.Info("order changed", "order", c.Order.ID, "what", c.Kind, "from", c.From, "to", c.To)
	return nil
}

// handler serves the shop.
func (s *shop) handler() http.Handler {
	pages := http.NewServeMux()
	pages.HandleFunc("GET /shop", s.showShop)
	pages.HandleFunc("POST /checkout", s.checkout)
	pages.HandleFunc("GET /cart", s.showCart)
	pages.HandleFunc("POST /cancel", s.cancel)
	pages.HandleFunc("GET /thanks", s.showThanks)
	pages.HandleFunc("GET /orders", s.showOrders)
	pages.HandleFunc("POST /orders/cancel", s.cancelOrder)
	pages.HandleFunc("POST /orders/resolve", s.resolveOrder)
	pages.HandleFunc("/", s.notFound)
	pages.Handle("GET /style.css", asset("style.css"))
	pages.Handle("GET /thanks.js", asset("thanks.js"))
	pages.Handle("GET /checkout/status", s.flow.StatusHandler())
	s.demoRoutes(pages)

	// Pages of other sites must not make a visitor's browser buy or cancel, and pages take no uploads. Stripe is not a browser:
	// its requests are signed, and they must go straight to the handler that checks the signature.
	browsers := http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(pages, maxForm))
	mux := http.NewServeMux()
	mux.Handle("/", loopback.Only("this shop answers on this machine only", browsers))
	mux.Handle("POST /stripe/webhook", s.hook)
	return mux
}

// holdFor is how long the things are held for a customer who pays.
const holdFor = 15 * time.Minute

// maxForm is the number of bytes that a form may have.
const maxForm = 16 << 10

// checkout begins an order, or continues one, and sends the customer to the payment page.
func (s *shop) checkout(w http.ResponseWriter, r *http.Request) {
	p, known := productOf(r.PostFormValue("sku"))
	quantity, err := strconv.ParseInt(r.PostFormValue("quantity"), 10, 64)
	if !known || err != nil || quantity < 1 || quantity > 99 {
		s.message(w, http.StatusBadRequest, "That can’t be ordered", "Choose a product and a quantity from 1 to 99.")
		return
	}
	// A visitor has one open order at a time, so that one person can't hold everything. Coming back from the payment page,
	// or buying something else, goes on with that order. The form of the cart names its order, as it may be from before.
	own, err := s.ownOrder(r)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	var orderID string
	named := r.PostFormValue("order")
	switch {
	case named != "" && (own == nil || own.ID != named):
		s.message(w, http.StatusConflict, "This cart is from before", "Look at your cart as it is now.")
		return
	case own == nil, named == "" && closed(own):
		orderID = newOrder(w)
	default:
		orderID = own.ID
	}
	started, err := s.flow.Begin(r.Context(), checkout.Session{
		OrderID:    orderID,
		Lines:      []checkout.Line{{SKU: p.SKU, Name: p.Name, UnitAmount: p.Price, Quantity: quantity}},
		SuccessURL: s.url + "/thanks?session_id={CHECKOUT_SESSION_ID}",
		CancelURL:  s.url + "/cart",
		HoldFor:    holdFor,
	})
	var short *reservation.ShortageError
	switch {
	case errors.As(err, &short):
		s.soldOut(w, p, short.Lines[0].Available)
	case err != nil:
		s.failed(w, r, err)
	default:
		s.log.Info("checkout", "order", started.OrderID, "attempt", started.Attempt, "reused", started.Reused)
		http.Redirect(w, r, started.URL, http.StatusSeeOther)
	}
}

// run serves the shop until ctx ends, and then finishes the open requests.
func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(out)
	addr := flags.String("addr", "127.0.0.1:4242", "loopback `address` to listen on")
	thin := flags.Bool("thin", false, "get thin events, which only name what changed, instead of snapshot events")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	listener, err := loopback.Listen("-addr", *addr, "127.0.0.1:4242")
	if err != nil {
		return err
	}
	defer listener.Close()
	address := "http://" + listener.Addr().String()
	pay, err := connect(getenv, address, *thin)
	if err != nil {
		return err
	}
	defer pay.close()
	log := slog.New(slog.NewTextHandler(out, nil))
	s, err := newShop(ctx, address, pay, log)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second, // the webhook handler reads whole bodies
		WriteTimeout:      time.Minute,      // longer than checkout.DeliverTimeout
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	fmt.Fprintln(out, s.welcome())
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var sweeping sync.WaitGroup
	sweeping.Go(func() { _ = s.flow.Run(ctx) }) // releases expired stock, retries failed callbacks, finds missed events
	go func() { cancel(server.Serve(listener)) }()

	<-ctx.Done()
	fmt.Fprintln(out, "\nStopping: finishing the open requests.")
	last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancelLast()
	err = server.Shutdown(last)
	sweeping.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause // the listener failed
	}
	fmt.Fprintln(out, "Stopped. Everything was in memory, and is gone.")
	return err
}

// welcome returns the address to open, and things to try there.
func (s *shop) welcome() string {
	text := "Shop      " + s.url + `
Try       Play the scenes on the first page: the last item, a lost webhook, a refund, a stuck order, and more.
          Then buy something: card 4000 0000 0000 0002 is declined, and 4242 4242 4242 4242 is paid.
`
	if s.pay.test == nil {
		text = "Shop      " + s.url + "\n"
	}
	return text + "Payments  " + s.pay.describe(s.url, s.hook) + "\n\nCtrl-C stops it.\n"
}
