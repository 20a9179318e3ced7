package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/stripe/stripe-go/v82"
)

const (
	// DefaultTolerance is the default of Config.Tolerance. It is Stripe's own: https://docs.stripe.com/webhooks/signature.
	DefaultTolerance = 5 * time.Minute
	// DefaultMaxBytes is the default of Config.MaxBytes.
	DefaultMaxBytes = 256 << 10
)

// Config configures a [Handler]. Only Secrets is required.
type Config struct {
	// Secrets are the signing secrets ("whsec_…") of the webhook endpoints that deliver here, one per endpoint. Stripe signs
	// with the old and the new secret for a day after one was rolled; list both until then. No secret may be blank, repeated,
	// or something else than a signing secret, such as an API key or an endpoint's ID.
	Secrets []string

	// Client fetches the objects of thin events, one request for each event that has a handler which needs the object. Its key
	// needs read permission for these objects, and for Events (https://docs.stripe.com/keys/restricted-api-keys). A request that
	// fails, also because of a rate limit, is an error of the handler, so that Stripe delivers the event again. Default: none,
	// which suffices for snapshot events, for handlers of a [Ref], and for a checkout.Flow, which has its own.
	Client *stripe.Client

	// Clock returns the current time. Default: time.Now.
	Clock func() time.Time

	// Tolerance is how far the timestamp of a signature may be from Clock, in the past and in the future.
	// Default: DefaultTolerance.
	Tolerance time.Duration

	// MaxBytes is the largest size of a body, in bytes. Larger ones are refused. Default: DefaultMaxBytes.
	MaxBytes int64

	// StrictAPIVersion refuses events of another API version than stripe.APIVersion, with status 400 and ErrAPIVersion.
	// Stripe stops delivering a refused event after three days. Set it only if losing an event is better than handling
	// one whose fields may have moved. Default: false, which handles the events of every version, counts them, and logs a
	// warning once per version.
	StrictAPIVersion bool

	// Logger receives warnings about refused deliveries and new API versions, and errors of failed handlers. A refused
	// delivery is logged at most once a second, with the number of refusals that were not logged before it. Logger never
	// receives a payload. Default: slog.Default().
	Logger *slog.Logger

	// Observe, if set, is called when a delivery begins. The handlers get the context that Observe returns, which must be derived
	// from ctx, and the returned func is called once, with the outcome, before the sender gets its answer; nil: it is not called.
	// Both run on the goroutine of the delivery. Package checkoutotel has an Observe for OpenTelemetry. Default: nothing is observed,
	// which costs nothing.
	Observe func(ctx context.Context) (_ context.Context, ended func(Result))
}

func (c *Config) validate() error {
	if len(c.Secrets) == 0 {
		return errors.New("webhook: Config.Secrets is empty: without a secret anybody can send events")
	}
	for i, secret := range c.Secrets {
		if mistake := secretMistake(secret); mistake != "" {
			return fmt.Errorf("webhook: Config.Secrets[%d] %s", i, mistake)
		}
		if slices.Contains(c.Secrets[:i], secret) {
			return fmt.Errorf("webhook: Config.Secrets[%d] repeats another one", i)
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

// secretCure says where to find a signing secret.
const secretCure = ": the signing secret begins with whsec_; the endpoint's page in the Dashboard shows it, and so does stripe listen"

// secretMistake says why a text can't be a signing secret; empty if it can. Other texts than "whsec_…" are taken, because
// tests and other senders choose their own. The result contains nothing of the text.
func secretMistake(secret string) string {
	quotes := "\"'`“”‘’"
	switch {
	case strings.TrimSpace(secret) == "":
		return "is blank"
	case strings.TrimSpace(secret) != secret:
		return "begins or ends with white space"
	case strings.ContainsFunc(secret, unicode.IsSpace):
		return "contains white space" + secretCure
	case strings.Trim(secret, quotes) != secret:
		return "is in quotes" + secretCure + ", without quotes"
	case strings.Count(secret, "whsec_") > 1:
		return "contains more than one signing secret: give each an entry of its own" + secretCure
	case strings.HasPrefix(secret, "we_"):
		return "is the ID of a webhook endpoint" + secretCure
	case strings.HasPrefix(secret, "ed_"):
		return "is the ID of an event destination" + secretCure
	case strings.HasPrefix(secret, "sk_"), strings.HasPrefix(secret, "rk_"), strings.HasPrefix(secret, "pk_"):
		return "is an API key" + secretCure
	case strings.HasPrefix(secret, "https://"), strings.HasPrefix(secret, "http://"):
		return "is a URL" + secretCure
	case secret == "whsec_":
		return "has nothing after whsec_" + secretCure
	case strings.Contains(secret, "whsec_") && !strings.HasPrefix(secret, "whsec_"):
		return "has something before the signing secret" + secretCure
	default:
		return ""
	}
}
