package checkouttest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// A shop is a receiver over HTTP. It keeps the types of its events, and the last signature header and API version.
type shop struct {
	*httptest.Server
	mu            sync.Mutex
	types         []string
	header, body  string
	version, acct string
	status        int
	decode        func(body []byte) (typ string, err error) // nil: snapshot events
}

func newShop(t *testing.T) *shop {
	s := &shop{status: http.StatusOK}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var e stripe.Event
		switch {
		case err != nil:
		case s.decode != nil:
			var typ string
			typ, err = s.decode(body)
			e.Type = stripe.EventType(typ)
		default:
			err = json.Unmarshal(body, &e)
		}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.types = append(s.types, string(e.Type))
		s.header, s.body, s.version, s.acct = r.Header.Get("Stripe-Signature"), string(body), e.APIVersion, e.Account
		w.WriteHeader(s.status)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *shop) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := strings.Join(s.types, " ")
	s.types = nil
	return out
}

// signedWith counts the v1 signatures of the last delivery. It reports for each secret whether stripe-go accepts the
// delivery.
func (s *shop) signedWith(t *testing.T, now time.Time, secrets ...string) (v1 int, valid []bool) {
	t.Helper()
	for _, secret := range secrets {
		h := http.Header{"Stripe-Signature": {""}}
		found := false
		parts := strings.Split(s.header, ",")
		for _, part := range parts[1 : len(parts)-1] {
			h.Set("Stripe-Signature", parts[0]+","+part+","+parts[len(parts)-1]) // the last one is v0
			h.Set("Content-Type", "application/json")
			h.Set("User-Agent", "Stripe/1.0")
			found = found || verify(&http.Request{Method: "POST", Header: h}, []byte(s.body), secret, now) == nil
		}
		valid = append(valid, found)
	}
	return strings.Count(s.header, "v1="), valid
}

func TestSeveralEndpoints(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	api, ctx := srv.Client(), context.Background()
	in := newInbox(srv)
	one, two, other := newShop(t), newShop(t), newShop(t)
	first, err := api.V1WebhookEndpoints.Create(ctx, &stripe.WebhookEndpointCreateParams{
		URL: stripe.String(one.URL + "/hook"), EnabledEvents: stripe.StringSlice([]string{"charge.succeeded", completedType}),
		APIVersion: stripe.String("2022-11-15"), Description: stripe.String("one"), Metadata: map[string]string{"a": "b"},
	})
	require.NoError(t, err)
	require.Equal(t, "enabled", first.Status)
	require.Equal(t, "2022-11-15", first.APIVersion)
	require.NotEqual(t, srv.WebhookSecret(), first.Secret)
	second, err := api.V1WebhookEndpoints.Create(ctx, &stripe.WebhookEndpointCreateParams{URL: &two.URL, EnabledEvents: stripe.StringSlice([]string{"*"})})
	require.NoError(t, err)
	_, err = api.V1WebhookEndpoints.Create(ctx, &stripe.WebhookEndpointCreateParams{
		URL: &other.URL, EnabledEvents: stripe.StringSlice([]string{"*"}), Connect: stripe.Bool(true),
	})
	require.NoError(t, err)

	two.status = http.StatusServiceUnavailable
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	require.Len(t, in.types(t), 4, "the default endpoint gets all of them")
	require.Equal(t, "charge.succeeded checkout.session.completed", one.take())
	require.Equal(t, "2022-11-15", one.version)
	_, valid := one.signedWith(t, srv.Now(), first.Secret, srv.WebhookSecret())
	require.Equal(t, []bool{true, false}, valid)
	require.Len(t, strings.Fields(two.take()), 4)
	require.Equal(t, stripe.APIVersion, two.version)
	require.Empty(t, other.take(), "not a connected account's")

	// Each endpoint has its own retries.
	e, err := api.V1Events.Retrieve(ctx, completed(t, srv).ID, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, e.PendingWebhooks)
	var to []string
	for _, a := range completed(t, srv).Attempts {
		to = append(to, fmt.Sprint(a.Endpoint, a.Number, a.Status))
	}
	require.Equal(t, []string{"1 200", first.ID + "1 200", second.ID + "1 503"}, to)
	two.status = http.StatusOK
	srv.Advance(5 * time.Minute)
	require.Len(t, strings.Fields(two.take()), 5)
	require.Equal(t, []string{"charge.updated"}, in.types(t))
	require.Empty(t, one.take())
	require.False(t, completed(t, srv).Pending)

	// Connected accounts.
	params := tee()
	params.SetStripeAccount("acct_1")
	require.NoError(t, srv.Pay(create(t, srv, params).ID, checkouttest.CardOK))
	require.Len(t, strings.Fields(other.take()), 4)
	require.Equal(t, "acct_1", other.acct)
	require.Empty(t, one.take()+two.take())
	require.Len(t, in.types(t), 4, "the default endpoint gets them, too")

	// An update, and the end of retries to a disabled endpoint.
	two.status = http.StatusInternalServerError
	id := create(t, srv, tee()).ID
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	require.NotEmpty(t, two.take())
	up, err := api.V1WebhookEndpoints.Update(ctx, second.ID, &stripe.WebhookEndpointUpdateParams{
		Disabled: stripe.Bool(true), Description: stripe.String("two"), Metadata: map[string]string{"c": "d"},
	})
	require.NoError(t, err)
	require.Equal(t, []string{"disabled", "two", "d", ""}, []string{up.Status, up.Description, up.Metadata["c"], up.Secret})
	two.status = http.StatusOK
	srv.Advance(time.Hour)
	require.Empty(t, two.take())
	for _, e := range srv.Events() {
		require.False(t, e.Pending, e.Type)
	}
	up, err = api.V1WebhookEndpoints.Update(ctx, second.ID, &stripe.WebhookEndpointUpdateParams{
		Disabled: stripe.Bool(false), EnabledEvents: stripe.StringSlice([]string{"checkout.session.expired"}), URL: stripe.String(one.URL),
	})
	require.NoError(t, err)
	require.Equal(t, "enabled", up.Status)
	one.take()
	_, err = api.V1CheckoutSessions.Expire(ctx, create(t, srv, tee()).ID, nil)
	require.NoError(t, err)
	srv.Flush()
	require.Equal(t, "checkout.session.expired", one.take(), "by its new URL, for its new type")

	// List, retrieve, delete.
	var ids []string
	for e, err := range api.V1WebhookEndpoints.List(ctx, &stripe.WebhookEndpointListParams{}) {
		require.NoError(t, err)
		require.Empty(t, e.Secret, "shown at creation only")
		ids = append(ids, e.ID)
	}
	require.Len(t, ids, 3)
	got, err := api.V1WebhookEndpoints.Retrieve(ctx, first.ID, nil)
	require.NoError(t, err)
	require.Equal(t, one.URL+"/hook", got.URL)
	gone, err := api.V1WebhookEndpoints.Delete(ctx, first.ID, nil)
	require.NoError(t, err)
	require.True(t, gone.Deleted)
	_, err = api.V1WebhookEndpoints.Retrieve(ctx, first.ID, nil)
	status(http.StatusNotFound)(t, err)
	_, err = api.V1WebhookEndpoints.Update(ctx, first.ID, &stripe.WebhookEndpointUpdateParams{})
	status(http.StatusNotFound)(t, err)
	_, err = api.V1WebhookEndpoints.Delete(ctx, first.ID, nil)
	status(http.StatusNotFound)(t, err)
	_, err = srv.RollSecret(first.ID, 0)
	require.ErrorIs(t, err, checkouttest.ErrNoEndpoint)
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	require.Empty(t, one.take())
}

func TestEndpointsThatAreRefused(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	for name, form := range map[string]map[string]string{
		"no events":  {"url": "http://127.0.0.1:1/"},
		"no url":     {"enabled_events[0]": "*"},
		"public url": {"url": "https://shop.example/hook", "enabled_events[0]": "*"},
		"no scheme":  {"url": "127.0.0.1", "enabled_events[0]": "*"},
		"event type": {"url": "http://127.0.0.1:1/", "enabled_events[0]": "Checkout"},
		"version":    {"url": "http://127.0.0.1:1/", "enabled_events[0]": "*", "api_version": "latest"},
		"unknown":    {"url": "http://127.0.0.1:1/", "enabled_events[0]": "*", "disabled": "true"},
		"metadata":   {"url": "http://127.0.0.1:1/", "enabled_events[0]": "*", "metadata[" + strings.Repeat("k", 41) + "]": "v"},
	} {
		values := map[string][]string{}
		for k, v := range form {
			values[k] = []string{v}
		}
		resp, _ := request(t, srv, "POST", "/v1/webhook_endpoints", values)
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, name)
	}
	ok := map[string][]string{"url": {"http://127.0.0.1:1/"}, "enabled_events[0]": {"*"}}
	var id string
	for range 16 {
		resp, body := request(t, srv, "POST", "/v1/webhook_endpoints", ok)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		id = str(body["id"])
	}
	resp, _ := request(t, srv, "POST", "/v1/webhook_endpoints", ok)
	require.Equal(t, http.StatusBadRequest, resp.StatusCode, "the seventeenth")
	for name, form := range map[string]map[string][]string{
		"public url": {"url": {"https://shop.example/"}, "enabled_events[0]": {"charge.failed"}},
		"metadata":   {"metadata[" + strings.Repeat("k", 41) + "]": {"v"}},
	} {
		resp, _ = request(t, srv, "POST", "/v1/webhook_endpoints/"+id, form)
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, name)
	}
	_, body := request(t, srv, "GET", "/v1/webhook_endpoints/"+id, nil)
	require.Equal(t, []any{"*"}, body["enabled_events"], "an update that is refused changes nothing")
}

func TestRetryOverTheAPI(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	in := newInbox(srv)
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	in.types(t)
	id := completed(t, srv).ID
	retry := func(want int, kv ...string) {
		t.Helper()
		form := map[string][]string{}
		for i := 0; i < len(kv); i += 2 {
			form[kv[i]] = []string{kv[i+1]}
		}
		resp, body := request(t, srv, "POST", "/v1/events/"+id+"/retry", form)
		require.Equal(t, want, resp.StatusCode)
		if want == http.StatusOK {
			require.Equal(t, id, body["id"])
		}
		srv.Flush()
	}
	retry(200)
	require.Equal(t, []string{completedType}, in.types(t))
	retry(200, "for_stripecli", "true")
	require.Empty(t, in.types(t))

	shop := newShop(t)
	made, err := srv.Client().V1WebhookEndpoints.Create(context.Background(), &stripe.WebhookEndpointCreateParams{
		URL: &shop.URL, EnabledEvents: stripe.StringSlice([]string{"charge.failed"}),
	})
	require.NoError(t, err)
	retry(200, "webhook_endpoint", made.ID)
	require.Equal(t, completedType, shop.take())
	retry(200, "webhook_endpoint", made.ID)
	require.Equal(t, completedType, shop.take(), "also what it is not enabled for: it was asked for")
	require.Empty(t, in.types(t))
	attempts := completed(t, srv).Attempts
	require.Equal(t, []int{1, 2}, []int{attempts[len(attempts)-2].Number, attempts[len(attempts)-1].Number}, "counted for each endpoint")
	retry(400, "webhook_endpoint", "we_none")
	_, body := request(t, srv, "POST", "/v1/webhook_endpoints", map[string][]string{"url": {shop.URL}, "enabled_events[]": {"*"}}, "Stripe-Account", "acct_1")
	retry(400, "webhook_endpoint", str(body["id"]))
	retry(404, "account", "acct_1")
	id = "evt_none"
	retry(404)
}

// Deliveries carry a signature of each secret that is in use.
func TestRollSecret(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	shop := newShop(t)
	made, err := srv.Client().V1WebhookEndpoints.Create(context.Background(), &stripe.WebhookEndpointCreateParams{
		URL: &shop.URL, EnabledEvents: stripe.StringSlice([]string{"*"}),
	})
	require.NoError(t, err)
	one := made.Secret
	two, err := srv.RollSecret(made.ID, 24*time.Hour)
	require.NoError(t, err)
	signed := func(want int, valid ...bool) func(secrets ...string) {
		return func(secrets ...string) {
			t.Helper()
			require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
			n, got := shop.signedWith(t, srv.Now(), secrets...)
			require.Equal(t, want, n)
			require.Equal(t, valid, got)
		}
	}
	signed(2, true, true, false)(one, two, srv.WebhookSecret())
	three, err := srv.RollSecret(made.ID, time.Hour)
	require.NoError(t, err)
	signed(3, true, true, true)(one, two, three)
	srv.Advance(time.Hour)
	signed(1, false, false, true)(one, two, three)
	four, err := srv.RollSecret(made.ID, 0)
	require.NoError(t, err)
	signed(1, false, true)(three, four)

	for _, overlap := range []time.Duration{-1, 24*time.Hour + 1} {
		_, err = srv.RollSecret("", overlap)
		require.Error(t, err)
	}
	before := srv.WebhookSecret()
	five, err := srv.RollSecret("", time.Minute)
	require.NoError(t, err)
	require.Equal(t, five, srv.WebhookSecret())
	require.NotEqual(t, before, five)
	_, err = srv.RollSecret("we_none", 0)
	require.ErrorIs(t, err, checkouttest.ErrNoEndpoint)
}

// A later RollSecret may shorten the life of an earlier secret, and never prolongs it.
func TestRollSecretKeepsTheShorterOverlap(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	var header string
	srv.Deliver(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { header = r.Header.Get("Stripe-Signature") }))
	_, err := srv.RollSecret("", time.Minute)
	require.NoError(t, err)
	_, err = srv.RollSecret("", time.Hour)
	require.NoError(t, err)
	srv.Advance(time.Minute)
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	require.Equal(t, 2, strings.Count(header, "v1="))
}
