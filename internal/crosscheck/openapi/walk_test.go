package openapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// walk makes a test server answer every call and send every event that it knows, and keeps them.
type walk struct {
	t      *testing.T
	srv    *checkouttest.Server
	tap    *tap
	events [][]byte // the delivered payloads
}

func newWalk(t *testing.T) *walk {
	w := &walk{t: t, srv: checkouttest.NewServer(checkouttest.Config{TaxRegistrations: []string{"US"}})}
	t.Cleanup(w.srv.Close)
	w.tap = &tap{to: w.srv.Transport()}
	w.srv.Deliver(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		payload, err := io.ReadAll(r.Body)
		if err == nil {
			w.events = append(w.events, payload)
		}
	}))
	return w
}

// object is an answer of the server.
type object map[string]any

func (o object) id() string { return o["id"].(string) }

// form returns the parameters of a request. pairs are names and values.
func form(pairs ...string) url.Values {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return values
}

// call makes a request whose answer must have the status want.
func (w *walk) call(want int, method, path string, pairs ...string) object {
	w.t.Helper()
	values, target, body := form(pairs...), w.srv.URL()+path, ""
	if method == http.MethodPost {
		body = values.Encode()
	} else {
		target += "?" + values.Encode()
	}
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	require.NoError(w.t, err)
	r.Header.Set("Authorization", "Bearer "+w.srv.Key())
	resp, err := w.tap.RoundTrip(r)
	require.NoError(w.t, err)
	var o object
	require.NoError(w.t, json.NewDecoder(resp.Body).Decode(&o))
	require.Equal(w.t, want, resp.StatusCode, "%s %s: %v", method, path, o)
	return o
}

func (w *walk) post(path string, pairs ...string) object { return w.call(200, "POST", path, pairs...) }
func (w *walk) get(path string, pairs ...string) object  { return w.call(200, "GET", path, pairs...) }

// session creates a session: a T-shirt for 19.99 unless the parameters say otherwise.
func (w *walk) session(pairs ...string) string {
	w.t.Helper()
	all := append([]string{"success_url", "https://shop.example/thanks"}, pairs...)
	if form(all...).Get("mode") == "" {
		all = append(all, "mode", "payment")
	}
	if form(all...).Get("mode") == "payment" && !slices.Contains(all, "line_items[0][price]") {
		all = append(all, "line_items[0][price_data][currency]", "usd", "line_items[0][price_data][unit_amount]", "1999",
			"line_items[0][price_data][product_data][name]", "T-shirt", "line_items[0][quantity]", "1")
	}
	return w.post("/v1/checkout/sessions", all...).id()
}

// look fetches a session with everything that belongs to it.
func (w *walk) look(id string) object {
	w.t.Helper()
	w.get("/v1/checkout/sessions/" + id + "/line_items")
	return w.get("/v1/checkout/sessions/"+id, "expand[]", "line_items.data.price.product", "expand[]", "payment_intent.latest_charge.refunds")
}

func (w *walk) catalogue() (customer, price string) {
	customer = w.post("/v1/customers", "email", "a@shop.example", "name", "A", "description", "regular", "phone", "+15555550100", "metadata[k]", "v",
		"address[line1]", "1 Test Street", "address[country]", "US", "shipping[name]", "A", "shipping[address][line1]", "1 Test Street").id()
	w.post("/v1/customers/"+customer, "name", "B")
	w.get("/v1/customers/" + customer)
	w.get("/v1/customers", "email", "a@shop.example")
	product := w.post("/v1/products", "name", "T-shirt", "description", "cotton", "metadata[k]", "v", "images[0]", "https://shop.example/tee.png").id()
	w.post("/v1/products/"+product, "name", "Tee")
	w.get("/v1/products/" + product)
	w.get("/v1/products", "active", "true")
	price = w.post("/v1/prices", "product", product, "currency", "usd", "unit_amount", "1500", "nickname", "plain").id()
	w.post("/v1/prices/"+price, "nickname", "plainer")
	w.post("/v1/prices", "product", product, "currency", "usd", "unit_amount_decimal", "0.5", "recurring[interval]", "month")
	w.get("/v1/prices/"+price, "expand[]", "product")
	w.get("/v1/prices", "product", product)
	rate := w.post("/v1/shipping_rates", "display_name", "Post", "fixed_amount[amount]", "500", "fixed_amount[currency]", "usd", "type", "fixed_amount",
		"delivery_estimate[maximum][unit]", "day", "delivery_estimate[maximum][value]", "3", "metadata[k]", "v").id()
	w.post("/v1/shipping_rates/"+rate, "active", "false")
	w.get("/v1/shipping_rates/" + rate)
	w.get("/v1/shipping_rates")
	return customer, price
}

// payments takes sessions to each of their possible ends.
func (w *walk) payments(customer, price string) {
	t := w.t
	for name, pairs := range map[string][]string{
		"plain": nil,
		"priced": {"line_items[0][price]", price, "line_items[0][quantity]", "2", "customer", customer,
			"customer_update[address]", "auto", "customer_update[name]", "auto", "saved_payment_method_options[payment_method_save]", "enabled"},
		"customer": {"customer_creation", "always", "metadata[k]", "v", "client_reference_id", "order-42", "locale", "de", "payment_intent_data[metadata][k]", "v"},
		"asks": {
			"phone_number_collection[enabled]", "true", "shipping_address_collection[allowed_countries][0]", "US", "billing_address_collection", "required",
			"shipping_options[0][shipping_rate_data][display_name]", "Post", "shipping_options[0][shipping_rate_data][type]", "fixed_amount",
			"shipping_options[0][shipping_rate_data][fixed_amount][amount]", "500", "shipping_options[0][shipping_rate_data][fixed_amount][currency]", "usd",
			"custom_text[submit][message]", "Thanks", "automatic_tax[enabled]", "true", "allow_promotion_codes", "true", "tax_id_collection[enabled]", "true",
			"consent_collection[terms_of_service]", "required", "consent_collection[promotions]", "auto",
			"custom_fields[0][key]", "size", "custom_fields[0][label][type]", "custom", "custom_fields[0][label][custom]", "Size",
			"custom_fields[0][type]", "dropdown", "custom_fields[0][dropdown][options][0][label]", "M", "custom_fields[0][dropdown][options][0][value]", "m",
			"custom_fields[1][key]", "text", "custom_fields[1][label][type]", "custom", "custom_fields[1][label][custom]", "Text", "custom_fields[1][type]", "text",
			"optional_items[0][price]", price, "optional_items[0][quantity]", "1", "optional_items[0][adjustable_quantity][enabled]", "true",
			"payment_method_options[card][setup_future_usage]", "on_session", "submit_type", "pay", "customer_email", "a@shop.example",
		},
		"embedded": {"ui_mode", "embedded", "success_url", "", "return_url", "https://shop.example/back"},
		"manual":   {"payment_intent_data[capture_method]", "manual"},
		"free":     {"line_items[0][price_data][currency]", "usd"},
		"setup":    {"mode", "setup", "currency", "usd"},
		"subscription": {
			"mode", "subscription", "line_items[0][price_data][currency]", "usd", "line_items[0][price_data][unit_amount]", "900", "line_items[0][quantity]", "1",
			"line_items[0][price_data][product_data][name]", "Box", "line_items[0][price_data][recurring][interval]", "month",
		},
	} {
		pairs = slices.Clone(pairs)
		if name == "embedded" {
			pairs = []string{"ui_mode", "embedded", "return_url", "https://shop.example/back"}
		}
		if name == "free" {
			pairs = []string{"line_items[0][price]", w.srv.AddPrice(checkouttest.Price{Name: "Free", Currency: "usd"}), "line_items[0][quantity]", "1"}
		}
		var id string
		if name == "embedded" {
			id = w.post("/v1/checkout/sessions", append(pairs, "mode", "payment", "line_items[0][price]", price, "line_items[0][quantity]", "1")...).id()
		} else {
			id = w.session(pairs...)
		}
		w.look(id)
		require.NoError(t, w.srv.Pay(id, checkouttest.CardOK), name)
		if seti, ok := w.look(id)["setup_intent"].(string); ok {
			w.get("/v1/setup_intents/"+seti, "expand[]", "payment_method")
			w.get("/v1/setup_intents")
		}
	}
	for _, card := range []checkouttest.PaymentMethod{checkouttest.CardDeclined, checkouttest.CardInsufficientFunds, checkouttest.CardExpired} {
		id := w.session()
		require.Error(t, w.srv.Pay(id, card))
		w.look(id)
		require.NoError(t, w.srv.Pay(id, checkouttest.Card3DS))
		w.look(id)
	}
	for _, end := range []func(string) error{w.srv.Settle, w.srv.Bounce} {
		id := w.session()
		require.NoError(t, w.srv.Pay(id, checkouttest.BankDebit))
		w.look(id)
		require.NoError(t, end(id))
		w.look(id)
	}
	id := w.session()
	w.post("/v1/checkout/sessions/"+id, "metadata[k]", "v")
	require.Error(t, w.srv.Pay(id, checkouttest.CardDeclined))
	w.post("/v1/checkout/sessions/" + id + "/expire")
	w.look(id)
	w.session()
	w.srv.Advance(25 * time.Hour)
	w.get("/v1/checkout/sessions", "limit", "3", "expand[]", "data.payment_intent")
	w.get("/v1/checkout/sessions", "status", "expired")
}

func (w *walk) paid() (session, intent, charge string) {
	session = w.session()
	require.NoError(w.t, w.srv.Pay(session, checkouttest.CardOK))
	intent = w.get("/v1/checkout/sessions/" + session)["payment_intent"].(string)
	return session, intent, w.get("/v1/payment_intents/" + intent)["latest_charge"].(string)
}

// transfers funds payments by bank transfer in each currency: in a part, by too much, and one that is then canceled.
func (w *walk) transfers() {
	for currency, kind := range map[string]string{"eur": "eu", "gbp": "gb", "jpy": "jp", "mxn": "mx", "usd": "us"} {
		customer := w.post("/v1/customers").id()
		options := "payment_method_options[customer_balance]"
		offer := []string{
			"customer", customer, "payment_method_types[0]", "customer_balance", options + "[funding_type]", "bank_transfer",
			options + "[bank_transfer][type]", kind + "_bank_transfer",
		}
		if kind == "eu" {
			offer = append(offer, options+"[bank_transfer][eu_bank_transfer][country]", "FR")
		}
		session := w.post("/v1/checkout/sessions", append(offer, "mode", "payment", "success_url", "https://shop.example/thanks",
			"line_items[0][price_data][currency]", currency, "line_items[0][price_data][unit_amount]", "1999",
			"line_items[0][price_data][product_data][name]", "T-shirt", "line_items[0][quantity]", "1")...).id()
		require.NoError(w.t, w.srv.Pay(session, checkouttest.BankTransfer))
		fund := "/v1/test_helpers/customers/" + customer + "/fund_cash_balance"
		w.look(session)
		w.post(fund, "amount", "500", "currency", currency)
		w.look(session)
		w.post(fund, "amount", "2000", "currency", currency, "reference", "Thank you")
		w.get("/v1/payment_intents/"+w.look(session)["payment_intent"].(map[string]any)["id"].(string), "expand[]", "payment_method")
		_, err := w.srv.Refund(session, 300)
		require.NoError(w.t, err)
		pi := w.post("/v1/payment_intents", append(offer, "amount", "3000", "currency", currency, "payment_method_data[type]", "customer_balance", "confirm", "true")...).id()
		w.post("/v1/payment_intents/" + pi + "/cancel")
		w.get("/v1/customers/" + customer + "/cash_balance")
		txns := w.get("/v1/customers/" + customer + "/cash_balance_transactions")["data"].([]any)
		w.get("/v1/customers/" + customer + "/cash_balance_transactions/" + txns[0].(map[string]any)["id"].(string))
	}
}

func (w *walk) moneyBack() {
	t := w.t
	_, intent, charge := w.paid()
	re := w.post("/v1/refunds", "payment_intent", intent, "amount", "500", "reason", "duplicate").id()
	w.post("/v1/refunds/"+re, "metadata[k]", "v")
	w.get("/v1/refunds/"+re, "expand[]", "charge.payment_intent")
	require.NoError(t, w.srv.FailRefund(re))
	w.get("/v1/balance_transactions/" + w.get("/v1/refunds/" + re)["balance_transaction"].(string))
	w.post("/v1/refunds", "charge", charge)
	w.get("/v1/refunds", "charge", charge)
	w.get("/v1/charges/"+charge, "expand[]", "refunds")
	w.get("/v1/charges", "payment_intent", intent)
	w.get("/v1/payment_intents")
	id := w.session()
	require.NoError(t, w.srv.Pay(id, checkouttest.CardRefundPending))
	pending, err := w.srv.Refund(id, 700)
	require.NoError(t, err)
	w.post("/v1/refunds/" + pending + "/cancel")
	_, err = w.srv.Refund(id, 0)
	require.NoError(t, err)
	w.get("/v1/refunds")
	w.get("/v1/balance_transactions", "source", charge)
	w.get("/v1/charges/"+charge, "expand[]", "balance_transaction")
	w.srv.Advance(25 * time.Hour)

	for _, end := range []func(string) error{w.srv.WinDispute, w.srv.LoseDispute, nil} {
		session, intent, charge := w.paid()
		dp, err := w.srv.Dispute(session)
		require.NoError(t, err)
		w.get("/v1/disputes/"+dp, "expand[]", "charge")
		w.get("/v1/charges/" + charge)
		w.post("/v1/disputes/"+dp, "evidence[product_description]", "T-shirt", "submit", "false", "metadata[k]", "v")
		if end == nil {
			w.post("/v1/disputes/" + dp + "/close")
		} else {
			require.NoError(t, end(dp))
		}
		w.get("/v1/disputes", "payment_intent", intent)
	}
	for _, name := range []string{"createIssuerFraudRecord", "createMultipleDisputes", "createDisputeInquiry", "radarBlock", "mastercard_cartesBancaires", "avsFail"} {
		want := http.StatusOK
		if name == "radarBlock" {
			want = http.StatusPaymentRequired
		}
		w.call(want, http.MethodPost, "/v1/payment_intents", "amount", "2000", "currency", "usd", "payment_method_types[0]", "card", "payment_method", "pm_card_"+name, "confirm", "true")
	}
	warning := w.get("/v1/radar/early_fraud_warnings")["data"].([]any)[0].(map[string]any)["id"].(string)
	w.post("/v1/refunds", "charge", w.get("/v1/radar/early_fraud_warnings/" + warning)["charge"].(string))
}

// changes changes the plan, the quantity and the collection of a subscription.
func (w *walk) changes(sub string) {
	item := w.get("/v1/subscriptions/" + sub)["items"].(map[string]any)["data"].([]any)[0].(map[string]any)["id"].(string)
	for _, interval := range []string{"month", "year"} {
		price := w.srv.AddPrice(checkouttest.Price{Name: "Crate", Currency: "usd", UnitAmount: 1900, Interval: interval})
		w.post("/v1/subscriptions/"+sub, "items[0][id]", item, "items[0][price]", price)
	}
	w.post("/v1/subscriptions/"+sub, "items[0][id]", item, "items[0][quantity]", "2", "proration_behavior", "always_invoice")
	w.post("/v1/subscriptions/"+sub, "pause_collection[behavior]", "void")
	w.post("/v1/subscriptions/"+sub, "cancel_at", fmt.Sprint(w.srv.Now().Add(time.Hour*24*900).Unix()), "cancellation_details[feedback]", "unused")
	w.get("/v1/invoices", "subscription", sub)
}

// discounts gives sessions and subscriptions coupons and promotion codes.
func (w *walk) discounts(box []string) {
	half := w.post("/v1/coupons", "percent_off", "50", "duration", "repeating", "duration_in_months", "3").id()
	w.post("/v1/coupons/"+half, "name", "Half")
	customer := w.post("/v1/customers", "email", "ada@example.org").id()
	w.post("/v1/billing_portal/sessions", "customer", customer, "return_url", "https://shop.example/account")
	w.get("/v1/coupons/" + half)
	w.get("/v1/coupons")
	gone := w.post("/v1/coupons", "amount_off", "100", "currency", "usd").id()
	code := w.post("/v1/promotion_codes", "coupon", half, "code", "HALF").id()
	w.get("/v1/promotion_codes/" + code)
	w.get("/v1/promotion_codes", "code", "HALF")
	id := w.session(append(box, "allow_promotion_codes", "true")...)
	require.NoError(w.t, w.srv.PayAs(id, checkouttest.CardOK, checkouttest.Buyer{PromotionCode: "HALF"}))
	w.get("/v1/checkout/sessions/"+id, "expand[]", "subscription.discounts", "expand[]", "invoice.discounts", "expand[]", "discounts.promotion_code")
	w.post("/v1/promotion_codes/"+code, "active", "false")
	w.call(200, "DELETE", "/v1/coupons/"+gone)
}

// schedules takes subscriptions through schedules that end in each way.
func (w *walk) schedules() {
	price := w.srv.AddPrice(checkouttest.Price{Name: "Crate", Currency: "usd", UnitAmount: 1900, Interval: "month"})
	customer := w.post("/v1/customers", "source", "tok_visa").id()
	phases := []string{"phases[0][items][0][price]", price, "phases[1][items][0][price]", price, "phases[1][items][0][quantity]", "2"}
	begin := func(pairs ...string) object {
		return w.post("/v1/subscription_schedules", append(slices.Concat(phases, []string{"customer", customer, "start_date", "now"}), pairs...)...)
	}
	begin("end_behavior", "cancel")
	released, canceled := begin(), begin()
	w.post("/v1/subscription_schedules/"+canceled.id(), "metadata[k]", "v")
	w.post("/v1/subscription_schedules/" + canceled.id() + "/cancel")
	w.post("/v1/subscription_schedules/" + released.id() + "/release")
	w.post("/v1/subscription_schedules", "from_subscription", released["subscription"].(string))
	w.get("/v1/subscriptions/"+released["subscription"].(string), "expand[]", "schedule")
	w.srv.Advance(65 * 24 * time.Hour)
	w.get("/v1/subscription_schedules", "expand[]", "data.subscription")
	w.get("/v1/subscription_schedules/"+released.id(), "expand[]", "phases.items.price")
}

// trials lets trials without a card end in each way.
func (w *walk) trials(box []string) {
	var subs []string
	for _, end := range []string{"cancel", "create_invoice", "pause"} {
		id := w.session(append(box, "payment_method_collection", "if_required", "subscription_data[trial_period_days]", "4",
			"subscription_data[trial_settings][end_behavior][missing_payment_method]", end)...)
		require.NoError(w.t, w.srv.Pay(id, checkouttest.CardOK))
		subs = append(subs, w.get("/v1/checkout/sessions/" + id)["subscription"].(string))
	}
	w.srv.Advance(5 * 24 * time.Hour)
	for _, sub := range subs {
		w.get("/v1/subscriptions/"+sub, "expand[]", "latest_invoice.payments")
	}
	require.NoError(w.t, w.srv.ReplaceMethod(subs[2], checkouttest.CardOK))
	w.post("/v1/subscriptions/" + subs[2] + "/resume")
}

// subscriptions renews one subscription, lets another fail and be paid with another card, and ends one.
func (w *walk) subscriptions() {
	t := w.t
	box := []string{
		"mode", "subscription", "line_items[0][price_data][currency]", "usd", "line_items[0][price_data][unit_amount]", "900", "line_items[0][quantity]", "1",
		"line_items[0][price_data][product_data][name]", "Box", "line_items[0][price_data][recurring][interval]", "month", "subscription_data[metadata][k]", "v",
	}
	begin := func() string {
		id := w.session(box...)
		require.NoError(t, w.srv.Pay(id, checkouttest.CardOK))
		return w.get("/v1/checkout/sessions/"+id, "expand[]", "subscription.latest_invoice", "expand[]", "invoice")["subscription"].(map[string]any)["id"].(string)
	}
	renewed, failing := begin(), begin()
	require.NoError(t, w.srv.ReplaceMethod(failing, checkouttest.CardDeclined))
	w.srv.Advance(32 * 24 * time.Hour)
	w.get("/v1/subscriptions/" + failing)
	require.NoError(t, w.srv.ReplaceMethod(failing, checkouttest.CardOK))
	w.srv.Advance(10 * 24 * time.Hour)
	w.get("/v1/subscriptions/"+renewed, "expand[]", "latest_invoice", "expand[]", "customer")
	for _, in := range w.get("/v1/invoices", "subscription", renewed)["data"].([]any) {
		w.get("/v1/invoices/" + object(in.(map[string]any)).id())
		w.get("/v1/invoices/" + object(in.(map[string]any)).id() + "/lines")
	}
	for _, payment := range w.get("/v1/invoice_payments", "limit", "3")["data"].([]any) {
		w.get("/v1/invoice_payments/" + object(payment.(map[string]any)).id())
	}
	w.changes(renewed)
	w.schedules()
	w.trials(box)
	w.discounts(box)
	w.post("/v1/subscriptions/"+renewed, "cancel_at_period_end", "true", "metadata[k]", "w")
	w.call(200, "DELETE", "/v1/subscriptions/"+failing)
	w.srv.Advance(32 * 24 * time.Hour)
	w.get("/v1/subscriptions", "status", "all")
	w.get("/v1/subscriptions", "status", "canceled")
}

func (w *walk) intents() {
	card := []string{"amount", "2000", "currency", "usd", "payment_method_types[0]", "card"}
	for _, method := range []string{"pm_card_visa", "pm_card_authenticationRequired"} {
		w.post("/v1/payment_intents", append(card, "confirm", "true", "payment_method", method)...)
	}
	w.call(402, "POST", "/v1/payment_intents", append(card, "confirm", "true", "payment_method", "pm_card_chargeDeclined")...)
	pm := w.post("/v1/payment_methods", "type", "card", "card[token]", "tok_visa", "billing_details[name]", "A").id()
	w.get("/v1/payment_methods/" + pm)
	debit := w.post("/v1/payment_methods", "type", "sepa_debit", "sepa_debit[iban]", "AT611904300234573201", "billing_details[email]", "a@shop.example").id()
	w.post("/v1/payment_intents", "amount", "100", "currency", "eur", "payment_method", debit, "payment_method_types[0]", "sepa_debit", "confirm", "true")
	held := w.post("/v1/payment_intents", append(card, "capture_method", "manual", "payment_method", pm)...).id()
	w.post("/v1/payment_intents/" + held + "/confirm")
	w.post("/v1/payment_intents/" + held + "/capture")
	w.post("/v1/payment_intents/"+w.post("/v1/payment_intents", card...).id()+"/cancel", "cancellation_reason", "duplicate")
}

// billing makes objects that need no session: a subscription, an invoice and an inquiry. Then it deletes their customer.
func (w *walk) billing() {
	recurring := w.srv.AddPrice(checkouttest.Price{Name: "Box", Currency: "usd", UnitAmount: 900, Interval: "month"})
	customer := w.post("/v1/customers", "payment_method", "pm_card_visa", "invoice_settings[default_payment_method]", "pm_card_visa").id()
	sub := w.post("/v1/subscriptions", "customer", customer, "items[0][price]", recurring)
	w.get("/v1/invoices/"+sub["latest_invoice"].(string), "expand[]", "payments")
	w.post("/v1/payment_methods/pm_card_visa/attach", "customer", customer)
	w.post("/v1/invoiceitems", "customer", customer, "amount", "2000", "currency", "usd", "description", "Work")
	inv := w.post("/v1/invoices", "customer", customer, "pending_invoice_items_behavior", "include").id()
	w.call(402, "POST", "/v1/invoices/"+inv+"/pay", "payment_method", "pm_card_chargeCustomerFail")
	w.post("/v1/invoices/"+inv+"/pay", "payment_method", "pm_card_visa")
	w.invoicesOverAPI(customer)
	w.creditNotes(customer)
	w.call(200, "DELETE", "/v1/customers/"+customer)
	w.get("/v1/customers/" + customer)
	pi := w.post("/v1/payment_intents", "amount", "2000", "currency", "usd", "confirm", "true", "payment_method", "pm_card_createDisputeInquiry").id()
	w.post("/v1/disputes/" + w.get("/v1/disputes", "payment_intent", pi)["data"].([]any)[0].(map[string]any)["id"].(string) + "/close")
}

// invoicesOverAPI edits, sends and ends invoices of no subscription.
func (w *walk) invoicesOverAPI(customer string) {
	w.post("/v1/customers/"+customer, "email", "a@shop.example")
	draft := func(pairs ...string) string {
		w.post("/v1/invoiceitems", "customer", customer, "amount", "2000", "currency", "usd")
		return "/v1/invoices/" + w.post("/v1/invoices", append(pairs, "customer", customer, "pending_invoice_items_behavior", "include")...).id()
	}
	given := draft()
	w.post(given, "description", "d", "metadata[k]", "v")
	w.call(200, "DELETE", given)
	item := w.post("/v1/invoiceitems", "customer", customer, "amount", "5", "currency", "usd").id()
	w.call(200, "DELETE", "/v1/invoiceitems/"+item)
	up := draft()
	w.post(up + "/finalize")
	w.post(up + "/mark_uncollectible")
	w.post(up + "/void")
	w.post(draft("collection_method", "send_invoice", "days_until_due", "7") + "/send")
	product := w.post("/v1/products", "name", "Mug").id()
	w.call(200, "DELETE", "/v1/products/"+product)
}

// creditNotes credits an invoice before it is paid and after.
func (w *walk) creditNotes(customer string) {
	w.post("/v1/invoiceitems", "customer", customer, "amount", "2000", "currency", "usd", "description", "Work")
	inv := w.post("/v1/invoices", "customer", customer, "pending_invoice_items_behavior", "include")
	w.post("/v1/invoices/" + inv.id() + "/finalize")
	line := inv["lines"].(map[string]any)["data"].([]any)[0].(map[string]any)["id"].(string)
	ofLine := []string{"invoice", inv.id(), "lines[0][type]", "invoice_line_item", "lines[0][invoice_line_item]", line, "lines[0][quantity]", "1"}
	w.get("/v1/credit_notes/preview", ofLine...)
	w.get("/v1/credit_notes/preview/lines", ofLine...)
	note := "/v1/credit_notes/" + w.post("/v1/credit_notes", "invoice", inv.id(), "amount", "500", "memo", "m", "reason", "duplicate").id()
	w.post(note, "metadata[k]", "v")
	w.post(note + "/void")
	w.post("/v1/credit_notes", "invoice", inv.id(), "lines[0][type]", "custom_line_item", "lines[0][description]", "Late", "lines[0][unit_amount_decimal]", "99.5")
	w.post("/v1/invoices/" + inv.id() + "/pay")
	w.post("/v1/credit_notes", "invoice", inv.id(), "amount", "700", "refund_amount", "300", "credit_amount", "200", "out_of_band_amount", "200",
		"expand[]", "refunds.refund")
	w.get("/v1/invoices/" + inv.id())
	w.get("/v1/credit_notes", "invoice", inv.id())
	w.get(note, "expand[]", "invoice")
	w.get(note + "/lines")
}

// setups saves payment methods without a session.
func (w *walk) setups() {
	w.post("/v1/setup_intents", "confirm", "true", "payment_method", "pm_card_visa", "payment_method_types[0]", "card")
	w.call(402, "POST", "/v1/setup_intents", "confirm", "true", "payment_method", "pm_card_chargeDeclined")
	w.post("/v1/setup_intents", "confirm", "true", "payment_method", "pm_card_authenticationRequired", "automatic_payment_methods[enabled]", "true")
	waiting := "/v1/setup_intents/" + w.post("/v1/setup_intents", "payment_method", "pm_card_visa", "customer", w.post("/v1/customers").id()).id()
	w.post(waiting + "/confirm")
	w.post("/v1/setup_intents/"+w.post("/v1/setup_intents").id()+"/cancel", "cancellation_reason", "abandoned")
}

// taxes taxes sessions by rates and automatically, and makes invoices of them.
func (w *walk) taxes() {
	rate := w.post("/v1/tax_rates", "display_name", "VAT", "percentage", "8.1", "inclusive", "false", "country", "CH", "tax_type", "vat").id()
	w.post("/v1/tax_rates/"+rate, "description", "d")
	w.get("/v1/tax_rates/" + rate)
	w.get("/v1/tax_rates", "active", "true")
	half := w.post("/v1/coupons", "percent_off", "50").id()
	for _, method := range []checkouttest.PaymentMethod{checkouttest.CardOK, checkouttest.BankDebit} {
		id := w.session("line_items[0][tax_rates][0]", rate, "invoice_creation[enabled]", "true", "invoice_creation[invoice_data][metadata][k]", "v", "discounts[0][coupon]", half,
			"shipping_options[0][shipping_rate_data][display_name]", "Post", "shipping_options[0][shipping_rate_data][type]", "fixed_amount",
			"shipping_options[0][shipping_rate_data][fixed_amount][amount]", "500", "shipping_options[0][shipping_rate_data][fixed_amount][currency]", "usd")
		require.NoError(w.t, w.srv.Pay(id, method))
		if method == checkouttest.BankDebit {
			require.NoError(w.t, w.srv.Settle(id))
		}
		w.look(id)
		w.get("/v1/checkout/sessions/"+id, "expand[]", "invoice.payments", "expand[]", "invoice.discounts")
	}
	id := w.session("automatic_tax[enabled]", "true")
	require.NoError(w.t, w.srv.Pay(id, checkouttest.CardOK))
	w.look(id)
}

// links makes payment links, and follows one.
func (w *walk) links(price string) {
	link := w.post("/v1/payment_links", "line_items[0][price]", price, "line_items[0][quantity]", "2", "metadata[k]", "v", "after_completion[type]", "redirect",
		"after_completion[redirect][url]", "https://shop.example/thanks", "phone_number_collection[enabled]", "true", "payment_intent_data[description]", "d",
		"custom_fields[0][key]", "note", "custom_fields[0][label][type]", "custom", "custom_fields[0][label][custom]", "Note", "custom_fields[0][type]", "text",
		"shipping_address_collection[allowed_countries][0]", "US", "allow_promotion_codes", "true", "invoice_creation[enabled]", "true").id()
	at := w.get("/v1/payment_links/" + link)["url"].(string)
	w.get("/v1/payment_links/" + link + "/line_items")
	w.get("/v1/payment_links", "active", "true")
	r, err := http.NewRequest(http.MethodGet, at+"?client_reference_id=order-42", nil)
	require.NoError(w.t, err)
	resp, err := w.srv.Transport().RoundTrip(r)
	require.NoError(w.t, err)
	resp.Body.Close()
	session := path.Base(resp.Header.Get("Location"))
	require.NoError(w.t, w.srv.Pay(session, checkouttest.CardOK))
	w.look(session)
	w.post("/v1/payment_links/"+link, "active", "false")
	local := w.session("adaptive_pricing[enabled]", "true", "customer_email", "a+location_FR@shop.example")
	require.NoError(w.t, w.srv.Pay(local, checkouttest.CardOK))
	w.look(local)
}

// changesOverAPI changes what payments have left behind, and looks it up.
func (w *walk) changesOverAPI() {
	session := w.session("customer_creation", "always", "payment_intent_data[setup_future_usage]", "off_session", "payment_intent_data[metadata][order]", "42")
	require.NoError(w.t, w.srv.Pay(session, checkouttest.CardOK))
	o := w.get("/v1/checkout/sessions/" + session)
	intent, customer := o["payment_intent"].(string), o["customer"].(string)
	charge := w.get("/v1/payment_intents/" + intent)["latest_charge"].(string)
	pm := w.get("/v1/charges/" + charge)["payment_method"].(string)
	w.post("/v1/payment_intents/"+intent, "description", "d", "metadata[k]", "v")
	w.post("/v1/charges/"+charge, "description", "d", "fraud_details[user_report]", "safe", "shipping[name]", "A", "shipping[address][line1]", "1 Test Street")
	w.get("/v1/payment_methods", "customer", customer, "type", "card")
	w.get("/v1/customers/" + customer + "/payment_methods")
	w.post("/v1/payment_methods/"+pm, "billing_details[name]", "B", "card[exp_year]", "2040")
	w.post("/v1/payment_methods/" + pm + "/detach")
	setup := w.session("mode", "setup", "currency", "usd")
	w.post("/v1/setup_intents/"+w.get("/v1/checkout/sessions/" + setup)["setup_intent"].(string), "description", "d")
	w.get("/v1/balance")
	for _, kind := range []string{"charges", "customers", "invoices", "payment_intents", "prices", "products", "subscriptions"} {
		w.get("/v1/"+kind+"/search", "query", `metadata["order"]:"42" OR created>1`, "limit", "3")
	}
	clock := w.post("/v1/test_helpers/test_clocks", "frozen_time", fmt.Sprint(w.srv.Now().Unix()+60), "name", "A").id()
	w.get("/v1/test_helpers/test_clocks/" + clock)
	w.get("/v1/test_helpers/test_clocks")
	w.post("/v1/test_helpers/test_clocks/"+clock+"/advance", "frozen_time", fmt.Sprint(w.srv.Now().Unix()+120))
	w.call(200, "DELETE", "/v1/test_helpers/test_clocks/"+clock)
}

func (w *walk) endpointsAndEvents() {
	w.get("/v1/account")
	hook := w.post("/v1/webhook_endpoints", "url", "http://127.0.0.1:9/hook", "enabled_events[0]", "invoice.paid", "description", "d", "metadata[k]", "v").id()
	w.get("/v1/webhook_endpoints/" + hook)
	w.get("/v1/webhook_endpoints")
	w.post("/v1/webhook_endpoints/"+hook, "disabled", "true")
	w.call(200, "DELETE", "/v1/webhook_endpoints/"+hook)
	all := w.get("/v1/events", "limit", "100")
	for _, e := range all["data"].([]any) {
		w.get("/v1/events/" + e.(map[string]any)["id"].(string))
	}
	w.get("/v1/events", "types[]", "colour.changed") // finds none
	w.post("/v1/events/" + object(all["data"].([]any)[0].(map[string]any)).id() + "/retry")
}

func (w *walk) errors() {
	w.call(404, "GET", "/v1/checkout/sessions/cs_1")
	w.call(404, "GET", "/v1/refunds/re_1")
	w.call(400, "POST", "/v1/checkout/sessions", "mode", "payment")
	w.call(400, "POST", "/v1/checkout/sessions", "colour", "red")
	w.call(400, "POST", "/v1/refunds", "charge", "ch_1")
}
