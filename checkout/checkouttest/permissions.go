package checkouttest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// permissionNames are the resources of restricted keys, by the paths that they are for, where the name is not the singular of the
// path. Stripe documents no list of these names. A refusal shows the form, rak_…_read
// (https://github.com/stripe/stripe-node/issues/2246). The names here are guesses by that form, so a test should not depend on one.
var permissionNames = map[string]string{
	"account":            "accounts_kyc_basic",
	"billing_portal":     "customer_portal",
	"checkout":           "checkout_session",
	"event_destinations": "event_destination",
	"invoiceitems":       "invoice",
	"invoice_payments":   "invoice",
	"prices":             "plan",
	"radar":              "radar_early_fraud_warning",
	"webhook_endpoints":  "webhook",
}

// permissionFor returns the permission that a request needs, such as charge_read.
func permissionFor(method, path string) string {
	resource := strings.TrimPrefix(strings.TrimPrefix(path, "/v1/"), "/v2/core/")
	resource, _, _ = strings.Cut(resource, "/")
	name, known := permissionNames[resource]
	if !known {
		name = strings.TrimSuffix(resource, "s")
	}
	if method == http.MethodGet {
		return name + "_read"
	}
	return name + "_write"
}

// permit refuses what the server's key may not do. Write permission includes read permission. The refusal comes before the request is
// looked at, and its text is Stripe's: https://github.com/stripe/stripe-node/issues/2246
func (s *Server) permit(r *http.Request) *apiError {
	needed := permissionFor(r.Method, r.URL.Path)
	resource, _ := strings.CutSuffix(needed, "_read")
	if s.permissions == nil || slices.Contains(s.permissions, needed) || slices.Contains(s.permissions, resource+"_write") {
		return nil
	}
	return &apiError{
		status: http.StatusForbidden, typ: "invalid_request_error", unsaved: true,
		message: fmt.Sprintf("The provided key 'rk_test_***' does not have the required permissions for this endpoint on account '%s'. "+
			"Having the 'rak_%s' permission would allow this request to continue.", s.accountID, needed),
	}
}
