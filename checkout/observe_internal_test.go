package checkout

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
)

// PathTemplate is pathTemplate, for the tests of the package from outside.
var PathTemplate = pathTemplate

// Without an observer an operation allocates nothing, and requests take the client that the merchant gave.
func TestObservedByNobody(t *testing.T) {
	ctx := t.Context()
	var nobody observer
	operation := func(ctx context.Context, o *Flow[int], id string) (h handover, err error) {
		ctx, ended := o.observe.begin(ctx, Operation{Kind: OperationSettle, OrderID: id, Cause: "evt_1"})
		defer func() { ended(settledOutcome(h, err)) }()
		return h, ctx.Err()
	}
	flow := new(Flow[int])
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = operation(ctx, flow, "order-1") }))
	client := stripe.NewClient("sk_test_1")
	require.Same(t, client, nobody.client(client))
	require.Nil(t, nobody.batches(OperationHold))
}

// BenchmarkObservedByNobody is what an operation costs that nobody observes.
func BenchmarkObservedByNobody(b *testing.B) {
	var nobody observer
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		_, ended := nobody.begin(ctx, Operation{Kind: OperationSettle, OrderID: "order-1"})
		ended(Outcome{})
	}
}
