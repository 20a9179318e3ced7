package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/examples/internal/visitor"
)

func TestRefusesToStart(t *testing.T) {
	t.Parallel()
	stripe := map[string]string{"STRIPE_SECRET_KEY": "sk_test_x", "STRIPE_WEBHOOK_SECRET": "whsec_x"}
	with := func(pairs ...string) map[string]string {
		env := map[string]string{}
		for name, value := range stripe {
			env[name] = value
		}
		for i := 0; i < len(pairs); i += 2 {
			env[pairs[i]] = pairs[i+1]
		}
		return env
	}
	for name, test := range map[string]struct {
		env  map[string]string
		args []string
		want string
	}{
		"key alone":            {map[string]string{"STRIPE_SECRET_KEY": "sk_test_x"}, nil, "STRIPE_WEBHOOK_SECRET is not"},
		"secret alone":         {map[string]string{"STRIPE_WEBHOOK_SECRET": "whsec_x"}, nil, "STRIPE_SECRET_KEY is not"},
		"base alone":           {map[string]string{"STRIPE_API_BASE": "http://127.0.0.1:1"}, nil, "STRIPE_SECRET_KEY is not"},
		"base elsewhere":       {with("STRIPE_API_BASE", "http://stripe.example"), nil, "STRIPE_API_BASE must be"},
		"live key to a test":   {with("STRIPE_API_BASE", "http://127.0.0.1:1", "STRIPE_SECRET_KEY", "sk_live_x"), nil, "takes no live key"},
		"live key, no url":     {with("STRIPE_SECRET_KEY", "rk_live_x"), nil, "set SHOP_URL"},
		"live key, localhost":  {with("STRIPE_SECRET_KEY", "sk_live_x", "SHOP_URL", "http://localhost"), nil, "set SHOP_URL"},
		"public, no password":  {with("SHOP_URL", "https://shop.example"), nil, "set ORDERS_PASSWORD"},
		"public, test server":  {map[string]string{"SHOP_URL": "https://shop.example"}, nil, "STRIPE_SECRET_KEY is not set"},
		"plain http":           {with("SHOP_URL", "http://shop.example"), nil, "SHOP_URL must be like"},
		"url with a path":      {with("SHOP_URL", "https://shop.example/pots"), nil, "SHOP_URL must be like"},
		"url without a scheme": {with("SHOP_URL", "shop.example"), nil, "SHOP_URL must be like"},
		"every interface":      {nil, []string{"-addr", ":0"}, "set SHOP_URL"},
		"every, no password":   {map[string]string{"SHOP_URL": "http://localhost:4242"}, []string{"-addr", ":0"}, "set ORDERS_PASSWORD"},
		"no port":              {nil, []string{"-addr", "127.0.0.1"}, "missing port"},
		"webhooks elsewhere":   {nil, []string{"-webhooks", "https://shop.example/stripe/webhook"}, "-webhooks must be"},
		"webhooks of Stripe":   {stripe, []string{"-webhooks", "http://127.0.0.1:1/"}, "-webhooks is for the test server"},
		"unknown database":     {map[string]string{"DATABASE_URL": "oracle://shop:hunter2@host/shop"}, nil, "DATABASE_URL is not understood"},
		"a path":               {map[string]string{"DATABASE_URL": "shop.db"}, nil, "DATABASE_URL is not understood"},
		"mistyped mysql":       {map[string]string{"DATABASE_URL": "mysql://shop:hunter2@ho st/%zz"}, nil, "DATABASE_URL is not understood"},
		"no mysql database":    {map[string]string{"DATABASE_URL": "mysql://shop:hunter2@host"}, nil, "does not name a database"},
		"mistyped postgres":    {map[string]string{"DATABASE_URL": "postgres://shop:hunter2@ho st/%zz"}, nil, "the postgres database of DATABASE_URL does not answer"},
		"no postgres":          {map[string]string{"DATABASE_URL": "postgres://shop:hunter2@127.0.0.1:1/shop"}, nil, "the postgres database of DATABASE_URL does not answer"},
		"no mysql":             {map[string]string{"DATABASE_URL": "shop:hunter2@tcp(127.0.0.1:1)/shop"}, nil, "the mysql database of DATABASE_URL does not answer"},
		"no directory":         {map[string]string{"DATABASE_URL": "file:" + os.DevNull + "/shop.db"}, nil, "the sqlite database of DATABASE_URL does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"-addr", "127.0.0.1:0"}, test.args...)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			out := untilServing{stop} // stops the program if it starts nevertheless
			err := run(ctx, args, func(name string) string {
				if value := test.env[name]; value != "" || name != "DATABASE_URL" {
					return value
				}
				return sqliteFile(t)
			}, out)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "hunter2")
			require.NotContains(t, err.Error(), "_live_")
		})
	}
}

// untilServing stops a program when it prints that it is serving.
type untilServing struct{ stop func() }

func (u untilServing) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("Ctrl-C")) {
		u.stop()
	}
	return len(p), nil
}

func TestDatabaseURL(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"postgres://a:b@h/shop?sslmode=disable": "pgx postgres://a:b@h/shop?sslmode=disable",
		"postgresql://h/shop":                   "pgx postgresql://h/shop",
		"mysql://a:p%40ss@h/shop?tls=true":      "mysql a:p@ss@tcp(h:3306)/shop?tls=true",
		"mariadb://a@h:3307/shop":               "mysql a@tcp(h:3307)/shop",
		"a:b@unix(/run/mysqld.sock)/shop":       "mysql a:b@unix(/run/mysqld.sock)/shop",
	} {
		_, driver, dsn, err := database(address)
		require.NoError(t, err, address)
		require.Equal(t, want, driver+" "+dsn)
	}
	for address, want := range map[string]string{
		"": "file:shop.db?_pragma=busy_timeout", "file:a.db": "file:a.db?_pragma=busy_timeout", "file:a.db?mode=rwc": "file:a.db?mode=rwc&_pragma=busy_timeout",
	} {
		_, driver, dsn, err := database(address)
		require.NoError(t, err, address)
		require.Equal(t, "sqlite", driver)
		require.True(t, strings.HasPrefix(dsn, want), dsn)
	}
}

func TestStripeIsUsedWhenItsSecretsAreSet(t *testing.T) {
	t.Parallel()
	p := start(t, map[string]string{
		"DATABASE_URL": sqliteFile(t), "STRIPE_SECRET_KEY": "sk_test_none", "STRIPE_WEBHOOK_SECRET": "whsec_none",
		"SHOP_URL": "https://shop.example/", "ORDERS_PASSWORD": "hunter2",
	})
	require.Contains(t, visitor.Text(p.visit(t).Body), "Payments: Stripe, with a test key.")
	b := visit(t, p.url+"/admin/")
	require.Equal(t, http.StatusUnauthorized, b.Status)
	b.Open("/orders")
	require.Equal(t, http.StatusUnauthorized, b.Status)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/orders", nil)
	require.NoError(t, err)
	request.SetBasicAuth("", "hunter2")
	b.Do(request)
	require.Equal(t, http.StatusOK, b.Status)
	request, err = http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/cart", strings.NewReader("sku.teapot=1"))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", "https://shop.example") // as behind a proxy that changes the Host
	response, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusSeeOther, response.StatusCode)
	cookie := response.Cookies()[0]
	require.True(t, cookie.Secure && cookie.HttpOnly && cookie.SameSite == http.SameSiteLaxMode, cookie)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, database string) {
		p := start(t, map[string]string{"DATABASE_URL": database})
		b := visit(t, p.url+"/healthz")
		require.Equal(t, http.StatusOK, b.Status)
		require.Equal(t, "ok\n", b.Body)
		b.Open("/readyz")
		require.Equal(t, http.StatusOK, b.Status)
		require.Contains(t, b.Body, "stripe: test server in this process")
	})
}

func TestNotReadyWithoutItsDatabase(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	s := &shop{db: db, log: slog.New(slog.DiscardHandler)}
	w := httptest.NewRecorder()
	s.ready(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "database: does not answer\n", w.Body.String())
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	p := start(t, map[string]string{"DATABASE_URL": sqliteFile(t)})
	for _, quantity := range []string{"-1", "100", "1.5", "", "many"} {
		b := p.visit(t)
		b.Press("", "Add to cart (Teapot)", "add.teapot", quantity)
		require.Equal(t, http.StatusBadRequest, b.Status, "quantity %q", quantity)
	}
	b := p.visit(t)
	b.take("Teapot", "1")
	b.Open("/")
	b.Press("", "Add to cart (Teapot)", "add.teapot", "99")
	require.Equal(t, http.StatusBadRequest, b.Status, "the cart would have 100")
	b.Open("/cart")
	b.Press("", "Continue to payment", "note", strings.Repeat("é", maxNote+1))
	require.Equal(t, http.StatusBadRequest, b.Status)
	b.Open("/cart")
	b.Press("", "Update", "note", strings.Repeat("é\r\n", maxNote/2))
	require.Equal(t, http.StatusOK, b.Status)
	b.Press("", "Continue to payment", "sku.teapot", "0")
	require.Equal(t, http.StatusBadRequest, b.Status, "an empty cart must be refused")
	for _, address := range []string{"/thanks", "/thanks?session_id=cs_test_other", "/nowhere"} {
		b.Open(address)
		require.Equal(t, http.StatusNotFound, b.Status, address)
		require.Contains(t, b.Body, "Back to the shop", "a page of the shop")
	}
	p.requireOrders(t)
}

func TestOtherSitesCanNotPost(t *testing.T) {
	t.Parallel()
	p := start(t, map[string]string{"DATABASE_URL": sqliteFile(t)})
	for path, want := range map[string]int{
		"/cart":           http.StatusForbidden,
		"/cart/new":       http.StatusForbidden,
		"/checkout":       http.StatusForbidden,
		"/orders/cancel":  http.StatusForbidden,
		"/orders/resolve": http.StatusForbidden,
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

func TestStoppingFinishesWhatIsBeingAnswered(t *testing.T) {
	t.Parallel()
	p := start(t, map[string]string{"DATABASE_URL": sqliteFile(t)})
	body, form := io.Pipe()
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got100Continue: p.cancel, // the handler runs and waits for the form
	})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/checkout", body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Expect", "100-continue")
	go func() {
		<-p.stopping
		_, _ = io.WriteString(form, "sku.teapot=1")
		form.Close()
	}()
	response, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusSeeOther, response.StatusCode)
	require.NoError(t, <-p.stopped)
}

func TestASignalStopsTheProgram(t *testing.T) {
	t.Parallel()
	child := childCommand(map[string]string{"DATABASE_URL": sqliteFile(t)})
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	t.Cleanup(func() { _ = child.Process.Kill() }) // in case this test fails
	said := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said += lines.Text() + "\n"
		if strings.HasPrefix(lines.Text(), "Ctrl-C") {
			require.NoError(t, child.Process.Signal(syscall.SIGTERM))
		}
	}
	require.NoError(t, child.Wait())
	require.Contains(t, said, "Stopped.")
}
