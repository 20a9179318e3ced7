package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/examples/internal/visitor"
)

// serve returns a shop in this process, and its address.
func serve(t *testing.T, database string) (*shop, string) {
	t.Helper()
	getenv := func(name string) string { return map[string]string{"DATABASE_URL": database}[name] }
	c, err := readConfig(nil, getenv, io.Discard)
	require.NoError(t, err)
	db, err := c.openDatabase(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	server := httptest.NewUnstartedServer(nil)
	c.url = "http://" + server.Listener.Addr().String()
	pay := c.connect(c.url)
	t.Cleanup(pay.close)
	s, err := newShop(t.Context(), c, pay, db, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	server.Config.Handler, err = s.handler()
	require.NoError(t, err)
	server.Start()
	t.Cleanup(server.Close)
	return s, c.url
}

// begin begins an order for one teapot.
func (s *shop) begin(t *testing.T, id string) *checkout.Started {
	t.Helper()
	price, err := checkout.AmountOf(6850, currency)
	require.NoError(t, err)
	session := checkout.Session{
		OrderID: id, Lines: []checkout.Line{{SKU: "teapot", Name: "Teapot", UnitAmount: price, Quantity: 1}},
		SuccessURL: s.url + "/thanks?session_id={CHECKOUT_SESSION_ID}", HoldFor: holdFor,
		Shipping: checkout.Shipping{Countries: []string{"CA"}},
	}
	require.NoError(t, s.draft(t.Context(), session, "note of "+id))
	started, err := s.flow.Begin(t.Context(), session)
	require.NoError(t, err)
	return started
}

// The orders page says why an order is stuck, and has the actions that mend it.
func TestAStuckOrderIsResolved(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, database string) {
		s, address := serve(t, database)
		started := s.begin(t, "order-1")
		require.NoError(t, s.flow.Erase(t.Context(), "order-1")) // with the address that is entered later
		require.NoError(t, s.test.PayAs(started.SessionID, checkouttest.CardOK, ada))

		b := visit(t, address+"/orders")
		b.Follow("Need a person")
		require.Contains(t, visitor.Text(b.Element("data-order=")), "Needs a person: fulfil: erased")
		require.Contains(t, visitor.Text(b.Element("data-order=")), "Attempt 1: paid, stock sold")
		b.Press("data-order=", "Try again")
		require.Contains(t, visitor.Text(b.Element("data-order=")), "Needs a person", "there still is no address")
		b.Press("data-order=", "Give up")
		require.Contains(t, b.Body, "The decision is kept")
		b.Follow("Need a person")
		require.Contains(t, b.Body, "None of these.")
	})
}

// The admin pages show the shop's orders, settle them, and say that the database suits.
func TestAdminPages(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, database string) {
		s, address := serve(t, database)
		started := s.begin(t, "order-1")
		require.NoError(t, s.flow.Erase(t.Context(), "order-1")) // with the address that is entered later
		require.NoError(t, s.test.PayAs(started.SessionID, checkouttest.CardOK, ada))

		b := visit(t, address+"/admin/")
		require.Contains(t, visitor.Text(b.Element("data-stuck=")), "Fulfil: erased")
		b.Follow("Teapot")
		b.Follow("Give up")
		b.Press("", "Give up")
		require.Equal(t, "/admin/orders/order-1", b.URL.Path)
		require.Contains(t, b.Body, "The order was given up")
		b.Open("/admin/stock/adjust?sku=teapot")
		b.Press("", "Change the stock", "delta", "3")
		require.Contains(t, visitor.Text(b.Element(`data-stock="teapot"`)), "teapot")
		b.Open("/admin/health")
		require.Contains(t, b.Body, "Schema and connection suit")
	})
}

func TestOrdersHavePages(t *testing.T) {
	t.Parallel()
	s, address := serve(t, sqliteFile(t))
	const orders = ordersOnPage + 3
	for n := range orders {
		id := fmt.Sprintf("order-%02d", n)
		if n < 5 {
			s.begin(t, id)
			continue
		}
		_, err := s.flow.Draft(t.Context(), checkout.Session{OrderID: id, SuccessURL: address, Lines: []checkout.Line{
			{Name: "Voucher", UnitAmount: checkout.MustAmount("10.00", currency), Quantity: 1}}})
		require.NoError(t, err)
	}
	b := visit(t, address+"/orders")
	seen := map[string]bool{}
	for page := 1; ; page++ {
		for n := range orders {
			if id := fmt.Sprintf("order-%02d", n); strings.Contains(b.Body, `data-order="`+id+`"`) {
				require.False(t, seen[id], "twice: %s", id)
				seen[id] = true
			}
		}
		if page == 2 {
			require.NotContains(t, b.Body, "Older orders")
			require.Contains(t, b.Body, "note of order-00")
			break
		}
		b.Follow("Older orders")
	}
	require.Len(t, seen, orders)
}

// Pages read a form, and no upload: a request with a large body is answered after as much of it as a form may have. A page of
// another site must not reach the shop by a name of its own that leads to this machine.
func TestUploadsAndOtherHosts(t *testing.T) {
	t.Parallel()
	s, _ := serve(t, sqliteFile(t))
	handler, err := s.handler()
	require.NoError(t, err)
	for _, request := range []string{"GET /", "GET /cart", "GET /thanks", "GET /orders", "POST /cart", "POST /checkout", "POST /orders/resolve"} {
		method, path, _ := strings.Cut(request, " ")
		var read counter
		upload := io.TeeReader(io.MultiReader(strings.NewReader(
			"--x\r\nContent-Disposition: form-data; name=\"note\"; filename=\"f\"\r\n\r\n"), io.LimitReader(zeros{}, 10<<20)), &read)
		r := httptest.NewRequestWithContext(t.Context(), method, s.url+path, upload)
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		handler.ServeHTTP(httptest.NewRecorder(), r)
		require.LessOrEqual(t, int64(read), int64(2*maxForm), request)
		if method == http.MethodGet {
			require.Zero(t, read, request)
		}
	}
	for host, want := range map[string]int{
		"127.0.0.1:4242": http.StatusOK, "localhost": http.StatusOK, "[::1]:4242": http.StatusOK,
		"elsewhere.example": http.StatusMisdirectedRequest, "127.0.0.1.elsewhere.example:4242": http.StatusMisdirectedRequest,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/orders", nil)
		r.Host = host
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Equal(t, want, w.Code, "host %q", host)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// counter counts the bytes written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func TestAVisitorWhoLeftIsNoError(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, database string) {
		s, _ := serve(t, database)
		var log strings.Builder
		s.log = slog.New(slog.NewTextHandler(&log, nil))
		handler, err := s.handler()
		require.NoError(t, err)
		ctx, leave := context.WithCancel(t.Context())
		leave()
		for _, path := range []string{"/", "/cart", "/orders"} {
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil))
		}
		require.Empty(t, log.String())
	})
}
