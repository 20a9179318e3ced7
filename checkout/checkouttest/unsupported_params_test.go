package checkouttest_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// A creation is a call that makes something, with the values that the test tries for its parameters. The values CUS, PAYER,
// PROD, RATE, COUPON, PROMO, PM, SAVED, SUB, PI, CH, INV, LINE and RE stand for existing objects: a customer, a customer with a card, a product, a
// shipping rate, a coupon, a promotion code, a payment method, one that is saved, a subscription, a paid payment intent and its charge, a paid invoice, its
// line and a refund of its charge.
type creation struct {
	route   string
	base    []string            // what every request has
	context map[string][]string // what those have besides that try a parameter with this prefix; the longest counts. "-" removes
	values  map[string]string   // what a parameter is tried with, by its name or its last part. Default: by its type
	inert   map[string]string   // why nothing can be seen of what has this prefix
}

// An outcome is the effect of a request: everything that the API shows afterwards, or the reason of a refusal.
type outcome struct{ all, refusal string }

// try makes a request to a new server, which makes the same IDs each time. If the request makes a session, try pays it.
func (c creation) try(t *testing.T, values url.Values) outcome {
	t.Helper()
	srv := newServer(t, checkouttest.Config{Seed: 5, Sequential: true, Start: time.Unix(1_800_000_000, 0)})
	srv.AddPrice(checkouttest.Price{ID: "price_1", Product: "prod_1", Name: "Cap", Currency: "usd", UnitAmount: 700})
	srv.AddPrice(checkouttest.Price{ID: "price_2", Name: "Box", Currency: "usd", UnitAmount: 900, Interval: "month"})
	made := func(path string, pairs ...string) string {
		resp, body := request(t, srv, "POST", "/v1/"+path, form(pairs...))
		require.Equal(t, http.StatusOK, resp.StatusCode, body)
		return body["id"].(string)
	}
	card := []string{"amount", "2000", "currency", "usd", "payment_method_types[0]", "card", "payment_method", "pm_card_visa", "confirm", "true"}
	there := map[string]func() string{ // made when a request names it
		"CUS": func() string {
			id := made("customers", "email", "ada@example.org")
			made("invoiceitems", "customer", id, "amount", "9", "currency", "usd")
			return id
		},
		"PAYER": func() string {
			return made("customers", "payment_method", "pm_card_visa", "invoice_settings[default_payment_method]", "pm_card_visa")
		},
		"PROD": func() string { return made("products", "name", "Mug") },
		"RATE": func() string {
			return made("shipping_rates", "display_name", "Post", "fixed_amount[amount]", "300", "fixed_amount[currency]", "usd")
		},
		"COUPON": func() string { return made("coupons", "percent_off", "50", "duration", "forever") },
		"PROMO": func() string {
			return made("promotion_codes", "coupon", made("coupons", "amount_off", "700", "currency", "usd"))
		},
		"SUB": func() string {
			payer := made("customers", "payment_method", "pm_card_visa", "invoice_settings[default_payment_method]", "pm_card_visa")
			return made("subscriptions", "customer", payer, "items[0][price]", "price_2")
		},
		"PM": func() string { return made("payment_methods", "type", "card", "card[token]", "tok_visa") },
		"SAVED": func() string { // asks to authenticate, unless its customer is away
			return made("payment_methods/pm_card_authenticationRequiredOnSetup/attach", "customer", made("customers"))
		},
		"TAX": func() string {
			return made("tax_rates", "display_name", "VAT", "percentage", "10", "inclusive", "false")
		},
		"INV": func() string {
			cus := made("customers", "payment_method", "pm_card_visa", "invoice_settings[default_payment_method]", "pm_card_visa")
			made("invoiceitems", "customer", cus, "amount", "2000", "currency", "usd")
			return made("invoices/" + made("invoices", "customer", cus, "pending_invoice_items_behavior", "include") + "/pay")
		},
		"LINE": func() string {
			_, list := request(t, srv, "GET", "/v1/invoices", nil)
			return list["data"].([]any)[0].(map[string]any)["lines"].(map[string]any)["data"].([]any)[0].(map[string]any)["id"].(string)
		},
		"RE":    func() string { return made("refunds", "charge", newest(t, srv)["charges"].(string), "amount", "600") },
		"CLOCK": func() string { return made("test_helpers/test_clocks", "frozen_time", "1800000000") },
		"PI":    func() string { return made("payment_intents", card...) },
		"CH": func() string {
			_, pi := request(t, srv, "GET", "/v1/payment_intents/"+made("payment_intents", card...), nil)
			return pi["latest_charge"].(string)
		},
	}
	values, ids := maps.Clone(values), map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		v := values.Get(name)
		if there[v] != nil && ids[v] == "" {
			ids[v] = there[v]()
		}
		if ids[v] != "" {
			values.Set(name, ids[v])
		}
	}
	method, path, _ := strings.Cut(c.route, " ")
	switch {
	case strings.HasSuffix(path, "/capture"):
		path = strings.Replace(path, "{id}", made("payment_intents", append(card, "capture_method", "manual")...), 1)
	case strings.HasSuffix(path, "/confirm"):
		path = strings.Replace(path, "{id}", made("payment_intents", card[:6]...), 1)
	}
	before := newest(t, srv)
	resp, body := request(t, srv, method, path, values)
	if resp.StatusCode != http.StatusOK {
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, body)
		require.Equal(t, before, newest(t, srv), "it was refused, and something was made")
		return outcome{refusal: body["error"].(map[string]any)["message"].(string)}
	}
	if body["object"] == "checkout.session" {
		require.NoError(t, srv.Pay(body["id"].(string), checkouttest.CardOK))
	}
	shown, err := json.Marshal(body)
	require.NoError(t, err)
	return outcome{all: everything(t, srv) + string(shown)}
}

func everything(t *testing.T, srv *checkouttest.Server) string {
	t.Helper()
	var b strings.Builder
	for _, kind := range append(slices.Clone(kinds), "shipping_rates", "setup_intents", "events") {
		r := httptest.NewRequest(http.MethodGet, "/v1/"+kind+"?limit=100", nil)
		r.SetBasicAuth(srv.Key(), "")
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code)
		b.Write(w.Body.Bytes())
	}
	return b.String()
}

// request returns the form that tries a parameter, with the parameter or without.
func (c creation) request(name, kind string, with bool) url.Values {
	pairs, context := slices.Clone(c.base), ""
	for prefix := range c.context {
		if strings.HasPrefix(name, prefix) && len(prefix) > len(context) {
			context = prefix
		}
	}
	pairs = append(pairs, c.context[context]...)
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if values.Set(pairs[i], pairs[i+1]); pairs[i+1] == "-" {
			values.Del(pairs[i])
		}
	}
	sent := strings.NewReplacer("[]", "[0]", "[*]", "[k]").Replace(name)
	last := strings.TrimSuffix(name[strings.LastIndexByte(name, '[')+1:], "]")
	value := map[string]string{"time": "1800900000", "int": "7", "bool": "true", "decimal": "7.5", "string": "sample"}[kind]
	for _, key := range []string{last, name} {
		if v := c.values[key]; v != "" {
			value = v
		}
	}
	if values.Del(sent); with {
		values.Set(sent, value)
	}
	return values
}

// parameters returns all parameters that Stripe knows of a call, with their types, except for expand.
func parameters(t *testing.T, route string) map[string]string {
	t.Helper()
	text, err := os.ReadFile("params.txt")
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(text), "\n"+route+"\n")
	block, _, _ := strings.Cut(rest, "\n\n")
	found := map[string]string{}
	for line := range strings.Lines(block) {
		name, kind, _ := strings.Cut(strings.TrimSpace(line), " ")
		found[name] = kind
	}
	delete(found, "expand[]")
	require.NotEmpty(t, found, route)
	return found
}

// Each parameter that Stripe knows has an effect, or the server refuses it with an error that names it.
func TestEveryParameterHasAnEffect(t *testing.T) {
	t.Parallel()
	for _, c := range creations {
		var mu sync.Mutex
		without := map[string]outcome{} // many parameters have the same request without them
		for name, kind := range parameters(t, c.route) {
			t.Run(strings.ReplaceAll(c.route+" "+name, "/", "."), func(t *testing.T) {
				t.Parallel()
				with := c.try(t, c.request(name, kind, true))
				if strings.Contains(with.refusal, "his test server ") {
					return
				}
				require.Empty(t, with.refusal, "tried wrongly")
				base := c.request(name, kind, false)
				mu.Lock()
				other, known := without[base.Encode()]
				mu.Unlock()
				if !known {
					other = c.try(t, base)
					mu.Lock()
					without[base.Encode()] = other
					mu.Unlock()
				}
				inert := slices.ContainsFunc(slices.Collect(maps.Keys(c.inert)), func(prefix string) bool { return strings.HasPrefix(name, prefix) })
				require.Equal(t, !inert, with != other, "it was accepted, and nothing came of it")
			})
		}
	}
}

const (
	aRate  = "shipping_options[0][shipping_rate_data]"
	aField = "custom_fields[0]"
)

var (
	eachMonth = []string{"mode", "subscription", "line_items[0][price_data][recurring][interval]", "month"}
	embedded  = []string{"ui_mode", "embedded", "success_url", "-", "return_url", "https://shop.example/"}
	ofOne     = []string{"customer", "CUS", "shipping_address_collection[allowed_countries][0]", "US"}
	setting   = []string{"mode", "setup", "currency", "usd", "line_items[0][price_data][currency]", "-", "line_items[0][price_data][unit_amount]", "-",
		"line_items[0][price_data][product_data][name]", "-", "line_items[0][quantity]", "-"}
	choice = []string{aField + "[key]", "colour", aField + "[label][custom]", "Colour", aField + "[label][type]", "custom", aField + "[type]", "dropdown",
		aField + "[dropdown][options][0][label]", "Red", aField + "[dropdown][options][0][value]", "red"}
	number   = []string{aField + "[key]", "size", aField + "[label][custom]", "Size", aField + "[label][type]", "custom", aField + "[type]", "numeric"}
	words    = []string{aField + "[key]", "text", aField + "[label][custom]", "Text", aField + "[label][type]", "custom", aField + "[type]", "text"}
	invoiced = []string{"invoice_creation[enabled]", "true", "invoice_creation[invoice_data][custom_fields][0][name]", "Order",
		"invoice_creation[invoice_data][custom_fields][0][value]", "1"}
	credited     = []string{"amount", "-", "lines[0][type]", "custom_line_item", "lines[0][description]", "Late", "lines[0][unit_amount]", "500"}
	creditedLine = []string{"amount", "-", "lines[0][type]", "invoice_line_item", "lines[0][invoice_line_item]", "LINE", "lines[0][amount]", "500"}
	extra        = []string{"optional_items[0][price]", "price_1", "optional_items[0][quantity]", "1"}
	post         = []string{aRate + "[display_name]", "Post", aRate + "[fixed_amount][amount]", "200", aRate + "[fixed_amount][currency]", "usd"}
)

// creations are the calls that make something or take money.
var creations = []creation{
	{
		route: "POST /v1/checkout/sessions",
		base: []string{"mode", "payment", "success_url", "https://shop.example/", "line_items[0][price_data][currency]", "usd", "line_items[0][quantity]", "1",
			"line_items[0][price_data][product_data][name]", "T-shirt", "line_items[0][price_data][unit_amount]", "1999"},
		context: map[string][]string{
			"subscription_data": eachMonth, "payment_method_collection": eachMonth, "line_items[][price_data][recurring]": eachMonth, "setup_intent_data": setting,
			"currency": setting, "return_url": embedded, "redirect_on_completion": embedded, "ui_mode": embedded,
			"invoice_creation": {"invoice_creation[enabled]", "true"}, "invoice_creation[invoice_data][custom_fields]": invoiced,
			"automatic_tax": {"automatic_tax[enabled]", "true"}, "customer_update": ofOne, "saved_payment_method_options": ofOne,
			"optional_items": extra, "optional_items[][adjustable_quantity]": append(slices.Clone(extra), "optional_items[0][adjustable_quantity][enabled]", "true"),
			"custom_fields": choice, "custom_fields[][numeric]": number, "custom_fields[][text]": words,
			"shipping_options[][shipping_rate_data]":         post,
			"line_items[][price_data][product]":              {"line_items[0][price_data][product_data][name]", "-"},
			"line_items[][price_data][product_data]":         nil,
			"line_items[][price_data][unit_amount_decimal]":  {"line_items[0][price_data][unit_amount]", "-"},
			"line_items[][price]":                            {"line_items[0][price_data][currency]", "-", "line_items[0][price_data][product_data][name]", "-", "line_items[0][price_data][unit_amount]", "-"},
			"line_items[][price_data]":                       nil,
			"payment_method_options[card]":                   nil,
			"customer_email":                                 nil,
			"shipping_options[][shipping_rate_data][deliver": post,
		},
		values: map[string]string{
			"mode": "payment", "ui_mode": "custom", "success_url": "https://shop.example/thanks", "cancel_url": "https://shop.example/cart", "return_url": "https://shop.example/back",
			"expires_at": "1800003600", "customer": "CUS", "customer_email": "b@example.org", "customer_creation": "always", "billing_address_collection": "required",
			"currency": "usd", "custom_fields[][type]": "dropdown", "custom_fields[][label][type]": "custom", "line_items[][price]": "price_1",
			"line_items[][price_data][product]": "PROD", "interval": "month", "tax_behavior": "exclusive", "line_items[][price_data][unit_amount]": "2999",
			"line_items[][price_data][unit_amount_decimal]": "2999.5", "capture_method": "manual", "setup_future_usage": "off_session",
			"payment_method_collection": "if_required", "redirect_on_completion": "if_required", "submit_type": "pay", "shipping_options[][shipping_rate]": "RATE",
			"shipping_options[][shipping_rate_data][type]": "fixed_amount", "promotions": "auto", "terms_of_service": "required", "payment_method_types[]": "card",
			"customer_update[address]": "auto", "customer_update[name]": "auto", "customer_update[shipping]": "auto", "required": "if_supported",
			"line_items[][price_data][recurring][interval]": "week", "quantity": "3", "missing_payment_method": "pause", "trial_end": "1800900000",
			"discounts[][coupon]": "COUPON", "discounts[][promotion_code]": "PROMO", "locale": "de", "line_items[][tax_rates][]": "TAX", "invoice_creation[invoice_data][issuer][type]": "account", "optional_items[][price]": "price_1",
			"automatic_tax[liability][type]": "account", "shipping_address_collection[allowed_countries][]": "DE",
		},
		inert: map[string]string{
			"line_items[][adjustable_quantity]":            "only who chooses sees it: see TestAdjustableQuantities",
			"shipping_options[][shipping_rate_data][type]": "it has one value", "custom_fields[][label][type]": "it has one value",
		},
	},
	{
		route:   "POST /v1/refunds",
		base:    []string{"payment_intent", "PI"},
		context: map[string][]string{"charge": {"payment_intent", "-"}},
		values:  map[string]string{"reason": "duplicate", "payment_intent": "PI", "charge": "CH", "amount": "500"},
	},
	{
		route: "POST /v1/payment_intents",
		base:  []string{"amount", "2000", "currency", "usd", "payment_method_types[0]", "card", "payment_method", "pm_card_visa", "confirm", "true"},
		values: map[string]string{
			"amount": "3000", "currency": "eur", "customer": "CUS", "capture_method": "manual", "payment_method": "pm_card_pendingRefund", "confirm": "true",
			"confirmation_method": "manual", "payment_method_types[]": "card",
		},
		context: map[string][]string{"off_session": {"payment_method", "SAVED"}},
		inert:   map[string]string{"mandate_data": "it is the customer's consent, and no mandate is kept", "return_url": "nobody is sent to a bank's page"},
	},
	{route: "POST /v1/payment_intents/{id}/capture", values: map[string]string{"amount_to_capture": "700", "final_capture": "false"}},
	{
		route: "POST /v1/payment_intents/{id}/confirm", base: []string{"payment_method", "pm_card_visa"}, values: map[string]string{"payment_method": "PM"},
		context: map[string][]string{"off_session": {"payment_method", "SAVED"}},
		inert:   map[string]string{"mandate_data": "it is the customer's consent, and no mandate is kept", "return_url": "nobody is sent to a bank's page"},
	},
	{
		route:   "POST /v1/payment_methods",
		base:    []string{"type", "card", "card[token]", "tok_visa"},
		context: map[string][]string{"sepa_debit": {"type", "sepa_debit", "card[token]", "-"}, "card[number]": {"card[token]", "-"}},
		values: map[string]string{
			"type": "card", "card[token]": "tok_visa", "card[number]": "4242424242424242", "sepa_debit[iban]": "DE89370400440532013000", "exp_year": "2031", "cvc": "123",
			"allow_redisplay": "always",
		},
		inert: map[string]string{"card[cvc]": "Stripe never shows it"},
	},
	{
		route: "POST /v1/customers",
		values: map[string]string{
			"email": "b@example.org", "tax_exempt": "exempt", "payment_method": "PM", "default_payment_method": "PM", "source": "tok_visa", "test_clock": "CLOCK",
		},
		context: map[string][]string{"invoice_settings": {"payment_method", "PM"}},
	},
	{route: "POST /v1/products", base: []string{"name", "Mug"}, context: map[string][]string{
		"default_price_data": {"default_price_data[currency]", "usd", "default_price_data[unit_amount]", "5"}, "default_price_data[unit_amount_decimal]": {"default_price_data[currency]", "usd"},
		"default_price_data[recurring]": {"default_price_data[currency]", "usd", "default_price_data[unit_amount]", "5", "default_price_data[recurring][interval]", "month"},
	}, values: map[string]string{"currency": "usd", "interval": "week", "tax_behavior": "exclusive", "active": "false"}},
	{
		route: "POST /v1/prices",
		base:  []string{"currency", "usd", "unit_amount", "5", "product_data[name]", "Mug"},
		context: map[string][]string{
			"product": {"product_data[name]", "-"}, "product_data": nil, "unit_amount_decimal": {"unit_amount", "-"}, "recurring": {"recurring[interval]", "month"},
		},
		values: map[string]string{
			"currency": "usd", "product": "PROD", "interval": "week", "tax_behavior": "exclusive", "active": "false", "usage_type": "metered", "billing_scheme": "tiered",
		},
		inert: map[string]string{"transfer_lookup_key": "nobody has the key: see TestProductsAndPrices"},
	},
	{
		route:  "POST /v1/subscriptions",
		base:   []string{"customer", "PAYER", "items[0][price]", "price_2"},
		values: map[string]string{"discounts[][coupon]": "COUPON", "discounts[][promotion_code]": "PROMO", "customer": "PAYER", "items[][price]": "price_2", "items[][quantity]": "3", "missing_payment_method": "pause"},
	},
	{
		route: "POST /v1/subscription_schedules",
		base:  []string{"customer", "PAYER", "start_date", "now", "phases[0][items][0][price]", "price_2"},
		values: map[string]string{
			"customer": "PAYER", "end_behavior": "cancel", "end_date": "1800900000", "from_subscription": "SUB", "interval": "week", "phases[][items][][price]": "price_2",
			"proration_behavior": "none",
		},
		context: map[string][]string{
			"from_subscription":                  {"customer", "-", "phases[0][items][0][price]", "-", "start_date", "-"},
			"phases[][duration][interval_count]": {"phases[0][duration][interval]", "week"},
		},
	},
	{
		route:  "POST /v1/invoiceitems",
		base:   []string{"customer", "CUS", "amount", "5", "currency", "usd"},
		values: map[string]string{"customer": "CUS", "currency": "eur"},
	},
	{
		route:  "POST /v1/invoices",
		base:   []string{"customer", "CUS"},
		values: map[string]string{"customer": "CUS", "pending_invoice_items_behavior": "include", "collection_method": "send_invoice"},
		context: map[string][]string{
			"collection_method": {"days_until_due", "7"}, "days_until_due": {"collection_method", "send_invoice", "days_until_due", "3"},
		},
	},
	{
		route: "POST /v1/credit_notes",
		base:  []string{"invoice", "INV", "amount", "500", "out_of_band_amount", "500"},
		context: map[string][]string{
			"lines": credited, "lines[][quantity]": append(slices.Clone(credited), "lines[0][unit_amount]", "100"),
			"lines[][unit_amount_decimal]": append(slices.Clone(credited), "lines[0][unit_amount]", "-"), "lines[][amount]": creditedLine, "lines[][invoice_line_item]": creditedLine,
			"credit_amount": {"out_of_band_amount", "450"}, "refund_amount": {"out_of_band_amount", "450"},
			"refunds": {"out_of_band_amount", "-", "refunds[0][refund]", "RE", "refunds[0][amount_refunded]", "500"},
		},
		values: map[string]string{
			"invoice": "INV", "amount": "500", "out_of_band_amount": "500", "credit_amount": "50", "refund_amount": "50", "reason": "duplicate", "email_type": "none",
			"type": "custom_line_item", "unit_amount": "500", "unit_amount_decimal": "500.4", "quantity": "5", "invoice_line_item": "LINE", "refund": "RE", "amount_refunded": "500",
		},
		inert: map[string]string{"email_type": "no e-mail leaves a sandbox"},
	},
	{
		route:  "POST /v1/setup_intents",
		base:   []string{"payment_method", "pm_card_visa"},
		values: map[string]string{"customer": "CUS", "payment_method": "pm_card_mastercard", "usage": "on_session", "payment_method_types[]": "card", "confirm": "true", "enabled": "false"},
		inert:  map[string]string{"mandate_data": "it is the customer's consent, and no mandate is kept", "return_url": "nobody is sent to a bank's page"},
	},
	{
		route:   "POST /v1/coupons",
		base:    []string{"percent_off", "10"},
		context: map[string][]string{"amount_off": {"percent_off", "-", "currency", "usd"}, "currency": {"percent_off", "-", "amount_off", "5"}, "duration_in_months": {"duration", "repeating", "duration_in_months", "2"}},
		values:  map[string]string{"currency": "usd", "duration": "forever", "percent_off": "25", "redeem_by": "1800900000"},
	},
	{
		route:   "POST /v1/promotion_codes",
		base:    []string{"coupon", "COUPON"},
		context: map[string][]string{"restrictions": {"restrictions[minimum_amount]", "5", "restrictions[minimum_amount_currency]", "usd"}},
		values:  map[string]string{"coupon": "COUPON", "customer": "CUS", "expires_at": "1800900000", "active": "false", "restrictions[minimum_amount_currency]": "usd"},
	},
	{
		route: "POST /v1/webhook_endpoints",
		base:  []string{"url", "http://127.0.0.1:9/", "enabled_events[0]", "invoice.paid"},
		values: map[string]string{
			"url": "http://127.0.0.1:9/hook", "enabled_events[]": "*", "api_version": "2024-06-20",
		},
		inert: map[string]string{"connect": "deliveries show it: see TestSeveralEndpoints"},
	},
	{
		route:  "POST /v1/tax_rates",
		base:   []string{"display_name", "VAT", "percentage", "10", "inclusive", "false"},
		values: map[string]string{"country": "DE", "percentage": "19", "tax_type": "vat", "active": "false"},
	},
	{
		route: "POST /v1/shipping_rates",
		base:  []string{"display_name", "Post", "fixed_amount[amount]", "200", "fixed_amount[currency]", "usd"},
		values: map[string]string{
			"currency": "usd", "type": "fixed_amount", "tax_behavior": "exclusive", "fixed_amount[amount]": "300",
		},
		inert: map[string]string{"type": "it has one value"},
	},
}
