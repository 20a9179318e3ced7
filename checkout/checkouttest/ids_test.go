package checkouttest_test

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// lives makes a server create at least one object of each kind that has an ID. It returns everything that a client sees.
func lives(t *testing.T, cfg checkouttest.Config) (seen []string) {
	t.Helper()
	cfg.Sequential, cfg.Start, cfg.Payloads = true, time.Unix(1_800_000_000, 0), checkouttest.Both
	srv := newServer(t, cfg)
	srv.Deliver(&thinInbox{srv: srv})
	note := func(v any) {
		raw, err := json.Marshal(v)
		require.NoError(t, err)
		seen = append(seen, string(raw))
	}
	post := func(path string, form url.Values) map[string]any {
		resp, body := request(t, srv, "POST", path, form)
		require.Equal(t, 200, resp.StatusCode, body)
		note(body)
		return body
	}
	note([]string{srv.Key(), srv.WebhookSecret(), srv.AddPrice(checkouttest.Price{Currency: "usd", UnitAmount: 900, Interval: "month"})})
	paid := post("/v1/checkout/sessions", teeForm("customer_creation", "always"))["id"].(string)
	require.NoError(t, srv.Pay(paid, checkouttest.CardOK))
	_, err := srv.Refund(paid, 500)
	require.NoError(t, err)
	_, err = srv.Dispute(paid)
	require.NoError(t, err)
	box := teeForm("mode", "subscription", "ui_mode", "embedded", "success_url", "-", "cancel_url", "-", "return_url", "https://shop.example/",
		"line_items[0][price_data][recurring][interval]", "month")
	sub := post("/v1/checkout/sessions", box)["id"].(string)
	require.NoError(t, srv.Pay(sub, checkouttest.CardOK))
	setup := post("/v1/checkout/sessions", url.Values{"mode": {"setup"}, "currency": {"usd"}, "success_url": {"https://shop.example/"}})["id"].(string)
	require.NoError(t, srv.Pay(setup, checkouttest.CardOK))
	post("/v1/payment_methods", url.Values{"type": {"card"}, "card[token]": {"tok_visa"}})
	post("/v1/webhook_endpoints", url.Values{"url": {"http://127.0.0.1:9/"}, "enabled_events[]": {"invoice.paid"}})
	post("/v1/stripecli/sessions", url.Values{"device_name": {"d"}})
	srv.Advance(32 * 24 * time.Hour)
	for _, e := range srv.Events() {
		_, body := request(t, srv, "GET", "/v1/events/"+e.ID, nil)
		note(body)
	}
	for _, e := range srv.ThinEvents() {
		note(e)
	}
	for _, e := range srv.Log() {
		note(e)
	}
	return seen
}

// anID matches the IDs that a server makes up. They have no lower-case letters after the prefix.
var anID = regexp.MustCompile(`\b[a-z]+_(?:test_)?[0-9a]{0,2}[A-Z2-7]{8,}\b`)

func TestSeed(t *testing.T) {
	t.Parallel()
	ids := func(seen []string) (found []string) {
		for _, line := range seen {
			found = append(found, anID.FindAllString(line, -1)...)
		}
		slices.Sort(found)
		return slices.Compact(found)
	}
	first := lives(t, checkouttest.Config{Seed: 7})
	require.Equal(t, first, lives(t, checkouttest.Config{Seed: 7}), "the same seed, the same IDs and secrets")
	mine := ids(first)
	require.Greater(t, len(mine), 60)
	for _, other := range []uint64{8, 0, 0} { // 0 is another one each time
		theirs := ids(lives(t, checkouttest.Config{Seed: other}))
		for _, id := range theirs {
			require.False(t, slices.Contains(mine, id), "seed %d: %s", other, id)
		}
		mine = append(mine, theirs...)
	}
}
