package checkouttest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/internal/sampling"
)

// run draws the steps of one run.
func run(t *testing.T, rng *rand.Rand, steps int) {
	srv := newServer(t, checkouttest.Config{Start: time.Unix(1_800_000_000, 0)})
	newInbox(srv)
	var sessions []*modelSession
	var history []string
	methods := []checkouttest.PaymentMethod{
		checkouttest.CardOK, checkouttest.CardDeclined, checkouttest.CardRefundPending, checkouttest.CardRefundFails, checkouttest.BankDebit,
	}
	same := func(want, got error) {
		t.Helper()
		if want == nil {
			require.NoError(t, got, history)
			return
		}
		if declined := (*checkouttest.PaymentError)(nil); requireAs(want, &declined) {
			require.ErrorAs(t, got, &declined, history)
			return
		}
		require.ErrorIs(t, got, want, history)
	}
	for range steps {
		if len(sessions) == 0 || rng.IntN(16) == 0 {
			params, life := tee(), time.Duration(30+rng.IntN(1410))*time.Minute
			params.ExpiresAt = stripe.Int64(srv.Now().Add(life).Unix())
			sess := create(t, srv, params)
			sessions = append(sessions, &modelSession{id: sess.ID, expires: srv.Now().Add(life), status: "open", payment: "unpaid"})
		}
		n := rng.IntN(len(sessions))
		m := sessions[n]
		log := func(format string, args ...any) {
			history = append(history, fmt.Sprintf("%d: ", n)+fmt.Sprintf(format, args...))
		}
		switch rng.IntN(10) {
		case 0, 1, 2:
			method := methods[rng.IntN(len(methods))]
			log("pay %s", method)
			same(m.pay(method), srv.Pay(m.id, method))
		case 3:
			log("settle")
			same(m.debitEnds(true), srv.Settle(m.id))
		case 4:
			log("bounce")
			same(m.debitEnds(false), srv.Bounce(m.id))
		case 5:
			log("expire")
			_, err := srv.Client().V1CheckoutSessions.Expire(context.Background(), m.id, nil)
			require.Equal(t, m.status == "open", err == nil, history)
			if m.status == "open" {
				m.expire()
			}
		case 6:
			amount := 1 + rng.Int64N(price)
			switch left, _ := m.left(); rng.IntN(4) {
			case 0:
				amount = 0
			case 1:
				amount = left + 1
			}
			log("refund %d", amount)
			want, err := m.refund(amount, srv.Now())
			id, got := srv.Refund(m.id, amount)
			same(err, got)
			if want != nil {
				want.id = id
			}
		case 7:
			if len(m.refunds) == 0 {
				continue
			}
			re, do := m.refunds[rng.IntN(len(m.refunds))], srv.FailRefund
			var want error
			switch rng.IntN(3) {
			case 0:
				do = srv.SettleRefund
				log("settle refund %s", re.id)
				want = checkouttest.ErrNotPending
				if re.status == "pending" {
					want = nil
					m.endRefund(re, "succeeded")
				}
			case 1:
				do = func(id string) error { return cancelRefund(srv, id) }
				log("cancel refund %s", re.id)
				want = checkouttest.ErrNotPending
				if re.status == "pending" {
					want = nil
					m.endRefund(re, "canceled")
				}
			default:
				log("fail refund %s", re.id)
				want = checkouttest.ErrNotPending
				if re.status == "pending" || re.status == "succeeded" {
					want = nil
					m.endRefund(re, "failed")
				}
			}
			same(want, do(re.id))
		case 8:
			log("dispute, or decide it")
			if m.dispute == nil {
				left, want := m.left()
				id, got := srv.Dispute(m.id)
				same(want, got)
				if want == nil {
					m.dispute = &modelDispute{id, "needs_response", left}
				}
				continue
			}
			outcome, do := "won", srv.WinDispute
			if rng.IntN(2) == 0 {
				outcome, do = "lost", srv.LoseDispute
			}
			want := error(checkouttest.ErrNotPending)
			if m.dispute.status == "needs_response" {
				want, m.dispute.status = nil, outcome
			}
			same(want, do(m.dispute.id))
		case 9:
			d := time.Duration(rng.IntN(36*60)) * time.Minute
			log("advance %s", d)
			srv.Advance(d)
		}
		for _, m := range sessions {
			m.tick(srv.Now())
		}
		agree(t, srv, m, history)
	}
	srv.Advance(2 * time.Second) // the captures are asynchronous
	for _, m := range sessions {
		m.tick(srv.Now())
		agree(t, srv, m, history)
	}
	var has int64
	for _, m := range sessions {
		has += m.balance()
	}
	require.Equal(t, has, balance(t, srv, ""), history)
	toldLast(t, srv)
}

func requireAs(err error, target **checkouttest.PaymentError) bool {
	e, ok := err.(*checkouttest.PaymentError)
	*target = e
	return ok
}

// agree holds the server against the model.
func agree(t *testing.T, srv *checkouttest.Server, m *modelSession, history []string) {
	t.Helper()
	require.Equal(t, state{m.status, m.payment, m.intent, m.charge}, stateOf(t, srv, m.id), history)
	if m.payment != "paid" {
		return
	}
	ch := retrieve(t, srv, m.id, "payment_intent.latest_charge").PaymentIntent.LatestCharge
	require.Equal(t, m.refunded, ch.AmountRefunded, history)
	require.Equal(t, m.refunded == price, ch.Refunded, history)
	require.Equal(t, m.dispute != nil, ch.Disputed, history)
	for _, want := range m.refunds {
		re, err := srv.Client().V1Refunds.Retrieve(context.Background(), want.id, nil)
		require.NoError(t, err)
		require.Equal(t, want.amount, re.Amount, history)
		require.EqualValues(t, want.status, re.Status, history)
	}
	if m.dispute != nil {
		d, err := srv.Client().V1Disputes.Retrieve(context.Background(), m.dispute.id, nil)
		require.NoError(t, err)
		require.EqualValues(t, m.dispute.status, d.Status, history)
	}
}

func TestAgainstTheModel(t *testing.T) {
	t.Parallel()
	for n := range sampling.Size(8, 50) {
		t.Run(fmt.Sprint("run ", n), func(t *testing.T) {
			t.Parallel()
			run(t, sampling.Rand(t), 150)
		})
	}
}
