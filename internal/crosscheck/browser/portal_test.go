package browser

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
)

// A customer types a promotion code, subscribes, and manages the subscription on the billing portal.
func TestPortal(t *testing.T) {
	walk(t, func(t *testing.T, s screen) {
		till, ctx := newTill(t), t.Context()
		api := till.srv.Client()
		coupon, err := api.V1Coupons.Create(ctx, &stripe.CouponCreateParams{PercentOff: stripe.Float64(50)})
		require.NoError(t, err)
		_, err = api.V1PromotionCodes.Create(ctx, &stripe.PromotionCodeCreateParams{Coupon: &coupon.ID, Code: stripe.String("HALF")})
		require.NoError(t, err)
		url := till.session(t, func(p *stripe.CheckoutSessionCreateParams) {
			monthly(p)
			p.AllowPromotionCodes = stripe.Bool(true)
		})
		p := s.open(t, url)
		p.fillCard("4242 4242 4242 4242")
		p.fill("Promotion code", "NONE")
		p.press("Subscribe for $2,469.00")
		require.Contains(t, p.text(), "This code is invalid.")
		p.audit("hosted: promotion code, wrong")
		p.fill("Promotion code", "half")
		p.press("Subscribe for $2,469.00")
		p.run("waitURL", "prefix", till.shop+"/thanks")
		sess, err := api.V1CheckoutSessions.Retrieve(ctx, url[strings.LastIndex(url, "/")+1:], nil)
		require.NoError(t, err)
		require.EqualValues(t, 123450, sess.AmountTotal)

		portal, err := api.V1BillingPortalSessions.Create(ctx, &stripe.BillingPortalSessionCreateParams{
			Customer: &sess.Customer.ID, ReturnURL: stripe.String(till.shop + "/account"),
		})
		require.NoError(t, err)
		p.run("goto", "url", portal.URL)
		require.Contains(t, p.text(), "$2,469.00 every month, active")
		p.audit("portal")
		p.press("Cancel subscription")
		require.Contains(t, p.text(), "Ends on")
		p.audit("portal: canceled")
		p.press("Keep subscription")
		p.press("Use this card")
		require.Contains(t, p.text(), "Renews on")
		p.follow("Return to the shop")
		p.run("waitURL", "prefix", till.shop+"/account")
	})
}
