package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// An inbox is an app's webhook endpoint.
type inbox struct {
	url string

	mu    sync.Mutex
	types map[string]int // how often each type of event came
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{types: map[string]int{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var event struct{ Type string }
		body, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(body, &event) != nil || r.Header.Get("Stripe-Signature") == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		in.mu.Lock()
		defer in.mu.Unlock()
		in.types[event.Type]++
	}))
	t.Cleanup(server.Close)
	in.url = server.URL + "/webhook"
	return in
}

func (in *inbox) got(eventType string) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.types[eventType]
}

func TestPayAfterADecline(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	p := start(t, "-webhook", in.url)
	require.Contains(t, p.secret, "whsec_")
	id, pay := p.create(t)
	p.open(t)
	require.Contains(t, p.body, `href="`+pay+`"`)
	require.Contains(t, plain(p.element(t, id)), "payment, open, unpaid, 1999 usd, for order-42")

	p.press(t, id, "Pay", "method", "4000000000000002")
	require.Equal(t, http.StatusPaymentRequired, p.status)
	require.Contains(t, p.body, `role="alert">Your card was declined.`)
	require.Zero(t, in.got("checkout.session.completed"))
	p.press(t, id, "Pay", "method", "4242424242424242")
	require.Equal(t, http.StatusOK, p.status)
	require.Equal(t, 1, in.got("checkout.session.completed"), "the button must wait for the webhook")
	require.Contains(t, p.element(t, id), `data-status="complete" data-payment-status="paid"`)

	p.press(t, "", "Deliver again checkout.session.completed")
	require.Contains(t, p.body, "delivered once more")
	require.Equal(t, 2, in.got("checkout.session.completed"))
	require.Contains(t, plain(p.body), "answered 200, attempt 2")
}

func TestWebhookSecretIsKept(t *testing.T) {
	t.Parallel()
	for range 2 {
		require.Equal(t, "whsec_of_the_app", start(t, "-webhook-secret", "whsec_of_the_app").secret)
	}
	require.NotEqual(t, start(t).secret, start(t).secret, "without the flag each start must make a new secret")
}

func TestEveryMethodIsOffered(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, m := range methods {
		id, _ := p.create(t)
		p.open(t)
		require.Contains(t, p.element(t, id), `<option value="`+string(m.ID)+`">`+m.Effect)
		p.press(t, id, "Pay", "method", string(m.ID))
		if m.ID == checkouttest.BankTransfer { // this session does not offer it, and that of TestBankTransferOnTheControlPage does
			require.Equal(t, http.StatusConflict, p.status)
			continue
		}
		require.Contains(t, []int{http.StatusOK, http.StatusPaymentRequired}, p.status, m.Effect)
	}
	p.open(t)
	id, _ := p.create(t)
	p.open(t)
	p.press(t, id, "Pay", "method", "4111111111111111")
	require.Equal(t, http.StatusConflict, p.status, "a card that is no test card")
	p.press(t, id, "Pay", "method", "5555 5555 5555 4444")
	require.Equal(t, http.StatusOK, p.status, "any test card")
}

func TestBankDebit(t *testing.T) {
	t.Parallel()
	for button, want := range map[string]string{
		"Settle the debit": "checkout.session.async_payment_succeeded",
		"Bounce the debit": "checkout.session.async_payment_failed",
	} {
		t.Run(button, func(t *testing.T) {
			t.Parallel()
			in := newInbox(t)
			p := start(t, "-webhook", in.url)
			id, _ := p.create(t)
			p.open(t)
			require.NotContains(t, plain(p.body), button)
			p.press(t, id, "Pay", "method", "bank_debit")
			require.Contains(t, p.element(t, id), `data-status="complete" data-payment-status="unpaid"`)
			stale := p.body
			p.press(t, id, button)
			require.Equal(t, 1, in.got(want))
			require.NotContains(t, plain(p.element(t, id)), button)
			p.body = stale
			p.press(t, id, button)
			require.Equal(t, http.StatusConflict, p.status, "an old page must be refused")
			require.Equal(t, 1, in.got(want))
		})
	}
}

func TestRefunds(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	p := start(t, "-webhook", in.url)
	id, _ := p.create(t)
	p.open(t)
	p.press(t, id, "Pay", "method", "4000000000007726") // CardRefundPending
	for _, amount := range []string{"", "0", "-1", "1.5", "much"} {
		p.press(t, id, "Refund", "amount", amount)
		require.Equal(t, http.StatusBadRequest, p.status, "amount %q", amount)
	}
	p.press(t, id, "Refund", "amount", "2000")
	require.Equal(t, http.StatusConflict, p.status)
	p.press(t, id, "Refund", "amount", "500")
	require.Equal(t, 1, in.got("refund.created"))
	require.Contains(t, plain(p.element(t, id)), "Refund of 500 usd: pending")
	p.press(t, id, "Let it succeed")
	require.Contains(t, plain(p.element(t, id)), "Refund of 500 usd: succeeded")
	p.press(t, id, "Let it fail")
	require.Contains(t, plain(p.element(t, id)), "Refund of 500 usd: failed")
	require.Equal(t, 1, in.got("refund.failed"))
	p.press(t, id, "Refund") // the form offers the rest
	require.Contains(t, plain(p.element(t, id)), "Refund of 1999 usd")
	require.NotContains(t, p.element(t, id), `action="/refund"`)
}

func TestDisputes(t *testing.T) {
	t.Parallel()
	for button, want := range map[string]string{"Win it": "won", "Lose it": "lost"} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			in := newInbox(t)
			p := start(t, "-webhook", in.url)
			id, _ := p.create(t)
			p.open(t)
			p.press(t, id, "Pay", "method", "4242424242424242")
			p.press(t, id, "Dispute")
			require.Contains(t, plain(p.element(t, id)), "Dispute of 1999 usd: needs_response")
			p.press(t, id, button)
			require.Contains(t, plain(p.element(t, id)), "Dispute of 1999 usd: "+want)
			require.NotContains(t, plain(p.element(t, id)), button)
			require.Equal(t, 1, in.got("charge.dispute.created"))
			require.Equal(t, 1, in.got("charge.dispute.closed"))
		})
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	p := start(t, "-webhook", in.url)
	id, _ := p.create(t)
	p.open(t)
	for _, hours := range []string{"", "0", "-1", "8785", "soon"} {
		p.press(t, "", "Let them pass", "hours", hours)
		require.Equal(t, http.StatusBadRequest, p.status, "hours %q", hours)
	}
	p.press(t, "", "Let them pass", "hours", "23")
	require.Contains(t, p.element(t, id), `data-status="open"`)
	p.press(t, "", "Let them pass")
	require.Contains(t, p.element(t, id), `data-status="expired"`)
	require.Equal(t, 1, in.got("checkout.session.expired"))
	now := regexp.MustCompile(`id="now">[^<]*`)
	before := now.FindString(p.body)
	p.press(t, "", "Let a day pass")
	require.NotEqual(t, before, now.FindString(p.body))
}

func TestOtherSitesCanNotPost(t *testing.T) {
	t.Parallel()
	p := start(t)
	id, _ := p.create(t)
	for name := range actions {
		p.post(t, "/"+name, url.Values{"session": {id}, "method": {"4242424242424242"}, "hours": {"24"}}, "https://elsewhere.example")
		require.Equal(t, http.StatusForbidden, p.status, name)
		require.Contains(t, notices, name, "each button needs a notice")
	}
	p.open(t)
	require.Contains(t, p.element(t, id), `data-status="open"`)
	require.NotRegexp(t, `(src|action)="(https?:|//)`, p.body)
}

// The page reads a form, and no upload. A page of another site must not reach it by a name of its own that leads to this machine.
func TestUploadsAndOtherHosts(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	all, err := settings{}.open("127.0.0.1:12111", log)
	require.NoError(t, err)
	t.Cleanup(all.close)
	handler := guard{}.hosts((&control{accounts: all, log: log}).handler())
	for method, path := range map[string]string{http.MethodGet: "/?done=pay", http.MethodPost: "/pay"} {
		upload := strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"session\"; filename=\"f\"\r\n\r\n" + strings.Repeat("x", 10<<20))
		all := upload.Len()
		r := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:12112"+path, upload)
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		handler.ServeHTTP(httptest.NewRecorder(), r)
		require.LessOrEqual(t, all-upload.Len(), 2*maxForm, method)
	}
	for host, want := range map[string]int{
		"127.0.0.1:12112": http.StatusOK, "localhost": http.StatusOK, "[::1]:12112": http.StatusOK, "elsewhere.example": http.StatusMisdirectedRequest,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Equal(t, want, w.Code, host)
	}
}

func TestRefusesToStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { taken.Close() })
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"live key":             {[]string{"-key", "sk_live_x"}, "must be a test key"},
		"odd secret":           {[]string{"-webhook-secret", "swordfish"}, "WebhookSecret must be whsec_"},
		"API for everyone":     {[]string{"-addr", ":0"}, "not a loopback address"},
		"control for everyone": {[]string{"-control", ":0"}, "not a loopback address"},
		"network, no token":    {[]string{"-allow-network"}, "needs -token"},
		"short token":          {[]string{"-token", "short"}, "16 characters"},
		"guessable":            {[]string{"-allow-network", "-token", strings.Repeat("t", 16), "-seed", "1"}, "needs -key and -webhook-secret"},
		"seed 0":               {[]string{"-seed", "0"}, "at least 1"},
		"key twice":            {[]string{"-key", "sk_test_a", "-key", "sk_test_a@other"}, "two keys are the same"},
		"odd account":          {[]string{"-key", "sk_test_a@A B"}, "small letters"},
		"control elsewhere":    {[]string{"-control", "192.0.2.1:0"}, "not a loopback address"},
		"no port":              {[]string{"-control", "127.0.0.1"}, "missing port"},
		"webhooks elsewhere":   {[]string{"-webhook", "https://shop.example/webhook"}, "loopback host"},
		"taken":                {[]string{"-addr", taken.Addr().String()}, "address already in use"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			stop() // ends the program if it starts nevertheless
			err := run(ctx, append([]string{"-addr", "127.0.0.1:0", "-control", "127.0.0.1:0"}, test.args...), io.Discard)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "sk_live_x")
			require.NotContains(t, err.Error(), "swordfish")
		})
	}
}

func TestStops(t *testing.T) {
	t.Parallel()
	p := start(t)
	var conns []*bufio.Reader
	for _, address := range []string{p.api, p.control} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		require.NoError(t, err)
		conn, err := net.Dial("tcp", request.URL.Host)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		require.NoError(t, request.Write(conn))
		answers := bufio.NewReader(conn)
		response, err := http.ReadResponse(answers, request)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		conns = append(conns, answers)
	}
	p.stop()
	require.NoError(t, <-p.stopped)
	for _, answers := range conns { // not by a new connection: another program may have the port by now
		_, err := answers.ReadByte()
		require.Error(t, err, "the server must close the connection")
	}
}

// A person plays the bank of a customer who pays by bank transfer, in two parts. A start does it again.
func TestBankTransferOnTheControlPage(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state")
	p := start(t, "-data", file)
	post := func(path string, form url.Values) map[string]any {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.api+path, strings.NewReader(form.Encode()))
		require.NoError(t, err)
		request.SetBasicAuth(testKey, "")
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		p.do(t, request)
		require.Equal(t, http.StatusOK, p.status, p.body)
		var answer map[string]any
		require.NoError(t, json.Unmarshal([]byte(p.body), &answer))
		return answer
	}
	options := "payment_method_options[customer_balance]"
	session := post("/v1/checkout/sessions", url.Values{
		"mode": {"payment"}, "success_url": {"http://127.0.0.1/thanks"}, "customer": {post("/v1/customers", nil)["id"].(string)},
		"payment_method_types[0]": {"customer_balance"}, options + "[funding_type]": {"bank_transfer"}, options + "[bank_transfer][type]": {"us_bank_transfer"},
		"line_items[0][quantity]": {"1"}, "line_items[0][price_data][currency]": {"usd"}, "line_items[0][price_data][unit_amount]": {"1999"},
		"line_items[0][price_data][product_data][name]": {"T-shirt"},
	})["id"].(string)
	p.open(t)
	p.press(t, session, "Pay", "method", "bank_transfer")
	p.open(t)
	p.press(t, session, "Transfer", "amount", "1500")
	require.Contains(t, plain(p.body), "The bank transfer has arrived.")
	p.end(t)
	p = start(t, "-data", file)
	p.open(t)
	require.Contains(t, p.element(t, session), `value="499"`)
	p.press(t, session, "Transfer")
	require.Contains(t, p.element(t, session), `data-payment-status="paid"`)
}
