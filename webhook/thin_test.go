package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

// fakeStripe answers the requests of a client with what is set for their paths, and keeps the requests.
type fakeStripe struct {
	mu       sync.Mutex
	answers  map[string]string // JSON by path; a path without one is 404
	status   int               // of all answers; 0: 200, or 404
	requests []*http.Request
}

func (f *fakeStripe) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r)
	body, status := f.answers[r.URL.Path], f.status
	switch {
	case status != 0:
		body = `{"error":{"type":"api_error","message":"trouble with jenny@shop.example"}}`
	case body == "":
		status = http.StatusNotFound
		body = `{"error":{"type":"invalid_request_error","code":"resource_missing","message":"no such object of jenny@shop.example"}}`
	default:
		status = http.StatusOK
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (f *fakeStripe) client() *stripe.Client {
	return stripe.NewClient("sk_test_secret", stripe.WithBackends(&stripe.Backends{
		API: stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
			HTTPClient: &http.Client{Transport: f}, MaxNetworkRetries: stripe.Int64(0), EnableTelemetry: stripe.Bool(false),
			LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
		}),
	}))
}

// paths are those of the requests so far.
func (f *fakeStripe) paths() (paths []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		paths = append(paths, r.Method+" "+r.URL.Path)
	}
	return paths
}

var invoice = webhooktest.RelatedObject{ID: "in_1", Type: "invoice", URL: "/v1/invoices/in_1"}

// thinInvoicePaid is the thin form of invoicePaid.
func thinInvoicePaid(id string) []byte {
	return webhooktest.ThinEvent{ID: "evt_thin_" + id, Type: "v1.invoice.paid", Created: time.Unix(1_600_000_000, 250e6),
		Object: invoice, SnapshotEvent: id}.Payload()
}

// A handler gets the thin form of its events, with the object as it is now.
func TestThinFormReachesTheHandler(t *testing.T) {
	t.Parallel()
	srv := &fakeStripe{answers: map[string]string{"/v1/invoices/in_1": `{"id":"in_1","object":"invoice","amount_paid":5,"metadata":{"a":"b"}}`}}
	var seen results
	h := newTestHandler(t, Config{Client: srv.client(), Observe: seen.observe})
	var got, second *Event[stripe.Invoice]
	On(h, InvoicePaid, func(_ context.Context, e *Event[stripe.Invoice]) error {
		got = e
		e.Object.ID, e.Thin.RelatedObject.ID = "changed", "changed"
		return nil
	})
	On(h, InvoicePaid, func(_ context.Context, e *Event[stripe.Invoice]) error { second = e; return nil })
	Fallback(h, func(context.Context, *Event[json.RawMessage]) error { t.Error("fallback was called"); return nil })
	h.OnNotification(func(context.Context, *Notification) error { t.Error("OnNotification was called"); return nil })

	payload := webhooktest.ThinEvent{ID: "evt_thin", Type: "v1.invoice.paid", Created: time.Unix(1_600_000_000, 250e6), Livemode: true,
		Context: "acct_1", Object: invoice, SnapshotEvent: "evt_1"}.Payload()
	require.Equal(t, http.StatusOK, serve(h, payload).Code)

	require.Equal(t, "evt_thin", got.ID)
	require.Equal(t, "evt_1", got.Key)
	require.Equal(t, "invoice.paid", got.Type)
	require.True(t, got.Created.Equal(time.Unix(1_600_000_000, 250e6)))
	require.Equal(t, testNow, got.AsOf)
	require.Equal(t, stripe.APIVersion, got.APIVersion)
	require.Equal(t, "acct_1", got.Account)
	require.True(t, got.Livemode)
	require.EqualValues(t, 5, got.Object.AmountPaid)
	require.Equal(t, map[string]string{"a": "b"}, got.Metadata())
	require.Equal(t, string(payload), string(got.Raw))
	require.Equal(t, "v1.invoice.paid", got.Thin.Type)
	require.Equal(t, "evt_1", got.Thin.SnapshotEvent)
	require.Equal(t, "in_1", second.Object.ID, "an object of its own")
	require.Equal(t, "in_1", second.Thin.RelatedObject.ID, "a notification of its own")

	require.Equal(t, []string{"GET /v1/invoices/in_1"}, srv.paths(), "one request for all handlers")
	require.Equal(t, "acct_1", srv.requests[0].Header.Get("Stripe-Context"))
	require.Empty(t, srv.requests[0].Header.Values("Stripe-Account"), "never both")
	res := seen.only(t)
	require.Equal(t, "v1.invoice.paid", res.EventType)
	require.Equal(t, "acct_1", res.Account)
	require.Equal(t, 2, res.Handlers)
	require.Empty(t, h.APIVersions(), "only snapshots are counted")
}

// A snapshot event says so.
func TestSnapshotSaysWhereItCameFrom(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, Config{})
	var got *Event[stripe.Invoice]
	On(h, InvoicePaid, func(_ context.Context, e *Event[stripe.Invoice]) error { got = e; return nil })
	require.NoError(t, h.Dispatch(t.Context(), invoicePaid("evt_1")))
	require.Nil(t, got.Thin)
	require.Equal(t, "evt_1", got.Key)
	require.Equal(t, got.Created, got.AsOf)
}

func TestContextOfAThinEvent(t *testing.T) {
	t.Parallel()
	for context, account := range map[string]string{
		"": "", "acct_1": "acct_1", "acct_platform/acct_2": "acct_2", "org_1/acct_3": "acct_3", "org_1": "",
	} {
		require.Equal(t, account, (&Notification{Context: context}).account(), context)
	}
}

// Both forms of one event run a Once handler once, whichever comes first, and the request is not made inside of a transaction.
func TestOnceCountsBothFormsOnce(t *testing.T) {
	t.Parallel()
	srv := &fakeStripe{answers: map[string]string{"/v1/invoices/in_1": `{"id":"in_1","object":"invoice"}`}}
	for name, payloads := range map[string][][]byte{
		"snapshot first": {invoicePaid("evt_1"), thinInvoicePaid("evt_1"), thinInvoicePaid("evt_1")},
		"thin first":     {thinInvoicePaid("evt_1"), invoicePaid("evt_1"), thinInvoicePaid("evt_1")},
	} {
		h := newTestHandler(t, Config{Client: srv.client()})
		runs := 0
		On(h, InvoicePaid, Once("a", newFakeStore(), func(_ context.Context, _ *fakeTx, e *Event[stripe.Invoice]) error {
			runs++
			require.Equal(t, "in_1", e.Object.ID)
			return nil
		}))
		for _, payload := range payloads {
			require.NoError(t, h.Dispatch(t.Context(), payload), name)
		}
		require.Equal(t, 1, runs, name)
	}
}

// waitingStore notes whether a transaction was open while Stripe was asked.
type waitingStore struct {
	*fakeStore
	srv   *fakeStripe
	asked []int // requests before each transaction
}

func (s *waitingStore) InTx(ctx context.Context, fn func(*fakeTx) error) error {
	before := len(s.srv.paths())
	err := s.fakeStore.InTx(ctx, fn)
	s.asked = append(s.asked, before, len(s.srv.paths()))
	return err
}

func TestNoTransactionWaitsForStripe(t *testing.T) {
	t.Parallel()
	srv := &fakeStripe{answers: map[string]string{"/v1/invoices/in_1": `{"id":"in_1","object":"invoice"}`}}
	h := newTestHandler(t, Config{Client: srv.client()})
	st := &waitingStore{fakeStore: newFakeStore(), srv: srv}
	On(h, InvoicePaid, Once("a", st, ignoreTx[stripe.Invoice]))
	require.NoError(t, h.Dispatch(t.Context(), thinInvoicePaid("evt_1")))
	require.Equal(t, []int{1, 1}, st.asked)
}

// Without a client, a thin event that a handler needs the object of is never acknowledged, and the log names the cure.
func TestThinWithoutAClient(t *testing.T) {
	t.Parallel()
	for name, register := range map[string]func(*Handler){
		"plain":    func(h *Handler) { On(h, InvoicePaid, ignore[stripe.Invoice]) },
		"once":     func(h *Handler) { On(h, InvoicePaid, Once("a", newFakeStore(), ignoreTx[stripe.Invoice])) },
		"fallback": func(h *Handler) { Fallback(h, ignore[json.RawMessage]) },
		"ref": func(h *Handler) {
			On(h, Type[Ref[stripe.Invoice]](InvoicePaid), func(ctx context.Context, e *Event[Ref[stripe.Invoice]]) error {
				_, err := e.Object.Get(ctx)
				return err
			})
		},
	} {
		var log logs
		var seen results
		h := newTestHandler(t, Config{Logger: slog.New(&log), Observe: seen.observe})
		register(h)
		require.Equal(t, http.StatusInternalServerError, serve(h, thinInvoicePaid("evt_1")).Code, name)
		require.ErrorIs(t, seen.only(t).Err, ErrNoClient, name)
		require.Len(t, log.records, 1, name)
		require.Contains(t, log.records[0], "ERROR", name)
		require.Contains(t, log.records[0], "set Config.Client", name)
		require.NoError(t, h.Dispatch(t.Context(), invoicePaid("evt_2")), name)
	}
}

// A Ref of a thin event costs no request until its object is asked for.
func TestRef(t *testing.T) {
	t.Parallel()
	srv := &fakeStripe{answers: map[string]string{"/v1/invoices/in_1": `{"id":"in_1","object":"invoice","amount_paid":7}`}}
	h := newTestHandler(t, Config{Client: srv.client()})
	var got *Event[Ref[stripe.Invoice]]
	On(h, Type[Ref[stripe.Invoice]](InvoicePaid), func(_ context.Context, e *Event[Ref[stripe.Invoice]]) error { got = e; return nil })

	require.NoError(t, h.Dispatch(t.Context(), thinInvoicePaid("evt_1")))
	require.Equal(t, "in_1", got.Object.ID())
	require.Empty(t, srv.paths())
	object, err := got.Object.Get(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 7, object.AmountPaid)
	require.Len(t, srv.paths(), 1)

	require.NoError(t, h.Dispatch(t.Context(), invoicePaid("evt_2")))
	require.Equal(t, "in_1", got.Object.ID())
	object, err = got.Object.Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, "in_1", object.ID)
	require.Len(t, srv.paths(), 1, "a snapshot has its object")

	require.NoError(t, h.Dispatch(t.Context(), webhooktest.ThinEvent{Type: "v1.invoice.paid"}.Payload()))
	require.Empty(t, got.Object.ID())
}

// An answer that is missing is an error that Stripe repeats, and quotes nothing.
func TestThinObjectCannotBeFetched(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 401, 403, 429, 500, 503} { // 0: 404, as nothing is there
		srv := &fakeStripe{status: status}
		var seen results
		h := newTestHandler(t, Config{Client: srv.client(), Observe: seen.observe})
		On(h, InvoicePaid, ignore[stripe.Invoice])
		require.Equal(t, http.StatusInternalServerError, serve(h, thinInvoicePaid("evt_1")).Code)
		err := seen.only(t).Err
		require.ErrorIs(t, err, ErrFetch)
		var se *stripe.Error
		require.ErrorAs(t, err, &se)
		if status == 0 {
			status = 404
		}
		require.Contains(t, err.Error(), fmt.Sprint("stripe answered ", status))
		require.NotContains(t, err.Error(), "jenny")
		require.NotContains(t, err.Error(), "sk_test")
	}
}

// Only the snapshot event can say how an object was that is deleted now.
func TestThinEventsThatOnlyTheSnapshotExplains(t *testing.T) {
	t.Parallel()
	product := webhooktest.Event{ID: "evt_1", Type: "product.deleted", APIVersion: "2020-08-27", Previous: map[string]string{"a": "b"},
		Object: map[string]string{"id": "prod_1", "object": "product"}}.Payload()
	alert := webhooktest.Event{ID: "evt_2", Type: "billing.alert.triggered", Object: map[string]string{"object": "billing.alert_triggered"}}.Payload()
	app := webhooktest.Event{ID: "evt_3", Type: "account.application.deauthorized", Object: map[string]string{"id": "ca_1", "object": "application"}}.Payload()
	srv := &fakeStripe{answers: map[string]string{
		"/v1/events/evt_1": string(product), "/v1/events/evt_2": string(alert), "/v1/events/evt_3": string(app),
	}}
	h := newTestHandler(t, Config{Client: srv.client()})
	var deleted *Event[stripe.Product]
	On(h, ProductDeleted, func(_ context.Context, e *Event[stripe.Product]) error { deleted = e; return nil })
	var triggered *Event[stripe.BillingAlertTriggered]
	On(h, BillingAlertTriggered, func(_ context.Context, e *Event[stripe.BillingAlertTriggered]) error { triggered = e; return nil })
	var gone *Event[stripe.Application]
	On(h, AccountApplicationDeauthorized, func(_ context.Context, e *Event[stripe.Application]) error { gone = e; return nil })

	require.NoError(t, h.Dispatch(t.Context(), webhooktest.ThinEvent{Type: "v1.product.deleted", Created: testNow, SnapshotEvent: "evt_1",
		Object: webhooktest.RelatedObject{ID: "prod_1", Type: "product", URL: "/v1/products/prod_1"}}.Payload()))
	require.Equal(t, "prod_1", deleted.Object.ID)
	require.Equal(t, "2020-08-27", deleted.APIVersion)
	require.JSONEq(t, `{"a":"b"}`, string(deleted.Previous))
	require.True(t, deleted.AsOf.Equal(testNow), "as of the event")

	require.NoError(t, h.Dispatch(t.Context(), webhooktest.ThinEvent{Type: "v1.billing.alert.triggered", SnapshotEvent: "evt_2",
		Object: webhooktest.RelatedObject{ID: "alrt_1", Type: "billing.alert", URL: "/v1/billing/alerts/alrt_1"}}.Payload()))
	require.Equal(t, "billing.alert_triggered", triggered.Object.Object)

	require.NoError(t, h.Dispatch(t.Context(), webhooktest.ThinEvent{Type: "v1.account.application.deauthorized", SnapshotEvent: "evt_3"}.Payload()))
	require.Equal(t, "ca_1", gone.Object.ID)
	require.Equal(t, []string{"GET /v1/products/prod_1", "GET /v1/events/evt_1", "GET /v1/events/evt_2", "GET /v1/events/evt_3"}, srv.paths())
}

// An object of which an account has one has no ID, and some events are about none.
func TestThinEventsWithoutAnID(t *testing.T) {
	t.Parallel()
	srv := &fakeStripe{answers: map[string]string{"/v1/balance": `{"object":"balance","livemode":true}`}}
	h := newTestHandler(t, Config{Client: srv.client()})
	var balance *Event[stripe.Balance]
	On(h, BalanceAvailable, func(_ context.Context, e *Event[stripe.Balance]) error { balance = e; return nil })
	require.NoError(t, h.Dispatch(t.Context(), webhooktest.ThinEvent{Type: "v1.balance.available",
		Object: webhooktest.RelatedObject{Type: "balance", URL: "/v1/balance"}}.Payload()))
	require.True(t, balance.Object.Livemode)

	var upcoming *Event[stripe.Invoice]
	noID := newTestHandler(t, Config{Client: srv.client()})
	On(noID, InvoiceUpcoming, func(_ context.Context, e *Event[stripe.Invoice]) error { upcoming = e; return nil })
	require.NoError(t, noID.Dispatch(t.Context(), webhooktest.ThinEvent{ID: "evt_1", Type: "v1.invoice.upcoming"}.Payload()))
	require.Empty(t, upcoming.Object.ID)
	require.Nil(t, upcoming.RawObject)
	require.Equal(t, "evt_1", upcoming.Key)
	require.Len(t, srv.paths(), 1)
}

// The payload decides nothing about where a request goes, and another object than the type's is no object.
func TestThinEventThatLeadsElsewhere(t *testing.T) {
	t.Parallel()
	srv := &fakeStripe{answers: map[string]string{"/v1/invoices/in_1": `{"id":"cs_1","object":"checkout.session"}`}}
	h := newTestHandler(t, Config{Client: srv.client()})
	On(h, InvoicePaid, ignore[stripe.Invoice])
	require.ErrorIs(t, h.Dispatch(t.Context(), thinInvoicePaid("evt_1")), ErrWrongObject)
	for _, url := range []string{"https://evil.example/v1/x", "@evil.example/v1/", "/v2/core/events", "/v1/../v2/x", "/v1//x", "/v1/x y", "/v1/x\n", "v1/x"} {
		err := h.Dispatch(t.Context(), webhooktest.ThinEvent{Type: "v1.invoice.paid",
			Object: webhooktest.RelatedObject{Type: "invoice", URL: url}}.Payload())
		require.ErrorIs(t, err, ErrFetch, url)
	}
	require.Len(t, srv.paths(), 1)
}

// On comes before OnNotification, and that before Fallback, which gets no thin events about v2 objects.
func TestWhoGetsAThinEvent(t *testing.T) {
	t.Parallel()
	srv := &fakeStripe{answers: map[string]string{"/v1/invoices/in_1": `{"object":"invoice"}`}}
	const v2 = `{"id":"evt_9","object":"v2.core.event","type":"v2.core.event_destination.ping","created":"2026-10-01T09:00:00.000Z"}`
	var got []string
	register := map[string]func(*Handler){
		"on": func(h *Handler) {
			On(h, InvoicePaid, func(context.Context, *Event[stripe.Invoice]) error { got = append(got, "on"); return nil })
		},
		"notify": func(h *Handler) {
			h.OnNotification(func(context.Context, *Notification) error { got = append(got, "notify"); return nil })
		},
		"fallback": func(h *Handler) {
			Fallback(h, func(context.Context, *Event[json.RawMessage]) error { got = append(got, "fallback"); return nil })
		},
	}
	for _, c := range []struct{ registered, v1, v2 string }{
		{"on notify fallback", "on", "notify"}, {"notify fallback", "notify", "notify"}, {"fallback", "fallback", ""}, {"", "", ""},
		{"on fallback", "on", ""},
	} {
		h := newTestHandler(t, Config{Client: srv.client()})
		for _, name := range strings.Fields(c.registered) {
			register[name](h)
		}
		got = nil
		require.NoError(t, h.Dispatch(t.Context(), thinInvoicePaid("evt_1")))
		require.Equal(t, c.v1, strings.Join(got, " "), c.registered)
		got = nil
		require.NoError(t, h.Dispatch(t.Context(), []byte(v2)))
		require.Equal(t, c.v2, strings.Join(got, " "), c.registered)
	}
}

// Events that are only thin have handlers, too.
func TestThinOnlyTypes(t *testing.T) {
	t.Parallel()
	srv := &fakeStripe{answers: map[string]string{"/v1/subscriptions/sub_1": `{"id":"sub_1","object":"subscription"}`}}
	h := newTestHandler(t, Config{Client: srv.client()})
	var got *Event[stripe.Subscription]
	On(h, V1CustomerSubscriptionPastDue, func(_ context.Context, e *Event[stripe.Subscription]) error { got = e; return nil })
	require.NoError(t, h.Dispatch(t.Context(), webhooktest.ThinEvent{ID: "evt_1", Type: "v1.customer.subscription.past_due",
		Object: webhooktest.RelatedObject{ID: "sub_1", Type: "subscription", URL: "/v1/subscriptions/sub_1"}}.Payload()))
	require.Equal(t, "sub_1", got.Object.ID)
	require.Equal(t, "v1.customer.subscription.past_due", got.Type)
	require.Equal(t, "evt_1", got.Key)
	require.Empty(t, h.Types())
	require.Equal(t, []string{"v1.customer.subscription.past_due"}, h.ThinTypes())
}

func TestTypesOfBothForms(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, Config{})
	On(h, InvoicePaid, ignore[stripe.Invoice])
	On(h, TreasuryReceivedDebitCreated, ignore[stripe.TreasuryReceivedDebit])
	On(h, Type[Ref[stripe.Price]](V1PriceActivated), ignore[Ref[stripe.Price]])
	require.Equal(t, []string{"invoice.paid", "treasury.received_debit.created"}, h.Types())
	require.Equal(t, []string{"v1.invoice.paid", "v1.price.activated"}, h.ThinTypes(), "treasury.* have no thin form")
}

func TestOnRefusesThinMistakes(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, Config{})
	require.PanicsWithValue(t, `webhook: "v1.invoice.paid" is the thin form of "invoice.paid": register the handler for "invoice.paid", and it gets both`,
		func() { On(h, Type[stripe.Invoice]("v1.invoice.paid"), ignore[stripe.Invoice]) })
	require.PanicsWithValue(t, `webhook: events of type "v1.price.activated" are only thin: set Config.Client, so that their objects can be fetched`,
		func() { On(h, V1PriceActivated, ignore[stripe.Price]) })
	require.PanicsWithValue(t, `webhook: events of type "v2.core.account.updated" are about v2 objects: use OnNotification`,
		func() { On(h, Type[stripe.Account]("v2.core.account.updated"), ignore[stripe.Account]) })
	require.PanicsWithValue(t, `webhook: events of type "invoice.paid" carry Invoice, not stripe.Charge`,
		func() { On(h, Type[Ref[stripe.Charge]](InvoicePaid), ignore[Ref[stripe.Charge]]) })
}

// BenchmarkThin is a delivery whose handler needs the ID alone.
func BenchmarkThin(b *testing.B) {
	h := newTestHandler(b, Config{})
	On(h, Type[Ref[stripe.Invoice]](InvoicePaid), ignore[Ref[stripe.Invoice]])
	r := newReplay(thinInvoicePaid("evt_1"))
	b.ReportAllocs()
	for b.Loop() {
		r.serve(h)
	}
	require.Equal(b, http.StatusOK, r.code)
}

func TestUnhandledThinEventsAllocateNothing(t *testing.T) {
	h := newTestHandler(t, Config{})
	r := newReplay(thinInvoicePaid("evt_1"))
	allocs := testing.AllocsPerRun(100, func() { r.serve(h) })
	require.Equal(t, http.StatusOK, r.code)
	if !raceEnabled {
		require.Zero(t, allocs)
	}
}
