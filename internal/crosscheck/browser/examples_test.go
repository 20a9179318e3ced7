package browser

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQuickstart(t *testing.T) {
	walk(t, func(t *testing.T, s screen) {
		shop := start(t, "quickstart", nil, "-addr", "127.0.0.1:0")["Shop"]
		p := s.open(t, shop)
		p.audit("quickstart: scenes")
		for _, scene := range []string{"A hold runs down", "Two customers, one pen", "A stuck order"} {
			p.press("Play " + scene)
		}
		p.audit("quickstart: scenes, played")
		p.follow("Go to the stuck order")
		p.audit("quickstart: orders, stuck")
		p.press("Try again")
		require.Contains(t, p.text(), "The decision is kept")
		p.run("goto", "url", shop+"/shop")
		p.audit("quickstart: shop")
		p.press("Buy Notebook")
		payPage := p.url()
		p.follow("Cancel and return to the shop")
		require.Contains(t, p.text(), "Nothing was charged")
		p.audit("quickstart: cart")
		p.press("Continue to payment")
		require.Equal(t, payPage, p.url())

		waiting := s.open(t, shop+"/thanks?session_id="+path.Base(payPage))
		waiting.audit("quickstart: thanks, waiting")
		p.fillCard("4000 0000 0000 0002")
		p.press("Pay $14.50")
		require.Contains(t, p.text(), "Your card was declined.")
		p.fillCard("4242 4242 4242 4242")
		p.press("Pay $14.50")
		require.Contains(t, p.text(), "Thank you, it’s on its way")
		p.audit("quickstart: thanks, fulfilled")
		waiting.run("waitText", "text", "Thank you, it’s on its way") // by its script, or by reloading itself

		p.run("goto", "url", shop+"/shop")
		p.press("Buy Letter set")
		p.payByDebit()
		p.press("Pay $12.75")
		require.Contains(t, p.text(), "your bank is working on it")
		p.audit("quickstart: thanks, debit")
		p.follow("See the orders")
		p.audit("quickstart: orders")
		p.press("Bounce the debit")
		p.audit("quickstart: orders, bounced")

		p.run("goto", "url", shop+"/shop")
		p.press("Buy Brass ruler")
		p.follow("Cancel and return to the shop")
		cart := p.url()
		p.run("goto", "url", shop+"/shop")
		require.Contains(t, p.text(), "Held for you")
		p.audit("quickstart: shop, last one in the cart")
		other := s.open(t, shop+"/shop")
		require.Contains(t, other.text(), "On hold")
		other.audit("quickstart: shop, last one on hold")
		p.run("goto", "url", cart)
		p.press("Cancel the order")
		require.Contains(t, p.text(), "Order canceled")
		p.audit("quickstart: cart, canceled")
		p.run("goto", "url", shop+"/nowhere")
		require.Equal(t, http.StatusNotFound, p.status())
		p.audit("quickstart: message")
	})
}

func TestStandalone(t *testing.T) {
	walk(t, func(t *testing.T, s screen) {
		said := start(t, "standalone", nil, "-addr", "127.0.0.1:0", "-control", "127.0.0.1:0", "-key", "sk_test_standalone")
		p := s.open(t, said["Control page"])
		p.audit("standalone: empty")
		create := func() (article string) {
			form := url.Values{
				"mode": {"payment"}, "success_url": {"http://127.0.0.1/thanks"}, "client_reference_id": {strings.Repeat("order", 30)},
				"payment_method_types[0]": {"card"}, "payment_method_types[1]": {"us_bank_account"},
				"line_items[0][quantity]": {"1"}, "line_items[0][price_data][currency]": {"usd"},
				"line_items[0][price_data][unit_amount]": {"1999"}, "line_items[0][price_data][product_data][name]": {"T-shirt"},
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, said["API base"]+"/v1/checkout/sessions", strings.NewReader(form.Encode()))
			require.NoError(t, err)
			request.SetBasicAuth("sk_test_standalone", "")
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			response, err := http.DefaultClient.Do(request)
			require.NoError(t, err)
			response.Body.Close()
			require.Equal(t, http.StatusOK, response.StatusCode)
			p.follow("Look again")
			return "article >> nth=0" // the newest is first
		}
		press := func(within, button string) {
			t.Helper()
			p.run("click", "within", within, "role", "button", "name", button)
		}
		one := create()
		p.audit("standalone: open")
		p.run("select", "label", "Pay with", "value", "4000000000000002")
		press(one, "Pay")
		require.Contains(t, p.text(), "Your card was declined.")
		p.audit("standalone: declined")
		p.run("select", "label", "Pay with", "value", "4000000000007726")
		press(one, "Pay")
		p.fill("Amount", "500")
		press(one, "Refund")
		press(one, "Let it succeed")
		press(one, "Dispute")
		p.audit("standalone: refunded and disputed")
		press(one, "Win it")
		require.Contains(t, p.text(), "The dispute is won.")

		two := create()
		p.run("select", "label", "Pay with", "value", "bank_debit")
		press(two, "Pay")
		p.audit("standalone: debit")
		press(two, "Bounce the debit")
		create()
		p.typeInto("hours", "25")
		p.run("enter")
		require.Contains(t, p.text(), "Time has passed")
		p.audit("standalone: expired")
		p.press("Deliver again checkout.session.expired")
		require.Contains(t, p.text(), "The event was delivered once more.")
	})
}
