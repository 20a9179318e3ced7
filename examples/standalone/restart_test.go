package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// get returns the answer of the API to a GET request.
func (p *running) get(t *testing.T, path string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.api+path, nil)
	require.NoError(t, err)
	request.SetBasicAuth(testKey, "")
	p.do(t, request)
	require.Equal(t, http.StatusOK, p.status, p.body)
	return p.body
}

// clock returns the time on the program's clock, in nanoseconds.
func (p *running) clock(t *testing.T) int64 {
	t.Helper()
	now, err := time.Parse(time.RFC3339Nano, p.ask(t, http.MethodGet, "/api/clock", "")["now"].(string))
	require.NoError(t, err)
	return now.UnixNano()
}

// end stops the program, as Ctrl-C does.
func (p *running) end(t *testing.T) {
	t.Helper()
	p.stop()
	require.NoError(t, <-p.stopped)
}

// submit pays on the payment page, as a browser without JavaScript does.
func (p *running) submit(t *testing.T, page string) {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.PostForm(page, url.Values{
		"email": {"buyer@shop.example"}, "billingName": {"A Buyer"}, "payment-method-accordion-item-title": {"card"}, "cardNumber": {"4242 4242 4242 4242"},
		"cardExpiry": {"12 / 34"}, "cardCvc": {"123"}, "billingCountry": {"US"}, "billingPostalCode": {"94107"},
	})
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusSeeOther, response.StatusCode, plain(string(body)))
}

var keptLists = []string{"/v1/checkout/sessions?limit=100", "/v1/events?limit=100", "/v1/charges", "/v1/refunds", "/v1/disputes", "/v1/balance"}

// The program stops in the middle of a purchase, twice: sessions, events, clock and secret are there again, and what was open goes on. No
// event is delivered again by the start.
func TestRestartInTheMiddle(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	file := filepath.Join(t.TempDir(), "state")
	// The links stay the same through all starts, and the program's own port changes: another program may take it in between.
	var address atomic.Pointer[url.URL]
	front := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(address.Load()); r.Out.Host = r.In.Host }})
	t.Cleanup(front.Close)
	again := func() *running {
		p := start(t, "-data", file, "-webhook", in.url, "-url", front.URL)
		address.Store(&url.URL{Scheme: "http", Host: p.address})
		return p
	}
	p := again()
	paid, page := p.create(t)
	debited, _ := p.create(t)
	open, openPage := p.create(t)
	p.submit(t, page)
	p.ask(t, http.MethodPost, "/api/sessions/"+debited+"/pay", `{"method": "bank_debit"}`)
	require.Equal(t, 200, p.status, p.body)
	p.ask(t, http.MethodPut, "/api/faults", `{"faults": [{"kind": "rate_limit", "for": ["POST /v1/customers"], "seconds": 1}]}`)
	p.ask(t, http.MethodPost, "/api/clock/advance", `{"seconds": 3700}`)
	secret := p.secret
	for range 2 {
		before, count := map[string]string{}, in.got("checkout.session.completed")
		for _, path := range keptLists {
			before[path] = p.get(t, path)
		}
		clock := p.clock(t)
		p.end(t)
		p = again()
		for _, path := range keptLists {
			require.Equal(t, before[path], p.get(t, path), path)
		}
		require.Greater(t, p.clock(t), clock, "the clock goes on")
		require.Greater(t, p.clock(t), time.Hour.Nanoseconds()+time.Now().UnixNano(), "the clock is ahead as before")
		require.Equal(t, secret, p.secret)
		require.Equal(t, count, in.got("checkout.session.completed"))
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.api+"/v1/customers", nil)
		require.NoError(t, err)
		request.SetBasicAuth(testKey, "")
		p.do(t, request)
		require.Equal(t, http.StatusTooManyRequests, p.status, "the faults are kept")
	}
	p.submit(t, openPage)
	p.ask(t, http.MethodPost, "/api/sessions/"+debited+"/settle", "")
	require.Equal(t, 200, p.status, p.body)
	p.ask(t, http.MethodPost, "/api/sessions/"+paid+"/refund", `{"amount": 500}`)
	require.Equal(t, 200, p.status, p.body)
	for _, id := range []string{paid, debited, open} {
		var session struct {
			PaymentStatus string `json:"payment_status"`
		}
		require.NoError(t, json.Unmarshal([]byte(p.get(t, "/v1/checkout/sessions/"+id)), &session))
		require.Equal(t, "paid", session.PaymentStatus, id)
	}
	require.Equal(t, 1, in.got("checkout.session.async_payment_succeeded"))

	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	p.ask(t, http.MethodPost, "/api/reset", "")
	require.Contains(t, p.get(t, "/v1/checkout/sessions"), `"data": []`)
	p.end(t)
	p = again()
	require.Contains(t, p.get(t, "/v1/checkout/sessions"), `"data": []`, "a reset is kept, too")
	p.end(t)

	// The last line of a program that was killed may be torn.
	require.NoError(t, os.WriteFile(file, append(raw, `{"n": 99, "at"`...), 0o600))
	p = again()
	require.Contains(t, p.get(t, "/v1/checkout/sessions"), paid)
}

func TestStateFileOfAnotherKind(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"hello\n":              "is no state file",
		`{"version":2}` + "\n": "has format 2",
		`{"version":1,"seed":5,"start":"2026-01-02T15:04:05Z","key":"sk_test_x","webhook_secret":"whsec_x"}` + "\n" + `{"n":1}` + "\n":                                                                "a request or a command",
		`{"version":1,"seed":5,"start":"2026-01-02T15:04:05Z","key":"sk_test_x","webhook_secret":"whsec_x"}` + "\n" + `{"n":1,"account":"eve","command":{"do":"pay"}}` + "\n":                         `no account "eve"`,
		`{"version":1,"seed":5,"start":"2026-01-02T15:04:05Z","key":"sk_test_x","webhook_secret":"whsec_x"}` + "\n" + `{"n":1,"request":{"method":"POST","url":"/v1/customers","status":418}}` + "\n": "was answered 418, and is answered 200 now",
	} {
		file := filepath.Join(t.TempDir(), "state")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		err := run(t.Context(), []string{"-addr", "127.0.0.1:0", "-control", "127.0.0.1:0", "-data", file}, io.Discard)
		require.ErrorContains(t, err, want)
		after, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, text, string(after), "a refused file is left alone")
	}
}

// The same seed makes the same IDs. No seed makes others each time.
func TestSeed(t *testing.T) {
	t.Parallel()
	first, _ := start(t, "-seed", "7").create(t)
	second, _ := start(t, "-seed", "7").create(t)
	third, _ := start(t).create(t)
	require.Equal(t, first, second)
	require.NotEqual(t, first, third)
}
