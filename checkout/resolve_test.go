package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

func TestPermanentParks(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.onFulfil(func(context.Context, tx, *store.Order) error {
		return webhook.Permanent(errors.New("we do not ship there"))
	})
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	for _, e := range s.sent() {
		for _, attempt := range e.Attempts {
			require.Equal(t, http.StatusOK, attempt.Status, "Stripe need not come again")
		}
	}
	o := s.order("order-1")
	require.Contains(t, o.Parked, "we do not ship there")
	require.True(t, o.Stuck())
	require.True(t, o.DueAt.IsZero())
	require.Zero(t, s.shipments("order-1"))
	s.srv.Advance(48 * time.Hour)
	s.sweep()
	require.Equal(t, 1, s.fulfilRuns())

	s.onFulfil(nil)
	require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry))
	s.requireStatus("order-1", checkout.Fulfilled)
	require.Equal(t, 1, s.shipments("order-1"))
	require.NoError(t, webhook.Permanent(nil))
}

func TestResolveRetryWithoutThePause(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.onFulfil(func(context.Context, tx, *store.Order) error { return errPrinter })
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	require.ErrorIs(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry), errPrinter)
	s.onFulfil(nil)
	require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry))
	s.requireStatus("order-1", checkout.Fulfilled)
}

// shortOrder is an order of the last item, and of others, that was paid when the last was gone.
func (s *testShop) shortOrder(others ...string) {
	s.t.Helper()
	id := s.beginUnrecorded(cartOf("order-1", append(others, "last")...))
	s.srv.Advance(6 * time.Minute)
	s.sweep()
	s.pay(s.begin(cartOf("order-2", "last")).SessionID)
	s.pay(id)
	require.NotEmpty(s.t, s.order("order-1").Shortfall)
}

// takenReserver is a Reserver whose stock of tee is taken by somebody else between any two calls.
type takenReserver struct{ reservation.Reserver[tx] }

func (r takenReserver) Hold(ctx context.Context, t tx, holds ...reservation.Hold) ([]error, error) {
	answers := make([]error, len(holds))
	for i, h := range holds {
		short := &reservation.ShortageError{Hold: h.ID}
		for _, l := range h.Lines {
			if l.SKU == "last" {
				short.Lines = append(short.Lines, reservation.Shortage{SKU: "last", Wanted: 1})
			}
		}
		if len(short.Lines) == 0 {
			short.Lines = []reservation.Shortage{{SKU: "tee", Wanted: 1}}
		}
		answers[i] = short
	}
	return answers, nil
}

func TestResolveShortfall(t *testing.T) {
	t.Parallel()
	t.Run("retry, still short", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.shortOrder()
		require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry))
		require.NotEmpty(t, s.order("order-1").Shortfall)
		require.Zero(t, s.shipments("order-1"))
	})
	t.Run("retry, with new stock", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.shortOrder()
		s.setStock("last", 1)
		require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry))
		s.requireStatus("order-1", checkout.Fulfilled)
		s.requireStock("last", 0, 0, 2)
	})
	t.Run("fulfil anyway", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.shortOrder()
		require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.FulfilAnyway))
		s.requireStatus("order-1", checkout.Fulfilled)
		s.requireStock("last", 0, 0, 1)
	})
	t.Run("fulfil anyway, with new stock", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.shortOrder()
		s.setStock("last", 1)
		require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.FulfilAnyway))
		s.requireStatus("order-1", checkout.Fulfilled)
		s.requireStock("last", 0, 0, 2)
		require.Empty(t, s.order("order-1").Shortfall, "nothing is missing anymore")
	})
	t.Run("fulfil anyway, with a part of the stock, and retry", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.shortOrder("tee")
		s.onFulfil(func(context.Context, tx, *store.Order) error { return errPrinter })
		require.Error(t, s.flow.Resolve(t.Context(), "order-1", checkout.FulfilAnyway))
		missing := []store.Shortage{{SKU: "last", Wanted: 1}}
		require.Equal(t, missing, s.order("order-1").Shortfall)
		s.onFulfil(func(_ context.Context, _ tx, o *store.Order) error {
			require.Equal(t, missing, o.Shortfall, "it tells the merchant what to find")
			return nil
		})
		require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry))
		s.requireStatus("order-1", checkout.Fulfilled)
		s.requireStock("tee", 4, 0, 1)
		s.requireStock("last", 0, 0, 1)
		require.NoError(t, s.flow.Refund(t.Context(), "order-1", checkout.Refund{Restock: true}))
		s.requireStock("tee", 5, 0, 1)
		s.requireStock("last", 0, 0, 1)
	})
	t.Run("fulfil anyway, and another customer is faster", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.shortOrder("tee")
		flow, _ := s.processOn(s.st, takenReserver{s.stock}, s.wire)
		require.NoError(t, flow.Resolve(t.Context(), "order-1", checkout.FulfilAnyway))
		s.requireStatus("order-1", checkout.Fulfilled)
		s.requireStock("tee", 5, 0, 0)
		require.Equal(t, []store.Shortage{{SKU: "tee", Wanted: 1}, {SKU: "last", Wanted: 1}}, s.order("order-1").Shortfall, "nothing was taken")
	})
	t.Run("give up", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.shortOrder()
		require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.GiveUp))
		require.False(t, s.order("order-1").Stuck())
		s.srv.Advance(48 * time.Hour)
		s.sweep()
		require.Zero(t, s.shipments("order-1"))
		require.ErrorContains(t, s.flow.Resolve(t.Context(), "order-1", "shrug"), "no such resolution")
	})
	t.Run("give up, and then not", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.shortOrder()
		require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.GiveUp))
		s.setStock("last", 1)
		require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry))
		s.requireStatus("order-1", checkout.Fulfilled)
		s.requireStock("last", 0, 0, 2)
		require.ErrorIs(t, s.flow.Resolve(t.Context(), "order-1", checkout.GiveUp), checkout.ErrFulfilled)
		require.True(t, s.order("order-1").GivenUpAt.IsZero())
	})
	t.Run("not paid, not there", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.begin(cartOf("order-1", "tee"))
		require.ErrorIs(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry), checkout.ErrNotPaid)
		require.ErrorIs(t, s.flow.Resolve(t.Context(), "order-9", checkout.Retry), store.ErrNotFound)
	})
}

func TestResolveMismatch(t *testing.T) {
	t.Parallel()
	for _, resolution := range []checkout.Resolution{checkout.FulfilAnyway, checkout.GiveUp, checkout.Retry} {
		s := newShop(t)
		started := s.begin(cartOf("order-1", "last"))
		paid := map[string]any{
			"id": started.SessionID, "object": "checkout.session", "status": "complete", "payment_status": "paid",
			"mode": "payment", "currency": "usd", "amount_subtotal": 1, "livemode": false,
		}
		require.NoError(t, s.dispatch("checkout.session.completed", paid))
		s.requireStock("last", 0, 1, 0)
		require.NoError(t, s.flow.Resolve(t.Context(), "order-1", resolution))
		require.NoError(t, s.dispatch("checkout.session.completed", paid))
		switch resolution {
		case checkout.FulfilAnyway:
			s.requireStatus("order-1", checkout.Fulfilled)
			s.requireStock("last", 0, 0, 1)
		case checkout.GiveUp:
			require.Zero(t, s.shipments("order-1"))
			s.requireStock("last", 1, 0, 0)
		default:
			require.NotEmpty(t, s.order("order-1").Parked)
		}
	}
}

// refundingShop gives back what it can't fulfil.
func refundingShop(t *testing.T, kinds ...checkout.ChangeKind) *testShop {
	t.Helper()
	s := newShop(t)
	logger := slog.New(slog.NewTextHandler(s.log, nil))
	var err error
	s.flow, err = checkout.New(checkout.Config[tx]{
		Stripe: s.srv.ClientOver(s.wire), Store: s.st, Reserver: s.stock, Clock: s.srv.Now, Logger: logger, Refund: kinds,
		Fulfil: func(ctx context.Context, tx tx, o *store.Order) error {
			return tx.Set(ctx, "shipment/"+o.ID+"/1", true)
		},
	})
	require.NoError(t, err)
	s.hook, err = webhook.New(webhook.Config{Secrets: []string{s.srv.WebhookSecret()}, Clock: s.srv.Now, Logger: logger})
	require.NoError(t, err)
	s.flow.Handle(s.hook)
	s.srv.Deliver(s.hook, testPayloads())
	return s
}

func TestRefundsWhatItCannotFulfil(t *testing.T) {
	t.Parallel()
	t.Run("duplicate", func(t *testing.T) {
		t.Parallel()
		s := refundingShop(t, checkout.ChangeDuplicatePayment)
		old := s.beginUnrecorded(cartOf("order-1", "tee"))
		s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
		s.pay(old)
		s.sweep()
		o := s.order("order-1")
		require.Len(t, o.Refunds, 1)
		require.Equal(t, int64(1999), o.Refunds[0].Amount)
		s.requireStatus("order-1", checkout.Fulfilled)
		require.True(t, o.DueAt.IsZero())
	})
	t.Run("shortfall, though the first answer is lost", func(t *testing.T) {
		t.Parallel()
		s := refundingShop(t, checkout.ChangeShortfall)
		s.shortOrder()
		lost := false
		s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			response, err := send()
			if r.URL.Path == "/v1/refunds" && r.Method == http.MethodPost && !lost {
				lost = true
				return nil, errors.New("connection reset")
			}
			return response, err
		})
		for range 5 {
			s.sweep()
			s.srv.Advance(10 * time.Minute)
		}
		require.True(t, lost)
		s.requireStatus("order-1", "refunded")
		require.Len(t, s.order("order-1").Refunds, 1)
		require.Zero(t, s.shipments("order-1"))
	})
	t.Run("not what the bank has taken back", func(t *testing.T) {
		t.Parallel()
		s := refundingShop(t, checkout.ChangeDuplicatePayment)
		old := s.beginUnrecorded(cartOf("order-1", "tee"))
		s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
		s.pay(old)
		s.disputePayment(old)
		s.sweep()
		require.Zero(t, s.wire.count("POST /v1/refunds"))
		require.Empty(t, s.order("order-1").Refunds)
		require.True(t, s.order("order-1").DueAt.IsZero())
	})
	t.Run("not what is on another account", func(t *testing.T) {
		t.Parallel()
		s := refundingShop(t, checkout.ChangeMismatch)
		ours := s.begin(cartOf("order-1", "tee")).SessionID
		id := s.foreignSession(func(p *stripe.CheckoutSessionCreateParams) {
			p.Metadata = s.stripeSession(ours).Metadata
			p.SetStripeAccount("acct_other")
		})
		s.pay(id)
		require.False(t, s.order("order-1").Paid())
		s.sweep()
		require.Zero(t, s.wire.count("POST /v1/refunds"))
	})
	t.Run("not what has no payment intent", func(t *testing.T) {
		t.Parallel()
		s := refundingShop(t, checkout.ChangeMismatch)
		ours := s.begin(cartOf("order-1", "tee")).SessionID
		require.NoError(t, s.dispatch("checkout.session.completed", map[string]any{
			"id": ours, "object": "checkout.session", "status": "complete", "payment_status": "no_payment_required", "mode": "payment",
			"currency": "eur", "amount_subtotal": 1999, "livemode": false,
		}))
		require.NotEmpty(t, s.order("order-1").Parked)
		s.sweep()
		require.Zero(t, s.wire.count("POST /v1/refunds"))
	})
	t.Run("not unless asked to", func(t *testing.T) {
		t.Parallel()
		s := refundingShop(t)
		s.shortOrder()
		s.srv.Advance(time.Hour)
		s.sweep()
		require.Empty(t, s.order("order-1").Refunds)
	})
	_, err := checkout.New(checkout.Config[tx]{
		Stripe: newShop(t).srv.Client(), Store: newShop(t).st, Fulfil: func(context.Context, tx, *store.Order) error { return nil },
		Refund: []checkout.ChangeKind{checkout.ChangeExpired},
	})
	require.ErrorContains(t, err, "Config.Refund")
}

// A refund that was asked for, and whose answer got lost, may have been made: nobody fulfils the order until that is known.
func TestResolveWhileARefundIsUnderWay(t *testing.T) {
	t.Parallel()
	s := refundingShop(t, checkout.ChangeShortfall)
	s.shortOrder()
	s.loseWebhooks()
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		response, err := send()
		if r.URL.Path == "/v1/refunds" && r.Method == http.MethodPost {
			return nil, errors.New("connection reset")
		}
		return response, err
	})
	s.sweep()
	require.Empty(t, s.order("order-1").Refunds)
	s.wire.on(nil)
	for _, r := range []checkout.Resolution{checkout.FulfilAnyway, checkout.Retry} {
		require.ErrorIs(t, s.flow.Resolve(t.Context(), "order-1", r), checkout.ErrGivenBack)
	}
	require.Zero(t, s.shipments("order-1"))
	s.srv.Advance(time.Hour)
	s.sweep()
	s.requireStatus("order-1", "refunded")
}

// FulfilAnyway withdraws a refund that was not asked for yet.
func TestResolveWithdrawsARefund(t *testing.T) {
	t.Parallel()
	s := refundingShop(t, checkout.ChangeShortfall)
	s.shortOrder()
	require.NotEmpty(t, s.order("order-1").Attempts[0].RefundWanted)
	require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.FulfilAnyway))
	s.srv.Advance(time.Hour)
	s.sweep()
	require.Zero(t, s.wire.count("POST /v1/refunds"))
	require.Equal(t, 1, s.shipments("order-1"))
}

// The shop gave back what was left of a payment, of which a person had refunded a part at Stripe. Another person, who sees a part
// refunded, accepts the order: nothing is handed over, as all the money is gone.
func TestFulfilAnywayAfterTwoRefunds(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.runAs(func(c *checkout.Config[tx]) { c.Refund = []checkout.ChangeKind{checkout.ChangeShortfall} })
	id := s.beginUnrecorded(cartOf("order-1", "last"))
	s.srv.Advance(6 * time.Minute)
	s.sweep()
	s.pay(s.begin(cartOf("order-2", "last")).SessionID)
	refunded := false
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.Method == http.MethodPost && r.URL.Path == "/v1/refunds" && !refunded {
			refunded = true
			s.loseWebhooks()
			s.refund(id, 500)
		}
		return send()
	})
	s.pay(id)
	_, _ = s.flow.Sweep(t.Context())
	require.EqualValues(t, 1499, s.order("order-1").Refunded())
	s.setStock("last", 2)
	err := s.flow.Resolve(t.Context(), "order-1", checkout.FulfilAnyway)
	if err != nil {
		require.ErrorIs(t, err, checkout.ErrGivenBack)
	}
	s.srv.Advance(time.Hour)
	s.sweep()
	require.Zero(t, s.shipments("order-1"))
	s.requireStatus("order-1", checkout.DisplayStatus(store.Refunded))
}

// Retry of an order whose money went back takes nothing from stock.
func TestRetryOfWhatWasRefunded(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.shortOrder()
	s.refund(s.order("order-1").Attempts[0].SessionID, 0)
	require.False(t, s.order("order-1").Stuck())
	s.setStock("last", 1)
	require.ErrorIs(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry), checkout.ErrGivenBack)
	require.ErrorIs(t, s.flow.Resolve(t.Context(), "order-1", checkout.FulfilAnyway), checkout.ErrGivenBack)
	s.srv.Advance(time.Hour)
	s.sweep()
	s.requireStock("last", 1, 0, 1)
}

// FulfilAnyway takes of the stock what is there, once, however often a person says so.
func TestFulfilAnywayTakesWhatIsThere(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]checkout.Resolution{"short": "", "short and given up": checkout.GiveUp} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			id := s.beginUnrecorded(cartOf("order-1", "last", "tee", "tee"))
			s.srv.Advance(6 * time.Minute)
			s.sweep()
			s.pay(s.begin(cartOf("order-2", "last")).SessionID)
			s.pay(id)
			if before != "" {
				require.NoError(t, s.flow.Resolve(t.Context(), "order-1", before))
			}
			s.failFulfil()
			for range 3 {
				require.ErrorIs(t, s.flow.Resolve(t.Context(), "order-1", checkout.FulfilAnyway), errPrinter)
				s.requireStock("tee", 3, 0, 2)
			}
			s.onFulfil(nil)
			require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.FulfilAnyway))
			require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.FulfilAnyway))
			s.requireStock("tee", 3, 0, 2)
			s.requireStock("last", 0, 0, 1)
			require.Equal(t, 1, s.shipments("order-1"))
		})
	}
}

// The stock of an order that was given up is sold to others. FulfilAnyway then takes what is left.
func TestFulfilAnywayAfterGiveUp(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	ours := s.begin(cartOf("order-1", "last", "tee")).SessionID
	paid := paidSession(ours)
	require.NoError(t, s.dispatch("checkout.session.completed", paid)) // at half the price
	require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.GiveUp))
	s.pay(s.begin(cartOf("order-2", "last")).SessionID)
	require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.FulfilAnyway))
	s.requireStock("tee", 4, 0, 1)
	s.requireStock("last", 0, 0, 1)
	require.Equal(t, 1, s.shipments("order-1"))

	require.NoError(t, s.dispatch("checkout.session.completed", paid)) // a later look
	_, err := s.flow.Settle(t.Context(), ours)
	require.NoError(t, err)
	s.srv.Advance(48 * time.Hour)
	s.sweep()
	require.False(t, s.order("order-1").FulfilledAt.IsZero())
	require.Empty(t, s.order("order-1").Parked)
	s.requireStock("tee", 4, 0, 1)
}

// A good payment that arrives after an order was given up is told and waits for a person, whatever the clocks of the
// processes say.
func TestPaymentAfterGiveUp(t *testing.T) {
	t.Parallel()
	for name, ahead := range map[string]time.Duration{"": 0, "given up by a clock ahead": 2 * time.Minute, "given up by a clock behind": -2 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			ours := s.begin(cartOf("order-1", "last")).SessionID
			s.pay(s.foreignSession(func(p *stripe.CheckoutSessionCreateParams) { p.Metadata = s.stripeSession(ours).Metadata }))
			require.True(t, s.order("order-1").Stuck())
			other, _ := s.processWith(func(c *checkout.Config[tx]) {
				c.Clock = func() time.Time { return s.srv.Now().Add(ahead) }
			})
			require.NoError(t, other.Resolve(t.Context(), "order-1", checkout.GiveUp))
			require.False(t, s.order("order-1").Stuck(), "a person decided")

			s.pay(ours)
			require.Equal(t, []checkout.ChangeKind{checkout.ChangeMismatch, checkout.ChangeLatePayment}, s.kinds())
			require.Contains(t, s.order("order-1").StuckReason(), "after the order was given up")
			s.requireStock("last", 0, 0, 1)
			require.Zero(t, s.shipments("order-1"))
			require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.FulfilAnyway))
			require.Equal(t, 1, s.shipments("order-1"))
			s.requireStock("last", 0, 0, 1)
			require.False(t, s.order("order-1").Stuck())
		})
	}
}

// refuseRefunds has Stripe refuse refunds until the returned func is called. keys are the idempotency keys of all requests for refunds.
func (s *testShop) refuseRefunds() (keys *[]string, allow func()) {
	refuse := true
	keys = new([]string)
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.Method != http.MethodPost || r.URL.Path != "/v1/refunds" {
			return send()
		}
		*keys = append(*keys, r.Header.Get("Idempotency-Key"))
		if refuse {
			return answer(r, http.StatusBadRequest, `{"error":{"type":"invalid_request_error","code":"balance_insufficient"}}`), nil
		}
		return send()
	})
	return keys, func() { refuse = false }
}

// Retry has the automatic refund of a second payment asked for again that Stripe refused, by a request of its own: Stripe would answer
// the same request with the same refusal for a day. So it is if the first payment was given back, too.
func TestRetryOfARefusedRefund(t *testing.T) {
	t.Parallel()
	for _, firstBack := range []bool{false, true} {
		t.Run(fmt.Sprintf("the first payment was given back: %v", firstBack), func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.runAs(func(c *checkout.Config[tx]) { c.Refund = []checkout.ChangeKind{checkout.ChangeDuplicatePayment} })
			if firstBack {
				s.failFulfil()
			}
			second := s.payTwice()
			keys, allow := s.refuseRefunds()
			s.sweep()
			if firstBack {
				s.refund(s.order("order-1").PaidAttempt().SessionID, 0)
			}
			require.Contains(t, s.order("order-1").StuckReason(), "balance_insufficient")
			require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry))
			s.sweep()
			require.Contains(t, s.order("order-1").StuckReason(), "balance_insufficient")
			allow()
			require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry))
			s.sweep()
			o := s.order("order-1")
			require.False(t, o.Stuck(), o.StuckReason())
			require.EqualValues(t, 1999, o.AttemptRefunded(o.AttemptBySession(second).N))
			require.Len(t, *keys, 3)
			require.Len(t, slices.Compact(slices.Sorted(slices.Values(*keys))), 3)
			s.srv.Advance(time.Hour)
			s.sweep()
			require.Len(t, *keys, 3)
		})
	}
}

// The refused refund of a payment that is not for what was sold is asked for again, too, as nothing else can be tried.
func TestRetryOfARefusedRefundOfAMismatch(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.runAs(func(c *checkout.Config[tx]) { c.Refund = []checkout.ChangeKind{checkout.ChangeMismatch} })
	keys, _ := s.refuseRefunds()
	require.NoError(t, s.dispatch("checkout.session.completed", map[string]any{
		"id": s.begin(cartOf("order-1", "tee")).SessionID, "object": "checkout.session", "status": "complete", "payment_status": "paid",
		"mode": "payment", "currency": "eur", "amount_subtotal": 1999, "livemode": false, "payment_intent": "pi_1",
	}))
	s.sweep()
	require.Contains(t, s.order("order-1").StuckReason(), "balance_insufficient")
	require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry))
	s.sweep()
	require.Contains(t, s.order("order-1").StuckReason(), "balance_insufficient")
	require.Len(t, *keys, 2)
}

// An automatic refund that failed after Stripe had accepted it is asked for again, too.
func TestRetryOfARefundThatFailed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.runAs(func(c *checkout.Config[tx]) { c.Refund = []checkout.ChangeKind{checkout.ChangeDuplicatePayment} })
	s.payTwice()
	s.sweep()
	require.NoError(t, s.srv.FailRefund(s.order("order-1").Refunds[0].ID))
	require.True(t, s.order("order-1").Stuck())
	require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry))
	s.sweep()
	o := s.order("order-1")
	require.Len(t, o.Refunds, 2)
	require.False(t, o.Stuck(), o.StuckReason())
}

// A change that failed is told again by Retry although the money of the order is back.
func TestRetryOfAChangeOfWhatWasRefunded(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	broken, told := true, 0
	s.runAs(func(c *checkout.Config[tx]) {
		c.OnChange = func(context.Context, tx, checkout.Change) error {
			if broken {
				return errPrinter
			}
			told++
			return nil
		}
	})
	s.failFulfil()
	id := s.begin(cartOf("order-1", "tee")).SessionID
	s.pay(id)
	s.refund(id, 0)
	require.NotZero(t, s.order("order-1").ChangeDelivery.Tries)
	broken = false
	require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry))
	require.Equal(t, 1, told)
	require.ErrorIs(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry), checkout.ErrGivenBack)
}

// OnChange can decide about the order that it is told of.
func TestResolveInACallback(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var told []checkout.ChangeKind
	s.runAs(func(c *checkout.Config[tx]) {
		c.OnChange = func(ctx context.Context, _ tx, change checkout.Change) error {
			told = append(told, change.Kind)
			if change.Kind != checkout.ChangeShortfall {
				return nil
			}
			return s.flow.Resolve(ctx, change.Order.ID, checkout.GiveUp)
		}
	})
	s.shortOrder()
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeShortfall}, told)
	o := s.order("order-1")
	require.False(t, o.GivenUpAt.IsZero())
	require.False(t, o.Stuck(), o.StuckReason())
	require.Zero(t, o.ChangeDelivery)
}

// Retry of the refund of a second payment hands no order over that a person gave up.
func TestRetryOfARefundLeavesAnOrderGivenUp(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.runAs(func(c *checkout.Config[tx]) { c.Refund = []checkout.ChangeKind{checkout.ChangeDuplicatePayment} })
	s.failFulfil()
	old := s.beginUnrecorded(cartOf("order-1", "tee"))
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.GiveUp))
	_, allow := s.refuseRefunds()
	s.pay(old)
	s.sweep()
	require.Contains(t, s.order("order-1").StuckReason(), "balance_insufficient")
	s.onFulfil(nil)
	allow()
	require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry))
	s.srv.Advance(time.Hour)
	s.sweep()
	require.Zero(t, s.shipments("order-1"))
	require.EqualValues(t, 1999, s.order("order-1").AttemptRefunded(1))
	require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry), "nothing else is to be tried again, so the order is")
	require.Equal(t, 1, s.shipments("order-1"))
}
