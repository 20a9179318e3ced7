package checkout_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// Health says what the Flow knows of its shop, before and after it sold something and swept.
func TestHealth(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	health := func() checkout.Health {
		h, err := s.flow.Health(t.Context())
		require.NoError(t, err)
		return h
	}
	require.Equal(t, checkout.Health{Connects: true}, health())

	started, err := s.flow.Begin(t.Context(), cartOf("order-1", "tee"))
	require.NoError(t, err)
	require.NoError(t, s.srv.Pay(started.SessionID, checkouttest.CardOK))
	s.srv.Advance(time.Minute)
	_, err = s.flow.Sweep(t.Context())
	require.NoError(t, err)
	want := checkout.Health{Connects: true, Mode: "test", Session: started.SessionID, SweptAt: testStart.Add(time.Minute)}
	if testPayloads()&checkouttest.Snapshot != 0 {
		want.SnapshotAt = testStart
	}
	require.Equal(t, want, health())
	require.NoError(t, s.st.SetCursor(t.Context(), "failed_events", `[{"id":"evt_1","type":"refund.failed"},{"id":"evt_2","type":"refund.failed"}]`))
	require.Equal(t, 2, health().FailedEvents)
}
