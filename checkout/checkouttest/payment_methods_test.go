package checkouttest_test

import (
	"context"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

func debit(iban string) url.Values {
	return url.Values{"type": {"sepa_debit"}, "sepa_debit[iban]": {iban}, "billing_details[email]": {"a@shop.example"}}
}

func TestPaymentMethodsRefused(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	for name, form := range map[string]url.Values{
		"no type":         {},
		"other type":      {"type": {"alipay"}},
		"a real card":     {"type": {"card"}, "card[number]": {"4111111111111111"}},
		"a debit as card": {"type": {"card"}, "card[number]": {"bank_debit"}},
		"short IBAN":      {"type": {"sepa_debit"}, "sepa_debit[iban]": {"AT61"}},
	} {
		status, body := call(t, srv, http.MethodPost, "/v1/payment_methods", form)
		require.Equal(t, http.StatusBadRequest, status, name)
		require.NotContains(t, body["error"].(map[string]any)["message"], "4111")
	}
	_, err := srv.Client().V1PaymentIntents.Create(context.Background(), intent("pm_unknown"))
	require.ErrorContains(t, err, "No such PaymentMethod: 'pm_unknown'")
}

func TestAttachedMethods(t *testing.T) {
	t.Parallel()
	_, post, customer, method := billing(t, "pm_card_visa")
	other := post(200, "/v1/customers", "name", "Bo")["id"].(string)
	require.Equal(t, customer, post(200, "/v1/payment_methods/"+method+"/attach", "customer", customer)["customer"])
	post(400, "/v1/payment_methods/"+method+"/attach", "customer", other)
	require.Equal(t, other, post(200, "/v1/payment_methods/pm_card_visa/attach", "customer", other)["customer"])
	post(404, "/v1/payment_methods/pm_none/attach", "customer", other)
	post(400, "/v1/payment_methods/pm_card_visa/attach")
	post(400, "/v1/customers", "payment_method", "pm_card_visa", "invoice_settings[default_payment_method]", "pm_card_mastercard")
	post(400, "/v1/customers/"+other, "invoice_settings[default_payment_method]", method)
}
