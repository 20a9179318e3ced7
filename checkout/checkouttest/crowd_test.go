package checkouttest_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/internal/sampling"
)

// toldLast: whoever believes the last event of an object knows the object. An open session is an exception: Stripe tells
// of no change to it.
func toldLast(t *testing.T, srv *checkouttest.Server) {
	t.Helper()
	paths := map[string]string{
		"ch_": "charges", "pi_": "payment_intents", "re_": "refunds", "du_": "disputes", "cs_": "checkout/sessions", "sub_": "subscriptions",
		"in_": "invoices", "inpay_": "invoice_payments", "cus_": "customers", "promo_": "promotion_codes",
	}
	seen := map[string]bool{}
	for _, e := range slices.Backward(srv.Events()) {
		if seen[e.ObjectID] || e.Type == "invoiceitem.created" { // no event tells on which invoice an item is
			continue
		}
		seen[e.ObjectID] = true
		if e.Type == "coupon.deleted" {
			continue
		}
		prefix, _, _ := strings.Cut(e.ObjectID, "_")
		if strings.HasPrefix(e.Type, "coupon.") {
			paths[prefix+"_"] = "coupons"
		}
		_, event := request(t, srv, "GET", "/v1/events/"+e.ID, nil)
		_, now := request(t, srv, "GET", "/v1/"+paths[prefix+"_"]+"/"+e.ObjectID, nil)
		told := event["data"].(map[string]any)["object"]
		require.Equal(t, now, told, "%s is the last of %s", e.Type, e.ObjectID)
	}
	require.NotEmpty(t, seen)
}

// TestEventsOfSubscriptions plays renewals with changing cards, and holds the last events against the objects.
func TestEventsOfSubscriptions(t *testing.T) {
	t.Parallel()
	rng := sampling.Rand(t)
	for n := range sampling.Size(6, 50) {
		method := []checkouttest.PaymentMethod{checkouttest.CardOK, checkouttest.BankDebit}[n%2]
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
	seeds := sampling.Rand(t)
	var running sync.WaitGroup
	for range 6 {
		rng := rand.New(rand.NewPCG(seeds.Uint64(), seeds.Uint64()))
		running.Go(func() {
			for range sampling.Size(40, 200) {
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
