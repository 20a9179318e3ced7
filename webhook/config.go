package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// DefaultTolerance is Config.Tolerance when that is zero: Stripe's own (https://docs.stripe.com/webhooks/signature).
	DefaultTolerance = 5 * time.Minute
	// DefaultMaxBytes is Config.MaxBytes when that is zero.
	DefaultMaxBytes = 256 << 10
)

// Config is what [New] needs. Only Secrets must be set.
type Config struct {
	// Secrets are the signing secrets ("whsec_…") a delivery may be signed with: one per endpoint that points here,
	// and for a day both of an endpoint whose secret was rolled. None may be blank, padded with space, or repeated.
	Secrets []string

	// Clock tells the time; nil means time.Now.
	Clock func() time.Time

	// Tolerance is how far a signature's timestamp may be from Clock, into the past and the future; zero means
	// DefaultTolerance.
	Tolerance time.Duration

	// MaxBytes is the size in bytes above which a body is refused; zero means DefaultMaxBytes.
	MaxBytes int64

	// StrictAPIVersion refuses events that were rendered with another API version than stripe.APIVersion, with 400 and
	// ErrAPIVersion. Without it they are handled, counted, and warned about once per version. Set it only where a
	// refused event is better than one whose fields may have moved; Stripe stops retrying after three days.
	StrictAPIVersion bool

	// Logger gets refused deliveries and new API versions as warnings, failed handlers as errors; never a payload.
	// Nil means slog.Default().
	Logger *slog.Logger

	// Observe, if set, is called once for each delivery when its outcome is known, on the delivery's own goroutine and
	// before its sender is answered.
	Observe func(Result)
}

// Result is the outcome of one delivery.
type Result struct {
	// These are the event's; all are zero if the delivery was refused before it was known to be an event.
	EventID    string
	EventType  string
	APIVersion string // empty for notifications, as are Account and Created
	Account    string
	Livemode   bool
	Created    time.Time

	Status    int   // the HTTP status: what ServeHTTP answered, or would have answered to what Dispatch was given
	Err       error // why it was refused or has failed; with status 200, a permanent failure (ErrPermanent)
	Handlers  int   // how many handlers were called; 0 with status 200: nobody asked for this type
	Duplicate bool  // a Once handler was not run, as it has handled this event before
	Bytes     int   // size of the payload, as far as it was read

	Read   time.Duration // receiving the body
	Verify time.Duration // checking the signature
	Handle time.Duration // decoding, and running the handlers
}

// Handler verifies, decodes and dispatches Stripe events. It is an [http.Handler]; [Handler.Dispatch] takes payloads
// that come by another road. It starts no goroutine, and is safe for concurrent use once everything is registered.
type Handler struct {
	cfg  Config
	keys []*signingKey

	mu       sync.Mutex  // guards registration
	sealed   atomic.Bool // set by the first delivery; from then on the registrations are read without mu
	routes   map[string][]route
	fallback []route
	notify   []func(context.Context, *Notification) error
	names    map[string]bool // of Once

	versions versions
	buffers  sync.Pool // of *[]byte
}

var _ http.Handler = (*Handler)(nil)

// New makes a Handler without any event handlers. Its error names the field of cfg that can't be used.
func New(cfg Config) (*Handler, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Tolerance == 0 {
		cfg.Tolerance = DefaultTolerance
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	h := &Handler{cfg: cfg, routes: map[string][]route{}, names: map[string]bool{}}
	for _, secret := range cfg.Secrets {
		h.keys = append(h.keys, newSigningKey(secret))
	}
	h.cfg.Secrets = nil // the keys are enough: nothing that prints a Handler prints a secret
	return h, nil
}

func (c *Config) validate() error {
	if len(c.Secrets) == 0 {
		return errors.New("webhook: Config.Secrets is empty: without a secret anybody can send events")
	}
	for i, secret := range c.Secrets {
		switch {
		case strings.TrimSpace(secret) == "":
			return fmt.Errorf("webhook: Config.Secrets[%d] is blank", i)
		case strings.TrimSpace(secret) != secret:
			return fmt.Errorf("webhook: Config.Secrets[%d] begins or ends with white space", i)
		case slices.Contains(c.Secrets[:i], secret):
			return fmt.Errorf("webhook: Config.Secrets[%d] is a repetition", i)
		}
	}
	if c.Tolerance < 0 {
		return errors.New("webhook: Config.Tolerance is negative")
	}
	if c.MaxBytes < 0 {
		return errors.New("webhook: Config.MaxBytes is negative")
	}
	return nil
}
