package browser

import (
	"net/url"
	"path"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// everything makes a session ask its customer for all that a session can ask for.
func (s till) everything(t *testing.T, locale string) string {
	t.Helper()
	client := s.srv.Client()
	half, err := client.V1Coupons.Create(t.Context(), &stripe.CouponCreateParams{PercentOff: stripe.Float64(50)})
	require.NoError(t, err)
	_, err = client.V1PromotionCodes.Create(t.Context(), &stripe.PromotionCodeCreateParams{Coupon: &half.ID, Code: stripe.String("HALF")})
	require.NoError(t, err)
	sticker := s.srv.AddPrice(checkouttest.Price{Name: "Sticker", Currency: "usd", UnitAmount: 300})
	return s.session(t, func(p *stripe.CheckoutSessionCreateParams) {
		delivery(p)
		p.Locale = &locale
		p.LineItems[0].AdjustableQuantity = &stripe.CheckoutSessionCreateLineItemAdjustableQuantityParams{Enabled: stripe.Bool(true)}
		product := p.LineItems[0].PriceData.ProductData
		product.Name, product.Description = stripe.String("Walled studio booth"), stripe.String("With a door, a window and a chair")
		product.Images = stripe.StringSlice([]string{s.shop + "/picture.svg"})
		p.OptionalItems = []*stripe.CheckoutSessionCreateOptionalItemParams{{Price: &sticker, Quantity: stripe.Int64(1)}}
		p.AllowPromotionCodes, p.BillingAddressCollection = stripe.Bool(true), stripe.String("required")
		p.TaxIDCollection = &stripe.CheckoutSessionCreateTaxIDCollectionParams{Enabled: stripe.Bool(true)}
		p.ConsentCollection = &stripe.CheckoutSessionCreateConsentCollectionParams{TermsOfService: stripe.String("required"), Promotions: stripe.String("auto")}
		label := func(text string) *stripe.CheckoutSessionCreateCustomFieldLabelParams {
			return &stripe.CheckoutSessionCreateCustomFieldLabelParams{Type: stripe.String("custom"), Custom: &text}
		}
		p.CustomFields = []*stripe.CheckoutSessionCreateCustomFieldParams{
			{Key: stripe.String("club"), Label: label("Club number"), Type: stripe.String("numeric")},
			{Key: stripe.String("size"), Label: label("Size"), Type: stripe.String("dropdown"), Dropdown: &stripe.CheckoutSessionCreateCustomFieldDropdownParams{
				Options: []*stripe.CheckoutSessionCreateCustomFieldDropdownOptionParams{{Label: stripe.String("Large"), Value: stripe.String("l")}},
			}},
		}
		p.CustomText = &stripe.CheckoutSessionCreateCustomTextParams{Submit: &stripe.CheckoutSessionCreateCustomTextSubmitParams{Message: stripe.String("We ship on Mondays.")}}
	})
}

// A script that is made for Stripe's own page pays on this one, by the names and marks that the fields and buttons have there, whatever
// the language.
func TestPayByStripesNames(t *testing.T) {
	walk(t, func(t *testing.T, s screen) {
		for locale, button := range map[string]string{"en": "Pay $2,478.00", "de": "2.478,00 $ bezahlen"} {
			shop := newTill(t)
			page := shop.everything(t, locale)
			p := s.open(t, page)
			require.Contains(t, p.text(), button)
			p.audit("hosted: everything, " + locale)
			p.run("clickOn", "selector", "[data-testid=hosted-payment-submit-button]")
			p.audit("hosted: everything missing, " + locale)
			var first string
			p.get(&first, "focused")
			require.Equal(t, "email", first, "the browser is at the first field with an error")
			p.fillNamed("promotionCode", "HALF")
			p.run("enter") // presses the button that pays, not the first one of the page
			require.Equal(t, 422, p.status())

			p.fillNamed("email", "ann@example.com", "phoneNumber", "+1 555 0100", "shippingName", "Ann Example", "shippingAddressLine1", "1 Mill Lane",
				"shippingPostalCode", "10115", "shippingLocality", "Berlin", "cardNumber", "4000000000003220", "cardExpiry", "1234", "cardCvc", "123",
				"billingName", "Ann Billing", "custom-club", "7")
			p.run("selectNamed", "name", "shippingCountry", "value", "DE")
			p.run("selectNamed", "name", "custom-size", "value", "l")
			p.run("clickOn", "selector", "#cardUseShippingAsBilling")
			p.run("selectNamed", "name", "billingCountry", "value", "FR")
			p.fillNamed("billingAddressLine1", "2 Rue", "billingLocality", "Paris", "billingPostalCode", "75001")
			p.run("clickOn", "selector", "#termsOfServiceConsentCheckbox")
			p.audit("hosted: everything filled in, " + locale)
			p.run("clickOn", "selector", ".SubmitButton")
			p.run("clickOn", "selector", "#test-source-authorize-3ds")
			p.run("waitURL", "prefix", shop.shop+"/thanks")

			at, err := url.Parse(page)
			require.NoError(t, err)
			sess, err := shop.srv.Client().V1CheckoutSessions.Retrieve(t.Context(), path.Base(at.Path), nil)
			require.NoError(t, err)
			require.EqualValues(t, "paid", sess.PaymentStatus)
			require.EqualValues(t, 247800-123450, sess.AmountTotal, "half of the goods, and the shipping")
			require.Equal(t, "Paris", sess.CustomerDetails.Address.City)
			require.Equal(t, "Berlin", sess.CollectedInformation.ShippingDetails.Address.City)
		}
	})
}
