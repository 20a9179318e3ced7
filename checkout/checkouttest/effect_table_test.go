package checkouttest_test

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
	number = []string{aField + "[key]", "size", aField + "[label][custom]", "Size", aField + "[label][type]", "custom", aField + "[type]", "numeric"}
	words  = []string{aField + "[key]", "text", aField + "[label][custom]", "Text", aField + "[label][type]", "custom", aField + "[type]", "text"}
	post   = []string{aRate + "[display_name]", "Post", aRate + "[fixed_amount][amount]", "200", aRate + "[fixed_amount][currency]", "usd"}
)

// creations are the calls that make something, or take money.
var creations = []creation{
	{
		route: "POST /v1/checkout/sessions",
		base: []string{"mode", "payment", "success_url", "https://shop.example/", "line_items[0][price_data][currency]", "usd", "line_items[0][quantity]", "1",
			"line_items[0][price_data][product_data][name]", "T-shirt", "line_items[0][price_data][unit_amount]", "1999"},
		context: map[string][]string{
			"subscription_data": eachMonth, "payment_method_collection": eachMonth, "line_items[][price_data][recurring]": eachMonth, "setup_intent_data": setting,
			"currency": setting, "return_url": embedded, "redirect_on_completion": embedded, "ui_mode": embedded,
			"automatic_tax": {"automatic_tax[enabled]", "true"}, "customer_update": ofOne, "saved_payment_method_options": ofOne,
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
			"line_items[][price_data][recurring][interval]": "week", "quantity": "3",
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
		inert: map[string]string{"mandate_data": "it is the customer's consent, and no mandate is kept", "return_url": "nobody is sent to a bank's page"},
	},
	{route: "POST /v1/payment_intents/{id}/capture", values: map[string]string{"amount_to_capture": "700", "final_capture": "false"}},
	{
		route: "POST /v1/payment_intents/{id}/confirm", base: []string{"payment_method", "pm_card_visa"}, values: map[string]string{"payment_method": "PM"},
		inert: map[string]string{"mandate_data": "it is the customer's consent, and no mandate is kept", "return_url": "nobody is sent to a bank's page"},
	},
	{
		route:   "POST /v1/payment_methods",
		base:    []string{"type", "card", "card[token]", "tok_visa"},
		context: map[string][]string{"sepa_debit": {"type", "sepa_debit", "card[token]", "-"}, "card[number]": {"card[token]", "-"}},
		values: map[string]string{
			"type": "card", "card[token]": "tok_visa", "card[number]": "4242424242424242", "sepa_debit[iban]": "DE89370400440532013000", "exp_year": "2031",
			"allow_redisplay": "always",
		},
		inert: map[string]string{"card[cvc]": "Stripe never shows it"},
	},
	{
		route: "POST /v1/customers",
		values: map[string]string{
			"email": "b@example.org", "tax_exempt": "exempt", "payment_method": "PM", "default_payment_method": "PM",
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
		values: map[string]string{"customer": "PAYER", "items[][price]": "price_2", "items[][quantity]": "3"},
	},
	{
		route:  "POST /v1/invoiceitems",
		base:   []string{"customer", "CUS", "amount", "5", "currency", "usd"},
		values: map[string]string{"customer": "CUS", "currency": "eur"},
	},
	{
		route:  "POST /v1/invoices",
		base:   []string{"customer", "CUS"},
		values: map[string]string{"customer": "CUS", "pending_invoice_items_behavior": "include"},
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
		route: "POST /v1/shipping_rates",
		base:  []string{"display_name", "Post", "fixed_amount[amount]", "200", "fixed_amount[currency]", "usd"},
		values: map[string]string{
			"currency": "usd", "type": "fixed_amount", "tax_behavior": "exclusive", "fixed_amount[amount]": "300",
		},
		inert: map[string]string{"type": "it has one value"},
	},
}
