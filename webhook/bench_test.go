package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
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
	body   bytes.Reader
	data   []byte
	code   int
	answer http.Header
}

func newReplay(payload []byte) *replay {
	r := &replay{Request: webhooktest.NewRequest("/", payload, testSecret, testNow), data: payload, answer: http.Header{}}
	r.Body = r
	return r
}

func (r *replay) Read(p []byte) (int, error)  { return r.body.Read(p) }
func (r *replay) Close() error                { return nil }
func (r *replay) Header() http.Header         { return r.answer }
func (r *replay) Write(p []byte) (int, error) { return len(p), nil }
func (r *replay) WriteHeader(code int)        { r.code = code }

func (r *replay) WriteString(s string) (int, error) { return len(s), nil }

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

// Anyone can send a delivery whose signature is wrong, as often as they like.
func TestBadSignaturesAllocateNothing(t *testing.T) {
	h := newTestHandler(t, Config{})
	r := newReplay([]byte(completedPayload))
	r.data = []byte(completedPayload[1:] + "\n")
	r.serve(h) // the first refusal in a second is logged
	allocs := testing.AllocsPerRun(100, func() { r.serve(h) })
	require.Equal(t, http.StatusBadRequest, r.code)
	if !raceEnabled {
		require.Zero(t, allocs)
	}
}

// BenchmarkAgainstStripeGo compares a whole delivery, from reading the body to the handler's return, with the two calls of
// stripe-go that a handwritten handler begins with. Each iteration runs both, one after the other. It reports the ratio of the
// shortest times, which were least disturbed, and ratios of the bytes that are allocated: "bytes/stripe-go" against the two calls alone, which get the body as a
// slice, and "bytes/with-io.ReadAll" against the two calls after the body was read by io.ReadAll, as handwritten handlers do.
func BenchmarkAgainstStripeGo(b *testing.B) {
	typed := func(h *Handler) {
		On(h, CheckoutSessionCompleted, func(context.Context, *Event[stripe.CheckoutSession]) error { return nil })
	}
	type facts struct {
		ID            string            `json:"id"`
		PaymentStatus string            `json:"payment_status"`
		PaymentIntent json.RawMessage   `json:"payment_intent"`
		Metadata      map[string]string `json:"metadata"`
	}
	ownStruct := func(h *Handler) {
		On(h, Type[facts](CheckoutSessionCompleted), func(context.Context, *Event[facts]) error { return nil })
	}
	made := [][]byte{[]byte(completedPayload)}
	for _, tt := range []struct {
		name     string
		payloads [][]byte
		register func(h *Handler)
		refused  bool
	}{
		{"typed", made, typed, false},
		{"own-struct", made, ownStruct, false},
		{"unhandled", made, func(*Handler) {}, false},
		{"bad-signature", made, typed, true},
		{"corpus-typed", recordedSessions(b), typed, false},
		{"corpus-unhandled", recordedSessions(b), func(*Handler) {}, false},
	} {
		if len(tt.payloads) == 0 {
			continue
		}
		b.Run(tt.name, func(b *testing.B) {
			h := newTestHandler(b, Config{})
			tt.register(h)
			var replays []*replay
			var headers []string
			for _, payload := range tt.payloads {
				r := newReplay(payload)
				header := webhooktest.Sign(payload, testSecret, time.Now().Add(stripewebhook.DefaultTolerance/2))
				if tt.refused {
					r.data = append([]byte(" "), payload[1:]...)
					header = webhooktest.Sign(r.data[1:], testSecret, time.Now().Add(stripewebhook.DefaultTolerance/2))
				}
				replays, headers = append(replays, r), append(headers, header)
			}
			ours := func() {
				for _, r := range replays {
					r.serve(h)
				}
			}
			theirs := func() {
				for i, r := range replays {
					err := constructAndDecode(r.data, headers[i])
					if (err != nil) != tt.refused {
						b.Fatal(err)
					}
				}
			}
			reading := func() {
				for _, r := range replays {
					r.body.Reset(r.data)
					if _, err := io.ReadAll(r); err != nil {
						b.Fatal(err)
					}
				}
			}
			compare(b, ours, theirs, reading)
		})
	}
}

// compare reports how ours relates to theirs.
func compare(b *testing.B, ours, theirs, reading func()) {
	our, their := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	for b.Loop() {
		began := time.Now()
		theirs()
		between := time.Now()
		ours()
		ended := time.Now()
		our, their = min(our, ended.Sub(between)), min(their, between.Sub(began))
	}
	ourBytes, theirBytes := allocated(ours), allocated(theirs)
	b.ReportMetric(0, "ns/op") // that of both together says nothing
	b.ReportMetric(float64(our.Nanoseconds()), "ns/ours")
	b.ReportMetric(float64(our)/float64(their), "time/stripe-go")
	b.ReportMetric(ourBytes, "B/ours")
	b.ReportMetric(ourBytes/theirBytes, "bytes/stripe-go")
	b.ReportMetric(ourBytes/(theirBytes+allocated(reading)), "bytes/with-io.ReadAll")
	b.ReportMetric(testing.AllocsPerRun(50, ours), "allocs/ours")
}

// allocated is how many bytes one run allocates.
func allocated(run func()) float64 {
	const runs = 200
	var before, after runtime.MemStats
	run()
	runtime.ReadMemStats(&before)
	for range runs {
		run()
	}
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc-before.TotalAlloc) / runs
}

// constructAndDecode verifies and decodes an event with stripe-go, which decodes the object twice: into maps and into its struct.
func constructAndDecode(payload []byte, header string) error {
	e, err := stripewebhook.ConstructEventWithOptions(payload, header, testSecret,
		stripewebhook.ConstructEventOptions{IgnoreAPIVersionMismatch: true})
	if err != nil {
		return err
	}
	var object stripe.CheckoutSession
	return json.Unmarshal(e.Data.Raw, &object)
}

// recordedSessions returns the recorded checkout.session.completed events of the folder FULFIL_CORPUS names, if any.
func recordedSessions(b *testing.B) (payloads [][]byte) {
	b.Helper()
	dir := os.Getenv("FULFIL_CORPUS")
	if dir == "" {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "checkout.session.completed--*.json"))
	require.NoError(b, err)
	require.NotEmpty(b, files)
	for _, file := range files {
		payload, err := os.ReadFile(file)
		require.NoError(b, err)
		payloads = append(payloads, payload)
	}
	return payloads
}
