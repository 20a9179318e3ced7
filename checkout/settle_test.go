package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
)

// beginUnrecorded begins an order whose session exists at Stripe and was never recorded, and returns the session's ID.
func (s *testShop) beginUnrecorded(session checkout.Session) string {
	s.t.Helper()
	s.crash(session, true)
	ids := s.sessionIDs()
	return ids[len(ids)-1]
}

// An unknown payment status is not paid, whatever the type of the event.
func TestUnknownIsNotPaid(t *testing.T) {
	t.Parallel()
	for _, status := range []any{"unpaid", "partially_paid", "", nil} {
		for _, eventType := range []string{"checkout.session.completed", "checkout.session.async_payment_succeeded"} {
			s := newShop(t)
			started := s.begin(cartOf("order-1", "last"))
			require.NoError(t, s.dispatch(eventType, map[string]any{
				"id": started.SessionID, "object": "checkout.session", "payment_status": status, "mode": "payment",
				"currency": "usd", "amount_subtotal": 1999, "livemode": false,
			}))
			s.requireStatus("order-1", "processing")
			require.Zero(t, s.fulfilRuns())
			s.requireStock("last", 0, 1, 0)
		}
	}
}

// What is in the event is paid even where an old API version has no status and sets other fields.
func TestOldAPIVersion(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	started := s.begin(cartOf("order-1", "last"))
	require.NoError(t, s.dispatch("checkout.session.completed", map[string]any{
		"id": started.SessionID, "object": "checkout.session", "payment_status": "paid", "mode": "payment",
		"currency": "usd", "amount_subtotal": 1999, "livemode": false,
		"payment_intent": map[string]any{"id": "pi_1", "status": "succeeded", "latest_charge": "ch_1"},
		"customer_email": "old@shop.example",
		"shipping":       map[string]any{"name": "A", "address": map[string]any{"line1": "1 Street", "line2": nil, "country": "DE"}},
	}))
	s.requireStatus("order-1", checkout.Fulfilled)
	o := s.order("order-1")
	require.Equal(t, store.Customer{
		Email: "old@shop.example", ShippingName: "A", ShippingAddress: store.Address{Line1: "1 Street", Country: "DE"},
	}, o.Customer)
	require.Equal(t, []string{started.SessionID, "pi_1", "ch_1"}, o.Refs())
}

func TestLateMoney(t *testing.T) {
	t.Parallel()
	t.Run("finds its stock", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		id := s.beginUnrecorded(cartOf("order-1", "last"))
		s.srv.Advance(6 * time.Minute)
		s.sweep()
		s.requireStock("last", 1, 0, 0)
		s.pay(id)
		s.requireStatus("order-1", checkout.Fulfilled)
		s.requireStock("last", 0, 0, 1)
		require.Empty(t, s.order("order-1").Shortfall)
	})
	t.Run("or says that it is gone", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		id := s.beginUnrecorded(cartOf("order-1", "last"))
		s.srv.Advance(6 * time.Minute)
		s.sweep()
		s.pay(s.begin(cartOf("order-2", "last")).SessionID)
		s.pay(id)
		o := s.order("order-1")
		require.Equal(t, store.Paid, o.Status())
		require.Equal(t, []store.Shortage{{SKU: "last", Wanted: 1}}, o.Shortfall)
		require.True(t, o.Stuck())
		require.Equal(t, []checkout.ChangeKind{checkout.ChangeShortfall}, s.kinds())
		require.Zero(t, s.shipments("order-1"))
		s.requireStock("last", 0, 0, 1)
		s.srv.Advance(48 * time.Hour)
		s.sweep()
		require.Zero(t, s.shipments("order-1"))
	})
}

func TestSecondPayment(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	old := s.beginUnrecorded(cartOf("order-1", "tee"))
	started := s.begin(cartOf("order-1", "tee"))
	s.pay(started.SessionID)
	s.requireStatus("order-1", checkout.Fulfilled)
	s.pay(old)
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeDuplicatePayment}, s.kinds())
	s.requireStatus("order-1", checkout.Fulfilled)
	require.Equal(t, 1, s.shipments("order-1"))
	s.requireStock("tee", 4, 0, 1)
	paid := 0
	for _, a := range s.order("order-1").Attempts {
		if a.Paid {
			paid++
		}
	}
	require.Equal(t, 2, paid, "a second payment is recorded as such")
}

// An order that is paid in one attempt has no session left that can be paid.
func TestPaidOrderEndsItsOtherSessions(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	old := s.beginUnrecorded(cartOf("order-1", "tee"))
	started := s.begin(cartOf("order-1", "tee"))
	s.pay(old)
	s.requireStatus("order-1", checkout.Fulfilled)
	s.sweep()
	require.Equal(t, "expired", s.stripeStatus(started.SessionID))
	s.requireStock("tee", 4, 0, 1)
	require.Equal(t, 1, s.shipments("order-1"))
	require.Empty(t, s.kinds())
}

// The expired event of an old attempt changes nothing.
func TestOldSessionExpires(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.beginUnrecorded(cartOf("order-1", "last"))
	s.srv.Advance(time.Hour)
	started := s.begin(cartOf("order-1", "last"))
	s.srv.Advance(23*time.Hour + 30*time.Minute)
	events := s.srv.Events()
	require.Equal(t, "checkout.session.expired", events[len(events)-1].Type)
	s.requireStatus("order-1", "open")
	s.requireStock("last", 0, 1, 0)
	s.pay(started.SessionID)
	s.requireStatus("order-1", checkout.Fulfilled)
}

// A payment in the last second of a hold: Stripe decides, not the clock of the shop.
func TestPaidAtTheEndOfTheHold(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	session := cartOf("order-1", "last")
	session.HoldFor = 15 * time.Minute
	started := s.begin(session)
	s.loseWebhooks()
	s.srv.Advance(15 * time.Minute)
	s.pay(started.SessionID)
	_, err := s.flow.Begin(t.Context(), cartOf("order-2", "last"))
	require.Error(t, err, "the stock is held until Stripe says otherwise")
	s.sweep()
	s.requireStatus("order-1", checkout.Fulfilled)
	s.requireStock("last", 0, 0, 1)
}

// While Stripe is down nothing is given back.
func TestStripeDownAtTheEndOfTheHold(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	session := cartOf("order-1", "last")
	session.HoldFor = 15 * time.Minute
	s.begin(session)
	s.loseWebhooks()
	s.wire.on(func(r *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		return answer(r, http.StatusServiceUnavailable, `{"error":{"type":"api_error"}}`), nil
	})
	for range 10 {
		s.srv.Advance(15 * time.Minute)
		swept := s.sweep()
		require.Equal(t, swept.Orders, swept.Failed)
		s.requireStock("last", 0, 1, 0)
	}
	s.wire.on(nil)
	s.srv.Advance(time.Hour)
	require.Equal(t, checkout.Swept{Orders: 1}, s.sweep())
	s.requireStatus("order-1", "expired")
	s.requireStock("last", 1, 0, 0)
}

func TestModes(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	setup := checkout.Session{
		OrderID: "order-1", Mode: checkout.ModeSetup, Currency: "usd", SuccessURL: "https://shop.example/thanks",
	}
	saving := s.begin(setup)
	_, status := s.status(saving.SessionID) // open, though Stripe says that no payment is required
	require.Equal(t, "open", status)
	s.pay(saving.SessionID)
	s.requireStatus("order-1", checkout.Fulfilled)

	embedded := cartOf("order-2", "tee")
	embedded.SuccessURL, embedded.CancelURL = "", ""
	embedded.UIMode, embedded.ReturnURL = checkout.UIModeEmbedded, "https://shop.example/return"
	started := s.begin(embedded)
	require.NotEmpty(t, started.ClientSecret)
	require.Empty(t, started.URL)
	s.pay(started.SessionID)
	s.requireStatus("order-2", checkout.Fulfilled)

	subscription := cartOf("order-3", "tee")
	subscription.Mode = checkout.ModeSubscription
	subscription.Lines[0].Recurring.Interval = checkout.IntervalMonth
	s.pay(s.begin(subscription).SessionID)
	s.requireStatus("order-3", checkout.Fulfilled)
	require.NotEmpty(t, s.order("order-3").Attempts[0].Subscription)
}

func TestErase(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	require.NotEmpty(t, s.order("order-1").Session)
	require.NoError(t, s.flow.Erase(t.Context(), "order-1"))
	o := s.order("order-1")
	require.Empty(t, o.Session)
	require.Empty(t, o.Customer.Email)
	require.Equal(t, store.Paid, o.Status())
	require.ErrorIs(t, s.flow.Erase(t.Context(), "order-9"), store.ErrNotFound)
}

func TestSettleUnknownSession(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	_, err := s.flow.Settle(t.Context(), "cs_test_unknown")
	require.ErrorIs(t, err, checkout.ErrNotFound)
	started := s.begin(cartOf("order-1", "tee"))
	require.NoError(t, s.srv.Pay(started.SessionID, checkouttest.Card3DS))
	// A payment intent leads to the order, and is no session.
	_, err = s.flow.Settle(t.Context(), s.order("order-1").Attempts[0].PaymentIntent)
	require.ErrorIs(t, err, checkout.ErrNotFound)
}

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
	s.srv.Deliver(hook, testPayloads())
	s.pay(started.SessionID)
	require.Equal(t, store.Paid, s.order("order-1").Status(), "payment first")
}

// A process without a Reserver fulfils no late payment whose stock it can't take: the stock may be sold.
func TestLatePaymentWithoutAReserver(t *testing.T) {
	t.Parallel()
	for _, left := range []int64{0, 1} {
		t.Run(fmt.Sprint(left), func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			late := s.beginUnrecorded(cartOf("order-1", "last"))
			s.srv.Advance(6 * time.Minute)
			s.sweep()
			s.pay(s.begin(cartOf("order-2", "last")).SessionID)
			s.setStock("last", left)
			_, hook := s.untracked()
			s.srv.Deliver(hook, testPayloads())
			s.pay(late)
			require.Equal(t, store.Paid, s.order("order-1").Status())
			require.True(t, s.order("order-1").FulfilledAt.IsZero())
			s.srv.Advance(time.Minute)
			s.sweep()
			require.EqualValues(t, left, s.shipments("order-1"))
			require.Equal(t, left == 0, s.order("order-1").Stuck())
			s.requireStock("last", 0, 0, 1+left)
		})
	}
	t.Run("a person accepts it", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		late := s.beginUnrecorded(cartOf("order-1", "last"))
		s.srv.Advance(6 * time.Minute)
		s.sweep()
		flow, hook := s.untracked()
		s.srv.Deliver(hook, testPayloads())
		s.pay(late)
		require.ErrorIs(t, flow.Resolve(t.Context(), "order-1", checkout.Retry), checkout.ErrBusy)
		require.NoError(t, flow.Resolve(t.Context(), "order-1", checkout.FulfilAnyway))
		require.False(t, s.order("order-1").FulfilledAt.IsZero())
	})
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

// subscribeByDebit begins order-1 as a subscription, pays it by a debit that is on its way, and returns the session.
func (s *testShop) subscribeByDebit() (session string) {
	s.t.Helper()
	c := cartOf("order-1", "last")
	c.Mode = checkout.ModeSubscription
	c.Lines[0].Recurring.Interval = checkout.IntervalMonth
	session = s.begin(c).SessionID
	require.NoError(s.t, s.srv.Pay(session, checkouttest.BankDebit))
	return session
}

// A subscription by debit that bounced, its webhooks lost. Its session has no payment intent. A sweep reads the events, and without one
// Stripe's answer about the session tells, once the subscription has expired incomplete.
func TestSubscriptionDebitBouncesUnheard(t *testing.T) {
	t.Parallel()
	for _, sweeps := range []bool{true, false} {
		s := newShop(t)
		s.loseWebhooks()
		session := s.subscribeByDebit()
		look := func() {
			if sweeps {
				s.sweep()
				return
			}
			_, err := s.flow.Settle(t.Context(), session)
			require.NoError(t, err)
		}
		look()
		require.NoError(t, s.srv.Bounce(session))
		for range 20 {
			s.srv.Advance(12 * time.Hour)
			look()
		}
		s.requireStatus("order-1", "failed")
		s.requireStock("last", 1, 0, 0)
	}
}

// The first debit of a subscription bounces. The shop has lost what it knew, so that it asks Stripe for the session of the event. The
// session looks the same before and after: only the event's type says that the debit has bounced.
func TestSubscriptionDebitBouncesAfterALoss(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(s *testShop){
		"the mode": func(s *testShop) { require.NoError(s.t, s.st.SetCursor(s.t.Context(), "mode", "")) },
		"the session": func(s *testShop) {
			s.loseRows("fulfil_ref/")
			require.NoError(s.t, s.st.InTx(s.t.Context(), func(tx tx) error {
				locked, err := s.st.Lock(s.t.Context(), tx, "order-1")
				if err != nil {
					return err
				}
				locked[0].Attempts[0].SessionID = ""
				return s.st.Save(s.t.Context(), tx, locked[0])
			}))
		},
		"the order": func(s *testShop) {
			s.loseOrder("order-1")
			s.srv.Advance(11 * time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.loseWebhooks()
			session := s.subscribeByDebit()
			lose(s)
			s.flow, s.hook = s.process()
			s.hear("checkout.session.async_payment_failed")
			require.NoError(t, s.srv.Bounce(session))
			if name == "the order" {
				_, err := s.flow.Order(t.Context(), "order-1")
				require.ErrorIs(t, err, checkout.ErrNotFound, "no money is on its way")
				return
			}
			s.requireStatus("order-1", "failed")
		})
	}
}

// The first debit of a subscription arrives, and the event of its session does not come. Its invoice says that Stripe is to be
// asked for the session, whether Stripe was asked before or not. So does the event of its payment intent, if it comes after.
func TestSubscriptionDebitArrivesUnheard(t *testing.T) {
	t.Parallel()
	for _, asked := range []bool{false, true} {
		for _, intent := range []bool{false, true} {
			s := newShop(t)
			session := s.begin(clubOf("club")).SessionID
			require.NoError(t, s.srv.Pay(session, checkouttest.BankDebit))
			if asked {
				s.srv.Advance(26 * time.Hour)
				s.sweep()
				s.srv.Advance(time.Minute)
			}
			s.hear("invoice.paid")
			require.NoError(t, s.srv.Settle(session))
			s.requireStatus("club", checkout.DisplayStatus(store.Processing))
			if intent {
				pi := s.order("club").Attempts[0].PaymentIntent
				require.NoError(t, s.dispatch("payment_intent.succeeded", map[string]any{"id": pi, "object": "payment_intent"}))
			} else {
				s.sweep()
			}
			s.requireStatus("club", checkout.Fulfilled)
		}
	}
}

// The first debit of a subscription arrives, of which only the event of the session is heard, and is given back before Fulfil succeeds. The
// order does not know with which payment it was paid, so Stripe is asked for the subscription first.
func TestSubscriptionDebitIsGivenBackUnheard(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	const arrived = "checkout.session.async_payment_succeeded"
	session := s.begin(clubOf("club")).SessionID
	require.NoError(t, s.srv.Pay(session, checkouttest.BankDebit))
	s.srv.Advance(5 * day)
	s.onFulfil(func(context.Context, tx, *store.Order) error { return errors.New("the database of members is away") })
	s.hear(arrived)
	require.NoError(t, s.srv.Settle(session))
	s.dropWebhooks()
	s.srv.Advance(day)
	_, err := s.srv.Refund(session, 0)
	require.NoError(t, err)
	s.onFulfil(nil)
	s.hear(arrived)
	for _, e := range s.srv.Events() {
		if string(e.Type) == arrived {
			require.NoError(t, s.srv.Redeliver(e.ID))
		}
	}
	require.Zero(t, s.shipments("club"))
	s.requireStatus("club", checkout.DisplayStatus(store.Refunded))
}

// payFirstInvoice has the customer pay the first invoice of a subscription by another card.
func (s *testShop) payFirstInvoice(orderID string) {
	s.t.Helper()
	o := s.order(orderID)
	require.NoError(s.t, s.srv.ReplaceMethod(o.Subscriptions[0].ID, checkouttest.CardOK))
	_, err := s.srv.Client().V1Invoices.Pay(s.t.Context(), o.Invoices[0].ID, nil)
	require.NoError(s.t, err)
}

// The first debit of a subscription bounces, and the customer pays its invoice in another way before the subscription expires. The
// order is paid, whether the customer has begun to buy it again or not, and whether the webhooks come or not. If the second session
// is paid, too, a person is told.
func TestInvoiceIsPaidAfterItsDebitBounced(t *testing.T) {
	t.Parallel()
	for heard, fate := range fates {
		for _, again := range []string{"", "begun", "paid"} {
			s := newShop(t)
			session := s.begin(clubOf("club")).SessionID
			require.NoError(t, s.srv.Pay(session, checkouttest.BankDebit))
			require.NoError(t, s.srv.Bounce(session))
			s.requireStatus("club", "failed")
			second := ""
			if again != "" {
				second = s.begin(clubOf("club")).SessionID
			}
			fate(s)
			s.payFirstInvoice("club")
			if again == "paid" {
				require.NoError(t, s.srv.Pay(second, checkouttest.CardOK))
			}
			s.elapse(14 * time.Hour)
			o := s.order("club")
			require.True(t, o.Attempts[0].Paid, "%s, bought again: %q", heard, again)
			require.Equal(t, checkout.Fulfilled, checkout.Display(o), "%s, bought again: %q", heard, again)
			require.Equal(t, 1, s.shipments("club"))
			require.Equal(t, again == "paid", o.Stuck(), "%s, bought again: %q: %s", heard, again, o.StuckReason())
			require.Zero(t, s.openSessions(), "%s, bought again: %q", heard, again)
		}
	}
}

// The first debit of a subscription arrives, and only the event of its payment intent comes. The invoice names the intent.
func TestIntentOfASubscriptionArrives(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	session := s.begin(clubOf("club")).SessionID
	require.NoError(t, s.srv.Pay(session, checkouttest.BankDebit))
	intent := s.invoicePayment("club", 0)
	s.loseWebhooks()
	require.NoError(t, s.srv.Settle(session))
	require.NoError(t, s.dispatch("payment_intent.succeeded", map[string]any{"id": intent, "object": "payment_intent"}))
	s.requireStatus("club", checkout.Fulfilled)
}

// The event of the payment intent has such an order paid at once, if it comes after that of the invoice.
func TestIntentIsPaidAfterItsDebitBounced(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	session := s.begin(clubOf("club")).SessionID
	require.NoError(t, s.srv.Pay(session, checkouttest.BankDebit))
	require.NoError(t, s.srv.Bounce(session))
	s.hear("invoice.paid")
	s.payFirstInvoice("club")
	s.srv.Flush()
	s.requireStatus("club", "failed")
	intent := s.order("club").Attempts[0].PaymentIntent
	require.NoError(t, s.dispatch("payment_intent.succeeded", map[string]any{"id": intent, "object": "payment_intent"}))
	s.requireStatus("club", checkout.Fulfilled)
}

// A customer may buy by the recovery link of an expired session, or of an expired copy of it. The copy that the link leads to
// is the order's, as no stock is tracked.
func TestRecoveredCopy(t *testing.T) {
	t.Parallel()
	for _, copies := range []int{1, 2} {
		t.Run(fmt.Sprintf("copies: %d", copies), func(t *testing.T) {
			t.Parallel()
			testRecoveredCopy(t, copies)
		})
	}
}

// The payment of a session that was recovered weeks later is for its own cart, whatever was begun since.
func TestRecoveredAfterAnotherCart(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	cart := cartOf("order-1", "")
	cart.Metadata = map[string]string{"book": "first"}
	cart.Params = func(params *stripe.CheckoutSessionCreateParams) {
		params.AfterExpiration = &stripe.CheckoutSessionCreateAfterExpirationParams{
			Recovery: &stripe.CheckoutSessionCreateAfterExpirationRecoveryParams{Enabled: stripe.Bool(true)},
		}
	}
	first := s.begin(cart).SessionID
	cart.Lines[0].Name, cart.Metadata = "Another book", map[string]string{"book": "second"}
	s.srv.Advance(25 * time.Hour)
	s.begin(cart)
	s.srv.Advance(20 * day)
	s.sweep()
	recovered, err := s.srv.Recover(first)
	require.NoError(t, err)
	s.pay(recovered)
	o := s.order("order-1")
	s.requireStatus("order-1", checkout.Fulfilled)
	require.Equal(t, "Item ", o.Lines[0].Name)
	require.Equal(t, "first", o.Metadata["book"])
}

// A payment that is heard of when its cart is not kept anymore waits for a person. Found by the simulation: settling it did not
// end.
func TestPaidAfterItsCartWasForgotten(t *testing.T) {
	t.Parallel()
	for _, sku := range []string{"tee", ""} {
		s := newShop(t)
		s.srv.Deliver(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})) // whose database is lost later
		session := s.beginUnrecorded(cartOf("order-1", sku))
		s.srv.Advance(6 * time.Minute)
		s.sweep()
		s.pay(session)
		s.srv.Advance(33 * day)
		second := cartOf("order-1", "tee", "tee")
		second.HoldFor = 10 * time.Minute
		s.begin(second)
		s.srv.Advance(time.Hour)
		s.sweep()
		_, err := s.flow.Backfill(t.Context(), testStart)
		require.NoError(t, err)
		o := s.order("order-1")
		require.True(t, o.Paid())
		require.Contains(t, o.Parked, "the cart of the attempt is not kept anymore")
		require.True(t, o.Stuck())
		require.Zero(t, s.shipments("order-1"))
		s.requireStock("tee", 5, 0, 0)

		require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.FulfilAnyway))
		s.requireStatus("order-1", checkout.Fulfilled)
		s.requireStock("tee", 5, 0, 0)
	}
}

func testRecoveredCopy(t *testing.T, copies int) {
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
	for range copies {
		s.srv.Advance(25 * time.Hour)
		var err error
		id, err = s.srv.Recover(id)
		require.NoError(t, err)
	}
	s.pay(id)
	o := s.order("order-1")
	require.True(t, o.Paid())
	require.Empty(t, o.Parked)
	require.NotContains(t, s.kinds(), checkout.ChangeMismatch)
	s.requireStatus("order-1", checkout.Fulfilled)
}

// Where customers may change quantities, the order has what they bought.
func TestChangedQuantities(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	session := cartOf("order-1", "")
	session.Params = func(p *stripe.CheckoutSessionCreateParams) {
		p.LineItems[0].AdjustableQuantity = &stripe.CheckoutSessionCreateLineItemAdjustableQuantityParams{Enabled: stripe.Bool(true)}
	}
	id := s.begin(session).SessionID
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/line_items") {
			return answer(r, http.StatusOK, `{"object":"list","has_more":false,"data":[{"id":"li_1","object":"item",`+
				`"description":"Item","quantity":3,"price":{"id":"price_1","object":"price","unit_amount":1999}}]}`), nil
		}
		return send()
	})
	require.NoError(t, s.dispatch("checkout.session.completed", map[string]any{
		"id": id, "object": "checkout.session", "status": "complete", "payment_status": "paid",
		"mode": "payment", "currency": "usd", "amount_subtotal": 5997, "amount_total": 5997, "livemode": false,
	}))
	s.requireStatus("order-1", checkout.Fulfilled)
	require.Equal(t, []store.Line{{Name: "Item", UnitAmount: 1999, Quantity: 3}}, s.order("order-1").Lines)
}

// An order is settled, fulfilled and given back by the events of an endpoint of another API version than stripe-go's.
func TestEventsOfOtherVersions(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"2020-08-27", "2024-06-20", "2025-09-30.clover", "2026-03-25.dahlia", "2026-09-30.endive"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			s := newShopOf(t, checkouttest.Config{Start: testStart, EventVersion: version})
			started := s.begin(cartOf("a", "tee"))
			s.pay(started.SessionID)
			s.requireStatus("a", checkout.Fulfilled)
			s.requireStock("tee", 4, 0, 1)
			s.refund(started.SessionID, 0)
			require.Equal(t, []checkout.ChangeKind{checkout.ChangeRefunded}, s.kinds())

			s.begin(cartOf("b", "tee"))
			s.srv.Advance(25 * time.Hour)
			require.Equal(t, []checkout.ChangeKind{checkout.ChangeRefunded, checkout.ChangeExpired}, s.kinds())
			s.requireStock("tee", 4, 0, 1)
		})
	}
}

// The copy of an expired session has the quantities that the customer chose in the copy.
func TestRecoveredCopyOfChangedQuantities(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	cart := cartOf("order-1", "")
	cart.Params = func(p *stripe.CheckoutSessionCreateParams) {
		p.AfterExpiration = &stripe.CheckoutSessionCreateAfterExpirationParams{
			Recovery: &stripe.CheckoutSessionCreateAfterExpirationRecoveryParams{Enabled: stripe.Bool(true)},
		}
		p.LineItems[0].AdjustableQuantity = &stripe.CheckoutSessionCreateLineItemAdjustableQuantityParams{Enabled: stripe.Bool(true)}
	}
	first := s.begin(cart).SessionID
	s.srv.Advance(25 * time.Hour)
	recovered, err := s.srv.Recover(first)
	require.NoError(t, err)
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.URL.Path == "/v1/checkout/sessions/"+recovered+"/line_items" {
			return answer(r, http.StatusOK, `{"object":"list","has_more":false,"data":[{"id":"li_1","object":"item",`+
				`"description":"Item","quantity":3,"price":{"id":"price_1","object":"price","unit_amount":1999}}]}`), nil
		}
		return send()
	})
	s.pay(recovered)
	s.requireStatus("order-1", checkout.Fulfilled)
	require.Equal(t, []store.Line{{Name: "Item", UnitAmount: 1999, Quantity: 3}}, s.order("order-1").Lines)
}

// Stripe does not show the sessions of a connected account that has disconnected. A person decides, and the stock comes back.
func TestSessionOfADisconnectedAccount(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	cart := cartOf("order-1", "last")
	cart.Connect.Account = "acct_1"
	s.begin(cart)
	s.loseWebhooks()
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.Header.Get("Stripe-Account") == "acct_1" {
			return answer(r, http.StatusForbidden, `{"error":{"type":"invalid_request_error","code":"account_invalid"}}`), nil
		}
		return send()
	})
	s.srv.Advance(25 * time.Hour)
	s.sweep()
	require.Empty(t, s.order("order-1").StuckReason(), "it may be shown again")
	s.srv.Advance(26 * time.Hour)
	s.sweep()
	require.Contains(t, s.order("order-1").StuckReason(), "does not show")
	s.requireStock("last", 0, 1, 0)
	require.NoError(t, s.flow.Cancel(t.Context(), "order-1"))
	s.requireStock("last", 1, 0, 0)
}
