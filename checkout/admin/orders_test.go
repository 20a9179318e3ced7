package admin_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
)

var listed = regexp.MustCompile(`data-order="([^"]*)"`)

// orders are the IDs of the orders that a page lists.
func orders(page answer) (ids []string) {
	for _, match := range listed.FindAllStringSubmatch(page.body, -1) {
		ids = append(ids, match[1])
	}
	return ids
}

// Paging shows each order once, the newest first, also when a customer's orders are searched for.
func TestPaging(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var want []string
	for i := range 60 {
		id := fmt.Sprintf("order-%02d", i)
		want = append([]string{id}, want...)
		s.change(id, func(o *store.Order) {
			o.CreatedAt, o.Customer.Email = testStart.Add(time.Duration(i/3)*time.Second), "Buyer@example.com"
		})
	}
	older := regexp.MustCompile(`href="([^"]*)">Older orders`)
	var got []string
	page := s.get("")
	for pages := 1; ; pages++ {
		got = append(got, orders(page)...)
		next := older.FindStringSubmatch(page.body)
		if next == nil {
			require.Equal(t, 3, pages)
			break
		}
		page = s.get(strings.TrimPrefix(strings.ReplaceAll(next[1], "&amp;", "&"), "./"))
	}
	require.Equal(t, want, got)
	require.Contains(t, page.body, "Newest orders")

	got, page = nil, s.post("search", url.Values{"q": {"  bUYER@example.com "}})
	for range 2 {
		got = append(got, orders(page)...)
		page = s.send(page, nil)
	}
	got = append(got, orders(page)...)
	require.Equal(t, want, got)
	require.NotContains(t, page.body, "Older orders")
}

func TestFilters(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.begin("open-1")
	s.paid("paid-1")
	s.paid("refunded-1")
	require.NoError(t, s.flow.Refund(t.Context(), "refunded-1", checkout.Refund{}))
	s.begin("canceled-1")
	require.NoError(t, s.flow.Cancel(t.Context(), "canceled-1"))
	for show, want := range map[string]string{"open": "open-1", "paid": "paid-1", "back": "refunded-1", "over": "canceled-1"} {
		require.Equal(t, []string{want}, orders(s.get("?show="+show)), show)
	}
	require.Empty(t, orders(s.get("?show=stuck")))
	require.Len(t, orders(s.get("?show=nix")), 4)
}

func TestSearch(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.paid("order-1")
	s.paid("order-2")
	paid := s.order("order-1").PaidAttempt()
	s.change("order-2", func(o *store.Order) { o.Customer.ID, o.Customer.Email = "cus_2", "other@example.com" })

	for _, q := range []string{"order-1", " order-1\n", paid.SessionID, paid.PaymentIntent} {
		page := s.post("search", url.Values{"q": {q}})
		require.Equal(t, http.StatusOK, page.status, q)
		require.Equal(t, "/admin/orders/order-1", page.path, q)
	}
	for _, q := range []string{"cus_2", "other@example.com", "OTHER@example.com"} {
		page := s.post("search", url.Values{"q": {q}})
		require.Equal(t, []string{"order-2"}, orders(page), q)
		require.Equal(t, "/admin/search", page.path, "an e-mail address is no part of an address")
	}
	for _, q := range []string{"order", "nix", "cus_", "nobody@example.com", "\x00", "a\x00@b", "\xff@\xff", "../..", strings.Repeat("x", 600), strings.Repeat("@", 600), "%"} {
		page := s.post("search", url.Values{"q": {q}})
		require.Equal(t, http.StatusOK, page.status, "%q", q)
		require.Contains(t, page.body, "No order was found", "%q", q)
		require.Empty(t, orders(page), "%q", q)
	}
	require.Equal(t, "/admin/", s.post("search", url.Values{"q": {" "}}).path)
	require.NotContains(t, s.log.String(), "example.com")
}

// The orders that need a person come first, each with its reason and what helps.
func TestStuckComesFirst(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for i := range 12 {
		s.change(fmt.Sprintf("stuck-%02d", i), func(o *store.Order) {
			o.Attempts = []store.Attempt{{N: 1, CreatedAt: testStart, SessionID: fmt.Sprint("cs_", i), Completed: true, Paid: true, Amount: 100}}
			o.Shortfall = []store.Shortage{{SKU: "tee", Wanted: 1}}
		})
	}
	page := s.get("")
	require.Len(t, regexp.MustCompile(`data-stuck="`).FindAllString(page.body, -1), 10)
	require.Less(t, strings.Index(page.body, `data-stuck="stuck-00"`), strings.Index(page.body, "All orders"))
	require.Contains(t, page.body, "All that need a person")
	require.Contains(t, page.body, "Stock is short")
	require.Contains(t, page.body, "Find the goods")
	require.Contains(t, page.body, `href="./orders/stuck-00/fulfil-anyway"`)
	require.Len(t, orders(s.get("?show=stuck")), 12)
}

// A payment that could not be given back automatically can be by hand, also one that is not the one that counts.
func TestRefusedRefund(t *testing.T) {
	t.Parallel()
	for _, second := range []bool{true, false} {
		s := newShop(t)
		s.change("order-1", func(o *store.Order) {
			o.Attempts = []store.Attempt{
				{N: 1, CreatedAt: testStart, SessionID: "cs_1", PaymentIntent: "pi_1", Completed: true, Paid: true, Amount: 100},
				{N: 2, CreatedAt: testStart, SessionID: "cs_2", PaymentIntent: "pi_2", Completed: true, Paid: second, Duplicate: second, Amount: 100},
			}
			refused := o.Attempt(1)
			if second {
				refused = o.Attempt(2)
			}
			refused.RefundWanted, refused.RefundRefused, o.FulfilledAt = "duplicate_payment", "balance_insufficient", testStart
		})
		page := s.get("")
		require.Contains(t, page.body, "could not be refunded: balance_insufficient")
		require.Contains(t, page.body, `href="./orders/order-1/refund"`, "second: %t", second)
	}
}

// The page of an order tells its whole story.
func TestOrderPage(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.begin("order-1")
	page := s.get("orders/order-1")
	require.Contains(t, page.body, `data-step="end session"`)
	require.Contains(t, page.body, `<time class="num" datetime="2026-03-02T09:15:00Z">2 Mar 2026 09:15:00 UTC</time>, because its hold is over`)
	require.Contains(t, page.body, "stock held")

	require.NoError(t, s.srv.PayAs(s.begin("order-1").SessionID, checkouttest.CardOK, checkouttest.Buyer{Email: "a@example.com", Name: "Test Buyer"}))
	require.NoError(t, s.flow.Refund(t.Context(), "order-1", checkout.Refund{Amount: 500}))
	paid := s.order("order-1").PaidAttempt()
	page = s.get("orders/order-1")
	for _, want := range []string{
		"a@example.com", "Test Buyer", "19.99 USD", "5.00 USD", "14.99 USD", "Partly refunded", "stock sold", paid.SessionID, paid.PaymentIntent,
		`data-told="fulfil"`, `data-told="refunded"`, "Handed over", "the order is at rest", `data-refund="re_`,
	} {
		require.Contains(t, page.body, want)
	}

	require.NoError(t, s.flow.Erase(t.Context(), "order-1"))
	page = s.get("orders/order-1")
	require.NotContains(t, page.body, "a@example.com")
	require.Contains(t, page.body, "Personal data was erased")
}

// A subscription is shown with its invoices and with the access that it gives.
func TestSubscriptionPage(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.subscribe("member-1")
	page := s.get("orders/member-1")
	for _, inv := range s.order("member-1").Invoices {
		require.Contains(t, page.body, `data-invoice="`+inv.ID+`"`)
	}
	require.Contains(t, page.body, "Access: yes, active")
	require.Contains(t, page.body, "subscription cycle")
	s.change("member-1", func(o *store.Order) {
		o.FulfilledAt, o.GivenUpAt, o.Attempts[0].DismissedAt = time.Time{}, testStart, testStart
	})
	require.Contains(t, s.get("orders/member-1").body, "End the subscription in Stripe’s Dashboard")
}

// subscribe is an order with a subscription of 9.00 USD a month that was renewed once.
func (s *testShop) subscribe(id string) {
	s.t.Helper()
	started, err := s.flow.Begin(s.t.Context(), checkout.Session{
		OrderID: id, Mode: checkout.ModeSubscription, SuccessURL: "https://shop.example/thanks",
		Lines: []checkout.Line{{
			Name: "Membership", UnitAmount: checkout.MustAmount("9.00", "usd"), Quantity: 1, Recurring: checkout.Recurring{Interval: checkout.IntervalMonth},
		}},
	})
	require.NoError(s.t, err)
	require.NoError(s.t, s.srv.Pay(started.SessionID, checkouttest.CardOK))
	require.NoError(s.t, s.srv.Renew(s.order(id).Subscription().ID))
	require.Len(s.t, s.order(id).Invoices, 2)
}
