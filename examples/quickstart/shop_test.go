package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/examples/internal/visitor"
)

func TestBuyWithACardAfterADecline(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	b := p.visit(t)
	b.order("notebook", "Notebook", "2")
	p.requireStock(t, "notebook", "10 2 0")
	p.requireOrders(t, "open")

	b.payBy("Pay $29.00", card("4000 0000 0000 0002")...)
	require.Equal(t, http.StatusPaymentRequired, b.Status)
	require.Contains(t, b.Body, "Your card was declined.")
	b.payBy("Pay $29.00", card("4242 4242 4242 4242")...) // the form is still on the page
	require.Equal(t, http.StatusOK, b.Status)
	require.Equal(t, "/thanks", b.URL.Path)
	require.Contains(t, b.Element(`id="order"`), `data-status="fulfilled"`)
	require.NotContains(t, b.Body, "http-equiv", "the page must not reload anymore")

	orders := p.requireOrders(t, "fulfilled")
	require.Contains(t, visitor.Text(orders.Element(`data-status="fulfilled"`)), "Shipped to A Customer, customer@example.com")
	p.requireStock(t, "notebook", "10 0 2")
	require.Contains(t, p.visit(t).Element(`data-sku="notebook"`), `data-available="10"`)
}

func TestTheThanksPageWaitsForThePayment(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	b := p.visit(t)
	b.order("ink", "Bottle of ink", "1")
	payPage, session := b.URL.String(), path.Base(b.URL.Path)

	thanks := p.visit(t)
	for _, want := range []string{"open", "fulfilled"} {
		thanks.Open("/checkout/status?session_id=" + session)
		require.Contains(t, thanks.Body, `"status":"`+want+`"`)
		thanks.Open("/thanks?session_id=" + session)
		require.Contains(t, thanks.Element(`id="order"`), `data-status="`+want+`"`)
		require.Equal(t, want == "open", strings.Contains(thanks.Body, `<noscript><meta http-equiv="refresh" content="3">`))
		if want == "open" {
			b.Open(payPage)
			b.payBy("Pay $18.00", card("4242424242424242")...)
		}
	}
}

func TestTheThanksPageNeedsNoWebhook(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nil)
	p := &running{url: "http://" + server.Listener.Addr().String()}
	pay, err := connect(func(string) string { return "" }, p.url, false)
	require.NoError(t, err)
	t.Cleanup(pay.close)
	pay.test.Deliver(nil)
	s, err := newShop(t.Context(), p.url, pay, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	server.Config.Handler = s.handler()
	server.Start()
	t.Cleanup(server.Close)

	b := p.visit(t)
	b.order("ink", "Bottle of ink", "1")
	b.payBy("Pay $18.00", card("4242424242424242")...)
	require.Contains(t, b.Element(`id="order"`), `data-status="fulfilled"`)
	require.Contains(t, p.requireOrders(t, "fulfilled").Body, "None yet.", "no event was received")
}

func TestBankDebit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ button, status, stock, thanks string }{
		{"Settle the debit", "fulfilled", "5 0 1", "it’s on its way"},
		{"Bounce the debit", "failed", "6 0 0", "Your payment did not arrive"},
	} {
		t.Run(test.button, func(t *testing.T) {
			t.Parallel()
			p := start(t, nil)
			b := p.visit(t)
			b.order("letters", "Letter set", "1")
			b.payBy("Pay $12.75", "payment-method-accordion-item-title", "us_bank_account")
			require.Equal(t, "/thanks", b.URL.Path)
			require.Contains(t, b.Element(`id="order"`), `data-status="processing"`)
			require.Contains(t, b.Body, `<noscript><meta http-equiv="refresh"`)

			p.requireOrders(t, "processing")
			orders := p.visit(t)
			orders.Follow("Orders")
			orders.Press("", "Let a day pass") // the hold of a debit outlives the session
			p.requireStock(t, "letters", "5 1 0")
			orders = p.requireOrders(t, "processing")
			orders.Press(`data-status="processing"`, test.button)
			require.Equal(t, http.StatusOK, orders.Status)

			p.requireOrders(t, test.status)
			p.requireStock(t, "letters", test.stock)
			b.Open(b.URL.String()) // as the page's reload would
			require.Contains(t, b.Element(`id="order"`), `data-status="`+test.status+`"`)
			require.Contains(t, b.Body, test.thanks)
		})
	}
}

func TestTheLastOneIsSoldOnce(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	first, second := p.visit(t), p.visit(t)
	first.order("ruler", "Brass ruler", "1")

	second.Press(`data-sku="ruler"`, "Buy Brass ruler") // on an old page
	require.Equal(t, http.StatusConflict, second.Status)
	require.Contains(t, visitor.Text(second.Body), "Sold out")
	second.Follow("Shop")
	require.Contains(t, visitor.Text(second.Element(`data-sku="ruler"`)), "On hold for another customer")
	require.NotContains(t, second.Element(`data-sku="ruler"`), "<form")

	first.payBy("Pay $26.00", card("4242424242424242")...)
	require.Contains(t, first.Element(`id="order"`), `data-status="fulfilled"`)
	second.Follow("Shop")
	require.Contains(t, visitor.Text(second.Element(`data-sku="ruler"`)), "Sold out")
	p.requireOrders(t, "fulfilled")
	p.requireStock(t, "ruler", "0 0 1")
}

func TestAnExpiredSessionGivesItsStockBack(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	b := p.visit(t)
	b.order("ruler", "Brass ruler", "1")
	payPage := b.URL.String()
	p.requireStock(t, "ruler", "0 1 0")

	orders := p.requireOrders(t, "open")
	orders.Press("", "Let an hour pass")
	require.Contains(t, orders.Body, "Time has passed")
	p.requireOrders(t, "expired")
	p.requireStock(t, "ruler", "1 0 0")
	b.Open(payPage)
	require.Contains(t, b.Body, "This checkout has expired")

	b.Follow("Return to the shop")
	b.Press("data-order=", "Continue to payment")
	require.NotEqual(t, payPage, b.URL.String())
	b.payBy("Pay $26.00", card("4242424242424242")...)
	orders = p.requireOrders(t, "fulfilled")
	require.Contains(t, visitor.Text(orders.Element("data-order=")), "Attempt 1: expired, stock released")
	require.Contains(t, visitor.Text(orders.Element("data-order=")), "Attempt 2: paid, stock sold")
	p.requireStock(t, "ruler", "0 0 1")
}

func TestAnEventDeliveredTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	b := p.visit(t)
	b.order("ink", "Bottle of ink", "3")
	b.payBy("Pay $54.00", card("4242424242424242")...)

	orders := p.requireOrders(t, "fulfilled")
	before, event := orders.Element("data-order="), "checkout.session.completed"
	require.Equal(t, 1, rows(orders, event))
	for n := 2; n <= 3; n++ {
		orders.Press("", "Deliver again "+event)
		require.Contains(t, orders.Body, "delivered once more")
		require.Equal(t, n, rows(orders, event), "the page must show the delivery")
	}
	require.Equal(t, before, orders.Element("data-order="))
	p.requireStock(t, "ink", "5 0 3")
}

// rows counts the deliveries of a type that were answered with 200 and handled.
func rows(orders *browser, event string) (n int) {
	for _, row := range strings.Split(orders.Body, "<li data-event=")[1:] {
		if strings.Contains(row, ">"+event+"<br>") && strings.Contains(visitor.Text(row), "200 handled") {
			n++
		}
	}
	return n
}

func TestComingBackFromThePaymentPage(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	b := p.visit(t)
	b.order("calendar", "Desk calendar", "1")
	payPage := b.URL.String()

	b.Follow("Cancel and return to the shop")
	require.Equal(t, "/cart", b.URL.Path)
	require.Contains(t, b.Body, "Nothing was charged")
	b.Press("data-order=", "Continue to payment")
	require.Equal(t, payPage, b.URL.String(), "the same cart must get the same session")
	p.requireStock(t, "calendar", "2 1 0")

	b.Follow("Cancel and return to the shop")
	b.Press("data-order=", "Continue to payment", "quantity", "4")
	require.Equal(t, http.StatusConflict, b.Status, "the stock is three")
	b.Open(payPage)
	b.Follow("Cancel and return to the shop")
	b.Press("data-order=", "Continue to payment", "quantity", "3")
	require.NotEqual(t, payPage, b.URL.String(), "another cart must get another session")
	p.requireStock(t, "calendar", "0 3 0")
	changed := b.URL.String()
	b.Open(payPage)
	require.Contains(t, b.Body, "This checkout has expired")

	b.Open(changed)
	b.Follow("Cancel and return to the shop")
	cart := b.Tab()
	b.Press("data-order=", "Cancel the order")
	require.Contains(t, b.Body, "Order canceled")
	cart.Press("data-order=", "Continue to payment") // on an old page
	require.Equal(t, http.StatusConflict, cart.Status)
	b.Open(changed)
	require.Contains(t, b.Body, "This checkout has expired")
	p.requireOrders(t, "canceled")
	p.requireStock(t, "calendar", "3 0 0")
}

func TestCancelingFromTheOrdersPage(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	b := p.visit(t)
	b.order("pencils", "Pencil set", "2")
	orders := p.requireOrders(t, "open")
	stale := orders.Tab()
	orders.Press(`data-status="open"`, "Cancel the order")
	require.Contains(t, orders.Body, "The order was canceled")
	p.requireOrders(t, "canceled")
	p.requireStock(t, "pencils", "20 0 0")
	stale.Press(`data-status="open"`, "Cancel the order")
	require.Equal(t, http.StatusOK, stale.Status, "a second click is no error")
	orders.order("pencils", "Pencil set", "1")
	p.requireOrders(t, "open", "canceled")
}
