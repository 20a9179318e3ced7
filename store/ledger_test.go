package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/store"
)

// Refunds count from the moment they are asked for until they fail. They count only in the order's currency and for the payment
// that counts.
func TestRefunded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		refund store.Refund
		want   int64
	}{
		"pending":          {store.Refund{Attempt: 1, Amount: 10, State: store.RefundPending}, 10},
		"requires action":  {store.Refund{Attempt: 1, Amount: 10, State: store.RefundRequiresAction}, 10},
		"succeeded":        {store.Refund{Attempt: 1, Amount: 10, State: store.RefundSucceeded}, 10},
		"failed":           {store.Refund{Attempt: 1, Amount: 10, State: store.RefundFailed}, 0},
		"canceled":         {store.Refund{Attempt: 1, Amount: 10, State: store.RefundCanceled}, 0},
		"unknown":          {store.Refund{Attempt: 1, Amount: 10, State: "new"}, 0},
		"another attempt":  {store.Refund{Attempt: 2, Amount: 10, State: store.RefundSucceeded}, 0},
		"no attempt told":  {store.Refund{Amount: 10, State: store.RefundSucceeded}, 10},
		"same currency":    {store.Refund{Attempt: 1, Amount: 10, Currency: "usd", State: store.RefundSucceeded}, 10},
		"another currency": {store.Refund{Attempt: 1, Amount: 10, Currency: "eur", State: store.RefundSucceeded}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &store.Order{Currency: "usd", Attempts: []store.Attempt{{N: 1, Paid: true, Amount: 10}, {N: 2, Paid: true, Duplicate: true, Amount: 10}}}
			o.Refunds = []store.Refund{tt.refund}
			require.Equal(t, tt.want, o.Refunded())
			require.Equal(t, tt.want == 10, o.GivenBack(o.Attempt(1)))
			require.Equal(t, tt.want == 10, o.Status() == store.Refunded)
		})
	}
}

// Refunds are measured by the captured amount, not by the total of the session.
func TestRefundedOfWhatWasCaptured(t *testing.T) {
	t.Parallel()
	o := &store.Order{Amounts: store.Amounts{Total: 100}, Attempts: []store.Attempt{{N: 1, Paid: true, Amount: 60}}}
	o.Refunds = []store.Refund{{ID: "re_1", Attempt: 1, Amount: 60, State: store.RefundSucceeded}}
	require.Equal(t, store.Refunded, o.Status())
	require.False(t, o.Fulfillable())
	o.Refunds[0].Amount = 59
	require.Equal(t, store.PartiallyRefunded, o.Status())
	require.True(t, o.Fulfillable())
}
