package doctor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/checkout/doctor"
	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/webhook"
)

type tx = *memstore.Tx

// setup is a shop before it starts. Each row of a table changes a part of it.
type setup struct {
	stripe      checkouttest.Config
	flow        checkout.Config[tx]
	form        form
	also        form                          // a second destination; endpoint: there is none
	alsoTypes   func(types []string) []string // that it sends; nil: those that have handlers
	types       func(types []string) []string // that the destination sends; nil: those that have handlers
	version     string                        // of the destination; empty: stripe-go's
	source      string                        // events_from; empty: Stripe's default
	noSale      bool                          // the shop has sold nothing yet
	noSweep     bool
	begun       checkout.Session
	before      func(s *shop)                            // runs before the sale
	after       func(s *shop)                            // runs at the end
	examination func(s *shop, c *doctor.Config)          // changes what is examined
	route       func(mux *http.ServeMux, h http.Handler) // mounts the webhook; nil: at /stripe/webhook
}

// form is what kind of destination the shop has.
type form int

const (
	endpoint form = iota // of /v1/webhook_endpoints
	snapshot             // of /v2/core/event_destinations
	thin
	none
)

// shop is a running shop with one paid order.
type shop struct {
	t           *testing.T
	srv         *checkouttest.Server
	st          *memstore.Store
	stock       *memreserver.Reserver
	flow        *checkout.Flow[tx]
	hook        *webhook.Handler
	url         string
	secrets     []string
	destination string                 // the ID of the first
	session     string                 // of the order
	refuse      atomic.Pointer[string] // the webhook answers 500 to events in which this text stands; nil: to none
}

func open(t *testing.T, set setup) (*shop, doctor.Config) {
	t.Helper()
	ctx := t.Context()
	s := &shop{t: t, st: memstore.New()}
	if set.stripe.Start.IsZero() {
		set.stripe.Start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	}
	s.srv = checkouttest.NewServer(set.stripe)
	t.Cleanup(s.srv.Close)
	s.stock = memreserver.New().WithStore(s.st)
	require.NoError(t, s.st.InTx(ctx, func(tx tx) error { return s.stock.Set(ctx, tx, "tee", 5) }))

	mux := http.NewServeMux()
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	s.url = web.URL + "/stripe/webhook"

	c := set.flow
	c.Stripe, c.Store, c.Reserver, c.Clock = s.srv.Client(), s.st, s.stock, s.srv.Now
	c.Fulfil = func(context.Context, tx, *store.Order) error { return nil }
	var err error
	s.flow, err = checkout.New(c)
	require.NoError(t, err)
	probe, err := webhook.New(webhook.Config{Secrets: []string{"whsec_types"}})
	require.NoError(t, err)
	s.flow.Handle(probe)
	s.subscribe(set, probe)
	if set.also != endpoint {
		s.subscribe(setup{form: set.also, types: set.alsoTypes}, probe)
	}
	if set.form == none {
		s.secrets = []string{s.srv.WebhookSecret()}
	}
	s.hook, err = webhook.New(webhook.Config{Secrets: s.secrets, Clock: s.srv.Now})
	require.NoError(t, err)
	s.flow.Handle(s.hook)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || refused(s.refuse.Load(), string(body)) {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.hook.ServeHTTP(w, r)
	})
	if set.route == nil {
		set.route = func(mux *http.ServeMux, h http.Handler) { mux.Handle("POST /stripe/webhook", h) }
	}
	set.route(mux, handler)

	if set.before != nil {
		set.before(s)
	}
	if !set.noSale {
		s.session = s.sell("order-1", set.begun)
	}
	if !set.noSweep {
		s.sweep()
	}
	if set.after != nil {
		set.after(s)
	}
	examined := doctor.Config{
		Stripe: s.srv.Client(), Handler: s.hook, URL: s.url, Secrets: s.secrets, Flow: s.flow, Stock: s.stock, SKUs: []string{"tee"},
		Database: func(context.Context) error { return nil }, Clock: s.srv.Now,
	}
	if set.examination != nil {
		set.examination(s, &examined)
	}
	return s, examined
}

func refused(text *string, body string) bool {
	return text != nil && strings.Contains(body, *text) && !strings.Contains(body, doctor.ProbeType)
}

// refuses has the webhook answer 500 to events in which a text stands.
func (s *shop) refuses(text string) { s.refuse.Store(&text) }

// sell begins an order and has it paid.
func (s *shop) sell(orderID string, session checkout.Session) (sessionID string) {
	s.t.Helper()
	session.OrderID, session.SuccessURL, session.CancelURL = orderID, "https://shop.example/thanks", "https://shop.example/cart"
	if session.Lines == nil {
		session.Lines = []checkout.Line{{SKU: "tee", Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 1}}
	}
	started, err := s.flow.Begin(s.t.Context(), session)
	require.NoError(s.t, err)
	require.NoError(s.t, s.srv.Pay(started.SessionID, checkouttest.CardOK))
	return started.SessionID
}

// admin is a client of the account whose key may do everything: the server of a restricted key has no other key.
func (s *shop) admin(method, path, body, contentType string) map[string]any {
	s.t.Helper()
	r := httptest.NewRequest(method, "http://stripe.test"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+s.srv.Key())
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Stripe-Version", stripe.APIVersion)
	r.RequestURI = ""
	answer, err := s.srv.Transport().RoundTrip(r)
	require.NoError(s.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, answer.StatusCode, "%s", text)
	var object map[string]any
	require.NoError(s.t, json.Unmarshal(text, &object))
	return object
}

// subscribe creates the shop's destination.
func (s *shop) subscribe(set setup, h *webhook.Handler) {
	s.t.Helper()
	types, version := h.Types(), set.version
	if set.form == thin {
		types = h.ThinTypes()
	}
	if set.types != nil {
		types = set.types(types)
	}
	if version == "" {
		version = stripe.APIVersion
	}
	switch set.form {
	case none:
	case endpoint:
		form := "url=" + s.url
		if version != accountsDefault {
			form += "&api_version=" + version
		}
		for _, t := range types {
			form += "&enabled_events[]=" + t
		}
		o := s.admin(http.MethodPost, "/v1/webhook_endpoints", form, "application/x-www-form-urlencoded")
		s.keep(o["id"], o["secret"])
	default:
		params := map[string]any{
			"name": "shop", "type": "webhook_endpoint", "enabled_events": types, "event_payload": "thin",
			"webhook_endpoint": map[string]any{"url": s.url}, "include": []string{"webhook_endpoint.signing_secret"},
		}
		if set.form == snapshot {
			params["event_payload"], params["snapshot_api_version"] = "snapshot", version
		}
		if set.source != "" {
			params["events_from"] = []string{set.source}
		}
		body, err := json.Marshal(params)
		require.NoError(s.t, err)
		o := s.admin(http.MethodPost, "/v2/core/event_destinations", string(body), "application/json")
		s.keep(o["id"], o["webhook_endpoint"].(map[string]any)["signing_secret"])
	}
}

// keep remembers a destination.
func (s *shop) keep(id, secret any) {
	if s.destination == "" {
		s.destination = id.(string)
	}
	s.secrets = append(s.secrets, secret.(string))
}

// accountsDefault stands for an endpoint without a version of its own.
const accountsDefault = "default"

// documented are the permissions of docs/going-live.md for every shop.
func documented(more ...string) []string {
	return append([]string{
		"checkout_session_write", "payment_intent_read", "charge_read", "refund_read", "dispute_read", "event_read",
		"webhook_write", "event_destination_write", // the setup of the test needs them
		"accounts_kyc_basic_read",
	}, more...)
}

func without(permissions []string, names ...string) []string {
	return slices.DeleteFunc(permissions, func(p string) bool { return slices.Contains(names, p) })
}

// Nothing is wrong with a healthy shop, whatever its events come by.
func TestHealthyShopsHaveNoFindings(t *testing.T) {
	t.Parallel()
	subscription := checkout.Session{
		Mode:  checkout.ModeSubscription,
		Lines: []checkout.Line{{Name: "Membership", UnitAmount: checkout.MustAmount("5.00", "usd"), Quantity: 1, Recurring: checkout.Recurring{Interval: checkout.IntervalMonth}}},
	}
	restricted := func(permissions ...string) checkouttest.Config {
		return checkouttest.Config{Key: "rk_test_doctor", Permissions: permissions}
	}
	for name, set := range map[string]setup{
		"webhook endpoint":                    {},
		"snapshot destination":                {form: snapshot},
		"thin destination":                    {form: thin},
		"restricted key":                      {stripe: restricted(documented()...)},
		"restricted key, thin":                {form: thin, stripe: restricted(documented("review_read", "radar_early_fraud_warning_read")...)},
		"restricted key, subscriptions":       {begun: subscription, stripe: restricted(documented("subscription_read", "invoice_read")...)},
		"restricted key, refunds and reviews": {flow: checkout.Config[tx]{Refund: []checkout.ChangeKind{checkout.ChangeShortfall}, HoldForReview: true}, stripe: restricted(documented("refund_write", "review_read")...)},
		"another shop on the account": {after: func(s *shop) {
			s.admin(http.MethodPost, "/v1/webhook_endpoints", "url=http://127.0.0.1:9/other&enabled_events[]=*", "application/x-www-form-urlencoded")
		}},
		"clock a little off": {examination: func(s *shop, c *doctor.Config) {
			c.Clock = func() time.Time { return s.srv.Now().Add(9 * time.Second) }
		}},
		"both forms":              {form: thin, also: snapshot},
		"URL in another spelling": {examination: func(s *shop, c *doctor.Config) { c.URL = strings.Replace(s.url, "http://", "HTTP://", 1) }},
		"an event just failed":    {before: func(s *shop) { s.refuses("evt_") }, after: func(s *shop) { s.srv.Advance(time.Minute) }},
		"swept five minutes ago":  {after: func(s *shop) { s.srv.Advance(5 * time.Minute) }},
		"a database that is joined": {examination: func(s *shop, c *doctor.Config) {
			c.Database = func(context.Context) error { return errors.Join(nil, nil) }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, c := open(t, set)
			report, err := doctor.Examine(t.Context(), c)
			require.NoError(t, err)
			require.Empty(t, report.Findings, "%s", report)
			require.Empty(t, report.Skipped, "%s", report)
			require.True(t, report.Healthy())
			require.Contains(t, report.String(), "\nNothing is wrong.\n")
			require.Equal(t, "test", report.Mode)
			require.NotEmpty(t, report.Account)
		})
	}
}

// What the key may not read is said, and nothing is made up instead.
func TestWhatIsSkipped(t *testing.T) {
	t.Parallel()
	all := documented()
	examine := func(set setup) []string {
		_, c := open(t, set)
		report, err := doctor.Examine(t.Context(), c)
		require.NoError(t, err)
		require.Empty(t, report.Findings, "%s", report)
		var skipped []string
		require.Contains(t, report.String(), "Nothing is wrong with what was looked at.")
		for _, s := range report.Skipped {
			require.Contains(t, report.String(), s.What)
			skipped = append(skipped, s.What+": "+s.Why)
		}
		return skipped
	}
	deliver := func(s *shop) { s.srv.Deliver(s.hook) }
	key := func(permissions []string) checkouttest.Config {
		return checkouttest.Config{Key: "rk_test_doctor", Permissions: permissions}
	}
	require.Equal(t, []string{"whether the account can take payments: the key lacks the permission accounts_kyc_basic_read"},
		examine(setup{stripe: key(without(all, "accounts_kyc_basic_read"))}))
	require.Equal(t, []string{
		"the webhook endpoints of the account: the key lacks the permission webhook_read",
		"the event destinations of the account: the key lacks the permission event_destination_read",
		"whether a destination has the webhook's URL: the key may not read all of them",
	}, examine(setup{form: none, before: deliver, stripe: key(without(documented(), "webhook_write", "event_destination_write"))}))
	require.Equal(t, []string{"the event destinations of the account: the key lacks the permission event_destination_read"},
		examine(setup{stripe: key(without(documented(), "event_destination_write"))}))
	require.Equal(t, []string{"whether the webhook answers: Config.Secrets is empty"}, examine(setup{examination: noSecrets}))
	require.Equal(t, []string{"stock: Config.Stock is nil"}, examine(setup{examination: func(_ *shop, c *doctor.Config) { c.Stock = nil }}))
	require.Equal(t, []string{"orders and sweeps: Config.Flow is nil"}, examine(setup{examination: func(_ *shop, c *doctor.Config) { c.Flow = nil }}))
}

// A Config that can't be used is an error, and so is the end of the context.
func TestExamineRefuses(t *testing.T) {
	t.Parallel()
	_, c := open(t, setup{})
	for field, change := range map[string]func(c *doctor.Config){
		"Stripe": func(c *doctor.Config) { c.Stripe = nil }, "Handler": func(c *doctor.Config) { c.Handler = nil },
		"URL": func(c *doctor.Config) { c.URL = "/stripe/webhook" }, "password": func(c *doctor.Config) { c.URL = "https://me:secret@shop.example/" },
	} {
		wrong := c
		change(&wrong)
		_, err := doctor.Examine(t.Context(), wrong)
		require.ErrorContains(t, err, field)
		require.NotContains(t, err.Error(), "secret@")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := doctor.Examine(ctx, c)
	require.ErrorIs(t, err, context.Canceled)
}

// over returns a client of the shop's server over another transport and with another key.
func (s *shop) over(key string, trip func(r *http.Request) (*http.Response, error)) *stripe.Client {
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		URL: stripe.String(s.srv.URL()), HTTPClient: &http.Client{Transport: roundTripper(trip)}, MaxNetworkRetries: stripe.Int64(0),
		LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
	})
	return stripe.NewClient(key, stripe.WithBackends(&stripe.Backends{API: backend}))
}

type roundTripper func(r *http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// live returns a client whose key is a live one, on a server whose objects are live, too.
func (s *shop) live() *stripe.Client {
	return s.over("sk_live_doctor", func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+s.srv.Key())
		answer, err := s.srv.Transport().RoundTrip(r)
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		text = testMode.ReplaceAll(text, []byte(`"livemode": true`))
		answer.Body, answer.ContentLength = io.NopCloser(strings.NewReader(string(text))), int64(len(text))
		return answer, err
	})
}

// setMode has the orders be of a mode.
func (s *shop) setMode(mode string) {
	require.NoError(s.t, s.st.SetCursor(s.t.Context(), "mode", mode))
}

// Each planted fault is found, and nothing else is.
func TestPlantedFaults(t *testing.T) {
	t.Parallel()
	restricted := func(lacks string, more ...string) checkouttest.Config {
		return checkouttest.Config{Key: "rk_test_doctor", Permissions: without(documented(more...), lacks)}
	}
	subscription := checkout.Session{
		Mode:  checkout.ModeSubscription,
		Lines: []checkout.Line{{Name: "Membership", UnitAmount: checkout.MustAmount("5.00", "usd"), Quantity: 1, Recurring: checkout.Recurring{Interval: checkout.IntervalMonth}}},
	}
	disable := func(s *shop) {
		s.admin(http.MethodPost, "/v1/webhook_endpoints/"+s.destination, "disabled=true", "application/x-www-form-urlencoded")
	}
	answering := func(code int) func(mux *http.ServeMux, h http.Handler) {
		return func(mux *http.ServeMux, h http.Handler) {
			mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(code)
			})
		}
	}
	type row struct {
		set  setup
		code doctor.Code
		as   doctor.Severity
		says []string // parts of the finding
	}
	for name, r := range map[string]row{
		"no destination": {setup{form: none, examination: func(s *shop, c *doctor.Config) {
			c.URL, c.Secrets = "https://shop.example/stripe/webhook", nil
		}}, doctor.NoDestination, doctor.Error, []string{"https://shop.example/stripe/webhook", "Create an event destination"}},
		"no destination, on this machine": {setup{form: none, examination: noSecrets}, doctor.NoDestination, doctor.Note, []string{"stripe listen"}},
		"a destination of another path": {setup{examination: func(s *shop, c *doctor.Config) {
			c.URL, c.Secrets = s.url+"/", nil
		}}, doctor.NoDestination, doctor.Note, nil},
		"endpoint disabled": {setup{after: disable}, doctor.DestinationDisabled, doctor.Error, []string{"is disabled", "Enable"}},
		"destination disabled": {setup{form: thin, after: func(s *shop) {
			s.admin(http.MethodPost, "/v2/core/event_destinations/"+s.destination+"/disable", "", "application/json")
		}}, doctor.DestinationDisabled, doctor.Error, []string{"switched off"}},
		"an old endpoint is disabled":        {setup{also: snapshot, after: disable}, doctor.DestinationDisabled, doctor.Note, []string{"Another destination"}},
		"session types not enabled":          {setup{types: cut("checkout.session.completed", "refund.failed")}, doctor.TypesMissing, doctor.Error, []string{"2 types", "checkout.session.completed, refund.failed"}},
		"refund types not enabled":           {setup{form: snapshot, types: cut("refund.failed")}, doctor.TypesMissing, doctor.Warning, []string{"one type", "refund.failed"}},
		"thin types not enabled":             {setup{form: thin, types: cut("v1.charge.dispute.created")}, doctor.TypesMissing, doctor.Warning, []string{"charge.dispute.created"}},
		"a type that nobody handles":         {setup{types: plus("customer.updated")}, doctor.TypesUnhandled, doctor.Note, []string{"customer.updated"}},
		"a thin type that nobody handles":    {setup{form: thin, types: plus("v1.customer.updated")}, doctor.TypesUnhandled, doctor.Note, []string{"v1.customer.updated"}},
		"a destination that is listed twice": {setup{types: plus("customer.updated"), also: snapshot, alsoTypes: plus("customer.updated")}, doctor.TypesUnhandled, doctor.Note, []string{"customer.updated"}},
		"all types":                          {setup{types: func([]string) []string { return []string{"*"} }}, doctor.TypesUnhandled, doctor.Note, []string{"all types"}},
		"endpoint of another train":          {setup{version: "2024-06-20"}, doctor.APIVersion, doctor.Warning, []string{"2024-06-20", stripe.APIVersion}},
		"destination of another train":       {setup{form: snapshot, version: "2025-09-30.clover"}, doctor.APIVersion, doctor.Warning, []string{"2025-09-30.clover"}},
		"the default is of another train":    {setup{version: accountsDefault, examination: otherDefault}, doctor.APIVersion, doctor.Warning, []string{"account's default, API version 2022-11-15"}},
		"only connected accounts' events":    {setup{form: snapshot, source: "other_accounts", flow: checkout.Config[tx]{Accounts: noAccounts}}, doctor.AccountsMissing, doctor.Error, []string{"account itself"}},
		"no connected accounts' events":      {setup{form: snapshot, flow: checkout.Config[tx]{Accounts: noAccounts}}, doctor.AccountsMissing, doctor.Error, []string{"Config.Accounts"}},
		"test key, live orders":              {setup{after: func(s *shop) { s.setMode("live") }}, doctor.KeyMode, doctor.Error, []string{"test mode", "live mode"}},
		"live key, test orders":              {setup{examination: func(s *shop, c *doctor.Config) { c.Stripe = s.live() }}, doctor.KeyMode, doctor.Error, []string{"of live mode, and the orders are of test mode"}},
		"destination of another mode":        {setup{examination: liveDestinations}, doctor.KeyMode, doctor.Error, []string{"destination", "another mode"}},
		"another account, live":              {setup{after: func(s *shop) { s.setMode("live"); s.setSession("cs_live_elsewhere") }, examination: func(s *shop, c *doctor.Config) { c.Stripe = s.live() }}, doctor.WrongAccount, doctor.Error, []string{"cs_live_elsewhere"}},
		"another account, test":              {setup{after: func(s *shop) { s.setSession("cs_test_elsewhere") }}, doctor.WrongAccount, doctor.Warning, []string{"cs_test_elsewhere"}},
		"no such key":                        {setup{examination: func(s *shop, c *doctor.Config) { c.Stripe = s.over("sk_test_other", s.srv.Transport().RoundTrip) }}, doctor.KeyRefused, doctor.Error, nil},
		"Stripe is away": {setup{examination: func(s *shop, c *doctor.Config) {
			c.Stripe = s.over(s.srv.Key(), func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") })
		}}, doctor.StripeUnreachable, doctor.Error, nil},
		"Stripe has a server error":    {setup{after: func(s *shop) { s.srv.Faults(checkouttest.ServerError()) }}, doctor.StripeUnreachable, doctor.Error, []string{"500"}},
		"lacks write of sessions":      {setup{stripe: restricted("checkout_session_write", "checkout_session_read"), noSale: true}, doctor.KeyPermission, doctor.Error, []string{"Checkout Sessions, write (checkout_session_write)"}},
		"lacks payment intents":        {setup{stripe: restricted("payment_intent_read")}, doctor.KeyPermission, doctor.Error, []string{"Payment Intents, read (payment_intent_read)"}},
		"lacks events":                 {setup{stripe: restricted("event_read"), noSweep: true, noSale: true, after: swept}, doctor.KeyPermission, doctor.Error, []string{"Events, read"}},
		"lacks charges":                {setup{stripe: restricted("charge_read")}, doctor.KeyPermission, doctor.Error, []string{"Charges, read"}},
		"lacks refunds":                {setup{stripe: restricted("refund_read")}, doctor.KeyPermission, doctor.Error, []string{"Refunds, read"}},
		"lacks disputes":               {setup{stripe: restricted("dispute_read")}, doctor.KeyPermission, doctor.Error, []string{"Disputes, read"}},
		"lacks reviews, thin":          {setup{form: thin, stripe: restricted("", "radar_early_fraud_warning_read")}, doctor.KeyPermission, doctor.Error, []string{"Reviews, read"}},
		"lacks fraud warnings, thin":   {setup{form: thin, stripe: restricted("", "review_read")}, doctor.KeyPermission, doctor.Error, []string{"early fraud warnings"}},
		"lacks reviews, held for them": {setup{flow: checkout.Config[tx]{HoldForReview: true}, stripe: restricted("")}, doctor.KeyPermission, doctor.Error, []string{"Reviews, read"}},
		"lacks write of refunds":       {setup{flow: checkout.Config[tx]{Refund: []checkout.ChangeKind{checkout.ChangeShortfall}}, stripe: restricted("")}, doctor.KeyPermission, doctor.Error, []string{"Refunds, write"}},
		"lacks subscriptions":          {setup{noSweep: true, after: swept, begun: subscription, stripe: restricted("", "invoice_read")}, doctor.KeyPermission, doctor.Error, []string{"Subscriptions, read"}},
		"lacks invoices":               {setup{noSweep: true, after: swept, begun: subscription, stripe: restricted("", "subscription_read")}, doctor.KeyPermission, doctor.Error, []string{"Invoices, read"}},
		"lacks write of subscriptions": {setup{noSweep: true, after: swept, begun: subscription, flow: checkout.Config[tx]{Refund: []checkout.ChangeKind{checkout.ChangeShortfall}}, stripe: restricted("", "refund_write", "invoice_read", "subscription_read")}, doctor.KeyPermission, doctor.Error, []string{"Subscriptions, write"}},
		"account not verified, live":   {setup{stripe: checkouttest.Config{Unverified: true}, after: func(s *shop) { s.setMode("live") }, examination: func(s *shop, c *doctor.Config) { c.Stripe = s.live() }}, doctor.ChargesDisabled, doctor.Error, []string{"charges_enabled"}},
		"account not verified, test":   {setup{stripe: checkouttest.Config{Unverified: true}}, doctor.ChargesDisabled, doctor.Note, nil},
		"clock a minute ahead":         {setup{examination: skewed(time.Minute)}, doctor.ClockSkew, doctor.Warning, []string{"1m0s ahead of"}},
		"clock a minute behind":        {setup{examination: skewed(-time.Minute)}, doctor.ClockSkew, doctor.Warning, []string{"1m0s behind"}},
		"clock six minutes ahead":      {setup{examination: func(s *shop, c *doctor.Config) { skewed(6*time.Minute)(s, c); c.Secrets = nil }}, doctor.ClockSkew, doctor.Error, []string{"6m0s ahead"}},
		"database behind": {setup{examination: func(s *shop, c *doctor.Config) {
			c.Database = func(context.Context) error { return errors.New("schema is behind: run Migrate") }
		}}, doctor.Database, doctor.Error, []string{"schema is behind: run Migrate"}},
		"stock of the catalog missing":    {setup{examination: func(s *shop, c *doctor.Config) { c.SKUs = []string{"tee", "mug", "cap"} }}, doctor.StockUnknown, doctor.Error, []string{"2 SKUs: cap, mug"}},
		"stock of an order missing":       {setup{examination: func(s *shop, c *doctor.Config) { c.SKUs = nil; c.Stock = memreserver.New().WithStore(memstore.New()) }}, doctor.StockUnknown, doctor.Warning, []string{"one SKU: tee"}},
		"never swept":                     {setup{noSweep: true}, doctor.NotSwept, doctor.Error, []string{"has swept yet"}},
		"never swept, never sold":         {setup{noSweep: true, noSale: true}, doctor.NotSwept, doctor.Note, nil},
		"swept an hour ago":               {setup{after: func(s *shop) { s.srv.Advance(time.Hour) }}, doctor.NotSwept, doctor.Error, []string{"2026-03-02T09:00:00Z"}},
		"another signing secret":          {setup{examination: func(s *shop, c *doctor.Config) { c.Secrets = []string{"whsec_other"} }}, doctor.WebhookRefuses, doctor.Error, []string{"answered 400", "this secret"}},
		"no signing secret":               {setup{examination: func(s *shop, c *doctor.Config) { c.Secrets = []string{"sk_test_leaked"} }}, doctor.SecretShape, doctor.Error, []string{"whsec_"}},
		"the webhook is not mounted":      {setup{noSale: true, route: answering(404)}, doctor.WebhookRefuses, doctor.Error, []string{"answered 404", "Mount the handler at this URL"}},
		"the webhook is redirected":       {setup{noSale: true, route: answering(308)}, doctor.WebhookRefuses, doctor.Error, []string{"follows no redirects"}},
		"the webhook asks for a password": {setup{noSale: true, route: answering(401)}, doctor.WebhookRefuses, doctor.Error, []string{"password"}},
		"the webhook's proxy cuts bodies": {setup{noSale: true, route: answering(413)}, doctor.WebhookRefuses, doctor.Error, []string{"256 KiB"}},
		"something else answers 200":      {setup{noSale: true, route: answering(200)}, doctor.WebhookAcceptsAll, doctor.Error, []string{"no secret signs"}},
		"the webhook does not answer": {setup{examination: func(s *shop, c *doctor.Config) {
			c.HTTP = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") })}
		}}, doctor.WebhookUnreachable, doctor.Warning, nil},
		"no event arrives": {setup{before: func(s *shop) { s.refuses("evt_") }, after: func(s *shop) { s.srv.Advance(7 * time.Minute); s.sweep() }}, doctor.Undelivered, doctor.Error, []string{"accepted none", "signing secret"}},
		"some events do not arrive": {setup{after: func(s *shop) {
			s.refuses("refund.created")
			s.refund()
			s.sell("order-2", checkout.Session{})
			s.srv.Advance(7 * time.Minute)
			s.sweep()
		}}, doctor.Undelivered, doctor.Warning, []string{"log at level ERROR"}},
		"events fail, perhaps of another's": {setup{before: func(s *shop) { s.refuses("evt_"); s.other() }, after: func(s *shop) { s.srv.Advance(7 * time.Minute); s.sweep() }}, doctor.Undelivered, doctor.Warning, []string{"Other destinations"}},
		"an event can't be handled": {setup{after: func(s *shop) {
			require.NoError(t, s.st.SetCursor(t.Context(), "failed_events", `[{"id":"evt_1","type":"refund.failed"}]`))
		}}, doctor.EventsFailed, doctor.Warning, []string{"one event"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := open(t, r.set)
			report, err := doctor.Examine(t.Context(), c)
			require.NoError(t, err)
			require.Len(t, report.Findings, 1, "%s", report)
			found := report.Findings[0]
			require.Equal(t, r.code, found.Code)
			require.Equal(t, r.as, found.Severity)
			require.Equal(t, r.as == doctor.Note, report.Healthy())
			for _, part := range r.says {
				require.Contains(t, strings.Join([]string{found.Seen, found.Why, found.Cure}, " "), part)
			}
			for _, text := range []string{found.Seen, found.Why, found.Cure} {
				require.True(t, strings.HasSuffix(text, ".") || strings.HasSuffix(text, c.URL), "%q is no sentence", text)
			}
			asJSON, err := json.Marshal(report)
			require.NoError(t, err)
			for _, hidden := range append([]string{s.srv.Key(), "sk_test_leaked"}, append(s.secrets, c.Secrets...)...) {
				require.NotContains(t, string(asJSON)+report.String(), hidden)
			}
		})
	}
}

// swept has a sweep have ended, without one.
func swept(s *shop) {
	require.NoError(s.t, s.st.SetCursor(s.t.Context(), "swept", s.srv.Now().Format(time.RFC3339)))
}

func noSecrets(_ *shop, c *doctor.Config) { c.Secrets = nil }

func noAccounts(context.Context) ([]string, error) { return nil, nil }

// cut leaves types out, and plus adds one.
func cut(types ...string) func([]string) []string {
	return func(all []string) []string {
		return slices.DeleteFunc(all, func(t string) bool { return slices.Contains(types, t) })
	}
}

func plus(eventType string) func([]string) []string {
	return func(all []string) []string { return append(all, eventType) }
}

func skewed(by time.Duration) func(s *shop, c *doctor.Config) {
	return func(s *shop, c *doctor.Config) { c.Clock = func() time.Time { return s.srv.Now().Add(by) } }
}

func (s *shop) sweep() {
	s.t.Helper()
	_, err := s.flow.Sweep(s.t.Context())
	require.NoError(s.t, err)
}

func (s *shop) setSession(id string) {
	require.NoError(s.t, s.st.SetCursor(s.t.Context(), "session", id))
}

func (s *shop) refund() {
	s.srv.Advance(20 * time.Minute)
	_, err := s.srv.Refund(s.session, 0)
	require.NoError(s.t, err)
}

// other has another program on the account get events.
func (s *shop) other() {
	s.admin(http.MethodPost, "/v1/webhook_endpoints", "url=http://127.0.0.1:9/other&enabled_events[]=charge.refunded", "application/x-www-form-urlencoded")
}

var testMode = regexp.MustCompile(`"livemode": ?false`)

// rewrite changes the answers to requests of a path.
func (s *shop) rewrite(path string, from *regexp.Regexp, to string) *stripe.Client {
	return s.over(s.srv.Key(), func(r *http.Request) (*http.Response, error) {
		answer, err := s.srv.Transport().RoundTrip(r)
		if err != nil || r.URL.Path != path {
			return answer, err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		changed := from.ReplaceAllString(string(text), to)
		answer.Body, answer.ContentLength = io.NopCloser(strings.NewReader(changed)), int64(len(changed))
		return answer, err
	})
}

func otherDefault(s *shop, c *doctor.Config) {
	c.Stripe = s.rewrite("/v1/events", regexp.MustCompile(`"api_version": ?"[^"]*"`), `"api_version": "2022-11-15"`)
}

func liveDestinations(s *shop, c *doctor.Config) {
	c.Stripe = s.rewrite("/v1/webhook_endpoints", testMode, `"livemode": true`)
}
