package browser

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
)

// The changes to a session for what customers may be asked beyond a card.

func delivery(p *stripe.CheckoutSessionCreateParams) {
	p.ShippingAddressCollection = &stripe.CheckoutSessionCreateShippingAddressCollectionParams{AllowedCountries: stripe.StringSlice([]string{"US", "CA", "DE"})}
	p.PhoneNumberCollection = &stripe.CheckoutSessionCreatePhoneNumberCollectionParams{Enabled: stripe.Bool(true)}
	p.ShippingOptions = []*stripe.CheckoutSessionCreateShippingOptionParams{{
		ShippingRateData: &stripe.CheckoutSessionCreateShippingOptionShippingRateDataParams{
			DisplayName: stripe.String("By post"), Type: stripe.String("fixed_amount"),
			FixedAmount: &stripe.CheckoutSessionCreateShippingOptionShippingRateDataFixedAmountParams{Amount: stripe.Int64(900), Currency: stripe.String("usd")},
		},
	}}
}

func monthly(p *stripe.CheckoutSessionCreateParams) {
	p.Mode, p.PaymentMethodTypes = stripe.String("subscription"), stripe.StringSlice([]string{"card"})
	p.LineItems[0].PriceData.Recurring = &stripe.CheckoutSessionCreateLineItemPriceDataRecurringParams{Interval: stripe.String("month")}
}

func cardForLater(p *stripe.CheckoutSessionCreateParams) {
	p.Mode, p.PaymentMethodTypes, p.LineItems = stripe.String("setup"), stripe.StringSlice([]string{"card"}), nil
}

func forNothing(p *stripe.CheckoutSessionCreateParams) {
	p.LineItems[0].PriceData.UnitAmount = stripe.Int64(0)
}

func TestDelivery(t *testing.T) {
	walk(t, func(t *testing.T, s screen) {
		shop := newTill(t)
		p := s.open(t, shop.session(t, delivery))
		p.audit("hosted: delivery")
		p.press("Pay $2,478.00")
		require.Contains(t, p.text(), "Enter a phone number.")
		require.Contains(t, p.text(), "This field is needed for the delivery.")
		p.audit("hosted: delivery, fields missing")
		p.fillCard("4242 4242 4242 4242")
		p.fillNamed("phoneNumber", "+1 555 0100", "shippingName", "Ann Example", "shippingAddressLine1", "1 Mill Lane", "shippingPostalCode", "10115", "shippingLocality", "Berlin")
		p.run("selectNamed", "name", "shippingCountry", "value", "DE")
		p.press("Pay $2,478.00")
		p.run("waitURL", "prefix", shop.shop+"/thanks")
	})
}

func TestModes(t *testing.T) {
	walk(t, func(t *testing.T, s screen) {
		for name, c := range map[string]struct {
			more   func(*stripe.CheckoutSessionCreateParams)
			shows  string
			button string
		}{
			"subscription": {monthly, "2 × $1,234.50, every month", "Subscribe for $2,469.00"},
			"setup":        {cardForLater, "Nothing is charged now.", "Save payment method"},
			"free":         {forNothing, "$0.00", "Complete order"},
		} {
			shop := newTill(t)
			url := shop.session(t, c.more)
			p := s.open(t, url)
			require.Contains(t, p.text(), c.shows)
			p.audit("hosted: " + name)
			if name == "free" {
				p.fill("Email", "ann@example.com")
			} else {
				p.fillCard("4000 0000 0000 0002")
				p.press(c.button)
				require.Contains(t, p.text(), "Your card was declined.")
				p.audit("hosted: " + name + ", declined")
				p.fillCard("4242 4242 4242 4242")
			}
			p.press(c.button)
			p.run("waitURL", "prefix", shop.shop+"/thanks")
			p.run("goto", "url", url)
			p.audit("hosted: " + name + ", done")
		}
	})
}
