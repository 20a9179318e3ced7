package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
)

// prune prunes orders of an age, and returns the IDs of those that it deleted.
func (s *testShop) prune(age time.Duration) (ids []string) {
	s.t.Helper()
	n, err := s.flow.Prune(s.t.Context(), age, func(_ context.Context, _ tx, o *store.Order) error {
		ids = append(ids, o.ID)
		return nil
	})
	require.NoError(s.t, err)
	require.Len(s.t, ids, n)
	return ids
}

// abandoned begins an order whose session expires, and lets so much time pass that it can be pruned.
func (s *testShop) abandoned(id string) {
	s.t.Helper()
	s.begin(cartOf(id, "tee"))
	s.srv.Advance(25 * time.Hour)
	s.sweep()
	s.srv.Advance(checkout.MinPruneAge)
	s.sweep()
	require.Equal(s.t, store.Expired, s.order(id).Status())
}

func TestPrune(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	_, err := s.flow.Draft(t.Context(), cartOf("draft", "tee"))
	require.NoError(t, err)
	s.begin(cartOf("expired", "tee"))
	s.begin(cartOf("canceled", "tee"))
	require.NoError(t, s.flow.Cancel(t.Context(), "canceled"))
	s.pay(s.begin(cartOf("paid", "tee")).SessionID)
	debit := s.begin(cartOf("failed", "tee")).SessionID
	require.NoError(t, s.srv.Pay(debit, checkouttest.BankDebit))
	s.srv.Advance(25 * time.Hour)
	require.NoError(t, s.srv.Bounce(debit))
	s.sweep()

	require.Empty(t, s.prune(checkout.MinPruneAge), "too young")
	_, err = s.flow.Prune(t.Context(), checkout.MinPruneAge-1, nil)
	require.ErrorContains(t, err, "MinPruneAge")
	s.srv.Advance(checkout.MinPruneAge)
	s.begin(cartOf("open", "last"))
	require.ElementsMatch(t, []string{"draft", "expired", "canceled"}, s.prune(checkout.MinPruneAge))
	require.Empty(t, s.prune(checkout.MinPruneAge))
	for id, kept := range map[string]bool{"draft": false, "expired": false, "canceled": false, "paid": true, "failed": true, "open": true} {
		_, err := s.flow.Order(t.Context(), id)
		require.Equal(t, kept, err == nil, "%s: %v", id, err)
	}
	s.pay(s.begin(cartOf("draft", "tee")).SessionID) // the ID is free
	require.Equal(t, checkout.Fulfilled, checkout.Display(s.order("draft")))
	s.pay(s.begin(cartOf("expired", "tee")).SessionID)
	require.Equal(t, checkout.Fulfilled, checkout.Display(s.order("expired")), "the holds of a deleted order are forgotten")
	s.requireStock("tee", 2, 0, 3)
}

// forgetless is a Reserver that can't forget, like one of the merchant's own.
type forgetless struct{ reservation.Reserver[tx] }

func TestPruneWithoutForgetter(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.flow, s.hook = s.processOn(s.st, forgetless{s.stock}, s.wire)
	s.abandoned("order-1")
	require.Equal(t, []string{"order-1"}, s.prune(checkout.MinPruneAge))
	require.True(t, s.remembers("order-1/1"))
	_, err := s.flow.Begin(t.Context(), cartOf("order-1", "tee"))
	require.ErrorIs(t, err, reservation.ErrHoldExists)
}

// remembers reports whether the Reserver knows a hold that has ended.
func (s *testShop) remembers(hold string) bool {
	s.t.Helper()
	known := false
	require.NoError(s.t, s.st.InTx(s.t.Context(), func(tx tx) error {
		for _, end := range []func(context.Context, *memstore.Tx, ...string) ([]error, error){s.stock.Commit, s.stock.Release} {
			answers, err := end(s.t.Context(), tx, hold)
			if err != nil {
				return err
			}
			known = known || answers[0] == nil
		}
		return nil
	}))
	return known
}

// A sweep has the holds of paid and abandoned orders forgotten once these are 45 days old. It leaves those that stand, and those
// of younger orders.
func TestEndedHoldsAreForgotten(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.pay(s.begin(cartOf("paid", "tee")).SessionID)
	s.begin(cartOf("abandoned", "tee"))
	larger := cartOf("changed", "tee")
	s.begin(larger)
	larger.Lines[0].Quantity = 2
	s.pay(s.begin(larger).SessionID)
	require.NoError(t, s.srv.Pay(s.begin(cartOf("waiting", "last")).SessionID, checkouttest.BankDebit))
	ended := []string{"paid/1", "abandoned/1", "changed/1", "changed/2+", "changed/2"}
	for range 44 {
		s.srv.Advance(day)
		s.sweep()
	}
	s.pay(s.begin(cartOf("young", "tee")).SessionID)
	for _, id := range ended {
		require.True(t, s.remembers(id), "%s is asked for early", id)
	}
	s.requireStock("tee", 1, 0, 4)
	for range 2 {
		s.srv.Advance(day)
		s.sweep()
	}
	for _, id := range ended {
		require.False(t, s.remembers(id), id)
	}
	require.True(t, s.remembers("young/1"))
	s.requireStock("tee", 1, 0, 4)
	s.requireStock("last", 0, 1, 0) // a hold that stands stays

	require.NoError(t, s.srv.Settle(s.order("waiting").Attempts[0].SessionID))
	s.requireStock("last", 0, 0, 1)
	require.False(t, s.remembers("waiting/1"), "the hold of an old order is forgotten as soon as it ends, as no sweep passes the order again")
	for range 46 {
		s.srv.Advance(day)
		s.sweep()
	}
	require.False(t, s.remembers("young/1"))
	s.hearAgain()
	s.requireStock("tee", 1, 0, 4) // events that come late sell nothing again
}

// The stock of a late payment takes the place of a hold. Both are forgotten.
func TestHoldsOfALatePaymentAreForgotten(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.abandoned("order-1") // 46 days ago: its hold is forgotten
	require.False(t, s.remembers("order-1/1"))
	s.begin(cartOf("order-2", "tee"))
	s.srv.Advance(25 * time.Hour)
	s.sweep()
	require.NoError(t, s.st.InTx(t.Context(), func(tx tx) error {
		orders, err := s.st.Lock(t.Context(), tx, "order-2")
		if err != nil {
			return err
		}
		a := &orders[0].Attempts[0]
		if _, err := s.stock.Hold(t.Context(), tx, reservation.Hold{ID: "order-2/1/late", Lines: []reservation.Line{{SKU: "tee", Quantity: 1}}}); err != nil {
			return err
		}
		if _, err := s.stock.Commit(t.Context(), tx, "order-2/1/late"); err != nil {
			return err
		}
		a.Hold = store.Hold{ID: "order-2/1/late", State: store.Sold}
		return s.st.Save(t.Context(), tx, orders[0])
	}))
	require.True(t, s.remembers("order-2/1"))
	for range 46 {
		s.srv.Advance(day)
		s.sweep()
	}
	require.False(t, s.remembers("order-2/1/late"))
	require.False(t, s.remembers("order-2/1"))
}

// forgetCalls notes how many holds each call forgot.
type forgetCalls struct {
	*memreserver.Reserver
	calls []int
}

func (f *forgetCalls) Forget(ctx context.Context, tx tx, ids ...string) error {
	f.calls = append(f.calls, len(ids))
	return f.Reserver.Forget(ctx, tx, ids...)
}

// A sweep has the holds of no more than ten thousand orders forgotten, and the next goes on where it ended.
func TestForgettingIsBounded(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	stock := &forgetCalls{Reserver: s.stock}
	flow, _ := s.processOn(s.st, stock, s.wire)
	begun := s.srv.Now()
	require.NoError(t, s.st.InTx(t.Context(), func(tx tx) error {
		for n := range 12_345 {
			id := fmt.Sprintf("order-%05d", n)
			_, err := s.st.Insert(t.Context(), tx, &store.Order{ID: id, CreatedAt: begun.Add(time.Duration(n/3) * time.Microsecond), UpdatedAt: begun,
				Attempts: []store.Attempt{{N: 1, Hold: store.Hold{ID: id + "/1", State: store.Sold}}}})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	s.srv.Advance(46 * day)
	var forgotten []int
	for range 4 {
		stock.calls = nil
		_, err := flow.Sweep(t.Context())
		require.NoError(t, err)
		sum := 0
		for _, n := range stock.calls {
			require.LessOrEqual(t, n, 1000)
			sum += n
		}
		forgotten = append(forgotten, sum)
		s.srv.Advance(30 * time.Second)
	}
	require.Equal(t, []int{10_000, 2_345, 0, 0}, forgotten)
	s.srv.Advance(day)
	_, err := flow.Sweep(t.Context())
	require.NoError(t, err)
	require.Empty(t, stock.calls, "each order is passed once")
}

// Each of these facts keeps an order that would be pruned without it.
func TestPruneKeepsWhatMatters(t *testing.T) {
	t.Parallel()
	for name, fact := range map[string]func(o *store.Order, now time.Time){
		"an order that was changed":       func(o *store.Order, now time.Time) { o.UpdatedAt = now },
		"something is due":                func(o *store.Order, now time.Time) { o.DueAt = now.Add(time.Hour) },
		"a change waits":                  func(o *store.Order, now time.Time) { o.Notices = append(o.Notices, store.Notice{N: 9, Kind: "failed"}) },
		"stock is held":                   func(o *store.Order, now time.Time) { o.Attempts[0].Hold.State = store.Held },
		"stock is held for a larger cart": func(o *store.Order, now time.Time) { o.Attempts[0].Increase.State = store.Held },
		"the customer finished the page":  func(o *store.Order, now time.Time) { o.Attempts[0].Completed = true },
		"a payment failed":                func(o *store.Order, now time.Time) { o.Attempts[0].Failed = true },
		"money arrived":                   func(o *store.Order, now time.Time) { o.Attempts[0].Paid = true },
		"a session can be paid":           func(o *store.Order, now time.Time) { o.Attempts[0].Expired = false },
		"a refund is known":               func(o *store.Order, now time.Time) { o.Refunds = append(o.Refunds, store.Refund{ID: "re_1"}) },
		"a dispute is known":              func(o *store.Order, now time.Time) { o.Disputes = append(o.Disputes, store.Dispute{ID: "dp_1"}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.abandoned("order-1")
			s.abandoned("order-2") // later than order-1
			require.NoError(t, s.st.InTx(t.Context(), func(tx tx) error {
				orders, err := s.st.Lock(t.Context(), tx, "order-1")
				if err != nil {
					return err
				}
				fact(orders[0], s.srv.Now())
				return s.st.Save(t.Context(), tx, orders[0])
			}))
			require.Equal(t, []string{"order-2"}, s.prune(checkout.MinPruneAge), "the order is kept, and keeps no other from being deleted")
		})
	}
}

func TestPruneTogetherWithTheMerchantsRows(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.abandoned("order-1")
	require.NoError(t, s.st.InTx(t.Context(), func(tx tx) error { return tx.Set(t.Context(), "notes/order-1", "ring twice") }))
	fail := errors.New("no")
	for _, want := range []error{fail, nil} {
		n, err := s.flow.Prune(t.Context(), checkout.MinPruneAge, func(ctx context.Context, tx tx, o *store.Order) error {
			return errors.Join(tx.Delete(ctx, "notes/"+o.ID), want)
		})
		require.ErrorIs(t, err, want)
		_, noted := s.st.Get("notes/order-1")
		_, found := s.flow.Order(t.Context(), "order-1")
		if want != nil {
			require.Zero(t, n)
			require.True(t, noted)
			require.NoError(t, found)
		} else {
			require.Equal(t, 1, n)
			require.False(t, noted)
			require.ErrorIs(t, found, checkout.ErrNotFound)
		}
	}
}

// An order that is begun again while Prune comes to it is kept.
func TestPruneLooksAgainUnderTheLock(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.abandoned("order-1")
	s.abandoned("order-2")
	n, err := s.flow.Prune(t.Context(), checkout.MinPruneAge, func(_ context.Context, _ tx, o *store.Order) error {
		if o.ID == "order-1" {
			s.begin(cartOf("order-2", "tee"))
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, store.Open, s.order("order-2").Status())
}

func TestPruneReadsEveryPage(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	now := s.srv.Now()
	old := now.Add(-2 * checkout.MinPruneAge)
	require.NoError(t, s.st.InTx(t.Context(), func(tx tx) error {
		for n := range 2001 {
			o := &store.Order{ID: fmt.Sprintf("order-%04d", n), CreatedAt: old.Add(time.Duration(n) * time.Second), UpdatedAt: now}
			if n == 2000 {
				o.UpdatedAt = old
			}
			if _, err := s.st.Insert(t.Context(), tx, o); err != nil {
				return err
			}
		}
		return nil
	}))
	require.Equal(t, []string{"order-2000"}, s.prune(checkout.MinPruneAge))
}
