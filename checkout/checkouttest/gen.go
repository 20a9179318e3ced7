//go:build ignore

// Command gen writes params.txt, expand.txt and routes.txt from stripe-go. params.txt lists the parameters that each call
// knows, expand.txt the paths that a call can expand in each object, and routes.txt the calls of Stripe's API.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/stripe/stripe-go/v82"
)

var calls = []struct {
	route  string
	params any
}{
	{"POST /v1/checkout/sessions", stripe.CheckoutSessionCreateParams{}},
	{"GET /v1/checkout/sessions", stripe.CheckoutSessionListParams{}},
	{"GET /v1/checkout/sessions/{id}", stripe.CheckoutSessionRetrieveParams{}},
	{"POST /v1/checkout/sessions/{id}", stripe.CheckoutSessionUpdateParams{}},
	{"POST /v1/checkout/sessions/{id}/expire", stripe.CheckoutSessionExpireParams{}},
	{"GET /v1/checkout/sessions/{id}/line_items", stripe.CheckoutSessionListLineItemsParams{}},
	{"GET /v1/events", stripe.EventListParams{}},
	{"GET /v1/events/{id}", stripe.EventRetrieveParams{}},
	{"POST /v1/events/{id}/retry", struct { // `stripe events resend` sends these; stripe-go has no type for them
		Account         *string   `form:"account"`
		Expand          []*string `form:"expand"`
		ForStripeCLI    *bool     `form:"for_stripecli"`
		WebhookEndpoint *string   `form:"webhook_endpoint"`
	}{}},
	{"POST /v1/webhook_endpoints", stripe.WebhookEndpointCreateParams{}},
	{"GET /v1/webhook_endpoints", stripe.WebhookEndpointListParams{}},
	{"GET /v1/webhook_endpoints/{id}", stripe.WebhookEndpointRetrieveParams{}},
	{"POST /v1/webhook_endpoints/{id}", stripe.WebhookEndpointUpdateParams{}},
	{"DELETE /v1/webhook_endpoints/{id}", stripe.WebhookEndpointDeleteParams{}},
	{"POST /v1/payment_intents", stripe.PaymentIntentCreateParams{}},
	{"GET /v1/payment_intents/{id}", stripe.PaymentIntentRetrieveParams{}},
	{"POST /v1/payment_intents/{id}/cancel", stripe.PaymentIntentCancelParams{}},
	{"POST /v1/payment_intents/{id}/capture", stripe.PaymentIntentCaptureParams{}},
	{"POST /v1/payment_intents/{id}/confirm", stripe.PaymentIntentConfirmParams{}},
	{"POST /v1/payment_methods", stripe.PaymentMethodCreateParams{}},
	{"GET /v1/payment_methods/{id}", stripe.PaymentMethodRetrieveParams{}},
	{"GET /v1/payment_intents", stripe.PaymentIntentListParams{}},
	{"GET /v1/charges", stripe.ChargeListParams{}},
	{"GET /v1/charges/{id}", stripe.ChargeRetrieveParams{}},
	{"POST /v1/refunds", stripe.RefundCreateParams{}},
	{"GET /v1/refunds", stripe.RefundListParams{}},
	{"GET /v1/refunds/{id}", stripe.RefundRetrieveParams{}},
	{"POST /v1/refunds/{id}", stripe.RefundUpdateParams{}},
	{"POST /v1/refunds/{id}/cancel", stripe.RefundCancelParams{}},
	{"GET /v1/balance_transactions", stripe.BalanceTransactionListParams{}},
	{"GET /v1/balance_transactions/{id}", stripe.BalanceTransactionRetrieveParams{}},
	{"GET /v1/disputes", stripe.DisputeListParams{}},
	{"GET /v1/disputes/{id}", stripe.DisputeRetrieveParams{}},
	{"POST /v1/disputes/{id}", stripe.DisputeUpdateParams{}},
	{"POST /v1/disputes/{id}/close", stripe.DisputeCloseParams{}},
	{"GET /v1/radar/early_fraud_warnings", stripe.RadarEarlyFraudWarningListParams{}},
	{"GET /v1/radar/early_fraud_warnings/{id}", stripe.RadarEarlyFraudWarningRetrieveParams{}},
	{"POST /v1/shipping_rates", stripe.ShippingRateCreateParams{}},
	{"GET /v1/shipping_rates", stripe.ShippingRateListParams{}},
	{"GET /v1/shipping_rates/{id}", stripe.ShippingRateRetrieveParams{}},
	{"POST /v1/shipping_rates/{id}", stripe.ShippingRateUpdateParams{}},
	{"GET /v1/setup_intents", stripe.SetupIntentListParams{}},
	{"GET /v1/setup_intents/{id}", stripe.SetupIntentRetrieveParams{}},

	{"GET /v1/customers/{id}/cash_balance", stripe.CashBalanceRetrieveParams{}},
	{"GET /v1/customers/{id}/cash_balance_transactions", stripe.CustomerCashBalanceTransactionListParams{}},
	{"GET /v1/customers/{id}/cash_balance_transactions/{of}", stripe.CustomerCashBalanceTransactionRetrieveParams{}},
	{"POST /v1/test_helpers/customers/{id}/fund_cash_balance", stripe.TestHelpersCustomerFundCashBalanceParams{}},
	{"POST /v1/customers", stripe.CustomerCreateParams{}},
	{"GET /v1/customers", stripe.CustomerListParams{}},
	{"GET /v1/customers/{id}", stripe.CustomerRetrieveParams{}},
	{"POST /v1/customers/{id}", stripe.CustomerUpdateParams{}},
	{"POST /v1/products", stripe.ProductCreateParams{}},
	{"GET /v1/products", stripe.ProductListParams{}},
	{"GET /v1/products/{id}", stripe.ProductRetrieveParams{}},
	{"POST /v1/products/{id}", stripe.ProductUpdateParams{}},
	{"POST /v1/prices", stripe.PriceCreateParams{}},
	{"GET /v1/prices", stripe.PriceListParams{}},
	{"GET /v1/prices/{id}", stripe.PriceRetrieveParams{}},
	{"POST /v1/prices/{id}", stripe.PriceUpdateParams{}},

	{"DELETE /v1/customers/{id}", stripe.CustomerDeleteParams{}},
	{"POST /v1/payment_methods/{id}/attach", stripe.PaymentMethodAttachParams{}},
	{"POST /v1/invoiceitems", stripe.InvoiceItemCreateParams{}},
	{"POST /v1/invoices", stripe.InvoiceCreateParams{}},
	{"POST /v1/invoices/{id}/pay", stripe.InvoicePayParams{}},
	{"POST /v1/subscriptions", stripe.SubscriptionCreateParams{}},
	{"GET /v1/subscriptions", stripe.SubscriptionListParams{}},
	{"GET /v1/subscriptions/{id}", stripe.SubscriptionRetrieveParams{}},
	{"POST /v1/subscriptions/{id}", stripe.SubscriptionUpdateParams{}},
	{"POST /v1/subscriptions/{id}/resume", stripe.SubscriptionResumeParams{}},
	{"DELETE /v1/subscriptions/{id}", stripe.SubscriptionCancelParams{}},
	{"POST /v1/subscription_schedules", stripe.SubscriptionScheduleCreateParams{}},
	{"GET /v1/subscription_schedules", stripe.SubscriptionScheduleListParams{}},
	{"GET /v1/subscription_schedules/{id}", stripe.SubscriptionScheduleRetrieveParams{}},
	{"POST /v1/subscription_schedules/{id}", stripe.SubscriptionScheduleUpdateParams{}},
	{"POST /v1/subscription_schedules/{id}/cancel", stripe.SubscriptionScheduleCancelParams{}},
	{"POST /v1/subscription_schedules/{id}/release", stripe.SubscriptionScheduleReleaseParams{}},
	{"GET /v1/invoices", stripe.InvoiceListParams{}},
	{"GET /v1/invoices/{id}", stripe.InvoiceRetrieveParams{}},
	{"GET /v1/invoices/{id}/lines", stripe.InvoiceListLinesParams{}},
	{"GET /v1/invoice_payments", stripe.InvoicePaymentListParams{}},
	{"GET /v1/invoice_payments/{id}", stripe.InvoicePaymentRetrieveParams{}},

	{"POST /v1/coupons", stripe.CouponCreateParams{}},
	{"GET /v1/coupons", stripe.CouponListParams{}},
	{"GET /v1/coupons/{id}", stripe.CouponRetrieveParams{}},
	{"POST /v1/coupons/{id}", stripe.CouponUpdateParams{}},
	{"DELETE /v1/coupons/{id}", stripe.CouponDeleteParams{}},
	{"POST /v1/promotion_codes", stripe.PromotionCodeCreateParams{}},
	{"GET /v1/promotion_codes", stripe.PromotionCodeListParams{}},
	{"GET /v1/promotion_codes/{id}", stripe.PromotionCodeRetrieveParams{}},
	{"POST /v1/promotion_codes/{id}", stripe.PromotionCodeUpdateParams{}},
	{"POST /v1/billing_portal/sessions", stripe.BillingPortalSessionCreateParams{}},

	{"GET /v1/account", stripe.AccountRetrieveParams{}},

	{"POST /v1/payment_intents/{id}", stripe.PaymentIntentUpdateParams{}},
	{"GET /v1/payment_methods", stripe.PaymentMethodListParams{}},
	{"POST /v1/payment_methods/{id}", stripe.PaymentMethodUpdateParams{}},
	{"POST /v1/payment_methods/{id}/detach", stripe.PaymentMethodDetachParams{}},
	{"GET /v1/customers/{id}/payment_methods", stripe.CustomerListPaymentMethodsParams{}},
	{"POST /v1/charges/{id}", stripe.ChargeUpdateParams{}},
	{"POST /v1/setup_intents/{id}", stripe.SetupIntentUpdateParams{}},
	{"POST /v1/setup_intents", stripe.SetupIntentCreateParams{}},
	{"POST /v1/setup_intents/{id}/cancel", stripe.SetupIntentCancelParams{}},
	{"POST /v1/setup_intents/{id}/confirm", stripe.SetupIntentConfirmParams{}},
	{"DELETE /v1/products/{id}", stripe.ProductDeleteParams{}},
	{"DELETE /v1/invoiceitems/{id}", stripe.InvoiceItemDeleteParams{}},
	{"POST /v1/invoices/{id}", stripe.InvoiceUpdateParams{}},
	{"DELETE /v1/invoices/{id}", stripe.InvoiceDeleteParams{}},
	{"POST /v1/invoices/{id}/finalize", stripe.InvoiceFinalizeInvoiceParams{}},
	{"POST /v1/invoices/{id}/mark_uncollectible", stripe.InvoiceMarkUncollectibleParams{}},
	{"POST /v1/invoices/{id}/send", stripe.InvoiceSendInvoiceParams{}},
	{"POST /v1/invoices/{id}/void", stripe.InvoiceVoidInvoiceParams{}},
	{"POST /v1/credit_notes", stripe.CreditNoteCreateParams{}},
	{"GET /v1/credit_notes", stripe.CreditNoteListParams{}},
	{"GET /v1/credit_notes/{id}", stripe.CreditNoteRetrieveParams{}},
	{"POST /v1/credit_notes/{id}", stripe.CreditNoteUpdateParams{}},
	{"POST /v1/credit_notes/{id}/void", stripe.CreditNoteVoidCreditNoteParams{}},
	{"GET /v1/credit_notes/{id}/lines", stripe.CreditNoteListLinesParams{}},
	{"GET /v1/credit_notes/preview", stripe.CreditNotePreviewParams{}},
	{"GET /v1/credit_notes/preview/lines", stripe.CreditNotePreviewLinesParams{}},
	{"POST /v1/payment_links", stripe.PaymentLinkCreateParams{}},
	{"GET /v1/payment_links", stripe.PaymentLinkListParams{}},
	{"GET /v1/payment_links/{id}", stripe.PaymentLinkRetrieveParams{}},
	{"POST /v1/payment_links/{id}", stripe.PaymentLinkUpdateParams{}},
	{"GET /v1/payment_links/{id}/line_items", stripe.PaymentLinkListLineItemsParams{}},
	{"POST /v1/tax_rates", stripe.TaxRateCreateParams{}},
	{"GET /v1/tax_rates", stripe.TaxRateListParams{}},
	{"GET /v1/tax_rates/{id}", stripe.TaxRateRetrieveParams{}},
	{"POST /v1/tax_rates/{id}", stripe.TaxRateUpdateParams{}},
	{"GET /v1/balance", stripe.BalanceRetrieveParams{}},
	{"GET /v1/charges/search", stripe.ChargeSearchParams{}},
	{"GET /v1/customers/search", stripe.CustomerSearchParams{}},
	{"GET /v1/invoices/search", stripe.InvoiceSearchParams{}},
	{"GET /v1/payment_intents/search", stripe.PaymentIntentSearchParams{}},
	{"GET /v1/prices/search", stripe.PriceSearchParams{}},
	{"GET /v1/products/search", stripe.ProductSearchParams{}},
	{"GET /v1/subscriptions/search", stripe.SubscriptionSearchParams{}},
	{"POST /v1/test_helpers/test_clocks", stripe.TestHelpersTestClockCreateParams{}},
	{"GET /v1/test_helpers/test_clocks", stripe.TestHelpersTestClockListParams{}},
	{"GET /v1/test_helpers/test_clocks/{id}", stripe.TestHelpersTestClockRetrieveParams{}},
	{"DELETE /v1/test_helpers/test_clocks/{id}", stripe.TestHelpersTestClockDeleteParams{}},
	{"POST /v1/test_helpers/test_clocks/{id}/advance", stripe.TestHelpersTestClockAdvanceParams{}},

	{"GET /v2/core/events", struct { // stripe-go lacks the filters that came after its API version, and the token of a page
		Created struct {
			GT  *string `form:"gt"`
			GTE *string `form:"gte"`
			LT  *string `form:"lt"`
			LTE *string `form:"lte"`
		} `form:"created"`
		Limit    *int64    `form:"limit"`
		ObjectID *string   `form:"object_id"`
		Page     *string   `form:"page"`
		Types    []*string `form:"types"`
	}{}},
	{"GET /v2/core/events/{id}", stripe.V2CoreEventRetrieveParams{}},
	{"POST /v2/core/event_destinations", stripe.V2CoreEventDestinationCreateParams{}},
	{"GET /v2/core/event_destinations", struct {
		Include []*string `form:"include"`
		Limit   *int64    `form:"limit"`
		Page    *string   `form:"page"`
	}{}},
	{"GET /v2/core/event_destinations/{id}", stripe.V2CoreEventDestinationRetrieveParams{}},
	{"POST /v2/core/event_destinations/{id}", stripe.V2CoreEventDestinationUpdateParams{}},
	{"DELETE /v2/core/event_destinations/{id}", stripe.V2CoreEventDestinationDeleteParams{}},
	{"POST /v2/core/event_destinations/{id}/disable", stripe.V2CoreEventDestinationDisableParams{}},
	{"POST /v2/core/event_destinations/{id}/enable", stripe.V2CoreEventDestinationEnableParams{}},
	{"POST /v2/core/event_destinations/{id}/ping", stripe.V2CoreEventDestinationPingParams{}},
}

// objects are the kinds of objects that the server has, by their names in JSON.
var objects = map[string]any{
	"balance_transaction": stripe.BalanceTransaction{}, "charge": stripe.Charge{}, "checkout.session": stripe.CheckoutSession{},
	"coupon": stripe.Coupon{}, "credit_note": stripe.CreditNote{}, "credit_note_line_item": stripe.CreditNoteLineItem{}, "customer": stripe.Customer{}, "customer_cash_balance_transaction": stripe.CustomerCashBalanceTransaction{}, "discount": stripe.Discount{}, "dispute": stripe.Dispute{}, "event": stripe.Event{}, "invoice": stripe.Invoice{},
	"invoice_payment": stripe.InvoicePayment{}, "item": stripe.LineItem{}, "line_item": stripe.InvoiceLineItem{},
	"payment_intent": stripe.PaymentIntent{}, "payment_link": stripe.PaymentLink{}, "payment_method": stripe.PaymentMethod{}, "price": stripe.Price{},
	"product": stripe.Product{}, "promotion_code": stripe.PromotionCode{}, "radar.early_fraud_warning": stripe.RadarEarlyFraudWarning{}, "refund": stripe.Refund{}, "setup_intent": stripe.SetupIntent{}, "shipping_rate": stripe.ShippingRate{},
	"subscription": stripe.Subscription{}, "subscription_item": stripe.SubscriptionItem{}, "subscription_schedule": stripe.SubscriptionSchedule{}, "tax_rate": stripe.TaxRate{}, "webhook_endpoint": stripe.WebhookEndpoint{},
}

// lists are the lists in these objects that the server shows.
var lists = []string{"charge refunds", "checkout.session line_items", "credit_note lines", "invoice lines", "invoice payments", "subscription items"}

func main() {
	writeParams()
	writeExpand()
	writeRoutes()
}

var (
	apiPath = regexp.MustCompile(`"(/v[12]/[^"]+)"`)
	calling = regexp.MustCompile(`http\.Method(Get|Post|Delete)\b`)
)

// writeRoutes writes the routes of all calls that the source of stripe-go makes. Each of its methods names one HTTP method, and one path or more.
func writeRoutes() {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/stripe/stripe-go/v82").Output()
	if err != nil {
		log.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "*_service.go"))
	if err != nil {
		log.Fatal(err)
	}
	routes := map[string]bool{}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			log.Fatal(err)
		}
		for _, body := range strings.Split(string(source), "\nfunc (") {
			verb := calling.FindStringSubmatch(body)
			for _, path := range apiPath.FindAllStringSubmatch(body, -1) {
				if verb != nil {
					routes[strings.ToUpper(verb[1])+" "+named(path[1])] = true
				}
			}
		}
	}
	text := "# Code generated by gen.go from the calls of stripe-go for API version " + stripe.APIVersion + ". DO NOT EDIT.\n" +
		strings.Join(slices.Sorted(maps.Keys(routes)), "\n") + "\n"
	if err := os.WriteFile("routes.txt", []byte(text), 0o644); err != nil {
		log.Fatal(err)
	}
}

// named gives the parameters of a path names.
func named(path string) string {
	path = strings.Replace(path, "%s", "{id}", 1)
	return strings.Replace(path, "%s", "{of}", 1)
}

// writeExpand writes a line for each field that holds an object or its ID. The line has the kind of the object around it, the
// path of the field, and the kind of the object in it. The last is "-" if the server has no objects of that kind.
func writeExpand() {
	var lines []string
	for kind, o := range objects {
		expandable(&lines, kind, "", reflect.TypeOf(o))
	}
	sort.Strings(lines)
	text := "# Code generated by gen.go from the types of stripe-go for API version " + stripe.APIVersion + ". DO NOT EDIT.\n" + strings.Join(lines, "\n") + "\n"
	if err := os.WriteFile("expand.txt", []byte(text), 0o644); err != nil {
		log.Fatal(err)
	}
}

// expandable adds the lines of one type within an object of a kind. Their paths begin with prefix.
func expandable(lines *[]string, kind, prefix string, t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		to := f.Type
		for to.Kind() == reflect.Slice || to.Kind() == reflect.Pointer {
			to = to.Elem()
		}
		if name == "" || name == "-" || to.Kind() != reflect.Struct {
			continue
		}
		path := prefix + name
		_, list := to.FieldByName("ListMeta")
		switch {
		case list && slices.Contains(lists, kind+" "+path):
			*lines = append(*lines, kind+" "+path+" list")
			expandable(lines, kind, path+".", to)
		case list:
			*lines = append(*lines, kind+" "+path+" -")
		case json.Unmarshal([]byte(`"id"`), reflect.New(to).Interface()) == nil: // JSON may hold the object's ID alone
			*lines = append(*lines, kind+" "+path+" "+kindOf(to))
		default:
			expandable(lines, kind, path+".", to)
		}
	}
}

func kindOf(t reflect.Type) string {
	for kind, o := range objects {
		if reflect.TypeOf(o) == t {
			return kind
		}
	}
	return "-"
}

func writeParams() {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# Code generated by gen.go from the parameter types of stripe-go for API version %s. DO NOT EDIT.\n", stripe.APIVersion)
	for _, c := range calls {
		keys := map[string]string{}
		walk(keys, "", reflect.TypeOf(c.params))
		if strings.Contains(c.route, "{id}/line_items") {
			delete(keys, "session") // it is in the path
			delete(keys, "payment_link")
		}
		if strings.Contains(c.route, "{id}/payment_methods") {
			delete(keys, "customer")
		}
		lines := make([]string, 0, len(keys))
		for k, kind := range keys {
			lines = append(lines, k+" "+kind)
		}
		sort.Strings(lines)
		fmt.Fprintf(&out, "\n%s\n%s\n", c.route, strings.Join(lines, "\n"))
	}
	if err := os.WriteFile("params.txt", out.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}

// walk adds the keys of one parameter type, below prefix, with the kinds of their values.
func walk(keys map[string]string, prefix string, t reflect.Type) {
	switch t {
	case reflect.TypeFor[stripe.Params]():
		return
	case reflect.TypeFor[stripe.ListParams]():
		keys["ending_before"], keys["starting_after"], keys["limit"] = "string", "string", "int"
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("form"), ",")
		key := name
		if prefix != "" {
			key = prefix + "[" + name + "]"
		}
		switch {
		case name == "" || name == "-":
		case hasNow(t, f.Name):
			keys[key] = "time" // a number of seconds, or "now"
		case name == "*":
			walk(keys, prefix, f.Type)
		default:
			add(keys, key, f.Type)
		}
	}
}

// hasNow reports whether a type has a second field that sends "now" for a parameter.
func hasNow(t reflect.Type, name string) bool {
	_, has := t.FieldByName(name + "Now")
	return has
}

func add(keys map[string]string, key string, t reflect.Type) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct:
		walk(keys, key, t)
	case reflect.Slice:
		add(keys, key+"[]", t.Elem())
	case reflect.Map:
		add(keys, key+"[*]", t.Elem())
	case reflect.Int64:
		keys[key] = "int"
	case reflect.Float64:
		keys[key] = "decimal"
	case reflect.Bool:
		keys[key] = "bool"
	case reflect.String:
		keys[key] = "string"
	default:
		log.Fatalf("%s: no rule for %s", key, t)
	}
}
