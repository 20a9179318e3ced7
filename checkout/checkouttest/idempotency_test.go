package checkouttest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	post := func(path string, form url.Values, key string) (*http.Response, map[string]any) {
		return request(t, srv, "POST", path, form, "Idempotency-Key", key)
	}
	first, one := post("/v1/checkout/sessions", teeForm(), "k1")
	require.Empty(t, first.Header.Get("Idempotent-Replayed"))
	require.Equal(t, first.Header.Get("Request-Id"), first.Header.Get("Original-Request"))
	require.Equal(t, "false", first.Header.Get("Stripe-Should-Retry"))
	again, two := post("/v1/checkout/sessions", teeForm(), "k1")
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
	require.Equal(t, one, two)
	require.Equal(t, first.Header.Get("Request-Id"), again.Header.Get("Original-Request"))
	require.NotEqual(t, first.Header.Get("Request-Id"), again.Header.Get("Request-Id"))

	id := str(one["id"])
	for name, c := range map[string]struct {
		path string
		form url.Values
	}{"parameters": {"/v1/checkout/sessions", teeForm("locale", "de")}, "path": {"/v1/checkout/sessions/" + id + "/expire", nil}} {
		resp, body := post(c.path, c.form, "k1")
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, name)
		require.Equal(t, "idempotency_error", body["error"].(map[string]any)["type"], name)
	}

	resp, _ := post("/v1/checkout/sessions", teeForm("mode", "-"), "k2")
	require.Empty(t, resp.Header.Get("Original-Request"))
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	resp, _ = post("/v1/checkout/sessions", teeForm(), "k2")
	require.Equal(t, http.StatusOK, resp.StatusCode, "a validation failure is not remembered")

	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	resp, _ = post("/v1/checkout/sessions/"+id+"/expire", nil, "k3")
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	resp, _ = post("/v1/checkout/sessions/"+id+"/expire", nil, "k3")
	require.Equal(t, "true", resp.Header.Get("Idempotent-Replayed"), "a refusal by the call itself is remembered")

	resp, _ = post("/v1/checkout/sessions", teeForm(), strings.Repeat("k", 256))
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)

	resp, _ = request(t, srv, "GET", "/v1/events", nil, "Idempotency-Key", "k1")
	require.Equal(t, http.StatusOK, resp.StatusCode, "keys are for POST alone")
	require.Empty(t, resp.Header.Get("Original-Request"))
	resp, _ = request(t, srv, "POST", "/v1/checkout/sessions", teeForm("locale", "fr"), "Idempotency-Key", "k1", "Stripe-Account", "acct_1")
	require.Equal(t, http.StatusOK, resp.StatusCode, "each account has keys of its own")

	srv.Advance(24 * time.Hour)
	_, three := post("/v1/checkout/sessions", teeForm(), "k1")
	require.NotEqual(t, one["id"], three["id"], "the key is forgotten after a day")
}

// A request holds its key even before its body has arrived.
func TestConcurrentRequestsWithOneKey(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	body, rest := io.Pipe()
	r, err := http.NewRequest("POST", srv.URL()+"/v1/checkout/sessions", body)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+srv.Key())
	r.Header.Set("Idempotency-Key", "k")
	first := make(chan map[string]any)
	go func() {
		defer close(first)
		var decoded map[string]any
		if resp, err := srv.Transport().RoundTrip(r); err == nil && json.NewDecoder(resp.Body).Decode(&decoded) == nil {
			first <- decoded
		}
	}()
	_, err = rest.Write([]byte("mode=payment&"))
	require.NoError(t, err) // so it is being read

	resp, answer := request(t, srv, "POST", "/v1/checkout/sessions", teeForm(), "Idempotency-Key", "k")
	require.Equal(t, http.StatusConflict, resp.StatusCode)
	require.Equal(t, "true", resp.Header.Get("Stripe-Should-Retry"))
	e := answer["error"].(map[string]any)
	require.Equal(t, "idempotency_key_in_use", e["code"])
	require.Equal(t, "idempotency_error", e["type"])
	resp, _ = request(t, srv, "POST", "/v1/checkout/sessions", teeForm(), "Idempotency-Key", "other")
	require.Equal(t, http.StatusOK, resp.StatusCode)

	form := teeForm("mode", "-")
	_, err = rest.Write([]byte(form.Encode()))
	require.NoError(t, err)
	require.NoError(t, rest.Close())
	one := <-first
	resp, again := request(t, srv, "POST", "/v1/checkout/sessions", teeForm(), "Idempotency-Key", "k")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "true", resp.Header.Get("Idempotent-Replayed"))
	require.Equal(t, one, again)
}
