package checkout_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
)

// losingStore loses what was recorded of an order before one of its calls: all of it, or its attempts.
type losingStore struct {
	store.Store[tx]
	lose  func()
	at    int64
	calls atomic.Int64
}

func (l *losingStore) call() {
	if l.calls.Add(1) == l.at {
		l.lose()
	}
}

func (l *losingStore) InTx(ctx context.Context, fn func(tx tx) error) error {
	l.call()
	return l.Store.InTx(ctx, fn)
}

func (l *losingStore) Find(ctx context.Context, id string) (*store.Order, error) {
	l.call()
	return l.Store.Find(ctx, id)
}

func (l *losingStore) FindRef(ctx context.Context, ref string) (*store.Order, error) {
	l.call()
	return l.Store.FindRef(ctx, ref)
}

func (l *losingStore) Due(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]string, error) {
	ids, err := l.Store.Due(ctx, now, lease, limit)
	l.call() // after the order was taken
	return ids, err
}

// unknownSessions answers that no session is known.
func unknownSessions(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Path, "/v1/checkout/sessions/") {
		return answer(r, http.StatusNotFound, `{"error":{"type":"invalid_request_error","code":"resource_missing"}}`), nil
	}
	return send()
}

// lose removes what was recorded of order-1: the order and its references, or its attempts.
func (s *testShop) lose(whole bool) {
	require.NoError(s.t, s.st.InTx(context.Background(), func(tx *memstore.Tx) error {
		orders, err := s.st.Lock(context.Background(), tx, "order-1")
		if err != nil || orders[0] == nil {
			return err
		}
		o := orders[0]
		for _, ref := range o.Refs() {
			if err := tx.Delete(context.Background(), "fulfil_ref/"+ref); err != nil {
				return err
			}
		}
		if whole {
			return tx.Delete(context.Background(), "fulfil_order/order-1")
		}
		o.Attempts, o.Notices, o.Delivery, o.ChangeDelivery, o.FulfilledAt = nil, nil, store.Delivery{}, store.Delivery{}, time.Time{}
		return s.st.Save(context.Background(), tx, o)
	}))
}

// Nothing panics when the database loses an order, or its attempts, between any two calls, whatever is being done.
func TestOrderLostBetweenAnyTwoCalls(t *testing.T) {
	t.Parallel()
	doing := map[string]func(s *testShop, flow *checkout.Flow[tx], session string){
		"Begin": func(s *testShop, flow *checkout.Flow[tx], _ string) {
			_, _ = flow.Begin(s.t.Context(), cartOf("order-1", "tee", "tee"))
		},
		"Cancel": func(s *testShop, flow *checkout.Flow[tx], _ string) { _ = flow.Cancel(s.t.Context(), "order-1") },
		"Erase":  func(s *testShop, flow *checkout.Flow[tx], _ string) { _ = flow.Erase(s.t.Context(), "order-1") },
		"Settle": func(s *testShop, flow *checkout.Flow[tx], id string) {
			s.pay(id)
			_, _ = flow.Settle(s.t.Context(), id)
		},
		"Sweep": func(s *testShop, flow *checkout.Flow[tx], id string) {
			s.pay(id)
			s.srv.Advance(25 * time.Hour)
			_, _ = flow.Sweep(s.t.Context())
		},
		"Sweep of a session that is gone": func(s *testShop, flow *checkout.Flow[tx], _ string) {
			s.wire.on(unknownSessions)
			s.srv.Advance(50 * time.Hour)
			_, _ = flow.Sweep(s.t.Context())
		},
		"Resolve": func(s *testShop, flow *checkout.Flow[tx], id string) {
			s.onFulfil(func(context.Context, tx, *store.Order) error { return errPrinter })
			s.pay(id)
			_, _ = s.flow.Settle(s.t.Context(), id)
			s.srv.Advance(time.Hour)
			_ = flow.Resolve(s.t.Context(), "order-1", checkout.Retry)
		},
	}
	for name, do := range doing {
		for _, whole := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, whole: %v", name, whole), func(t *testing.T) {
				t.Parallel()
				for at := int64(1); ; at++ {
					s := newShop(t)
					s.loseWebhooks()
					id := s.begin(cartOf("order-1", "tee")).SessionID
					st := &losingStore{Store: s.st, at: at, lose: func() { s.lose(whole) }}
					flow, _ := s.processOn(st, s.stock, s.wire)
					do(s, flow, id)
					s.srv.Close()
					if st.calls.Load() < at {
						require.Greater(t, at, int64(1))
						break
					}
				}
			})
		}
	}
}

// An order that the database lost is recorded anew when its payment is heard of in whichever way: parked, stuck and not
// refunded.
func TestPaidOrderLost(t *testing.T) {
	t.Parallel()
	for name, hear := range map[string]func(s *testShop, event string){
		"its webhook comes late": func(s *testShop, event string) { _ = s.srv.Redeliver(event) },
		"Backfill finds it": func(s *testShop, _ string) {
			_, err := s.flow.Backfill(s.t.Context(), testStart)
			require.NoError(s.t, err)
		},
		"it was answered before the loss": func(s *testShop, _ string) { // another payment shows the loss
			id := s.begin(cartOf("order-2", "tee")).SessionID
			s.pay(id)
			s.loseOrder("order-2")
			s.srv.Advance(11 * time.Minute)
			last := ""
			for _, e := range s.sent() {
				if e.Type == completed {
					last = e.ID
				}
			}
			require.NoError(s.t, s.srv.Redeliver(last))
			s.sweep()
		},
	} {
		for _, modeLost := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, mode lost: %v", name, modeLost), func(t *testing.T) {
				t.Parallel()
				s := newShop(t)
				id := s.begin(cartOf("order-1", "tee")).SessionID
				s.pay(id)
				s.requireStatus("order-1", checkout.Fulfilled)
				event := ""
				for _, e := range s.sent() {
					if e.Type == completed {
						event = e.ID
					}
				}
				s.lose(true)
				if modeLost {
					require.NoError(t, s.st.SetCursor(t.Context(), "mode", ""))
				}
				s.flow, s.hook = s.process()
				s.srv.Deliver(s.hook, testPayloads())
				s.srv.Advance(11 * time.Minute)
				hear(s, event)
				o := s.order("order-1")
				require.True(t, o.Stuck())
				require.NotEmpty(t, o.Parked)
				require.Empty(t, o.Attempts[0].RefundWanted)
				require.Equal(t, 1, s.shipments("order-1"))
			})
		}
	}
}

// loseOrder removes an order and its references.
func (s *testShop) loseOrder(id string) {
	s.t.Helper()
	refs := s.order(id).Refs()
	require.NoError(s.t, s.st.InTx(s.t.Context(), func(tx *memstore.Tx) error {
		for _, ref := range refs {
			if err := tx.Delete(s.t.Context(), "fulfil_ref/"+ref); err != nil {
				return err
			}
		}
		return tx.Delete(s.t.Context(), "fulfil_order/"+id)
	}))
}

// loseRows removes the rows whose keys have one of the prefixes.
func (s *testShop) loseRows(prefixes ...string) {
	s.t.Helper()
	require.NoError(s.t, s.st.InTx(s.t.Context(), func(tx *memstore.Tx) error {
		for _, prefix := range prefixes {
			for _, row := range tx.Scan(prefix) {
				if err := tx.Delete(s.t.Context(), row.Key); err != nil {
					return err
				}
			}
		}
		return nil
	}))
}

// loseHolds has the stock as it was before anything was held.
func (s *testShop) loseHolds() {
	s.t.Helper()
	s.loseRows("fulfil_hold/", "fulfil_stock/")
	s.setStock("tee", 100)
}

// Stripe keeps an idempotency key for at least a day, and does not say how much longer. A payment of two days ago is found when
// Stripe still knows the key.
func TestBeginFindsALostPaymentAsLongAsStripeKnowsItsKey(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	s.lose(true)
	s.loseHolds()
	s.srv.Advance(2 * day)
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if isCreate(r) && strings.HasSuffix(r.Header.Get("Idempotency-Key"), "/order-1/1") {
			return answer(r, http.StatusBadRequest, `{"error":{"type":"idempotency_error"}}`), nil
		}
		return send()
	})
	_, err := s.flow.Begin(t.Context(), cartOf("order-1", "tee"))
	require.ErrorIs(t, err, checkout.ErrAlreadyPaid)
}

// A loss on a connected account is found, too, though only another order there shows it.
func TestLossOnConnectedAccount(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connected = []string{"acct_1"}
	first, second := s.beginOn("acct_1", "first"), s.beginOn("acct_1", "second")
	s.pay(first)
	s.pay(second)
	s.loseOrder("first")
	s.loseOrder("second")
	s.srv.Advance(11 * time.Minute)
	for _, e := range s.sent() {
		if e.Type == completed && e.ObjectID == first {
			require.NoError(t, s.srv.Redeliver(e.ID))
		}
	}
	require.True(t, s.order("first").Stuck())
	s.sweep()
	require.True(t, s.order("second").Stuck())
}

// An open session whose order or attempt was lost is ended, as no stock is held for it. One that is new may be on its way
// to the database.
func TestOpenSessionLost(t *testing.T) {
	t.Parallel()
	for _, whole := range []bool{true, false} {
		s := newShop(t)
		id := s.begin(cartOf("order-1", "tee")).SessionID
		s.lose(whole)
		_, _ = s.flow.Backfill(t.Context(), testStart)
		require.Equal(t, "open", s.stripeStatus(id))
		s.srv.Advance(11 * time.Minute)
		_, err := s.flow.Backfill(t.Context(), testStart)
		require.NoError(t, err)
		require.Equal(t, "expired", s.stripeStatus(id), "whole: %v", whole)
	}
}

// Money that was on its way when the database lost its order is recorded when it is heard of, is followed until it arrives, and
// waits for a person then. Found by the simulation: the event of a capture names no session.
func TestMoneyOnItsWayLost(t *testing.T) {
	t.Parallel()
	for name, arrives := range map[string]func(s *testShop, session string){
		"captured": func(s *testShop, session string) {
			_, err := s.srv.Client().V1PaymentIntents.Capture(s.t.Context(), s.stripeSession(session).PaymentIntent.ID, nil)
			require.NoError(s.t, err)
			s.srv.Flush()
		},
		"captured, and no event of it was received": func(s *testShop, session string) {
			s.loseWebhooks()
			_, err := s.srv.Client().V1PaymentIntents.Capture(s.t.Context(), s.stripeSession(session).PaymentIntent.ID, nil)
			require.NoError(s.t, err)
			s.srv.Advance(7 * time.Hour)
			s.sweep()
		},
	} {
		for _, whole := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, whole: %v", name, whole), func(t *testing.T) {
				t.Parallel()
				s := newShop(t)
				session, _ := s.authorized()
				s.lose(whole)
				s.srv.Advance(11 * time.Minute)
				_, err := s.flow.Backfill(t.Context(), testStart)
				require.NoError(t, err)
				s.requireStatus("order-1", "processing")

				arrives(s, session)
				o := s.order("order-1")
				require.True(t, o.Paid())
				require.True(t, o.Stuck())
				require.Zero(t, s.shipments("order-1"))
			})
		}
	}
}

// Begin after a loss finds the session that was paid, or whose money is on its way, and otherwise goes on with another attempt,
// however many were lost.
func TestBeginAfterALoss(t *testing.T) {
	t.Parallel()
	for _, card := range []checkouttest.PaymentMethod{"", checkouttest.CardOK, checkouttest.BankDebit} {
		for _, whole := range []bool{false, true} {
			t.Run(fmt.Sprintf("paid: %q, whole: %v", card, whole), func(t *testing.T) {
				t.Parallel()
				s := newShop(t)
				s.setStock("tee", 100)
				s.loseWebhooks()
				var session string
				for i := range 6 { // six carts
					cart := cartOf("order-1", "tee")
					cart.Lines[0].Quantity = int64(i + 1)
					session = s.begin(cart).SessionID
				}
				if card != "" {
					require.NoError(t, s.srv.Pay(session, card))
				}
				s.lose(whole)
				s.loseHolds()
				started, err := s.flow.Begin(t.Context(), cartOf("order-1", "tee"))
				switch card {
				case checkouttest.CardOK:
					require.ErrorIs(t, err, checkout.ErrAlreadyPaid)
					return
				case checkouttest.BankDebit:
					require.ErrorIs(t, err, checkout.ErrProcessing)
					return
				}
				require.NoError(t, err)
				require.Equal(t, 7, started.Attempt)
				require.Equal(t, "expired", s.stripeStatus(session))
				require.Equal(t, 1, s.openSessions())
			})
		}
	}
}

// A process that has handled a missed event just before the database lost what the handler wrote handles the event again.
func TestLossOfWhatASweepHandled(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.down()
	handled := s.hears(func() error { return nil })
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	s.srv.Advance(2 * time.Minute)
	s.sweep()
	require.Equal(t, 1, handled())
	s.loseRows("charged/", "fulfil_claim/")
	_, err := s.flow.Backfill(t.Context(), testStart)
	require.NoError(t, err)
	s.sweep()
	require.Equal(t, 1, handled())
}

// Begin shows a loss, too: sweeps then find what else was lost.
func TestBeginShowsALoss(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	s.pay(s.begin(cartOf("order-2", "tee")).SessionID)
	s.sweep()
	s.loseOrder("order-1")
	s.loseOrder("order-2")
	s.loseHolds()
	s.srv.Advance(11 * time.Minute)
	changed := cartOf("order-1", "tee")
	changed.Lines[0].Quantity = 2
	_, err := s.flow.Begin(t.Context(), changed)
	require.ErrorIs(t, err, checkout.ErrAlreadyPaid)
	s.sweep()
	o, err := s.flow.Order(t.Context(), "order-2")
	require.NoError(t, err)
	require.True(t, o.Stuck())
}

// The database may lose the order once more while Begin looks for what it lost before. The order is not sold again.
func TestBeginAfterTwoLosses(t *testing.T) {
	t.Parallel()
	for _, whole := range []bool{true, false} {
		t.Run(fmt.Sprintf("whole: %v", whole), func(t *testing.T) {
			t.Parallel()
			for at := int64(1); ; at++ {
				s := newShop(t)
				s.loseWebhooks()
				s.begin(cartOf("order-1", "tee"))
				require.NoError(t, s.srv.Pay(s.begin(cartOf("order-1", "tee", "tee")).SessionID, checkouttest.CardOK))
				s.lose(whole)
				s.loseHolds()
				st := &losingStore{Store: s.st, at: at, lose: func() { s.lose(whole); s.loseHolds() }}
				flow, _ := s.processOn(st, s.stock, s.wire)
				started, err := flow.Begin(t.Context(), cartOf("order-1", "tee"))
				require.Error(t, err, "lost again before call %d: %+v", at, started)
				require.Zero(t, s.openSessions(), "lost again before call %d", at)
				s.srv.Close()
				if st.calls.Load() < at {
					require.Greater(t, at, int64(8))
					return
				}
			}
		})
	}
}

// A session that was never recorded is paid, and the payment is heard of weeks later. The cart of its attempt is still there, so that
// the goods are handed over.
func TestPaymentOfALostSessionIsHeardOfLate(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.setStock("tee", 2)
	lost := s.beginUnrecorded(cartOf("order-1", "tee"))
	s.srv.Advance(3 * time.Minute)
	s.sweep()
	s.begin(cartOf("order-1", "tee"))
	s.loseWebhooks()
	s.pay(lost)
	s.srv.Advance(20 * 24 * time.Hour)
	s.begin(cartOf("order-1", "tee"))
	for range 3 {
		s.sweep()
		s.srv.Advance(time.Minute)
	}
	s.requireStatus("order-1", checkout.Fulfilled)
}

// A paid session that names the shop and an unknown order is recorded only on an account that Config.Accounts lists: on any other, its
// owner could make orders without end.
func TestLostOrderOnAnUnknownAccount(t *testing.T) {
	t.Parallel()
	for _, listed := range []bool{true, false} {
		s := newShop(t)
		if listed {
			s.connected = []string{"acct_1"}
		}
		ours := s.begin(cartOf("order-1", "tee")).SessionID
		forged := s.foreignSession(func(p *stripe.CheckoutSessionCreateParams) {
			p.Metadata = s.stripeSession(ours).Metadata
			p.Metadata["fulfil_order"] = "ghost"
			p.SetStripeAccount("acct_1")
		})
		s.srv.Advance(15 * time.Minute)
		s.pay(forged)
		_, err := s.flow.Order(t.Context(), "ghost")
		require.Equal(t, listed, err == nil, "listed: %t: %v", listed, err)
	}
}

// rewind has the database forget what happened to order-1 since an earlier reading of the order.
func (s *testShop) rewind(earlier *store.Order) {
	require.NoError(s.t, s.st.InTx(context.Background(), func(tx *memstore.Tx) error {
		orders, err := s.st.Lock(context.Background(), tx, "order-1")
		if err != nil {
			return err
		}
		for _, ref := range orders[0].Refs() {
			if err := tx.Delete(context.Background(), "fulfil_ref/"+ref); err != nil {
				return err
			}
		}
		return s.st.Save(context.Background(), tx, earlier.Clone())
	}))
}

// The database loses the payment of an order after the order was found by a refund or a dispute of that payment. What was given
// back is recorded for the payment that it belongs to, and told so, once the event is heard again.
func TestPaymentLostWhenItIsGivenBack(t *testing.T) {
	t.Parallel()
	for kind, giveBack := range map[checkout.ChangeKind]func(s *testShop, session, intent string){
		checkout.ChangeRefunded: func(s *testShop, _, intent string) { s.refundPayment(intent) },
		checkout.ChangeDisputed: func(s *testShop, session, _ string) {
			_, err := s.srv.Dispute(session)
			require.NoError(s.t, err)
		},
	} {
		for _, renewal := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, of a renewal: %v", kind, renewal), func(t *testing.T) {
				t.Parallel()
				for at := int64(1); ; at++ {
					s := newShop(t)
					cart := cartOf("order-1", "tee")
					if renewal {
						cart = clubOf("order-1")
					}
					session := s.begin(cart).SessionID
					earlier, invoice := s.order("order-1"), ""
					s.pay(session)
					if renewal {
						earlier = s.order("order-1")
						s.srv.Advance(32 * 24 * time.Hour)
						invoice = s.order("order-1").Invoices[1].ID
					}
					o := s.order("order-1")
					intent := o.PaidAttempt().PaymentIntent
					if renewal {
						intent = o.Invoice(invoice).PaymentIntents[0]
					}
					s.changes = nil
					recorded := func(o *store.Order) int { return len(o.Refunds) + len(o.Disputes) }
					late := false
					st := &losingStore{Store: s.st, at: at, lose: func() {
						late = recorded(s.order("order-1")) > 0 // a sweep finds what was lost then
						s.rewind(earlier)
					}}
					_, hook := s.processOn(st, s.stock, s.wire)
					s.srv.Deliver(hook, testPayloads())
					giveBack(s, session, intent)
					s.srv.Advance(4 * time.Hour) // what was refused comes again

					given := s.order("order-1")
					require.True(t, late || recorded(given) == 1 && slices.Contains(s.kinds(), kind), "lost before call %d", at)
					for _, r := range given.Refunds {
						require.Equal(t, []any{1, invoice}, []any{r.Attempt, r.Invoice}, "lost before call %d", at)
					}
					for _, d := range given.Disputes {
						require.Equal(t, []any{1, invoice}, []any{d.Attempt, d.Invoice}, "lost before call %d", at)
					}
					for _, c := range s.changes {
						if c.Kind == kind {
							require.Equal(t, []any{1, invoice}, []any{c.Attempt, c.Invoice}, "lost before call %d", at)
						}
					}
					s.srv.Close()
					if st.calls.Load() < at {
						require.Greater(t, at, int64(5))
						break
					}
				}
			})
		}
	}
}
