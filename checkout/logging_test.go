package checkout_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
)

// A line about a request that failed has Stripe's ID of the request, and no other line has one. The Logger's own attributes stay.
func TestLogNamesTheRequest(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.runAs(func(c *checkout.Config[tx]) { c.Logger = c.Logger.With("shop", "tees").WithGroup("checkout") })
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.Method != http.MethodGet {
			return send()
		}
		refusal := answer(r, http.StatusBadRequest, `{"error": {"type": "invalid_request_error"}}`)
		refusal.Header.Set("Request-Id", "req_refused")
		return refusal, nil
	})
	s.srv.Advance(2 * time.Hour)
	s.sweep()
	var named int
	for line := range strings.Lines(s.log.String()) {
		failed := strings.Contains(line, "what webhooks missed could not be looked for")
		require.Equal(t, failed, strings.Contains(line, "checkout.stripe_request_id=req_refused"), line)
		require.Contains(t, line, "shop=tees")
		if failed {
			named++
		}
	}
	require.NotZero(t, named, s.log.String())
}

// The Flow logs with the level that the merchant's Logger has.
func TestLogKeepsItsLevel(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var log syncBuffer
	s.runAs(func(c *checkout.Config[tx]) {
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
	})
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	require.Empty(t, log.String())
}
