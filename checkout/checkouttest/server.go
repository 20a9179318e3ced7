package checkouttest

import (
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

// Config says how a Server is reached and how its clock goes. The zero Config is a server without sockets whose clock
// stands still.
type Config struct {
	// Key is the secret key that requests must carry. Default: one made up for this server. It must be a test key.
	Key string
	// WebhookURL is the default endpoint, where every event is delivered over HTTP: a loopback URL. Deliver names a receiver
	// in the same process. Further endpoints are made with the API.
	WebhookURL string
	// WebhookSecret is what deliveries to the default endpoint are signed with, whsec_…, for a receiver that is to keep its
	// settings when the server starts anew. Default: one made up for this server. The CLI has a secret of its own.
	WebhookSecret string
	// Addr is a loopback address to listen on, such as "127.0.0.1:0". Default: none. The server is then reached through
	// Transport alone.
	Addr string
	// Start is what the clock shows first. Default: the time at which the server is made.
	Start time.Time
	// WallClock has the clock follow the wall clock, as a demo wants it. Advance then jumps ahead of it. Not with Start.
	WallClock bool
	// Sequential has the server start no goroutine for deliveries: what calls of the API cause waits until Flush, Advance,
	// Pay or another method that waits for deliveries makes them, one after the other, in its caller's goroutine. A test that
	// itself runs one goroutine at a time then replays from its seeds. Not with WallClock, where nobody would make them.
	Sequential bool
	// Seed is what the IDs and secrets come from that the server makes up, in the order of their making: the same calls to
	// servers with one seed make the same. Two servers that are to be told apart need two seeds. Default, 0: a random one.
	Seed uint64
	// ExpiredForm has the hosted page of an expired session still show its form, and fail only when the customer pays, as
	// Stripe's does to those who left the page open. Default: the page says at once that the session has expired.
	ExpiredForm bool
	// Logger gets a line for each delivery, at debug level. Default: none.
	Logger *slog.Logger
}

// A Server is a Stripe for tests: the API, the hosted payment page and the webhook deliveries of one account and of
// accounts connected to it. It is safe for use by many goroutines at once.
//
// It keeps everything until it is closed: each object, each event with its snapshot of one, and an entry of the log for
// each request and each attempt to deliver; idempotency keys alone end after a day. Nothing of it is bounded. A test with
// its own server does not notice; a program that serves for days grows by some tens of kilobytes with each session that is
// paid, and starts anew to forget.
type Server struct {
	key        string
	base       string // of its own URLs, without a slash at the end
	ids        *idSource
	sequential bool
	lateForm   bool // Config.ExpiredForm
	log        *slog.Logger
	mux        *http.ServeMux

	ctx       context.Context // ends with Close
	cancel    context.CancelFunc
	running   sync.WaitGroup
	listener  *http.Server
	http      *http.Client // delivers over HTTP
	clock     clock
	advancing sync.Mutex // held by Advance
	wake      chan struct{}

	mu       sync.Mutex // guards what follows; never held while a delivery is out
	agenda   agenda
	taskSeq  int
	sessions map[string]*session
	ordered  []*session // by creation
	objects  map[string]object
	kinds    map[string][]object // of object, by creation
	owners   map[string]*session // of object
	events   []*event
	saved    map[string]savedAnswer // by idempotency key
	inUse    map[string]bool        // idempotency keys of calls that run
	hooks    []*hook                // the first is the default endpoint
	faults   []*armed
	requests int // served since the faults were set
	entries  []Entry
	changed  chan struct{} // closed with the next entry or event
	queue    []delivery
	idle     chan struct{} // closed when the queue has been worked off; nil: nothing is out
	cli      cli
	closed   bool
}

// NewServer starts a server. End it with Close. A Config that makes no sense is a mistake in the program, and panics:
// a live key, an address that is not loopback, an address that is taken.
func NewServer(cfg Config) *Server {
	s := &Server{
		key:      cfg.Key,
		base:     "http://" + memoryHost,
		ids:      newIDSource(cfg.Seed),
		log:      cfg.Logger,
		clock:    clock{at: cfg.Start, wall: cfg.WallClock},
		wake:     make(chan struct{}, 1),
		sessions: map[string]*session{},
		objects:  map[string]object{},
		kinds:    map[string][]object{},
		owners:   map[string]*session{},
		saved:    map[string]savedAnswer{},
		inUse:    map[string]bool{},
		http:     newDeliveryClient(),
		changed:  make(chan struct{}),

		sequential: cfg.Sequential,
		lateForm:   cfg.ExpiredForm,
	}
	if err := cfg.validate(); err != nil {
		panic("checkouttest: " + err.Error())
	}
	secret := cfg.WebhookSecret
	if secret == "" {
		secret = s.newSecret()
	}
	s.hooks = []*hook{{types: []string{"*"}, secrets: []signingSecret{{value: secret}}}}
	if s.key == "" {
		s.key = s.newID("sk_test_", 26)
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Start.IsZero() {
		s.clock.at = time.Now().Round(0)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.mux = s.routes()
	if cfg.WebhookURL != "" {
		s.hooks[0].to = overHTTP{client: s.http, url: cfg.WebhookURL}
	}
	if cfg.Addr != "" {
		s.listen(cfg.Addr)
	}
	if cfg.WallClock {
		s.running.Add(1)
		go s.follow()
	}
	return s
}

// secretForm is what signing secrets look like.
var secretForm = regexp.MustCompile(`^whsec_\w+$`)

func (cfg Config) validate() error {
	if cfg.Key != "" && !strings.HasPrefix(cfg.Key, "sk_test_") && !strings.HasPrefix(cfg.Key, "rk_test_") {
		return fmt.Errorf("Config.Key must be a test key: sk_test_… or rk_test_…")
	}
	if cfg.WebhookSecret != "" && !secretForm.MatchString(cfg.WebhookSecret) {
		return fmt.Errorf("Config.WebhookSecret must be whsec_ and letters, digits or underscores")
	}
	if cfg.WallClock && !cfg.Start.IsZero() {
		return fmt.Errorf("Config.Start and Config.WallClock exclude each other")
	}
	if cfg.WallClock && cfg.Sequential {
		return fmt.Errorf("Config.Sequential and Config.WallClock exclude each other")
	}
	if cfg.Addr != "" {
		if host, _, err := net.SplitHostPort(cfg.Addr); err != nil || !loopback(host) {
			return fmt.Errorf("Config.Addr %q must be a loopback address and a port", cfg.Addr)
		}
	}
	if cfg.WebhookURL != "" {
		u, err := url.Parse(cfg.WebhookURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || !loopback(u.Hostname()) {
			return fmt.Errorf("Config.WebhookURL must be an http URL of a loopback host")
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

// Close stops the server: no delivery starts any more, and it returns when those that are out have been answered.
// It may be called twice.
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

// Key is the secret key that requests must carry.
func (s *Server) Key() string { return s.key }

// URL is the server's base URL, of the API and of the hosted page. Without Config.Addr, only Transport reaches it.
func (s *Server) URL() string { return s.base }

// Client is a Stripe client of this server. It does not retry requests.
func (s *Server) Client() *stripe.Client { return s.ClientOver(s.Transport()) }

// ClientOver is Client with a transport of its own, such as one that wraps Transport and loses answers.
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

// ServeHTTP serves the API below /v1/ and the hosted page below /c/pay/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }
