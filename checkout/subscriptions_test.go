package checkout_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
)

// clubOf is a session for a monthly subscription of 9.00 EUR.
func clubOf(orderID string) checkout.Session {
	return checkout.Session{
		OrderID: orderID, Mode: checkout.ModeSubscription, SuccessURL: "https://shop.example/thanks", CancelURL: "https://shop.example/cart",
		Lines: []checkout.Line{{
			Name: "Tea club", UnitAmount: checkout.MustAmount("9", "eur"), Quantity: 1, Recurring: checkout.Recurring{Interval: checkout.IntervalMonth},
		}},
		Metadata: map[string]string{"user": "user-" + orderID},
	}
}

// subscribe begins a subscription and pays it by card.
func (s *testShop) subscribe(orderID string) *store.Subscription {
	s.t.Helper()
	s.pay(s.begin(clubOf(orderID)).SessionID)
	return s.order(orderID).Subscription()
}

// months lets virtual months and a day pass, with a sweep every six hours.
func (s *testShop) months(n int) {
	s.t.Helper()
	for range n*31*4 + 4 {
		s.srv.Advance(6 * time.Hour)
		s.sweep()
	}
}

// subscriptionKinds are the changes told so far, in their order, without those of statuses.
func (s *testShop) subscriptionKinds() []checkout.ChangeKind {
	return slices.DeleteFunc(s.kinds(), func(k checkout.ChangeKind) bool {
		return k == checkout.ChangeProcessing || k == checkout.ChangeSubscriptionStatus
	})
}

// A subscription is fulfilled once, and its facts are those of Stripe: the period, the items, and the first invoice with its
// payment.
func TestSubscriptionBegins(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	sub := s.subscribe("club")
	o := s.order("club")
	s.requireStatus("club", checkout.Fulfilled)
	require.Equal(t, 1, s.shipments("club"))
	require.Equal(t, store.SubscriptionActive, sub.Status)
	require.Equal(t, testStart, sub.PeriodStart)
	require.Equal(t, testStart.AddDate(0, 1, 0), sub.PeriodEnd)
	require.Len(t, sub.Items, 1)
	require.EqualValues(t, 1, sub.Items[0].Quantity)
	require.NotEmpty(t, sub.Items[0].Price)
	require.Len(t, o.Invoices, 1)
	inv := o.Invoices[0]
	require.True(t, inv.First())
	require.Equal(t, store.InvoicePaid, inv.State)
	require.EqualValues(t, 900, inv.Paid)
	require.Equal(t, sub.PeriodEnd, inv.PeriodEnd)
	require.Equal(t, []string{o.Attempts[0].PaymentIntent}, inv.PaymentIntents)
	for _, ref := range []string{sub.ID, inv.ID, o.Attempts[0].PaymentIntent} {
		found, err := s.st.FindRef(t.Context(), ref)
		require.NoError(t, err)
		require.Equal(t, "club", found.ID)
	}
	require.Empty(t, s.kinds())
}

// dropWebhooks has somebody else receive events, and answer as if all were well, so that Stripe counts them as delivered.
func (s *testShop) dropWebhooks() {
	s.srv.Deliver(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
}

// fates are what can become of webhooks.
var fates = map[string]func(s *testShop){
	"heard": func(*testShop) {}, "lost": (*testShop).loseWebhooks, "dropped": (*testShop).dropWebhooks,
}

// Each renewal is told once, with the end of what is paid for, whether webhooks come or a sweep has to ask.
func TestSubscriptionRenews(t *testing.T) {
	t.Parallel()
	for heard, fate := range fates {
		s := newShop(t)
		s.subscribe("club")
		fate(s)
		for n := range 3 {
			s.srv.Advance(testStart.AddDate(0, n+1, -1).Sub(s.srv.Now()))
			s.elapse(2 * day)
		}
		require.Equal(t, []checkout.ChangeKind{checkout.ChangeRenewed, checkout.ChangeRenewed, checkout.ChangeRenewed}, s.kinds(), heard)
		keys := map[string]bool{}
		for n, c := range s.changes {
			require.Less(t, c.At.Sub(testStart.AddDate(0, n+1, 0)), 2*time.Hour, heard)
			require.Equal(t, testStart.AddDate(0, n+2, 0), c.When)
			require.NotEmpty(t, c.Invoice)
			keys[c.Key] = true
		}
		require.Len(t, keys, 3)
		require.Len(t, s.order("club").Invoices, 4)
		require.Equal(t, 1, s.fulfilRuns())
	}
}

// With every webhook lost from the beginning, sweeping alone finds the payment, the renewals, the failed card, and the end.
func TestSubscriptionWithEveryWebhookLost(t *testing.T) {
	t.Parallel()
	for _, fate := range []string{"lost", "dropped"} {
		t.Run(fate, func(t *testing.T) {
			t.Parallel()
			testEveryWebhookOfASubscriptionLost(t, fate)
		})
	}
}

func testEveryWebhookOfASubscriptionLost(t *testing.T, fate string) {
	s := newShop(t)
	fates[fate](s)
	s.pay(s.begin(clubOf("club")).SessionID)
	s.months(1)
	sub := s.order("club").Subscription()
	require.Equal(t, 1, s.shipments("club"))
	require.NoError(t, s.srv.ReplaceMethod(sub.ID, checkouttest.CardDeclined))
	s.srv.Advance(testStart.AddDate(0, 2, -1).Sub(s.srv.Now()))
	s.elapse(18 * day)
	require.Equal(t, store.SubscriptionCanceled, s.order("club").Subscription().Status)
	kinds := s.subscriptionKinds()
	require.Equal(t, checkout.ChangeRenewed, kinds[0])
	require.Equal(t, checkout.ChangePaymentFailed, kinds[1])
	require.Equal(t, checkout.ChangeEnded, kinds[len(kinds)-1])
	tries, next := 0, time.Time{}
	for _, c := range s.changes {
		if c.Kind != checkout.ChangePaymentFailed {
			continue
		}
		tries++
		require.Equal(t, tries, c.Try)
		require.True(t, next.IsZero() || c.At.Sub(next) < time.Hour, "try %d is told late", c.Try)
		next = c.When
	}
	require.Equal(t, 4, tries)
	require.True(t, s.order("club").DueAt.IsZero(), "nothing is left to do")
}

// A failed renewal that recovers is told, and renews.
func TestSubscriptionRecovers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	sub := s.subscribe("club")
	require.NoError(t, s.srv.ReplaceMethod(sub.ID, checkouttest.CardDeclined))
	s.srv.Advance(32 * 24 * time.Hour)
	o := s.order("club")
	require.Equal(t, store.SubscriptionPastDue, o.Subscription().Status)
	require.Equal(t, []checkout.ChangeKind{checkout.ChangePaymentFailed, checkout.ChangeSubscriptionStatus}, s.kinds())
	require.Equal(t, "active -> past_due", s.changes[1].Detail)
	require.Equal(t, 1, s.changes[0].Try)
	require.WithinDuration(t, testStart.AddDate(0, 1, 3), s.changes[0].When, 2*time.Hour)
	require.NoError(t, s.srv.ReplaceMethod(sub.ID, checkouttest.CardOK))
	s.srv.Advance(4 * 24 * time.Hour)
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeRenewed, checkout.ChangeSubscriptionStatus}, s.kinds()[2:])
	require.Equal(t, "past_due -> active", s.changes[3].Detail)
	require.Equal(t, store.SubscriptionActive, s.order("club").Subscription().Status)
}

// A cancellation is told when it is scheduled, withdrawn, and carried out.
func TestSubscriptionIsCanceled(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	sub := s.subscribe("club")
	s.endWithPeriod(sub.ID, true)
	require.Equal(t, sub.PeriodEnd, s.order("club").Subscription().CancelAt)
	s.endWithPeriod(sub.ID, false)
	s.endWithPeriod(sub.ID, true)
	s.srv.Advance(40 * 24 * time.Hour)
	require.Equal(t, []checkout.ChangeKind{
		checkout.ChangeCancellationScheduled, checkout.ChangeCancellationWithdrawn, checkout.ChangeCancellationScheduled, checkout.ChangeEnded,
	}, s.kinds())
	require.Equal(t, sub.PeriodEnd, s.changes[2].When)
	ended := s.order("club").Subscription()
	require.True(t, ended.Ended())
	require.Equal(t, "cancellation_requested", ended.EndReason)
}

// Refunds and disputes of a renewal are kept and told with its invoice, and leave the order's status alone.
func TestRenewalIsGivenBack(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	sub := s.subscribe("club")
	s.srv.Advance(32 * 24 * time.Hour)
	o := s.order("club")
	require.Len(t, o.Invoices, 2)
	renewal := o.Invoices[1]
	_, err := s.srv.Client().V1Refunds.Create(t.Context(), &stripe.RefundCreateParams{PaymentIntent: &renewal.PaymentIntents[0]})
	require.NoError(t, err)
	s.srv.Flush()
	o = s.order("club")
	require.EqualValues(t, 900, o.InvoiceRefunded(renewal.ID))
	require.Zero(t, o.Refunded())
	s.requireStatus("club", checkout.Fulfilled)
	last := s.changes[len(s.changes)-1]
	require.Equal(t, checkout.ChangeRefunded, last.Kind)
	require.Equal(t, renewal.ID, last.Invoice)

	_, err = s.srv.Client().V1Refunds.Create(t.Context(), &stripe.RefundCreateParams{PaymentIntent: &o.Attempts[0].PaymentIntent})
	require.NoError(t, err)
	s.srv.Flush()
	s.requireStatus("club", "refunded")
	require.Equal(t, sub.ID, s.order("club").Subscription().ID)
}

// hear has the shop hear events of one type alone, in whichever form.
func (s *testShop) hear(eventType string) {
	named := regexp.MustCompile(`"type": ?"(v1\.)?` + regexp.QuoteMeta(eventType) + `"`)
	s.srv.Deliver(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		require.NoError(s.t, err)
		if named.Match(body) {
			r.Body = io.NopCloser(bytes.NewReader(body))
			s.hook.ServeHTTP(w, r)
		}
	}), testPayloads())
}

// The first event that comes may be that of the invoice or of the subscription. Each of them alone has the order fulfilled.
func TestFirstEventIsNotOfTheSession(t *testing.T) {
	t.Parallel()
	for _, eventType := range []string{"invoice.paid", "invoice.finalized", "customer.subscription.created", "checkout.session.completed"} {
		s := newShop(t)
		s.hear(eventType)
		s.subscribe("club")
		s.requireStatus("club", checkout.Fulfilled)
		require.Equal(t, 1, s.fulfilRuns(), eventType)
		require.Len(t, s.order("club").Invoices, 1, eventType)
	}
}

// A subscription that another application began, and one that only claims to be of an order, change nothing.
func TestSubscriptionsOfOthers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.begin(clubOf("club"))
	before := s.order("club")
	shop, err := s.st.ShopID(t.Context(), "fresh")
	require.NoError(t, err)
	for _, metadata := range []map[string]any{nil, {"fulfil_shop": "another", "fulfil_order": "club"}, {"fulfil_shop": shop, "fulfil_order": "club", "fulfil_attempt": "1"}} {
		require.NoError(t, s.dispatch("customer.subscription.created", map[string]any{"id": "sub_1", "object": "subscription", "status": "active", "metadata": metadata}))
		require.NoError(t, s.dispatch("invoice.paid", map[string]any{
			"id": "in_1", "object": "invoice", "status": "paid",
			"parent": map[string]any{"subscription_details": map[string]any{"subscription": "sub_1", "metadata": metadata}},
		}))
	}
	require.NoError(t, s.dispatch("invoice.paid", map[string]any{"id": "in_1", "object": "invoice", "status": "paid"}))
	require.Equal(t, before, s.order("club"))
	require.EqualValues(t, 6, s.flow.ForeignSessions())
}

// Events of API versions before 2025-03-31, and of later ones than stripe-go's, lead to the same facts.
func TestSubscriptionByEventsOfOtherVersions(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"2020-08-27", "2022-11-15", "2024-06-20", "2025-09-30.clover", "2026-03-25.dahlia", "2026-09-30.endive"} {
		s := newShopOf(t, checkouttest.Config{Start: testStart, EventVersion: version})
		sub := s.subscribe("club")
		s.requireStatus("club", checkout.Fulfilled)
		require.NoError(t, s.srv.ReplaceMethod(sub.ID, checkouttest.CardDeclined))
		s.srv.Advance(32 * 24 * time.Hour)
		require.NoError(t, s.srv.ReplaceMethod(sub.ID, checkouttest.CardOK))
		s.srv.Advance(4 * 24 * time.Hour)
		s.refundPayment(s.invoicePayment("club", 1))
		require.Equal(t, []checkout.ChangeKind{checkout.ChangePaymentFailed, checkout.ChangeRenewed, checkout.ChangeRefunded}, s.subscriptionKinds(), version)
		require.Equal(t, store.AccessRefunded, s.order("club").Access(s.srv.Now(), 0).Reason)
	}
}

// endWithPeriod has a subscription end with its period, or withdraws that.
func (s *testShop) endWithPeriod(subscription string, end bool) {
	s.t.Helper()
	_, err := s.srv.Client().V1Subscriptions.Update(s.t.Context(), subscription, &stripe.SubscriptionUpdateParams{CancelAtPeriodEnd: &end})
	require.NoError(s.t, err)
	s.srv.Flush()
}

// An answer about a subscription that was overtaken by a newer one is not recorded.
func TestNewestAnswerAboutASubscription(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	sub := s.subscribe("club")
	all := s.recordEvents()
	_, other := s.processOn(s.st, s.stock, s.srv.Transport())
	s.endWithPeriod(sub.ID, true)
	overtaken := false
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		response, err := send()
		if r.URL.Path == "/v1/subscriptions/"+sub.ID && !overtaken {
			overtaken = true
			require.NoError(t, other.Dispatch(r.Context(), (*all)[0].payload))
			s.endWithPeriod(sub.ID, false)
			require.NoError(t, other.Dispatch(r.Context(), (*all)[len(*all)-1].payload))
		}
		return response, err
	})
	require.NoError(t, s.hook.Dispatch(t.Context(), (*all)[0].payload))
	require.True(t, overtaken)
	require.Zero(t, s.order("club").Subscription().CancelAt)
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeCancellationScheduled, checkout.ChangeCancellationWithdrawn}, s.kinds())
}

// A subscription has more items than Stripe shows with it. The others are listed.
func TestSubscriptionOfManyItems(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	sub := s.subscribe("club")
	shown := sub.Items[0]
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.URL.Path == "/v1/subscription_items" && r.URL.Query().Get("subscription") == sub.ID {
			return answer(r, http.StatusOK, fmt.Sprintf(`{"object":"list","has_more":false,"data":[
				{"id":%q,"quantity":1,"price":{"id":%q,"product":%q}}, {"id":"si_more","quantity":3,"price":{"id":"price_more","product":"prod_more"}}
			]}`, shown.ID, shown.Price, shown.Product)), nil
		}
		response, err := send()
		if r.URL.Path == "/v1/subscriptions/"+sub.ID && r.Method == http.MethodGet && err == nil {
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			cut := strings.Replace(string(body), `"has_more": false`, `"has_more": true`, 1)
			require.NotEqual(t, string(body), cut)
			return answer(r, response.StatusCode, cut), nil
		}
		return response, err
	})
	o, err := s.flow.SettleSubscription(t.Context(), "club")
	require.NoError(t, err)
	more := store.SubscriptionItem{ID: "si_more", Price: "price_more", Product: "prod_more", Quantity: 3}
	require.Equal(t, []store.SubscriptionItem{shown, more}, o.Subscription().Items)
}

// A customer schedules a cancellation and withdraws it while Stripe is asked about the first. The event of the second says what the
// order says already, and the answer about the first is old.
func TestMindIsChangedWhileStripeIsAsked(t *testing.T) {
	t.Parallel()
	for name, form := range map[string]checkouttest.Payloads{"snapshot": checkouttest.Snapshot, "thin": checkouttest.Thin} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			sub := s.subscribe("club")
			_, other := s.processOn(s.st, s.stock, s.srv.Transport())
			s.dropWebhooks()
			s.endWithPeriod(sub.ID, true)
			withdrawn := false
			s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
				response, err := send()
				if r.URL.Path == "/v1/subscriptions/"+sub.ID && !withdrawn {
					withdrawn = true
					s.srv.Deliver(other, form)
					s.endWithPeriod(sub.ID, false)
				}
				return response, err
			})
			_, err := s.flow.SettleSubscription(t.Context(), "club")
			require.NoError(t, err)
			require.True(t, withdrawn)
			require.Zero(t, s.order("club").Subscription().CancelAt)
			require.Empty(t, s.kinds())
		})
	}
}

// While the list of invoices is on its way, the last one is paid, and another process hears of that. The list is older than the payment.
func TestNewestAnswerAboutAnInvoice(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	sub := s.subscribe("club")
	all := s.recordEvents()
	_, other := s.processOn(s.st, s.stock, s.srv.Transport())
	s.srv.Advance(sub.PeriodEnd.Sub(s.srv.Now()) + time.Minute) // the invoice of the renewal is a draft for an hour
	_, err := s.flow.SettleSubscription(t.Context(), "club")    // the new period is known, so that only the invoice changes below
	require.NoError(t, err)
	paid := false
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		response, err := send()
		if r.URL.Path == "/v1/invoices" && !paid {
			s.srv.Advance(2 * time.Hour)
			for _, e := range *all {
				if e.eventType == "invoice.paid" {
					paid = true
					require.NoError(t, other.Dispatch(r.Context(), e.payload))
				}
			}
		}
		return response, err
	})
	_, err = s.flow.SettleSubscription(t.Context(), "club")
	require.NoError(t, err)
	require.True(t, paid)
	require.Equal(t, []store.InvoiceState{store.InvoicePaid, store.InvoicePaid}, []store.InvoiceState{s.order("club").Invoices[0].State, s.order("club").Invoices[1].State})
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeRenewed}, s.kinds())
}

// An order that an older version of the library fulfilled learns of its subscription, and tells no old news.
func TestSubscriptionOfAnOlderVersion(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.subscribe("club")
	s.loseWebhooks()
	s.srv.Advance(70 * 24 * time.Hour)
	require.NoError(t, s.st.InTx(t.Context(), func(tx tx) error {
		orders, err := s.st.Lock(t.Context(), tx, "club")
		o := orders[0]
		require.False(t, o.FulfilledAt.IsZero())
		o.Subscriptions, o.Invoices, o.Attempts[0].PaymentIntent = nil, nil, ""
		return errors.Join(err, s.st.Save(t.Context(), tx, o))
	}))
	s.srv.Deliver(s.hook)
	s.srv.Advance(25 * 24 * time.Hour)
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeRenewed}, s.kinds(), "not of the two renewals before")
	require.Len(t, s.order("club").Invoices, 4)
	require.Equal(t, 1, s.fulfilRuns())
}

// In a sandbox whose data was deleted, a subscription that Stripe does not know has ended.
func TestSubscriptionThatStripeForgot(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	sub := s.subscribe("club")
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.URL.Path == "/v1/subscriptions/"+sub.ID {
			return answer(r, http.StatusNotFound, `{"error":{"type":"invalid_request_error","code":"resource_missing"}}`), nil
		}
		return send()
	})
	s.loseWebhooks()
	s.srv.Advance(32 * 24 * time.Hour)
	s.sweep()
	require.True(t, s.order("club").Subscription().Ended())
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeEnded}, s.kinds())
}

// While Stripe does not answer, a subscription is asked for at growing pauses, and an order that can't be fulfilled without
// the answer waits.
func TestSubscriptionsAreAskedForInPauses(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	asked := 0
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if strings.HasPrefix(r.URL.Path, "/v1/subscriptions/") {
			asked++
			return answer(r, http.StatusServiceUnavailable, `{"error":{"type":"api_error"}}`), nil
		}
		return send()
	})
	id := s.begin(clubOf("club")).SessionID
	s.pay(id)
	for range 12 * 60 {
		s.srv.Advance(time.Minute)
		s.sweep()
	}
	require.Zero(t, s.fulfilRuns())
	require.Less(t, asked, 150, "stripe is asked at growing pauses, and by events that come again")
	require.NotEmpty(t, s.order("club").StuckReason())
	s.wire.on(nil)
	s.srv.Advance(time.Hour)
	s.sweep()
	require.Equal(t, 1, s.shipments("club"))
	require.Empty(t, s.order("club").StuckReason())
}

// A sweep asks for subscriptions within its budget, and the next sweeps go on.
func TestSweepBudgetOfSubscriptions(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	const orders, budget = 8, 7
	for i := range orders {
		s.subscribe(fmt.Sprintf("club-%d", i))
	}
	s.dropWebhooks()
	s.srv.Advance(testStart.AddDate(0, 1, 1).Sub(s.srv.Now()))
	flow := s.small(budget)
	for range 12 {
		before := len(s.wire.calls)
		_, err := flow.Sweep(t.Context())
		require.NoError(t, err)
		require.LessOrEqual(t, len(s.wire.calls)-before, budget)
		s.srv.Advance(time.Minute)
	}
	for i := range orders {
		require.Len(t, s.order(fmt.Sprintf("club-%d", i)).Invoices, 2)
	}
}

// Thin events lead to the same facts and changes. Those that were never received are found.
func TestSubscriptionByThinEvents(t *testing.T) {
	t.Parallel()
	for _, received := range []bool{true, false} {
		s := newShopGetting(t, checkouttest.Thin)
		sub := s.subscribe("club")
		s.requireStatus("club", checkout.Fulfilled)
		require.Equal(t, 1, s.shipments("club"))
		if !received {
			s.dropThinEvents()
		}
		_, err := s.srv.Client().V1Subscriptions.Update(t.Context(), sub.ID, &stripe.SubscriptionUpdateParams{CancelAtPeriodEnd: stripe.Bool(true)})
		require.NoError(t, err)
		s.elapse(time.Hour)
		require.Equal(t, sub.PeriodEnd, s.order("club").Subscription().CancelAt, "received %t", received)
		_, err = s.srv.Client().V1Subscriptions.Update(t.Context(), sub.ID, &stripe.SubscriptionUpdateParams{CancelAtPeriodEnd: stripe.Bool(false)})
		require.NoError(t, err)
		s.srv.Advance(testStart.AddDate(0, 1, -1).Sub(s.srv.Now()))
		s.elapse(2 * day)
		require.Equal(t, []checkout.ChangeKind{
			checkout.ChangeCancellationScheduled, checkout.ChangeCancellationWithdrawn, checkout.ChangeRenewed,
		}, s.kinds(), "received %t", received)
		require.Equal(t, 1, s.fulfilRuns())
	}
}

// A change of a known subscription costs one question about the subscription and one about its invoices; a change of a known
// invoice costs one about the invoice and one about the subscription. An event that brings no news costs the question that says so: a failed payment is told by two events. The form of
// the event does not matter, except that a snapshot event without news costs nothing.
func TestRequestsPerChangeOfASubscription(t *testing.T) {
	t.Parallel()
	const subscription, invoice, invoices = "GET /v1/subscriptions/", "GET /v1/invoices/", "GET /v1/invoices"
	for name, form := range map[string]checkouttest.Payloads{"snapshot": checkouttest.Snapshot, "thin": checkouttest.Thin} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShopGetting(t, form)
			sub := s.subscribe("club")
			asked := func(happens func()) map[string]int {
				t.Helper()
				before := len(s.wire.calls)
				happens()
				counts := map[string]int{}
				for _, call := range s.wire.calls[before:] {
					if path := strings.LastIndex(call, "/") + 1; strings.HasPrefix(call[path:], "sub_") || strings.HasPrefix(call[path:], "in_") {
						call = call[:path]
					}
					counts[call]++
				}
				return counts
			}
			for _, end := range []bool{true, false} {
				require.Equal(t, map[string]int{subscription: 1, invoices: 1}, asked(func() { s.endWithPeriod(sub.ID, end) }))
			}

			events, noNews := s.srv.Events(), map[string]int{}
			if form == checkouttest.Thin {
				events, noNews = s.srv.ThinEvents(), map[string]int{subscription: 1}
			}
			last := events[len(events)-1].ID
			require.Equal(t, noNews, asked(func() { require.NoError(t, s.srv.Redeliver(last)) }))

			require.NoError(t, s.srv.ReplaceMethod(sub.ID, checkouttest.CardDeclined))
			s.srv.Advance(testStart.AddDate(0, 1, 0).Add(2 * time.Hour).Sub(s.srv.Now()))
			questions := 1
			if form == checkouttest.Thin {
				questions = 2 // invoice.updated and invoice.payment_failed each ask
			}
			require.Equal(t, map[string]int{invoice: questions, subscription: 1}, asked(func() { s.srv.Advance(3 * day) }))
			told := s.changes[len(s.changes)-1]
			require.Equal(t, checkout.ChangePaymentFailed, told.Kind)
			require.Equal(t, 2, told.Try)
		})
	}
}

// dropThinEvents has somebody else receive thin events.
func (s *testShop) dropThinEvents() {
	s.srv.Deliver(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), checkouttest.Thin)
}

// The subscription is active before its first debit has arrived, but the order is not paid. If the debit bounces, the order has failed, and
// the active subscription gives no access.
func TestDebitActivatesASubscription(t *testing.T) {
	t.Parallel()
	for heard, fate := range fates {
		for _, arrives := range []bool{true, false} {
			s := newShopOf(t, checkouttest.Config{Start: testStart, DebitActivates: true})
			id := s.begin(clubOf("club")).SessionID
			require.NoError(t, s.srv.Pay(id, checkouttest.BankDebit))
			s.elapse(2 * day)
			require.Equal(t, store.SubscriptionActive, s.order("club").Subscriptions[0].Status)
			s.requireStatus("club", "processing")
			require.Equal(t, store.AccessNotPaid, s.order("club").Access(s.srv.Now(), 0).Reason)
			fate(s)
			if arrives {
				require.NoError(t, s.srv.Settle(id))
				s.elapse(8 * time.Hour)
				s.requireStatus("club", checkout.Fulfilled)
				require.Equal(t, 1, s.shipments("club"), heard)
				require.Equal(t, store.AccessActive, s.order("club").Access(s.srv.Now(), 0).Reason)
			} else {
				require.NoError(t, s.srv.Bounce(id))
				s.elapse(8 * time.Hour)
				s.requireStatus("club", "failed")
				require.Zero(t, s.shipments("club"), heard)
				require.Equal(t, store.AccessNotPaid, s.order("club").Access(s.srv.Now(), 0).Reason)
			}
		}
	}
}

// A change of plan while the first debit is on its way does not hide the debit, whether the change is paid or not: the debit still
// arrives or bounces.
func TestPlanChangesWhileTheDebitIsOnItsWay(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *testShop, id string) error{
		"arrives": func(s *testShop, id string) error { return s.srv.Settle(id) },
		"bounces": func(s *testShop, id string) error { return s.srv.Bounce(id) },
	} {
		for card, status := range map[checkouttest.PaymentMethod]store.SubscriptionStatus{
			checkouttest.CardDeclined: store.SubscriptionPastDue, checkouttest.CardOK: store.SubscriptionActive,
		} {
			s := newShopOf(t, checkouttest.Config{Start: testStart, DebitActivates: true})
			id := s.begin(clubOf("club")).SessionID
			require.NoError(t, s.srv.Pay(id, checkouttest.BankDebit))
			sub := s.order("club").SubscriptionByID(s.order("club").Attempts[0].Subscription)
			require.NoError(t, s.srv.ReplaceMethod(sub.ID, card))
			_, err := s.srv.Client().V1Subscriptions.Update(t.Context(), sub.ID, &stripe.SubscriptionUpdateParams{
				Items:             []*stripe.SubscriptionUpdateItemParams{{ID: &sub.Items[0].ID, Quantity: stripe.Int64(3)}},
				ProrationBehavior: stripe.String("always_invoice"),
			})
			require.NoError(t, err)
			s.srv.Flush()
			s.requireStatus("club", checkout.DisplayStatus(store.Processing))
			s.loseWebhooks()
			require.Equal(t, status, s.order("club").SubscriptionByID(sub.ID).Status)
			require.NoError(t, end(s, id))
			s.srv.Advance(time.Hour)
			_, err = s.flow.Settle(t.Context(), id) // which asks for the session, and reads no events
			require.NoError(t, err)
			require.Equal(t, name == "arrives", s.order("club").Paid(), "%s, %s", name, status)
			require.Equal(t, name == "bounces", s.order("club").Attempts[0].Failed, "%s, %s", name, status)
		}
	}
}
