package browser

import (
	"net/http"
	"net/http/httptest"
	"path"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// till is a test server and the shop to which its customers return.
type till struct {
	srv  *checkouttest.Server
	shop string
}

func newTill(t *testing.T) till {
	t.Helper()
	srv := checkouttest.NewServer(checkouttest.Config{Addr: "127.0.0.1:0"})
	t.Cleanup(srv.Close)
	pages := http.NewServeMux()
	pages.HandleFunc("GET /picture.svg", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml")
		_, _ = w.Write([]byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48"><rect width="48" height="48" fill="#7a9"/><circle cx="24" cy="24" r="12" fill="#fff"/></svg>`))
	})
	shop := httptest.NewServer(pages)
	t.Cleanup(shop.Close)
	return till{srv, shop.URL}
}

// session makes a session and returns the URL of its page.
func (s till) session(t *testing.T, more func(p *stripe.CheckoutSessionCreateParams)) string {
	t.Helper()
	p := &stripe.CheckoutSessionCreateParams{
		Mode: stripe.String("payment"), SuccessURL: stripe.String(s.shop + "/thanks"), CancelURL: stripe.String(s.shop + "/cart"),
		PaymentMethodTypes: stripe.StringSlice([]string{"card", "us_bank_account"}),
		LineItems: []*stripe.CheckoutSessionCreateLineItemParams{{
			Quantity: stripe.Int64(2),
			PriceData: &stripe.CheckoutSessionCreateLineItemPriceDataParams{
				Currency: stripe.String("usd"), UnitAmount: stripe.Int64(123450),
				ProductData: &stripe.CheckoutSessionCreateLineItemPriceDataProductDataParams{
					Name: stripe.String("Acousticallyisolatedreinforced-doublewalledstudiobooth with a rather long name"),
				},
			},
		}},
	}
	if more != nil {
		more(p)
	}
	made, err := s.srv.Client().V1CheckoutSessions.Create(t.Context(), p)
	require.NoError(t, err)
	return made.URL
}

const payButton = "Pay $2,469.00"

// fillCard fills in an e-mail address and a card.
func (p *page) fillCard(number string) {
	p.t.Helper()
	p.fillNamed("email", "ann@example.com", "cardNumber", number, "cardExpiry", "12 / 34", "cardCvc", "123", "billingName", "Ann Example")
	if p.visible("#billingPostalCode") {
		p.fillNamed("billingPostalCode", "94107")
	}
}

// fillNamed fills in fields by their names. pairs are names and values.
func (p *page) fillNamed(pairs ...string) {
	p.t.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		p.run("fillNamed", "name", pairs[i], "value", pairs[i+1])
	}
}

func (p *page) visible(selector string) (is bool) {
	p.t.Helper()
	p.get(&is, "visible", "selector", selector)
	return is
}

// payByDebit fills in what a bank debit needs.
func (p *page) payByDebit() {
	p.t.Helper()
	p.run("check", "label", "Bank debit")
	p.fillNamed("email", "ann@example.com", "billingName", "Ann Example")
}

func TestDeclineKeepsTheForm(t *testing.T) {
	walk(t, func(t *testing.T, s screen) {
		shop := newTill(t)
		url := shop.session(t, nil)
		p := s.open(t, url)
		p.audit("hosted: pay")
		p.press(payButton)
		p.audit("hosted: fields missing")
		require.Contains(t, p.text(), "Enter a card number.")
		p.fillCard("4000 0000 0000 0002")
		p.press(payButton)
		p.audit("hosted: declined")
		require.Equal(t, http.StatusPaymentRequired, p.status())
		require.Contains(t, p.text(), "Your card was declined.")
		for label, want := range map[string]string{"Email": "ann@example.com", "Card number": "4000 0000 0000 0002"} {
			var value string
			p.get(&value, "value", "label", label)
			require.Equal(t, want, value)
		}
		p.press("Fill in the card that is paid")
		p.press(payButton)
		p.run("waitURL", "prefix", shop.shop+"/thanks")
		p.run("goto", "url", url)
		p.audit("hosted: already paid")
		require.Contains(t, p.text(), "can't be paid a second time")
	})
}

func TestThreeDSecure(t *testing.T) {
	walk(t, func(t *testing.T, s screen) {
		shop := newTill(t)
		p := s.open(t, shop.session(t, nil))
		p.fillCard("4000 0000 0000 3220")
		p.press(payButton)
		p.audit("hosted: authenticate")
		p.press("Fail authentication")
		require.Contains(t, p.text(), "unable to authenticate")
		p.audit("hosted: authentication failed")
		p.fillCard("4000 0000 0000 3220")
		p.press(payButton)
		p.press("Complete authentication")
		p.run("waitURL", "prefix", shop.shop+"/thanks")
	})
}

func TestDebitExpiryAndCancel(t *testing.T) {
	walk(t, func(t *testing.T, s screen) {
		shop := newTill(t)
		url := shop.session(t, nil)
		p := s.open(t, url)
		p.payByDebit()
		p.audit("hosted: debit chosen")
		p.press(payButton)
		p.run("waitURL", "prefix", shop.shop+"/thanks")
		p.run("goto", "url", url)
		require.Contains(t, p.text(), "its payment is on the way")
		p.audit("hosted: payment on the way")
		require.NoError(t, shop.srv.Settle(path.Base(url)))

		p.run("goto", "url", shop.session(t, nil))
		p.follow("Cancel and return to the shop")
		p.run("waitURL", "prefix", shop.shop+"/cart")

		p.run("goto", "url", shop.session(t, nil))
		p.fillCard("4242 4242 4242 4242")
		shop.srv.Advance(25 * time.Hour)
		p.press(payButton)
		require.Equal(t, http.StatusConflict, p.status())
		require.Contains(t, p.text(), "This checkout has expired")
		p.audit("hosted: expired")
		p.follow("Return to the shop")
		p.run("waitURL", "prefix", shop.shop+"/cart")
		p.run("goto", "url", shop.srv.URL()+"/c/pay/cs_test_none")
		p.audit("hosted: unknown")
	})
}
