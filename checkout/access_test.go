package checkout_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
)

// byUser finds the orders of the user that a header names, as a login would.
func byUser(r *http.Request) (store.Query, bool) {
	user := r.Header.Get("User")
	return store.Query{Metadata: map[string]string{"user": user}}, user != "nobody"
}

// visit asks for a page that needs access, and returns the answer and the order that gave access.
func (s *testShop) visit(user string, g checkout.Gate) (w *httptest.ResponseRecorder, order string) {
	s.t.Helper()
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { order = checkout.OrderOf(r.Context()).ID })
	r := httptest.NewRequest(http.MethodGet, "/members", nil)
	r.Header.Set("User", user)
	w = httptest.NewRecorder()
	s.flow.RequireAccess(g)(page).ServeHTTP(w, r)
	return w, order
}

// A page that needs access follows the subscription: paid, past due and within the grace, ended, and begun again with another
// order.
func TestRequireAccess(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	gate := checkout.Gate{Customer: byUser, Grace: 5 * 24 * time.Hour}
	requireAccess := func(user, order string) {
		t.Helper()
		w, got := s.visit(user, gate)
		require.Equal(t, order, got)
		if order == "" {
			require.Equal(t, http.StatusPaymentRequired, w.Code)
		}
	}
	requireAccess("user-club", "")
	id := s.begin(clubOf("club")).SessionID
	requireAccess("user-club", "")
	s.pay(id)
	requireAccess("user-club", "club")
	requireAccess("user-other", "")
	requireAccess("nobody", "")
	requireAccess("", "")
	sub := s.order("club").Subscription()
	require.NoError(t, s.srv.ReplaceMethod(sub.ID, checkouttest.CardDeclined))
	s.srv.Advance(32 * 24 * time.Hour)
	requireAccess("user-club", "club")
	s.srv.Advance(5 * 24 * time.Hour)
	requireAccess("user-club", "")
	s.months(1)
	again := clubOf("again")
	again.Metadata["user"] = "user-club"
	s.pay(s.begin(again).SessionID)
	requireAccess("user-club", "again")
}

// Only a subscription opens the members' page, unless the merchant accepts other orders: who bought a T-shirt is no member.
func TestRequireAccessIsForSubscribers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	tee := cartOf("shirt", "tee")
	tee.Metadata = map[string]string{"user": "user-club"}
	s.pay(s.begin(tee).SessionID)
	_, order := s.visit("user-club", checkout.Gate{Customer: byUser})
	require.Empty(t, order)
	_, order = s.visit("user-club", checkout.Gate{Customer: byUser, Accept: func(o *store.Order) bool { return o.ID == "shirt" }})
	require.Equal(t, "shirt", order)

	s.subscribe("club")
	_, order = s.visit("user-club", checkout.Gate{Customer: byUser})
	require.Equal(t, "club", order)
	_, order = s.visit("user-club", checkout.Gate{Customer: byUser, Accept: func(o *store.Order) bool { return o.Metadata["plan"] == "gold" }})
	require.Empty(t, order)
}

// A member who buys many other things stays a member.
func TestRequireAccessOfManyOrders(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.subscribe("club")
	draftOrders := func(n int) {
		for range n {
			s.srv.Advance(time.Second)
			tea := cartOf(fmt.Sprintf("tea-%d", s.srv.Now().Unix()))
			tea.Lines = []checkout.Line{{Name: "Tea", UnitAmount: checkout.MustAmount("5", "eur"), Quantity: 1}}
			tea.Metadata = map[string]string{"user": "user-club"}
			_, err := s.flow.Draft(t.Context(), tea)
			require.NoError(t, err)
		}
	}
	draftOrders(250)
	_, order := s.visit("user-club", checkout.Gate{Customer: byUser})
	require.Equal(t, "club", order)
	_, order = s.visit("user-club", checkout.Gate{Customer: func(r *http.Request) (store.Query, bool) {
		q, ok := byUser(r)
		q.Limit = 10
		return q, ok
	}})
	require.Empty(t, order)
	draftOrders(750)
	_, order = s.visit("user-club", checkout.Gate{Customer: byUser})
	require.Empty(t, order)
}

// A customer who has just paid has access although Stripe does not answer yet how the subscription stands, as [store.Order.Access] says.
func TestRequireAccessBeforeStripeIsAsked(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := s.begin(clubOf("club")).SessionID
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if strings.HasPrefix(r.URL.Path, "/v1/subscriptions") {
			return answer(r, http.StatusInternalServerError, `{"error":{"type":"api_error"}}`), nil
		}
		return send()
	})
	s.pay(id)
	require.Nil(t, s.order("club").Subscription())
	_, order := s.visit("user-club", checkout.Gate{Customer: byUser})
	require.Equal(t, "club", order)
}

func TestRequireAccessAnswers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.subscribe("club")
	w, order := s.visit("user-other", checkout.Gate{Customer: byUser, Page: "/plans"})
	require.Empty(t, order)
	require.Equal(t, http.StatusSeeOther, w.Code)
	require.Equal(t, "/plans", w.Header().Get("Location"))
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))

	for name, q := range map[string]store.Query{
		"an empty query": {}, "an empty value": {Metadata: map[string]string{"user": ""}}, "only a status": {Status: []store.Status{store.Paid}},
	} {
		_, order := s.visit("user-club", checkout.Gate{Customer: func(*http.Request) (store.Query, bool) { return q, true }})
		require.Empty(t, order, name)
	}
	require.Panics(t, func() { s.flow.RequireAccess(checkout.Gate{}) })
	require.Nil(t, checkout.OrderOf(t.Context()))
}

// The portal is that of the order's customer, and leads back to the merchant.
func TestPortal(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := s.begin(clubOf("club")).SessionID
	_, err := s.flow.Portal(t.Context(), "club", "")
	require.ErrorIs(t, err, checkout.ErrNoCustomer)
	_, err = s.flow.Portal(t.Context(), "other", "")
	require.ErrorIs(t, err, checkout.ErrNotFound)
	s.pay(id)
	var asked url.Values
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		body, err := r.GetBody()
		require.NoError(t, err)
		text, err := io.ReadAll(body)
		require.NoError(t, err)
		asked, err = url.ParseQuery(string(text))
		require.NoError(t, err)
		return send()
	})
	link, err := s.flow.Portal(t.Context(), "club", "https://shop.example/account")
	require.NoError(t, err)
	require.NotEmpty(t, link)
	require.Equal(t, url.Values{"customer": {s.order("club").Customer.ID}, "return_url": {"https://shop.example/account"}}, asked)
	s.wire.on(func(r *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		return answer(r, http.StatusBadRequest, `{"error":{"type":"invalid_request_error"}}`), nil
	})
	_, err = s.flow.Portal(t.Context(), "club", "")
	var refusal *stripe.Error
	require.True(t, errors.As(err, &refusal))
}

// Of two subscriptions of an order the portal is that of the one that goes on, as the customer must be able to end it. Each session made
// a customer of its own.
func TestPortalOfTheSubscriptionThatGoesOn(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	first := s.subscribeTwice()
	s.cancelAtOnce(first.ID)
	kept := s.order("club").Subscription()
	require.NotEqual(t, first.ID, kept.ID)
	require.NotEqual(t, s.order("club").Customer.ID, kept.Customer)
	var asked string
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		require.NoError(t, r.ParseForm())
		asked = r.PostForm.Get("customer")
		return answer(r, http.StatusOK, `{"url":"https://billing.example/p"}`), nil
	})
	_, err := s.flow.Portal(t.Context(), "club", "")
	require.NoError(t, err)
	require.Equal(t, kept.Customer, asked)
}
