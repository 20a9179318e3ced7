package webhook

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

func TestNewRefusesBadConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "Config.Secrets is empty"},
		{Config{Secrets: []string{"a", ""}}, "Config.Secrets[1] is blank"},
		{Config{Secrets: []string{" \t"}}, "Config.Secrets[0] is blank"},
		{Config{Secrets: []string{"whsec_a\n"}}, "Config.Secrets[0] begins or ends with white space"},
		{Config{Secrets: []string{"whsec_a", "whsec_b", "whsec_a"}}, "Config.Secrets[2] is a repetition"},
		{Config{Secrets: []string{"whsec_a"}, Tolerance: -1}, "Config.Tolerance is negative"},
		{Config{Secrets: []string{"whsec_a"}, MaxBytes: -1}, "Config.MaxBytes is negative"},
	} {
		_, err := New(c.cfg)
		require.ErrorContains(t, err, c.want)
		require.NotContains(t, err.Error(), "whsec_")
	}
	h, err := New(Config{Secrets: []string{"whsec_a"}})
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprintf("%+v", h), "whsec_a")
	require.NoError(t, h.Verify([]byte("x"), webhooktest.Sign([]byte("x"), "whsec_a", time.Now())), "the zero Clock is time.Now")
}

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
