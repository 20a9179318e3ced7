package flowtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
)

// lateMoney pays an order after its stock was released. One process receives the event, while another customer asks the other
// process for the last piece. One of the two orders gets the piece, and the other is short.
func lateMoney(p *pair) {
	late := 0
	for n := range rounds {
		sku := fmt.Sprintf("last-%d", n)
		p.setStock(sku, 1)
		old, other := fmt.Sprintf("old-%d", n), fmt.Sprintf("other-%d", n)
		session := p.beginUnrecorded(old, sku)
		p.srv.Advance(6 * time.Minute)
		_, err := p.flows[0].Sweep(p.t.Context())
		require.NoError(p.t, err)
		p.requireStock(sku, 1, 0, 0)
		since := p.events()
		require.NoError(p.t, p.srv.Pay(session, checkouttest.CardOK))
		event := since()[0]

		var short *reservation.ShortageError
		var errs [2]error
		atOnce(func(i int) {
			if i == 0 {
				errs[0] = p.hear(0, event)
			} else {
				_, errs[1] = p.flows[1].Begin(context.WithoutCancel(p.t.Context()), cartRequest{Order: other, SKUs: []string{sku}}.session())
			}
		})
		require.NoError(p.t, errs[0])
		switch {
		case errors.As(errs[1], &short):
			late++
			p.requireEnds(old, checkout.Fulfilled, 1)
			p.requireStock(sku, 0, 0, 1)
		case errs[1] == nil:
			p.requireEnds(old, "paid", 0)
			o := p.order(old)
			require.Equal(p.t, []store.Shortage{{SKU: sku, Wanted: 1}}, o.Shortfall)
			require.True(p.t, o.Stuck())
			p.requireStock(sku, 1, 1, 0)
		default:
			p.t.Fatal(errs[1])
		}
	}
	p.t.Logf("late money was first in %d of %d rounds", late, rounds)
}

// beginUnrecorded begins an order whose caller disappears before the session is recorded, and returns the session.
func (p *pair) beginUnrecorded(id string, skus ...string) (session string) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(p.t.Context())
	defer cancel()
	p.mu.Lock()
	p.cut = cancel
	p.mu.Unlock()
	_, err := p.flows[0].Begin(ctx, cartRequest{Order: id, SKUs: skus}.session())
	require.ErrorIs(p.t, err, context.Canceled)
	return p.newestSession()
}

// cancelAndPay lets the customer pay at Stripe while the merchant cancels. Stripe decides who was first. In every other round
// the customer waits until the cancellation is recorded, so that each side can win.
func cancelAndPay(p *pair) {
	p.srv.Deliver(p.hooks[0])
	paid := 0
	for n := range rounds {
		id := fmt.Sprintf("order-%d", n)
		session := p.begin(1, id, "ink")
		var canceled, payment error
		atOnce(func(i int) {
			ctx := context.WithoutCancel(p.t.Context())
			if i == 1 {
				canceled = p.flows[1].Cancel(ctx, id)
				return
			}
			for canceling := n%2 == 0; !canceling; {
				o, err := p.flows[0].Order(ctx, id)
				canceling = err != nil || !o.CancelRequestedAt.IsZero()
			}
			payment = p.srv.Pay(session, checkouttest.CardOK)
		})
		p.srv.Advance(time.Hour) // events that were answered with an error come again
		if payment != nil {
			require.ErrorIs(p.t, payment, checkouttest.ErrExpired)
			require.NoError(p.t, canceled)
			p.requireEnds(id, "canceled", 0)
			continue
		}
		paid++
		require.ErrorIs(p.t, canceled, checkout.ErrAlreadyPaid)
		p.requireEnds(id, checkout.Fulfilled, 1)
	}
	p.requireStock("ink", 1000-int64(paid), 0, int64(paid))
	p.t.Logf("the customer was first in %d of %d rounds", paid, rounds)
}

// decideTwice lets two people decide about a paid order that is short, each in a process of their own, while the event of its
// payment comes again.
func decideTwice(p *pair) {
	fulfilled, soldForNothing := 0, 0
	p.onFulfil(func(_ context.Context, _ *sql.Tx, _ int, o *store.Order) error {
		if !o.GivenUpAt.IsZero() {
			p.t.Errorf("%s is fulfilled after it was given up", o.ID)
		}
		return nil
	})
	for n := range rounds {
		sku, id := fmt.Sprintf("last-%d", n), fmt.Sprintf("order-%d", n)
		p.setStock(sku, 1)
		session := p.beginUnrecorded(id, sku)
		p.srv.Advance(6 * time.Minute)
		_, err := p.flows[0].Sweep(p.t.Context())
		require.NoError(p.t, err)
		p.begin(1, "other-"+id, sku)
		since := p.events()
		require.NoError(p.t, p.srv.Pay(session, checkouttest.CardOK))
		event := since()[0]
		require.NoError(p.t, p.hear(0, event))
		require.NotEmpty(p.t, p.order(id).Shortfall)
		p.setStock(sku, 2)

		decisions := [2]checkout.Resolution{checkout.Retry, checkout.GiveUp}
		if n%2 == 1 {
			decisions[1] = checkout.FulfilAnyway
		}
		var errs, heard [2]error
		atOnce(func(i int) {
			errs[i] = p.flows[i].Resolve(context.WithoutCancel(p.t.Context()), id, decisions[i])
			heard[i] = p.hear(i, event)
		})
		for i := range errs {
			late := decisions[i] == checkout.GiveUp && errors.Is(errs[i], checkout.ErrFulfilled)
			require.True(p.t, errs[i] == nil || late || comesAgain(errs[i]), "%v", errs[i])
		}
		p.hearAgain(heard, event)
		o, stock := p.order(id), p.stockOf(sku)
		require.Equal(p.t, []int64{2, 1}, []int64{stock.OnHand + stock.Sold, stock.Held}, "%+v", stock)
		if !o.FulfilledAt.IsZero() {
			fulfilled++
			require.Equal(p.t, int64(1), stock.Sold)
			require.Equal(p.t, 1, p.shipments(id))
			require.True(p.t, o.GivenUpAt.IsZero(), "a fulfilled order must not be given up")
			continue
		}
		require.False(p.t, o.GivenUpAt.IsZero())
		require.Equal(p.t, 0, p.shipments(id)+n%2, "an order that was not given up must be fulfilled")
		if stock.Sold > 0 { // given up between the sale and the delivery: the merchant must add the stock again
			soldForNothing++
		}
	}
	p.t.Logf("fulfilled in %d of %d rounds; given up with its stock sold in %d", fulfilled, rounds, soldForNothing)
}

// adjustTwice sends the form that adjusts stock to both processes at once. The stock changes once.
func adjustTwice(p *pair) {
	for n := range rounds {
		sku := fmt.Sprintf("counted-%d", n)
		p.setStock(sku, 5)
		seen, err := p.flows[0].Stock(p.t.Context(), sku)
		require.NoError(p.t, err)
		p.begin(0, fmt.Sprintf("order-%d", n), sku)
		var errs [2]error
		atOnce(func(i int) {
			errs[i] = p.flows[i].AdjustStock(context.WithoutCancel(p.t.Context()), seen[0], 10)
		})
		changed := 0
		for _, err := range errs {
			if err == nil {
				changed++
				continue
			}
			require.ErrorIs(p.t, err, checkout.ErrStockChanged)
		}
		require.Equal(p.t, 1, changed)
		p.requireStock(sku, 15, 1, 0)
	}
}
