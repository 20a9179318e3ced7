package checkouttest_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// A notification is a thin event as an endpoint gets it.
type notification struct {
	ID            string  `json:"id"`
	Object        string  `json:"object"`
	Type          string  `json:"type"`
	Created       string  `json:"created"`
	Livemode      *bool   `json:"livemode"`
	Context       *string `json:"context"`
	SnapshotEvent string  `json:"snapshot_event"`
	RelatedObject struct {
		ID   string `json:"id"`
		Type string `json:"type"`
		URL  string `json:"url"`
	} `json:"related_object"`
	Reason *struct {
		Type    string `json:"type"`
		Request struct {
			ID             string  `json:"id"`
			IdempotencyKey *string `json:"idempotency_key"`
		} `json:"request"`
	} `json:"reason"`

	keys map[string]any // of the body
}

// A thinInbox is a receiver that checks signatures and keeps the events of both kinds that it has accepted.
type thinInbox struct {
	srv *checkouttest.Server

	mu     sync.Mutex
	status int
	events []notification // of snapshot events, only ID, Object and Type are decoded
	bad    []string
}

func (in *thinInbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = verify(r, body, in.srv.WebhookSecret(), in.srv.Now())
	}
	var kind struct {
		ID     string `json:"id"`
		Object string `json:"object"`
		Type   string `json:"type"`
	}
	if err == nil {
		err = json.Unmarshal(body, &kind)
	}
	n := notification{ID: kind.ID, Object: kind.Object, Type: kind.Type}
	if err == nil && kind.Object != "event" {
		err = errors.Join(json.Unmarshal(body, &n), json.Unmarshal(body, &n.keys))
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	status := http.StatusOK
	switch {
	case err != nil:
		in.bad = append(in.bad, err.Error())
		status = http.StatusBadRequest
	case in.status != 0:
		status = in.status
	default:
		in.events = append(in.events, n)
	}
	w.WriteHeader(status)
}

func (in *thinInbox) respond(status int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.status = status
}

// take returns the accepted events, and empties the inbox.
func (in *thinInbox) take(t testing.TB) []notification {
	t.Helper()
	in.mu.Lock()
	defer in.mu.Unlock()
	require.Empty(t, in.bad)
	out := in.events
	in.events = nil
	return out
}

func (in *thinInbox) types(t testing.TB) []string {
	t.Helper()
	out := []string{}
	for _, n := range in.take(t) {
		out = append(out, n.Type)
	}
	return out
}

// newThinServer starts a server whose default endpoint gets events of the kinds in payloads.
func newThinServer(t *testing.T, payloads checkouttest.Payloads) (*checkouttest.Server, *thinInbox) {
	t.Helper()
	srv := newServer(t, checkouttest.Config{Payloads: payloads, Start: time.Date(2026, 10, 1, 9, 0, 0, 5e6, time.UTC)})
	in := &thinInbox{srv: srv}
	srv.Deliver(in)
	return srv, in
}

var (
	snapshotTypes = []string{"charge.succeeded", "payment_intent.succeeded", "payment_intent.created", "checkout.session.completed"}
	thinTypes     = []string{"v1.charge.succeeded", "v1.payment_intent.succeeded", "v1.payment_intent.created", "v1.checkout.session.completed"}
)

func TestPayloads(t *testing.T) {
	t.Parallel()
	srv, in := newThinServer(t, checkouttest.Thin)
	pay := func() {
		require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	}
	pay()
	require.Equal(t, thinTypes, in.types(t))
	srv.Deliver(in, checkouttest.Snapshot)
	pay()
	require.Equal(t, snapshotTypes, in.types(t))
	srv.Deliver(in, checkouttest.Snapshot, checkouttest.Thin)
	pay()
	both := append(append([]string{}, snapshotTypes...), thinTypes...)
	require.ElementsMatch(t, both, in.types(t))
	srv.Deliver(in)
	pay()
	require.ElementsMatch(t, both, in.types(t), "as before")
	srv.Deliver(in, checkouttest.Both)
	pay()
	require.ElementsMatch(t, both, in.types(t))

	srv, in = newThinServer(t, 0)
	pay()
	require.Equal(t, snapshotTypes, in.types(t), "the default")
	require.Len(t, srv.Events(), 4)
	require.Len(t, srv.ThinEvents(), 4, "they exist, although no endpoint gets them")
}

func TestWrongPayloads(t *testing.T) {
	t.Parallel()
	require.PanicsWithValue(t, "checkouttest: Config.Payloads: 4 is none of Snapshot, Thin and Both", func() { checkouttest.NewServer(checkouttest.Config{Payloads: 4}) })
	srv := newServer(t, checkouttest.Config{})
	require.PanicsWithValue(t, "checkouttest: Deliver: 8 is none of Snapshot, Thin and Both", func() { srv.Deliver(nil, 8) })
}

func TestNotification(t *testing.T) {
	t.Parallel()
	srv, in := newThinServer(t, checkouttest.Thin)
	id := create(t, srv, tee()).ID
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	got := in.take(t)
	require.Len(t, got, 4)
	done := got[3]
	require.Equal(t, "v2.core.event", done.Object)
	require.Equal(t, "2026-10-01T09:00:00.005Z", done.Created)
	require.NotNil(t, done.Livemode)
	require.False(t, *done.Livemode)
	require.Nil(t, done.Context)
	require.Nil(t, done.Reason, "a customer paid, and no request")
	for _, key := range []string{"context", "reason", "changes", "data", "account", "api_version", "pending_webhooks"} {
		require.NotContains(t, done.keys, key)
	}
	require.Equal(t, completed(t, srv).ID, done.SnapshotEvent)
	require.NotEqual(t, done.ID, done.SnapshotEvent)
	require.Equal(t, "checkout.session", done.RelatedObject.Type)
	require.Equal(t, "/v1/checkout/sessions/"+id, done.RelatedObject.URL)
	seen := srv.ThinEvents()[3]
	require.Equal(t, []any{done.ID, done.Type, done.SnapshotEvent, id, id, false}, []any{seen.ID, seen.Type, seen.Snapshot, seen.ObjectID, seen.SessionID, seen.Pending})

	other := create(t, srv, tee()).ID
	resp, _ := request(t, srv, "POST", "/v1/checkout/sessions/"+other+"/expire", nil, "Idempotency-Key", "k1")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	srv.Flush()
	got = in.take(t)
	require.Len(t, got, 1)
	require.NotNil(t, got[0].Reason)
	require.Equal(t, "request", got[0].Reason.Type)
	require.Equal(t, resp.Header.Get("Request-Id"), got[0].Reason.Request.ID)
	require.Equal(t, "k1", *got[0].Reason.Request.IdempotencyKey)
}

// The URL of every thin event leads to an object of the type that the event names.
func TestRelatedObjects(t *testing.T) {
	t.Parallel()
	srv, in := newThinServer(t, checkouttest.Thin)
	price := srv.AddPrice(checkouttest.Price{Currency: "usd", UnitAmount: 900, Interval: "month"})
	paid := create(t, srv, tee()).ID
	require.NoError(t, srv.Pay(paid, checkouttest.CardOK))
	_, err := srv.Refund(paid, 500)
	require.NoError(t, err)
	disputed, err := srv.Dispute(paid)
	require.NoError(t, err)
	require.NoError(t, srv.WinDispute(disputed))
	box := &stripe.CheckoutSessionCreateParams{
		Mode: stripe.String("subscription"), SuccessURL: stripe.String("https://shop.example/"),
		LineItems: []*stripe.CheckoutSessionCreateLineItemParams{{Price: &price, Quantity: stripe.Int64(1)}},
	}
	require.NoError(t, srv.Pay(create(t, srv, box).ID, checkouttest.CardOK))
	srv.Advance(32 * 24 * time.Hour)
	seen := map[string]bool{}
	for _, n := range in.take(t) {
		seen[n.RelatedObject.Type] = true
		resp, body := request(t, srv, "GET", n.RelatedObject.URL, nil)
		require.Equal(t, http.StatusOK, resp.StatusCode, n.RelatedObject.URL)
		require.Equal(t, n.RelatedObject.Type, body["object"])
		require.Equal(t, n.RelatedObject.ID, body["id"])
	}
	for _, kind := range []string{"checkout.session", "payment_intent", "charge", "refund", "dispute", "invoice", "subscription", "customer"} {
		require.True(t, seen[kind], kind)
	}
}

func TestThinEventsOfConnectedAccounts(t *testing.T) {
	t.Parallel()
	srv, in := newThinServer(t, checkouttest.Thin)
	resp, body := request(t, srv, "POST", "/v1/checkout/sessions", teeForm(), "Stripe-Context", "acct_1")
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	require.NoError(t, srv.Pay(body["id"].(string), checkouttest.CardOK))
	got := in.take(t)
	require.Len(t, got, 4)
	for _, n := range got {
		require.NotNil(t, n.Context)
		resp, _ := request(t, srv, "GET", n.RelatedObject.URL, nil, "Stripe-Context", *n.Context)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		resp, _ = request(t, srv, "GET", n.RelatedObject.URL, nil, "Stripe-Account", *n.Context)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		resp, _ = request(t, srv, "GET", n.RelatedObject.URL, nil)
		require.Equal(t, http.StatusNotFound, resp.StatusCode)
		resp, _ = request(t, srv, "GET", n.RelatedObject.URL, nil, "Stripe-Account", *n.Context, "Stripe-Context", *n.Context)
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, "not both")
	}
}

func TestThinEventsAreTriedAgain(t *testing.T) {
	t.Parallel()
	srv, in := newThinServer(t, checkouttest.Thin)
	in.respond(http.StatusServiceUnavailable)
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	last := func() checkouttest.Event { return srv.ThinEvents()[3] }
	require.True(t, last().Pending)
	require.False(t, completed(t, srv).Pending)
	_, body := request(t, srv, "GET", "/v1/events/"+completed(t, srv).ID, nil)
	require.EqualValues(t, 0, body["pending_webhooks"], "deliveries of thin events do not count")
	in.respond(0)
	srv.Advance(5 * time.Minute)
	require.Equal(t, append([]string{"v1.charge.updated"}, thinTypes...), in.types(t))
	require.False(t, last().Pending)
	require.Len(t, last().Attempts, 2)
	require.NoError(t, srv.Redeliver(last().ID))
	require.Equal(t, thinTypes[3:], in.types(t))
	logged := 0
	for _, e := range srv.Log() {
		if e.EventID == last().ID {
			logged++
			require.Equal(t, "v1.checkout.session.completed", e.EventType)
		}
	}
	require.Equal(t, 3, logged)
}

func TestFaultsOfThinEvents(t *testing.T) {
	t.Parallel()
	srv, in := newThinServer(t, checkouttest.Both)
	pay := func(faults ...checkouttest.Fault) []string {
		srv.Faults(faults...)
		require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
		return in.types(t)
	}
	require.Equal(t, snapshotTypes, pay(checkouttest.Drop().For("v1.*")))
	require.ElementsMatch(t, thinTypes, pay(checkouttest.Drop().For("payment_intent.*", "charge.*", "checkout.*")))
	require.Len(t, pay(checkouttest.Duplicate(3).For("v1.checkout.session.completed")), 10)
	require.Len(t, pay(checkouttest.APIVersion("2020-08-27")), 8)
	for _, e := range srv.ThinEvents()[12:] {
		require.Empty(t, e.Attempts[0].Faults, "a thin event has no API version")
	}
	shuffled := false
	for seed := uint64(1); seed < 9; seed++ {
		got := pay(checkouttest.Reorder(seed))
		require.Len(t, got, 8)
		thin := got[:0:0]
		for _, typ := range got {
			if strings.HasPrefix(typ, "v1.") {
				thin = append(thin, strings.TrimPrefix(typ, "v1."))
			}
		}
		shuffled = shuffled || strings.Join(thin, " ") != strings.Join(snapshotTypes, " ")
	}
	require.True(t, shuffled)

	// A chance is drawn for each of the twins.
	srv.Faults(checkouttest.Drop().Chance(3, 0.5))
	first := len(srv.Events())
	for range 8 {
		require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	}
	differ, same := 0, 0
	for i, e := range srv.Events()[first:] {
		if e.Pending == srv.ThinEvents()[first+i].Pending {
			same++
		} else {
			differ++
		}
	}
	require.Greater(t, differ, 5)
	require.Greater(t, same, 5)
}

// With Config.Sequential, the same seeds make the same thin events, faults and deliveries.
func TestThinDeliveriesReplay(t *testing.T) {
	t.Parallel()
	run := func(faultSeed uint64) (seen []string) {
		srv := newServer(t, checkouttest.Config{Payloads: checkouttest.Both, Sequential: true, Seed: 7, Start: time.Unix(1_800_000_000, 0)})
		srv.Deliver(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			seen = append(seen, r.Header.Get("Stripe-Signature")+string(body))
		}))
		srv.Faults(
			checkouttest.Drop().Chance(faultSeed, 0.3), checkouttest.Delay(time.Minute).Chance(faultSeed, 0.3), checkouttest.Duplicate(2).Chance(faultSeed, 0.3),
			checkouttest.Reorder(faultSeed), checkouttest.Truncate().Chance(faultSeed, 0.1), checkouttest.BadSignature().Chance(faultSeed, 0.1),
		)
		for range 4 {
			require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
		}
		srv.Advance(time.Hour)
		return seen
	}
	first := run(1)
	require.Greater(t, len(first), 32)
	require.Equal(t, first, run(1))
	require.NotEqual(t, first, run(2))
}
