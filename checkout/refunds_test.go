package checkout_test

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

func (s *testShop) refund(sessionID string, amount int64) string {
	s.t.Helper()
	id, err := s.srv.Refund(sessionID, amount)
	require.NoError(s.t, err)
	return id
}

func TestRefunds(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	started := s.begin(cartOf("order-1", "tee"))
	s.pay(started.SessionID)
	first := s.refund(started.SessionID, 500)
	s.requireStatus("order-1", "partially_refunded")
	s.refund(started.SessionID, 1499)
	s.requireStatus("order-1", "refunded")
	require.Equal(t, int64(1999), s.order("order-1").Refunded())
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeRefunded, checkout.ChangeRefunded}, s.kinds())
	require.Equal(t, first, s.changes[0].Detail)
	s.requireStock("tee", 4, 0, 1) // the goods may be anywhere

	require.NoError(t, s.srv.FailRefund(first))
	s.requireStatus("order-1", "partially_refunded")
	require.Equal(t, checkout.ChangeRefundFailed, s.kinds()[2])
	require.Equal(t, 1, s.shipments("order-1"))
	require.Equal(t, 1, s.order("order-1").Refunds[0].Attempt)
}

// Goods whose money was given back are not shipped.
func TestRefundedWhileFulfilling(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.onFulfil(func(context.Context, tx, *store.Order) error { return errPrinter })
	started := s.begin(cartOf("order-1", "tee"))
	s.pay(started.SessionID)
	s.refund(started.SessionID, 0)
	s.onFulfil(nil)
	s.srv.Advance(48 * time.Hour)
	s.sweep()
	s.requireStatus("order-1", "refunded")
	require.Zero(t, s.shipments("order-1"))
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeRefunded}, s.kinds())
}

// Goods of which a part was given back are.
func TestPartiallyRefundedWhileFulfilling(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.onFulfil(func(context.Context, tx, *store.Order) error { return errPrinter })
	started := s.begin(cartOf("order-1", "tee"))
	s.pay(started.SessionID)
	s.refund(started.SessionID, 1)
	s.onFulfil(nil)
	s.srv.Advance(48 * time.Hour)
	s.sweep()
	require.Equal(t, 1, s.shipments("order-1"))
	s.requireStatus("order-1", "partially_refunded")
}

// A refund that is heard of before its payment settles the payment first.
func TestRefundBeforeItsPayment(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	started := s.begin(cartOf("order-1", "tee"))
	s.loseWebhooks()
	s.pay(started.SessionID)
	s.srv.Deliver(s.hook, testPayloads())
	s.refund(started.SessionID, 0)
	s.requireStatus("order-1", "refunded")
	require.Zero(t, s.shipments("order-1"))
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeRefunded}, s.kinds())
	s.requireStock("tee", 4, 0, 1)
}

// Of two ends that exclude each other, the one counts that Stripe says when it is asked.
func TestEndsThatExcludeEachOther(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := s.begin(cartOf("order-1", "tee")).SessionID
	s.pay(id)
	intent := s.stripeSession(id).PaymentIntent.ID
	refund, err := s.srv.Client().V1Refunds.Create(t.Context(), &stripe.RefundCreateParams{PaymentIntent: &intent, Amount: stripe.Int64(500)})
	require.NoError(t, err)
	require.NoError(t, s.srv.FailRefund(refund.ID))
	dispute := s.disputePayment(id)
	require.NoError(t, s.srv.LoseDispute(dispute))
	canceled := map[string]any{"id": refund.ID, "object": "refund", "status": "canceled", "amount": 500, "payment_intent": intent}
	won := map[string]any{"id": dispute, "object": "dispute", "status": "won", "amount": 1999, "payment_intent": intent}

	for _, object := range []string{"refunds", "disputes"} {
		s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			if strings.HasPrefix(r.URL.Path, "/v1/"+object) {
				return answer(r, http.StatusServiceUnavailable, `{"error":{"type":"api_error"}}`), nil
			}
			return send()
		})
		if object == "refunds" {
			require.Error(t, s.dispatch("refund.updated", canceled), "Stripe sends it again")
		} else {
			require.Error(t, s.dispatch("charge.dispute.closed", won))
		}
		s.wire.on(nil)
	}
	before := len(s.kinds())
	require.NoError(t, s.dispatch("refund.updated", canceled))
	require.NoError(t, s.dispatch("charge.dispute.closed", won))
	o := s.order("order-1")
	o.Refunds[0].Answers, o.Disputes[0].Answers = 0, 0
	require.Equal(t, []store.Refund{{ID: refund.ID, Attempt: 1, Amount: 500, Currency: "usd", State: store.RefundFailed}}, o.Refunds)
	require.Equal(t, []store.Dispute{{ID: dispute, Attempt: 1, Amount: 1999, Currency: "usd", State: store.DisputeLost}}, o.Disputes)
	require.Len(t, s.kinds(), before, "that is no news")

	// The ledger is wrong, and the event right.
	require.NoError(t, s.st.InTx(t.Context(), func(tx tx) error {
		orders, err := s.st.Lock(t.Context(), tx, "order-1")
		require.NoError(t, err)
		orders[0].Refunds[0].State, orders[0].Disputes[0].State = store.RefundCanceled, store.DisputeWon
		return s.st.Save(t.Context(), tx, orders[0])
	}))
	failed, lost := maps.Clone(canceled), maps.Clone(won)
	failed["status"], lost["status"] = "failed", "lost"
	require.NoError(t, s.dispatch("refund.failed", failed))
	require.NoError(t, s.dispatch("charge.dispute.closed", lost))
	o = s.order("order-1")
	require.Equal(t, store.RefundFailed, o.Refunds[0].State)
	require.Equal(t, store.DisputeLost, o.Disputes[0].State)
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeRefundFailed, checkout.ChangeDisputeLost}, s.kinds()[before:])
}

// A payment is settled together with what was given back of it, or not at all: else another process would ship the goods
// between the two.
func TestRefundedBeforeItsPaymentWasKnown(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"refunds", "disputes"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			id := s.begin(cartOf("order-1", "tee")).SessionID
			s.loseWebhooks()
			s.pay(id)
			if what == "refunds" {
				s.refund(id, 0)
			} else {
				s.disputePayment(id)
			}
			s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
				if r.URL.Path == "/v1/"+what {
					return answer(r, http.StatusServiceUnavailable, `{"error":{"type":"api_error"}}`), nil
				}
				return send()
			})
			for range 26 {
				s.srv.Advance(time.Hour)
				s.sweep()
			}
			require.Zero(t, s.shipments("order-1"))

			s.wire.on(nil)
			s.srv.Advance(7 * time.Hour)
			s.sweep()
			s.requireStatus("order-1", map[string]checkout.DisplayStatus{"refunds": "refunded", "disputes": "disputed"}[what])
			require.Zero(t, s.shipments("order-1"))
		})
	}
}

// payTwice pays order-1 in its second attempt, and then in its first, whose session was never recorded. It returns that session's ID.
func (s *testShop) payTwice() (firstAttempt string) {
	s.t.Helper()
	firstAttempt = s.beginUnrecorded(cartOf("order-1", "tee"))
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	s.pay(firstAttempt)
	return firstAttempt
}

// The refund of a second payment leaves the order paid.
func TestDuplicatePaymentIsRefunded(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.refund(s.payTwice(), 0)
	s.requireStatus("order-1", checkout.Fulfilled)
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeDuplicatePayment, checkout.ChangeRefunded}, s.kinds())
}

func TestForeignRefund(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	params, err := cartOf("order-1", "tee").CreateParams(s.srv.Now())
	require.NoError(t, err)
	session, err := s.srv.Client().V1CheckoutSessions.Create(t.Context(), params)
	require.NoError(t, err)
	s.pay(session.ID)
	before := s.flow.ForeignSessions()
	s.refund(session.ID, 0)
	require.Greater(t, s.flow.ForeignSessions(), before)
	for _, e := range s.sent() {
		for _, a := range e.Attempts {
			require.Equal(t, 200, a.Status, e.Type)
		}
	}
}

// failFulfil has Fulfil fail until it is mended.
func (s *testShop) failFulfil() {
	s.onFulfil(func(context.Context, tx, *store.Order) error { return errPrinter })
}

// answerRefund has Stripe say that the refunds of a payment are one of a status and a currency.
func (s *testShop) answerRefund(intent, status, currency string) {
	body := `{"id":"re_1","object":"refund","amount":1999,"currency":"` + currency + `","status":"` + status + `","payment_intent":"` + intent + `"}`
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		switch {
		case r.Method == http.MethodGet && r.URL.Path == "/v1/refunds/re_1":
			return answer(r, http.StatusOK, body), nil
		case r.Method == http.MethodGet && r.URL.Path == "/v1/refunds":
			return answer(r, http.StatusOK, `{"object":"list","data":[`+body+`]}`), nil
		}
		return send()
	})
}

// Goods are not shipped while the whole payment is on its way back. A refund can leave each of its states again.
func TestRefundThatIsNotThereYet(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.failFulfil()
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	s.onFulfil(nil)
	intent := s.order("order-1").Attempts[0].PaymentIntent
	hear := func(status string) {
		s.answerRefund(intent, status, "usd")
		require.NoError(t, s.dispatch("refund.updated", map[string]any{
			"id": "re_1", "object": "refund", "amount": 1999, "currency": "usd", "status": status, "payment_intent": intent,
		}))
		s.srv.Advance(2 * time.Hour)
		s.sweep()
	}
	for _, status := range []string{"pending", "requires_action", "succeeded", "requires_action"} {
		hear(status)
		require.Equal(t, store.RefundState(status), s.order("order-1").Refunds[0].State)
		require.Zero(t, s.shipments("order-1"), status)
		require.False(t, s.order("order-1").Stuck(), "nobody has to do anything")
	}
	hear("canceled")
	require.Equal(t, 1, s.shipments("order-1"))
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeRefunded, checkout.ChangeRefundFailed}, s.kinds())
}

// A refund in another currency is kept and told. It is not added to those in the order's.
func TestRefundInAnotherCurrency(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	intent := s.order("order-1").Attempts[0].PaymentIntent
	s.answerRefund(intent, "succeeded", "eur")
	require.NoError(t, s.dispatch("refund.created", map[string]any{
		"id": "re_1", "object": "refund", "amount": 1999, "currency": "eur", "status": "succeeded", "payment_intent": intent,
	}))
	require.Zero(t, s.order("order-1").Refunded())
	s.requireStatus("order-1", checkout.Fulfilled)
	require.Equal(t, "eur", s.order("order-1").Refunds[0].Currency)
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeRefunded}, s.kinds())
}

// A payment whose event comes again after an outage may have been given back meanwhile, without an event that arrived.
func TestPaymentHeardLateAsksFirst(t *testing.T) {
	t.Parallel()
	for name, giveBack := range map[string]func(s *testShop, id string){
		"refunded": func(s *testShop, id string) { s.refund(id, 0) },
		"disputed": func(s *testShop, id string) { s.disputePayment(id) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			id := s.begin(cartOf("order-1", "tee")).SessionID
			events := s.recordEvents()
			s.pay(id)
			giveBack(s, id)
			s.loseWebhooks()
			s.srv.Advance(time.Hour)
			for _, e := range *events {
				if e.eventType == "checkout.session.completed" {
					require.NoError(t, s.hook.Dispatch(t.Context(), e.payload))
				}
			}
			s.requireStatus("order-1", checkout.DisplayStatus(name))
			require.Zero(t, s.shipments("order-1"))
			require.Equal(t, []checkout.ChangeKind{checkout.ChangeKind(name)}, s.kinds())
		})
	}
}

// An automatic refund that fails later is left to a person. The same request again would be answered with the first answer,
// which says that the money went back.
func TestAutomaticRefundThatFails(t *testing.T) {
	t.Parallel()
	s := refundingShop(t, checkout.ChangeDuplicatePayment)
	s.payTwice()
	s.sweep()
	refund := s.order("order-1").Refunds[0]
	require.Equal(t, store.RefundSucceeded, refund.State)
	require.False(t, s.order("order-1").Stuck())

	require.NoError(t, s.srv.FailRefund(refund.ID))
	for range 3 {
		s.srv.Advance(time.Hour)
		s.sweep()
	}
	o := s.order("order-1")
	require.Equal(t, store.RefundFailed, o.Refunds[0].State)
	require.Len(t, o.Refunds, 1)
	require.Equal(t, 1, s.wire.count("POST /v1/refunds"))
	require.True(t, o.Stuck())
}

// A refund or dispute that was recorded before its payment was known, as after a loss, gets its attempt from the next look.
func TestRefundWithoutAnAttempt(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := s.begin(cartOf("order-1", "tee")).SessionID
	s.pay(id)
	s.refund(id, 500)
	_, err := s.srv.Dispute(id)
	require.NoError(t, err)
	require.NoError(t, s.st.InTx(t.Context(), func(tx tx) error {
		orders, err := s.st.Lock(t.Context(), tx, "order-1")
		if err != nil {
			return err
		}
		orders[0].Refunds[0].Attempt, orders[0].Disputes[0].Attempt = 0, 0
		return s.st.Save(t.Context(), tx, orders[0])
	}))
	_, err = s.flow.Backfill(t.Context(), testStart)
	require.NoError(t, err)
	require.Equal(t, 1, s.order("order-1").Refunds[0].Attempt)
	require.Equal(t, 1, s.order("order-1").Disputes[0].Attempt)
}

// refusedRefunds answers that no payment can be refunded.
func refusedRefunds(code string) func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
	return func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.Method == http.MethodPost && r.URL.Path == "/v1/refunds" {
			return answer(r, http.StatusBadRequest, `{"error":{"type":"invalid_request_error","code":"`+code+`"}}`), nil
		}
		return send()
	}
}

// An automatic refund that Stripe refuses is a person's, too.
func TestAutomaticRefundIsRefused(t *testing.T) {
	t.Parallel()
	s := refundingShop(t, checkout.ChangeShortfall)
	s.shortOrder()
	s.wire.on(refusedRefunds("balance_insufficient"))
	for range 3 {
		s.sweep()
		s.srv.Advance(time.Hour)
	}
	require.Equal(t, 1, s.wire.count("POST /v1/refunds"))
	require.Contains(t, s.order("order-1").StuckReason(), "balance_insufficient")
	require.Zero(t, s.shipments("order-1"))
}

// Stripe says that a payment can't be refunded, and shows nothing that was given back: a person must find out, and Stripe is not asked
// again and again.
func TestAutomaticRefundOfWhatSeemsGone(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"charge_already_refunded", "charge_disputed"} {
		s := newShop(t)
		s.runAs(func(c *checkout.Config[tx]) { c.Refund = []checkout.ChangeKind{checkout.ChangeDuplicatePayment} })
		s.payTwice()
		s.wire.on(refusedRefunds(code))
		for range 3 {
			s.sweep()
			s.srv.Advance(time.Hour)
		}
		require.Equal(t, 1, s.wire.count("POST /v1/refunds"))
		require.Contains(t, s.order("order-1").StuckReason(), code)
	}
}

// The refund of a destination charge takes the transfer and the fee back, also for a session that a customer recovered.
func TestRefundOfADestinationCharge(t *testing.T) {
	t.Parallel()
	s := refundingShop(t, checkout.ChangeDuplicatePayment)
	cart := cartOf("order-1", "")
	cart.Connect.Destination = "acct_1"
	cart.Connect.ApplicationFee = checkout.MustAmount("1.00", "usd")
	cart.Params = func(p *stripe.CheckoutSessionCreateParams) {
		p.AfterExpiration = &stripe.CheckoutSessionCreateAfterExpirationParams{
			Recovery: &stripe.CheckoutSessionCreateAfterExpirationRecoveryParams{Enabled: stripe.Bool(true)},
		}
	}
	first := s.begin(cart).SessionID
	s.srv.Advance(25 * time.Hour)
	s.pay(s.begin(cart).SessionID)
	recovered, err := s.srv.Recover(first)
	require.NoError(t, err)
	s.pay(recovered)
	require.True(t, s.order("order-1").Attempts[2].Duplicate)
	var sent string
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.Method == http.MethodPost && r.URL.Path == "/v1/refunds" {
			body, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			sent = string(body)
			return answer(r, http.StatusOK, `{"id":"re_1","object":"refund","amount":1999,"currency":"usd","status":"succeeded","payment_intent":"`+
				s.order("order-1").Attempts[2].PaymentIntent+`"}`), nil
		}
		return send()
	})
	s.sweep()
	require.Contains(t, sent, "reverse_transfer=true")
	require.Contains(t, sent, "refund_application_fee=true")
}

// So does the refund of a subscription that pays a connected account, of the first payment and of a renewal.
func TestRefundOfADestinationSubscription(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	session := clubOf("club")
	session.Connect.Destination = "acct_1"
	session.Params = func(p *stripe.CheckoutSessionCreateParams) {
		p.SubscriptionData.ApplicationFeePercent = stripe.Float64(10)
	}
	s.pay(s.begin(session).SessionID)
	s.srv.Advance(32 * day)
	s.sweep()
	var sent []string
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.Method == http.MethodPost && r.URL.Path == "/v1/refunds" {
			body, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			sent = append(sent, string(body))
			return answer(r, http.StatusPaymentRequired, `{"error":{"type":"invalid_request_error"}}`), nil
		}
		return send()
	})
	for _, inv := range s.order("club").Invoices {
		require.Error(t, s.flow.Refund(t.Context(), "club", checkout.Refund{Invoice: inv.ID}))
	}
	require.Len(t, sent, 2)
	for _, params := range sent {
		require.Contains(t, params, "reverse_transfer=true")
		require.Contains(t, params, "refund_application_fee=true")
	}
}

// While Stripe's answer about what was given back is on its way, the refund fails, or the dispute is won, and another process hears of
// that. The answer is older, and changes nothing: the goods are shipped.
func TestNewestAnswerAboutWhatWasGivenBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path, event string
		giveBack    func(s *testShop, sessionID string) (id string)
		takeBack    func(s *testShop, id string) error
	}{
		"refund": {
			"/v1/refunds", "charge.refund.updated",
			func(s *testShop, sessionID string) string { return s.refund(sessionID, 0) },
			func(s *testShop, id string) error { return s.srv.FailRefund(id) },
		},
		"dispute": {
			"/v1/disputes", "charge.dispute.closed",
			func(s *testShop, sessionID string) string { return s.disputePayment(sessionID) },
			func(s *testShop, id string) error { return s.srv.WinDispute(id) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.onFulfil(func(context.Context, tx, *store.Order) error { return errPrinter })
			started := s.begin(cartOf("order-1", "tee"))
			s.pay(started.SessionID)
			s.onFulfil(nil)
			all := s.recordEvents()
			_, other := s.processOn(s.st, s.stock, s.srv.Transport())
			id := c.giveBack(s, started.SessionID)
			overtaken := false
			s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
				response, err := send()
				if r.URL.Path == c.path && r.URL.Query().Get("payment_intent") != "" && !overtaken {
					require.NoError(t, c.takeBack(s, id))
					for _, e := range *all {
						if e.eventType == c.event {
							overtaken = true
							require.NoError(t, other.Dispatch(r.Context(), e.payload))
						}
					}
				}
				return response, err
			})
			s.srv.Advance(11 * time.Minute)
			_, err := s.flow.Settle(t.Context(), started.SessionID)
			require.NoError(t, err)
			require.True(t, overtaken)
			s.requireStatus("order-1", checkout.Fulfilled)
			require.Equal(t, 1, s.shipments("order-1"))
		})
	}
}

// A second payment in another currency than the order's is refunded once.
func TestDuplicateInAnotherCurrencyIsRefunded(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.runAs(func(c *checkout.Config[tx]) { c.Refund = []checkout.ChangeKind{checkout.ChangeDuplicatePayment} })
	cart := cartOf("order-1", "tee")
	cart.Lines[0].UnitAmount = checkout.MustAmount("18.00", "eur")
	old := s.beginUnrecorded(cart)
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	s.pay(old)
	for range 3 {
		s.srv.Advance(10 * time.Minute)
		s.sweep()
	}
	require.Equal(t, 1, s.wire.count(refundCall))
	require.True(t, s.order("order-1").GivenBack(s.order("order-1").Attempt(1)))
	s.requireStatus("order-1", checkout.Fulfilled)
}

// The refund that Stripe makes of money which was never captured gives nothing back.
func TestRefundOfWhatWasNotCaptured(t *testing.T) {
	t.Parallel()
	for reason, refunds := range map[string]int{"expired_uncaptured_charge": 0, "requested_by_customer": 1} {
		s := newShop(t)
		id := s.begin(cartOf("order-1", "tee")).SessionID
		s.pay(id)
		refund := map[string]any{
			"id": "re_1", "object": "refund", "status": "succeeded", "amount": 1999, "currency": "usd", "reason": reason,
			"payment_intent": s.order("order-1").Attempts[0].PaymentIntent,
		}
		body, err := json.Marshal(refund)
		require.NoError(t, err)
		s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			if r.URL.Path == "/v1/refunds/re_1" {
				return answer(r, http.StatusOK, string(body)), nil
			}
			return send()
		})
		require.NoError(t, s.dispatch("refund.created", refund))
		require.Len(t, s.order("order-1").Refunds, refunds, reason)
	}
}
