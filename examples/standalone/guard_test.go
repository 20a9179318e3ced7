package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const testToken = "a-token-of-the-test"

// status returns the status of a request with a host name and headers.
func (p *running) statusOf(t *testing.T, method, target, host string, header ...string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, target, nil)
	require.NoError(t, err)
	request.Host = host
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	p.do(t, request)
	return p.status
}

func TestHostNames(t *testing.T) {
	t.Parallel()
	alone, shared := start(t), start(t, "-allow-network", "-token", testToken, "-url", "http://pay.test.example:12111")
	require.Equal(t, "http://pay.test.example:12111", shared.api)
	shared.api = "http://" + shared.address
	for host, want := range map[string][2]bool{ // without and with -allow-network
		"localhost:1": {true, true}, "127.0.0.1": {true, true}, "[::1]:80": {true, true},
		"stripe:12111": {false, true}, "192.0.2.7:12111": {false, true}, "host.docker.internal": {false, true}, "PAY.test.example": {false, true},
		"elsewhere.example": {false, false}, "localhost.elsewhere.example": {false, false},
	} {
		for i, p := range []*running{alone, shared} {
			for _, target := range []string{p.api + "/c/style.css", p.control} {
				status := p.statusOf(t, http.MethodGet, target, host, "Authorization", "Bearer "+testToken)
				require.Equal(t, want[i], status == http.StatusOK, "%s at %s: %d", host, target, status)
			}
		}
	}
	_, page := shared.create(t)
	require.True(t, strings.HasPrefix(page, "http://pay.test.example:12111/c/pay/"), page)
}

// The control page shows keys: to nobody without the token, and to no other origin.
func TestControlIsNotForOthers(t *testing.T) {
	t.Parallel()
	p, shared := start(t), start(t, "-allow-network", "-token", testToken)
	for _, path := range []string{"", "api/events", "api/clock", "openapi.json"} {
		for name, header := range map[string][]string{
			"other site":   {"Sec-Fetch-Site", "cross-site"},
			"other port":   {"Sec-Fetch-Site", "same-site"},
			"old browser":  {"Origin", "http://elsewhere.example"},
			"opaque":       {"Origin", "null"},
			"both, a form": {"Sec-Fetch-Site", "cross-site", "Origin", "null"},
		} {
			require.Equal(t, http.StatusForbidden, p.statusOf(t, http.MethodGet, p.control+path, "", header...), name)
			require.NotContains(t, p.body, testKey)
			require.NotContains(t, p.body, p.secret)
		}
		require.Equal(t, http.StatusOK, p.statusOf(t, http.MethodGet, p.control+path, "", "Sec-Fetch-Site", "none"), path)
		require.Equal(t, http.StatusUnauthorized, shared.statusOf(t, http.MethodGet, shared.control+path, ""), path)
		require.Equal(t, http.StatusUnauthorized, shared.statusOf(t, http.MethodGet, shared.control+path, "", "Authorization", "Bearer wrong"), path)
		require.Equal(t, http.StatusOK, shared.statusOf(t, http.MethodGet, shared.control+path, "", "Authorization", "Bearer "+testToken), path)
	}
	shared.token = testToken
	require.Equal(t, http.StatusForbidden, p.statusOf(t, http.MethodPost, p.control+"api/reset", "", "Sec-Fetch-Site", "cross-site"))
	shared.ask(t, http.MethodPost, "/api/reset", "")
	require.Equal(t, http.StatusOK, shared.status)
}

// Keys of one account see the same; accounts do not see each other. A payment page belongs to its account.
func TestKeysAndAccounts(t *testing.T) {
	t.Parallel()
	p := start(t, "-key", "sk_test_second", "-key", "sk_test_other@other")
	id, page := p.create(t)
	for key, want := range map[string]int{testKey: 200, "sk_test_second": 200, "sk_test_other": 404, "sk_test_unknown": 401, "": 401} {
		require.Equal(t, want, p.statusOf(t, http.MethodGet, p.api+"/v1/checkout/sessions/"+id, "", "Authorization", "Bearer "+key), key)
		require.Equal(t, want, p.statusOf(t, http.MethodPost, p.api+"/v1/checkout/sessions/"+id+"/expire", "", "Authorization", "Bearer "+key), key)
		if want == 200 {
			id, page = p.create(t)
		}
	}
	accounts := map[string]bool{}
	for _, key := range []string{testKey, "sk_test_second", "sk_test_other"} {
		require.Equal(t, 200, p.statusOf(t, http.MethodGet, p.api+"/v1/account", "", "Authorization", "Bearer "+key))
		accounts[regexp.MustCompile(`acct_1\w{10,}`).FindString(p.body)] = true
	}
	require.Len(t, accounts, 2, "the second key is of the first account")
	p.submit(t, page)
	p.open(t)
	require.Contains(t, p.body, `href="/?account=other"`)
	require.Contains(t, p.element(t, id), `data-payment-status="paid"`)
	p.statusOf(t, http.MethodGet, p.control+"?account=other", "")
	require.NotContains(t, p.body, id)
	require.Equal(t, http.StatusNotFound, p.statusOf(t, http.MethodGet, p.api+"/c/pay/cs_test_none", ""))
}
