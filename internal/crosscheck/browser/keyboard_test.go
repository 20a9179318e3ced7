package browser

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPayByKeyboard(t *testing.T) {
	walk(t, func(t *testing.T, s screen) {
		shop := newTill(t)
		p := s.open(t, shop.session(t, nil))
		card := func() {
			t.Helper()
			p.typeInto("cardNumber", "4000000000003220", "cardExpiry", "1234", "cardCvc", "123", "billingName", "Ann Example", "billingPostalCode", "94107")
			p.enter(payButton)
			require.Contains(t, p.text(), "3-D Secure test")
		}
		p.typeInto("email", "ann@example.com")
		p.tabTo("payment-method-accordion-item-title-card")
		card()
		p.enter("test-source-fail-3ds")
		require.Contains(t, p.text(), "unable to authenticate")
		card()
		p.enter("test-source-authorize-3ds")
		require.Equal(t, shop.shop+"/thanks", p.url())
	})
}

func TestDeliveryByKeyboard(t *testing.T) {
	walk(t, func(t *testing.T, s screen) {
		shop := newTill(t)
		p := s.open(t, shop.session(t, delivery))
		p.typeInto("email", "ann@example.com", "phoneNumber", "+1 555 0100", "shippingName", "Ann Example")
		p.tabTo("shippingCountry")
		p.run("type", "text", "Germany")
		p.typeInto("shippingAddressLine1", "1 Mill Lane", "shippingPostalCode", "10115", "shippingLocality", "Berlin")
		p.tabTo("payment-method-accordion-item-title-card")
		p.run("key", "key", "ArrowDown") // to the other choice
		p.typeInto("billingName", "Ann Example")
		p.enter("Pay $2,478.00")
		require.Equal(t, shop.shop+"/thanks", p.url())
	})
}

func TestTurnBackByKeyboard(t *testing.T) {
	walk(t, func(t *testing.T, s screen) {
		shop := newTill(t)
		p := s.open(t, shop.session(t, nil))
		p.enter("Cancel and return to the shop")
		require.Equal(t, shop.shop+"/cart", p.url())
	})
}

func TestFillInByKeyboard(t *testing.T) {
	walk(t, func(t *testing.T, s screen) {
		shop := newTill(t)
		p := s.open(t, shop.session(t, monthly))
		p.enter("Fill in the card that is declined")
		p.typeInto("email", "ann@example.com")
		p.enter("Subscribe for $2,469.00")
		require.Contains(t, p.text(), "Your card was declined.")
		p.enter("Fill in the card that is paid")
		p.enter("Subscribe for $2,469.00")
		require.Equal(t, shop.shop+"/thanks", p.url())
	})
}

func TestQuickstartByKeyboard(t *testing.T) {
	walk(t, func(t *testing.T, s screen) {
		p := s.open(t, start(t, "quickstart", nil, "-addr", "127.0.0.1:0")["Shop"]+"/shop")
		p.enter("Buy Notebook")
		p.typeInto("email", "ann@example.com", "cardNumber", "4242424242424242", "cardExpiry", "1234", "cardCvc", "123", "billingName", "Ann Example", "billingPostalCode", "94107")
		p.run("enter") // Enter in a field submits the form
		require.Contains(t, p.text(), "Thank you, it’s on its way")
	})
}

func TestShopByKeyboard(t *testing.T) {
	walk(t, func(t *testing.T, s screen) {
		p := s.open(t, startShop(t))
		p.typeInto("quantity-mug", "2")
		p.enter("Add to cart (Everyday mug)")
		p.typeInto("note", "by keyboard")
		p.enter("Continue to payment")
		p.typeInto("email", "ann@example.com", "shippingName", "Ann Example", "shippingAddressLine1", "1 Mill Lane", "shippingLocality", "Portland",
			"cardNumber", "4242424242424242", "cardExpiry", "1234", "cardCvc", "123", "billingName", "Ann Example")
		p.enter("Pay $48.00")
		require.Contains(t, p.text(), "Thank you, it’s on its way")
		p.enter("Orders")
		require.Contains(t, p.text(), "“by keyboard”")
	})
}
