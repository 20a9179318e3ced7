package checkout_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

func TestPaid(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	started := s.begin(cartOf("order-1", "tee", "last"))
	require.Equal(t, 1, started.Attempt)
	require.False(t, started.Reused)
	require.NotEmpty(t, started.URL)
	s.requireStatus("order-1", "open")
	s.requireStock("last", 0, 1, 0)

	s.pay(started.SessionID)

	s.requireStatus("order-1", checkout.Fulfilled)
	s.requireStock("last", 0, 0, 1)
	s.requireStock("tee", 4, 0, 1)
	require.Equal(t, 1, s.shipments("order-1"))
	o := s.order("order-1")
	require.Equal(t, "buyer@example.com", o.Customer.Email)
	require.Equal(t, store.Amounts{Subtotal: 3998, Total: 3998}, o.Amounts)
	require.Contains(t, o.Refs(), started.SessionID)
	require.NotEmpty(t, o.Attempts[0].PaymentIntent)
	require.True(t, o.DueAt.IsZero(), "nothing is left to do")
	require.Empty(t, s.kinds())
}

func TestDeclinedThenPaid(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	started := s.begin(cartOf("order-1", "last"))
	var declined *checkouttest.PaymentError
	require.ErrorAs(t, s.srv.Pay(started.SessionID, checkouttest.CardDeclined), &declined)
	s.requireStatus("order-1", "open")
	s.requireStock("last", 0, 1, 0)
	s.pay(started.SessionID)
	s.requireStatus("order-1", checkout.Fulfilled)
	require.Equal(t, 1, s.shipments("order-1"))
}

func TestDelayedMethod(t *testing.T) {
	t.Parallel()
	for _, webhooks := range []bool{true, false} {
		for _, settles := range []bool{true, false} {
			name := map[bool]string{true: "webhooks", false: "polling"}[webhooks] + map[bool]string{true: " settles", false: " bounces"}[settles]
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newShop(t)
				if !webhooks {
					s.loseWebhooks()
				}
				started := s.begin(cartOf("order-1", "last"))
				require.NoError(t, s.srv.Pay(started.SessionID, checkouttest.BankDebit))
				if !webhooks {
					_, status := s.status(started.SessionID)
					require.Equal(t, "processing", status)
				}
				s.requireStatus("order-1", "processing")

				// The hold outlives the session's expires_at.
				s.srv.Advance(3 * 24 * time.Hour)
				s.sweep()
				s.requireStatus("order-1", "processing")
				s.requireStock("last", 0, 1, 0)
				require.Zero(t, s.shipments("order-1"))
				_, err := s.flow.Begin(t.Context(), cartOf("order-1", "last"))
				require.ErrorIs(t, err, checkout.ErrProcessing)
				require.ErrorIs(t, s.flow.Cancel(t.Context(), "order-1"), checkout.ErrProcessing)

				if settles {
					require.NoError(t, s.srv.Settle(started.SessionID))
				} else {
					require.NoError(t, s.srv.Bounce(started.SessionID))
				}
				s.srv.Advance(7 * time.Hour) // longer than the longest pause between two questions
				s.sweep()
				if settles {
					s.requireStatus("order-1", checkout.Fulfilled)
					s.requireStock("last", 0, 0, 1)
					require.Equal(t, 1, s.shipments("order-1"))
					require.Equal(t, []checkout.ChangeKind{checkout.ChangeProcessing}, s.kinds())
					return
				}
				s.requireStatus("order-1", "failed")
				s.requireStock("last", 1, 0, 0)
				require.Zero(t, s.shipments("order-1"))
				require.Equal(t, []checkout.ChangeKind{checkout.ChangeProcessing, checkout.ChangeFailed}, s.kinds())

				// The customer may try again.
				again := s.begin(cartOf("order-1", "last"))
				require.Equal(t, 2, again.Attempt)
				s.srv.Deliver(s.hook, testPayloads())
				s.pay(again.SessionID)
				s.requireStatus("order-1", checkout.Fulfilled)
			})
		}
	}
}

func TestExpired(t *testing.T) {
	t.Parallel()
	for name, webhooks := range map[string]bool{"webhook": true, "polling": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			if !webhooks {
				s.loseWebhooks()
			}
			started := s.begin(cartOf("order-1", "last"))
			s.srv.Advance(23 * time.Hour)
			s.sweep()
			s.requireStock("last", 0, 1, 0)
			s.srv.Advance(time.Hour + 2*time.Minute)
			if !webhooks {
				s.sweep()
			}
			s.requireStatus("order-1", "expired")
			s.requireStock("last", 1, 0, 0)
			require.Equal(t, []checkout.ChangeKind{checkout.ChangeExpired}, s.kinds())
			_, status := s.status(started.SessionID)
			require.Equal(t, "expired", status)
			require.True(t, s.order("order-1").DueAt.IsZero())
		})
	}
}

func TestHoldShorterThanStripesSession(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	session := cartOf("order-1", "last")
	session.HoldFor = 15 * time.Minute
	started := s.begin(session)
	require.Equal(t, testStart.Add(15*time.Minute), started.ExpiresAt)

	s.srv.Advance(14 * time.Minute)
	s.sweep()
	s.requireStatus("order-1", "open")
	s.srv.Advance(2 * time.Minute)
	require.Equal(t, "open", s.stripeStatus(started.SessionID), "Stripe keeps it open for half an hour at least")
	s.sweep()
	require.Equal(t, "expired", s.stripeStatus(started.SessionID))
	s.requireStatus("order-1", "expired")
	s.requireStock("last", 1, 0, 0)
	require.ErrorIs(t, s.srv.Pay(started.SessionID, checkouttest.CardOK), checkouttest.ErrExpired)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	started := s.begin(cartOf("order-1", "last"))
	require.NoError(t, s.flow.Cancel(t.Context(), "order-1"))
	s.requireStatus("order-1", "canceled")
	s.requireStock("last", 1, 0, 0)
	require.Equal(t, "expired", s.stripeStatus(started.SessionID))
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeCanceled}, s.kinds())
	require.NoError(t, s.flow.Cancel(t.Context(), "order-1"), "again")
	_, err := s.flow.Begin(t.Context(), cartOf("order-1", "last"))
	require.ErrorIs(t, err, checkout.ErrCanceled)

	require.ErrorIs(t, s.flow.Cancel(t.Context(), "order-9"), store.ErrNotFound)

	// A draft has no session to end.
	_, err = s.flow.Draft(t.Context(), cartOf("order-2", "last"))
	require.NoError(t, err)
	require.NoError(t, s.flow.Cancel(t.Context(), "order-2"))
	s.requireStatus("order-2", "canceled")

	// The customer was faster.
	s.loseWebhooks()
	paid := s.begin(cartOf("order-3", "last"))
	s.pay(paid.SessionID)
	require.ErrorIs(t, s.flow.Cancel(t.Context(), "order-3"), checkout.ErrAlreadyPaid)
	s.requireStatus("order-3", checkout.Fulfilled)
	require.ErrorIs(t, s.flow.Cancel(t.Context(), "order-3"), checkout.ErrAlreadyPaid)
}

func TestDraft(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	draft, err := s.flow.Draft(t.Context(), cartOf("order-1", "last"))
	require.NoError(t, err)
	require.Equal(t, store.Draft, draft.Status())
	s.requireStock("last", 1, 0, 0)
	_, err = s.flow.Draft(t.Context(), cartOf("order-1", "last"))
	require.ErrorIs(t, err, checkout.ErrOrderExists)
	s.pay(s.begin(cartOf("order-1", "last")).SessionID)
	s.requireStatus("order-1", checkout.Fulfilled)
}

func TestNothingOversold(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.begin(cartOf("order-1", "last"))
	_, err := s.flow.Begin(t.Context(), cartOf("order-2", "tee", "last"))
	var short *reservation.ShortageError
	require.ErrorAs(t, err, &short)
	require.Equal(t, []reservation.Shortage{{SKU: "last", Wanted: 1, Available: 0}}, short.Lines)
	s.requireStock("tee", 5, 0, 0)
	_, err = s.flow.Order(t.Context(), "order-2")
	require.ErrorIs(t, err, store.ErrNotFound, "nothing was written")
	_, err = s.flow.Begin(t.Context(), cartOf("order-3", "nonsuch"))
	require.ErrorIs(t, err, reservation.ErrUnknownSKU)
	require.Equal(t, 1, s.wire.count(createCall))
}

func TestNoReserver(t *testing.T) {
	t.Parallel()
	s := newShop(t)

	flow, hook := s.untracked()
	s.srv.Deliver(hook, testPayloads())
	_, err := flow.Begin(t.Context(), cartOf("order-1", "nonsuch"))
	require.ErrorIs(t, err, checkout.ErrNoReserver)
	_, err = flow.Draft(t.Context(), cartOf("order-1", "nonsuch"))
	require.ErrorIs(t, err, checkout.ErrNoReserver)
	_, err = flow.Order(t.Context(), "order-1")
	require.ErrorIs(t, err, checkout.ErrNotFound, "nothing is written")

	started, err := flow.Begin(t.Context(), cartOf("order-1", ""))
	require.NoError(t, err)
	s.pay(started.SessionID)
	s.requireStatus("order-1", checkout.Fulfilled)
}

// Every request for an order on a connected account is made on that account.
func TestRequestsOnTheOrdersAccount(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var without []string
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.Header.Get("Stripe-Account") != "acct_1" {
			without = append(without, r.Method+" "+r.URL.Path)
		}
		return send()
	})
	cart := cartOf("order-1", "tee")
	cart.Connect.Account = "acct_1"
	started := s.begin(cart)
	s.status(started.SessionID)
	require.NoError(t, s.flow.Cancel(t.Context(), "order-1"))
	require.Empty(t, without)
}

// No event brings the data of an erased order back, not even one of a session that the customer recovered. What was paid is
// bookkeeping and stays.
func TestEraseIsRemembered(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	cart := cartOf("order-1", "")
	cart.Params = func(p *stripe.CheckoutSessionCreateParams) {
		p.AfterExpiration = &stripe.CheckoutSessionCreateAfterExpirationParams{
			Recovery: &stripe.CheckoutSessionCreateAfterExpirationRecoveryParams{Enabled: stripe.Bool(true)},
		}
	}
	s.onFulfil(func(context.Context, tx, *store.Order) error { return webhook.Permanent(errors.New("Jane Doe moved")) })
	id := s.begin(cart).SessionID
	s.srv.Advance(25 * time.Hour)
	require.NoError(t, s.flow.Erase(t.Context(), "order-1"))
	recovered, err := s.srv.Recover(id)
	require.NoError(t, err)
	s.pay(recovered)
	_, err = s.flow.Settle(t.Context(), recovered)
	require.NoError(t, err)
	s.refund(recovered, 100)
	o := s.order("order-1")
	require.True(t, o.Paid())
	require.Equal(t, int64(1999), o.Amounts.Total)
	require.Equal(t, "usd", o.Currency)
	encoded, err := o.Encode()
	require.NoError(t, err)
	for _, personal := range []string{"buyer@example.com", "Jane", "checkout.session", "https://checkout"} {
		require.NotContains(t, string(encoded), personal)
	}
}

// No operation waits for ever for an order that somebody has locked in a console.
func TestOperationsOnALockedOrderEnd(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(ctx context.Context, flow *checkout.Flow[tx], session string) error{
		"Begin": func(ctx context.Context, flow *checkout.Flow[tx], _ string) error {
			_, err := flow.Begin(ctx, cartOf("order-1", "tee", "tee"))
			return err
		},
		"Cancel": func(ctx context.Context, flow *checkout.Flow[tx], _ string) error { return flow.Cancel(ctx, "order-1") },
		"Erase":  func(ctx context.Context, flow *checkout.Flow[tx], _ string) error { return flow.Erase(ctx, "order-1") },
		"Resolve": func(ctx context.Context, flow *checkout.Flow[tx], _ string) error {
			return flow.Resolve(ctx, "order-1", checkout.Retry)
		},
		"Draft": func(ctx context.Context, flow *checkout.Flow[tx], _ string) error {
			_, err := flow.Draft(ctx, cartOf("order-1", "tee"))
			return err
		},
		"Settle": func(ctx context.Context, flow *checkout.Flow[tx], session string) error {
			_, err := flow.Settle(ctx, session)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				session := s.begin(cartOf("order-1", "tee")).SessionID
				s.srv.Advance(time.Minute)
				console := errors.New("the person at the console rolls back")
				err := s.st.InTx(t.Context(), func(tx tx) error {
					require.NoError(t, tx.Lock(t.Context(), "fulfil_order/order-1"))
					ended := make(chan error, 1)
					go func() { ended <- do(context.Background(), s.flow, session) }()
					time.Sleep(10 * time.Minute) // on the bubble's clock
					select {
					case err := <-ended:
						require.ErrorIs(t, err, context.DeadlineExceeded)
					default:
						t.Error("it waits for ever")
					}
					return console
				})
				require.ErrorIs(t, err, console)
			})
		})
	}
}

// The total of an order is that of its lines until its session says what it came to.
func TestTotal(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	cart := cartOf("order-1", "tee", "last")
	cart.Lines[0].Quantity = 2
	_, err := s.flow.Draft(t.Context(), cart)
	require.NoError(t, err)
	want := checkout.MustAmount("59.97", "usd")
	require.Equal(t, want, checkout.Total(s.order("order-1")))
	id := s.begin(cart).SessionID
	require.Equal(t, want, checkout.Total(s.order("order-1")))
	s.pay(id)
	require.Equal(t, want, checkout.Total(s.order("order-1")))
	require.Zero(t, checkout.Total(&store.Order{Mode: "setup"}))
	require.Zero(t, checkout.Total(&store.Order{Currency: "usd", Lines: []store.Line{{Quantity: 2}}}), "only Stripe knows the price")
}
