package main

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/examples/internal/visitor"
)

func TestTheWholeWalk(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string) {
		p := start(t, map[string]string{"DATABASE_URL": url})
		b := p.visit(t)
		require.Contains(t, b.Element(`data-sku="mug"`), `data-available="24"`)
		b.take("Everyday mug", "1", "Bud vase", "1", "Everyday mug", "1")
		require.Contains(t, visitor.Text(b.Body), "$87.50")
		b.Press("", "Update", "sku.vase", "0", "note", "For Grace’s birthday ☕")
		require.NotContains(t, b.Body, "Bud vase")
		require.Contains(t, b.Body, "For Grace’s birthday ☕", "the note must survive an update")
		b.Press("", "Update", "sku.mug", "3")
		b.take("Teapot", "1")

		b.begin("For Grace’s birthday ☕")
		p.requireStock(t, "mug", "21 3 0")
		p.requireStock(t, "teapot", "4 1 0")
		require.Contains(t, visit(t, p.url+"/").Element(`data-sku="mug"`), `data-available="21"`)
		b.payBy("Pay $140.50", "4000 0000 0000 0002")
		require.Contains(t, b.Body, "Your card was declined.")
		b.payBy("Pay $140.50", "4242 4242 4242 4242")
		require.Equal(t, "/thanks", b.URL.Path, visitor.Text(b.Body))
		require.Contains(t, b.Element(`id="order"`), `data-status="fulfilled"`)
		require.NotContains(t, b.Body, "http-equiv", "the page must not reload anymore")
		b.Open("/checkout/status?" + b.URL.RawQuery)
		require.Contains(t, b.Body, `"status":"fulfilled"`)
		b.Open("/cart")
		require.Contains(t, b.Body, "There is nothing in it yet", "the cart must be empty after the payment")

		orders := p.requireOrders(t, "fulfilled")
		order := visitor.Text(orders.Element(`data-status="fulfilled"`))
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
	b.Follow("Cancel and return to the shop")
	require.Equal(t, "/cart", b.URL.Path)
	require.Contains(t, b.Body, "Nothing was charged")
	require.Equal(t, session, b.begin("ring twice"), "the same cart must get the same session")
	p.requireStock(t, "vase", "1 2 0")
	require.Contains(t, p.requireOrders(t, "open").Body, "ring twice")

	b.Open(p.url + "/cart")
	b.Press("", "Continue to payment", "sku.vase", "4")
	require.Equal(t, http.StatusConflict, b.Status)
	require.Contains(t, visitor.Text(b.Body), "Bud vase: there are 3 left.")
	b.Open("/cart")
	b.Press("", "Update", "sku.vase", "3")
	require.NotEqual(t, session, b.begin(""), "another cart must get another session")
	p.requireStock(t, "vase", "0 3 0")
	require.Contains(t, visit(t, p.url+"/").Element(`data-sku="vase"`), "On hold")
	p.requireOrders(t, "open")

	b.Open(p.url + "/cart")
	b.Press("", "Cancel the order")
	test.Flush() // the change may come by a webhook
	p.requireStock(t, "vase", "3 0 0")
	require.Contains(t, visitor.Text(p.requireOrders(t, "canceled").Element(`data-change="canceled"`)), "canceled")
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
	second.Press("", "Continue to payment")
	require.Equal(t, http.StatusConflict, second.Status)
	require.Contains(t, visitor.Text(second.Body), "Moon jar: somebody else has bought the last one")
	first.payBy("Pay $240.00", "4242424242424242")
	require.Contains(t, visit(t, p.url+"/").Element(`data-sku="jar"`), `data-available="0"`)
	p.requireStock(t, "jar", "0 0 1")
}

func TestPayingTwiceIsNotPossible(t *testing.T) {
	t.Parallel()
	p := start(t, map[string]string{"DATABASE_URL": sqliteFile(t)})
	b := p.visit(t)
	b.take("Soup bowl", "1")
	cart := b.Tab() // another tab with an old page
	cookie := cookieOf(t, b.Client, p.url)
	b.begin("")
	b.payBy("Pay $28.00", "4242424242424242")
	cart.Client = withCookie(t, cart.Client, p.url, "cart", cookie)
	cart.Press("", "Continue to payment", "note", "changed")
	require.Equal(t, http.StatusConflict, cart.Status)
	require.Contains(t, cart.Body, "This order is paid")
	require.NotContains(t, p.requireOrders(t, "fulfilled").Body, "changed", "the note of a shipped order must stay")
	p.requireStock(t, "bowl", "17 0 1")
}

// Who knows the ID of an order can't make the cookie of its cart.
func TestTheCartIsItsOwners(t *testing.T) {
	t.Parallel()
	p := start(t, map[string]string{"DATABASE_URL": sqliteFile(t)})
	b := p.visit(t)
	b.take("Soup bowl", "1")
	b.begin("")
	require.Contains(t, visitor.Text(visit(t, p.url+"/").Body), "Soup bowl")
	b.Open("/checkout/status?session_id=" + path.Base(b.URL.Path))
	b.Open(p.url + "/cart")
	_, id, _ := strings.Cut(b.Element("data-cart="), `data-cart="`)
	id, _, _ = strings.Cut(id, `"`)
	require.NotEmpty(t, id)
	stranger := p.visit(t)
	for _, value := range []string{id, id + "AA"} { // as long as an ID, and as long as a secret
		stranger.Client = withCookie(t, stranger.Client, p.url, "cart", value+".sku.bowl=1")
		stranger.Open("/cart")
		require.NotContains(t, stranger.Body, "Nothing was charged", value)
		require.NotContains(t, stranger.Body, id, value)
	}
	b.Open(p.url + "/")
	require.Contains(t, visitor.Text(b.Body), "In your cart: Soup bowl, held for you until")
}

func cookieOf(t *testing.T, client *http.Client, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	cookies := client.Jar.Cookies(u)
	require.Len(t, cookies, 1)
	return cookies[0].Value
}
