package checkouttest

import (
	"strings"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// unsupportedParams lists, by route, the parameters whose effect at Stripe this server lacks. An entry stands for a parameter
// and all parameters below it. An entry with "=" allows one value, which asks for nothing. The table leaves out calls that
// check their parameters with only.
var unsupportedParams = map[string][]string{
	"POST /v1/checkout/sessions": {
		"after_expiration[recovery][allow_promotion_codes]=false",
		"invoice_creation[invoice_data][account_tax_ids]", "invoice_creation[invoice_data][rendering_options]", "line_items[][dynamic_tax_rates]",
		"payment_method_configuration", "payment_method_data",
		"payment_method_options[card][installments][enabled]=false",
		"payment_method_options[customer_balance][bank_transfer][requested_address_types]",
		"payment_method_options[customer_balance][setup_future_usage]=none",
		"payment_method_options[card][request_extended_authorization]=never",
		"payment_method_options[card][request_incremental_authorization]=never",
		"payment_method_options[card][request_multicapture]=never",
		"payment_method_options[card][request_overcapture]=never",
		"payment_method_options[card][request_three_d_secure]=automatic",
		"payment_method_options[card][restrictions]",
		"permissions", "shipping_options[][shipping_rate_data][fixed_amount][currency_options]",
		"subscription_data[billing_cycle_anchor]", "subscription_data[default_tax_rates]", "subscription_data[proration_behavior]",
	},
	"POST /v1/coupons":         {"applies_to", "currency_options"},
	"POST /v1/promotion_codes": {"restrictions[currency_options]", "restrictions[first_time_transaction]=false"},
	"POST /v1/customers": {
		"invoice_settings[custom_fields]", "invoice_settings[footer]", "invoice_settings[rendering_options]",
	},
	"POST /v1/subscriptions": {
		"discounts[][discount]",
		"items[][billing_thresholds]", "items[][discounts]", "items[][metadata]", "items[][plan]", "items[][price_data]", "items[][tax_rates]", "items[][trial]",
	},
	"POST /v1/subscriptions/{id}": {
		"discounts[][discount]",
		"items[][billing_thresholds]", "items[][clear_usage]", "items[][discounts]", "items[][metadata]", "items[][plan]", "items[][price_data]",
		"items[][tax_rates]",
	},
	"DELETE /v1/subscriptions/{id}": {"invoice_now=false", "prorate=false"},
	"POST /v1/payment_intents": {
		"confirmation_token", "error_on_requires_action", "excluded_payment_method_types", "mandate",
		"payment_method_configuration",
		"payment_method_options[customer_balance][bank_transfer][requested_address_types]",
		"payment_method_options[customer_balance][setup_future_usage]=none", "radar_options", "use_stripe_sdk",
	},
	"POST /v1/payment_intents/{id}/capture": {
		"application_fee_amount", "final_capture=true", "metadata", "statement_descriptor", "statement_descriptor_suffix", "transfer_data",
	},
	"POST /v1/payment_intents/{id}/confirm": {
		"capture_method", "confirmation_token", "error_on_requires_action", "mandate", "payment_method_data",
		"payment_method_options", "payment_method_types", "radar_options", "receipt_email", "setup_future_usage", "shipping",
		"use_stripe_sdk",
	},
	"POST /v1/payment_methods": {"card[networks]", "radar_options"},
	"POST /v1/prices": {
		"billing_scheme=per_unit",
		"product_data[active]=true", "product_data[id]", "product_data[statement_descriptor]", "product_data[unit_label]",
		"recurring[meter]", "recurring[trial_period_days]", "recurring[usage_type]=licensed",
	},
	"POST /v2/core/event_destinations": {"amazon_eventbridge"},
	"POST /v1/payment_links": {
		"after_completion[hosted_confirmation]", "application_fee_amount", "application_fee_percent", "invoice_creation[invoice_data][account_tax_ids]",
		"invoice_creation[invoice_data][rendering_options]", "on_behalf_of", "restrictions", "subscription_data", "transfer_data",
	},
	"POST /v1/products":       {"default_price_data[currency_options]", "default_price_data[custom_unit_amount]"},
	"POST /v1/refunds":        {"currency", "customer", "instructions_email", "origin", "refund_application_fee=false", "reverse_transfer=false"},
	"POST /v1/shipping_rates": {"fixed_amount[currency_options]"},
}

// unsettableParams lists, by route, the parameters that an empty value removes. Maps such as metadata always can be emptied.
var unsettableParams = map[string][]string{
	"POST /v1/customers":              {"address", "description", "email", "name", "phone", "shipping"},
	"POST /v1/customers/{id}":         {"address", "description", "email", "invoice_settings[default_payment_method]", "name", "phone", "shipping"},
	"POST /v1/disputes/{id}":          evidenceParams(),
	"POST /v1/prices/{id}":            {"nickname"},
	"POST /v1/products/{id}":          {"description"},
	"POST /v1/subscriptions/{id}":     {"cancel_at", "default_payment_method", "description", "discounts", "pause_collection"},
	"POST /v1/webhook_endpoints/{id}": {"description"},
}

// evidenceParams returns the parameters of a shop's evidence.
func evidenceParams() []string {
	var params []string
	for _, field := range evidenceFields {
		params = append(params, "evidence["+field+"]")
	}
	return params
}

// markUnsupported enters unsupportedParams and unsettableParams into the schemas.
func markUnsupported(schemas map[string]*formparams.Schema) {
	for route, entries := range unsupportedParams {
		for _, entry := range entries {
			key, harmless, _ := strings.Cut(entry, "=")
			node := schemas[route].At(key)
			node.Unsupported, node.Harmless = true, harmless
		}
	}
	for route, keys := range unsettableParams {
		for _, key := range keys {
			schemas[route].At(key).Unsettable = true
		}
	}
}
