package openapi

import (
	"encoding/json"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-mock/embedded"
	earlier "stripe-mock-0.195.test/embedded"
)

var specs = sync.OnceValues(func() (Checker, error) {
	requests, err := Load(embedded.OpenAPISpec)
	if err != nil {
		return Checker{}, err
	}
	responses, err := Load(earlier.OpenAPISpec)
	return Checker{responses, requests}, err
})

// checker returns a Checker with the description of v0.195.0 as Spec and the description of v0.197.0 as Later.
func checker(t testing.TB) Checker {
	t.Helper()
	check, err := specs()
	require.NoError(t, err)
	require.Equal(t, "2025-05-28.basil", check.Spec.Info.Version)
	require.Equal(t, "2025-09-30.clover", check.Later.Info.Version)
	return check
}

// The checker finds each kind of fault.
func TestCheckerFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	check := checker(t)
	refund := func(change func(o map[string]any)) []byte {
		o := map[string]any{
			"id": "re_1", "object": "refund", "amount": 5, "balance_transaction": nil, "charge": "ch_1", "created": 1, "currency": "usd",
			"metadata": map[string]any{"k": "v"}, "payment_intent": nil, "reason": "duplicate", "receipt_number": nil,
			"source_transfer_reversal": nil, "status": "succeeded", "transfer_reversal": nil,
		}
		change(o)
		raw, err := json.Marshal(o)
		require.NoError(t, err)
		return raw
	}
	schema := check.Spec.Components.Schemas["charge"]
	var chargeOfID []string // an object is compared with the schema of objects, not with that of strings
	for _, name := range schema.Required {
		if name != "id" {
			chargeOfID = append(chargeOfID, ".charge."+name+": is missing")
		}
	}
	for name, c := range map[string]struct {
		change func(o map[string]any)
		want   []string
	}{
		"nothing":                {func(map[string]any) {}, nil},
		"a missing field":        {func(o map[string]any) { delete(o, "amount") }, []string{".amount: is missing"}},
		"an unknown field":       {func(o map[string]any) { o["colour"] = "red" }, []string{".colour: there is no such field"}},
		"null":                   {func(o map[string]any) { o["created"] = nil }, []string{".created: is null"}},
		"a string for a number":  {func(o map[string]any) { o["amount"] = "5" }, []string{".amount: is 5, not integer"}},
		"a fraction":             {func(o map[string]any) { o["amount"] = 5.5 }, []string{".amount: is 5.5, not integer"}},
		"not in the enumeration": {func(o map[string]any) { o["object"] = "refunds" }, []string{".object: refunds is none of [refund]"}},
		"a value in metadata":    {func(o map[string]any) { o["metadata"] = map[string]any{"k": 1} }, []string{".metadata.k: is float64, not string"}},
		"an expanded charge":     {func(o map[string]any) { o["charge"] = map[string]any{"id": "ch_1"} }, chargeOfID},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, check.Response("GET", "/v1/refunds/re_1", 200, refund(c.change)))
		})
	}
	require.NotEmpty(t, check.Response("GET", "/v1/refunds", 200, []byte(`{"object":"list","data":null,"has_more":false,"url":"/v1/refunds"}`)))
	require.NotEmpty(t, check.Response("GET", "/v1/colours", 200, []byte(`{}`)))
	require.NotEmpty(t, check.Response("GET", "/v1/refunds/re_1", 404, []byte(`{"error":{"type":"odd"}}`)))
	require.Empty(t, check.Response("GET", "/v1/refunds/re_1", 404, []byte(`{"error":{"type":"invalid_request_error","message":"No."}}`)))
	event := `{"id":"evt_1","object":"event","api_version":null,"created":1,"livemode":false,"pending_webhooks":0,"request":null,"type":"refund.created","data":{"object":`
	require.Empty(t, check.Event([]byte(event+string(refund(func(map[string]any) {}))+`}}`)))
	require.Equal(t, []string{"data.object: .amount: is missing"}, check.Event([]byte(event+string(refund(func(o map[string]any) { delete(o, "amount") }))+`}}`)))
}

func TestUnknownFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	check := checker(t)
	require.Equal(t,
		[]string{"colour", "line_items[0][price_data][product_data][colour]", "line_items[x][quantity]", "metadata", "mode[sub]", "payment_intent_data[metadata][k][sub]"},
		check.Later.Unknown("POST", "/v1/checkout/sessions", url.Values{
			"colour": nil, "line_items[0][price_data][product_data][colour]": nil, "line_items[x][quantity]": nil, "metadata": nil, "mode[sub]": nil,
			"payment_intent_data[metadata][k][sub]":         nil,
			"line_items[0][price_data][product_data][name]": nil, "mode": nil, "metadata[k]": nil, "expand[]": nil, "expand[0]": nil,
			"payment_intent_data[metadata][k]": nil, "payment_method_types[0]": nil,
		}))
	require.Equal(t, []string{"created[about]", "mode"}, check.Later.Unknown("GET", "/v1/checkout/sessions", url.Values{
		"created[about]": nil, "created[gte]": nil, "created": nil, "limit": nil, "mode": nil,
	}))
}
