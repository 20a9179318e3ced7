package admin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/admin"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/webhook"
)

type tx = *memstore.Tx

var testStart = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// testShop is a shop in memory on a Stripe in memory, with the pages mounted at /admin/. Its stock is five of "tee".
type testShop struct {
	t     *testing.T
	srv   *checkouttest.Server
	st    *memstore.Store
	stock *memreserver.Reserver
	flow  *checkout.Flow[tx]
	pages *httptest.Server
	log   *syncBuffer

	mu      sync.Mutex
	fulfil  error                   // what Fulfil returns
	allowed func(admin.Action) bool // what whoever sends requests may do
}

func everything(admin.Action) bool { return true }

func nothing(admin.Action) bool { return false }

func newShop(t *testing.T) *testShop {
	t.Helper()
	s := &testShop{
		t: t, srv: checkouttest.NewServer(checkouttest.Config{Start: testStart}),
		st: memstore.New(), stock: memreserver.New(), log: &syncBuffer{}, allowed: everything,
	}
	t.Cleanup(s.srv.Close)
	s.inTx(func(tx tx) error { return s.stock.Set(t.Context(), tx, "tee", 5) })
	s.flow = s.flowOn(s.stock)
	s.serve(s.flow)
	return s
}

// flowOn is a process of the shop with a Reserver.
func (s *testShop) flowOn(r reservation.Reserver[tx]) *checkout.Flow[tx] {
	s.t.Helper()
	discard := slog.New(slog.DiscardHandler)
	flow, err := checkout.New(checkout.Config[tx]{
		Stripe: s.srv.Client(), Store: s.st, Reserver: r, Clock: s.srv.Now, Logger: discard,
		Fulfil: func(context.Context, tx, *store.Order) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.fulfil
		},
		OnChange: func(context.Context, tx, checkout.Change) error { return nil },
	})
	require.NoError(s.t, err)
	hook, err := webhook.New(webhook.Config{Secrets: []string{s.srv.WebhookSecret()}, Clock: s.srv.Now, Logger: discard})
	require.NoError(s.t, err)
	flow.Handle(hook)
	s.srv.Deliver(hook)
	return flow
}

// serve mounts the pages of a Flow at /admin/.
func (s *testShop) serve(flow admin.Flow) {
	s.t.Helper()
	handler, err := admin.New(admin.Config{
		Flow: flow,
		Allow: func(_ *http.Request, a admin.Action) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.allowed(a)
		},
		Who:    func(r *http.Request) string { return r.Header.Get("X-User") },
		Check:  func(context.Context) error { return errors.New("the schema is <old>") },
		Logger: slog.New(slog.NewTextHandler(s.log, nil)),
	})
	require.NoError(s.t, err)
	mux := http.NewServeMux()
	mux.Handle("/admin/", http.StripPrefix("/admin", handler))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "outside of the pages", http.StatusTeapot) })
	s.pages = httptest.NewServer(mux)
	s.t.Cleanup(s.pages.Close)
}

func (s *testShop) allow(allowed func(admin.Action) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allowed = allowed
}

func (s *testShop) failFulfil(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fulfil = err
}

func (s *testShop) inTx(fn func(tx tx) error) {
	s.t.Helper()
	require.NoError(s.t, s.st.InTx(s.t.Context(), fn))
}

// change changes a stored order, or makes it.
func (s *testShop) change(id string, fn func(o *store.Order)) {
	s.t.Helper()
	s.inTx(func(tx tx) error {
		if _, err := s.st.Insert(s.t.Context(), tx, &store.Order{ID: id, CreatedAt: testStart, Mode: "payment", Currency: "usd"}); err != nil {
			return err
		}
		orders, err := s.st.Lock(s.t.Context(), tx, id)
		if err != nil {
			return err
		}
		fn(orders[0])
		return s.st.Save(s.t.Context(), tx, orders...)
	})
}

// begin begins an order of one T-shirt for 19.99 USD.
func (s *testShop) begin(id string) *checkout.Started {
	s.t.Helper()
	started, err := s.flow.Begin(s.t.Context(), checkout.Session{
		OrderID:    id,
		Lines:      []checkout.Line{{SKU: "tee", Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 1}},
		SuccessURL: "https://shop.example/thanks",
		HoldFor:    15 * time.Minute,
	})
	require.NoError(s.t, err)
	return started
}

// paid is an order that is paid, and fulfilled if Fulfil did not fail.
func (s *testShop) paid(id string) {
	s.t.Helper()
	require.NoError(s.t, s.srv.Pay(s.begin(id).SessionID, checkouttest.CardOK))
}

func (s *testShop) order(id string) *store.Order {
	s.t.Helper()
	o, err := s.flow.Order(s.t.Context(), id)
	require.NoError(s.t, err)
	return o
}

// refunds is the number of refunds that Stripe made.
func (s *testShop) refunds() (made int) {
	for _, e := range s.srv.Events() {
		if e.Type == "refund.created" {
			made++
		}
	}
	return made
}

// answer is a page, after redirects.
type answer struct {
	status int
	path   string
	body   string
	header http.Header
}

func (s *testShop) do(method, path, body string, header http.Header) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.pages.URL+"/admin/"+path, strings.NewReader(body))
	require.NoError(s.t, err)
	r.Header = header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("X-User", "u-17")
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	client := &http.Client{Jar: jar, Transport: s.pages.Client().Transport}
	resp, err := client.Do(r)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return answer{resp.StatusCode, resp.Request.URL.RequestURI(), string(b), resp.Header}
}

// get shows a page. Events that are on their way arrive first: while one is handled, the order is not at rest.
func (s *testShop) get(path string) answer {
	s.t.Helper()
	s.srv.Flush()
	return s.do(http.MethodGet, path, "", nil)
}

func (s *testShop) post(path string, form url.Values) answer {
	s.t.Helper()
	return s.do(http.MethodPost, path, form.Encode(), nil)
}

var (
	inputs   = regexp.MustCompile(`<input ([^>]*)>`)
	attr     = regexp.MustCompile(`(\w+)(?:="([^"]*)")?`)
	actions  = regexp.MustCompile(`<form [^>]*action="([^"]*)"`)
	attempts = regexp.MustCompile(`data-attempt="`)
)

// send fills in the form of a page, as a browser would, and sends it. The values replace those of the page.
func (s *testShop) send(page answer, values url.Values) answer {
	s.t.Helper()
	require.Equal(s.t, http.StatusOK, page.status, page.body)
	path, form := s.form(page)
	for name, value := range values {
		form[name] = value
	}
	return s.post(path, form)
}

// form returns where the last form of a page leads, and what it sends.
func (s *testShop) form(page answer) (path string, form url.Values) {
	s.t.Helper()
	all := actions.FindAllStringSubmatch(page.body, -1)
	base, err := url.Parse(s.pages.URL + page.path)
	require.NoError(s.t, err)
	target, err := base.Parse(html.UnescapeString(all[len(all)-1][1]))
	require.NoError(s.t, err)
	form = url.Values{}
	for _, input := range inputs.FindAllStringSubmatch(page.body[strings.LastIndex(page.body, "<form"):], -1) {
		values := map[string]string{}
		for _, a := range attr.FindAllStringSubmatch(input[1], -1) {
			values[a[1]] = html.UnescapeString(a[2])
		}
		_, checked := values["checked"]
		if choice := values["type"] == "checkbox" || values["type"] == "radio"; !choice || checked {
			form.Set(values["name"], values["value"])
		}
	}
	return strings.TrimPrefix(target.RequestURI(), "/admin/"), form
}

// press does an action about an order by its page.
func (s *testShop) press(id string, a admin.Action, values url.Values) answer {
	s.t.Helper()
	return s.send(s.get("orders/"+id+"/"+string(a)), values)
}

// syncBuffer is a log that several goroutines write.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestNewNeedsAFlow(t *testing.T) {
	t.Parallel()
	_, err := admin.New(admin.Config{})
	require.ErrorContains(t, err, "Config.Flow")
}

// Without Allow, Who and Check the pages show, and nobody may do anything.
func TestNothingIsAllowedByDefault(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.paid("order-1")
	handler, err := admin.New(admin.Config{Flow: s.flow, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/orders/order-1", nil))
	require.Equal(t, http.StatusOK, w.Code)
	require.NotContains(t, w.Body.String(), "Refund<")
	w = httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/orders/order-1/refund", nil))
	require.Equal(t, http.StatusForbidden, w.Code)
	require.Zero(t, s.refunds())
}

// Each page has the headers that keep scripts, frames and caches out.
func TestHeaders(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.paid("order-1")
	for _, path := range []string{"", "orders/order-1", "orders/order-1/refund", "stock", "stock/adjust?sku=tee", "health", "nix"} {
		page := s.get(path)
		require.Contains(t, page.header.Get("Content-Security-Policy"), "default-src 'none'", path)
		require.NotContains(t, page.header.Get("Content-Security-Policy"), "script", path)
		require.Equal(t, "no-store", page.header.Get("Cache-Control"), path)
		require.NotContains(t, page.body, "<script", path)
		require.NotContains(t, page.body, " style=", path)
		require.Contains(t, page.body, `<html lang="en">`, path)
		require.Equal(t, 1, strings.Count(page.body, "<h1"), path)
		require.NotContains(t, page.body, "0001-01-01", path)
	}
	css := s.get("style.css")
	require.Equal(t, "text/css; charset=utf-8", css.header.Get("Content-Type"))
	again := s.do(http.MethodGet, "style.css", "", http.Header{"If-None-Match": {css.header.Get("ETag")}})
	require.Equal(t, http.StatusNotModified, again.status)
}

// Every link and form of the pages leads to a page, wherever the pages are mounted.
func TestLinks(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.paid("order-1")
	s.failFulfil(webhook.Permanent(errors.New("no address")))
	s.paid("order-2")
	links := regexp.MustCompile(`(?:href|action)="([^"]*)"`)
	seen, waiting := map[string]bool{}, []string{"/admin/"}
	for len(waiting) > 0 {
		path := waiting[0]
		waiting = waiting[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		page := s.get(strings.TrimPrefix(path, "/admin/"))
		if strings.HasSuffix(path, "/search") { // takes POST alone
			continue
		}
		require.Equal(t, http.StatusOK, page.status, path)
		for _, link := range links.FindAllStringSubmatch(page.body, -1) {
			base, err := url.Parse(s.pages.URL + path)
			require.NoError(t, err)
			target, err := base.Parse(html.UnescapeString(link[1]))
			require.NoError(t, err)
			if target.Scheme == "http" {
				require.True(t, strings.HasPrefix(target.Path, "/admin/"), "%s leads to %s", path, target)
				waiting = append(waiting, target.RequestURI())
			}
		}
	}
	require.Contains(t, seen, "/admin/orders/order-2/give-up")
	require.Contains(t, seen, "/admin/stock/adjust?sku=tee")
	require.Greater(t, len(seen), 15)
}

func TestUnknown(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.paid("order-1")
	for _, path := range []string{
		"nix", "orders", "orders/nix", "orders/nix/refund", "orders/order-1/nix", "orders/order-1/refund/nix", "orders/%00", "orders/%ff", "orders/..%2f..",
		"orders/order-1/adjust-stock",
	} {
		require.Equal(t, http.StatusNotFound, s.get(path).status, path)
	}
	for _, path := range []string{"nix", "orders/nix/settle", "orders/nix/refund", "orders/order-1/nix", ""} {
		require.Equal(t, http.StatusNotFound, s.post(path, nil).status, path)
	}
	require.Equal(t, http.StatusNotFound, s.post("stock/adjust", url.Values{"sku": {"nix"}, "delta": {"1"}, "on_hand": {"0"}, "held": {"0"}, "sold": {"0"}}).status)
}

// A Store that fails is an error for the log, and a page that says nothing of it.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.paid("order-1")
	s.serve(brokenFlow{s.flow})
	for _, path := range []string{"", "?show=paid", "orders/order-1", "orders/order-1/refund", "stock", "health"} {
		page := s.get(path)
		require.Equal(t, http.StatusInternalServerError, page.status, path)
		require.NotContains(t, page.body, "disk", path)
	}
	require.Equal(t, http.StatusInternalServerError, s.post("search", url.Values{"q": {"order-1"}}).status)
	require.Equal(t, http.StatusInternalServerError, s.post("search", url.Values{"q": {"a@example.com"}}).status)
	require.Contains(t, s.log.String(), "disk full")
	require.NotContains(t, s.log.String(), "a@example.com")
}

// brokenFlow is a Flow whose Store does not answer.
type brokenFlow struct{ admin.Flow }

var errDisk = errors.New("disk full")

func (brokenFlow) Order(context.Context, string) (*store.Order, error)           { return nil, errDisk }
func (brokenFlow) List(context.Context, store.Query) ([]*store.Order, error)     { return nil, errDisk }
func (brokenFlow) Health(context.Context) (checkout.Health, error)               { return checkout.Health{}, errDisk }
func (brokenFlow) Stock(context.Context, ...string) ([]reservation.Stock, error) { return nil, errDisk }

func TestHealthPage(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	page := s.get("health")
	require.Contains(t, page.body, "Nothing has swept yet")
	require.Contains(t, page.body, "the schema is &lt;old&gt;")
	require.Contains(t, s.get("").body, "Nothing has swept for an hour")

	_, err := s.flow.Sweep(t.Context())
	require.NoError(t, err)
	s.failFulfil(webhook.Permanent(errors.New("no address")))
	s.paid("order-1")
	page = s.get("health")
	require.Contains(t, page.body, "2 Mar 2026 09:00:00 UTC")
	require.Contains(t, page.body, ">1 order<")
	require.NotContains(t, s.get("").body, "Nothing has swept")

	s.serve(healthFlow{s.flow})
	page = s.get("health")
	require.Contains(t, page.body, "evt_&lt;1&gt;")
	require.Contains(t, page.body, "another Stripe account")
	require.Contains(t, s.get("").body, "another Stripe account")
}

// healthFlow is a Flow in bad health.
type healthFlow struct{ admin.Flow }

func (healthFlow) Health(context.Context) (checkout.Health, error) {
	return checkout.Health{WrongAccount: true}, nil
}

func (healthFlow) FailedEvents(context.Context) ([]checkout.FailedEvent, error) {
	return []checkout.FailedEvent{{ID: "evt_<1>", Type: "charge.refunded", Since: testStart, Next: testStart}}, nil
}

// Texts that customers and others write are shown as they are, and nothing of them is markup.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	const hostile = `"'><script>alert(1)</script><img src=x onerror=alert(1)>{{.}}</textarea>` + "\u202e"
	sku := `a&b="'><script>alert(1)</script>`
	s.inTx(func(tx tx) error { return s.stock.Set(t.Context(), tx, sku, 3) })
	address := store.Address{Line1: hostile, City: hostile, Country: hostile}
	s.change("order-1", func(o *store.Order) {
		o.Customer = store.Customer{ID: hostile, Email: hostile, Name: hostile, Phone: hostile, Address: address, ShippingName: hostile, ShippingAddress: address}
		o.Lines = []store.Line{{SKU: sku, Name: hostile, UnitAmount: 5, Quantity: 2}}
		o.Metadata, o.Account, o.Parked, o.Currency = map[string]string{hostile: hostile}, hostile, hostile, hostile
		o.Attempts = []store.Attempt{{
			N: 1, CreatedAt: testStart, SessionID: "cs_" + hostile, PaymentIntent: hostile, Charge: hostile, Subscription: hostile, Completed: true, Paid: true, Amount: 10,
			Mismatch: hostile, Review: hostile, RefundWanted: hostile, RefundRefused: hostile, Hold: store.Hold{ID: hostile, State: hostile},
		}}
		o.Subscriptions = []store.Subscription{{ID: hostile, Attempt: 1, Status: hostile, EndReason: hostile, CollectionPaused: hostile, Items: []store.SubscriptionItem{{Price: hostile}}}}
		o.Invoices = []store.Invoice{{ID: hostile, Attempt: 1, Subscription: hostile, Reason: hostile, State: store.InvoicePaid, Currency: hostile, Total: 5, Paid: 5}}
		o.Refunds = []store.Refund{{ID: hostile, Invoice: hostile, Amount: 1, Currency: hostile, State: hostile}}
		o.Disputes = []store.Dispute{{ID: hostile, Invoice: hostile, Amount: 1, State: store.DisputeWon}}
		o.Shortfall = []store.Shortage{{SKU: sku, Wanted: 2}}
		o.Notices = []store.Notice{{N: 1, Kind: hostile, From: hostile, To: "paid", Cause: hostile, Detail: hostile}}
		o.Delivery, o.ChangeDelivery = store.Delivery{Tries: 9, LastError: hostile}, store.Delivery{Tries: 9, LastError: hostile}
	})
	pages := map[string]answer{
		"searched": s.post("search", url.Values{"q": {hostile + "@"}}),
		"adjusted": s.post("stock/adjust", url.Values{"sku": {sku}, "delta": {hostile}, "on_hand": {"3"}, "held": {"0"}, "sold": {"0"}}),
		"refunded": s.post("orders/order-1/refund", url.Values{"amount": {hostile}, "key": {hostile}, "payment": {hostile}}),
	}
	for _, path := range []string{"", "?show=stuck", "?show=" + url.QueryEscape(hostile), "orders/order-1", "orders/order-1/refund", "orders/order-1/fulfil-anyway", "stock", "stock?sku=" + url.QueryEscape(hostile), "stock/adjust?sku=" + url.QueryEscape(sku)} {
		pages[path] = s.get(path)
		require.Equal(t, http.StatusOK, pages[path].status, path)
	}
	for path, page := range pages {
		require.NotContains(t, page.body, "<script", path)
		require.NotContains(t, page.body, "<img", path)
		require.NotContains(t, page.body, "ZgotmplZ", path)
		require.Contains(t, page.body, "</html>", path)
	}
	require.Contains(t, pages["orders/order-1"].body, "&lt;script&gt;alert(1)&lt;/script&gt;")

	// The link of a SKU leads to that SKU.
	page := s.send(s.get("stock/adjust?sku="+url.QueryEscape(sku)), url.Values{"delta": {"4"}})
	require.Equal(t, http.StatusOK, page.status)
	stock, err := s.flow.Stock(t.Context(), sku)
	require.NoError(t, err)
	require.EqualValues(t, 7, stock[0].OnHand)
}

// An order with hundreds of attempts is shown, the newest first and the others folded.
func TestManyAttempts(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.change("order-1", func(o *store.Order) {
		for n := 1; n <= 700; n++ {
			at := testStart.Add(time.Duration(n) * time.Hour)
			o.Attempts = append(o.Attempts, store.Attempt{N: n, CreatedAt: at, SessionID: fmt.Sprintf("cs_test_a%063d", n), Expired: true})
			o.Notices = append(o.Notices, store.Notice{N: n, Kind: "expired", At: at, From: store.Open, To: store.Expired, Attempt: n, Cause: fmt.Sprint("evt_", n), DeliveredAt: at})
		}
		for i := range 100 {
			o.Lines = append(o.Lines, store.Line{Name: fmt.Sprint("Line ", i), UnitAmount: 100, Quantity: 1})
		}
	})
	page := s.get("orders/order-1")
	require.Equal(t, http.StatusOK, page.status)
	require.Len(t, attempts.FindAllString(page.body, -1), 700)
	require.Less(t, strings.Index(page.body, `data-attempt="700"`), strings.Index(page.body, `data-attempt="699"`))
	require.Less(t, strings.Index(page.body, `data-attempt="691"`), strings.Index(page.body, "690 older"))
	require.Less(t, strings.Index(page.body, "690 older"), strings.Index(page.body, `data-attempt="690"`))
	require.Contains(t, page.body, "and 97 more")
	require.Less(t, len(page.body), 2<<20)
}

// A router that passes on the address without a slash, as chi's Mount does, leads to the pages, also below other folders.
func TestAddressWithoutSlash(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	handler, err := admin.New(admin.Config{Flow: s.flow})
	require.NoError(t, err)
	for _, prefix := range []string{"/admin", "/shop/admin"} {
		w := httptest.NewRecorder()
		http.StripPrefix(prefix, handler).ServeHTTP(w, httptest.NewRequest("GET", prefix+"?a=b", nil))
		require.Equal(t, http.StatusPermanentRedirect, w.Code)
		require.Equal(t, "./admin/", w.Header().Get("Location"))
	}
}
