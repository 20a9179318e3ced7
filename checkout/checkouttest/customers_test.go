package checkouttest_test

import (
	"context"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

func TestCustomers(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	srv := newServer(t, checkouttest.Config{})
	in := newInbox(srv)
	api := srv.Client()
	ada, err := api.V1Customers.Create(ctx, &stripe.CustomerCreateParams{
		Email: stripe.String("ada@example.org"), Name: stripe.String("Ada"), Address: &stripe.AddressParams{City: stripe.String("Leeds")},
		Shipping: &stripe.CustomerCreateShippingParams{Name: stripe.String("Ada"), Address: &stripe.AddressParams{Line1: stripe.String("5 Row")}},
	})
	require.NoError(t, err)
	require.Equal(t, "Leeds", ada.Address.City)
	require.Equal(t, "5 Row", ada.Shipping.Address.Line1)
	_, err = api.V1Customers.Update(ctx, ada.ID, &stripe.CustomerUpdateParams{Phone: stripe.String("+1555"), Metadata: map[string]string{"a": "b"}})
	require.NoError(t, err)
	srv.Flush()
	require.Equal(t, []string{"customer.created", "customer.updated"}, in.types(t))
	require.Equal(t, []string{ada.ID}, ids(t, srv, "/v1/customers?email=ada@example.org"))
	require.Empty(t, ids(t, srv, "/v1/customers?email=bob@example.org"))

	params := tee()
	params.Customer = &ada.ID
	params.AddExpand("customer")
	sess := create(t, srv, params)
	require.Equal(t, "Ada", sess.Customer.Name)
	require.NoError(t, srv.Pay(sess.ID, checkouttest.CardOK))
	sess = retrieve(t, srv, sess.ID, "payment_intent.latest_charge.customer")
	require.Equal(t, "ada@example.org", sess.CustomerDetails.Email)
	require.Equal(t, "+1555", sess.PaymentIntent.LatestCharge.Customer.Phone)
	require.Equal(t, []string{sess.ID}, ids(t, srv, "/v1/checkout/sessions?customer="+ada.ID))
	require.Len(t, ids(t, srv, "/v1/payment_intents?customer="+ada.ID), 1)

	made := tee()
	made.CustomerCreation = stripe.String("always")
	id := create(t, srv, made).ID
	in.types(t)
	require.NoError(t, srv.PayAs(id, checkouttest.CardOK, checkouttest.Buyer{Email: "bob@example.org"}))
	require.Equal(t, "customer.created", in.types(t)[0])
	sess = retrieve(t, srv, id, "customer", "payment_intent.customer")
	require.Equal(t, "bob@example.org", sess.Customer.Email)
	require.Equal(t, sess.Customer.ID, sess.PaymentIntent.Customer.ID)

	for _, c := range []struct {
		path                 string
		pairs                []string
		code, param, message string
	}{
		{"/v1/customers", []string{"email", "ada"}, "email_invalid", "email", ""},
		{"/v1/customers", []string{"tax_exempt", "odd"}, "", "tax_exempt", ""},
		{"/v1/customers", []string{"balance", "5"}, "", "balance", "does not implement"},
		{"/v1/customers/" + ada.ID, []string{"name", "Eve", "metadata[a]", long(501)}, "", "metadata[a]", ""},
		{"/v1/checkout/sessions", []string{"mode", "payment", "success_url", "https://a.example", "line_items[0][price]", "price_1", "customer", "cus_1"}, "resource_missing", "customer", "No such customer"},
	} {
		code, param, message := refusal(t, srv, c.path, c.pairs...)
		require.Equal(t, c.code, code, c.pairs)
		require.Equal(t, c.param, param, c.pairs)
		require.Contains(t, message, c.message)
	}
	_, raw := request(t, srv, "GET", "/v1/customers/"+ada.ID, nil)
	require.Equal(t, "Ada", raw["name"], "an update that was refused changes nothing")
	for _, key := range jsonKeys(reflect.TypeFor[stripe.Customer](), "deleted", "cash_balance", "invoice_credit_balance", "sources", "subscriptions", "tax", "tax_ids") {
		require.Contains(t, raw, key)
	}
}
