package webhook

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, Config{Tolerance: time.Minute})
	payload := []byte(completedPayload)
	at := func(d time.Duration) string { return webhooktest.Sign(payload, testSecret, testNow.Add(d)) }
	require.NoError(t, h.Verify(payload, at(0)))
	require.NoError(t, h.Verify(payload, at(-time.Minute)))
	require.ErrorIs(t, h.Verify(payload, at(-61*time.Second)), ErrTimestamp)
	require.ErrorIs(t, h.Verify(payload, at(61*time.Second)), ErrTimestamp)
	require.ErrorIs(t, h.Verify(payload[1:], at(0)), ErrSignature)
	require.ErrorIs(t, h.Verify(payload, ""), ErrNoSignature)
	require.ErrorIs(t, h.Verify(payload, "t=x"), ErrHeader)
}
