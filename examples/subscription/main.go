// Command subscription sells memberships: sign-up, trials, renewals, failed cards, changes of the plan, and cancellation.
//
//	go run ./examples/subscription
//
// It needs nothing else: payments go to a test server in this process, and a box on the account page lets time pass and the card
// fail. With STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET set, the same site sells through Stripe. newSite is the wiring, the part to
// copy. No part of the program renews anything: Stripe does, and the Flow tells.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/stripe/stripe-go/v82"
	_ "modernc.org/sqlite" // driver "sqlite"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/examples/internal/loopback"
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
		fmt.Fprintln(os.Stderr, "subscription:", err)
		os.Exit(1)
	}
}

// site is shared by the handlers.
type site struct {
	url   string // the address of the site
	log   *slog.Logger
	pay   payments
	plans []plan
	db    *sql.DB
	flow  *checkout.Flow[*sql.Tx]
	hook  *webhook.Handler
}

func newSite(ctx context.Context, address string, pay payments, db *sql.DB, log *slog.Logger) (*site, error) {
	s := &site{url: address, log: log, pay: pay, db: db}
	if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite); err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, mailsTable); err != nil {
		return nil, err
	}
	var err error
	if s.plans, err = plansOf(ctx, pay.client); err != nil {
		return nil, err
	}
	s.flow, err = checkout.New(checkout.Config[*sql.Tx]{
		Stripe:   pay.client,
		Store:    sqlstore.New(db, sqlstore.SQLite),
		Fulfil:   s.welcome,
		OnChange: s.told,
		Clock:    pay.now,
		Logger:   log,
	})
	if err != nil {
		return nil, err
	}
	s.hook, err = webhook.New(webhook.Config{Secrets: []string{pay.webhookSecret}, Clock: pay.now, Logger: log})
	if err != nil {
		return nil, err
	}
	s.flow.Handle(s.hook)
	return s, nil
}

// grace is how long a member keeps access after a renewal failed. Stripe tries the card again meanwhile.
const grace = 7 * 24 * time.Hour

// handler serves the site.
func (s *site) handler() http.Handler {
	members := s.flow.RequireAccess(checkout.Gate{Customer: ordersOfVisitor, Grace: grace, Page: "/?needed=membership"})

	pages := http.NewServeMux()
	pages.HandleFunc("GET /{$}", s.showSignUp)
	pages.HandleFunc("POST /signup", s.signUp)
	pages.HandleFunc("GET /thanks", s.showThanks)
	pages.Handle("GET /members", members(http.HandlerFunc(s.showMembers)))
	pages.HandleFunc("GET /account", s.showAccount)
	pages.HandleFunc("POST /account/plan", s.changePlan)
	pages.HandleFunc("POST /account/cancel", s.cancel)
	pages.HandleFunc("POST /account/keep", s.keep)
	pages.HandleFunc("POST /account/portal", s.openPortal)
	pages.HandleFunc("/", s.notFound)
	pages.HandleFunc("GET /style.css", style)
	s.demoRoutes(pages)

	// Pages of other sites must not make a visitor's browser buy or cancel, and pages take no uploads. Stripe is not a browser:
	// its requests are signed, and they must go straight to the handler that checks the signature.
	browsers := http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(pages, maxForm))
	mux := http.NewServeMux()
	mux.Handle("/", loopback.Only("this site answers on this machine only", browsers))
	mux.Handle("POST /stripe/webhook", s.hook)
	return mux
}

// maxForm is the number of bytes that a form may have.
const maxForm = 16 << 10

// ordersOfVisitor is the query for the memberships of the visitor who makes a request. A site with a login looks the user up in its
// session.
func ordersOfVisitor(r *http.Request) (store.Query, bool) {
	user := userOf(r)
	return store.Query{Metadata: map[string]string{"user": user}, Newest: true}, user != ""
}

// signUp begins a membership, or continues one that was not paid, and sends the visitor to the payment page.
func (s *site) signUp(w http.ResponseWriter, r *http.Request) {
	choice, ok := s.readChoice(r)
	if !ok {
		s.message(w, http.StatusBadRequest, "That can’t be ordered", fmt.Sprintf("Choose a plan, and from 1 to %d seats.", maxSeats))
		return
	}
	user := userOf(r)
	if user == "" {
		user = newUser(w)
	}
	past, err := s.memberships(r.Context(), user)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	if current(past) != nil {
		http.Redirect(w, r, "/account?done=member", http.StatusSeeOther)
		return
	}
	session := checkout.Session{
		// Two clicks or two tabs lead to one order, and so to one subscription. A member who left begins another order.
		OrderID:    fmt.Sprintf("%s-%d", user, len(past)+1),
		Mode:       checkout.ModeSubscription,
		Currency:   currency,
		Lines:      []checkout.Line{{Price: choice.plan.Price, Name: siteName + ", " + choice.plan.Label, Quantity: choice.seats}},
		SuccessURL: s.url + "/thanks?session_id={CHECKOUT_SESSION_ID}",
		CancelURL:  s.url + "/",
		Metadata:   map[string]string{"user": user}, // by which RequireAccess finds the order
	}
	if choice.trial && len(past) == 0 { // one trial for each visitor
		session.TrialDays = trialDays
		if choice.withoutCard {
			session.Params = withoutCard
		}
	}
	started, err := s.flow.Begin(r.Context(), session)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.log.Info("sign-up", "order", started.OrderID, "attempt", started.Attempt, "reused", started.Reused)
	http.Redirect(w, r, started.URL, http.StatusSeeOther)
}

// withoutCard has the payment page ask for no card. The subscription ends with the trial, unless the member gives a card until then.
func withoutCard(p *stripe.CheckoutSessionCreateParams) {
	p.PaymentMethodCollection = stripe.String("if_required")
	p.SubscriptionData.TrialSettings = &stripe.CheckoutSessionCreateSubscriptionDataTrialSettingsParams{
		EndBehavior: &stripe.CheckoutSessionCreateSubscriptionDataTrialSettingsEndBehaviorParams{MissingPaymentMethod: stripe.String("cancel")},
	}
}

// openDatabase opens the SQLite database in a file. The options make a writer wait for another instead of failing.
func openDatabase(file string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(file)+"?_pragma=busy_timeout(10000)&_pragma=synchronous(full)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4) // one writes, the others read
	return db, nil
}

// run serves the site until ctx ends, and then finishes the open requests.
func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	flags := flag.NewFlagSet("subscription", flag.ContinueOnError)
	flags.SetOutput(out)
	addr := flags.String("addr", "127.0.0.1:4242", "loopback `address` to listen on")
	file := flags.String("db", "subscription.db", "SQLite `file` of a site that sells through Stripe; the test server forgets all when the program ends, so with it the database is a temporary file")
	if err := flags.Parse(args); err != nil {
		return err
	}
	listener, err := loopback.Listen("-addr", *addr, "127.0.0.1:4242")
	if err != nil {
		return err
	}
	defer listener.Close()
	address := "http://" + listener.Addr().String()
	pay, err := connect(getenv, address)
	if err != nil {
		return err
	}
	defer pay.close()
	if pay.test != nil {
		folder, err := os.MkdirTemp("", "subscription-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
		*file = filepath.Join(folder, "subscription.db")
	}
	db, err := openDatabase(*file)
	if err != nil {
		return err
	}
	defer db.Close()
	log := slog.New(slog.NewTextHandler(out, nil))
	s, err := newSite(ctx, address, pay, db, log)
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
	fmt.Fprintf(out, "Site      %s\nTry       Sign up with card 4242 4242 4242 4242, then let time pass on the account page.\nDatabase  %s\nPayments  %s\n\nCtrl-C stops it.\n\n",
		s.url, *file, pay.describe(s.url, s.hook))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var sweeping sync.WaitGroup
	sweeping.Go(func() { _ = s.flow.Run(ctx) }) // finds what webhooks missed, retries failed callbacks
	go func() { cancel(server.Serve(listener)) }()

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
