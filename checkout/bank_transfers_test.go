package checkout_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// transferCart is a cart of the last item whose customer may pay by bank transfer.
func (s *testShop) transferCart(orderID string) checkout.Session {
	s.t.Helper()
	customer, err := s.srv.Client().V1Customers.Create(s.t.Context(), &stripe.CustomerCreateParams{})
	require.NoError(s.t, err)
	c := cartOf(orderID, "last")
	c.Customer = customer.ID
	c.Params = func(p *stripe.CheckoutSessionCreateParams) {
		p.PaymentMethodTypes = stripe.StringSlice([]string{"card", "customer_balance"})
		p.PaymentMethodOptions = &stripe.CheckoutSessionCreatePaymentMethodOptionsParams{
			CustomerBalance: &stripe.CheckoutSessionCreatePaymentMethodOptionsCustomerBalanceParams{
				FundingType:  stripe.String("bank_transfer"),
				BankTransfer: &stripe.CheckoutSessionCreatePaymentMethodOptionsCustomerBalanceBankTransferParams{Type: stripe.String("us_bank_transfer")},
			},
		}
	}
	return c
}

// An order that is paid by bank transfer waits for days with its stock held, whatever part of the money has come. It is fulfilled when all
// has come, and given up when the shop cancels the payment: Stripe sends no event of the session then.
func TestBankTransfer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		transfers []int64 // one every third day
		cancels   bool    // the shop then cancels the payment
	}{
		"in two parts":                {transfers: []int64{1500, 499}},
		"too much":                    {transfers: []int64{2500}},
		"in parts and too much":       {transfers: []int64{1, 1000, 5000}},
		"never":                       {transfers: []int64{0, 0, 0}, cancels: true},
		"in part, and never the rest": {transfers: []int64{1998}, cancels: true},
	} {
		for _, webhooks := range []bool{true, false} {
			t.Run(name+map[bool]string{true: ", webhooks", false: ", polling"}[webhooks], func(t *testing.T) {
				t.Parallel()
				s := newShop(t)
				if !webhooks {
					s.loseWebhooks()
				}
				session := s.begin(s.transferCart("order-1")).SessionID
				require.NoError(t, s.srv.Pay(session, checkouttest.BankTransfer))
				if !webhooks {
					_, status := s.status(session)
					require.Equal(t, "processing", status)
				}
				total := int64(0)
				for _, amount := range c.transfers {
					s.srv.Advance(3 * 24 * time.Hour)
					s.sweep()
					s.requireStatus("order-1", "processing")
					s.requireStock("last", 0, 1, 0)
					require.Zero(t, s.shipments("order-1"))
					_, err := s.flow.Begin(t.Context(), cartOf("order-1", "last"))
					require.ErrorIs(t, err, checkout.ErrProcessing)
					require.ErrorIs(t, s.flow.Cancel(t.Context(), "order-1"), checkout.ErrProcessing)
					if amount > 0 {
						require.NoError(t, s.srv.Transfer(session, amount))
					}
					total += amount
				}
				if c.cancels {
					intent := s.stripeSession(session).PaymentIntent.ID
					_, err := s.srv.Client().V1PaymentIntents.Cancel(t.Context(), intent, nil)
					require.NoError(t, err)
					s.srv.Flush()
				}
				if !webhooks {
					s.srv.Advance(7 * time.Hour) // longer than the longest pause between two questions
					s.sweep()
				}
				if c.cancels {
					s.requireStatus("order-1", "failed")
					s.requireStock("last", 1, 0, 0)
					require.Zero(t, s.shipments("order-1"))
					require.Equal(t, []checkout.ChangeKind{checkout.ChangeProcessing, checkout.ChangeFailed}, s.kinds())
					require.Equal(t, 2, s.begin(s.transferCart("order-1")).Attempt)
					return
				}
				s.requireStatus("order-1", checkout.Fulfilled)
				s.requireStock("last", 0, 0, 1)
				require.Equal(t, 1, s.shipments("order-1"))
				require.Equal(t, []checkout.ChangeKind{checkout.ChangeProcessing}, s.kinds())
				require.EqualValues(t, 1999, s.order("order-1").AttemptRefundable(1), "what is too much is the customer's")
				s.srv.Advance(30 * 24 * time.Hour)
				s.sweep()
				require.Equal(t, 1, s.shipments("order-1"))
			})
		}
	}
}

// What a shop is told of parts of a transfer, and of money that nothing waits for, changes no order and is no error.
func TestBankTransferOfNoOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	session := s.begin(s.transferCart("order-1")).SessionID
	require.NoError(t, s.srv.Pay(session, checkouttest.BankTransfer))
	require.NoError(t, s.srv.Transfer(session, 2500))
	require.NoError(t, s.srv.Transfer(session, 100), "the customer sends more")
	s.requireStatus("order-1", checkout.Fulfilled)
	for _, e := range s.sent() {
		require.False(t, e.Pending, e.Type)
	}
	require.Equal(t, 1, s.shipments("order-1"))
	require.NotContains(t, strings.ToLower(s.log.String()), "level=error")
}
