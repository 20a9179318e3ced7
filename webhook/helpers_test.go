package webhook

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

const testSecret = "whsec_test"

// testNow is what the clock of newTestHandler says.
var testNow = time.Unix(1_700_000_000, 0)

// newTestHandler fills in what cfg lacks.
func newTestHandler(t testing.TB, cfg Config) *Handler {
	t.Helper()
	if cfg.Secrets == nil {
		cfg.Secrets = []string{testSecret}
	}
	if cfg.Clock == nil {
		cfg.Clock = func() time.Time { return testNow }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	h, err := New(cfg)
	require.NoError(t, err)
	return h
}

// serve answers a delivery of payload, signed now.
func serve(h *Handler, payload []byte) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, webhooktest.NewRequest("/", payload, testSecret, testNow))
	return w
}

// results collects what Config.Observe is given.
type results struct {
	mu  sync.Mutex
	all []Result
}

func (r *results) observe(res Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, res)
}

// only returns the one result there is.
func (r *results) only(t *testing.T) Result {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Len(t, r.all, 1)
	return r.all[0]
}

// logs is a slog.Handler that keeps records as text.
type logs struct {
	mu      sync.Mutex
	records []string
}

func (l *logs) Enabled(context.Context, slog.Level) bool { return true }
func (l *logs) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logs) WithGroup(string) slog.Handler            { return l }

func (l *logs) Handle(_ context.Context, r slog.Record) error {
	text := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += " " + a.String()
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, text)
	return nil
}
