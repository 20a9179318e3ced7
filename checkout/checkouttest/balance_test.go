package checkouttest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// balance returns the account's balance before the fees of payments: the sum of its balance transactions, or of those of one
// source.
func balance(t *testing.T, srv *checkouttest.Server, source string) (sum int64) {
	t.Helper()
	params := &stripe.BalanceTransactionListParams{}
	if source != "" {
		params.Source = &source
	}
	for txn, err := range srv.Client().V1BalanceTransactions.List(context.Background(), params) {
		require.NoError(t, err)
		require.Equal(t, txn.Amount-txn.Fee, txn.Net)
		one, err := srv.Client().V1BalanceTransactions.Retrieve(context.Background(), txn.ID, nil)
		require.NoError(t, err)
		require.Equal(t, txn.Source.ID, one.Source.ID)
		sum += txn.Net
		if txn.Type == stripe.BalanceTransactionTypeCharge {
			sum += txn.Fee
		}
	}
	return sum
}

// A charge enters the balance when its money is captured, and not before.
func TestBalanceTransactionOfACharge(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	charge := func(id string) *stripe.Charge {
		return retrieve(t, srv, id, "payment_intent.latest_charge.balance_transaction").PaymentIntent.LatestCharge
	}
	card := create(t, srv, tee()).ID
	require.NoError(t, srv.Pay(card, checkouttest.CardOK))
	require.Nil(t, charge(card).BalanceTransaction, "the capture is asynchronous")
	srv.Advance(2 * time.Second)
	txn := charge(card).BalanceTransaction
	require.EqualValues(t, "charge", txn.Type)
	require.EqualValues(t, 1999, txn.Amount)
	require.EqualValues(t, 1999, balance(t, srv, charge(card).ID))

	for _, settled := range []bool{true, false} {
		debit := create(t, srv, tee()).ID
		require.NoError(t, srv.Pay(debit, checkouttest.BankDebit))
		require.Nil(t, charge(debit).BalanceTransaction)
		if settled {
			require.NoError(t, srv.Settle(debit))
			require.EqualValues(t, 1999-88, charge(debit).BalanceTransaction.Net)
		} else {
			require.NoError(t, srv.Bounce(debit))
			require.Nil(t, charge(debit).BalanceTransaction)
		}
	}

	params := tee()
	params.PaymentIntentData = &stripe.CheckoutSessionCreatePaymentIntentDataParams{CaptureMethod: stripe.String("manual")}
	held := create(t, srv, params).ID
	require.NoError(t, srv.Pay(held, checkouttest.CardOK))
	require.Nil(t, charge(held).BalanceTransaction)
	_, err := srv.Client().V1PaymentIntents.Capture(context.Background(), retrieve(t, srv, held).PaymentIntent.ID, &stripe.PaymentIntentCaptureParams{AmountToCapture: stripe.Int64(700)})
	require.NoError(t, err)
	require.EqualValues(t, 700, charge(held).BalanceTransaction.Amount)
	require.EqualValues(t, 2*1999+700, balance(t, srv, ""))
	require.Zero(t, balance(t, srv, "ch_none"))
}

// A payment is captured asynchronously unless its intent asks for something else. charge.succeeded then has no balance
// transaction, and charge.updated brings it two seconds later, after checkout.session.completed. Five listings of `stripe
// listen` from October 2025 to August 2026 show this. https://docs.stripe.com/payments/payment-intents/asynchronous-capture
func TestAsynchronousCapture(t *testing.T) {
	t.Parallel()
	for method, later := range map[string]bool{"": true, "automatic_async": true, "automatic": false} {
		srv := newServer(t, checkouttest.Config{})
		in := newInbox(srv)
		params := tee()
		if method != "" {
			params.PaymentIntentData = &stripe.CheckoutSessionCreatePaymentIntentDataParams{CaptureMethod: &method}
		}
		require.NoError(t, srv.Pay(create(t, srv, params).ID, checkouttest.CardOK))
		var succeeded *stripe.Event
		for _, e := range in.events {
			if e.Type == "charge.succeeded" {
				succeeded = &e
			}
		}
		require.Equal(t, true, succeeded.Data.Object["captured"], method)
		require.Equal(t, later, succeeded.Data.Object["balance_transaction"] == nil, method)
		in.types(t)
		srv.Advance(time.Minute)
		if !later {
			require.Empty(t, in.types(t))
			continue
		}
		updated := in.events[len(in.events)-1]
		require.Equal(t, []string{"charge.updated"}, in.types(t))
		require.NotNil(t, updated.Data.Object["balance_transaction"])
		require.Equal(t, map[string]any{"balance_transaction": nil}, updated.Data.PreviousAttributes)
		require.EqualValues(t, 2, updated.Created-succeeded.Created)
	}
}

// The fees that recorded balance transactions of a US account have.
func TestFees(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	for amount, fee := range map[int64]int64{950: 58, 1000: 59, 1900: 85, 2250: 95, 2500: 103, 2900: 114, 22500: 683, 25000: 755} {
		params := intent("pm_card_visa")
		params.Amount, params.CaptureMethod = &amount, stripe.String("automatic")
		params.AddExpand("latest_charge.balance_transaction")
		pi, err := srv.Client().V1PaymentIntents.Create(context.Background(), params)
		require.NoError(t, err)
		txn := pi.LatestCharge.BalanceTransaction
		require.Equal(t, []int64{amount, fee, amount - fee}, []int64{txn.Amount, txn.Fee, txn.Net})
		require.Equal(t, fee, txn.FeeDetails[0].Amount)
	}
}

// https://docs.stripe.com/testing#available-balance
func TestFundsThatAreAvailableAtOnce(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	for method, status := range map[string]string{"pm_card_bypassPending": "available", "pm_card_bypassPendingInternational": "available", "pm_card_visa": "pending"} {
		params := intent(method)
		params.CaptureMethod = stripe.String("automatic")
		params.AddExpand("latest_charge.balance_transaction")
		pi, err := srv.Client().V1PaymentIntents.Create(context.Background(), params)
		require.NoError(t, err)
		require.EqualValues(t, status, pi.LatestCharge.BalanceTransaction.Status, method)
	}
}
