package checkout

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
	stripewebhook "github.com/stripe/stripe-go/v82/webhook"

	"github.com/gofulfil/fulfil/webhook"
	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

// BenchmarkSessionEvent compares how the Flow reads an event of a session, from the request to the facts, with the two calls of
// stripe-go that a handwritten handler begins with. Each iteration runs both, and the
// shortest time of each event counts, as that was least disturbed. The events are the recorded ones of the folder
// FULFIL_CORPUS names.
func BenchmarkSessionEvent(b *testing.B) {
	dir := os.Getenv("FULFIL_CORPUS")
	if dir == "" {
		b.Skip("FULFIL_CORPUS is not set")
	}
	const secret = "whsec_test"
	now := time.Now()
	hook, err := webhook.New(webhook.Config{Secrets: []string{secret}, Clock: func() time.Time { return now }})
	require.NoError(b, err)
	read := 0
	webhook.On(hook, webhook.Type[webhook.Ref[sessionFacts]](eventCompleted), func(ctx context.Context, e *webhook.Event[webhook.Ref[sessionFacts]]) error {
		facts, err := e.Object.Get(ctx)
		if u := observeEvent(e.Type, e.ID, e.Account, e.Created, facts, e.RawObject); u.completed {
			read++
		}
		return err
	})
	files, err := filepath.Glob(filepath.Join(dir, "checkout.session.completed--*.json"))
	require.NoError(b, err)
	require.NotEmpty(b, files)
	var payloads [][]byte
	for _, file := range files {
		payload, err := os.ReadFile(file)
		require.NoError(b, err)
		payloads = append(payloads, payload)
	}
	ours, theirs := make([]time.Duration, len(payloads)), make([]time.Duration, len(payloads))
	for b.Loop() {
		for i, payload := range payloads {
			request := webhooktest.NewRequest("/", payload, secret, now)
			header := request.Header.Get("Stripe-Signature")
			answer := httptest.NewRecorder()
			answer.Body = bytes.NewBuffer(make([]byte, 0, 64))
			began := time.Now()
			hook.ServeHTTP(answer, request)
			between := time.Now()
			e, err := stripewebhook.ConstructEventWithOptions(payload, header, secret, stripewebhook.ConstructEventOptions{IgnoreAPIVersionMismatch: true, IgnoreTolerance: true})
			var session stripe.CheckoutSession
			if err == nil {
				err = json.Unmarshal(e.Data.Raw, &session)
			}
			ended := time.Now()
			ours[i], theirs[i] = shorter(ours[i], between.Sub(began)), shorter(theirs[i], ended.Sub(between))
			require.NoError(b, err)
			require.Equal(b, http.StatusOK, answer.Code)
		}
	}
	require.Positive(b, read)
	var our, their time.Duration
	for i := range payloads {
		our, their = our+ours[i], their+theirs[i]
	}
	b.ReportMetric(0, "ns/op") // that of both together says nothing
	b.ReportMetric(float64(our)/float64(their), "time/stripe-go")
}

// shorter is the shorter of two times; zero: there is none yet.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 {
		return b
	}
	return min(a, b)
}
