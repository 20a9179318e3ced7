package checkouttest

import (
	_ "embed" // for routes.txt
	"net/http"
	"strings"
)

// endpoints returns the calls that the API answers, by method and path pattern. params.txt has the parameters of each.
func (s *Server) endpoints() map[string]endpoint {
	return map[string]endpoint{
		"POST /v1/checkout/sessions":                s.createSession,
		"GET /v1/checkout/sessions":                 s.listSessions,
		"GET /v1/checkout/sessions/{id}":            s.retrieveSession,
		"POST /v1/checkout/sessions/{id}":           s.updateSession,
		"POST /v1/checkout/sessions/{id}/expire":    s.expireSession,
		"GET /v1/checkout/sessions/{id}/line_items": s.listLineItems,
		"GET /v1/events":                            s.listEvents,
		"GET /v1/events/{id}":                       s.retrieveEvent,
		"POST /v1/events/{id}/retry":                s.retryEvent,
		"POST /v1/webhook_endpoints":                s.createEndpoint,
		"GET /v1/webhook_endpoints":                 s.list("webhook_endpoint"),
		"GET /v1/webhook_endpoints/{id}":            s.retrieve("webhook_endpoint"),
		"POST /v1/webhook_endpoints/{id}":           s.updateEndpoint,
		"DELETE /v1/webhook_endpoints/{id}":         s.deleteEndpoint,
		"POST /v1/payment_intents":                  s.createIntent,
		"GET /v1/payment_intents/{id}":              s.retrieve("payment_intent"),
		"POST /v1/payment_intents/{id}/cancel":      s.cancelIntent,
		"POST /v1/payment_intents/{id}/capture":     s.captureIntent,
		"POST /v1/payment_intents/{id}/confirm":     s.confirmIntent,
		"POST /v1/payment_intents/{id}":             s.updateIntent,
		"GET /v1/payment_intents/search":            s.search("payment_intent"),
		"POST /v1/payment_methods":                  s.createMethod,
		"GET /v1/payment_methods":                   s.listMethods,
		"POST /v1/payment_methods/{id}":             s.updateMethod,
		"POST /v1/payment_methods/{id}/detach":      s.detachMethod,
		"GET /v1/customers/{id}/payment_methods":    s.listMethodsOfCustomer,
		"GET /v1/payment_methods/{id}":              s.retrieveMethod,
		"GET /v1/payment_intents":                   s.list("payment_intent", "customer"),
		"GET /v1/charges":                           s.list("charge", "customer", "payment_intent", "transfer_group"),
		"GET /v1/charges/{id}":                      s.retrieve("charge"),
		"POST /v1/charges/{id}":                     s.updateCharge,
		"GET /v1/charges/search":                    s.search("charge"),
		"POST /v1/refunds":                          s.createRefund,
		"GET /v1/refunds":                           s.list("refund", "charge", "payment_intent"),
		"GET /v1/refunds/{id}":                      s.retrieve("refund"),
		"POST /v1/refunds/{id}":                     s.updateRefund,
		"POST /v1/refunds/{id}/cancel":              s.cancelRefund,
		"GET /v1/balance":                           s.retrieveBalance,
		"GET /v1/balance_transactions":              s.list("balance_transaction", "currency", "source", "type"),
		"GET /v1/balance_transactions/{id}":         s.retrieve("balance_transaction"),
		"GET /v1/disputes":                          s.list("dispute", "charge", "payment_intent"),
		"GET /v1/disputes/{id}":                     s.retrieve("dispute"),
		"POST /v1/disputes/{id}":                    s.updateDispute,
		"POST /v1/disputes/{id}/close":              s.closeDisputeAsLost,
		"GET /v1/radar/early_fraud_warnings":        s.list("radar.early_fraud_warning", "charge", "payment_intent"),
		"GET /v1/radar/early_fraud_warnings/{id}":   s.retrieve("radar.early_fraud_warning"),

		"POST /v1/shipping_rates":      s.createShippingRate,
		"GET /v1/shipping_rates":       s.list("shipping_rate", "active"),
		"GET /v1/shipping_rates/{id}":  s.retrieve("shipping_rate"),
		"POST /v1/shipping_rates/{id}": s.updateShippingRate,
		"GET /v1/setup_intents":        s.list("setup_intent", "customer", "payment_method"),
		"GET /v1/setup_intents/{id}":   s.retrieve("setup_intent"),
		"POST /v1/setup_intents/{id}":  s.updateSetupIntent,

		"POST /v1/setup_intents":              s.createSetupIntent,
		"POST /v1/setup_intents/{id}/cancel":  s.cancelSetupIntent,
		"POST /v1/setup_intents/{id}/confirm": s.confirmSetupIntent,

		"GET /v1/customers/{id}/cash_balance":                    s.retrieveCashBalance,
		"GET /v1/customers/{id}/cash_balance_transactions":       s.listCashTransactions,
		"GET /v1/customers/{id}/cash_balance_transactions/{of}":  s.retrieveCashTransaction,
		"POST /v1/test_helpers/customers/{id}/fund_cash_balance": s.fundCashBalance,

		"POST /v1/customers":        s.createCustomer,
		"GET /v1/customers":         s.list("customer", "email", "test_clock"),
		"GET /v1/customers/{id}":    s.retrieveCustomer,
		"DELETE /v1/customers/{id}": s.deleteCustomer,
		"POST /v1/customers/{id}":   s.updateCustomer,
		"POST /v1/products":         s.createProduct,
		"GET /v1/products":          s.listIf("product", map[string]condition{"ids": among("id")}, "active", "shippable", "url"),
		"GET /v1/products/{id}":     s.retrieve("product"),
		"POST /v1/products/{id}":    s.updateProduct,
		"DELETE /v1/products/{id}":  s.deleteProduct,
		"POST /v1/prices":           s.createPrice,
		"GET /v1/prices":            s.listIf("price", map[string]condition{"lookup_keys": among("lookup_key"), "recurring": recurs}, "active", "currency", "product", "type"),
		"GET /v1/prices/{id}":       s.retrieve("price"),
		"POST /v1/prices/{id}":      s.updatePrice,

		"POST /v1/coupons":              s.createCoupon,
		"GET /v1/coupons":               s.list("coupon"),
		"GET /v1/coupons/{id}":          s.retrieve("coupon"),
		"POST /v1/coupons/{id}":         s.updateCoupon,
		"DELETE /v1/coupons/{id}":       s.deleteCoupon,
		"POST /v1/promotion_codes":      s.createPromotionCode,
		"GET /v1/promotion_codes":       s.listIf("promotion_code", map[string]condition{"coupon": ofCoupon}, "active", "code", "customer"),
		"GET /v1/promotion_codes/{id}":  s.retrieve("promotion_code"),
		"POST /v1/promotion_codes/{id}": s.updatePromotionCode,

		"POST /v1/billing_portal/sessions": s.createPortalSession,

		"POST /v1/payment_methods/{id}/attach":      s.attachMethod,
		"POST /v1/invoiceitems":                     s.createInvoiceItem,
		"DELETE /v1/invoiceitems/{id}":              s.deleteInvoiceItem,
		"POST /v1/invoices":                         s.createInvoice,
		"POST /v1/invoices/{id}":                    s.updateInvoice,
		"DELETE /v1/invoices/{id}":                  s.deleteInvoice,
		"POST /v1/invoices/{id}/finalize":           s.finalizeInvoice,
		"POST /v1/invoices/{id}/mark_uncollectible": s.markUncollectibleOverAPI,
		"POST /v1/invoices/{id}/send":               s.sendInvoice,
		"POST /v1/invoices/{id}/void":               s.voidInvoiceOverAPI,
		"POST /v1/invoices/{id}/pay":                s.payInvoiceOverAPI,
		"POST /v1/subscriptions":                    s.createSubscription,
		"GET /v1/subscriptions":                     s.listSubscriptions(),
		"GET /v1/subscriptions/{id}":                s.retrieve("subscription"),
		"POST /v1/subscriptions/{id}":               s.updateSubscription,
		"POST /v1/subscriptions/{id}/resume":        s.resumeSubscription,
		"DELETE /v1/subscriptions/{id}":             s.cancelSubscriptionOverAPI,
		"GET /v1/invoices":                          s.listIf("invoice", map[string]condition{"subscription": ofSubscription}, "customer", "status", "collection_method"),
		"GET /v1/invoices/{id}":                     s.retrieve("invoice"),
		"GET /v1/invoices/{id}/lines":               s.listInvoiceLines,
		"GET /v1/invoice_payments":                  s.listInvoicePayments(),
		"GET /v1/invoice_payments/{id}":             s.retrieve("invoice_payment"),

		"POST /v1/subscription_schedules":              s.createSchedule,
		"GET /v1/subscription_schedules":               s.listIf("subscription_schedule", map[string]condition{"scheduled": notStarted}, "customer"),
		"GET /v1/subscription_schedules/{id}":          s.retrieve("subscription_schedule"),
		"POST /v1/subscription_schedules/{id}":         s.updateSchedule,
		"POST /v1/subscription_schedules/{id}/cancel":  s.cancelSchedule,
		"POST /v1/subscription_schedules/{id}/release": s.releaseSchedule,

		"POST /v1/credit_notes":              s.createCreditNote,
		"GET /v1/credit_notes":               s.list("credit_note", "customer", "invoice"),
		"GET /v1/credit_notes/{id}":          s.retrieve("credit_note"),
		"POST /v1/credit_notes/{id}":         s.updateCreditNote,
		"POST /v1/credit_notes/{id}/void":    s.voidCreditNote,
		"GET /v1/credit_notes/{id}/lines":    s.listCreditNoteLines,
		"GET /v1/credit_notes/preview":       s.previewCreditNote,
		"GET /v1/credit_notes/preview/lines": s.previewCreditNoteLines,

		"POST /v1/payment_links":                s.createPaymentLink,
		"GET /v1/payment_links":                 s.list("payment_link", "active"),
		"GET /v1/payment_links/{id}":            s.retrieve("payment_link"),
		"POST /v1/payment_links/{id}":           s.updatePaymentLink,
		"GET /v1/payment_links/{id}/line_items": s.listItemsOfLink,

		"POST /v1/tax_rates":      s.createTaxRate,
		"GET /v1/tax_rates":       s.list("tax_rate", "active", "inclusive"),
		"GET /v1/tax_rates/{id}":  s.retrieve("tax_rate"),
		"POST /v1/tax_rates/{id}": s.updateTaxRate,

		"GET /v1/customers/search":     s.search("customer"),
		"GET /v1/invoices/search":      s.search("invoice"),
		"GET /v1/prices/search":        s.search("price"),
		"GET /v1/products/search":      s.search("product"),
		"GET /v1/subscriptions/search": s.search("subscription"),

		"POST /v1/test_helpers/test_clocks":              s.createTestClock,
		"GET /v1/test_helpers/test_clocks":               s.list("test_helpers.test_clock"),
		"GET /v1/test_helpers/test_clocks/{id}":          s.retrieve("test_helpers.test_clock"),
		"DELETE /v1/test_helpers/test_clocks/{id}":       s.deleteTestClock,
		"POST /v1/test_helpers/test_clocks/{id}/advance": s.advanceTestClock,

		"GET /v1/account": s.retrieveAccount,

		"GET /v2/core/events":                           s.listThinEvents,
		"GET /v2/core/events/{id}":                      s.retrieveThinEvent,
		"POST /v2/core/event_destinations":              s.createDestination,
		"GET /v2/core/event_destinations":               s.listDestinations,
		"GET /v2/core/event_destinations/{id}":          s.retrieveDestination,
		"POST /v2/core/event_destinations/{id}":         s.updateDestination,
		"DELETE /v2/core/event_destinations/{id}":       s.deleteDestination,
		"POST /v2/core/event_destinations/{id}/disable": s.disableDestination,
		"POST /v2/core/event_destinations/{id}/enable":  s.enableDestination,
		"POST /v2/core/event_destinations/{id}/ping":    s.pingDestination,
	}
}

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for route, serve := range s.endpoints() {
		s.handle(mux, route, &operation{schema: schemas()[route], result: resultOf(route), serve: serve})
	}
	for _, route := range s.notBuilt() {
		s.handle(mux, route, notBuiltHere)
	}
	s.handle(mux, "/v1/", nil)
	s.handle(mux, "/v2/", nil)
	s.pageRoutes(mux)
	s.cliRoutes(mux)
	return mux
}

// routesText lists the calls of Stripe's API.
//
//go:embed routes.txt
var routesText string

// notBuilt returns the routes of Stripe's API that the server does not have.
func (s *Server) notBuilt() []string {
	// stripe-go does not have these: they came after its API version, or went before it.
	routes := strings.Fields(`/v1/crypto/ /v1/exchange_rates /v1/exchange_rates/ /v1/external_accounts/ /v1/link_account_sessions /v1/link_account_sessions/
/v1/payment_records/ /v1/payouts/{id}/cancel /v1/sources/{id}/verify
/v2/core/accounts /v2/core/accounts/`)
	built := s.endpoints()
	for route := range strings.Lines(routesText) {
		route = strings.TrimSpace(route)
		if !strings.HasPrefix(route, "#") && built[route] == nil {
			routes = append(routes, route)
		}
	}
	return routes
}

// notBuiltHere refuses a call by its name. A call that Stripe would answer must not look like one that nobody knows.
var notBuiltHere = &operation{schema: nil, serve: nil}

// handle has a route of the API served. A nil operation stands for an unknown path.
func (s *Server) handle(mux *http.ServeMux, route string, op *operation) {
	mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) { s.serveAPI(w, r, op) })
}
