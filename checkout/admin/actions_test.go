package admin_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/admin"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// allActions are all actions.
var allActions = []admin.Action{admin.Settle, admin.Retry, admin.FulfilAnyway, admin.GiveUp, admin.Cancel, admin.Refund, admin.AdjustStock}

// parked is an order that Fulfil refused for good.
func (s *testShop) parked(id string) {
	s.t.Helper()
	s.failFulfil(webhook.Permanent(errors.New("no address")))
	s.paid(id)
	s.failFulfil(nil)
	require.True(s.t, s.order(id).Stuck())
}

func TestRetry(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.parked("order-1")
	page := s.press("order-1", admin.Retry, nil)
	require.Equal(t, "/admin/orders/order-1?done=retry", page.path)
	require.Contains(t, page.body, "it worked")
	require.False(t, s.order("order-1").FulfilledAt.IsZero())
	require.Contains(t, s.log.String(), `msg="admin action" action=retry who=u-17 order=order-1`)
}

// A decision is kept, and the page says with which error Fulfil failed again.
func TestRetryFails(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.parked("order-1")
	s.failFulfil(errors.New("the warehouse is <closed>"))
	page := s.press("order-1", admin.Retry, nil)
	require.Equal(t, http.StatusBadGateway, page.status)
	require.Contains(t, page.body, "The decision is kept")
	require.Contains(t, page.body, "the warehouse is &lt;closed&gt;")
	require.Contains(t, s.log.String(), "level=WARN")
	require.Contains(t, s.get("orders/order-1").body, "Handing over failed, tries: 1")
}

func TestFulfilAnyway(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.parked("order-1")
	require.Equal(t, http.StatusOK, s.press("order-1", admin.FulfilAnyway, nil).status)
	require.False(t, s.order("order-1").FulfilledAt.IsZero())
	require.Equal(t, http.StatusConflict, s.get("orders/order-1/fulfil-anyway").status)
}

func TestGiveUpAndRefund(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.parked("order-1")
	require.Equal(t, http.StatusOK, s.press("order-1", admin.GiveUp, nil).status)
	require.False(t, s.order("order-1").GivenUpAt.IsZero())
	require.Contains(t, s.get("orders/order-1").body, "Paid, given up")

	page := s.press("order-1", admin.Refund, nil)
	require.Equal(t, "/admin/orders/order-1?done=refund", page.path)
	require.EqualValues(t, 1999, s.order("order-1").Refunded())
	require.Contains(t, s.log.String(), "action=refund who=u-17 order=order-1 amount=1999")
}

func TestCancel(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.begin("order-1")
	require.Equal(t, http.StatusOK, s.press("order-1", admin.Cancel, nil).status)
	require.Equal(t, store.Canceled, s.order("order-1").Status())
	require.Equal(t, http.StatusConflict, s.get("orders/order-1/cancel").status)

	// The customer pays while a person looks at the form.
	s.begin("order-2")
	form := s.get("orders/order-2/cancel")
	s.paid("order-2")
	page := s.send(form, nil)
	require.Equal(t, http.StatusConflict, page.status)
	require.Contains(t, page.body, "The order is paid. Nothing was canceled.")
}

// Settle asks Stripe for what webhooks missed, and for a subscription.
func TestSettle(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.srv.Deliver(nil)
	s.paid("order-1")
	require.Equal(t, store.Open, s.order("order-1").Status())
	s.srv.Advance(time.Minute)
	require.Equal(t, http.StatusOK, s.press("order-1", admin.Settle, nil).status)
	require.Equal(t, checkout.Fulfilled, checkout.Display(s.order("order-1")))
	require.Equal(t, http.StatusConflict, s.get("orders/order-1/settle").status, "there is nothing to ask")

	s = newShop(t)
	s.subscribe("member-1")
	s.srv.Deliver(nil)
	require.NoError(t, s.srv.Renew(s.order("member-1").Subscription().ID))
	require.Equal(t, http.StatusOK, s.press("member-1", admin.Settle, nil).status)
	require.Len(t, s.order("member-1").Invoices, 3)
}

// Stripe's refusal is said without what Stripe quotes.
func TestStripeFails(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.paid("order-1")
	form := s.get("orders/order-1/refund")
	s.srv.Faults(checkouttest.ServerError())
	page := s.send(form, nil)
	require.Equal(t, http.StatusBadGateway, page.status)
	require.Contains(t, page.body, "stripe answered 500")
	require.Contains(t, s.log.String(), "level=WARN")

	s.srv.Faults()
	require.Equal(t, http.StatusOK, s.get("orders/order-1").status)
}

// An action that is not allowed is not shown, and is refused when it is sent.
func TestNotAllowed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.parked("parked-1")
	s.begin("open-1")
	before := []*store.Order{s.order("parked-1"), s.order("open-1")}
	stock, err := s.flow.Stock(t.Context(), "tee")
	require.NoError(t, err)

	s.allow(nothing)
	for _, path := range []string{"", "orders/parked-1", "orders/open-1", "stock"} {
		page := s.get(path)
		for _, a := range allActions {
			require.NotContains(t, page.body, "/"+string(a)+`"`, path)
		}
		require.NotContains(t, page.body, "stock/adjust", path)
	}
	for _, a := range allActions {
		for _, id := range []string{"parked-1", "open-1"} {
			path := "orders/" + id + "/" + string(a)
			if a == admin.AdjustStock {
				path = "stock/adjust"
			}
			require.Equal(t, http.StatusForbidden, s.get(path+"?sku=tee").status, path)
			page := s.post(path, url.Values{"sku": {"tee"}, "delta": {"1"}, "on_hand": {"4"}, "held": {"1"}, "sold": {"1"}, "amount": {"1"}})
			require.Equal(t, http.StatusForbidden, page.status, path)
			require.Contains(t, page.body, "Nothing was done")
			require.Contains(t, s.log.String(), "action="+string(a))
		}
	}
	require.Equal(t, len(allActions)*2, strings.Count(s.log.String(), `error="not allowed"`))
	require.Equal(t, before, []*store.Order{s.order("parked-1"), s.order("open-1")})
	after, err := s.flow.Stock(t.Context(), "tee")
	require.NoError(t, err)
	require.Equal(t, stock, after)
	require.Zero(t, s.refunds())
}

// Of several actions only those are shown that are allowed.
func TestSomeAllowed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.parked("order-1")
	for _, one := range []admin.Action{admin.Retry, admin.FulfilAnyway, admin.GiveUp, admin.Refund} {
		s.allow(func(a admin.Action) bool { return a == one })
		page := s.get("orders/order-1")
		for _, a := range allActions {
			require.Equal(t, a == one, strings.Contains(page.body, "orders/order-1/"+string(a)+`"`), "%s of %s", a, one)
		}
	}
}

// Other sites can't have a browser do anything.
func TestCrossSite(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.parked("order-1")
	before := s.order("order-1")
	for _, header := range []http.Header{
		{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://evil.example"}}, {"Origin": {"null"}},
	} {
		for _, a := range allActions {
			path := "orders/order-1/" + string(a)
			if a == admin.AdjustStock {
				path = "stock/adjust"
			}
			page := s.do(http.MethodPost, path, "sku=tee&delta=1&on_hand=4&held=0&sold=1", header)
			require.Equal(t, http.StatusForbidden, page.status, "%s %v", a, header)
			require.Contains(t, page.body, "from another site")
		}
		require.Equal(t, http.StatusForbidden, s.do(http.MethodPost, "search", "q=order-1", header).status)
	}
	require.Equal(t, before, s.order("order-1"))
	require.Zero(t, s.refunds())
	own := http.Header{"Origin": {s.pages.URL}, "Sec-Fetch-Site": {"same-origin"}}
	require.Equal(t, http.StatusOK, s.do(http.MethodPost, "orders/order-1/retry", "", own).status)
}

// Nothing is done by a GET.
func TestGetDoesNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.parked("order-1")
	before := s.order("order-1")
	for _, a := range allActions {
		s.get("orders/order-1/" + string(a))
		s.get("stock/adjust?sku=tee&delta=1")
	}
	require.Equal(t, before, s.order("order-1"))
	require.Empty(t, s.log.String())
}

func TestLargeForm(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.paid("order-1")
	for _, path := range []string{"search", "orders/order-1/refund", "stock/adjust"} {
		page := s.do(http.MethodPost, path, "q=order-1&key="+strings.Repeat("x", 64<<10), nil)
		require.Equal(t, http.StatusRequestEntityTooLarge, page.status, path)
		require.Equal(t, http.StatusBadRequest, s.do(http.MethodPost, path, "q=%zz", nil).status, path)
	}
	require.Zero(t, s.refunds())
}

// A part is refunded, with the goods put back once.
func TestRefundAPart(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.paid("order-1")
	page := s.press("order-1", admin.Refund, url.Values{"amount": {" 5.5 "}, "restock": {"yes"}})
	require.Equal(t, http.StatusOK, page.status)
	o := s.order("order-1")
	require.EqualValues(t, 550, o.Refunded())
	require.False(t, o.RestockedAt.IsZero())
	require.NotContains(t, s.get("orders/order-1/refund").body, "restock", "goods are put back once")
	require.Contains(t, s.get("orders/order-1/refund").body, `value="14.49"`)
	require.Equal(t, http.StatusOK, s.press("order-1", admin.Refund, nil).status)
	require.Equal(t, store.Refunded, s.order("order-1").Status())
	require.Equal(t, http.StatusConflict, s.get("orders/order-1/refund").status)
}

// An amount that can't be read refunds nothing, and the form keeps what was written.
func TestRefundOfNoAmount(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.paid("order-1")
	for _, amount := range []string{"x", "-1", "0", "0.00", "1,5", "1.999", "1e3", "99999999999999999999", "USD 5", `"><b>`} {
		page := s.press("order-1", admin.Refund, url.Values{"amount": {amount}, "restock": {"yes"}})
		require.Equal(t, http.StatusUnprocessableEntity, page.status, amount)
		require.Contains(t, page.body, "Nothing was refunded", amount)
		_, form := s.form(page)
		require.Equal(t, amount, form.Get("amount"))
		require.Equal(t, "yes", form.Get("restock"))
	}
	page := s.press("order-1", admin.Refund, url.Values{"amount": {"20"}})
	require.Equal(t, http.StatusConflict, page.status)
	require.Zero(t, s.refunds())
}

// A form that is sent twice refunds once: after each other, at once, and with another amount.
func TestRefundTwice(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.paid("order-1")
	form := s.get("orders/order-1/refund")
	five := url.Values{"amount": {"5"}}
	require.Equal(t, http.StatusOK, s.send(form, five).status)
	require.Equal(t, http.StatusOK, s.send(form, five).status)
	require.Equal(t, 1, s.refunds())
	page := s.send(form, url.Values{"amount": {"6"}})
	require.NotEqual(t, http.StatusOK, page.status)
	require.Equal(t, 1, s.refunds())

	form = s.get("orders/order-1/refund")
	path, values := s.form(form)
	values.Set("amount", "3")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { s.post(path, values) })
	}
	wg.Wait()
	require.Equal(t, 2, s.refunds())
	require.EqualValues(t, 800, s.order("order-1").Refunded())

	// Two forms are two refunds.
	require.Equal(t, http.StatusOK, s.press("order-1", admin.Refund, five).status)
	require.Equal(t, 3, s.refunds())

	// The whole of the rest.
	form = s.get("orders/order-1/refund")
	require.Equal(t, http.StatusOK, s.send(form, nil).status)
	page = s.send(form, nil)
	require.Equal(t, http.StatusConflict, page.status)
	require.Contains(t, page.body, "the first refund stands")
	require.EqualValues(t, 1999, s.order("order-1").Refunded())
}

// Of a subscription each payment can be refunded by itself, the latest first.
func TestRefundOfASubscription(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.subscribe("member-1")
	first, renewal := s.order("member-1").Invoices[0].ID, s.order("member-1").Invoices[1].ID
	form := s.get("orders/member-1/refund")
	require.Contains(t, form.body, "does not end the subscription")
	_, values := s.form(form)
	require.Equal(t, renewal, values.Get("payment"))

	require.Equal(t, http.StatusOK, s.send(form, url.Values{"payment": {first}, "amount": {"2"}}).status)
	require.EqualValues(t, 200, s.order("member-1").Refunded())
	require.Zero(t, s.order("member-1").InvoiceRefunded(renewal))

	require.Equal(t, http.StatusOK, s.press("member-1", admin.Refund, nil).status)
	require.EqualValues(t, 900, s.order("member-1").InvoiceRefunded(renewal))
	_, values = s.form(s.get("orders/member-1/refund"))
	require.Equal(t, first, values.Get("payment"))
	require.Equal(t, "7.00", values.Get("amount"))
	require.Equal(t, http.StatusNotFound, s.send(s.get("orders/member-1/refund"), url.Values{"payment": {"in_nix"}}).status)
}

// Of an order that was paid twice the payment that is one too many comes first, and its goods are those of the other.
func TestRefundOfASecondPayment(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.paid("order-1")
	intent := s.order("order-1").PaidAttempt().PaymentIntent
	s.change("order-1", func(o *store.Order) {
		second := o.Attempts[0]
		o.Attempts[0].PaymentIntent = "pi_1"
		second.N, second.SessionID, second.PaymentIntent, second.Duplicate = 2, "cs_2", intent, true
		o.Attempts = append(o.Attempts, second)
	})
	form := s.get("")
	require.Contains(t, form.body, "The customer paid twice. Refund one payment")
	form = s.get("orders/order-1/refund")
	_, values := s.form(form)
	require.Equal(t, "2", values.Get("payment"))
	require.Contains(t, form.body, "which is one too many")
	page := s.send(form, url.Values{"restock": {"yes"}})
	require.Equal(t, http.StatusUnprocessableEntity, page.status)
	require.Contains(t, page.body, "The goods belong to the other payment")
	require.Empty(t, s.order("order-1").Refunds)

	require.Equal(t, http.StatusOK, s.send(form, url.Values{"amount": {"5"}}).status)
	require.EqualValues(t, 500, s.order("order-1").AttemptRefunded(2))
	require.Zero(t, s.order("order-1").Refunded())
	require.Equal(t, http.StatusOK, s.press("order-1", admin.Refund, nil).status)
	require.False(t, s.order("order-1").Stuck())
	_, values = s.form(s.get("orders/order-1/refund"))
	require.Equal(t, "1", values.Get("payment"))
	require.Equal(t, http.StatusConflict, s.send(form, url.Values{"payment": {"7"}}).status)
}

// The goods of an order that was refunded in the Dashboard can be put back.
func TestRestockOnly(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.paid("order-1")
	_, err := s.srv.Refund(s.order("order-1").PaidAttempt().SessionID, 1999)
	require.NoError(t, err)
	page := s.get("orders/order-1/refund")
	require.Contains(t, page.body, "No money is left")
	require.Equal(t, http.StatusOK, s.send(page, nil).status)
	require.False(t, s.order("order-1").RestockedAt.IsZero())
	require.Equal(t, 1, s.refunds())
}

func TestStock(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.begin("order-1")
	require.Contains(t, s.get("stock").body, `data-stock="tee"`)
	require.Contains(t, s.get("stock?sku=TE").body, `data-stock="tee"`)
	require.Contains(t, s.get("stock?sku=nix").body, "No SKU has")

	form := s.get("stock/adjust?sku=tee")
	page := s.send(form, url.Values{"delta": {"+10"}})
	require.Equal(t, "/admin/stock?done=adjusted", page.path)
	require.Contains(t, s.log.String(), "action=adjust-stock who=u-17 sku=tee delta=10")

	// The form was sent twice, and is old.
	require.Equal(t, http.StatusConflict, s.send(form, url.Values{"delta": {"10"}}).status)
	require.Equal(t, []reservation.Stock{{SKU: "tee", OnHand: 15, Held: 1}}, s.levels())

	form = s.get("stock/adjust?sku=tee")
	for delta, status := range map[string]int{"": 422, "0": 422, "x": 422, "1.5": 422, "99999999999999999999": 422, "-15": 409, "-16": 409, "9223372036854775807": 409} {
		page := s.send(form, url.Values{"delta": {delta}})
		require.Equal(t, status, page.status, delta)
		require.Contains(t, page.body, "Nothing was changed", delta)
	}
	require.Equal(t, http.StatusBadRequest, s.send(form, url.Values{"delta": {"1"}, "held": {"x"}}).status)
	require.Equal(t, []reservation.Stock{{SKU: "tee", OnHand: 15, Held: 1}}, s.levels())
	require.Equal(t, http.StatusOK, s.send(form, url.Values{"delta": {"-14"}}).status)
	require.Equal(t, []reservation.Stock{{SKU: "tee", OnHand: 1, Held: 1}}, s.levels())
}

func (s *testShop) levels() []reservation.Stock {
	s.t.Helper()
	stock, err := s.flow.Stock(s.t.Context(), "tee")
	require.NoError(s.t, err)
	return stock
}

// A Reserver that can't list its stock, or none, is said so.
func TestStockThatIsNotListed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.serve(s.flowOn(nil))
	require.Contains(t, s.get("stock").body, "does not show its stock")
	require.Equal(t, http.StatusConflict, s.get("stock/adjust?sku=tee").status)
	s.serve(s.flowOn(struct{ reservation.Reserver[tx] }{s.stock}))
	require.Contains(t, s.get("stock").body, "does not show its stock")
}

// Many SKUs are shown in part.
func TestManySKUs(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.inTx(func(tx tx) error {
		for i := range 250 {
			if err := s.stock.Set(t.Context(), tx, "mug-"+strings.Repeat("i", i+1), 1); err != nil {
				return err
			}
		}
		return nil
	})
	page := s.get("stock")
	require.Equal(t, 200, strings.Count(page.body, "data-stock="))
	require.Contains(t, page.body, "51 more are not shown")
}
