package checkout_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
)

func TestStatusHandler(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.loseWebhooks()
	started := s.begin(cartOf("order-1", "tee"))
	retrieve := "GET /v1/checkout/sessions/" + started.SessionID
	_, status := s.status(started.SessionID)
	require.Equal(t, "open", status)
	for range 20 {
		s.status(started.SessionID)
	}
	require.Equal(t, 1, s.wire.count(retrieve), "one question in two seconds")
	s.pay(started.SessionID)
	head := func() int {
		w := httptest.NewRecorder()
		s.flow.StatusHandler().ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/?session_id="+started.SessionID, nil))
		return w.Code
	}
	s.srv.Advance(2 * time.Second)
	require.Equal(t, http.StatusOK, head())
	require.Equal(t, 1, s.wire.count(retrieve), "HEAD never asks")
	_, status = s.status(started.SessionID)
	require.Equal(t, string(checkout.Fulfilled), status)
	s.srv.Advance(time.Hour)
	s.status(started.SessionID)
	require.Equal(t, 2, s.wire.count(retrieve), "what is settled is not asked for")

	for _, id := range []string{"", "cs_test_unknown", "%00", string(make([]byte, 300))} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		q := r.URL.Query()
		q.Set("session_id", id)
		r.URL.RawQuery = q.Encode()
		s.flow.StatusHandler().ServeHTTP(w, r)
		require.Equal(t, http.StatusNotFound, w.Code)
	}
	require.Equal(t, 2, s.wire.count(retrieve))
	w := httptest.NewRecorder()
	s.flow.StatusHandler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)

	// Stripe down: what is known is shown.
	other := s.begin(cartOf("order-2", "tee"))
	s.wire.on(func(r *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		return answer(r, http.StatusServiceUnavailable, `{"error":{"type":"api_error"}}`), nil
	})
	code, status := s.status(other.SessionID)
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "open", status)
}

// waiting asks the status endpoint in a goroutine of its own.
func (s *testShop) waiting(sessionID, wait string) (answer chan *httptest.ResponseRecorder) {
	answer = make(chan *httptest.ResponseRecorder, 1)
	go func() {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/?session_id="+sessionID+"&wait="+wait, nil)
		s.flow.StatusHandler().ServeHTTP(w, r)
		answer <- w
	}()
	return answer
}

func TestStatusWaits(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		do   func(s *testShop, session string)
		wait string
		took time.Duration
		says string
	}{
		"for nothing":           {func(*testShop, string) {}, "10s", 10 * time.Second, "open"},
		"no longer than it may": {func(*testShop, string) {}, "1h", checkout.MaxWait, "open"},
		"a number of seconds":   {func(*testShop, string) {}, "10", 10 * time.Second, "open"},
		"not at all":            {func(*testShop, string) {}, "0s", 0, "open"},
		"for the payment": {func(s *testShop, session string) {
			time.Sleep(5 * time.Second)
			require.NoError(s.t, s.srv.Pay(session, checkouttest.CardOK))
		}, "10s", 5 * time.Second, "fulfilled"},
		"for goods that take a while": {func(s *testShop, session string) {
			s.onFulfil(func(context.Context, *memstore.Tx, *store.Order) error {
				time.Sleep(700 * time.Millisecond)
				return nil
			})
			require.NoError(s.t, s.srv.Pay(session, checkouttest.CardOK))
		}, "10s", 700 * time.Millisecond, "fulfilled"},
		"not for a debit": {func(s *testShop, session string) {
			require.NoError(s.t, s.srv.Pay(session, checkouttest.BankDebit))
		}, "10s", 0, "processing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				session := s.begin(cartOf("order-1", "tee")).SessionID
				began := time.Now()
				answer := s.waiting(session, tt.wait)
				synctest.Wait()
				tt.do(s, session)
				w := <-answer
				require.Equal(t, tt.took, time.Since(began))
				require.Contains(t, w.Body.String(), `"`+tt.says+`"`)
			})
		})
	}
	t.Run("for a debit, with nothing to deliver", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newShop(t)
			s.runAs(func(c *checkout.Config[tx]) { c.OnChange = nil })
			session := s.begin(cartOf("order-1", "tee")).SessionID
			answer := s.waiting(session, "10s")
			time.Sleep(5 * time.Second)
			began := time.Now()
			require.NoError(t, s.srv.Pay(session, checkouttest.BankDebit))
			require.Contains(t, (<-answer).Body.String(), "processing")
			require.Zero(t, time.Since(began))
		})
	})
	t.Run("until the shop shuts down", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newShop(t)
			session := s.begin(cartOf("order-1", "tee")).SessionID
			ctx, cancel := context.WithCancel(t.Context())
			ran := make(chan error)
			go func() { ran <- s.flow.Run(ctx) }()
			answer := s.waiting(session, "20s")
			synctest.Wait()
			began := time.Now()
			cancel()
			<-ran
			require.Contains(t, (<-answer).Body.String(), "open")
			require.Zero(t, time.Since(began))
		})
	})
	s := newShop(t)
	session := s.begin(cartOf("order-1", "tee")).SessionID
	for _, bad := range []string{"soon", "-1s", "-10"} {
		require.Equal(t, http.StatusBadRequest, (<-s.waiting(session, bad)).Code)
	}
}

func TestStatusOfACustomerWhoLeft(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	started := s.begin(cartOf("order-1", "tee"))
	ctx, leave := context.WithCancel(t.Context())
	leave()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/?session_id="+started.SessionID, nil)
	s.flow.StatusHandler().ServeHTTP(httptest.NewRecorder(), r)
	require.NotContains(t, s.log.String(), "level=ERROR")
}

// A page that reads JSON gets JSON, whatever the answer is.
func TestStatusErrorsAreJSON(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	session := s.begin(cartOf("order-1", "tee")).SessionID
	for _, c := range []struct {
		method, query string
		code          int
		text          string
	}{
		{http.MethodGet, "session_id=cs_unknown", http.StatusNotFound, "unknown session"},
		{http.MethodPost, "session_id=" + session, http.StatusMethodNotAllowed, "method not allowed"},
		{http.MethodGet, "wait=soon&session_id=" + session, http.StatusBadRequest, "wait is not a duration"},
		{http.MethodGet, "wait=-1&session_id=" + session, http.StatusBadRequest, "wait is not a duration"},
		{http.MethodGet, "wait=99999999999&session_id=" + session, http.StatusBadRequest, "wait is not a duration"},
	} {
		w := httptest.NewRecorder()
		s.flow.StatusHandler().ServeHTTP(w, httptest.NewRequest(c.method, "/?"+c.query, nil))
		require.Equal(t, c.code, w.Code, c.query)
		require.Equal(t, "application/json", w.Header().Get("Content-Type"))
		var answer struct{ Error string }
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer), w.Body.String())
		require.Contains(t, answer.Error, c.text)
	}
}

// What a server answers to its own page has names for JavaScript, and no ID that is not the customer's business.
func TestAnswersAsJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value any
		want  string
	}{
		{
			&checkout.Started{OrderID: "order-1", SessionID: "cs_1", URL: "https://pay.example/1", Attempt: 3, ExpiresAt: testStart, Reused: true},
			`{"order_id":"order-1","session_id":"cs_1","url":"https://pay.example/1","expires_at":"2026-03-02T09:00:00Z"}`,
		},
		{
			&reservation.ShortageError{Hold: "shop/order-1/3", Lines: []reservation.Shortage{{SKU: "tee", Wanted: 3, Available: 1}}},
			`{"lines":[{"sku":"tee","wanted":3,"available":1}]}`,
		},
		{
			&checkout.InvalidSessionError{Problems: []checkout.FieldProblem{{Field: "Lines[0].Quantity", Message: "is 0"}}},
			`{"problems":[{"field":"Lines[0].Quantity","message":"is 0"}]}`,
		},
	} {
		text, err := json.Marshal(c.value)
		require.NoError(t, err)
		require.Equal(t, c.want, string(text))
	}
}
