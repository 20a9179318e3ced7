package checkout_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
)

// An order is not short because another of its attempts holds the stock.
func TestNotShortByItsOwnHold(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	old := s.beginUnrecorded(cartOf("order-1", "last"))
	s.begin(cartOf("order-1", "last"))
	s.pay(old)
	s.sweep()
	require.Empty(t, s.order("order-1").Shortfall, "the order itself holds the last one")
	s.requireStatus("order-1", checkout.Fulfilled)
}

// A paid order has the metadata of the cart that was paid.
func TestMetadataIsThatOfThePaidCart(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a := cartOf("order-1", "tee")
	a.Metadata = map[string]string{"slot": "monday"}
	first := s.begin(a)
	s.loseWebhooks()
	s.pay(first.SessionID)
	b := cartOf("order-1", "tee")
	b.Metadata = map[string]string{"slot": "tuesday"}
	_, err := s.flow.Begin(t.Context(), b)
	require.ErrorIs(t, err, checkout.ErrAlreadyPaid)
	require.Equal(t, "monday", s.order("order-1").Metadata["slot"])
}

// A payment that does not agree sells no stock.
func TestMismatchSellsNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	old := s.beginUnrecorded(cartOf("order-1", "tee"))
	second := s.begin(cartOf("order-1", "tee"))
	meta := s.stripeSession(old).Metadata
	require.NoError(t, s.dispatch("checkout.session.completed", map[string]any{
		"id": old, "object": "checkout.session", "status": "complete", "payment_status": "no_payment_required", "mode": "setup", "metadata": meta,
	}))
	s.pay(second.SessionID)
	s.requireStatus("order-1", checkout.Fulfilled)
	s.requireStock("tee", 4, 0, 1)
}

// Money is recorded though the Reserver was taken out of the configuration.
func TestReserverTakenOut(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	started := s.begin(cartOf("order-1", "last"))
	_, hook := s.untracked()
	s.srv.Deliver(hook)
	s.pay(started.SessionID)
	require.Equal(t, store.Paid, s.order("order-1").Status(), "payment first")
}

// What a product is called says nothing of what its price may come to.
func TestNameIsNoParameter(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := cartOf("order-1", "last")
	c.Lines[0].Name = "Book: optional_items explained"
	s.begin(c)
	require.False(t, s.order("order-1").Attempts[0].Quote.Variable)
}

// An order whose money is on its way has no session left that can be paid.
func TestProcessingOrderEndsItsOtherSessions(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	old := s.beginUnrecorded(cartOf("order-1", "tee"))
	started := s.begin(cartOf("order-1", "tee"))
	require.NoError(t, s.srv.Pay(old, checkouttest.BankDebit))
	s.requireStatus("order-1", "processing")
	s.srv.Advance(10 * time.Minute)
	s.sweep()
	require.Equal(t, "expired", s.stripeStatus(started.SessionID))
}

// A session that Stripe does not know a day after its end counts as expired.
func TestSessionThatStripeForgot(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.begin(cartOf("order-1", "last"))
	s.loseWebhooks()
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if isCreate(r) {
			return send()
		}
		return answer(r, 404, `{"error":{"type":"invalid_request_error","code":"resource_missing","param":"session"}}`), nil
	})
	for range 60 {
		s.srv.Advance(12 * time.Hour)
		s.sweep()
	}
	s.requireStock("last", 1, 0, 0)
}

// While Stripe refuses to answer it is asked less and less often.
func TestAskingBacksOff(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := cartOf("order-1", "last")
	c.HoldFor = 15 * time.Minute
	session := "/v1/checkout/sessions/" + s.begin(c).SessionID
	s.loseWebhooks()
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		return answer(r, 401, `{"error":{"type":"invalid_request_error"}}`), nil
	})
	for range 24 * 60 {
		s.srv.Advance(time.Minute)
		s.sweep()
	}
	require.Less(t, s.wire.count("GET "+session)+s.wire.count("POST "+session+"/expire"), 100)
}

// An answer that can not be read is not quoted: it holds personal data.
func TestUnreadableAnswerIsNotQuoted(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	started := s.begin(cartOf("order-1", "tee"))
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if isCreate(r) || isExpire(r) {
			return send()
		}
		return answer(r, 200, `{"id":"cs_1","client_secret":"cs_secret_xyz","customer_details":{"email":"private@shop.example"},"broken`), nil
	})
	_, err := s.flow.Settle(t.Context(), started.SessionID)
	require.Error(t, err)
	s.srv.Advance(3 * time.Second)
	s.status(started.SessionID)
	require.NotContains(t, err.Error(), "private@shop.example")
	require.NotContains(t, s.log.String(), "private@shop.example")
}

// HEAD knows sessions only, as GET does.
func TestHeadOfAPaymentIntent(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	started := s.begin(cartOf("order-1", "tee"))
	s.pay(started.SessionID)
	pi := s.order("order-1").Attempts[0].PaymentIntent
	code := func(method string) int {
		w := httptest.NewRecorder()
		s.flow.StatusHandler().ServeHTTP(w, httptest.NewRequest(method, "/?session_id="+pi, nil))
		return w.Code
	}
	require.Equal(t, code(http.MethodGet), code(http.MethodHead))
}

// A subscription by debit that bounced, its webhook lost: its session has no payment intent, and the subscription tells.
func TestSubscriptionDebitBouncesUnheard(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.loseWebhooks()
	c := cartOf("order-1", "last")
	c.Mode = checkout.ModeSubscription
	c.Lines[0].Recurring.Interval = checkout.IntervalMonth
	session := s.begin(c).SessionID
	require.NoError(t, s.srv.Pay(session, checkouttest.BankDebit))
	s.sweep()
	require.NoError(t, s.srv.Bounce(session))
	for range 20 {
		s.srv.Advance(12 * time.Hour)
		s.sweep()
	}
	s.requireStatus("order-1", "failed")
	s.requireStock("last", 1, 0, 0)
}

// A customer may buy by the recovery link of an expired session. The copy that the link leads to is the order's, as no stock
// is tracked.
func TestRecoveredCopy(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	session := cartOf("order-1", "")
	session.Params = func(p *stripe.CheckoutSessionCreateParams) {
		p.AfterExpiration = &stripe.CheckoutSessionCreateAfterExpirationParams{
			Recovery: &stripe.CheckoutSessionCreateAfterExpirationRecoveryParams{Enabled: stripe.Bool(true)},
		}
	}
	id := s.begin(session).SessionID
	s.srv.Advance(25 * time.Hour)
	s.requireStatus("order-1", "expired")
	recovered, err := s.srv.Recover(id)
	require.NoError(t, err)
	s.pay(recovered)
	o := s.order("order-1")
	require.True(t, o.Paid())
	require.Empty(t, o.Parked)
	require.NotContains(t, s.kinds(), checkout.ChangeMismatch)
	s.requireStatus("order-1", checkout.Fulfilled)
}
