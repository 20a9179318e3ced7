package checkouttest_test

import (
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
	again, two := post("/v1/checkout/sessions", teeForm(), "k1")
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
	require.Equal(t, one, two)
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

	srv.Advance(24 * time.Hour)
	_, three := post("/v1/checkout/sessions", teeForm(), "k1")
	require.NotEqual(t, one["id"], three["id"], "the key is forgotten after a day")
}
