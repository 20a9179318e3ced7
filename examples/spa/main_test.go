package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// site is the shop with a test server.
type site struct {
	*testing.T
	handler http.Handler
}

func open(t *testing.T) site {
	t.Helper()
	pay, err := connect(func(string) string { return "" })
	require.NoError(t, err)
	t.Cleanup(pay.test.Close)
	s, err := newShop(t.Context(), "http://127.0.0.1", pay, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return site{t, s.handler()}
}

// call sends a request as the page does, and decodes the answer, which must be JSON.
func (s site) call(method, path, body string) (status int, answer map[string]any) {
	s.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body))
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	require.Equal(s, "application/json", w.Header().Get("Content-Type"), "%s %s: %s", method, path, w.Body)
	require.NoError(s, json.Unmarshal(w.Body.Bytes(), &answer))
	return w.Code, answer
}

func TestEmbeddedOrder(t *testing.T) {
	t.Parallel()
	s := open(t)
	status, started := s.call("POST", "/api/orders", `{"sku":"tee-m","quantity":3}`)
	require.Equal(t, http.StatusCreated, status)
	require.Contains(t, started["client_secret"], "_secret_")
	require.NotContains(t, started, "url", "an embedded session has no page")
	session := started["session_id"].(string)

	status, problem := s.call("POST", "/api/orders", `{"sku":"tee-m","quantity":3}`)
	require.Equal(t, http.StatusConflict, status)
	require.Equal(t, "sold_out", problem["code"])
	require.Equal(t, []any{map[string]any{"sku": "tee-m", "wanted": 3.0, "available": 2.0}}, problem["lines"])

	status, problem = s.call("POST", "/api/demo/pay", `{"session_id":"`+session+`","declined":true}`)
	require.Equal(t, http.StatusPaymentRequired, status)
	require.Equal(t, "declined", problem["code"])
	_, order := s.call("GET", "/api/status?session_id="+session, "")
	require.Equal(t, "open", order["status"])

	status, _ = s.call("POST", "/api/demo/pay", `{"session_id":"`+session+`"}`)
	require.Equal(t, http.StatusOK, status)
	_, order = s.call("GET", "/api/status?wait=10&session_id="+session, "")
	require.Equal(t, map[string]any{"order_id": started["order_id"], "status": "fulfilled"}, order)
}

func TestErrorsAreJSON(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/api/orders", `no JSON`, http.StatusBadRequest},
		{"POST", "/api/orders", `{"sku":"ghost","quantity":1}`, http.StatusBadRequest},
		{"POST", "/api/orders", `{"sku":"tee-m","quantity":11}`, http.StatusBadRequest},
		{"GET", "/api/status?session_id=cs_test_unknown", "", http.StatusNotFound},
		{"GET", "/api/status?session_id=cs_test_unknown&wait=soon", "", http.StatusBadRequest},
	} {
		status, answer := s.call(c.method, c.path, c.body)
		require.Equal(t, c.status, status, c.path)
		require.NotEmpty(t, answer["error"], c.path)
	}
}

func TestConnectNamesTheCure(t *testing.T) {
	t.Parallel()
	_, err := connect(func(name string) string { return map[string]string{"STRIPE_SECRET_KEY": "sk_test_x"}[name] })
	require.ErrorContains(t, err, "set all of STRIPE_SECRET_KEY, STRIPE_PUBLISHABLE_KEY and STRIPE_WEBHOOK_SECRET")
}
