package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
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
	for _, address := range []string{"/cart", "/cart?order=other", "/thanks", "/thanks?session_id=cs_test_other", "/nowhere"} {
		b := p.visit(t)
		b.Open(address)
		require.Equal(t, http.StatusNotFound, b.Status, address)
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
		"/demo/advance":   http.StatusForbidden,
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

func TestStripeIsUsedWhenItsSecretsAreSet(t *testing.T) {
	t.Parallel()
	p := start(t, map[string]string{"STRIPE_SECRET_KEY": "sk_test_none", "STRIPE_WEBHOOK_SECRET": "whsec_none"})
	b := p.visit(t)
	require.Contains(t, visitor.Text(b.Body), "Payments go to Stripe")
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
		"key alone":       {map[string]string{"STRIPE_SECRET_KEY": "sk_test_x"}, nil, "STRIPE_WEBHOOK_SECRET is not"},
		"secret alone":    {map[string]string{"STRIPE_WEBHOOK_SECRET": "whsec_x"}, nil, "STRIPE_SECRET_KEY is not"},
		"live key":        {map[string]string{"STRIPE_SECRET_KEY": "sk_live_x", "STRIPE_WEBHOOK_SECRET": "whsec_x"}, nil, "a live key"},
		"every interface": {nil, []string{"-addr", ":0"}, "not a loopback address"},
		"other address":   {nil, []string{"-addr", "192.0.2.1:0"}, "not a loopback address"},
		"no port":         {nil, []string{"-addr", "127.0.0.1"}, "missing port"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"-addr", "127.0.0.1:0"}, test.args...)
			ctx, stop := context.WithCancel(t.Context())
			stop() // ends the program at once if it starts nevertheless
			err := run(ctx, args, func(name string) string { return test.env[name] }, io.Discard)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "sk_live_x")
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
