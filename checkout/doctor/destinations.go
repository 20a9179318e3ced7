package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"
)

// thinPrefix begins the type of a thin event.
const thinPrefix = "v1."

// A destination is an event destination or a webhook endpoint.
type destination struct {
	id       string
	url      string
	thin     bool
	types    []string
	version  string // of the API; empty: the account's default, or none
	disabled string // why; empty: it is enabled
	livemode bool
	accounts string // whose events it gets: "own", "connected", "both", or "" if Stripe does not say
}

func (d destination) sends(eventType string) bool {
	if d.thin {
		return slices.Contains(d.types, eventType)
	}
	return slices.Contains(d.types, "*") || slices.Contains(d.types, eventType)
}

func (d destination) same(o destination) bool {
	return d.url == o.url && d.thin == o.thin && d.disabled == o.disabled && slices.Equal(slices.Sorted(slices.Values(d.types)), slices.Sorted(slices.Values(o.types)))
}

// destinations lists the event destinations of the account and its webhook endpoints. Stripe lists a webhook endpoint among the event
// destinations as well (https://docs.stripe.com/changelog/acacia/2024-10-28/event-destinations-api), so that one may come twice;
// the list of endpoints is for keys that may not read destinations.
func (x *examination) destinations(ctx context.Context) (all []destination, known bool) {
	endpoints, errEndpoints := x.endpoints(ctx)
	all, errDestinations := x.eventDestinations(ctx)
	for _, e := range endpoints {
		if !slices.ContainsFunc(all, e.same) {
			all = append(all, e)
		}
	}
	if errEndpoints != nil {
		x.skip("the webhook endpoints of the account", reason(errEndpoints))
	}
	if errDestinations != nil {
		x.skip("the event destinations of the account", reason(errDestinations))
	}
	return all, errEndpoints == nil && errDestinations == nil
}

func (x *examination) eventDestinations(ctx context.Context) ([]destination, error) {
	params := &stripe.V2CoreEventDestinationListParams{Include: []*string{stripe.String("webhook_endpoint.url")}}
	var all []destination
	for d, err := range x.api.client.V2CoreEventDestinations.List(ctx, params) {
		if err != nil {
			return nil, err
		}
		if d.WebhookEndpoint == nil {
			continue // events go to a cloud
		}
		one := destination{
			id: d.ID, url: d.WebhookEndpoint.URL, thin: d.EventPayload == stripe.V2EventDestinationEventPayloadThin, types: d.EnabledEvents,
			version: d.SnapshotAPIVersion, livemode: d.Livemode, accounts: accountsOf(d.EventsFrom),
		}
		if d.Status != stripe.V2EventDestinationStatusEnabled {
			one.disabled = "it is switched off"
			if d.StatusDetails != nil && d.StatusDetails.Disabled != nil && d.StatusDetails.Disabled.Reason != "user" {
				one.disabled = string(d.StatusDetails.Disabled.Reason)
			}
		}
		all = append(all, one)
	}
	return all, nil
}

// accountsOf reads events_from, whose values changed with version 2026-03-25.dahlia.
func accountsOf(from []stripe.V2EventDestinationEventsFrom) string {
	own := slices.Contains(from, "self") || slices.Contains(from, "@self")
	connected := slices.Contains(from, "other_accounts") || slices.Contains(from, "@accounts")
	switch {
	case own && connected:
		return "both"
	case connected:
		return "connected"
	case own:
		return "own"
	}
	return ""
}

func (x *examination) endpoints(ctx context.Context) ([]destination, error) {
	params := &stripe.WebhookEndpointListParams{}
	params.Limit = stripe.Int64(100) // an account has 16 at most
	var all []destination
	for e, err := range x.api.client.V1WebhookEndpoints.List(ctx, params) {
		if err != nil {
			return nil, err
		}
		one := destination{id: e.ID, url: e.URL, types: e.EnabledEvents, version: e.APIVersion, livemode: e.Livemode}
		if e.Status != "enabled" {
			one.disabled = "it is switched off"
		}
		all = append(all, one)
	}
	return all, nil
}

// examineDestinations looks at the destinations whose URL is that of the webhook.
func (x *examination) examineDestinations(ctx context.Context) {
	all, known := x.destinations(ctx)
	if ctx.Err() != nil {
		return
	}
	own := slices.DeleteFunc(slices.Clone(all), func(d destination) bool { return !sameURL(d.url, x.URL) })
	if len(own) == 0 {
		if known {
			x.reportNoDestination(all)
		} else {
			x.skip("whether a destination has the webhook's URL", "the key may not read all of them")
		}
		return
	}
	enabled := slices.DeleteFunc(slices.Clone(own), func(d destination) bool { return d.disabled != "" || x.otherMode(d) })
	x.reportUnusable(own, len(enabled) > 0)
	if len(enabled) == 0 {
		return
	}
	x.thin = slices.ContainsFunc(enabled, func(d destination) bool { return d.thin })
	x.examineTypes(enabled, known)
	x.examineVersions(ctx, enabled)
	x.examineSources(enabled)
	x.examineUndelivered(ctx, all, enabled)
}

// otherMode reports whether a destination is of another mode than the key.
func (x *examination) otherMode(d destination) bool {
	return x.report.Mode != "" && d.livemode != (x.report.Mode == "live")
}

// reportUnusable reports the destinations of the webhook that send it nothing. replaced says that another one sends events.
func (x *examination) reportUnusable(own []destination, replaced bool) {
	severity, why := Error, "Stripe sends nothing to the webhook; orders are settled late, by sweeps."
	if replaced {
		severity, why = Note, "Another destination sends events to the webhook."
	}
	for _, d := range own {
		switch {
		case x.otherMode(d):
			x.find(KeyMode, severity, fmt.Sprintf("The destination %s is of another mode than the key.", d.id), why, "Create a destination in the key's mode.")
		case d.disabled != "":
			x.find(DestinationDisabled, severity, fmt.Sprintf("The destination %s is disabled: %s.", d.id, d.disabled), why,
				"Enable the destination in the Dashboard, or delete it if another has taken its place.")
		}
	}
}

// sameURL compares addresses as a server would.
func sameURL(a, b string) bool {
	ua, errA := url.Parse(a)
	ub, errB := url.Parse(b)
	if errA != nil || errB != nil {
		return a == b
	}
	return strings.EqualFold(ua.Scheme, ub.Scheme) && strings.EqualFold(hostport(ua), hostport(ub)) && ua.EscapedPath() == ub.EscapedPath() && ua.RawQuery == ub.RawQuery
}

func hostport(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func (x *examination) reportNoDestination(all []destination) {
	u, _ := url.Parse(x.URL) // checked
	if u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback() {
		x.find(NoDestination, Note, "No destination has the webhook's URL, which is on this machine.",
			"Stripe can't reach it by itself.", "Run stripe listen --all-snapshot --forward-to with this URL, and use the secret that it prints.")
		return
	}
	seen := fmt.Sprintf("No event destination of the account has the URL %s.", x.URL)
	for _, d := range all {
		if other, err := url.Parse(d.url); err == nil && strings.EqualFold(other.Hostname(), u.Hostname()) {
			seen += fmt.Sprintf(" The destination %s has the path %s on this host.", d.id, other.Path)
			break
		}
	}
	x.find(NoDestination, Error, seen, "Stripe sends nothing to the webhook; orders are settled late, by sweeps.",
		"Create an event destination for this URL in the Dashboard, with the types that Handler.Types or Handler.ThinTypes lists.")
}

// examineTypes compares the types that have handlers with those that are sent.
func (x *examination) examineTypes(enabled []destination, known bool) {
	types, thinTypes := x.Handler.Types(), x.Handler.ThinTypes()
	sent := func(eventType string) bool {
		return slices.ContainsFunc(enabled, func(d destination) bool { return d.sends(eventType) })
	}
	var missing []string
	for _, t := range types {
		if !sent(t) && !sent(thinPrefix+t) {
			missing = append(missing, t)
		}
	}
	for _, t := range thinTypes {
		if !slices.Contains(types, strings.TrimPrefix(t, thinPrefix)) && !sent(t) {
			missing = append(missing, t)
		}
	}
	if len(missing) > 0 {
		// Those of sessions come first, as they matter most.
		slices.SortStableFunc(missing, func(a, b string) int { return cmp.Compare(sessionRank(a), sessionRank(b)) })
		severity, why := Warning, "The shop hears of these changes late, by sweeps, or not at all."
		if sessionRank(missing[0]) == 0 {
			severity, why = Error, "Payments are noticed late, by the thanks page or by sweeps."
		}
		whose := "No destination"
		if !known {
			whose = "No destination that the key may read"
		}
		x.find(TypesMissing, severity, fmt.Sprintf("%s sends %s: %s.", whose, count(len(missing), "type that has a handler", "types that have handlers"), some(missing)),
			why, "Add these types to the events of the destination.")
	}
	for _, d := range enabled {
		var unhandled []string
		for _, t := range d.types {
			if !slices.Contains(types, t) && !slices.Contains(thinTypes, t) {
				unhandled = append(unhandled, t)
			}
		}
		switch {
		case slices.Contains(d.types, "*"):
			x.find(TypesUnhandled, Note, fmt.Sprintf("The destination %s sends events of all types.", d.id),
				"Those without a handler are acknowledged and cost a request each.", "Leave out the types that Handler.Types does not list, unless a Fallback handles them.")
		case len(unhandled) > 0:
			x.find(TypesUnhandled, Note, fmt.Sprintf("The destination %s sends %s: %s.", d.id, count(len(unhandled), "type that has no handler", "types that have no handler"), some(unhandled)),
				"They are acknowledged and cost a request each.", "Leave these types out of the destination, unless a Fallback handles them.")
		}
	}
}

// sessionRank is 0 for the types that say how a session ended, and 1 for all others.
func sessionRank(eventType string) int {
	if strings.HasPrefix(eventType, "checkout.session.") {
		return 0
	}
	return 1
}

func count(n int, one, many string) string {
	if n == 1 {
		return "one " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// examineVersions compares the API version of snapshot events with the train of stripe-go's. Thin events have no version.
func (x *examination) examineVersions(ctx context.Context, enabled []destination) {
	for _, d := range enabled {
		if d.thin {
			continue
		}
		version, whose := d.version, "has"
		if version == "" {
			version, whose = x.defaultVersion(ctx), "has the account's default,"
		}
		if version == "" || train(version) == train(stripe.APIVersion) {
			continue
		}
		x.find(APIVersion, Warning, fmt.Sprintf("The destination %s %s API version %s, and stripe-go reads %s.", d.id, whose, version, stripe.APIVersion),
			"Fields that moved between the two are empty for handlers of your own; the Flow reads both.",
			fmt.Sprintf("Create a destination with API version %s, and delete this one.", stripe.APIVersion))
	}
}

// defaultVersion is the account's default API version, in which its latest event was made (https://docs.stripe.com/api/events/object);
// empty: there is no event.
func (x *examination) defaultVersion(ctx context.Context) string {
	params := &stripe.EventListParams{}
	params.Limit, params.Single = stripe.Int64(1), true
	for e, err := range x.api.client.V1Events.List(ctx, params) {
		if err != nil {
			return ""
		}
		return e.APIVersion
	}
	return ""
}

// train is the name of an API version's release, such as basil; empty: the version is from before releases had names.
func train(version string) string {
	_, name, _ := strings.Cut(version, ".")
	return name
}

// examineSources looks whether the destinations send the events of the right accounts.
func (x *examination) examineSources(enabled []destination) {
	gets := func(which string) bool {
		return slices.ContainsFunc(enabled, func(d destination) bool { return d.accounts == which || d.accounts == "both" || d.accounts == "" })
	}
	if !gets("own") {
		x.find(AccountsMissing, Error, "No destination of the URL sends events of the account itself.", "The payments of the account are noticed late, by sweeps.",
			"Create a destination for events of your account, beside the one for connected accounts.")
	}
	if x.health.Connects && !gets("connected") {
		x.find(AccountsMissing, Error, "The Flow has Config.Accounts, and no destination of the URL sends events of connected accounts.",
			"Payments on connected accounts are noticed late, by sweeps.", "Create a destination for events of connected accounts.")
	}
}

const (
	// undeliveredAfter is how old an undelivered event is before it counts: until then Stripe may just be delivering it.
	undeliveredAfter = 5 * time.Minute
	// undeliveredBack is how far back the doctor looks. Stripe tries for three days (https://docs.stripe.com/webhooks#retries).
	undeliveredBack = 3 * 24 * time.Hour
	// acceptedSlack is how much later than Health.SnapshotAt an event may have been accepted.
	acceptedSlack = 10 * time.Minute
)

// examineUndelivered looks for snapshot events that a destination did not accept.
func (x *examination) examineUndelivered(ctx context.Context, all, enabled []destination) {
	if !slices.ContainsFunc(enabled, func(d destination) bool { return !d.thin }) {
		return // Stripe does not list undelivered thin events
	}
	now := x.Clock()
	params := &stripe.EventListParams{
		DeliverySuccess: stripe.Bool(false),
		CreatedRange:    &stripe.RangeQueryParams{GreaterThanOrEqual: now.Add(-undeliveredBack).Unix(), LesserThan: now.Add(-undeliveredAfter).Unix()},
	}
	params.Limit, params.Single = stripe.Int64(100), true
	types := x.Handler.Types()
	undelivered, oldest := 0, now
	for e, err := range x.api.client.V1Events.List(ctx, params) {
		if err != nil {
			x.skip("undelivered events", reason(err))
			return
		}
		if slices.Contains(types, string(e.Type)) && slices.ContainsFunc(enabled, func(d destination) bool { return !d.thin && d.sends(string(e.Type)) }) {
			undelivered, oldest = undelivered+1, time.Unix(e.Created, 0)
		}
	}
	if undelivered == 0 {
		return
	}
	seen := fmt.Sprintf("Stripe could not deliver %s since %s.", count(undelivered, "event", "events"), oldest.UTC().Format(time.RFC3339))
	if x.elsewhere(all, enabled) {
		x.find(Undelivered, Warning, seen+" Other destinations get these types, too, and Stripe does not say which one failed.",
			"If it is the webhook of this shop, orders are settled late, by sweeps.", "Look at the deliveries of each destination in the Dashboard.")
		return
	}
	if x.Flow != nil && x.health.SnapshotAt.Add(acceptedSlack).Before(oldest) {
		x.find(Undelivered, Error, seen+" The shop accepted none in this time.", "Orders are settled late, by sweeps.",
			"Compare the signing secret of the destination with that in webhook.Config.Secrets, and look at the webhook's answers in the Dashboard.")
		return
	}
	x.find(Undelivered, Warning, seen, "Orders are settled late, by sweeps.", "Look at the log at level ERROR, and at the webhook's answers in the Dashboard.")
}

// elsewhere reports whether a destination of another URL gets types that the shop gets.
func (x *examination) elsewhere(all, enabled []destination) bool {
	types := x.Handler.Types()
	return slices.ContainsFunc(all, func(d destination) bool {
		if d.thin || d.disabled != "" || slices.ContainsFunc(enabled, func(e destination) bool { return e.id == d.id }) {
			return false
		}
		return slices.ContainsFunc(types, d.sends)
	})
}
