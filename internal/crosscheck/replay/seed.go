package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// seed makes an object that the cassette names and did not make, from the first recording of the object. It reports false if the
// cassette does not show the object, or if the object is of a kind that cannot be made alone, such as a charge.
func (p *player) seed(id, account string) bool {
	o := p.objects[id]
	if o == nil {
		return false
	}
	var path string
	form := url.Values{}
	copyOf := func(names ...string) {
		for _, name := range names {
			addParam(form, name, o[name])
		}
	}
	switch text(o["object"]) {
	case "customer":
		path = "/v1/customers"
		copyOf("name", "email", "description", "phone", "metadata", "address", "shipping")
	case "product":
		path = "/v1/products"
		copyOf("id", "name", "description", "active", "metadata", "images")
	case "price", "plan":
		return p.seedPrice(id, account, o)
	case "coupon":
		path = "/v1/coupons"
		copyOf("id", "name", "duration", "duration_in_months", "percent_off", "amount_off", "currency", "max_redemptions")
	case "payment_method":
		return p.seedCard(id, account, o)
	default:
		return false
	}
	return p.make(id, account, path, form)
}

// make makes an object over the API, and maps the recorded ID to it.
func (p *player) make(id, account, path string, form url.Values) bool {
	status, made := p.send(interaction{
		method: http.MethodPost, path: path, account: account, body: form.Encode(), contentType: "application/x-www-form-urlencoded",
	})
	if status != http.StatusOK {
		return false
	}
	p.ids.ours[id], p.ids.recorded[text(made["id"])] = text(made["id"]), id
	return true
}

func (p *player) seedPrice(id, account string, o map[string]any) bool {
	form := url.Values{}
	for _, name := range []string{"currency", "nickname", "lookup_key", "metadata", "tax_behavior", "active"} {
		addParam(form, name, o[name])
	}
	addParam(form, "unit_amount_decimal", o["unit_amount_decimal"])
	if text(o["object"]) == "plan" {
		addParam(form, "unit_amount_decimal", o["amount_decimal"])
		o = map[string]any{"product": o["product"], "recurring": map[string]any{"interval": o["interval"], "interval_count": o["interval_count"]}}
	}
	if r, ok := o["recurring"].(map[string]any); ok {
		addParam(form, "recurring[interval]", r["interval"])
		addParam(form, "recurring[interval_count]", r["interval_count"])
	}
	product := text(o["product"])
	if product == "" {
		product = text(pick(o["product"], "id"))
	}
	if ours, known := p.ids.ours[product]; known {
		product = ours
	} else if !p.seed(product, account) && !p.make(product, account, "/v1/products", url.Values{"id": {product}, "name": {"Product"}}) {
		return false
	}
	form.Set("product", product)
	return p.make(id, account, "/v1/prices", form)
}

// testCards are the numbers of Stripe's test cards by their last four digits: https://docs.stripe.com/testing
var testCards = map[string]string{
	"4242": "4242424242424242", "5556": "4000056655665556", "4444": "5555555555554444", "3222": "2223003122003222", "8210": "5200828282828210",
	"5100": "5105105105105100", "0005": "378282246310005", "8431": "371449635398431", "1117": "6011111111111117", "9424": "6011000990139424",
	"0004": "3056930009020004", "3237": "36227206271667", "0505": "3566002020360505", "0002": "4000000000000002", "9995": "4000000000009995",
	"0341": "4000000000000341", "3220": "4000000000003220", "3155": "4000002500003155", "3184": "4000002760003184", "3178": "4000008260003178",
	"0446": "4000003800000446", "1001": "4000002500001001", "0259": "4000000000000259", "0077": "4000000000000077", "9235": "4000000000009235",
}

// seedCard makes a card with the last four digits of a recorded one, and attaches the card to the customer that it was attached to.
func (p *player) seedCard(id, account string, o map[string]any) bool {
	number := testCards[text(pick(o, "card", "last4"))]
	if number == "" {
		return false
	}
	form := url.Values{"type": {"card"}, "card[number]": {number}, "card[exp_month]": {"12"}, "card[exp_year]": {fmt.Sprint(p.server.Now().Year() + 2)}, "card[cvc]": {"123"}}
	addParam(form, "billing_details", o["billing_details"])
	addParam(form, "metadata", o["metadata"])
	if !p.make(id, account, "/v1/payment_methods", form) {
		return false
	}
	customer := text(o["customer"])
	if customer == "" {
		return true
	}
	if p.ids.ours[customer] == "" && !p.seed(customer, account) {
		return true
	}
	p.send(interaction{
		method: http.MethodPost, path: "/v1/payment_methods/" + p.ids.ours[id] + "/attach", account: account,
		body: "customer=" + p.ids.ours[customer], contentType: "application/x-www-form-urlencoded",
	})
	return true
}

// addParam adds a recorded value as a form parameter. It leaves null out.
func addParam(form url.Values, name string, v any) {
	switch v := v.(type) {
	case nil:
	case map[string]any:
		for key, inner := range v {
			addParam(form, name+"["+key+"]", inner)
		}
	case []any:
		for n, item := range v {
			addParam(form, fmt.Sprintf("%s[%d]", name, n), item)
		}
	case float64:
		form.Set(name, strings.TrimSuffix(fmt.Sprintf("%.2f", v), ".00"))
	default:
		form.Set(name, fmt.Sprint(v))
	}
}
