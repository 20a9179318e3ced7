package checkouttest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/stripe/stripe-go/v82"
)

// A Config configures a Server. The zero Config is a server without sockets, whose clock stands still.
type Config struct {
	// Key is the secret key that requests must carry. It must be a test key. Default: a random one.
	Key string
	// Permissions makes the key a restricted one, which may do only this: names such as "charge_read" and "checkout_session_write",
	// as they stand after rak_ in Stripe's refusals (https://docs.stripe.com/keys/restricted-api-keys). Default: everything.
	Permissions []string
	// Unverified has the account not take payments yet: its charges_enabled is false. Test payments succeed all the same, as they do
	// in a sandbox. Default: false.
	Unverified bool
	// AccountID is the ID of the account that the key belongs to. Default: "acct_1CheckoutTest0000".
	AccountID string
	// ShopName is the name of the shop that the hosted page, the account, invoices and statements show. Default: "Test Shop".
	ShopName string
	// TaxRegistrations are the countries, of two letters, in which the shop is registered for taxes. Automatic tax is due there, by a fixed
	// table of standard rates. Default: none, so that automatic tax is always 0.
	TaxRegistrations []string
	// WebhookURL makes the default endpoint deliver every event over HTTP. It must be a loopback URL. Default: none. Use
	// Deliver for a receiver in the same process, and the API for further endpoints.
	WebhookURL string
	// Payloads are the kinds of events that the default endpoint gets: Snapshot, Thin or Both. Default: Snapshot. Stripe has
	// an endpoint get events of one kind; Both saves a test its second endpoint. Retries, faults and the log treat thin events
	// as snapshot events. A thin event that was not accepted shows only in Event.Pending and in the log, and not in
	// pending_webhooks and delivery_success of the API: Stripe does not say whether those count deliveries of thin events.
	Payloads Payloads
	// EventVersion is the API version of the snapshot events that the default endpoint gets, such as "2024-06-20". Versions
	// before 2025-03-31.basil show invoices, subscriptions, charges and payment intents in an older shape. Versions since
	// 2025-09-30.clover show promotion codes, and versions since 2026-03-25.dahlia show the ui_mode of sessions, in a newer one.
	// Versions before 2022-11-15 also show the charges of a payment intent and the refunds of a charge, and versions before
	// 2020-08-27 are refused. Default: the version that stripe-go is made for.
	EventVersion string
	// WebhookSecret, whsec_…, signs the deliveries to the default endpoint. Set it if the receiver keeps its settings when
	// the server starts again. Default: a random one. The CLI has a secret of its own.
	WebhookSecret string
	// Addr is a loopback address to listen on, such as "127.0.0.1:0". Default: none. Without a listener, only Transport
	// reaches the server.
	Addr string
	// URL is the base URL at which others reach the server, such as "http://stripe:12111", if the program serves the Server by a
	// listener of its own. The URLs of sessions begin with it. Default: the address of the listener. It excludes Addr.
	URL string
	// AllowNetwork lets Addr, WebhookURL and the API's webhook endpoints be those of other machines, such as containers. Anyone who
	// reaches Addr and knows the key can then make the server send requests to any address that it reaches. Default: loopback only.
	AllowNetwork bool
	// LiveRetries makes the server try failed deliveries again as Stripe does in live mode, for up to three days. Default: as a
	// sandbox does, three times over a few hours. https://docs.stripe.com/webhooks#retries
	LiveRetries bool
	// DunningEnd says what becomes of a subscription when the last try to collect a renewal has failed: DunningCancels,
	// DunningMarksUnpaid or DunningLeavesPastDue. Default: DunningCancels.
	DunningEnd DunningEnd
	// DebitActivates has a subscription begin at once whose first payment is a bank debit. If the debit bounces, the invoice is voided and
	// the subscription goes on. Default: the subscription is incomplete until the debit settles, and ends a day after it bounces.
	// At Stripe, a debit can have either effect: https://docs.stripe.com/billing/subscriptions/overview#delayed-payment-confirmation
	DebitActivates bool
	// Start is the first time that the clock shows. Default: the time of NewServer. It excludes WallClock.
	Start time.Time
	// WallClock lets the clock follow the wall clock, as a demo needs it. Advance then puts the clock ahead of the wall
	// clock. Default: the clock stands still. It excludes Start and Sequential.
	WallClock bool
	// Sequential makes the server start no goroutine for deliveries. They wait until Flush, Advance, Pay or another method
	// that waits for deliveries makes them, one after the other, in its caller's goroutine. A test that itself runs one
	// goroutine at a time then replays exactly from its seeds. Default: a goroutine of the server delivers. It excludes
	// WallClock.
	Sequential bool
	// Seed determines the IDs and secrets that the server makes up. Servers with the same seed and the same calls make the
	// same ones, so give servers different seeds if their IDs must differ. Default: 0, which is a random seed.
	Seed uint64
	// ExpiredForm lets the hosted page of an expired session still show its form, and fail only when the customer pays.
	// Stripe's page does so for customers who left it open. Default: the page says at once that the session has expired.
	ExpiredForm bool
	// Logger gets a line for each delivery, at debug level. Default: none.
	Logger *slog.Logger
}

// A Server is a Stripe for tests: the API, the hosted payment page and the webhook deliveries of one account and of
// accounts connected to it. Many goroutines may use it at once.
//
// A Server keeps everything until Close: each object, each event with its snapshot of an object, and a log entry for each
// request and each attempt to deliver. Only idempotency keys end, after a day. A test with its own server does not notice.
// A program that serves for days grows by some 60 KB of heap with each paid session; start it again to free the memory.
type Server struct {
	key         string
	base        string // the base URL, without a slash at the end
	ids         *idSource
	readIDs     *idSource // of what changes nothing: calls that read, and messages to the CLI
	sequential  bool
	liveRetries bool     // Config.LiveRetries
	expiredForm bool     // Config.ExpiredForm
	anyHost     bool     // Config.AllowNetwork
	permissions []string // Config.Permissions
	unverified  bool     // Config.Unverified
	accountID   string   // Config.AccountID
	shopName    string   // Config.ShopName

	registrations []string // Config.TaxRegistrations
	dunningEnd    DunningEnd
	activates     bool // Config.DebitActivates
	log           *slog.Logger
	mux           *http.ServeMux

	ctx       context.Context // ends with Close
	cancel    context.CancelFunc
	running   sync.WaitGroup
	listener  *http.Server
	http      *http.Client // delivers over HTTP
	clock     clock
	advancing sync.Mutex // held by Advance
	steps     sync.Mutex // held by Step
	wake      chan struct{}

	mu               sync.Mutex // guards all fields below; never held while a receiver runs
	step             *Step      // that runs; nil: none
	stepped          bool       // a step has run
	agenda           agenda
	taskSeq          int
	lastDue          time.Time // the last time of which a step has run the tasks
	sessions         map[string]*session
	sessionsByAge    []*session          // the oldest first
	objects          map[string]object   // by ID
	byKind           map[string][]object // the oldest first
	invoiceNumber    int                 // of the invoice that was finalized last
	naming           map[string][]object // by the kind of the object, "/" and an ID of namedBy; the oldest first
	owners           map[string]*session // by the ID of the object
	events           []*event            // snapshot events
	thinEvents       []*event
	held             []heldEvent            // of the session that is being paid; nil: events are sent at once
	cause            *call                  // the request that is being served, of the API or of a page; nil: there is none
	usedUp           map[string]bool        // the IDs of payment methods that may not be used again: see refuseUsedUp
	savedAnswers     map[string]savedAnswer // by idempotency key
	keysInUse        map[string]bool        // the idempotency keys of running calls
	webhookEndpoints []*webhookEndpoint     // the first is the default endpoint
	faults           []*activeFault
	requests         int // since the faults were set
	entries          []Entry
	changed          chan struct{} // the next entry or event closes it
	queue            []delivery
	idle             chan struct{} // closed when the queue is empty; nil: no delivery runs
	cli              cli
	closed           bool
}

// NewServer starts a server. End it with Close. NewServer panics if the Config is wrong: the key is a live key, an address
// is not a loopback address or is taken, or two fields exclude each other.
func NewServer(cfg Config) *Server {
	s := &Server{
		key:          cfg.Key,
		base:         "http://" + memoryHost,
		ids:          newIDSource(cfg.Seed),
		readIDs:      newIDSource(cfg.Seed),
		log:          cfg.Logger,
		clock:        clock{at: cfg.Start, wall: cfg.WallClock},
		wake:         make(chan struct{}, 1),
		sessions:     map[string]*session{},
		objects:      map[string]object{},
		byKind:       map[string][]object{},
		naming:       map[string][]object{},
		owners:       map[string]*session{},
		usedUp:       map[string]bool{},
		savedAnswers: map[string]savedAnswer{},
		keysInUse:    map[string]bool{},
		http:         newDeliveryClient(),
		changed:      make(chan struct{}),

		sequential:  cfg.Sequential,
		expiredForm: cfg.ExpiredForm,
		anyHost:     cfg.AllowNetwork,
		liveRetries: cfg.LiveRetries,
		permissions: cfg.Permissions,
		unverified:  cfg.Unverified,

		registrations: cfg.TaxRegistrations,
		accountID:     cmp.Or(cfg.AccountID, platformAccount),
		shopName:      cmp.Or(cfg.ShopName, "Test Shop"),
		dunningEnd:    cfg.DunningEnd,
		activates:     cfg.DebitActivates,
	}
	if err := cfg.validate(); err != nil {
		panic("checkouttest: " + err.Error())
	}
	secret := cfg.WebhookSecret
	if secret == "" {
		secret = s.newSecret()
	}
	payloads := cfg.Payloads
	if payloads == 0 {
		payloads = Snapshot
	}
	s.webhookEndpoints = []*webhookEndpoint{{payloads: payloads, version: cfg.EventVersion, types: []string{"*"}, secrets: []signingSecret{{value: secret}}}}
	if s.key == "" {
		s.key = s.newID("sk_test_", 26)
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Start.IsZero() {
		s.clock.at = time.Now().Round(0)
	}
	s.readIDs.reseed(ofReads, 0)
	if cfg.URL != "" {
		s.base = strings.TrimSuffix(cfg.URL, "/")
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.mux = s.routes()
	if cfg.WebhookURL != "" {
		s.webhookEndpoints[0].to = overHTTP{client: s.http, url: cfg.WebhookURL}
	}
	if cfg.Addr != "" {
		s.listen(cfg.Addr)
	}
	if cfg.WallClock {
		s.running.Add(1)
		go s.followWallClock()
	}
	return s
}

// secretForm matches signing secrets.
var secretForm = regexp.MustCompile(`^whsec_\w+$`)

func (cfg Config) validate() error {
	if cfg.Key != "" && !strings.HasPrefix(cfg.Key, "sk_test_") && !strings.HasPrefix(cfg.Key, "rk_test_") {
		return fmt.Errorf("Config.Key must be a test key: sk_test_… or rk_test_…")
	}
	if err := cfg.Payloads.check(); err != nil {
		return fmt.Errorf("Config.Payloads: %w", err)
	}
	if cfg.WebhookSecret != "" && !secretForm.MatchString(cfg.WebhookSecret) {
		return fmt.Errorf("Config.WebhookSecret must be whsec_ and letters, digits or underscores")
	}
	switch cfg.DunningEnd {
	case "", DunningCancels, DunningMarksUnpaid, DunningLeavesPastDue:
	default:
		return fmt.Errorf("Config.DunningEnd %q must be DunningCancels, DunningMarksUnpaid or DunningLeavesPastDue", cfg.DunningEnd)
	}
	if cfg.EventVersion != "" && !speaksVersion(cfg.EventVersion) {
		return fmt.Errorf("Config.EventVersion %q must be an API version since %s, such as 2024-06-20", cfg.EventVersion, oldestVersion)
	}
	if cfg.WallClock && !cfg.Start.IsZero() {
		return fmt.Errorf("Config.Start and Config.WallClock exclude each other")
	}
	if cfg.WallClock && cfg.Sequential {
		return fmt.Errorf("Config.Sequential and Config.WallClock exclude each other")
	}
	if cfg.Addr != "" {
		if host, _, err := net.SplitHostPort(cfg.Addr); err != nil || !cfg.AllowNetwork && !loopback(host) {
			return fmt.Errorf("Config.Addr %q must be a loopback address and a port, such as 127.0.0.1:0", cfg.Addr)
		}
	}
	if cfg.URL != "" {
		u, err := url.Parse(cfg.URL)
		switch {
		case cfg.Addr != "":
			return fmt.Errorf("Config.Addr and Config.URL exclude each other")
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
			return fmt.Errorf("Config.URL must be an http URL without a path, such as http://stripe:12111")
		}
	}
	if cfg.WebhookURL != "" {
		u, err := url.Parse(cfg.WebhookURL)
		switch {
		case err == nil && cfg.AllowNetwork && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || !loopback(u.Hostname()):
			return fmt.Errorf("Config.WebhookURL must be an http URL of a loopback host, such as http://127.0.0.1:3000/webhook")
		}
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s *Server) listen(addr string) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		panic("checkouttest: " + err.Error())
	}
	s.base = "http://" + ln.Addr().String()
	s.listener = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		_ = s.listener.Serve(ln) // until Close
	}()
}

// Close stops the server. It starts no further delivery, and waits for those that the receivers are still answering. Close
// may be called twice.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.queue = nil
	s.mu.Unlock()
	s.cancel()
	if s.listener != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if s.listener.Shutdown(ctx) != nil {
			_ = s.listener.Close()
		}
	}
	s.running.Wait()
	s.http.CloseIdleConnections()
}

// Key returns the secret key that requests must carry.
func (s *Server) Key() string { return s.key }

// URL returns the base URL of the API and of the hosted page. Without Config.Addr, only Transport reaches it.
func (s *Server) URL() string { return s.base }

// Client returns a Stripe client of this server. The client does not retry requests.
func (s *Server) Client() *stripe.Client { return s.ClientOver(s.Transport()) }

// ClientOver is Client over another transport, such as one that wraps Transport and loses answers.
func (s *Server) ClientOver(rt http.RoundTripper) *stripe.Client {
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		URL:               stripe.String(s.base),
		HTTPClient:        &http.Client{Transport: rt},
		MaxNetworkRetries: stripe.Int64(0),
		EnableTelemetry:   stripe.Bool(false),
		LeveledLogger:     &stripe.LeveledLogger{Level: stripe.LevelNull},
	})
	return stripe.NewClient(s.key, stripe.WithBackends(&stripe.Backends{API: backend, Connect: backend, Uploads: backend}))
}

// ServeHTTP serves the API below /v1/ and /v2/, the hosted page below /c/pay/, the billing portal below /p/session/, and receipts
// below /receipts/payment/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }
