package checkouttest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// request sends one raw request and returns the answer and its decoded body.
func request(t testing.TB, srv *checkouttest.Server, method, path string, form url.Values, header ...string) (*http.Response, map[string]any) {
	t.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	} else if form != nil {
		path += "?" + form.Encode()
	}
	r, err := http.NewRequestWithContext(context.Background(), method, srv.URL()+path, body)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+srv.Key())
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := srv.Transport().RoundTrip(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	var decoded map[string]any
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&decoded))
	return resp, decoded
}

// teeForm is tee as a form, changed by pairs of keys and values; the value "-" removes a key.
func teeForm(pairs ...string) url.Values {
	v := url.Values{
		"mode": {"payment"}, "success_url": {"https://shop.example/thanks"},
		"line_items[0][price_data][currency]": {"usd"}, "line_items[0][price_data][product_data][name]": {"T-shirt"},
		"line_items[0][price_data][unit_amount]": {"1999"}, "line_items[0][quantity]": {"1"},
	}
	for i := 0; i < len(pairs); i += 2 {
		if v.Set(pairs[i], pairs[i+1]); pairs[i+1] == "-" {
			v.Del(pairs[i])
		}
	}
	return v
}

func str(v any) string { s, _ := v.(string); return s }

// jsonKeys are the keys that stripe-go knows of an object.
func jsonKeys(t reflect.Type, without ...string) []string {
	var keys []string
	for i := range t.NumField() {
		if key, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); key != "" && key != "-" && !slices.Contains(without, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

func TestEveryKeyIsThere(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	id := create(t, srv, tee()).ID
	without := []string{"line_items", "presentment_details", "redirect_on_completion", "return_url"} // the last two are of embedded sessions
	check := func(path string, typ reflect.Type, without ...string) map[string]any {
		_, body := request(t, srv, "GET", path, nil)
		for _, key := range jsonKeys(typ, without...) {
			require.Contains(t, body, key, path)
		}
		return body
	}
	open := check("/v1/checkout/sessions/"+id, reflect.TypeFor[stripe.CheckoutSession](), without...)
	require.Nil(t, open["payment_intent"])
	require.Equal(t, false, open["livemode"])
	require.Equal(t, srv.URL()+"/c/pay/"+id, open["url"])
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	paid := check("/v1/checkout/sessions/"+id, reflect.TypeFor[stripe.CheckoutSession](), without...)
	require.Nil(t, paid["url"])
	pi := check("/v1/payment_intents/"+str(paid["payment_intent"]), reflect.TypeFor[stripe.PaymentIntent](), "presentment_details")
	check("/v1/charges/"+str(pi["latest_charge"]), reflect.TypeFor[stripe.Charge](), "authorization_code", "level3", "presentment_details", "refunds", "transfer")
	events := srv.Events()
	check("/v1/events/"+events[0].ID, reflect.TypeFor[stripe.Event](), "account", "context")
}

// TestKeysOfRecordedSessions holds the session's keys against recorded ones, of this API version and later ones.
func TestKeysOfRecordedSessions(t *testing.T) {
	t.Parallel()
	corpus := os.Getenv("FULFIL_CORPUS")
	if corpus == "" {
		t.Skip("FULFIL_CORPUS is not set")
	}
	files, err := filepath.Glob(filepath.Join(corpus, "checkout.session.completed--*--2025-05-28.basil--*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	srv := newServer(t, checkouttest.Config{})
	_, ours := request(t, srv, "GET", "/v1/checkout/sessions/"+create(t, srv, tee()).ID, nil)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		var e struct {
			Data struct{ Object map[string]any }
		}
		require.NoError(t, json.Unmarshal(raw, &e))
		for key := range e.Data.Object {
			require.Contains(t, ours, key, file)
		}
	}
}

func TestCreatedSession(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{Start: time.Unix(1_800_000_000, 999)})
	price := srv.AddPrice(checkouttest.Price{Name: "Mug", Currency: "usd", UnitAmount: 850})
	params := tee()
	params.LineItems[0].PriceData.UnitAmount = nil
	params.LineItems[0].PriceData.UnitAmountDecimal = stripe.Float64(0.5)
	params.LineItems[0].Quantity = stripe.Int64(3)
	params.LineItems = append(params.LineItems, &stripe.CheckoutSessionCreateLineItemParams{Price: &price, Quantity: stripe.Int64(2)})
	params.CustomerEmail = stripe.String("ada@example.org")
	params.ExpiresAt = stripe.Int64(1_800_000_000 + 1800)
	params.ShippingOptions = []*stripe.CheckoutSessionCreateShippingOptionParams{{ShippingRateData: &stripe.CheckoutSessionCreateShippingOptionShippingRateDataParams{
		DisplayName: stripe.String("Post"), Type: stripe.String("fixed_amount"),
		FixedAmount: &stripe.CheckoutSessionCreateShippingOptionShippingRateDataFixedAmountParams{Amount: stripe.Int64(500), Currency: stripe.String("usd")},
	}}}
	params.AddExpand("line_items.data.price.product")
	sess := create(t, srv, params)
	require.EqualValues(t, 1702, sess.AmountSubtotal, "1.5 is rounded up")
	require.EqualValues(t, 2202, sess.AmountTotal)
	require.EqualValues(t, 500, sess.TotalDetails.AmountShipping)
	require.EqualValues(t, "usd", sess.Currency)
	require.EqualValues(t, 1_800_001_800, sess.ExpiresAt)
	require.EqualValues(t, 1_800_000_000, sess.Created)
	require.Equal(t, "ada@example.org", sess.CustomerDetails.Email)
	require.Equal(t, "order-42", sess.ClientReferenceID)
	require.Len(t, sess.LineItems.Data, 2)
	require.Equal(t, "T-shirt", sess.LineItems.Data[0].Price.Product.Name)
	require.Equal(t, price, sess.LineItems.Data[1].Price.ID)
	require.Equal(t, "Mug", sess.LineItems.Data[1].Description)

	srv.Advance(30 * time.Minute)
	require.EqualValues(t, "expired", retrieve(t, srv, sess.ID).Status)

	yearly := srv.AddPrice(checkouttest.Price{Name: "Club", Currency: "eur", UnitAmount: 900, Interval: "year"})
	sub := &stripe.CheckoutSessionCreateParams{
		Mode: stripe.String("subscription"), UIMode: stripe.String("embedded"), ReturnURL: stripe.String("https://shop.example/"),
		LineItems: []*stripe.CheckoutSessionCreateLineItemParams{{Price: &yearly, Quantity: stripe.Int64(1)}},
	}
	embedded := create(t, srv, sub)
	require.Empty(t, embedded.URL)
	require.Contains(t, embedded.ClientSecret, embedded.ID+"_secret_")
}

func TestKeysAccountsAndPaths(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{Key: "sk_test_mine"})
	for _, header := range []string{"", "Bearer ", "Bearer sk_test_other", "Bearer sk_live_secret", "Basic !"} {
		resp, body := request(t, srv, "GET", "/v1/events", nil, "Authorization", header)
		require.Equal(t, http.StatusUnauthorized, resp.StatusCode, header)
		require.NotContains(t, body["error"].(map[string]any)["message"], "secret", "a key is never repeated")
	}
	resp, _ := request(t, srv, "GET", "/v1/events", nil, "Authorization", "Basic c2tfdGVzdF9taW5lOg==")
	require.Equal(t, http.StatusOK, resp.StatusCode, "basic authentication, as curl -u sends it")
	require.NotEmpty(t, resp.Header.Get("Request-Id"))
	require.Equal(t, stripe.APIVersion, resp.Header.Get("Stripe-Version"))

	for _, c := range []struct{ method, path string }{{"GET", "/v1/coupons"}, {"DELETE", "/v1/checkout/sessions"}, {"GET", "/v1/"}} {
		resp, body := request(t, srv, c.method, c.path, nil)
		require.Equal(t, http.StatusNotFound, resp.StatusCode)
		require.Contains(t, body["error"].(map[string]any)["message"], "Unrecognized request URL ("+c.method+": "+c.path+")")
	}
	for path, message := range map[string]string{
		"/v1/checkout/sessions/cs_1": "No such checkout.session: 'cs_1'", "/v1/events/evt_1": "No such event: 'evt_1'",
		"/v1/checkout/sessions/cs_1/line_items": "No such checkout.session: 'cs_1'",
		"/v1/payment_intents/pi_1":              "No such payment_intent: 'pi_1'", "/v1/charges/ch_1": "No such charge: 'ch_1'",
	} {
		resp, body := request(t, srv, "GET", path, nil)
		require.Equal(t, http.StatusNotFound, resp.StatusCode)
		e := body["error"].(map[string]any)
		require.Equal(t, "resource_missing", e["code"])
		require.Equal(t, message, e["message"])
	}

	params := tee()
	params.SetStripeAccount("acct_1")
	id := create(t, srv, params).ID
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	resp, _ = request(t, srv, "GET", "/v1/checkout/sessions/"+id, nil)
	require.Equal(t, http.StatusNotFound, resp.StatusCode, "another account's session")
	resp, body := request(t, srv, "GET", "/v1/checkout/sessions/"+id, nil, "Stripe-Account", "acct_1")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	pi := str(body["payment_intent"])
	resp, _ = request(t, srv, "GET", "/v1/payment_intents/"+pi, nil)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	resp, _ = request(t, srv, "GET", "/v1/payment_intents/"+pi, nil, "Stripe-Account", "acct_1")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	_, body = request(t, srv, "GET", "/v1/events", nil, "Stripe-Account", "acct_1")
	require.Equal(t, "acct_1", body["data"].([]any)[0].(map[string]any)["account"])
	_, body = request(t, srv, "GET", "/v1/events", nil)
	require.Empty(t, body["data"])
}
