package checkouttest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// The model is what the documentation says of sessions, payments, refunds and disputes, in as few words as will do. Random
// operations are given to it and to the server, which must agree on every error and, after each step, on every state.

type modelSession struct {
	id       string
	expires  time.Time
	status   string
	payment  string
	intent   string // "" before the first try
	charge   string
	method   checkouttest.PaymentMethod
	refunds  []*modelRefund
	dispute  *modelDispute
	refunded int64
}

type modelRefund struct {
	id     string
	amount int64
	status string
	due    time.Time // when it ends by itself
	ends   string    // how
}

type modelDispute struct {
	id, status string
	amount     int64
}

const price = 1999

// tick lets time pass in the model.
func (m *modelSession) tick(now time.Time) {
	if m.status == "open" && !m.expires.After(now) {
		m.expire()
	}
	for _, re := range m.refunds {
		if re.ends != "" && !re.due.After(now) {
			m.endRefund(re, re.ends)
		}
	}
}

func (m *modelSession) expire() {
	m.status = "expired"
	if m.intent != "" {
		m.intent = "canceled"
	}
}

func (m *modelSession) endRefund(re *modelRefund, status string) {
	re.status, re.ends = status, ""
	if status != "succeeded" {
		m.refunded -= re.amount
	}
}

func (m *modelSession) pay(method checkouttest.PaymentMethod) error {
	switch m.status {
	case "expired":
		return checkouttest.ErrExpired
	case "complete":
		return checkouttest.ErrComplete
	}
	switch method {
	case checkouttest.CardDeclined:
		m.intent, m.charge = "requires_payment_method", "failed"
		return &checkouttest.PaymentError{Code: "card_declined"}
	case checkouttest.BankDebit:
		m.status, m.intent, m.charge = "complete", "processing", "pending"
	default:
		m.status, m.payment, m.intent, m.charge = "complete", "paid", "succeeded", "succeeded"
	}
	m.method = method
	return nil
}

func (m *modelSession) debitEnds(settled bool) error {
	switch {
	case m.intent != "processing":
		return checkouttest.ErrNotPending
	case settled:
		m.payment, m.intent, m.charge = "paid", "succeeded", "succeeded"
	default:
		m.intent, m.charge = "requires_payment_method", "failed"
	}
	return nil
}

// left is how much can be refunded or disputed.
func (m *modelSession) left() (int64, error) {
	switch {
	case m.payment != "paid":
		return 0, checkouttest.ErrNotPaid
	case m.dispute != nil && m.dispute.status != "won":
		return 0, checkouttest.ErrDisputed
	case m.refunded == price:
		return 0, checkouttest.ErrOverRefund
	}
	return price - m.refunded, nil
}

func (m *modelSession) refund(amount int64, now time.Time) (*modelRefund, error) {
	left, err := m.left()
	if err != nil {
		return nil, err
	}
	if amount > left {
		return nil, checkouttest.ErrOverRefund
	}
	if amount == 0 {
		amount = left
	}
	re := &modelRefund{amount: amount, status: "succeeded", due: now.Add(24 * time.Hour)}
	switch m.method {
	case checkouttest.BankDebit, checkouttest.CardRefundPending:
		re.status, re.ends = "pending", "succeeded"
	case checkouttest.CardRefundFails:
		re.ends = "failed"
	}
	m.refunded += amount
	m.refunds = append(m.refunds, re)
	return re, nil
}

// balance is what the session has brought the shop.
func (m *modelSession) balance() int64 {
	switch {
	case m.payment != "paid":
		return 0
	case m.dispute != nil && m.dispute.status != "won":
		return price - m.refunded - m.dispute.amount - 1500
	default:
		return price - m.refunded
	}
}

// run plays one seed.
func run(t *testing.T, seed uint64, steps int) {
	rng := rand.New(rand.NewPCG(seed, 4))
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
				if want = checkouttest.ErrNotPending; re.status == "pending" {
					want = nil
					m.endRefund(re, "succeeded")
				}
			case 1:
				do = func(id string) error { return cancelRefund(srv, id) }
				log("cancel refund %s", re.id)
				if want = checkouttest.ErrNotPending; re.status == "pending" {
					want = nil
					m.endRefund(re, "canceled")
				}
			default:
				log("fail refund %s", re.id)
				if want = checkouttest.ErrNotPending; re.status == "pending" || re.status == "succeeded" {
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
	for _, m := range sessions {
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

// toldLast: whoever believes the last event of an object knows the object. An open session is an exception: Stripe tells
// of no change to it.
func toldLast(t *testing.T, srv *checkouttest.Server) {
	t.Helper()
	paths := map[string]string{
		"ch_": "charges", "pi_": "payment_intents", "re_": "refunds", "du_": "disputes", "cs_": "checkout/sessions", "sub_": "subscriptions",
		"in_": "invoices", "cus_": "customers",
	}
	seen := map[string]bool{}
	for _, e := range slices.Backward(srv.Events()) {
		if seen[e.ObjectID] {
			continue
		}
		seen[e.ObjectID] = true
		prefix, _, _ := strings.Cut(e.ObjectID, "_")
		_, event := request(t, srv, "GET", "/v1/events/"+e.ID, nil)
		_, now := request(t, srv, "GET", "/v1/"+paths[prefix+"_"]+"/"+e.ObjectID, nil)
		told := event["data"].(map[string]any)["object"]
		require.Equal(t, now, told, "%s is the last of %s", e.Type, e.ObjectID)
	}
	require.NotEmpty(t, seen)
}

func TestAgainstTheModel(t *testing.T) {
	t.Parallel()
	seeds := 10
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			run(t, uint64(seed), 150)
		})
	}
}

// TestEventsOfSubscriptions plays renewals with changing cards, and holds the last events against the objects.
func TestEventsOfSubscriptions(t *testing.T) {
	t.Parallel()
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 5))
		method := []checkouttest.PaymentMethod{checkouttest.CardOK, checkouttest.BankDebit}[seed%2]
		srv, _, session, sub := club(t, method)
		for range 30 {
			switch rng.IntN(5) {
			case 0:
				require.NoError(t, srv.ReplaceMethod(sub, []checkouttest.PaymentMethod{checkouttest.CardOK, checkouttest.CardDeclined}[rng.IntN(2)]))
			case 1:
				_ = srv.Settle(session) // it may not be pending
			case 2:
				_ = srv.Bounce(session)
			default:
				srv.Advance(time.Duration(rng.IntN(30*24)) * time.Hour)
			}
		}
		toldLast(t, srv)
	}
}

// TestCrowd lets goroutines do at once what the model does one after the other. What must hold however they meet: a
// session ends once, no more is refunded than was paid, and the last events tell the truth.
func TestCrowd(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	newInbox(srv)
	var sessions []string
	for range 6 {
		sessions = append(sessions, create(t, srv, tee()).ID)
	}
	var running sync.WaitGroup
	for worker := range uint64(6) {
		running.Go(func() {
			rng := rand.New(rand.NewPCG(worker, 6))
			for range 40 {
				id := sessions[rng.IntN(len(sessions))]
				switch rng.IntN(8) { // each may be refused: another goroutine was first
				case 0:
					_ = srv.Pay(id, checkouttest.CardOK)
				case 1:
					_ = srv.Pay(id, checkouttest.BankDebit)
				case 2:
					_ = srv.Settle(id)
				case 3:
					if re, err := srv.Refund(id, 1+rng.Int64N(price)); err == nil && rng.IntN(2) == 0 {
						_ = srv.FailRefund(re)
					}
				case 4:
					if d, err := srv.Dispute(id); err == nil {
						_ = srv.WinDispute(d)
					}
				case 5:
					_, _ = srv.Client().V1CheckoutSessions.Expire(context.Background(), id, nil)
				case 6:
					srv.Advance(time.Duration(rng.IntN(60)) * time.Minute)
				case 7:
					_ = srv.Bounce(id)
				}
			}
		})
	}
	running.Wait()
	srv.Flush()
	ends, refunded := map[string]int{}, map[string]int64{}
	for _, e := range srv.Events() {
		if e.Type == "checkout.session.completed" || e.Type == "checkout.session.expired" {
			ends[e.ObjectID]++
		}
	}
	for re, err := range srv.Client().V1Refunds.List(context.Background(), &stripe.RefundListParams{}) {
		require.NoError(t, err)
		if re.Status != "failed" {
			refunded[re.Charge.ID] += re.Amount
		}
	}
	for _, id := range sessions {
		require.LessOrEqual(t, ends[id], 1)
	}
	for ch, err := range srv.Client().V1Charges.List(context.Background(), &stripe.ChargeListParams{}) {
		require.NoError(t, err)
		require.Equal(t, ch.AmountRefunded, refunded[ch.ID])
		require.LessOrEqual(t, ch.AmountRefunded, ch.AmountCaptured)
	}
	toldLast(t, srv)
}
