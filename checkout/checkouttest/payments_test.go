package checkouttest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// ids are the IDs that a list answers.
func ids(t *testing.T, srv *checkouttest.Server, path string) []string {
	t.Helper()
	resp, body := request(t, srv, "GET", path, nil)
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	require.Equal(t, "list", body["object"])
	out := []string{}
	for _, o := range body["data"].([]any) {
		out = append(out, str(o.(map[string]any)["id"]))
	}
	return out
}

func TestListPaymentsAndCharges(t *testing.T) {
	t.Parallel()
	srv, _, sess := paid(t, checkouttest.CardOK)
	srv.Advance(time.Minute)
	second := create(t, srv, tee()).ID
	var refused *checkouttest.PaymentError
	require.ErrorAs(t, srv.Pay(second, checkouttest.CardDeclined), &refused)
	srv.Advance(time.Minute)
	require.NoError(t, srv.Pay(second, checkouttest.CardOK))
	one, two := sess.PaymentIntent.ID, retrieve(t, srv, second).PaymentIntent.ID
	require.Equal(t, []string{two, one}, ids(t, srv, "/v1/payment_intents"))
	require.Equal(t, []string{two}, ids(t, srv, "/v1/payment_intents?limit=1"))
	require.Equal(t, []string{one}, ids(t, srv, "/v1/payment_intents?starting_after="+two))
	require.Empty(t, ids(t, srv, "/v1/payment_intents?customer=cus_1"))
	require.Len(t, ids(t, srv, "/v1/charges"), 3)
	charges := ids(t, srv, "/v1/charges?payment_intent="+two)
	require.Len(t, charges, 2)
	require.Equal(t, charges[1:], ids(t, srv, "/v1/charges?"+url.Values{"created[lt]": {"9999999999"}, "starting_after": {charges[0]}, "limit": {"1"}}.Encode()))
	_, body := request(t, srv, "GET", "/v1/charges?payment_intent="+two+"&expand[0]=data.payment_intent.latest_charge.payment_intent", nil)
	deep := body["data"].([]any)[1].(map[string]any)["payment_intent"].(map[string]any)["latest_charge"].(map[string]any)["payment_intent"].(map[string]any)
	require.Equal(t, "succeeded", deep["status"])
	resp, _ := request(t, srv, "GET", "/v1/charges?starting_after="+charges[0]+"&ending_before="+charges[1], nil)
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
}

func TestUpdateSession(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	srv := newServer(t, checkouttest.Config{})
	params := tee()
	params.Metadata = map[string]string{"order": "42", "shop": "one"}
	id := create(t, srv, params).ID
	update := func(meta map[string]string) map[string]string {
		sess, err := srv.Client().V1CheckoutSessions.Update(ctx, id, &stripe.CheckoutSessionUpdateParams{Metadata: meta})
		require.NoError(t, err)
		return sess.Metadata
	}
	require.Equal(t, map[string]string{"order": "43", "shop": "one"}, update(map[string]string{"order": "43"}))
	require.Equal(t, map[string]string{"shop": "one", "till": "2"}, update(map[string]string{"order": "", "till": "2"}))
	require.Equal(t, map[string]string{"shop": "one", "till": "2"}, retrieve(t, srv, id).Metadata)
	for _, c := range []struct{ key, value, param string }{
		{"metadata[" + long(41) + "]", "v", "metadata"}, {"metadata[a]", long(501), "metadata[a]"}, {"mode", "setup", "mode"},
		{"shipping_options[0][shipping_rate]", "shr_1", "shipping_options"},
	} {
		resp, body := request(t, srv, "POST", "/v1/checkout/sessions/"+id, form(c.key, c.value))
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, c.key)
		require.Equal(t, c.param, str(body["error"].(map[string]any)["param"]))
	}
	many := url.Values{}
	for i := range 49 {
		many.Set(fmt.Sprintf("metadata[k%d]", i), "v")
	}
	resp, _ := request(t, srv, "POST", "/v1/checkout/sessions/"+id, many)
	require.Equal(t, http.StatusBadRequest, resp.StatusCode, "51 keys with those that are there")
	_, body := request(t, srv, "POST", "/v1/checkout/sessions/"+id, form("metadata", ""))
	require.Empty(t, body["metadata"])
	resp, _ = request(t, srv, "POST", "/v1/checkout/sessions/cs_1", form("metadata", ""))
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
}
