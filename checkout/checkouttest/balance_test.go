package checkouttest_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// balance returns the account's balance: the sum of its balance transactions, or of those of one source.
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
			require.EqualValues(t, 1999, charge(debit).BalanceTransaction.Net)
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
