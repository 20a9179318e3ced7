package checkouttest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

func TestExpireOfASessionThatIsNotOpen(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	id := create(t, srv, tee()).ID
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	_, err := srv.Client().V1CheckoutSessions.Expire(context.Background(), id, nil)
	var e *stripe.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, http.StatusBadRequest, e.HTTPStatusCode)
	require.Equal(t, stripe.ErrorTypeInvalidRequest, e.Type)
	require.Contains(t, e.Msg, "has a status of `complete`")
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
