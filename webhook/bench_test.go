package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
	stripewebhook "github.com/stripe/stripe-go/v82/webhook"

	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

// replay is a request that can be served again and again without allocating anything itself.
type replay struct {
	*http.Request
	body bytes.Reader
	data []byte
	code int
}

func newReplay(payload []byte) *replay {
	r := &replay{Request: webhooktest.NewRequest("/", payload, testSecret, testNow), data: payload}
	r.Body = r
	return r
}

func (r *replay) Read(p []byte) (int, error)  { return r.body.Read(p) }
func (r *replay) Close() error                { return nil }
func (r *replay) Header() http.Header         { return http.Header{} } // only asked for in refusals
func (r *replay) Write(p []byte) (int, error) { return len(p), nil }
func (r *replay) WriteHeader(code int)        { r.code = code }

func (r *replay) serve(h *Handler) {
	r.body.Reset(r.data)
	h.ServeHTTP(r, r.Request)
}

func TestUnhandledTypesAllocateNothing(t *testing.T) {
	h := newTestHandler(t, Config{})
	On(h, InvoicePaid, func(context.Context, *Event[stripe.Invoice]) error { return nil })
	r := newReplay([]byte(completedPayload))
	allocs := testing.AllocsPerRun(100, func() { r.serve(h) })
	require.Equal(t, http.StatusOK, r.code)
	if !raceEnabled {
		require.Zero(t, allocs)
	}
}

// BenchmarkDelivery compares a whole delivery with the two calls of stripe-go that a handwritten handler begins with. The
// calls do not read the body.
func BenchmarkDelivery(b *testing.B) {
	payload := []byte(completedPayload)
	b.Run("stripe-go", func(b *testing.B) {
		header := webhooktest.Sign(payload, testSecret, time.Now().Add(stripewebhook.DefaultTolerance/2))
		b.ReportAllocs()
		b.SetBytes(int64(len(payload)))
		for b.Loop() {
			stripeGo[stripe.CheckoutSession](b, payload, header)
		}
	})
	run := func(name string, register func(h *Handler)) {
		b.Run(name, func(b *testing.B) {
			h := newTestHandler(b, Config{})
			register(h)
			r := newReplay(payload)
			b.ReportAllocs()
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				r.serve(h)
			}
			require.Equal(b, http.StatusOK, r.code)
		})
	}
	run("typed", func(h *Handler) {
		On(h, CheckoutSessionCompleted, func(context.Context, *Event[stripe.CheckoutSession]) error { return nil })
	})
	run("own-struct", func(h *Handler) {
		type facts struct {
			ID            string            `json:"id"`
			PaymentStatus string            `json:"payment_status"`
			PaymentIntent json.RawMessage   `json:"payment_intent"`
			Metadata      map[string]string `json:"metadata"`
		}
		On(h, Type[facts](CheckoutSessionCompleted), func(context.Context, *Event[facts]) error { return nil })
	})
	run("unhandled", func(*Handler) {})
}

// stripeGo verifies and decodes an event with stripe-go, which decodes the object twice: into maps and into its struct.
func stripeGo[T any](b *testing.B, payload []byte, header string) {
	b.Helper()
	e, err := stripewebhook.ConstructEventWithOptions(payload, header, testSecret,
		stripewebhook.ConstructEventOptions{IgnoreAPIVersionMismatch: true})
	if err != nil {
		b.Fatal(err)
	}
	var object T
	if err := json.Unmarshal(e.Data.Raw, &object); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCorpus goes through the recorded checkout.session.completed events of the folder FULFIL_CORPUS names.
func BenchmarkCorpus(b *testing.B) {
	dir := os.Getenv("FULFIL_CORPUS")
	if dir == "" {
		b.Skip("FULFIL_CORPUS is not set")
	}
	files, err := filepath.Glob(filepath.Join(dir, "checkout.session.completed--*.json"))
	require.NoError(b, err)
	require.NotEmpty(b, files)
	var payloads [][]byte
	for _, file := range files {
		payload, err := os.ReadFile(file)
		require.NoError(b, err)
		payloads = append(payloads, payload)
	}
	b.Run("stripe-go", func(b *testing.B) {
		var headers []string
		for _, payload := range payloads {
			headers = append(headers, webhooktest.Sign(payload, testSecret, time.Now()))
		}
		b.ReportAllocs()
		for b.Loop() {
			for i, payload := range payloads {
				stripeGo[stripe.CheckoutSession](b, payload, headers[i])
			}
		}
	})
	run := func(name string, register func(h *Handler)) {
		b.Run(name, func(b *testing.B) {
			h := newTestHandler(b, Config{})
			register(h)
			var replays []*replay
			for _, payload := range payloads {
				replays = append(replays, newReplay(payload))
			}
			b.ReportAllocs()
			for b.Loop() {
				for _, r := range replays {
					r.serve(h)
				}
			}
		})
	}
	run("typed", func(h *Handler) {
		On(h, CheckoutSessionCompleted, func(context.Context, *Event[stripe.CheckoutSession]) error { return nil })
	})
	run("unhandled", func(*Handler) {})
}
