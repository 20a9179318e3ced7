package checkouttest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// Every difference between the server's objects and the recorded ones is accepted with a reason. The recordings lie outside the
// repository: recordings_test.go distils their keys.
func TestDriftFromRecordings(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(recordingsFile)
	require.NoError(t, err)
	recorded, ours := parseRecordings(t, string(text)), playedShop(t)
	for kind := range recordedKinds {
		require.NotNil(t, ours[kind], "the played shop has no %s", kind)
	}
	reasons, differs := map[string]bool{}, map[string]bool{}
	for _, a := range accepted {
		for _, name := range a.keys {
			reasons[a.kind+" "+name] = true
		}
	}
	for _, path := range slices.Sorted(maps.Keys(recorded)) {
		difference := drift(recorded, ours, path)
		if difference == "" {
			continue
		}
		if !reasons[path] {
			t.Errorf("%s: %s", path, difference)
		}
		differs[path] = true
	}
	for path := range reasons {
		require.True(t, differs[path], "%s is accepted, and is no difference", path)
	}
}

// drift returns how the server's key at a path differs from the recorded one, or "".
func drift(recorded, ours sample, path string) string {
	want, got, within := recorded[path], ours[path], ours[parent(path)]
	types := slices.Sorted(maps.Keys(want.types))
	list, isItem := strings.CutSuffix(path, "[]")
	switch {
	case isItem && ours[list] == nil:
		return ""
	case got == nil && within == nil, got == nil && within.objects == 0:
		return "" // its parent is missing, or never an object
	case got == nil:
		return "is missing"
	case want.always && !got.always:
		return "is missing sometimes"
	case slices.Equal(types, []string{"null"}):
		return "" // the recordings tell nothing of the type
	}
	for typ := range got.types {
		optional := typ == "null" && (len(got.types) > 1 || !want.always)
		if !want.types[typ] && !optional {
			return fmt.Sprintf("is %s, and was recorded as %v", typ, types)
		}
	}
	for value := range got.values {
		if want.values[value] {
			return ""
		}
	}
	if len(want.values) > 0 && len(got.values) > 0 {
		return fmt.Sprintf("is one of %v, and was recorded as %v", slices.Sorted(maps.Keys(got.values)), slices.Sorted(maps.Keys(want.values)))
	}
	return ""
}

// playedShop samples the events of two shops: one sells T-shirts, one subscriptions.
func playedShop(t *testing.T) sample {
	t.Helper()
	out := sample{}
	played := func(in *inbox) {
		in.mu.Lock()
		defer in.mu.Unlock()
		require.Empty(t, in.bad)
		for _, body := range in.bodies {
			var e map[string]any
			require.NoError(t, json.Unmarshal(body, &e))
			out.add(stripe.APIVersion, whole, e)
		}
	}
	srv := newServer(t, checkouttest.Config{})
	in := newInbox(srv)
	pay := func(method checkouttest.PaymentMethod) string {
		id := create(t, srv, tee()).ID
		require.NoError(t, srv.Pay(id, method))
		srv.Advance(time.Minute) // the capture is asynchronous
		return id
	}
	won, lost, refunded := pay(checkouttest.CardOK), pay(checkouttest.CardOK), pay(checkouttest.Card3DS)
	debit, bounced := pay(checkouttest.BankDebit), pay(checkouttest.BankDebit)
	require.NoError(t, srv.Settle(debit))
	require.NoError(t, srv.Bounce(bounced))
	require.Error(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardDeclined))
	_, err := srv.Refund(refunded, 500)
	require.NoError(t, err)
	_, err = srv.Refund(debit, 1999)
	require.NoError(t, err)
	dispute, err := srv.Dispute(won)
	require.NoError(t, err)
	require.NoError(t, srv.WinDispute(dispute))
	dispute, err = srv.Dispute(lost)
	require.NoError(t, err)
	require.NoError(t, srv.LoseDispute(dispute))
	for _, form := range []url.Values{
		teeForm("invoice_creation[enabled]", "true", "shipping_address_collection[allowed_countries][0]", "US",
			"shipping_options[0][shipping_rate_data][display_name]", "Post", "shipping_options[0][shipping_rate_data][type]", "fixed_amount",
			"shipping_options[0][shipping_rate_data][fixed_amount][amount]", "500", "shipping_options[0][shipping_rate_data][fixed_amount][currency]", "usd"),
		teeForm("payment_intent_data[capture_method]", "manual"),
		teeForm("adaptive_pricing[enabled]", "true", "customer_email", "ada+location_FR@example.org"),
	} {
		require.NoError(t, srv.Pay(makeSession(t, srv, form), checkouttest.CardOK))
	}
	call(t, srv, "POST", "/v1/payment_intents", form("amount", "100", "currency", "usd", "automatic_payment_methods[enabled]", "true"))
	srv.Advance(25 * time.Hour) // the session that was not paid expires
	played(in)

	srv, in, _, sub := club(t, checkouttest.CardOK)
	srv.Advance(40 * day)
	require.NoError(t, srv.ReplaceMethod(sub, checkouttest.CardDeclined))
	srv.Advance(60 * day) // the subscription ends
	played(in)
	return out.settle()
}

// accepted lists the differences that stay, each with its reason.
var accepted = []struct {
	reason, kind string
	keys         []string
}{
	{"stripe-go's version of the API does not have it", "charge", []string{"payment_method_details.card.transaction_link_id"}},
	{"stripe-go's version of the API does not have it", "checkout.session", []string{
		"allowed_payment_method_types", "branding_settings", "collected_information.business_name", "collected_information.individual_name",
		"customer_account", "customer_details.business_name", "customer_details.individual_name", "integration_identifier", "managed_payments",
	}},
	{"stripe-go's version of the API does not have it", "dispute", []string{"payment_method_details.card.network"}},
	{"stripe-go's version of the API does not have it", "invoice", []string{
		"amount_paid_off_stripe", "customer_account", "lines.data[].quantity_decimal", "lines.data[].subtotal",
	}},
	{"stripe-go's version of the API does not have it", "payment_intent", []string{
		"allowed_payment_method_types", "customer_account", "managed_payments",
	}},
	{"stripe-go's version of the API does not have it", "payment_method", []string{
		"customer_account", "shared_payment_granted_token",
	}},
	{"stripe-go's version of the API does not have it", "refund", []string{"customer", "customer_account", "payment_method"}},
	{"stripe-go's version of the API does not have it", "subscription", []string{
		"billing_mode.flexible", "billing_schedules", "cancellation_details.feedback_option", "customer_account",
		"invoice_settings.custom_fields", "invoice_settings.description", "invoice_settings.footer", "managed_payments",
	}},
	{"stripe-go's version of the API does not have it; endpoints of older versions get it where a shop needs it", "subscription", []string{
		"current_period_end", "current_period_start", "discount", "items.data[].plan.aggregate_usage", "items.data[].price.recurring.aggregate_usage",
		"plan.aggregate_usage", "tax_percent",
	}},
	{"it is shown only if a request expands it, as the recorded ones did", "charge", []string{"refunds"}},
	{"it is shown only if a request expands it, as the recorded ones did", "subscription", []string{"items.data[].plan.tiers", "plan.tiers"}},
	{"the recordings have no value but null, and invoices name their subscription under parent", "invoice", []string{
		"lines.data[].subscription", "subscription",
	}},
	{"stripe-go's version of the API does not have it; balance_transactions has it", "dispute", []string{"balance_transaction"}},
	{"no dispute of a test card qualifies for Visa's Compelling Evidence 3.0", "dispute", []string{"enhanced_eligibility_types[]"}},
	{"the server makes no PDF of an invoice", "invoice", []string{"rendering"}},
	{"the server has no configurations of payment methods", "checkout.session", []string{"payment_method_configuration_details"}},
	{"no call or event of the played shop sets it", "customer", []string{"invoice_settings.default_payment_method"}},
	{"the server authenticates cards on Checkout's own page alone, to which no intent redirects", "payment_intent", []string{
		"next_action.redirect_to_url", "next_action.type",
	}},
	{"the server shows the options of the methods that it has", "checkout.session", []string{
		"payment_method_options.us_bank_account", "payment_method_options.wechat_pay",
	}},
	{"the server shows the options of the methods that it has", "payment_intent", []string{
		"payment_method_options.acss_debit", "payment_method_options.afterpay_clearpay", "payment_method_options.alipay",
		"payment_method_options.klarna", "payment_method_options.link", "payment_method_options.us_bank_account", "payment_method_options.wechat_pay",
	}},
	{"no customer of the played shop saves such a method", "payment_method", []string{"customer_balance", "sepa_debit"}},
	{"it goes with the payment method: a debit has its own details", "charge", []string{"payment_method_details.card"}},
	{"it goes with the payment method: a debit has its own details", "refund", []string{"destination_details.card"}},
}
