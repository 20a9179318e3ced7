package main

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/examples/internal/visitor"
)

// testStripe returns a test server that outlives the processes of the shop, and the environment that points to it.
func testStripe(t *testing.T, database string) (*checkouttest.Server, map[string]string) {
	t.Helper()
	test := checkouttest.NewServer(checkouttest.Config{Addr: "127.0.0.1:0", WallClock: true})
	t.Cleanup(test.Close)
	return test, map[string]string{
		"DATABASE_URL": database, "STRIPE_API_BASE": test.URL(), "STRIPE_SECRET_KEY": test.Key(), "STRIPE_WEBHOOK_SECRET": test.WebhookSecret(),
	}
}

// webhooksTo returns an endpoint that passes deliveries on to a process, and counts the accepted ones.
func webhooksTo(t *testing.T, p *running, accepted *atomic.Int64) http.Handler {
	t.Helper()
	u, err := url.Parse(p.url)
	require.NoError(t, err)
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u)
			r.Out.URL.Path = "/stripe/webhook"
		},
		ModifyResponse: func(r *http.Response) error {
			if r.StatusCode == http.StatusOK {
				accepted.Add(1)
			}
			return nil
		},
	}
}

func TestProcessesStartAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, database string) {
		_, env := testStripe(t, database)
		ended := make(chan error)
		const processes = 6
		for range processes {
			go func() {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				ended <- run(ctx, []string{"-addr", "127.0.0.1:0"}, func(name string) string { return env[name] }, untilServing{stop})
			}()
		}
		for range processes {
			require.NoError(t, <-ended)
		}
		p := start(t, env)
		p.requireStock(t, "mug", "24 0 0")
	})
}

func TestTwoProcessesOnOneDatabase(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, database string) {
		test, env := testStripe(t, database)
		one, two := start(t, env), start(t, env)
		var accepted atomic.Int64
		test.Deliver(webhooksTo(t, two, &accepted))

		b := one.visit(t)
		b.take("Dinner plate", "4", "Soup bowl", "4")
		session := b.begin("begun on one")
		two.requireStock(t, "plate", "16 4 0")
		require.NoError(t, test.PayAs(session, checkouttest.CardOK, ada))
		require.Positive(t, accepted.Load(), "the webhook must come to the second process")
		for _, p := range []*running{two, one} {
			orders := p.requireOrders(t, "fulfilled")
			require.Contains(t, visitor.Text(orders.Element("data-shipment")), "Shipped to Ada Lovelace")
			p.requireStock(t, "plate", "16 0 4")
			p.requireStock(t, "bowl", "14 0 4")
		}

		// The same event once more, to the other process.
		test.Deliver(webhooksTo(t, one, &accepted))
		before := accepted.Load()
		for _, e := range test.Events() {
			require.NoError(t, test.Redeliver(e.ID))
		}
		require.Greater(t, accepted.Load(), before)
		one.requireOrders(t, "fulfilled")
		one.requireStock(t, "plate", "16 0 4")
	})
}

func TestARestartInBetween(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, database string) {
		test, env := testStripe(t, database)
		one := start(t, env)
		b := one.visit(t)
		b.take("Teapot", "1")
		session := b.begin("")
		one.stop(t)

		// The webhook finds no process. Later the thanks page makes the new process ask Stripe, if its first sweep has not. While that
		// sweep delivers the order, the page shows it as paid, and is opened again, as a browser does every few seconds.
		require.NoError(t, test.PayAs(session, checkouttest.CardOK, ada))
		one = start(t, env)
		one.requireStock(t, "teapot", "4 1 0")
		b = visit(t, one.url+"/thanks?session_id="+session)
		for range 1000 {
			if !strings.Contains(b.Element(`id="order"`), `data-status="paid"`) {
				break
			}
			b.Open(b.URL.String())
		}
		require.Contains(t, b.Element(`id="order"`), `data-status="fulfilled"`)
		one.requireOrders(t, "fulfilled")
		one.requireStock(t, "teapot", "4 0 1")
		one.stop(t)
		start(t, env).requireStock(t, "teapot", "4 0 1") // a restart must not fill the shelves again
	})
}

func TestAKilledProcess(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, database string) {
		test, env := testStripe(t, database)
		one, two := startChild(t, env), start(t, env)
		var accepted atomic.Int64
		test.Deliver(webhooksTo(t, two, &accepted))
		paid, open := visit(t, one.url+"/"), visit(t, one.url+"/")
		paid.take("Teapot", "1")
		session := paid.begin("")
		open.take("Teapot", "1")
		open.begin("")
		one.kill()

		require.NoError(t, test.PayAs(session, checkouttest.CardOK, ada))
		two.requireOrders(t, "open", "fulfilled")
		again := startChild(t, env)
		again.requireOrders(t, "open", "fulfilled")
		again.requireStock(t, "teapot", "3 1 1")
		open.Open(again.url + "/cart")
		open.Press("", "Cancel the order")
		again.requireStock(t, "teapot", "4 0 1")
		require.Equal(t, 1, strings.Count(two.requireOrders(t, "canceled", "fulfilled").Body, "data-shipment"))
	})
}

// This is the setup that README.md shows: the first process has the test server, whose webhooks go to the second.
func TestTheTestServerOfAnotherProcess(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, database string) {
		var accepted atomic.Int64
		var two atomic.Pointer[running]
		hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			webhooksTo(t, two.Load(), &accepted).ServeHTTP(w, r)
		}))
		t.Cleanup(hook.Close)
		one := startChild(t, map[string]string{"DATABASE_URL": database}, "-webhooks", hook.URL)
		env := map[string]string{"DATABASE_URL": database}
		for _, variable := range strings.Fields(one.payments) {
			name, value, _ := strings.Cut(variable, "=")
			env[name] = value
		}
		two.Store(startChild(t, env))

		b := visit(t, one.url+"/")
		b.take("Dinner plate", "2")
		b.begin("")
		b.payBy("Pay $64.00", "4242424242424242")
		require.Equal(t, "/thanks", b.URL.Path)
		require.Equal(t, one.url, "http://"+b.URL.Host)
		require.Contains(t, b.Element(`id="order"`), `data-status="fulfilled"`)
		require.Positive(t, accepted.Load(), "the second process must accept the webhook")
		two.Load().requireOrders(t, "fulfilled")
		one.requireStock(t, "plate", "18 0 2")
	})
}

func TestBehindAProxy(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, database string) {
		test, env := testStripe(t, database)
		var processes []*url.URL // requests and webhooks go to these in turn
		var served [2]atomic.Int64
		var next atomic.Int64
		proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			n := next.Add(1) % 2
			served[n].Add(1)
			r.SetURL(processes[n])
		}})
		t.Cleanup(proxy.Close)
		env["SHOP_URL"] = proxy.URL
		one, two := start(t, env), start(t, env)
		for _, p := range []*running{one, two} {
			u, err := url.Parse(p.url)
			require.NoError(t, err)
			processes = append(processes, u)
		}
		var accepted atomic.Int64
		test.Deliver(webhooksTo(t, &running{url: proxy.URL}, &accepted))

		b := visit(t, proxy.URL)
		b.take("Teapot", "1", "Everyday mug", "4", "Soup bowl", "2")
		session := b.begin("")
		for range 3 { // each time at another process
			b.Open(proxy.URL + "/cart")
			require.Contains(t, b.Body, "Your things are set aside")
			require.Equal(t, session, b.begin(""), "the same cart must get the same session")
		}
		b.payBy("Pay $220.50", "4242424242424242")
		require.Contains(t, b.Element(`id="order"`), `data-status="fulfilled"`)
		require.Positive(t, accepted.Load())
		require.Greater(t, served[0].Load(), int64(5))
		require.Greater(t, served[1].Load(), int64(5))
		one.requireOrders(t, "fulfilled")
		two.requireStock(t, "mug", "20 0 4")
	})
}

// withCookie returns a client that sends this cookie.
func withCookie(t *testing.T, client *http.Client, address, name, value string) *http.Client {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/"}})
	return &http.Client{Jar: jar, Transport: client.Transport}
}
