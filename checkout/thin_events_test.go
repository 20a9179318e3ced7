package checkout_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

// newShopGetting is a shop that gets its events in another form.
func newShopGetting(t *testing.T, form checkouttest.Payloads) *testShop {
	t.Helper()
	s := newShop(t)
	s.srv.Deliver(s.hook, form)
	return s
}

// hearThin hands a thin event of an object to the shop as if it were signed.
func (s *testShop) hearThin(eventType, id, kind, path string) error {
	s.t.Helper()
	return s.hook.Dispatch(s.t.Context(), webhooktest.ThinEvent{
		ID: "evt_thin_" + eventType, Type: "v1." + eventType, Created: s.srv.Now(),
		Object: webhooktest.RelatedObject{ID: id, Type: kind, URL: path + id},
	}.Payload())
}

// hearSession is hearThin for a session.
func (s *testShop) hearSession(eventType, id string) error {
	s.t.Helper()
	return s.hearThin(eventType, id, "checkout.session", "/v1/checkout/sessions/")
}

// Every form of events leads to the same orders, by as many requests to Stripe as are written here, the creation of the session
// included.
func TestRequestsPerOrder(t *testing.T) {
	t.Parallel()
	forms := map[string]checkouttest.Payloads{"snapshot": checkouttest.Snapshot, "thin": checkouttest.Thin, "both": checkouttest.Both}
	for _, c := range []struct {
		name     string
		happens  func(s *testShop, id string)
		ends     checkout.DisplayStatus
		told     []checkout.ChangeKind
		requests map[string]int
	}{
		{"card", func(s *testShop, id string) { s.pay(id) }, checkout.Fulfilled, nil, map[string]int{"snapshot": 1, "thin": 2, "both": 1}},
		{"debit", func(s *testShop, id string) {
			require.NoError(s.t, s.srv.Pay(id, checkouttest.BankDebit))
			require.NoError(s.t, s.srv.Settle(id))
		}, checkout.Fulfilled, []checkout.ChangeKind{checkout.ChangeProcessing}, map[string]int{"snapshot": 2, "thin": 3, "both": 2}},
		{"expired", func(s *testShop, id string) { s.srv.Advance(25 * time.Hour) }, "expired", []checkout.ChangeKind{checkout.ChangeExpired},
			map[string]int{"snapshot": 1, "thin": 2, "both": 1}},
		{"refunded", func(s *testShop, id string) { s.pay(id); s.refund(id, 0) }, "refunded", []checkout.ChangeKind{checkout.ChangeRefunded},
			map[string]int{"snapshot": 3, "thin": 4, "both": 6}},
		{"disputed", func(s *testShop, id string) { s.pay(id); s.disputePayment(id) }, "disputed", []checkout.ChangeKind{checkout.ChangeDisputed},
			map[string]int{"snapshot": 2, "thin": 4, "both": 4}},
	} {
		for name, form := range forms {
			t.Run(c.name+" "+name, func(t *testing.T) {
				t.Parallel()
				s := newShopGetting(t, form)
				c.happens(s, s.begin(cartOf("order-1", "tee")).SessionID)
				s.requireStatus("order-1", c.ends)
				require.Equal(t, c.told, s.kinds())
				require.LessOrEqual(t, s.shipments("order-1"), 1)
				require.Len(t, s.wire.calls, c.requests[name])
			})
		}
	}
}

// A shop whose only destination is thin sells on a connected account, too.
func TestThinOnAConnectedAccount(t *testing.T) {
	t.Parallel()
	s := newShopGetting(t, checkouttest.Thin)
	s.pay(s.beginOn("acct_1", "order-1"))
	s.requireStatus("order-1", checkout.Fulfilled)
}

// Thin events of one object that come together share an answer, and those that bring no news cost none.
func TestBurstOfThinEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const burst = 20
		s := newShop(t)
		s.loseWebhooks()
		id := s.begin(cartOf("order-1", "tee")).SessionID
		s.pay(id)
		refund := s.refund(id, 500)
		release := make(chan struct{})
		s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			if strings.HasPrefix(r.URL.Path, "/v1/refunds/") {
				<-release
			}
			return send()
		})
		for range 3 {
			require.NoError(t, s.hearSession(completed, id))
		}
		require.Equal(t, 1, s.wire.count("GET /v1/checkout/sessions/"+id), "no news the second time")

		errs := make(chan error, burst)
		for i := range burst {
			go func() { errs <- s.hearThin("refund.updated", refund, "refund", "/v1/refunds/") }()
			if i == 0 {
				synctest.Wait() // the first asks before the others come
			}
		}
		synctest.Wait() // the others wait for it
		close(release)
		for range burst {
			require.NoError(t, <-errs)
		}
		require.Equal(t, 2, s.wire.count("GET /v1/refunds/"+refund), "the first, and one for all that came while it was on its way")
		s.requireStatus("order-1", "partially_refunded")
	})
}

// Stripe does not answer, or does not know the object yet: the event is not acknowledged, and comes again.
func TestThinEventThatStripeDoesNotExplain(t *testing.T) {
	t.Parallel()
	for _, status := range []int{404, 429, 500, 403} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			s := newShopGetting(t, checkouttest.Thin)
			id := s.begin(cartOf("order-1", "tee")).SessionID
			s.wire.on(func(r *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
				return answer(r, status, `{"error":{"type":"api_error","message":"jenny@shop.example"}}`), nil
			})
			s.pay(id)
			s.requireStatus("order-1", "open")
			for _, object := range []struct{ eventType, id, kind, path string }{
				{completed, id, "checkout.session", "/v1/checkout/sessions/"}, {completed, "cs_other", "checkout.session", "/v1/checkout/sessions/"},
				{"refund.created", "re_1", "refund", "/v1/refunds/"}, {"charge.dispute.created", "dp_1", "dispute", "/v1/disputes/"},
				{chargeBack, "ch_1", "charge", "/v1/charges/"}, {"review.opened", "prv_1", "review", "/v1/reviews/"},
				{"radar.early_fraud_warning.created", "issfr_1", "radar.early_fraud_warning", "/v1/radar/early_fraud_warnings/"},
			} {
				err := s.hearThin(object.eventType, object.id, object.kind, object.path)
				require.ErrorContains(t, err, fmt.Sprint("stripe answered ", status), object.eventType)
				require.NotContains(t, err.Error(), "jenny")
			}
			s.wire.on(nil)
			s.srv.Advance(10 * time.Minute)
			s.requireStatus("order-1", checkout.Fulfilled)
		})
	}
}

// An answer that is older than the event that it was asked for changes nothing, and the event comes again.
func TestAnswerOlderThanItsEvent(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.loseWebhooks()
	id := s.begin(cartOf("order-1", "tee")).SessionID
	for _, eventType := range []string{completed, succeeded, "checkout.session.async_payment_failed", "checkout.session.expired"} {
		require.ErrorContains(t, s.hearSession(eventType, id), "older than the event", eventType)
	}
	s.requireStatus("order-1", "open")
	s.pay(id)
	require.NoError(t, s.hearSession(completed, id))
	s.requireStatus("order-1", checkout.Fulfilled)
}

// Later knowledge of a session stands, whichever is heard first.
func TestLaterKnowledgeStands(t *testing.T) {
	t.Parallel()
	s := newShopGetting(t, checkouttest.Thin)
	id := s.begin(cartOf("order-1", "tee")).SessionID
	events := s.recordEvents()
	s.pay(id)
	s.srv.Advance(time.Minute)
	require.NoError(t, s.hearSession(completed, id))
	email := s.order("order-1").Customer.Email
	require.NotEmpty(t, email)

	var snapshot []byte
	for _, e := range *events {
		if e.eventType == completed {
			snapshot = e.payload
		}
	}
	older := strings.ReplaceAll(string(snapshot), email, "old@shop.example")
	require.NotEqual(t, older, string(snapshot))
	intent := s.order("order-1").Attempts[0].PaymentIntent
	older = strings.ReplaceAll(older, intent, "pi_old")
	require.NoError(t, s.hook.Dispatch(t.Context(), []byte(older)))
	require.Equal(t, email, s.order("order-1").Customer.Email)
	require.Equal(t, intent, s.order("order-1").Attempts[0].PaymentIntent)
}

// A session of another application costs one request and changes nothing.
func TestThinEventOfAnotherApplication(t *testing.T) {
	t.Parallel()
	s := newShopGetting(t, checkouttest.Thin)
	params, err := cartOf("order-1", "tee").CreateParams(s.srv.Now())
	require.NoError(t, err)
	session, err := s.srv.Client().V1CheckoutSessions.Create(t.Context(), params)
	require.NoError(t, err)
	s.pay(session.ID)
	require.Equal(t, []string{"GET /v1/checkout/sessions/" + session.ID}, s.wire.calls)
	require.Equal(t, int64(1), s.flow.ForeignSessions())
	for _, e := range s.sentThin() {
		require.Equal(t, http.StatusOK, e.Attempts[0].Status, e.Type)
	}
}

// Reviews and early fraud warnings are asked for, as only they name their payment.
func TestThinReviewsAndWarnings(t *testing.T) {
	t.Parallel()
	s := newShopGetting(t, checkouttest.Thin)
	id := s.begin(cartOf("order-1", "tee")).SessionID
	s.pay(id)
	a := s.order("order-1").Attempts[0]
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		switch r.URL.Path {
		case "/v1/reviews/prv_1":
			return answer(r, http.StatusOK, fmt.Sprintf(`{"id":"prv_1","object":"review","payment_intent":%q,"closed_reason":"approved"}`, a.PaymentIntent)), nil
		case "/v1/radar/early_fraud_warnings/issfr_1":
			return answer(r, http.StatusOK, fmt.Sprintf(`{"id":"issfr_1","object":"radar.early_fraud_warning","charge":%q}`, a.Charge)), nil
		}
		return send()
	})
	require.NoError(t, s.hearThin("review.opened", "prv_1", "review", "/v1/reviews/"))
	require.NoError(t, s.hearThin("review.closed", "prv_1", "review", "/v1/reviews/"))
	require.NoError(t, s.hearThin("radar.early_fraud_warning.created", "issfr_1", "radar.early_fraud_warning", "/v1/radar/early_fraud_warnings/"))
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeReviewOpened, checkout.ChangeReviewClosed, checkout.ChangeFraudWarning}, s.kinds())
	require.Equal(t, "prv_1 approved", s.changes[1].Detail)
}

// A thin event that names no object is an error.
func TestThinEventWithoutAnObject(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	err := s.hook.Dispatch(t.Context(), webhooktest.ThinEvent{ID: "evt_1", Type: "v1." + completed}.Payload())
	require.ErrorContains(t, err, "thin event evt_1 names no object")
}

// Stripe does not list thin events that were never received. A shop that gets no snapshot events finds them all the same, within
// minutes; the merchant's own handlers, which may have received them, do not run again.
func TestThinEventsThatWereNotReceived(t *testing.T) {
	t.Parallel()
	s := newShopGetting(t, checkouttest.Thin)
	handled := 0
	webhook.On(s.hook, webhook.CheckoutSessionCompleted, func(context.Context, *webhook.Event[stripe.CheckoutSession]) error {
		handled++
		return nil
	})
	s.pay(s.begin(cartOf("received", "tee")).SessionID)
	require.Equal(t, 1, handled)
	s.srv.Deliver(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }), checkouttest.Thin)
	s.pay(s.begin(cartOf("lost", "tee")).SessionID)
	s.requireStatus("lost", "open")
	before := len(s.wire.calls)
	for range 10 { // five minutes
		s.srv.Advance(30 * time.Second)
		s.sweep()
	}
	s.requireStatus("lost", checkout.Fulfilled)
	require.Equal(t, 1, handled)
	require.LessOrEqual(t, len(s.wire.calls)-before, 30, "%v", s.wire.calls[before:])
}

// A shop that gets snapshot events makes no requests for events that it received.
func TestNoReadingForSnapshotShops(t *testing.T) {
	t.Parallel()
	s := newShopGetting(t, checkouttest.Snapshot)
	all := 0
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.URL.Path == "/v1/events" && r.URL.Query().Get("delivery_success") == "" && r.URL.Query().Get("limit") != "1" {
			all++
		}
		return send()
	})
	s.setStock("tee", 100)
	for i := range 20 {
		s.pay(s.begin(cartOf(fmt.Sprint("order-", i), "tee")).SessionID)
		s.sweep()
		s.srv.Advance(30 * time.Minute)
	}
	require.Zero(t, all)
	s.srv.Advance(2 * time.Hour)
	s.sweep()
	require.Positive(t, all, "after an hour without any")
}

// Between two snapshot events lay a quiet time, in which the shop had no endpoint and did not sweep. The later event says nothing
// of what happened meanwhile.
func TestQuietTimeBetweenSnapshots(t *testing.T) {
	t.Parallel()
	s := newShopGetting(t, checkouttest.Snapshot)
	s.setStock("tee", 100)
	sub := s.subscribe("club")
	s.sweep()

	s.loseWebhooks()
	_, err := s.srv.Client().V1Subscriptions.Update(t.Context(), sub.ID, &stripe.SubscriptionUpdateParams{
		Items: []*stripe.SubscriptionUpdateItemParams{{ID: &sub.Items[0].ID, Quantity: stripe.Int64(3)}},
	})
	require.NoError(t, err)
	s.srv.Advance(3 * time.Hour)
	s.srv.Deliver(s.hook, checkouttest.Snapshot)
	s.pay(s.begin(cartOf("next", "tee")).SessionID)
	s.requireStatus("next", checkout.Fulfilled)
	for range 3 {
		s.srv.Advance(10 * time.Minute)
		s.sweep()
	}
	require.EqualValues(t, 3, s.order("club").Subscription().Items[0].Quantity)
}

// sentThin are the thin events that the shop got.
func (s *testShop) sentThin() (sent []checkouttest.Event) {
	for _, e := range s.srv.ThinEvents() {
		if len(e.Attempts) > 0 {
			sent = append(sent, e)
		}
	}
	return sent
}

// The answer to one thin event is overtaken by the answer to a later one, of which another process heard.
func TestThinAnswerThatIsOvertaken(t *testing.T) {
	t.Parallel()
	s := newShopGetting(t, checkouttest.Thin)
	_, other := s.process()
	id := s.begin(cartOf("order-1", "tee")).SessionID
	s.pay(id)
	s.loseWebhooks()
	refund := s.refund(id, 500)
	var overtaken atomic.Bool
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		response, err := send()
		if r.URL.Path == "/v1/refunds/"+refund && !overtaken.Swap(true) {
			require.NoError(t, s.srv.FailRefund(refund))
			require.NoError(t, other.Dispatch(t.Context(), webhooktest.ThinEvent{ID: "evt_2", Type: "v1.refund.failed",
				Object: webhooktest.RelatedObject{ID: refund, Type: "refund", URL: "/v1/refunds/" + refund}}.Payload()))
		}
		return response, err
	})
	require.NoError(t, s.hearThin("refund.created", refund, "refund", "/v1/refunds/"))
	require.Equal(t, store.RefundFailed, s.order("order-1").Refunds[0].State)
	s.requireStatus("order-1", checkout.Fulfilled)
}

// An endpoint for connected accounts gets the test events of live accounts, too. Sending them again would not help.
func TestThinEventOfTheOtherMode(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.begin(cartOf("order-1", "tee")) // in test mode
	for livemode, acknowledged := range map[bool]bool{true: true, false: false} {
		err := s.hook.Dispatch(t.Context(), fmt.Appendf(nil, `{"id":"evt_1","object":"v2.core.event","type":"v1.refund.created",`+
			`"created":"2026-03-02T09:00:00.000Z","livemode":%t,"context":"acct_9",`+
			`"related_object":{"id":"re_1","type":"refund","url":"/v1/refunds/re_1"}}`, livemode))
		require.Equal(t, acknowledged, err == nil, "live: %t: %v", livemode, err)
	}
}
