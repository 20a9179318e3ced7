package checkouttest_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// A creation is a call that makes something, and what its parameters are tried with. Values may be CUS, PAYER, PROD,
// RATE, PM, PI and CH: a customer, one with a card, a product, a shipping rate, a payment method, a paid payment intent and
// its charge that there are.
type creation struct {
	route   string
	base    []string            // what every request has
	context map[string][]string // what those have besides that try a parameter with this prefix; the longest counts. "-" removes
	values  map[string]string   // what a parameter is tried with, by its name or its last part. Default: by its type
	inert   map[string]string   // why nothing can be seen of what has this prefix
}

// outcome is what has come of a request: everything that the API shows afterwards, or why it was refused.
type outcome struct{ all, refusal string }

// try makes a request to a server of its own, which makes the same IDs each time. A session is paid.
func (c creation) try(t *testing.T, values url.Values) outcome {
	t.Helper()
	srv := newServer(t, checkouttest.Config{Seed: 5, Sequential: true, Start: time.Unix(1_800_000_000, 0)})
	srv.AddPrice(checkouttest.Price{ID: "price_1", Product: "prod_1", Name: "Cap", Currency: "usd", UnitAmount: 700})
	srv.AddPrice(checkouttest.Price{ID: "price_2", Name: "Box", Currency: "usd", UnitAmount: 900, Interval: "month"})
	made := func(path string, pairs ...string) string {
		resp, body := request(t, srv, "POST", "/v1/"+path, form(pairs...))
		require.Equal(t, http.StatusOK, resp.StatusCode, body)
		return body["id"].(string)
	}
	card := []string{"amount", "2000", "currency", "usd", "payment_method_types[0]", "card", "payment_method", "pm_card_visa", "confirm", "true"}
	there := map[string]func() string{ // made when a request names it
		"CUS": func() string {
			id := made("customers", "email", "ada@example.org")
			made("invoiceitems", "customer", id, "amount", "9", "currency", "usd")
			return id
		},
		"PAYER": func() string {
			return made("customers", "payment_method", "pm_card_visa", "invoice_settings[default_payment_method]", "pm_card_visa")
		},
		"PROD": func() string { return made("products", "name", "Mug") },
		"RATE": func() string {
			return made("shipping_rates", "display_name", "Post", "fixed_amount[amount]", "300", "fixed_amount[currency]", "usd")
		},
		"PM": func() string { return made("payment_methods", "type", "card", "card[token]", "tok_visa") },
		"PI": func() string { return made("payment_intents", card...) },
		"CH": func() string {
			_, pi := request(t, srv, "GET", "/v1/payment_intents/"+made("payment_intents", card...), nil)
			return pi["latest_charge"].(string)
		},
	}
	values, ids := maps.Clone(values), map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		v := values.Get(name)
		if there[v] != nil && ids[v] == "" {
			ids[v] = there[v]()
		}
		if ids[v] != "" {
			values.Set(name, ids[v])
		}
	}
	method, path, _ := strings.Cut(c.route, " ")
	switch {
	case strings.HasSuffix(path, "/capture"):
		path = strings.Replace(path, "{id}", made("payment_intents", append(card, "capture_method", "manual")...), 1)
	case strings.HasSuffix(path, "/confirm"):
		path = strings.Replace(path, "{id}", made("payment_intents", card[:6]...), 1)
	}
	before := newest(t, srv)
	resp, body := request(t, srv, method, path, values)
	if resp.StatusCode != http.StatusOK {
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, body)
		require.Equal(t, before, newest(t, srv), "it was refused, and something was made")
		return outcome{refusal: body["error"].(map[string]any)["message"].(string)}
	}
	if body["object"] == "checkout.session" {
		require.NoError(t, srv.Pay(body["id"].(string), checkouttest.CardOK))
	}
	shown, err := json.Marshal(body)
	require.NoError(t, err)
	return outcome{all: everything(t, srv) + string(shown)}
}

func everything(t *testing.T, srv *checkouttest.Server) string {
	t.Helper()
	var b strings.Builder
	for _, kind := range append(slices.Clone(kinds), "shipping_rates", "setup_intents", "events") {
		r := httptest.NewRequest(http.MethodGet, "/v1/"+kind+"?limit=100", nil)
		r.SetBasicAuth(srv.Key(), "")
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code)
		b.Write(w.Body.Bytes())
	}
	return b.String()
}

// request is what tries a parameter, with it or without.
func (c creation) request(name, kind string, with bool) url.Values {
	pairs, context := slices.Clone(c.base), ""
	for prefix := range c.context {
		if strings.HasPrefix(name, prefix) && len(prefix) > len(context) {
			context = prefix
		}
	}
	pairs = append(pairs, c.context[context]...)
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if values.Set(pairs[i], pairs[i+1]); pairs[i+1] == "-" {
			values.Del(pairs[i])
		}
	}
	sent := strings.NewReplacer("[]", "[0]", "[*]", "[k]").Replace(name)
	last := strings.TrimSuffix(name[strings.LastIndexByte(name, '[')+1:], "]")
	value := map[string]string{"int": "7", "bool": "true", "decimal": "7.5", "string": "sample"}[kind]
	for _, key := range []string{last, name} {
		if v := c.values[key]; v != "" {
			value = v
		}
	}
	if values.Del(sent); with {
		values.Set(sent, value)
	}
	return values
}

// parameters are all that a call has at Stripe, with their types, but for expand.
func parameters(t *testing.T, route string) map[string]string {
	t.Helper()
	text, err := os.ReadFile("params.txt")
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(text), "\n"+route+"\n")
	block, _, _ := strings.Cut(rest, "\n\n")
	found := map[string]string{}
	for line := range strings.Lines(block) {
		name, kind, _ := strings.Cut(strings.TrimSpace(line), " ")
		found[name] = kind
	}
	delete(found, "expand[]")
	require.NotEmpty(t, found, route)
	return found
}

// Whatever a call takes at Stripe has an effect here, or is refused with an error that says that it has none.
func TestEveryParameterHasAnEffect(t *testing.T) {
	t.Parallel()
	for _, c := range creations {
		var mu sync.Mutex
		without := map[string]outcome{} // many parameters have the same request without them
		for name, kind := range parameters(t, c.route) {
			t.Run(strings.ReplaceAll(c.route+" "+name, "/", "."), func(t *testing.T) {
				t.Parallel()
				with := c.try(t, c.request(name, kind, true))
				if strings.Contains(with.refusal, "his test server ") {
					return
				}
				require.Empty(t, with.refusal, "tried wrongly")
				base := c.request(name, kind, false)
				mu.Lock()
				other, known := without[base.Encode()]
				mu.Unlock()
				if !known {
					other = c.try(t, base)
					mu.Lock()
					without[base.Encode()] = other
					mu.Unlock()
				}
				inert := slices.ContainsFunc(slices.Collect(maps.Keys(c.inert)), func(prefix string) bool { return strings.HasPrefix(name, prefix) })
				require.Equal(t, !inert, with != other, "it was accepted, and nothing came of it")
			})
		}
	}
}
