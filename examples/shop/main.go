// Command shop is a small shop on a database: SQLite, PostgreSQL, MySQL or MariaDB.
//
//	go run ./examples/shop
//
// README.md beside this file goes on from there to several processes behind a proxy, and to Stripe. newShop is the wiring, the part
// to copy.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/admin"
	"github.com/gofulfil/fulfil/examples/internal/loopback"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
	"github.com/gofulfil/fulfil/webhook"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	// stripe-go prints every request that Stripe refuses, with the customer's e-mail in it. The errors come back anyway.
	stripe.DefaultLeveledLogger = &stripe.LeveledLogger{}
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

// shop is shared by the handlers. It keeps nothing that another process on the same database would have to know.
type shop struct {
	config
	payments
	log   *slog.Logger
	db    *sql.DB
	store *sqlstore.Store
	stock *sqlreserver.Reserver
	flow  *checkout.Flow[*sql.Tx]
	hook  *webhook.Handler
	gate  *gate // of the orders page; nil: it asks for no password
}

func newShop(ctx context.Context, c config, pay payments, db *sql.DB, log *slog.Logger) (*shop, error) {
	s := &shop{config: c, payments: pay, log: log, db: db, store: sqlstore.New(db, c.dialect), stock: sqlreserver.New(c.dialect).WithDB(db), gate: newGate(c.ordersPassword)}
	if err := s.migrate(ctx); err != nil {
		return nil, err
	}
	if err := s.fillShelves(ctx); err != nil {
		return nil, err
	}
	var err error
	s.flow, err = checkout.New(checkout.Config[*sql.Tx]{
		Stripe:   s.client,
		Store:    s.store,
		Reserver: s.stock,
		Fulfil:   s.fulfil,
		OnChange: s.changed,
		Logger:   log,
	})
	if err != nil {
		return nil, err
	}
	s.hook, err = webhook.New(webhook.Config{Secrets: []string{s.webhookSecret}, Logger: log})
	if err != nil {
		return nil, err
	}
	s.flow.Handle(s.hook)
	return s, s.warnOfLostSessions(ctx)
}

// draft writes the shop's own row of an order in one transaction with the order: both or neither exist. If they already exist,
// draft changes the note, unless the order was shipped.
func (s *shop) draft(ctx context.Context, session checkout.Session, note string) error {
	return s.store.InTx(ctx, func(tx *sql.Tx) error {
		_, err := s.flow.DraftTx(ctx, tx, session)
		if errors.Is(err, checkout.ErrOrderExists) {
			_, err = tx.ExecContext(ctx, s.q(`UPDATE shop_orders SET note = ? WHERE order_id = ?
				AND NOT EXISTS (SELECT 1 FROM shipments WHERE shipments.order_id = shop_orders.order_id)`), note, session.OrderID)
			return err
		}
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, s.q(`INSERT INTO shop_orders (order_id, note, created_at) VALUES (?, ?, ?)`),
			session.OrderID, note, s.dialect.Time(time.Now()))
		return err
	})
}

// fulfil hands over the goods. The shipment commits together with the mark that the order is fulfilled, or not at all. So there
// is exactly one, even with several processes. If fulfil returned an error, the shipment would be rolled back, and fulfil would
// be called again later. Anything that is not written through tx, such as an e-mail, may happen more than once: send it with a
// key.
func (s *shop) fulfil(ctx context.Context, tx *sql.Tx, o *store.Order) error {
	if o.Customer.ShippingAddress == (store.Address{}) { // trying again would not help: a person must look at the order
		return webhook.Permanent(errors.New("there is no address to send it to"))
	}
	s.log.Info("shipping", "order", o.ID)
	_, err := tx.ExecContext(ctx, s.q(`INSERT INTO shipments (order_id, name, email, address, created_at) VALUES (?, ?, ?, ?, ?)`),
		o.ID, o.Customer.ShippingName, o.Customer.Email, oneLine(o.Customer.ShippingAddress), s.dialect.Time(time.Now()))
	return err
}

// changed is called for every other change of an order: it expired, its payment bounced, it was paid twice …
func (s *shop) changed(ctx context.Context, tx *sql.Tx, c checkout.Change) error {
	_, err := tx.ExecContext(ctx, s.q(`INSERT INTO order_log (change_key, order_id, kind, detail, created_at) VALUES (?, ?, ?, ?, ?)`),
		c.Key, c.Order.ID, string(c.Kind), c.Detail, s.dialect.Time(c.At))
	return err
}

// checkout begins the order of the cart, or continues it, and sends the customer to the payment page.
func (s *shop) checkout(w http.ResponseWriter, r *http.Request) {
	c, lines, ok := s.readCart(w, r)
	if !ok {
		return
	}
	session := checkout.Session{
		OrderID:    c.ID,
		Lines:      lines,
		SuccessURL: s.url + "/thanks?session_id={CHECKOUT_SESSION_ID}",
		CancelURL:  s.url + "/cart",
		HoldFor:    holdFor,
		Shipping:   checkout.Shipping{Countries: []string{"US", "CA"}},
	}
	var started *checkout.Started
	err := s.draft(r.Context(), session, c.Note)
	if err == nil {
		started, err = s.flow.Begin(r.Context(), session)
	}
	var short *reservation.ShortageError
	switch {
	case errors.As(err, &short):
		s.soldOut(w, short.Lines, lines)
	case err != nil:
		s.failed(w, r, err)
	default:
		s.log.Info("checkout", "order", started.OrderID, "attempt", started.Attempt, "reused", started.Reused)
		http.Redirect(w, r, started.URL, http.StatusSeeOther)
	}
}

// handler serves the shop.
func (s *shop) handler() (http.Handler, error) {
	operator, err := admin.New(admin.Config{
		Flow:  s.flow,
		Allow: func(*http.Request, admin.Action) bool { return true }, // whoever has the password
		Who: func(r *http.Request) string {
			user, _, _ := r.BasicAuth()
			return user
		},
		Check:  s.checkDatabase,
		Logger: s.log,
	})
	if err != nil {
		return nil, err
	}
	pages := http.NewServeMux()
	pages.HandleFunc("GET /{$}", s.showShop)
	pages.HandleFunc("GET /cart", s.showCart)
	pages.HandleFunc("POST /cart", s.changeCart)
	pages.HandleFunc("POST /cart/new", s.newCart)
	pages.HandleFunc("POST /checkout", s.checkout)
	pages.HandleFunc("GET /thanks", s.showThanks)
	pages.HandleFunc("GET /orders", s.withPassword(s.showOrders))
	pages.HandleFunc("POST /orders/cancel", s.withPassword(s.cancelOrder))
	pages.HandleFunc("POST /orders/resolve", s.withPassword(s.resolveOrder))
	pages.HandleFunc("/admin/", s.withPassword(http.StripPrefix("/admin", operator).ServeHTTP))
	pages.HandleFunc("/", s.notFound)
	pages.Handle("GET /style.css", asset("style.css"))
	pages.Handle("GET /thanks.js", asset("thanks.js"))
	pages.Handle("GET /checkout/status", s.flow.StatusHandler())

	// Pages of other sites must not make a visitor's browser buy, and pages take no uploads. Stripe is not a browser: its requests are signed, and they
	// must go straight to the handler that checks the signature.
	browsers := http.NewCrossOriginProtection()
	if err := browsers.AddTrustedOrigin(s.url); err != nil { // for a proxy that changes the Host
		return nil, err
	}
	handler := browsers.Handler(http.MaxBytesHandler(pages, maxForm))
	if isLoopback(s.url) {
		handler = loopback.Only("this shop answers on this machine only", handler)
	}
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.Handle("POST /stripe/webhook", s.hook)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.ready)
	return mux, nil
}

// checkDatabase says whether schema and connection suit.
func (s *shop) checkDatabase(ctx context.Context) error {
	return errors.Join(sqlstore.Check(ctx, s.db, s.dialect), sqlreserver.Check(ctx, s.db, s.dialect))
}

// holdFor is how long the things are held for a customer who pays.
const holdFor = 15 * time.Minute

// maxForm is the number of bytes that a form may have.
const maxForm = 64 << 10

// ready says whether this process can serve customers now. A proxy asks before it sends customers. /healthz says only that the
// process lives: restarting it would not bring a database back.
func (s *shop) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := s.db.PingContext(ctx); err != nil {
		s.log.Error("not ready", "error", err)
		http.Error(w, "database: does not answer", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintf(w, "database: %s\nstripe: %s\n", s.dialect, s.payments.name)
}

// run serves the shop until ctx ends, and then finishes the open requests.
func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	c, err := readConfig(args, getenv, out)
	if err != nil {
		return err
	}
	if c.doctor {
		return examine(ctx, c, out)
	}
	listener, err := net.Listen("tcp", c.addr)
	if err != nil {
		return fmt.Errorf("-addr: %w", err)
	}
	defer listener.Close()
	local := "http://" + listener.Addr().String()
	if c.url == "" {
		c.url = local
	}
	db, err := c.openDatabase(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	pay := c.connect(local)
	defer pay.close()
	log := slog.New(slog.NewTextHandler(out, nil))
	s, err := newShop(ctx, c, pay, db, log)
	if err != nil {
		return err
	}
	handler, err := s.handler()
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second, // the webhook handler reads whole bodies
		WriteTimeout:      time.Minute,      // longer than checkout.DeliverTimeout
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var sweeping sync.WaitGroup
	sweeping.Go(func() { _ = s.flow.Run(ctx) }) // in every process: one of them sweeps each order
	go func() { cancel(server.Serve(listener)) }()
	fmt.Fprintf(out, "\nShop      %s\nDatabase  %s\nPayments  %s\n\nCtrl-C stops it.\n\n", local, c.dialect, pay.describe(c.url, s.hook.Types()))

	<-ctx.Done()
	fmt.Fprintln(out, "\nStopping: finishing the open requests.")
	last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second) // longer than checkout.DeliverTimeout
	defer cancelLast()
	err = server.Shutdown(last)
	sweeping.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause // the listener failed
	}
	fmt.Fprintln(out, "Stopped.")
	return err
}
