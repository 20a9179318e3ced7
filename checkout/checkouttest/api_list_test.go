package checkouttest_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

func TestListsAndPages(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	srv := newServer(t, checkouttest.Config{})
	api := srv.Client()
	var ids []string
	for range 12 {
		ids = append(ids, create(t, srv, tee()).ID)
		srv.Advance(time.Second)
	}
	slices.Reverse(ids) // newest first
	list := func(p *stripe.CheckoutSessionListParams) (got []string) {
		for sess, err := range api.V1CheckoutSessions.List(ctx, p) {
			require.NoError(t, err)
			got = append(got, sess.ID)
		}
		return got
	}
	require.Equal(t, ids, list(&stripe.CheckoutSessionListParams{}), "over two pages")
	p := &stripe.CheckoutSessionListParams{}
	p.Limit = stripe.Int64(5)
	require.Equal(t, ids, list(p), "over three pages")
	p = &stripe.CheckoutSessionListParams{}
	p.EndingBefore = &ids[11]
	p.Limit = stripe.Int64(4)
	require.Len(t, list(p), 11)

	require.NoError(t, srv.Pay(ids[3], checkouttest.CardOK))
	pi := retrieve(t, srv, ids[3]).PaymentIntent.ID
	require.Equal(t, ids[3:4], list(&stripe.CheckoutSessionListParams{PaymentIntent: &pi}))
	require.Equal(t, ids[3:4], list(&stripe.CheckoutSessionListParams{Status: stripe.String("complete")}))
	require.Equal(t, ids[3:4], list(&stripe.CheckoutSessionListParams{CustomerDetails: &stripe.CheckoutSessionListCustomerDetailsParams{Email: stripe.String("buyer@example.com")}}))
	third := retrieve(t, srv, ids[2]).Created
	require.Equal(t, ids[2:3], list(&stripe.CheckoutSessionListParams{Created: &third}))
	require.Equal(t, ids[:2], list(&stripe.CheckoutSessionListParams{CreatedRange: &stripe.RangeQueryParams{GreaterThan: third}}))
	require.Equal(t, ids[2:], list(&stripe.CheckoutSessionListParams{CreatedRange: &stripe.RangeQueryParams{LesserThanOrEqual: third}}))

	for path, param := range map[string]string{
		"/v1/checkout/sessions?limit=0":                "limit",
		"/v1/checkout/sessions?limit=101":              "limit",
		"/v1/checkout/sessions?starting_after=cs_none": "starting_after",
		"/v1/checkout/sessions?ending_before=cs_none":  "ending_before",
		"/v1/checkout/sessions?created=1&created[gt]=": "created[gt]",
		"/v1/events?type=a&types[]=b":                  "types",
	} {
		resp, body := request(t, srv, "GET", path, nil)
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, path)
		require.Equal(t, param, body["error"].(map[string]any)["param"], path)
	}
	_, body := request(t, srv, "GET", "/v1/checkout/sessions?limit=2&expand[]=data.payment_intent.latest_charge&status=complete", nil)
	first := body["data"].([]any)[0].(map[string]any)
	require.Equal(t, "succeeded", first["payment_intent"].(map[string]any)["latest_charge"].(map[string]any)["status"])
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

func TestLineItemsAreListed(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	params := tee()
	for range 11 {
		params.LineItems = append(params.LineItems, params.LineItems[0])
	}
	id := create(t, srv, params).ID
	sess := retrieve(t, srv, id, "line_items")
	require.Len(t, sess.LineItems.Data, 10)
	require.True(t, sess.LineItems.HasMore)
	n := 0
	for line, err := range srv.Client().V1CheckoutSessions.ListLineItems(context.Background(), &stripe.CheckoutSessionListLineItemsParams{Session: &id}) {
		require.NoError(t, err)
		require.EqualValues(t, 1999, line.AmountTotal)
		n++
	}
	require.Equal(t, 12, n)
}
