package flowtest

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/internal/dbtest"
	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
	"github.com/gofulfil/fulfil/webhook"
	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

// instantStripe creates sessions at once, so that a benchmark measures the library and the database.
type instantStripe struct{ made atomic.Int64 }

func (s *instantStripe) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPost || r.URL.Path != "/v1/checkout/sessions" {
		return nil, fmt.Errorf("unexpected request: %s %s", r.Method, r.URL.Path)
	}
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	metadata := map[string]string{}
	for key, values := range r.PostForm {
		if name, ok := strings.CutPrefix(key, "metadata["); ok {
			metadata[strings.TrimSuffix(name, "]")] = values[0]
		}
	}
	expires, _ := strconv.ParseInt(r.PostForm.Get("expires_at"), 10, 64)
	id := fmt.Sprint("cs_test_", s.made.Add(1))
	body, err := json.Marshal(map[string]any{
		"id": id, "object": "checkout.session", "url": "https://checkout.stripe.com/c/pay/" + id, "status": "open", "payment_status": "unpaid",
		"mode": "payment", "currency": "usd", "amount_subtotal": 1999, "amount_total": 1999, "livemode": false,
		"created": time.Now().Unix(), "expires_at": expires, "metadata": metadata, "client_reference_id": r.PostForm.Get("client_reference_id"),
	})
	return &http.Response{
		StatusCode: http.StatusOK, Request: r, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)),
		Header: http.Header{"Content-Type": {"application/json"}, "Date": {time.Now().UTC().Format(http.TimeFormat)}},
	}, err
}

// completed is the event that the session of an order was paid. It has the members of a real session that the Flow does not read,
// too.
func completed(sessionID string) []byte {
	object := map[string]any{
		"id": sessionID, "object": "checkout.session", "status": "complete", "payment_status": "paid", "mode": "payment", "currency": "usd",
		"amount_subtotal": 1999, "amount_total": 1999, "livemode": false, "created": time.Now().Unix(), "payment_intent": "pi_" + sessionID,
		"customer_details": map[string]any{"email": sessionID + "@example.com", "name": "A Buyer", "address": map[string]any{
			"line1": "1 Main Street", "city": "Springfield", "postal_code": "12345", "country": "US"}},
		"total_details": map[string]any{"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
	}
	for i := range 40 {
		object[fmt.Sprint("unread_member_", i)] = map[string]any{"enabled": false, "liability": nil, "type": "none of the flow's business"}
	}
	return webhooktest.Event{ID: "evt_" + sessionID, Type: "checkout.session.completed", Created: time.Now(), Object: object}.Payload()
}

// benchmark measures how many orders a second are begun, or brought from the webhook to fulfilled: by one caller and by 64, with a
// pool of 16 connections.
func benchmark(b *testing.B, fulfil bool) {
	for _, d := range dbtest.All() {
		if d.Name == "sqlite/mattn" || d.Name == "postgres/pq" {
			continue
		}
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", d.Name, callers), func(b *testing.B) {
				dsn := d.Create(b)
				if d.Dialect == sqlkit.MySQL {
					dsn += "?interpolateParams=true"
				}
				db := d.Connect(b, dsn, 16)
				require.NoError(b, migrate(b.Context(), db, d.Dialect))
				st, reserver := sqlstore.New(db, d.Dialect), sqlreserver.New(d.Dialect)
				require.NoError(b, st.InTx(b.Context(), func(tx *sql.Tx) error { return reserver.Set(b.Context(), tx, "hot", 100_000_000) }))
				client := stripe.NewClient("sk_test_1", stripe.WithBackends(stripe.NewBackendsWithConfig(&stripe.BackendConfig{
					HTTPClient: &http.Client{Transport: &instantStripe{}}, LeveledLogger: &stripe.LeveledLogger{},
				})))
				flow, err := checkout.New(checkout.Config[*sql.Tx]{
					Stripe: client, Store: st, Reserver: reserver, Logger: slog.New(slog.DiscardHandler),
					Fulfil: func(ctx context.Context, tx *sql.Tx, o *store.Order) error {
						_, err := tx.ExecContext(ctx, d.Dialect.Rebind(`INSERT INTO shipments (order_id) VALUES (?)`), o.ID)
						return err
					},
				})
				require.NoError(b, err)
				hook, err := webhook.New(webhook.Config{Secrets: []string{"whsec_1"}, Logger: slog.New(slog.DiscardHandler)})
				require.NoError(b, err)
				flow.Handle(hook)
				begin := func(n int64) string {
					started, err := flow.Begin(b.Context(), checkout.Session{
						OrderID:    fmt.Sprint("order-", n),
						Lines:      []checkout.Line{{SKU: "hot", Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 1}},
						SuccessURL: "https://shop.example/thanks", CancelURL: "https://shop.example/cart",
					})
					if err != nil {
						b.Error(err)
						return ""
					}
					return started.SessionID
				}
				var n atomic.Int64
				begin(0)
				sessions := make([]string, b.N)
				if fulfil {
					for i := range sessions {
						sessions[i] = begin(n.Add(1))
					}
					n.Store(0)
				}
				var all sync.WaitGroup
				b.ResetTimer()
				for range callers {
					all.Go(func() {
						for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
							if !fulfil {
								begin(i)
								continue
							}
							w := httptest.NewRecorder()
							hook.ServeHTTP(w, webhooktest.NewRequest("/", completed(sessions[i-1]), "whsec_1", time.Now()))
							if w.Code != http.StatusOK {
								b.Errorf("webhook: %d %s", w.Code, w.Body)
							}
						}
					})
				}
				all.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
			})
		}
	}
}

func BenchmarkBegin(b *testing.B)  { benchmark(b, false) }
func BenchmarkFulfil(b *testing.B) { benchmark(b, true) }
