package checkouttest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

func TestCreatedSession(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{Start: time.Unix(1_800_000_000, 999)})
	price := srv.AddPrice(checkouttest.Price{Name: "Mug", Currency: "usd", UnitAmount: 850})
	params := tee()
	params.LineItems[0].PriceData.UnitAmount = nil
	params.LineItems[0].PriceData.UnitAmountDecimal = stripe.Float64(0.5)
	params.LineItems[0].Quantity = stripe.Int64(3)
	params.LineItems = append(params.LineItems, &stripe.CheckoutSessionCreateLineItemParams{Price: &price, Quantity: stripe.Int64(2)})
	params.CustomerEmail = stripe.String("ada@example.org")
	params.ExpiresAt = stripe.Int64(1_800_000_000 + 1800)
	params.ShippingOptions = []*stripe.CheckoutSessionCreateShippingOptionParams{{ShippingRateData: &stripe.CheckoutSessionCreateShippingOptionShippingRateDataParams{
		DisplayName: stripe.String("Post"), Type: stripe.String("fixed_amount"),
		FixedAmount: &stripe.CheckoutSessionCreateShippingOptionShippingRateDataFixedAmountParams{Amount: stripe.Int64(500), Currency: stripe.String("usd")},
	}}}
	params.AddExpand("line_items.data.price.product")
	sess := create(t, srv, params)
	require.EqualValues(t, 1702, sess.AmountSubtotal, "1.5 is rounded up")
	require.EqualValues(t, 2202, sess.AmountTotal)
	require.EqualValues(t, 500, sess.TotalDetails.AmountShipping)
	require.EqualValues(t, "usd", sess.Currency)
	require.EqualValues(t, 1_800_001_800, sess.ExpiresAt)
	require.EqualValues(t, 1_800_000_000, sess.Created)
	require.Equal(t, "ada@example.org", sess.CustomerDetails.Email)
	require.Equal(t, "order-42", sess.ClientReferenceID)
	require.Len(t, sess.LineItems.Data, 2)
	require.Equal(t, "T-shirt", sess.LineItems.Data[0].Price.Product.Name)
	require.Equal(t, price, sess.LineItems.Data[1].Price.ID)
	require.Equal(t, "Mug", sess.LineItems.Data[1].Description)

	srv.Advance(30 * time.Minute)
	require.EqualValues(t, "expired", retrieve(t, srv, sess.ID).Status)

	yearly := srv.AddPrice(checkouttest.Price{Name: "Club", Currency: "eur", UnitAmount: 900, Interval: "year"})
	sub := &stripe.CheckoutSessionCreateParams{
		Mode: stripe.String("subscription"), UIMode: stripe.String("embedded"), ReturnURL: stripe.String("https://shop.example/"),
		LineItems: []*stripe.CheckoutSessionCreateLineItemParams{{Price: &yearly, Quantity: stripe.Int64(1)}},
	}
	embedded := create(t, srv, sub)
	require.Empty(t, embedded.URL)
	require.Contains(t, embedded.ClientSecret, embedded.ID+"_secret_")
}

func TestRefusedParameters(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	srv := newServer(t, checkouttest.Config{Start: start})
	at := func(d time.Duration) string { return fmt.Sprint(start.Add(d).Unix()) }
	hundredOne := teeForm()
	for i := range 101 {
		n := fmt.Sprintf("line_items[%d]", i)
		hundredOne.Set(n+"[price_data][currency]", "usd")
		hundredOne.Set(n+"[price_data][product_data][name]", "T-shirt")
		hundredOne.Set(n+"[price_data][unit_amount]", "100")
		hundredOne.Set(n+"[quantity]", "1")
	}
	many := teeForm()
	for i := range 51 {
		many.Set(fmt.Sprintf("metadata[k%d]", i), "v")
	}
	for name, c := range map[string]struct {
		form        url.Values
		code, param string
	}{
		"unknown at the top":        {teeForm("automatic_payment_methods[enabled]", "true"), "parameter_unknown", "automatic_payment_methods"},
		"unknown in a line":         {teeForm("line_items[0][data][price]", "x"), "parameter_unknown", "line_items[0][data]"},
		"unknown four deep":         {teeForm("line_items[0][price_data][product_data][sku]", "x"), "parameter_unknown", "line_items[0][price_data][product_data][sku]"},
		"unbalanced brackets":       {teeForm("mode]", "x"), "parameter_unknown", "mode]"},
		"below a scalar":            {teeForm("cancel_url[x]", "x"), "", "cancel_url"},
		"scalar for an object":      {teeForm("payment_intent_data", "x"), "", "payment_intent_data"},
		"scalar for a list":         {teeForm("discounts", "x"), "", "discounts"},
		"name for an index":         {teeForm("line_items[first][quantity]", "1"), "", "line_items"},
		"empty":                     {teeForm("customer", ""), "parameter_invalid_empty", "customer"},
		"not a number":              {teeForm("line_items[0][quantity]", "two"), "parameter_invalid_integer", "line_items[0][quantity]"},
		"not a boolean":             {teeForm("allow_promotion_codes", "yes"), "", "allow_promotion_codes"},
		"not a decimal":             {teeForm("line_items[0][price_data][unit_amount_decimal]", "1/2"), "", "line_items[0][price_data][unit_amount_decimal]"},
		"no mode":                   {teeForm("mode", "-"), "parameter_missing", "mode"},
		"bad mode":                  {teeForm("mode", "gift"), "", "mode"},
		"no success URL":            {teeForm("success_url", "-"), "parameter_missing", "success_url"},
		"relative URL":              {teeForm("success_url", "/thanks"), "url_invalid", "success_url"},
		"embedded with success URL": {teeForm("ui_mode", "embedded"), "", "success_url"},
		"embedded without return":   {teeForm("ui_mode", "embedded", "success_url", "-"), "parameter_missing", "return_url"},
		"hosted with return":        {teeForm("return_url", "https://shop.example/"), "", "return_url"},
		"expires too early":         {teeForm("expires_at", at(30*time.Minute-time.Second)), "", "expires_at"},
		"expires too late":          {teeForm("expires_at", at(24*time.Hour+time.Second)), "", "expires_at"},
		"long reference":            {teeForm("client_reference_id", strings.Repeat("x", 201)), "parameter_invalid_string", "client_reference_id"},
		"customer and e-mail":       {teeForm("customer", "cus_1", "customer_email", "a@b.example"), "", "customer_email"},
		"bad e-mail":                {teeForm("customer_email", "nobody"), "email_invalid", "customer_email"},
		"long metadata key":         {teeForm("metadata["+strings.Repeat("k", 41)+"]", "v"), "", "metadata"},
		"long metadata value":       {teeForm("metadata[k]", strings.Repeat("v", 501)), "", "metadata[k]"},
		"long intent metadata":      {teeForm("payment_intent_data[metadata][k]", strings.Repeat("v", 501)), "", "payment_intent_data[metadata][k]"},
		"wrong mode for data":       {teeForm("subscription_data[description]", "x"), "", "subscription_data"},
		"no lines":                  {url.Values{"mode": {"payment"}, "success_url": {"https://shop.example/"}}, "parameter_missing", "line_items"},
		"setup without currency":    {url.Values{"mode": {"setup"}, "success_url": {"https://shop.example/"}}, "parameter_missing", "currency"},
		"no price":                  {teeForm("line_items[1][quantity]", "1"), "", "line_items[1]"},
		"two prices":                {teeForm("line_items[0][price]", "price_1"), "", "line_items[0]"},
		"unknown price":             {teeForm("line_items[1][price]", "price_1"), "resource_missing", "line_items[1][price]"},
		"no currency":               {teeForm("line_items[0][price_data][currency]", "-"), "parameter_missing", "line_items[0][price_data][currency]"},
		"bad currency":              {teeForm("line_items[0][price_data][currency]", "xyz"), "", "line_items[0][price_data][currency]"},
		"no product":                {teeForm("line_items[0][price_data][product_data][name]", "-"), "parameter_missing", "line_items[0][price_data][product_data]"},
		"no name":                   {teeForm("line_items[0][price_data][product_data][name]", "-", "line_items[0][price_data][product_data][description]", "x"), "parameter_missing", "line_items[0][price_data][product_data][name]"},
		"two products":              {teeForm("line_items[0][price_data][product]", "prod_1"), "", "line_items[0][price_data]"},
		"unknown product":           {teeForm("line_items[0][price_data][product]", "prod_1", "line_items[0][price_data][product_data][name]", "-"), "resource_missing", "line_items[0][price_data][product]"},
		"no amount":                 {teeForm("line_items[0][price_data][unit_amount]", "-"), "parameter_missing", "line_items[0][price_data][unit_amount]"},
		"two amounts":               {teeForm("line_items[0][price_data][unit_amount_decimal]", "1"), "", "line_items[0][price_data]"},
		"negative amount":           {teeForm("line_items[0][price_data][unit_amount]", "-1"), "parameter_invalid_integer", "line_items[0][price_data][unit_amount]"},
		"no quantity":               {teeForm("line_items[0][quantity]", "-"), "parameter_missing", "line_items[0]"},
		"quantity zero":             {teeForm("line_items[0][quantity]", "0"), "parameter_invalid_integer", "line_items[0][quantity]"},
		"overflow":                  {teeForm("line_items[0][quantity]", "9223372036854775807"), "amount_too_large", "line_items"},
		"recurring in payment":      {teeForm("line_items[0][price_data][recurring][interval]", "month"), "", "line_items"},
		"bad interval":              {teeForm("line_items[0][price_data][recurring][interval]", "hour"), "", "line_items[0][price_data][recurring][interval]"},
		"one-time in subscription":  {teeForm("mode", "subscription"), "", "line_items"},
		"101 lines":                 {hundredOne, "", "line_items"},
		"mixed currencies": {teeForm("line_items[1][price_data][currency]", "eur", "line_items[1][price_data][product_data][name]", "Mug",
			"line_items[1][price_data][unit_amount]", "1", "line_items[1][quantity]", "1"), "", "line_items"},
		"too little":         {teeForm("line_items[0][price_data][unit_amount]", "49"), "amount_too_small", ""},
		"too little in HUF":  {teeForm("line_items[0][price_data][currency]", "huf", "line_items[0][price_data][unit_amount]", "17499"), "amount_too_small", ""},
		"too little a month": {teeForm("mode", "subscription", "line_items[0][price_data][unit_amount]", "1", "line_items[0][price_data][recurring][interval]", "month"), "amount_too_small", ""},
		"interval of none":   {teeForm("mode", "subscription", "line_items[0][price_data][recurring][interval_count]", "2"), "parameter_missing", "line_items[0][price_data][recurring][interval]"},
		"51 metadata keys":   {many, "", "metadata"},
		"unexpandable":       {teeForm("expand[0]", "mode"), "", "expand"},
		"too deep":           {teeForm("expand[0]", "a.b.c.d.e"), "", "expand"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, body := request(t, srv, "POST", "/v1/checkout/sessions", c.form)
			require.Equal(t, http.StatusBadRequest, resp.StatusCode, body)
			e := body["error"].(map[string]any)
			require.Equal(t, "invalid_request_error", e["type"])
			require.NotEmpty(t, e["message"])
			require.Equal(t, c.param, str(e["param"]), e["message"])
			require.Equal(t, c.code, str(e["code"]), e["message"])
		})
	}
	for name, form := range map[string]url.Values{
		"30 minutes":           teeForm("expires_at", at(30*time.Minute)),
		"just enough":          teeForm("line_items[0][price_data][unit_amount]", "50"),
		"free":                 teeForm("line_items[0][price_data][unit_amount]", "0"),
		"24 hours":             teeForm("expires_at", at(24*time.Hour)),
		"list without indices": teeForm("payment_method_types[]", "card"),
		"empty metadata value": teeForm("metadata[k]", ""),
		"upper-case currency":  teeForm("line_items[0][price_data][currency]", "USD"),
		"inert parameters":     teeForm("custom_text[submit][message]", "Hi", "automatic_tax[enabled]", "true", "phone_number_collection[enabled]", "false"),
		"embedded":             teeForm("ui_mode", "embedded", "success_url", "-", "redirect_on_completion", "never"),
	} {
		resp, body := request(t, srv, "POST", "/v1/checkout/sessions", form)
		require.Equal(t, http.StatusOK, resp.StatusCode, "%s: %v", name, body)
	}
}

// FuzzParameters sends any form. The answer is a session or one of Stripe's errors.
func FuzzParameters(f *testing.F) {
	for _, seed := range []string{
		teeForm().Encode(), teeForm("expand[]", "line_items").Encode(), "mode", "a[b]c=1", "line_items[0]=1&line_items[0][quantity]=1",
		"line_items[-1][quantity]=1", "metadata[]=x", "metadata[a][b]=x", "expand[]=a&expand[1]=b&expand[][]=c", "mode[=1", "[]=1", "%zz=1", "expires_at=1e9",
	} {
		f.Add(seed)
	}
	srv := newServer(f, checkouttest.Config{})
	f.Fuzz(func(t *testing.T, form string) {
		r, err := http.NewRequest("POST", srv.URL()+"/v1/checkout/sessions", strings.NewReader(form))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+srv.Key())
		resp, err := srv.Transport().RoundTrip(r)
		require.NoError(t, err)
		var body struct {
			ID    string
			Error struct{ Type, Message string }
		}
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&body))
		switch resp.StatusCode {
		case http.StatusOK:
			require.NotEmpty(t, body.ID)
		default:
			require.Equal(t, http.StatusBadRequest, resp.StatusCode)
			require.Equal(t, "invalid_request_error", body.Error.Type)
			require.NotEmpty(t, body.Error.Message)
		}
	})
}
