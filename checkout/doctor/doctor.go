// Package doctor examines the installation of a shop: its Stripe account, its webhook, its key, its clock, its database and its
// stock. It says what is wrong and what to do about it. See [Examine].
package doctor

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// Config says what to examine. Stripe, Handler and URL must be set.
type Config struct {
	// Stripe is the client of the shop, with the shop's own key. The doctor needs more than the shop does: read permission for Webhook
	// Endpoints, event destinations and the account. What it lacks is in Report.Skipped.
	Stripe *stripe.Client
	// Handler is the shop's webhook, with all of its handlers registered.
	Handler *webhook.Handler
	// URL is the address of the webhook as Stripe is to call it, such as https://shop.example/stripe/webhook.
	URL string
	// Secrets are those of webhook.Config. With them, the doctor sends two deliveries to URL: one that no secret signs, which must be
	// refused, and one for each secret, of the type [ProbeType], which must be accepted. Default: nothing is sent to URL.
	Secrets []string
	// Flow is the shop's *checkout.Flow. Default: nothing that needs orders is examined.
	Flow Flow
	// Database, if set, checks the database. Its error is a finding, or several if errors.Join made it. It is for sqlstore.Check and
	// sqlreserver.Check, which look at the schema and at the settings of a connection. Default: the database is not examined.
	Database func(ctx context.Context) error
	// Stock is the shop's Reserver. The doctor looks whether it knows the SKUs of the latest hundred orders, and those of SKUs.
	// Default: stock is not examined.
	Stock reservation.Previewer
	// SKUs are those of the shop's catalog. Default: only those of orders are looked for.
	SKUs []string
	// HTTP sends the deliveries to URL. It must not follow redirects, as Stripe follows none. Default: a client that waits for ten
	// seconds.
	HTTP *http.Client
	// Clock is the shop's clock. Default: time.Now.
	Clock func() time.Time
}

// Flow is what the doctor asks a *checkout.Flow for.
type Flow interface {
	Health(ctx context.Context) (checkout.Health, error)
	List(ctx context.Context, q store.Query) ([]*store.Order, error)
}

// Code is the kind of a finding.
type Code string

// The findings. The comment of each says what was seen.
const (
	StripeUnreachable   Code = "stripe_unreachable"   // Stripe did not answer, or with a server error
	KeyRefused          Code = "key_refused"          // Stripe does not take the key
	KeyMode             Code = "key_mode"             // the key is of another mode than the orders, or than a destination
	WrongAccount        Code = "wrong_account"        // Stripe does not know a session of the shop
	KeyPermission       Code = "key_permission"       // the key may not do what the shop needs
	ChargesDisabled     Code = "charges_disabled"     // the account can't take payments yet
	ClockSkew           Code = "clock_skew"           // the clock differs from Stripe's
	NoDestination       Code = "no_destination"       // no destination has the webhook's URL
	DestinationDisabled Code = "destination_disabled" // a destination of the URL is disabled
	TypesMissing        Code = "types_missing"        // event types have handlers, and no destination sends them
	TypesUnhandled      Code = "types_unhandled"      // a destination sends types that have no handler
	APIVersion          Code = "api_version"          // a destination sends another train of the API than stripe-go reads
	AccountsMissing     Code = "accounts_missing"     // no destination sends the events of connected accounts
	SecretShape         Code = "secret_shape"         // a secret does not begin with whsec_
	WebhookUnreachable  Code = "webhook_unreachable"  // the URL did not answer
	WebhookRefuses      Code = "webhook_refuses"      // the URL refused a signed delivery
	WebhookAcceptsAll   Code = "webhook_accepts_all"  // the URL accepted a delivery that no secret signed
	Undelivered         Code = "undelivered"          // Stripe could not deliver events
	EventsFailed        Code = "events_failed"        // events were found and could not be handled
	NotSwept            Code = "not_swept"            // no process sweeps
	Database            Code = "database"             // Config.Database returned an error
	StockUnknown        Code = "stock_unknown"        // the Reserver does not know a SKU
)

// examination collects the findings.
type examination struct {
	Config
	api    api
	health checkout.Health
	orders []*store.Order // the latest
	thin   bool           // a destination sends thin events to the webhook
	report Report
}

// Examine looks at a shop's installation. It makes about twenty requests to Stripe, and a few to Config.URL if there are secrets. It
// writes nothing, at Stripe or in the database: whether the key may write is told from requests that name objects which do not exist.
// Stripe-go logs these as errors, unless its logger is silenced.
//
// What it can't know: Stripe shows no signing secret, so that a secret which fits none shows in undelivered events alone; it keeps no
// list of thin events that were not delivered; and it does not show whether an endpoint of /v1/webhook_endpoints is for connected
// accounts.
//
// The error means that the Config can't be used, or that ctx ended. Everything else is in the report.
func Examine(ctx context.Context, c Config) (Report, error) {
	if err := c.check(); err != nil {
		return Report{}, err
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{
			Timeout:       10 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	x := &examination{Config: c, api: api{client: c.Stripe}}
	x.report = Report{At: c.Clock(), Mode: x.api.mode(), Findings: []Finding{}}
	x.examineShop(ctx)
	x.examineSecrets(ctx)
	if x.examineKey(ctx) {
		x.examineAccount(ctx)
		x.examineDestinations(ctx)
		x.examinePermissions(ctx)
	}
	x.examineStock(ctx)
	rank := map[Severity]int{Error: 0, Warning: 1, Note: 2}
	slices.SortStableFunc(x.report.Findings, func(a, b Finding) int { return cmp.Compare(rank[a.Severity], rank[b.Severity]) })
	return x.report, ctx.Err()
}

func (c Config) check() error {
	u, err := url.Parse(c.URL)
	switch {
	case c.Stripe == nil:
		return errors.New("doctor: Config.Stripe is nil")
	case c.Handler == nil:
		return errors.New("doctor: Config.Handler is nil")
	case err != nil, u.Host == "", u.Scheme != "http" && u.Scheme != "https":
		return errors.New("doctor: Config.URL must be the whole address of the webhook, such as https://shop.example/stripe/webhook")
	case u.User != nil:
		return errors.New("doctor: Config.URL has a password in it, and Stripe would send none")
	}
	return nil
}

func (x *examination) find(code Code, severity Severity, seen, why, cure string) {
	x.report.Findings = append(x.report.Findings, Finding{Code: code, Severity: severity, Seen: seen, Why: why, Cure: cure})
}

func (x *examination) skip(what, why string) {
	x.report.Skipped = append(x.report.Skipped, Skipped{What: what, Why: why})
}

// some joins names, of which it shows the first few.
func some(names []string) string {
	const most = 8
	if len(names) > most {
		return strings.Join(names[:most], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}
