package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/store"
)

// permutations calls fn with every order of items.
func permutations[E any](items []E, fn func([]E)) {
	var walk func(n int)
	walk = func(n int) {
		if n == len(items) {
			fn(items)
			return
		}
		for i := n; i < len(items); i++ {
			items[n], items[i] = items[i], items[n]
			walk(n + 1)
			items[n], items[i] = items[i], items[n]
		}
	}
	walk(0)
}

func TestRefundsWhateverTheOrder(t *testing.T) {
	t.Parallel()
	for _, end := range []store.RefundState{store.RefundFailed, store.RefundCanceled} {
		heard := []store.Refund{
			{ID: "re_1", Amount: 10, State: store.RefundPending}, {ID: "re_1", Amount: 10, State: store.RefundRequiresAction},
			{ID: "re_1", Amount: 10, State: store.RefundSucceeded}, {ID: "re_1", Amount: 10, State: end},
			{ID: "re_2", Amount: 7, State: store.RefundSucceeded}, {ID: "re_2", Amount: 7, State: store.RefundPending},
			{ID: "re_2", Amount: 7, State: store.RefundSucceeded},
		}
		runs := 0
		permutations(heard, func(heard []store.Refund) {
			runs++
			var o store.Order
			for _, r := range heard {
				require.NotEqual(t, store.Conflict, o.JoinRefund(r))
			}
			require.ElementsMatch(t, []store.Refund{
				{ID: "re_1", Amount: 10, State: end}, {ID: "re_2", Amount: 7, State: store.RefundSucceeded},
			}, o.Refunds)
			require.EqualValues(t, 7, o.Refunded())
		})
		require.Equal(t, 5040, runs)
	}
}

func TestDisputesWhateverTheOrder(t *testing.T) {
	t.Parallel()
	heard := []store.Dispute{
		{ID: "dp_1", Amount: 10, State: store.DisputeOpen}, {ID: "dp_1", Amount: 10, State: store.DisputeWon},
		{ID: "dp_1", Amount: 10, State: store.DisputeOpen}, {ID: "dp_2", Amount: 7, State: store.DisputeOpen},
		{ID: "dp_2", Amount: 7, State: store.DisputeWon},
	}
	permutations(heard, func(heard []store.Dispute) {
		var o store.Order
		for _, d := range heard {
			require.NotEqual(t, store.Conflict, o.JoinDispute(d))
		}
		require.Len(t, o.Disputes, 2)
		require.False(t, o.Disputed())
	})
}

func TestJoin(t *testing.T) {
	t.Parallel()
	var o store.Order
	refund := func(state store.RefundState) store.Joined {
		return o.JoinRefund(store.Refund{ID: "re_1", Amount: 10, State: state})
	}
	require.Equal(t, store.News, refund("a state of next year"), "an unknown state is kept")
	require.Equal(t, store.News, refund(store.RefundPending), "any known state is later")
	require.Equal(t, store.Known, refund("a state of next year"))
	require.Equal(t, store.Known, refund(store.RefundPending))
	require.Equal(t, store.News, refund(store.RefundFailed))
	require.Equal(t, store.Known, refund(store.RefundSucceeded))
	require.Equal(t, store.Conflict, refund(store.RefundCanceled), "two ends of one refund")
	require.Equal(t, store.RefundFailed, o.Refunds[0].State, "a conflict changes nothing")
	o.SetRefund(store.Refund{ID: "re_1", Amount: 10, State: store.RefundCanceled})
	o.SetRefund(store.Refund{ID: "re_2", Amount: 20, State: store.RefundSucceeded})
	require.Equal(t, []store.Refund{
		{ID: "re_1", Amount: 10, State: store.RefundCanceled}, {ID: "re_2", Amount: 20, State: store.RefundSucceeded},
	}, o.Refunds)
	require.EqualValues(t, 20, o.Refunded())

	dispute := func(state store.DisputeState) store.Joined {
		return o.JoinDispute(store.Dispute{ID: "dp_1", Amount: 10, State: state})
	}
	require.Equal(t, store.News, dispute("a state of next year"))
	require.False(t, o.Disputed(), "what it means is not known")
	require.Equal(t, store.News, dispute(store.DisputeOpen))
	require.True(t, o.Disputed())
	require.Equal(t, store.News, dispute(store.DisputeWon))
	require.Equal(t, store.Conflict, dispute(store.DisputeLost))
	require.False(t, o.Disputed())
	o.SetDispute(store.Dispute{ID: "dp_1", Amount: 10, State: store.DisputeLost})
	o.SetDispute(store.Dispute{ID: "dp_2", Amount: 5, State: store.DisputeWon})
	require.True(t, o.Disputed())
	require.Len(t, o.Disputes, 2)
}
