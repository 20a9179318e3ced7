package browser

import (
	"net/http"
	"path"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// startShop runs the shop on a database of its own and returns its URL.
func startShop(t *testing.T) string {
	t.Helper()
	said := start(t, "shop", []string{"DATABASE_URL=file:" + filepath.Join(t.TempDir(), "shop.db")}, "-addr", "127.0.0.1:0")
	require.Equal(t, "sqlite", said["Database"])
	return said["Shop"]
}

// take puts a product into the cart.
func (p *page) take(shop, product string) {
	p.t.Helper()
	p.run("goto", "url", shop)
	p.press("Add to cart (" + product + ")")
	require.Equal(p.t, shop+"/cart", p.url())
}

func (p *page) fillAddress() {
	p.t.Helper()
	p.fillNamed("shippingName", "Ann Example", "shippingAddressLine1", "1 Mill Lane", "shippingPostalCode", "K1A 0B1", "shippingLocality", "Ottawa")
	p.run("selectNamed", "name", "shippingCountry", "value", "CA")
}

func TestShop(t *testing.T) {
	walk(t, func(t *testing.T, s screen) {
		shop := startShop(t)
		p := s.open(t, shop+"/cart")
		p.audit("shop: cart, empty")
		p.run("goto", "url", shop+"/orders")
		p.audit("shop: orders, none")
		p.run("goto", "url", shop)
		p.audit("shop: shop")
		p.take(shop, "Everyday mug")
		p.take(shop, "Teapot")
		p.fill("A note for us (optional)", "Please wrap the teapot, it is a present.")
		p.audit("shop: cart")
		p.press("Continue to payment")
		payPage := p.url()
		p.audit("shop: payment page")
		p.follow("Cancel and return to the shop")
		require.Contains(t, p.text(), "Nothing was charged.")
		p.audit("shop: cart, turned back")
		p.press("Continue to payment")
		require.Equal(t, payPage, p.url())

		waiting := s.open(t, shop+"/thanks?session_id="+path.Base(payPage))
		waiting.audit("shop: thanks, waiting")
		p.fillCard("4000 0000 0000 0002")
		p.fillAddress()
		p.press("Pay $92.50")
		require.Contains(t, p.text(), "Your card was declined.")
		p.fillCard("4242 4242 4242 4242")
		p.press("Pay $92.50")
		require.Contains(t, p.text(), "Thank you, it’s on its way")
		require.Contains(t, p.text(), "On its way")
		p.audit("shop: thanks, fulfilled")
		waiting.run("waitText", "text", "Thank you, it’s on its way") // by its script, or by reloading itself

		p.take(shop, "Bud vase")
		p.press("Continue to payment")
		p.fillAddress()
		p.payByDebit()
		p.press("Pay $39.50")
		require.Contains(t, p.text(), "your bank is working on it")
		p.audit("shop: thanks, debit")

		p.take(shop, "Moon jar")
		p.press("Continue to payment")
		p.run("goto", "url", shop)
		require.Contains(t, p.text(), "Held for you")
		p.audit("shop: shop, last one in the cart")
		other := s.open(t, shop)
		require.Contains(t, other.text(), "On hold")
		other.audit("shop: shop, last one on hold")
		p.run("goto", "url", shop+"/cart")
		p.press("Cancel the order")
		require.NotContains(t, p.text(), "Held for you")
		p.run("goto", "url", shop+"/orders")
		for _, want := range []string{"fulfilled", "processing", "canceled", "Shipped to Ann Example, 1 Mill Lane, K1A 0B1 Ottawa, CA"} {
			require.Contains(t, p.text(), want)
		}
		p.audit("shop: orders")

		p.follow("admin pages")
		p.audit("shop: admin, orders")
		p.follow("Everyday mug, Teapot")
		require.Contains(t, p.text(), "What happens next")
		p.audit("shop: admin, order")
		p.follow("Refund")
		p.fill("Amount in USD", "5.00")
		p.audit("shop: admin, refund")
		p.press("Refund")
		require.Contains(t, p.text(), "The refund was made.")
		for _, name := range []string{"stock", "health"} {
			p.run("goto", "url", shop+"/admin/"+name)
			p.audit("shop: admin, " + name)
		}
	})
}

// A customer may be late: other customers were faster, or the customer paid in another window.
func TestShopTooLate(t *testing.T) {
	walk(t, func(t *testing.T, s screen) {
		shop := startShop(t)
		p, faster := s.open(t, shop), s.open(t, shop)
		for _, each := range []*page{p, faster} {
			each.take(shop, "Moon jar")
		}
		faster.press("Continue to payment")
		p.press("Continue to payment")
		require.Equal(t, http.StatusConflict, p.status())
		require.Contains(t, p.text(), "Not enough left")
		p.audit("shop: not enough left")
		p.follow("Your cart")
		p.press("Empty the cart")

		p.take(shop, "Soup bowl")
		p.press("Continue to payment")
		faster.run("goto", "url", p.url())
		faster.fillCard("4242 4242 4242 4242")
		faster.fillAddress()
		faster.press("Pay $28.00")
		p.run("goto", "url", shop+"/cart")
		p.audit("shop: cart, bought already")
		p.press("Start a new cart")
		p.run("goto", "url", shop+"/thanks?session_id=cs_test_none")
		require.Equal(t, http.StatusNotFound, p.status())
		p.audit("shop: message")
	})
}
