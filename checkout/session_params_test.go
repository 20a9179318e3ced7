package checkout

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
)

func TestParamsMayChange(t *testing.T) {
	t.Parallel()
	s := teeSession()
	s.Lines = append(s.Lines, Line{Price: "price_metered", Quantity: 1})
	s.Params = func(p *stripe.CheckoutSessionCreateParams) {
		p.SubmitType = stripe.String("book")
		p.AddMetadata("more", "1")
		p.PaymentIntentData.SetupFutureUsage = stripe.String("off_session")
		p.LineItems[0].PriceData.TaxBehavior = stripe.String("inclusive")
		p.LineItems[0].PriceData.ProductData.TaxCode = stripe.String("txcd_1")
		p.LineItems[1].Quantity = nil
		p.AfterExpiration = &stripe.CheckoutSessionCreateAfterExpirationParams{
			Recovery: &stripe.CheckoutSessionCreateAfterExpirationRecoveryParams{Enabled: stripe.Bool(false)},
		}
		p.AddExtra("branding_settings[display_name]", "Shop")
		p.SuccessURL = stripe.String("https://elsewhere.example/")
	}
	got := sessionSent(t, s)
	require.Equal(t, "book", got["submit_type"])
	require.Equal(t, "1", got["metadata[more]"])
	require.Equal(t, "off_session", got["payment_intent_data[setup_future_usage]"])
	require.Equal(t, "inclusive", got["line_items[0][price_data][tax_behavior]"])
	require.Equal(t, "Shop", got["branding_settings[display_name]"])
	require.Equal(t, "https://elsewhere.example/", got["success_url"])
	require.NotContains(t, got, "line_items[1][quantity]")
}

func TestParamsMustNotChange(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*stripe.CheckoutSessionCreateParams)
		want   string
	}{
		"client_reference_id": {func(p *stripe.CheckoutSessionCreateParams) { p.ClientReferenceID = stripe.String("x") }, "client_reference_id"},
		"no reference":        {func(p *stripe.CheckoutSessionCreateParams) { p.ClientReferenceID = nil }, "client_reference_id"},
		"second reference":    {func(p *stripe.CheckoutSessionCreateParams) { p.AddExtra("client_reference_id", "x") }, "client_reference_id"},
		"same reference twice": {func(p *stripe.CheckoutSessionCreateParams) { p.AddExtra("client_reference_id", "order-42") },
			"client_reference_id"},
		"mode":        {func(p *stripe.CheckoutSessionCreateParams) { p.Mode = stripe.String("setup") }, "mode"},
		"expires_at":  {func(p *stripe.CheckoutSessionCreateParams) { *p.ExpiresAt++ }, "expires_at"},
		"order mark":  {func(p *stripe.CheckoutSessionCreateParams) { p.Metadata[metadataOrder] = "x" }, "metadata[fulfil_order]"},
		"no metadata": {func(p *stripe.CheckoutSessionCreateParams) { p.Metadata = nil }, "metadata[fulfil_shop]"},
		"mirrored mark": {func(p *stripe.CheckoutSessionCreateParams) { delete(p.PaymentIntentData.Metadata, metadataAttempt) },
			"payment_intent_data[metadata][fulfil_attempt]"},
		"replaced intent data": {func(p *stripe.CheckoutSessionCreateParams) {
			p.PaymentIntentData = &stripe.CheckoutSessionCreatePaymentIntentDataParams{}
		}, "payment_intent_data[metadata][fulfil_shop]"},
		"quantity":    {func(p *stripe.CheckoutSessionCreateParams) { *p.LineItems[0].Quantity = 3 }, "line_items[0][quantity]"},
		"no quantity": {func(p *stripe.CheckoutSessionCreateParams) { p.LineItems[0].Quantity = nil }, "line_items[0][quantity]"},
		"unit amount": {func(p *stripe.CheckoutSessionCreateParams) { *p.LineItems[0].PriceData.UnitAmount = 1 }, "unit_amount"},
		"decimal": {func(p *stripe.CheckoutSessionCreateParams) {
			p.AddExtra("line_items[0][price_data][unit_amount_decimal]", "1")
		}, "unit_amount_decimal"},
		"currency":            {func(p *stripe.CheckoutSessionCreateParams) { *p.LineItems[0].PriceData.Currency = "jpy" }, "currency"},
		"price":               {func(p *stripe.CheckoutSessionCreateParams) { p.LineItems[0].Price = stripe.String("price_1") }, "line_items[0][price]"},
		"other price":         {func(p *stripe.CheckoutSessionCreateParams) { *p.LineItems[1].Price = "price_2" }, "line_items[1][price]"},
		"quantity of a price": {func(p *stripe.CheckoutSessionCreateParams) { *p.LineItems[1].Quantity = 2 }, "line_items[1][quantity]"},
		"line removed":        {func(p *stripe.CheckoutSessionCreateParams) { p.LineItems = p.LineItems[:1] }, "line_items[1][price]"},
		"line added": {func(p *stripe.CheckoutSessionCreateParams) { p.AddExtra("line_items[2][price]", "price_tip") },
			"line_items[2][price]"},
		"recovery": {func(p *stripe.CheckoutSessionCreateParams) {
			p.AfterExpiration = &stripe.CheckoutSessionCreateAfterExpirationParams{
				Recovery: &stripe.CheckoutSessionCreateAfterExpirationRecoveryParams{Enabled: stripe.Bool(true)},
			}
		}, "recovery"},
		"recovery off and on": {func(p *stripe.CheckoutSessionCreateParams) {
			p.AddExtra("after_expiration[recovery][enabled]", "false")
			p.AddExtra("after_expiration[recovery][enabled]", "true")
		}, "recovery"},
		"adjustable quantity": {func(p *stripe.CheckoutSessionCreateParams) {
			p.LineItems[1].AdjustableQuantity = &stripe.CheckoutSessionCreateLineItemAdjustableQuantityParams{Enabled: stripe.Bool(true)}
		}, "adjustable"},
		"optional item": {func(p *stripe.CheckoutSessionCreateParams) {
			p.OptionalItems = []*stripe.CheckoutSessionCreateOptionalItemParams{{Price: stripe.String("price_1"), Quantity: stripe.Int64(1)}}
		}, "optional items"},
		"custom amount": {func(p *stripe.CheckoutSessionCreateParams) {
			p.AddExtra("line_items[0][price_data][custom_unit_amount][enabled]", "true")
		}, "choose a price"},
		"account":         {func(p *stripe.CheckoutSessionCreateParams) { p.SetStripeAccount("acct_1") }, "Connect.Account"},
		"idempotency key": {func(p *stripe.CheckoutSessionCreateParams) { p.SetIdempotencyKey("k") }, "headers"},
		"header":          {func(p *stripe.CheckoutSessionCreateParams) { p.Headers = http.Header{"X": {"y"}} }, "headers"},
		"long metadata value": {func(p *stripe.CheckoutSessionCreateParams) { p.AddMetadata("k", strings.Repeat("v", 501)) },
			"metadata value of more than 500"},
		"long metadata key": {func(p *stripe.CheckoutSessionCreateParams) {
			p.PaymentIntentData.AddMetadata(strings.Repeat("k", 41), "")
		},
			"metadata key of more than 40"},
		"long metadata key with a line break": {func(p *stripe.CheckoutSessionCreateParams) {
			p.AddMetadata("a\n"+strings.Repeat("k", 40), "")
		}, "metadata key of more than 40"},
		"a mark of its own": {func(p *stripe.CheckoutSessionCreateParams) { p.AddMetadata("fulfil_paid", "1") }, "metadata[fulfil_paid]"},
		"a mirrored mark of its own": {func(p *stripe.CheckoutSessionCreateParams) { p.PaymentIntentData.AddMetadata("fulfil_paid", "1") },
			"payment_intent_data[metadata][fulfil_paid]"},
		"NUL":         {func(p *stripe.CheckoutSessionCreateParams) { p.SubmitType = stripe.String("pay\x00") }, "NUL"},
		"no UTF-8":    {func(p *stripe.CheckoutSessionCreateParams) { p.AddMetadata("k", "\xff") }, "UTF-8"},
		"key no text": {func(p *stripe.CheckoutSessionCreateParams) { p.AddMetadata("k\xff", "") }, "UTF-8"},
		"long name": {func(p *stripe.CheckoutSessionCreateParams) {
			p.LineItems[0].PriceData.ProductData.Name = stripe.String(strings.Repeat("n", 5001))
		}, "line_items[0][price_data][product_data][name] to more than 5000 characters"},
		"long description": {func(p *stripe.CheckoutSessionCreateParams) {
			p.LineItems[0].PriceData.ProductData.Description = stripe.String(strings.Repeat("n", 40_001))
		}, "line_items[0][price_data][product_data][description] to more than 40000 characters"},
		"long URL": {func(p *stripe.CheckoutSessionCreateParams) {
			p.SuccessURL = stripe.String("https://a.example/" + strings.Repeat("n", 5000))
		}, "success_url to more than 5000 characters"},
		"long name of an option": {func(p *stripe.CheckoutSessionCreateParams) {
			p.AddExtra("shipping_options[0][shipping_rate_data][display_name]", strings.Repeat("n", 101))
		}, "shipping_options[0][shipping_rate_data][display_name] to more than 100 characters"},
		"much": {func(p *stripe.CheckoutSessionCreateParams) {
			for i := range 40 {
				p.AddExtra(fmt.Sprintf("custom_fields[%d][label][custom]", i), strings.Repeat("n", 30_000))
			}
		}, "at most 1 MB"},
		"bracket in metadata key": {func(p *stripe.CheckoutSessionCreateParams) { p.AddMetadata("a[b]", "") }, "[ or ]"},
		"51 keys": {func(p *stripe.CheckoutSessionCreateParams) {
			for i := range 48 {
				p.PaymentIntentData.AddMetadata(fmt.Sprint("k", i), "v")
			}
		}, "at most 50 keys in payment_intent_data[metadata]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := teeSession()
			s.Lines = append(s.Lines, Line{Price: "price_1", Quantity: 1})
			s.Params = c.change
			params, err := s.createParams(sessionIdentity{shop: "sh", order: s.OrderID, attempt: 1}, sessionTestNow)
			require.Nil(t, params)
			for _, field := range sessionFields(t, err) {
				require.Equal(t, "Params", field)
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

// Without a SKU, Params may let the customer change the cart.
func TestParamsOfUntrackedLines(t *testing.T) {
	t.Parallel()
	s := teeSession()
	s.Lines[0].SKU = ""
	s.Params = func(p *stripe.CheckoutSessionCreateParams) {
		p.AfterExpiration = &stripe.CheckoutSessionCreateAfterExpirationParams{
			Recovery: &stripe.CheckoutSessionCreateAfterExpirationRecoveryParams{Enabled: stripe.Bool(true)},
		}
		p.LineItems[0].AdjustableQuantity = &stripe.CheckoutSessionCreateLineItemAdjustableQuantityParams{Enabled: stripe.Bool(true)}
		p.OptionalItems = []*stripe.CheckoutSessionCreateOptionalItemParams{{Price: stripe.String("price_1"), Quantity: stripe.Int64(1)}}
	}
	_, err := s.CreateParams(sessionTestNow)
	require.NoError(t, err)
	s.Lines[0].SKU = "tee-m"
	_, err = s.CreateParams(sessionTestNow)
	require.Len(t, sessionFields(t, err), 3)
}

// Params may remove the quantity of a line that has a Price and no SKU, because the price may be metered. It may remove no
// other quantity.
func TestParamsMayDropQuantityOfAPrice(t *testing.T) {
	t.Parallel()
	inline := Line{Name: "T-shirt", UnitAmount: MustAmount("19.99", "usd"), Quantity: 1}
	for _, c := range []struct {
		line   Line
		sku    string
		fields []string
	}{
		{Line{Price: "price_1", Quantity: 1}, "", nil},
		{Line{Price: "price_1", Quantity: 1}, "tee-m", []string{"Params"}},
		{inline, "", []string{"Params"}},
		{inline, "tee-m", []string{"Params"}},
	} {
		s := teeSession()
		s.Currency = "usd"
		s.Lines = []Line{c.line}
		s.Lines[0].SKU = c.sku
		s.Params = func(p *stripe.CheckoutSessionCreateParams) { p.LineItems[0].Quantity = nil }
		_, err := s.CreateParams(sessionTestNow)
		require.Equal(t, c.fields, sessionFields(t, err))
	}
}
