package main

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheWholeWalk(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string) {
		p := start(t, map[string]string{"DATABASE_URL": url})
		b := p.visit(t)
		require.Contains(t, b.element(`data-sku="mug"`), `data-available="24"`)
		b.take("Everyday mug", "1", "Bud vase", "1", "Everyday mug", "1")
		require.Contains(t, plain(b.body), "$87.50")
		b.press("Update", "sku.vase", "0", "note", "For Grace’s birthday ☕")
		require.NotContains(t, b.body, "Bud vase")
		require.Contains(t, b.body, "For Grace’s birthday ☕", "the note survives an update")
		b.press("Update", "sku.mug", "3")
		b.take("Teapot", "1")

		b.begin("For Grace’s birthday ☕")
		p.requireStock(t, "mug", "21 3 0")
		p.requireStock(t, "teapot", "4 1 0")
		require.Contains(t, visit(t, p.url+"/").element(`data-sku="mug"`), `data-available="21"`)
		b.payBy("Pay $140.50", "4000 0000 0000 0002")
		require.Contains(t, b.body, "Your card was declined.")
		b.payBy("Pay $140.50", "4242 4242 4242 4242")
		require.Equal(t, "/thanks", b.url.Path, plain(b.body))
		require.Contains(t, b.element(`id="order"`), `data-status="fulfilled"`)
		require.NotContains(t, b.body, "http-equiv", "nothing is left to wait for")
		b.open("/checkout/status?" + b.url.RawQuery)
		require.Contains(t, b.body, `"status":"fulfilled"`)
		b.open("/cart")
		require.Contains(t, b.body, "There is nothing in it yet", "what was bought is in the cart no longer")

		orders := p.requireOrders(t, "fulfilled")
		order := plain(orders.element(`data-status="fulfilled"`))
		for _, want := range []string{"3 × Everyday mug, Teapot", "$140.50", "“For Grace’s birthday ☕”", "Shipped to Ada Lovelace, 1 Mill Lane, Portland, CA (ada@example.com)"} {
			require.Contains(t, order, want)
		}
		p.requireStock(t, "mug", "21 0 3")
	})
}

func TestTurningBack(t *testing.T) {
	t.Parallel()
	test, env := testStripe(t, sqliteFile(t))
	p := start(t, env)
	var accepted atomic.Int64
	test.Deliver(webhooksTo(t, p, &accepted))
	b := p.visit(t)
	b.take("Bud vase", "2")
	session := b.begin("")
	b.follow("Cancel and return to the shop")
	require.Equal(t, "/cart", b.url.Path)
	require.Contains(t, b.body, "Nothing was charged")
	require.Equal(t, session, b.begin("ring twice"), "the same cart has the same session")
	p.requireStock(t, "vase", "1 2 0")
	require.Contains(t, p.requireOrders(t, "open").body, "ring twice")

	b.open(p.url + "/cart")
	b.press("Continue to payment", "sku.vase", "4")
	require.Equal(t, http.StatusConflict, b.status)
	require.Contains(t, plain(b.body), "Bud vase: there are 3 left.")
	b.open("/cart")
	b.press("Update", "sku.vase", "3")
	require.NotEqual(t, session, b.begin(""), "another cart has another session")
	p.requireStock(t, "vase", "0 3 0")
	require.Contains(t, visit(t, p.url+"/").element(`data-sku="vase"`), "On hold")
	p.requireOrders(t, "open")

	b.open(p.url + "/cart")
	b.press("Cancel the order")
	test.Flush() // the webhook may be what is telling the shop of it
	p.requireStock(t, "vase", "3 0 0")
	require.Contains(t, plain(p.requireOrders(t, "canceled").element(`data-change="canceled"`)), "canceled")
	b.take("Bud vase", "1")
	b.begin("")
	p.requireOrders(t, "open", "canceled")
}

func TestTheLastOneIsSoldOnce(t *testing.T) {
	t.Parallel()
	p := start(t, map[string]string{"DATABASE_URL": sqliteFile(t)})
	first, second := p.visit(t), p.visit(t)
	first.take("Moon jar", "1")
	second.take("Moon jar", "1")
	first.begin("")
	second.press("Continue to payment")
	require.Equal(t, http.StatusConflict, second.status)
	require.Contains(t, plain(second.body), "Moon jar: somebody else has bought the last one")
	first.payBy("Pay $240.00", "4242424242424242")
	require.Contains(t, visit(t, p.url+"/").element(`data-sku="jar"`), `data-available="0"`)
	p.requireStock(t, "jar", "0 0 1")
}

func TestPayingTwiceIsNotPossible(t *testing.T) {
	t.Parallel()
	p := start(t, map[string]string{"DATABASE_URL": sqliteFile(t)})
	b := p.visit(t)
	b.take("Soup bowl", "1")
	cart := *b // another tab, on the page from before
	b.begin("")
	b.payBy("Pay $28.00", "4242424242424242")
	cart.client = withCookie(t, cart.client, p.url, "cart", orderIn(b)+".sku.bowl=1")
	cart.press("Continue to payment", "note", "changed")
	require.Equal(t, http.StatusConflict, cart.status)
	require.Contains(t, cart.body, "This order is paid")
	require.NotContains(t, p.requireOrders(t, "fulfilled").body, "changed", "the note of what is shipped stays")
	p.requireStock(t, "bowl", "17 0 1")
}

// orderIn is the order that the thanks page shows.
func orderIn(b *browser) string { return plain(strings.SplitN(b.element("code>"), ">", 2)[1]) }
