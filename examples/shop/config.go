package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
	"github.com/stripe/stripe-go/v82"
	_ "modernc.org/sqlite" // driver "sqlite"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// config is the configuration. Flags say where a process listens; the environment has the settings that all processes share.
type config struct {
	addr           string           // -addr
	doctor         bool             // the argument doctor: examine the shop instead of serving it
	testWebhooks   string           // -webhooks: the URL to which the test server sends its events; empty: this process
	url            string           // SHOP_URL: the shop's public address, without a slash at the end; empty: that of addr
	ordersPassword string           // ORDERS_PASSWORD; empty: the orders page asks for none
	dialect        sqlstore.Dialect // from DATABASE_URL, like driver and dsn
	driver, dsn    string
	stripeKey      string // STRIPE_SECRET_KEY; empty: a test server takes the payments
	stripeSecret   string // STRIPE_WEBHOOK_SECRET
	stripeBase     string // STRIPE_API_BASE: the test server of another process; empty: Stripe
}

func readConfig(args []string, getenv func(string) string, out io.Writer) (config, error) {
	c := config{
		url:            strings.TrimSuffix(getenv("SHOP_URL"), "/"),
		ordersPassword: getenv("ORDERS_PASSWORD"),
		stripeKey:      getenv("STRIPE_SECRET_KEY"),
		stripeSecret:   getenv("STRIPE_WEBHOOK_SECRET"),
		stripeBase:     getenv("STRIPE_API_BASE"),
	}
	flags := flag.NewFlagSet("shop", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&c.addr, "addr", "127.0.0.1:4242", "`address` to listen on")
	flags.StringVar(&c.testWebhooks, "webhooks", "", "`URL` that the test server sends its webhooks to, such as that of another process (default this one's)")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	switch c.doctor = flags.Arg(0) == "doctor"; {
	case flags.NArg() > 1, flags.NArg() == 1 && !c.doctor:
		return c, fmt.Errorf("unknown argument %q: the only one is doctor, behind the flags", flags.Arg(flags.NArg()-1))
	case c.doctor && c.stripeKey == "":
		return c, errors.New("doctor examines a shop on Stripe: set STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET as for the shop itself")
	}
	var err error
	c.dialect, c.driver, c.dsn, err = database(getenv("DATABASE_URL"))
	if err != nil {
		return c, err
	}
	return c, errors.Join(c.checkStripe(), c.checkAddresses())
}

func (c config) live() bool { return strings.Contains(c.stripeKey, "_live_") }

func (c config) checkStripe() error {
	switch {
	case c.stripeKey == "" && c.stripeSecret == "" && c.stripeBase == "":
		return nil
	case c.stripeKey == "":
		return errors.New("STRIPE_SECRET_KEY is not set, but STRIPE_WEBHOOK_SECRET or STRIPE_API_BASE is: " +
			"set the key and the secret to sell through Stripe, or nothing for a test server")
	case c.stripeSecret == "":
		return errors.New("STRIPE_SECRET_KEY is set, but STRIPE_WEBHOOK_SECRET is not: set it, so that webhooks can be verified " +
			"(stripe listen --print-secret shows the secret of the Stripe CLI)")
	case c.testWebhooks != "":
		return errors.New("-webhooks is for the test server that is started when STRIPE_SECRET_KEY is not set")
	case c.stripeBase != "" && c.live():
		return errors.New("STRIPE_API_BASE is for a test server, which takes no live key")
	case c.stripeBase != "" && !isLoopback(c.stripeBase):
		return errors.New("STRIPE_API_BASE must be the http URL of a test server on a loopback address")
	}
	return nil
}

func (c config) checkAddresses() error {
	host, _, err := net.SplitHostPort(c.addr)
	if err != nil {
		return fmt.Errorf("-addr: %w", err)
	}
	public := c.url != "" && !isLoopback(c.url)
	u, err := url.Parse(c.url)
	if err != nil || c.url != "" && (u.Host == "" || u.Path != "" || u.RawQuery != "" || u.User != nil) || public && u.Scheme != "https" {
		return errors.New("SHOP_URL must be like https://shop.example, or an http URL of localhost or a loopback address")
	}
	switch {
	case c.url == "" && !isLoopback("http://"+net.JoinHostPort(host, "0")):
		return fmt.Errorf("-addr %s can be reached from other machines: set SHOP_URL to the address that customers use", c.addr)
	case public && c.stripeKey == "":
		return errors.New("SHOP_URL is public, but STRIPE_SECRET_KEY is not set: the test server is on loopback, where no customer can pay")
	case c.live() && !public:
		return errors.New("STRIPE_SECRET_KEY is a live key: set SHOP_URL to the https address of the shop")
	case c.ordersPassword == "" && (public || !isLoopback("http://"+net.JoinHostPort(host, "0"))):
		return errors.New("others can reach the shop: set ORDERS_PASSWORD, because the orders page shows names and addresses")
	case c.testWebhooks != "" && !isLoopback(c.testWebhooks):
		return errors.New("-webhooks must be an http URL of a loopback address")
	}
	return nil
}

// isLoopback reports whether address is an http URL that leads to this machine.
func isLoopback(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "http" && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback())
}

// database returns the dialect, the driver and the DSN for DATABASE_URL. Its errors do not repeat the URL, which may contain a
// password.
func database(address string) (_ sqlstore.Dialect, driver, dsn string, _ error) {
	scheme, _, _ := strings.Cut(address, ":")
	switch scheme {
	case "":
		return database("file:shop.db")
	case "postgres", "postgresql":
		return sqlstore.Postgres, "pgx", address, nil
	case "file":
		// These options make a writer wait for another instead of failing, and keep commits over a power cut. sqlstore.Migrate
		// turns on the write-ahead log, so that readers do not wait for writers.
		options := "_pragma=busy_timeout(10000)&_pragma=synchronous(full)&_txlock=immediate"
		if strings.Contains(address, "?") {
			return sqlstore.SQLite, "sqlite", address + "&" + options, nil
		}
		return sqlstore.SQLite, "sqlite", address + "?" + options, nil
	}
	cfg, err := mysqlConfig(scheme, address)
	switch {
	case err != nil:
		return 0, "", "", errors.New("DATABASE_URL is not understood: write it like file:shop.db, postgres://user:password@host/shop, " +
			"mysql://user:password@host:3306/shop or user:password@tcp(host:3306)/shop")
	case cfg.DBName == "":
		return 0, "", "", errors.New("DATABASE_URL does not name a database: put it behind the host, as in mysql://user@host/shop")
	}
	return sqlstore.MySQL, "mysql", cfg.FormatDSN(), nil
}

// mysqlConfig reads the driver's own form, user:password@tcp(host:3306)/shop?option=value, or a URL.
func mysqlConfig(scheme, address string) (*mysql.Config, error) {
	if scheme != "mysql" && scheme != "mariadb" {
		return mysql.ParseDSN(address)
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	cfg, err := mysql.ParseDSN("/?" + u.RawQuery)
	if err != nil {
		return nil, err
	}
	password, _ := u.User.Password()
	cfg.User, cfg.Passwd, cfg.Addr, cfg.DBName = u.User.Username(), password, u.Host, strings.TrimPrefix(u.Path, "/")
	if u.Port() == "" {
		cfg.Addr = net.JoinHostPort(u.Hostname(), "3306")
	}
	return cfg, nil
}

// openDatabase opens the database and checks that it answers.
func (c config) openDatabase(ctx context.Context) (*sql.DB, error) {
	db, err := sql.Open(c.driver, c.dsn)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	// A small pool is faster. Customers who want the same product wait for one row. With 64 connections they wait inside the
	// database, which costs half of its throughput or more. With few connections they wait here, which costs nothing. SQLite
	// has one writer at a time, and uses its other connections for readers.
	conns := 8
	if c.dialect == sqlstore.SQLite {
		conns = 4
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxIdleTime(5 * time.Minute) // before a firewall or a proxy cuts an idle connection
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("the %s database of DATABASE_URL does not answer: %w", c.dialect, err)
	}
	return db, nil
}

// payments takes the money: Stripe, or a test server.
type payments struct {
	client        *stripe.Client
	webhookSecret string
	name          string               // for people
	test          *checkouttest.Server // nil: no test server in this process
}

// connect uses Stripe, or the test server of another process, or starts one.
func (c config) connect(shopURL string) payments {
	switch {
	case c.stripeKey != "" && c.stripeBase != "":
		api := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{URL: stripe.String(c.stripeBase)})
		client := stripe.NewClient(c.stripeKey, stripe.WithBackends(&stripe.Backends{API: api}))
		return payments{client, c.stripeSecret, "test server at " + c.stripeBase, nil}
	case c.live():
		return payments{stripe.NewClient(c.stripeKey), c.stripeSecret, "Stripe, live", nil}
	case c.stripeKey != "":
		return payments{stripe.NewClient(c.stripeKey), c.stripeSecret, "Stripe, with a test key", nil}
	}
	hook := c.testWebhooks
	if hook == "" {
		hook = shopURL + "/stripe/webhook"
	}
	test := checkouttest.NewServer(checkouttest.Config{Addr: "127.0.0.1:0", WallClock: true, WebhookURL: hook})
	return payments{test.ClientOver(http.DefaultTransport), test.WebhookSecret(), "test server in this process", test}
}

// describe says where payments go and where webhooks must come.
func (p payments) describe(shopURL string, events []string) string {
	if p.test != nil {
		return p.name + `; no money moves. For another process on this database:
          STRIPE_API_BASE=` + p.test.URL() + " STRIPE_SECRET_KEY=" + p.test.Key() + " STRIPE_WEBHOOK_SECRET=" + p.webhookSecret
	}
	return p.name + "; webhooks are expected at " + shopURL + "/stripe/webhook of the types\n          " + strings.Join(events, ",")
}

func (p payments) close() {
	if p.test != nil {
		p.test.Close()
	}
}
