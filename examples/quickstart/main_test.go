package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/examples/internal/visitor"
)

func TestBadRequests(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	for _, quantity := range []string{"0", "-1", "100", "1.5", "", "many"} {
		b := p.visit(t)
		b.Press(`data-sku="ink"`, "Buy Bottle of ink", "quantity", quantity)
		require.Equal(t, http.StatusBadRequest, b.Status, "quantity %q", quantity)
	}
	b := p.visit(t)
	b.Press(`data-sku="ink"`, "Buy Bottle of ink", "sku", "gold")
	require.Equal(t, http.StatusBadRequest, b.Status)
	for _, address := range []string{"/thanks", "/thanks?session_id=cs_test_other", "/nowhere"} {
		b := p.visit(t)
		b.Open(address)
		require.Equal(t, http.StatusNotFound, b.Status, address)
		require.Contains(t, b.Body, "Back to the shop", "a page of the shop")
	}
	p.requireOrders(t)
}

func TestPagesLoadNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	b := p.visit(t)
	require.Contains(t, b.Body, `href="/style.css"`)
	require.NotRegexp(t, `(src|href|action)="(https?:|//)`, b.Body)
	for asset, kind := range map[string]string{"/style.css": "text/css", "/thanks.js": "javascript"} {
		response, err := http.Get(p.url + asset)
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, http.StatusOK, response.StatusCode, asset)
		require.Contains(t, response.Header.Get("Content-Type"), kind)
	}
}

func TestOtherSitesCanNotPost(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	for path, want := range map[string]int{
		"/checkout":       http.StatusForbidden,
		"/cancel":         http.StatusForbidden,
		"/orders/cancel":  http.StatusForbidden,
		"/orders/resolve": http.StatusForbidden,
		"/demo/advance":   http.StatusForbidden,
		"/demo/play":      http.StatusForbidden,
		"/stripe/webhook": http.StatusBadRequest, // a signature is missing; the check for browsers does not apply
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+path, strings.NewReader("{}"))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Origin", "https://elsewhere.example")
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, want, response.StatusCode, path)
	}
}

// Pages read a form, and no upload: a request with a large body is answered after as much of it as a form may have.
func TestPagesTakeNoUploads(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	for _, request := range []string{"GET /shop", "GET /cart", "GET /thanks", "GET /orders", "POST /checkout", "POST /cancel", "POST /orders/resolve", "POST /demo/play"} {
		method, path, _ := strings.Cut(request, " ")
		upload := &counted{Reader: io.MultiReader(
			strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"sku\"; filename=\"f\"\r\n\r\n"), io.LimitReader(zeros{}, 10<<20))}
		r := httptest.NewRequestWithContext(t.Context(), method, s.url+path, upload)
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		s.handler().ServeHTTP(httptest.NewRecorder(), r)
		require.LessOrEqual(t, upload.read, int64(2*maxForm), request)
		if method == http.MethodGet {
			require.Zero(t, upload.read, request)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// counted counts the bytes read.
type counted struct {
	io.Reader
	read int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += int64(n)
	return n, err
}

// The page of another site must not reach the shop by a name of its own that leads to this machine.
func TestOtherHosts(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	for host, want := range map[string]int{
		"127.0.0.1:4242": http.StatusOK, "localhost:4242": http.StatusOK, "[::1]:4242": http.StatusOK, "127.0.0.1": http.StatusOK,
		"elsewhere.example": http.StatusMisdirectedRequest, "127.0.0.1.elsewhere.example:4242": http.StatusMisdirectedRequest, "": http.StatusMisdirectedRequest,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/orders", nil)
		r.Host = host
		w := httptest.NewRecorder()
		s.handler().ServeHTTP(w, r)
		require.Equal(t, want, w.Code, "host %q", host)
	}
}

// Who knows the ID of an order can't make the cookie of its cart.
func TestTheCartIsItsOwners(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	owner := p.visit(t)
	owner.order("ink", "Bottle of ink", "1")
	owner.Open("/checkout/status?session_id=" + path.Base(owner.URL.Path))
	owner.Open(p.url + "/cart")
	_, id, _ := strings.Cut(owner.Body, `data-order="`)
	id, _, _ = strings.Cut(id, `"`)
	require.Len(t, id, 24)

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/cart", nil)
	require.NoError(t, err)
	request.AddCookie(&http.Cookie{Name: cartCookie, Value: id})
	stranger := p.visit(t)
	stranger.Do(request)
	require.Contains(t, stranger.Body, "Your cart is empty")
}

func TestAVisitorWhoLeftIsNoError(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	s := testShop(t)
	s.log = slog.New(slog.NewTextHandler(&log, nil))
	ctx, leave := context.WithCancel(t.Context())
	leave()
	s.handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, s.url+"/orders", nil))
	require.NotContains(t, log.String(), "ERROR")
}

// testShop returns a shop whose handler is called without a server.
func testShop(t *testing.T) *shop {
	t.Helper()
	pay, err := connect(func(string) string { return "" }, "http://127.0.0.1:1", false)
	require.NoError(t, err)
	t.Cleanup(pay.close)
	s, err := newShop(t.Context(), "http://127.0.0.1:1", pay, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return s
}

func TestStripeIsUsedWhenItsSecretsAreSet(t *testing.T) {
	t.Parallel()
	p := start(t, map[string]string{"STRIPE_SECRET_KEY": "sk_test_none", "STRIPE_WEBHOOK_SECRET": "whsec_none"})
	b := p.visit(t)
	require.Contains(t, visitor.Text(b.Body), "Payments go to Stripe")
	b.Open("/")
	require.Equal(t, "/shop", b.URL.Path, "there are no scenes to play")
	b.Follow("Orders")
	require.NotContains(t, b.Body, "/demo/")
	b.Open("/demo/advance")
	require.Equal(t, http.StatusNotFound, b.Status)
}

func TestRefusesToStart(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		env  map[string]string
		args []string
		want string
	}{
		"key alone":                   {map[string]string{"STRIPE_SECRET_KEY": "sk_test_x"}, nil, "STRIPE_WEBHOOK_SECRET is not"},
		"secret alone":                {map[string]string{"STRIPE_WEBHOOK_SECRET": "whsec_x"}, nil, "STRIPE_SECRET_KEY is not"},
		"live key of an organization": {map[string]string{"STRIPE_SECRET_KEY": "sk_org_live_x", "STRIPE_WEBHOOK_SECRET": "whsec_x"}, nil, "a live key"},
		"live key":                    {map[string]string{"STRIPE_SECRET_KEY": "sk_live_x", "STRIPE_WEBHOOK_SECRET": "whsec_x"}, nil, "a live key"},
		"every interface":             {nil, []string{"-addr", ":0"}, "not a loopback address"},
		"other address":               {nil, []string{"-addr", "192.0.2.1:0"}, "not a loopback address"},
		"no port":                     {nil, []string{"-addr", "127.0.0.1"}, "missing port"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"-addr", "127.0.0.1:0"}, test.args...)
			ctx, stop := context.WithCancel(t.Context())
			stop() // ends the program at once if it starts nevertheless
			err := run(ctx, args, func(name string) string { return test.env[name] }, io.Discard)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "live_x")
		})
	}
}

func TestStoppingFinishesWhatIsBeingAnswered(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	body, form := io.Pipe()
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got100Continue: p.stop, // the handler runs and waits for the form
	})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/checkout", body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Expect", "100-continue")
	go func() {
		<-p.stopping
		_, _ = io.WriteString(form, "sku=ink&quantity=1")
		form.Close()
	}()
	response, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusSeeOther, response.StatusCode)
	require.NoError(t, <-p.stopped)
}
