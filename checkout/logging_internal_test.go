package checkout

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
)

// Loggers that are derived from the Flow's add the ID, too.
func TestRequestIDsOfDerivedLoggers(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(requestIDs{slog.NewTextHandler(&out, nil)})
	failure := &stripeError{doing: "asking", err: &stripe.Error{HTTPStatusCode: 500, RequestID: "req_1"}}
	for _, derived := range []*slog.Logger{log, log.With("a", 1), log.WithGroup("g")} {
		out.Reset()
		derived.Warn("failed", "error", failure)
		require.Contains(t, out.String(), "stripe_request_id=req_1")
	}
}
