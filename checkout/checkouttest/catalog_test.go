package checkouttest_test

import (
	"context"
	"net/http"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

func TestProductsAndPrices(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	srv := newServer(t, checkouttest.Config{})
	in := newInbox(srv)
	api := srv.Client()
	mug, err := api.V1Products.Create(ctx, &stripe.ProductCreateParams{
		Name: stripe.String("Mug"), ID: stripe.String("mug"), Metadata: map[string]string{"sku": "m1"}, Images: stripe.StringSlice([]string{"https://shop.example/mug.png"}),
		DefaultPriceData: &stripe.ProductCreateDefaultPriceDataParams{Currency: stripe.String("usd"), UnitAmount: stripe.Int64(850)},
	})
	require.NoError(t, err)
	srv.Flush()
	require.Equal(t, []string{"product.created", "price.created"}, in.types(t))
	yearly, err := api.V1Prices.Create(ctx, &stripe.PriceCreateParams{
		Currency: stripe.String("eur"), UnitAmountDecimal: stripe.Float64(0.5), LookupKey: stripe.String("club"), Nickname: stripe.String("Club"),
		ProductData: &stripe.PriceCreateProductDataParams{Name: stripe.String("Club")},
		Recurring:   &stripe.PriceCreateRecurringParams{Interval: stripe.String("year")},
	})
	require.NoError(t, err)
	srv.Flush()
	require.Equal(t, []string{"product.created", "price.created"}, in.types(t))
	require.Zero(t, yearly.UnitAmount)
	require.EqualValues(t, 0.5, yearly.UnitAmountDecimal)
	inline := create(t, srv, tee())

	require.Equal(t, []string{mug.DefaultPrice.ID}, ids(t, srv, "/v1/prices?product=mug"))
	require.Equal(t, []string{yearly.ID}, ids(t, srv, "/v1/prices?type=recurring"))
	require.Equal(t, []string{yearly.ID}, ids(t, srv, "/v1/prices?recurring[interval]=year&currency=eur"))
	require.Empty(t, ids(t, srv, "/v1/prices?recurring[interval]=week"))
	require.Equal(t, []string{yearly.ID}, ids(t, srv, "/v1/prices?lookup_keys[]=club&lookup_keys[]=other"))
	require.Len(t, ids(t, srv, "/v1/prices?active=true"), 2)
	require.Len(t, ids(t, srv, "/v1/prices?active=false"), 1, "the session's own")
	require.Equal(t, []string{"mug"}, ids(t, srv, "/v1/products?ids[0]=mug"))
	require.Len(t, ids(t, srv, "/v1/products"), 3)

	sess := tee()
	sess.LineItems = []*stripe.CheckoutSessionCreateLineItemParams{{Price: &mug.DefaultPrice.ID, Quantity: stripe.Int64(2)}}
	require.EqualValues(t, 1700, create(t, srv, sess).AmountTotal)
	_, err = api.V1Prices.Update(ctx, mug.DefaultPrice.ID, &stripe.PriceUpdateParams{Active: stripe.Bool(false)})
	require.NoError(t, err)
	_, err = api.V1Products.Update(ctx, "mug", &stripe.ProductUpdateParams{Name: stripe.String("Big mug"), Metadata: map[string]string{"sku": ""}})
	require.NoError(t, err)
	_, err = api.V1Products.Update(ctx, "mug", nil)
	require.NoError(t, err)
	srv.Flush()
	require.Equal(t, []string{"price.updated", "product.updated"}, in.types(t), "no event where nothing changes")
	p, err := api.V1Products.Retrieve(ctx, "mug", nil)
	require.NoError(t, err)
	require.Equal(t, "Big mug", p.Name)
	require.Empty(t, p.Metadata)

	line := retrieve(t, srv, inline.ID, "line_items").LineItems.Data[0].Price
	for _, c := range []struct {
		path                 string
		pairs                []string
		code, param, message string
	}{
		{"/v1/checkout/sessions", []string{"mode", "payment", "success_url", "https://a.example", "line_items[0][price]", mug.DefaultPrice.ID, "line_items[0][quantity]", "1"}, "", "line_items[0][price]", "inactive"},
		{"/v1/checkout/sessions", []string{"mode", "payment", "success_url", "https://a.example", "line_items[0][price]", line.ID, "line_items[0][quantity]", "1"}, "", "line_items[0][price]", "inactive"},
		{"/v1/products", nil, "parameter_missing", "name", ""},
		{"/v1/products", []string{"name", "Mug", "id", "mug"}, "resource_already_exists", "id", ""},
		{"/v1/products", []string{"name", "Mug", "default_price_data[currency]", "usd"}, "parameter_missing", "default_price_data[unit_amount]", ""},
		{"/v1/products", []string{"name", "Mug", "default_price_data[currency]", "abc", "default_price_data[unit_amount]", "1"}, "", "default_price_data[currency]", "Invalid currency: abc"},
		{"/v1/products", []string{"name", "Mug", "default_price_data[currency]", "usd", "default_price_data[unit_amount]", "1", "default_price_data[recurring][interval_count]", "2"}, "parameter_missing", "default_price_data[recurring][interval]", ""},
		{"/v1/products", []string{"name", "Mug", "package_dimensions[height]", "1"}, "", "package_dimensions", "does not implement"},
		{"/v1/products", []string{"name", "Mug", "metadata[a]", long(501)}, "", "metadata[a]", ""},
		{"/v1/products/mug", []string{"default_price", yearly.ID}, "", "default_price", "does not belong"},
		{"/v1/products/mug", []string{"default_price", "price_1"}, "resource_missing", "default_price", ""},
		{"/v1/prices", []string{"unit_amount", "1", "product", "mug"}, "parameter_missing", "currency", ""},
		{"/v1/prices", []string{"currency", "usd", "product", "mug"}, "parameter_missing", "unit_amount", ""},
		{"/v1/prices", []string{"currency", "usd", "unit_amount", "-1", "product", "mug"}, "parameter_invalid_integer", "unit_amount", ""},
		{"/v1/prices", []string{"currency", "usd", "unit_amount", "1", "unit_amount_decimal", "1", "product", "mug"}, "", "", "only specify one"},
		{"/v1/prices", []string{"currency", "usd", "unit_amount", "1", "product", "cup"}, "resource_missing", "product", ""},
		{"/v1/prices", []string{"currency", "usd", "unit_amount", "1"}, "parameter_missing", "product_data", ""},
		{"/v1/prices", []string{"currency", "usd", "unit_amount", "1", "product", "mug", "recurring[interval]", "hour"}, "", "recurring[interval]", "day, month, week, year"},
		{"/v1/prices", []string{"currency", "usd", "unit_amount", "1", "product", "mug", "recurring[interval]", "day", "recurring[interval_count]", "0"}, "parameter_invalid_integer", "recurring[interval_count]", ""},
		{"/v1/prices", []string{"currency", "usd", "unit_amount", "1", "product", "mug", "lookup_key", "club"}, "", "lookup_key", "already uses"},
		{"/v1/prices", []string{"currency", "usd", "unit_amount", "1", "product", "mug", "tax_behavior", "odd"}, "", "tax_behavior", ""},
		{"/v1/prices", []string{"currency", "usd", "unit_amount", "1", "product", "mug", "billing_scheme", "tiered"}, "", "billing_scheme", ""},
		{"/v1/prices", []string{"currency", "usd", "unit_amount", "1", "product", "mug", "tiers_mode", "volume"}, "", "tiers_mode", "does not implement"},
	} {
		code, param, message := refusal(t, srv, c.path, c.pairs...)
		require.Equal(t, c.code, code, c.pairs)
		require.Equal(t, c.param, param, c.pairs)
		require.Contains(t, message, c.message)
	}
	require.Len(t, ids(t, srv, "/v1/products"), 3, "what was refused has made nothing")
	require.Len(t, ids(t, srv, "/v1/prices"), 3)
	_, err = api.V1Prices.Create(ctx, &stripe.PriceCreateParams{
		Currency: stripe.String("usd"), UnitAmount: stripe.Int64(1), Product: stripe.String("mug"), LookupKey: stripe.String("club"), TransferLookupKey: stripe.Bool(true),
	})
	require.NoError(t, err)
	require.NotEqual(t, []string{yearly.ID}, ids(t, srv, "/v1/prices?lookup_keys[]=club"))
	resp, _ := request(t, srv, "GET", "/v1/prices?recurring[meter]=m&type=recurring", nil)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	resp, _ = request(t, srv, "GET", "/v1/products?type=good", nil)
	require.Equal(t, http.StatusBadRequest, resp.StatusCode, "a filter that is not done is not ignored")

	_, raw := request(t, srv, "GET", "/v1/products/mug", nil)
	for _, key := range jsonKeys(reflect.TypeFor[stripe.Product](), "deleted") {
		require.Contains(t, raw, key)
	}
	_, raw = request(t, srv, "GET", "/v1/prices/"+yearly.ID, nil)
	for _, key := range jsonKeys(reflect.TypeFor[stripe.Price](), "deleted", "currency_options", "tiers") {
		require.Contains(t, raw, key)
	}
}
