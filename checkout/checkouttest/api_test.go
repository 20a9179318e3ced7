package checkouttest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// request sends one raw request and returns the answer and its decoded body.
func request(t testing.TB, srv *checkouttest.Server, method, path string, form url.Values, header ...string) (*http.Response, map[string]any) {
	t.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	} else if form != nil {
		path += "?" + form.Encode()
	}
	r, err := http.NewRequestWithContext(context.Background(), method, srv.URL()+path, body)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+srv.Key())
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := srv.Transport().RoundTrip(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	var decoded map[string]any
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&decoded))
	return resp, decoded
}

// teeForm is tee as a form, changed by pairs of keys and values; the value "-" removes a key.
func teeForm(pairs ...string) url.Values {
	v := url.Values{
		"mode": {"payment"}, "success_url": {"https://shop.example/thanks"},
		"line_items[0][price_data][currency]": {"usd"}, "line_items[0][price_data][product_data][name]": {"T-shirt"},
		"line_items[0][price_data][unit_amount]": {"1999"}, "line_items[0][quantity]": {"1"},
	}
	for i := 0; i < len(pairs); i += 2 {
		if v.Set(pairs[i], pairs[i+1]); pairs[i+1] == "-" {
			v.Del(pairs[i])
		}
	}
	return v
}

func TestRefusedParameters(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	srv := newServer(t, checkouttest.Config{Start: start})
	at := func(d time.Duration) string { return json.Number(big(start.Add(d).Unix())).String() }
	hundredOne := teeForm()
	for i := range 101 {
		n := "line_items[" + big(int64(i)) + "]"
		hundredOne.Set(n+"[price_data][currency]", "usd")
		hundredOne.Set(n+"[price_data][product_data][name]", "T-shirt")
		hundredOne.Set(n+"[price_data][unit_amount]", "100")
		hundredOne.Set(n+"[quantity]", "1")
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
		"unexpandable": {teeForm("expand[0]", "mode"), "", "expand"},
		"too deep":     {teeForm("expand[0]", "a.b.c.d.e"), "", "expand"},
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
		"24 hours":             teeForm("expires_at", at(24*time.Hour)),
		"list without indices": teeForm("payment_method_types[]", "card"),
		"empty metadata value": teeForm("metadata[k]", ""),
		"upper-case currency":  teeForm("line_items[0][price_data][currency]", "USD"),
		"inert parameters":     teeForm("custom_text[submit][message]", "Hi", "after_expiration[recovery][enabled]", "true", "automatic_tax[enabled]", "true", "discounts[0][coupon]", "x", "phone_number_collection[enabled]", "false"),
		"embedded":             teeForm("ui_mode", "embedded", "success_url", "-", "redirect_on_completion", "never"),
	} {
		resp, body := request(t, srv, "POST", "/v1/checkout/sessions", form)
		require.Equal(t, http.StatusOK, resp.StatusCode, "%s: %v", name, body)
	}
}

func str(v any) string { s, _ := v.(string); return s }

func big(n int64) string { b, _ := json.Marshal(n); return string(b) }

// jsonKeys are the keys that stripe-go knows of an object.
func jsonKeys(t reflect.Type, without ...string) []string {
	var keys []string
	for i := range t.NumField() {
		if key, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); key != "" && key != "-" && !slices.Contains(without, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

func TestEveryKeyIsThere(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	id := create(t, srv, tee()).ID
	check := func(path string, typ reflect.Type, without ...string) map[string]any {
		_, body := request(t, srv, "GET", path, nil)
		for _, key := range jsonKeys(typ, without...) {
			require.Contains(t, body, key, path)
		}
		return body
	}
	open := check("/v1/checkout/sessions/"+id, reflect.TypeFor[stripe.CheckoutSession](), "line_items", "presentment_details")
	require.Nil(t, open["payment_intent"])
	require.Equal(t, false, open["livemode"])
	require.Equal(t, srv.URL()+"/c/pay/"+id, open["url"])
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	paid := check("/v1/checkout/sessions/"+id, reflect.TypeFor[stripe.CheckoutSession](), "line_items", "presentment_details")
	require.Nil(t, paid["url"])
	pi := check("/v1/payment_intents/"+str(paid["payment_intent"]), reflect.TypeFor[stripe.PaymentIntent](), "presentment_details")
	check("/v1/charges/"+str(pi["latest_charge"]), reflect.TypeFor[stripe.Charge](), "authorization_code", "level3", "presentment_details", "refunds", "transfer")
	events := srv.Events()
	check("/v1/events/"+events[0].ID, reflect.TypeFor[stripe.Event](), "account", "context")
}

// TestKeysOfRecordedSessions holds the session's keys against recorded ones, of this API version and later ones.
func TestKeysOfRecordedSessions(t *testing.T) {
	t.Parallel()
	corpus := os.Getenv("FULFIL_CORPUS")
	if corpus == "" {
		t.Skip("FULFIL_CORPUS is not set")
	}
	files, err := filepath.Glob(filepath.Join(corpus, "checkout.session.completed--*--2025-05-28.basil--*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	srv := newServer(t, checkouttest.Config{})
	_, ours := request(t, srv, "GET", "/v1/checkout/sessions/"+create(t, srv, tee()).ID, nil)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		var e struct {
			Data struct{ Object map[string]any }
		}
		require.NoError(t, json.Unmarshal(raw, &e))
		for key := range e.Data.Object {
			require.Contains(t, ours, key, file)
		}
	}
}

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

func TestListsAndPages(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	srv := newServer(t, checkouttest.Config{})
	api := srv.Client()
	var ids []string
	for range 12 {
		ids = append(ids, create(t, srv, tee()).ID)
		srv.Advance(time.Second)
	}
	slices.Reverse(ids) // newest first
	list := func(p *stripe.CheckoutSessionListParams) (got []string) {
		for sess, err := range api.V1CheckoutSessions.List(ctx, p) {
			require.NoError(t, err)
			got = append(got, sess.ID)
		}
		return got
	}
	require.Equal(t, ids, list(&stripe.CheckoutSessionListParams{}), "over two pages")
	p := &stripe.CheckoutSessionListParams{}
	p.Limit = stripe.Int64(5)
	require.Equal(t, ids, list(p), "over three pages")
	p = &stripe.CheckoutSessionListParams{}
	p.EndingBefore = &ids[11]
	p.Limit = stripe.Int64(4)
	require.Len(t, list(p), 11)

	require.NoError(t, srv.Pay(ids[3], checkouttest.CardOK))
	pi := retrieve(t, srv, ids[3]).PaymentIntent.ID
	require.Equal(t, ids[3:4], list(&stripe.CheckoutSessionListParams{PaymentIntent: &pi}))
	require.Equal(t, ids[3:4], list(&stripe.CheckoutSessionListParams{Status: stripe.String("complete")}))
	require.Equal(t, ids[3:4], list(&stripe.CheckoutSessionListParams{CustomerDetails: &stripe.CheckoutSessionListCustomerDetailsParams{Email: stripe.String("buyer@example.com")}}))
	third := retrieve(t, srv, ids[2]).Created
	require.Equal(t, ids[2:3], list(&stripe.CheckoutSessionListParams{Created: &third}))
	require.Equal(t, ids[:2], list(&stripe.CheckoutSessionListParams{CreatedRange: &stripe.RangeQueryParams{GreaterThan: third}}))
	require.Equal(t, ids[2:], list(&stripe.CheckoutSessionListParams{CreatedRange: &stripe.RangeQueryParams{LesserThanOrEqual: third}}))

	for path, param := range map[string]string{
		"/v1/checkout/sessions?limit=0":                "limit",
		"/v1/checkout/sessions?limit=101":              "limit",
		"/v1/checkout/sessions?starting_after=cs_none": "starting_after",
		"/v1/checkout/sessions?ending_before=cs_none":  "ending_before",
		"/v1/checkout/sessions?created=1&created[gt]=": "created[gt]",
		"/v1/events?type=a&types[]=b":                  "types",
	} {
		resp, body := request(t, srv, "GET", path, nil)
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, path)
		require.Equal(t, param, body["error"].(map[string]any)["param"], path)
	}
	_, body := request(t, srv, "GET", "/v1/checkout/sessions?limit=2&expand[]=data.payment_intent.latest_charge&status=complete", nil)
	first := body["data"].([]any)[0].(map[string]any)
	require.Equal(t, "succeeded", first["payment_intent"].(map[string]any)["latest_charge"].(map[string]any)["status"])
}

func TestLineItemsAreListed(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	params := tee()
	for range 11 {
		params.LineItems = append(params.LineItems, params.LineItems[0])
	}
	id := create(t, srv, params).ID
	sess := retrieve(t, srv, id, "line_items")
	require.Len(t, sess.LineItems.Data, 10)
	require.True(t, sess.LineItems.HasMore)
	n := 0
	for line, err := range srv.Client().V1CheckoutSessions.ListLineItems(context.Background(), &stripe.CheckoutSessionListLineItemsParams{Session: &id}) {
		require.NoError(t, err)
		require.EqualValues(t, 1999, line.AmountTotal)
		n++
	}
	require.Equal(t, 12, n)
}

func TestKeysAccountsAndPaths(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{Key: "sk_test_mine"})
	for _, header := range []string{"", "Bearer ", "Bearer sk_test_other", "Bearer sk_live_secret", "Basic !"} {
		resp, body := request(t, srv, "GET", "/v1/events", nil, "Authorization", header)
		require.Equal(t, http.StatusUnauthorized, resp.StatusCode, header)
		require.NotContains(t, body["error"].(map[string]any)["message"], "secret", "a key is never repeated")
	}
	resp, _ := request(t, srv, "GET", "/v1/events", nil, "Authorization", "Basic c2tfdGVzdF9taW5lOg==")
	require.Equal(t, http.StatusOK, resp.StatusCode, "basic authentication, as curl -u sends it")
	require.NotEmpty(t, resp.Header.Get("Request-Id"))
	require.Equal(t, stripe.APIVersion, resp.Header.Get("Stripe-Version"))

	for _, c := range []struct{ method, path string }{{"GET", "/v1/refunds"}, {"DELETE", "/v1/checkout/sessions"}, {"GET", "/v1/"}} {
		resp, body := request(t, srv, c.method, c.path, nil)
		require.Equal(t, http.StatusNotFound, resp.StatusCode)
		require.Contains(t, body["error"].(map[string]any)["message"], "Unrecognized request URL ("+c.method+": "+c.path+")")
	}
	for path, message := range map[string]string{
		"/v1/checkout/sessions/cs_1": "No such checkout.session: 'cs_1'", "/v1/events/evt_1": "No such event: 'evt_1'",
		"/v1/checkout/sessions/cs_1/line_items": "No such checkout.session: 'cs_1'",
		"/v1/payment_intents/pi_1":              "No such payment_intent: 'pi_1'", "/v1/charges/ch_1": "No such charge: 'ch_1'",
	} {
		resp, body := request(t, srv, "GET", path, nil)
		require.Equal(t, http.StatusNotFound, resp.StatusCode)
		e := body["error"].(map[string]any)
		require.Equal(t, "resource_missing", e["code"])
		require.Equal(t, message, e["message"])
	}

	params := tee()
	params.SetStripeAccount("acct_1")
	id := create(t, srv, params).ID
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	resp, _ = request(t, srv, "GET", "/v1/checkout/sessions/"+id, nil)
	require.Equal(t, http.StatusNotFound, resp.StatusCode, "another account's session")
	resp, body := request(t, srv, "GET", "/v1/checkout/sessions/"+id, nil, "Stripe-Account", "acct_1")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	pi := str(body["payment_intent"])
	resp, _ = request(t, srv, "GET", "/v1/payment_intents/"+pi, nil)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	resp, _ = request(t, srv, "GET", "/v1/payment_intents/"+pi, nil, "Stripe-Account", "acct_1")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	_, body = request(t, srv, "GET", "/v1/events", nil, "Stripe-Account", "acct_1")
	require.Equal(t, "acct_1", body["data"].([]any)[0].(map[string]any)["account"])
	_, body = request(t, srv, "GET", "/v1/events", nil)
	require.Empty(t, body["data"])
}

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	post := func(path string, form url.Values, key string) (*http.Response, map[string]any) {
		return request(t, srv, "POST", path, form, "Idempotency-Key", key)
	}
	first, one := post("/v1/checkout/sessions", teeForm(), "k1")
	require.Empty(t, first.Header.Get("Idempotent-Replayed"))
	again, two := post("/v1/checkout/sessions", teeForm(), "k1")
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
	require.Equal(t, one, two)
	require.NotEqual(t, first.Header.Get("Request-Id"), again.Header.Get("Request-Id"))

	id := str(one["id"])
	for name, c := range map[string]struct {
		path string
		form url.Values
	}{"parameters": {"/v1/checkout/sessions", teeForm("locale", "de")}, "path": {"/v1/checkout/sessions/" + id + "/expire", nil}} {
		resp, body := post(c.path, c.form, "k1")
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, name)
		require.Equal(t, "idempotency_error", body["error"].(map[string]any)["type"], name)
	}

	resp, _ := post("/v1/checkout/sessions", teeForm("mode", "-"), "k2")
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	resp, _ = post("/v1/checkout/sessions", teeForm(), "k2")
	require.Equal(t, http.StatusOK, resp.StatusCode, "a validation failure is not remembered")

	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	resp, _ = post("/v1/checkout/sessions/"+id+"/expire", nil, "k3")
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	resp, _ = post("/v1/checkout/sessions/"+id+"/expire", nil, "k3")
	require.Equal(t, "true", resp.Header.Get("Idempotent-Replayed"), "a refusal by the call itself is remembered")

	resp, _ = post("/v1/checkout/sessions", teeForm(), strings.Repeat("k", 256))
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)

	srv.Advance(24 * time.Hour)
	_, three := post("/v1/checkout/sessions", teeForm(), "k1")
	require.NotEqual(t, one["id"], three["id"], "the key is forgotten after a day")
}

func TestConfigThatMakesNoSense(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]checkouttest.Config{
		"live key":        {Key: "sk_live_abc"},
		"no key":          {Key: "pk_test_abc"},
		"public address":  {Addr: "0.0.0.0:0"},
		"all interfaces":  {Addr: ":0"},
		"public webhook":  {WebhookURL: "https://shop.example/webhook"},
		"webhook scheme":  {WebhookURL: "ftp://127.0.0.1/"},
		"start and wall":  {Start: time.Unix(1, 0), WallClock: true},
		"unusual address": {Addr: "127.0.0.1:99999"},
	} {
		require.Panics(t, func() { checkouttest.NewServer(cfg) }, name)
	}
	srv := newServer(t, checkouttest.Config{})
	require.Panics(t, func() { srv.Advance(-1) })
	r, err := http.NewRequest("GET", "https://api.stripe.com/v1/events", nil)
	require.NoError(t, err)
	_, err = srv.Transport().RoundTrip(r)
	require.ErrorContains(t, err, "reaches http://stripe.test only")
}
