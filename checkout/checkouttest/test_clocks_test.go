package checkouttest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// A test clock that advances renews the subscriptions of the server.
func TestTestClockAdvances(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	in := newInbox(srv)
	now := srv.Now()
	resp, clock := request(t, srv, "POST", "/v1/test_helpers/test_clocks", form("frozen_time", fmt.Sprint(now.Unix()+60), "name", "Renewals"))
	require.Equal(t, 200, resp.StatusCode, clock)
	require.EqualValues(t, now.Unix()+60, srv.Now().Unix())
	price := srv.AddPrice(checkouttest.Price{Name: "Box", Currency: "usd", UnitAmount: 900, Interval: "month"})
	_, cus := request(t, srv, "POST", "/v1/customers", form("test_clock", str(clock["id"]), "payment_method", "pm_card_visa", "invoice_settings[default_payment_method]", "pm_card_visa"))
	require.Equal(t, clock["id"], cus["test_clock"])
	resp, sub := request(t, srv, "POST", "/v1/subscriptions", form("customer", str(cus["id"]), "items[0][price]", price))
	require.Equal(t, 200, resp.StatusCode, sub)
	srv.Flush()
	in.types(t)

	path := "/v1/test_helpers/test_clocks/" + str(clock["id"])
	to := srv.Now().Add(32 * 24 * time.Hour).Unix()
	resp, advancing := request(t, srv, "POST", path+"/advance", form("frozen_time", fmt.Sprint(to)))
	require.Equal(t, 200, resp.StatusCode, advancing)
	require.Equal(t, "advancing", advancing["status"])
	_, ready := request(t, srv, "GET", path, nil)
	require.Equal(t, "ready", ready["status"])
	require.EqualValues(t, to, ready["frozen_time"])
	srv.Flush()
	types := in.types(t)
	require.Equal(t, "test_helpers.test_clock.advancing", types[0])
	require.Equal(t, "test_helpers.test_clock.ready", types[len(types)-1])
	require.Contains(t, types, "invoice.paid")
	require.Equal(t, to, srv.Now().Unix())
	_, invoices := request(t, srv, "GET", "/v1/invoices", nil)
	item := sub["items"].(map[string]any)["data"].([]any)[0].(map[string]any)
	require.Equal(t, item["current_period_end"], invoices["data"].([]any)[0].(map[string]any)["created"], "the renewal happens at its own time")

	for _, back := range []int64{to, to - 1, now.Unix()} {
		resp, _ := request(t, srv, "POST", path+"/advance", form("frozen_time", fmt.Sprint(back)))
		require.Equal(t, 400, resp.StatusCode)
	}
	resp, _ = request(t, srv, "POST", "/v1/test_helpers/test_clocks", form("frozen_time", fmt.Sprint(now.Unix())))
	require.Equal(t, 400, resp.StatusCode, "the server's clock does not go back")
	require.Equal(t, []string{str(cus["id"])}, ids(t, srv, "/v1/customers?test_clock="+str(clock["id"])))
	resp, gone := request(t, srv, "DELETE", path, nil)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, true, gone["deleted"])
}
