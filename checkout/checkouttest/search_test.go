package checkouttest_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

func TestSearch(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	for _, form := range []url.Values{
		form("email", "ada@example.org", "name", "Ada Lovelace", "metadata[shop order]", "7"),
		form("email", "bob@example.org", "name", "Bob"),
		form("email", "eve@example.org", "metadata[shop order]", "12"),
	} {
		resp, body := request(t, srv, "POST", "/v1/customers", form)
		require.Equal(t, 200, resp.StatusCode, body)
	}
	for query, want := range map[string][]string{
		`email:"ada@example.org"`: {"ada"},
		`email:'ADA@example.org'`: {"ada"},
		`name~"LOVE"`:             {"ada"},
		`email:"ada@example.org" OR email:"bob@example.org"`:             {"bob", "ada"},
		`email~"example" AND -name:"Bob"`:                                {"eve", "ada"},
		`metadata["shop order"]:"12"`:                                    {"eve"},
		`metadata["shop order"]>10`:                                      {"eve"},
		`name:null`:                                                      {"eve"},
		`created>1 and created<=99999999999 and email:"bob@example.org"`: {"bob"},
		`name:"Carol"`:                                                   {},
	} {
		resp, body := request(t, srv, "GET", "/v1/customers/search", form("query", query))
		require.Equal(t, 200, resp.StatusCode, body)
		require.Equal(t, "search_result", body["object"])
		found := []string{}
		for _, o := range body["data"].([]any) {
			found = append(found, str(o.(map[string]any)["email"])[:3])
		}
		require.Equal(t, want, found, query)
	}
	for _, query := range []string{`email`, `email:`, `email:"a`, `:"a"`, `AND email:"a"`, `email:"a" AND name:"b" OR name:"c"`, ``} {
		resp, body := request(t, srv, "GET", "/v1/customers/search", form("query", query))
		require.Equal(t, 400, resp.StatusCode, "%s: %v", query, body)
	}
	_, first := request(t, srv, "GET", "/v1/customers/search", form("query", `email~"example"`, "limit", "2"))
	require.Equal(t, true, first["has_more"])
	_, rest := request(t, srv, "GET", "/v1/customers/search", form("query", `email~"example"`, "limit", "2", "page", str(first["next_page"])))
	require.Len(t, rest["data"], 1)
	require.Nil(t, rest["next_page"])
}

// A search finds payments by what a shop has put into their metadata.
func TestSearchForPayments(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	id := makeSession(t, srv, teeForm("payment_intent_data[metadata][order]", "42"))
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	for _, kind := range []string{"payment_intents", "charges"} {
		_, body := request(t, srv, "GET", "/v1/"+kind+"/search", form("query", `metadata["order"]:"42" AND status:"succeeded" AND amount>1000`))
		require.Len(t, body["data"], 1, kind)
	}
}
