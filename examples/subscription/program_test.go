package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/examples/internal/visitor"
)

func TestMain(m *testing.M) {
	stripe.SetHTTPClient(&http.Client{Transport: withoutStripe{}})
	os.Exit(m.Run())
}

// withoutStripe replaces the way to Stripe in all tests. It gives Stripe's answer to an unknown key.
type withoutStripe struct{}

func (withoutStripe) RoundTrip(*http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = io.WriteString(w, `{"error":{"type":"invalid_request_error","message":"a test does not ask Stripe"}}`)
	return w.Result(), nil
}

// running is the program as main starts it.
type running struct {
	url, database string
	stop          context.CancelFunc
	stopped       chan error // the result of run
}

func start(t *testing.T) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	p := &running{stop: stop, stopped: make(chan error, 1)}
	out, in := io.Pipe()
	go func() {
		err := run(ctx, []string{"-addr", "127.0.0.1:0"}, func(string) string { return "" }, in)
		_ = in.CloseWithError(io.EOF)
		p.stopped <- err
		close(p.stopped)
	}()
	said, read := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			line := lines.Text()
			if address, ok := strings.CutPrefix(line, "Site "); ok {
				p.url = strings.TrimSpace(address)
			}
			if file, ok := strings.CutPrefix(line, "Database "); ok {
				p.database = strings.TrimSpace(file)
			}
			if strings.HasPrefix(line, "Ctrl-C") {
				close(said)
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		<-p.stopped
		<-read
	})
	select {
	case <-said:
	case err := <-p.stopped:
		require.NoError(t, err)
		require.Fail(t, "the program ended before it served")
	}
	return p
}

// browser is a visitor of the site.
type browser struct {
	t *testing.T
	*visitor.Visitor
}

// visit opens a browser on the site.
func (p *running) visit(t *testing.T) *browser {
	t.Helper()
	b := &browser{t, visitor.New(t, p.url)}
	require.Equal(t, http.StatusOK, b.Status)
	return b
}

// card fills in the card on the payment page.
var card = []string{"cardNumber", "4242424242424242", "cardExpiry", "12 / 34", "cardCvc", "123", "billingName", "A Sailor", "billingPostalCode", "94107"}

// signUp begins a membership on the sign-up page and completes the payment page.
func (b *browser) signUp(button string, choice ...string) {
	b.t.Helper()
	b.Open("/")
	b.Press("", "Continue to payment", choice...)
	require.Equal(b.t, http.StatusOK, b.Status)
	require.Contains(b.t, b.URL.Path, "/c/pay/cs_test_")
	fill := []string{"email", "sailor@example.com"}
	if strings.Contains(b.Body, `name="cardNumber"`) {
		fill = append(fill, card...)
	}
	b.Press("", button, fill...)
	require.Equal(b.t, "/thanks", b.URL.Path)
	require.Contains(b.t, b.Element(`id="order"`), `data-began="true"`)
}

// post posts a form that no page has.
func (b *browser) post(path, form string) {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.URL.ResolveReference(&url.URL{Path: path}).String(), strings.NewReader(form))
	require.NoError(b.t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	b.Do(request)
}

// pass presses a button that lets time pass.
func (b *browser) pass(time string) {
	b.t.Helper()
	b.Open("/account")
	b.Press("", "A "+time+" passes")
	require.Equal(b.t, http.StatusOK, b.Status)
	require.Contains(b.t, b.Body, "Time has passed")
}

// requireAccess checks what the account page says of access, and that the members' page does as it says.
func (b *browser) requireAccess(granted bool, reason string) {
	b.t.Helper()
	b.Open("/members")
	if granted {
		require.Equal(b.t, "/members", b.URL.Path)
		require.Contains(b.t, b.Body, "Port of Nowhere")
	} else {
		require.Equal(b.t, "/", b.URL.Path)
		require.Contains(b.t, b.Body, "The tides are for members")
		require.NotContains(b.t, b.Body, "Port of Nowhere")
	}
	b.Open("/account")
	membership := b.Element(`id="membership"`)
	require.Contains(b.t, membership, `data-access="`+reason+`"`)
	require.Equal(b.t, granted, strings.Contains(membership, `data-granted="true"`))
}

// requireMails checks the subjects of all mails, the first one first. The webhook of what was just pressed may still be writing the
// last one, so the page is loaded again while one is missing.
func (b *browser) requireMails(want ...string) {
	b.t.Helper()
	got := b.mails()
	for range 200 {
		if len(got) >= len(want) {
			break
		}
		got = b.mails()
	}
	require.Equal(b.t, want, got)
}

func (b *browser) mails() (subjects []string) {
	b.t.Helper()
	b.Open("/account")
	for _, item := range strings.Split(b.Element(`id="mails"`), "<li>")[1:] {
		_, after, _ := strings.Cut(item, "<strong>")
		subject, _, _ := strings.Cut(after, "</strong>")
		subjects = append([]string{subject}, subjects...)
	}
	return subjects
}

// requireInvoices checks label, amount and status of all invoices, the first one first.
func (b *browser) requireInvoices(want ...string) {
	b.t.Helper()
	b.Open("/account")
	var got []string
	for _, row := range strings.Split(b.Element(`id="invoices"`), "<tr data-invoice=")[1:] {
		cells := strings.Split(row, "</td>")
		status, _, _ := strings.Cut(cells[3], "next try")
		got = append([]string{strings.Join([]string{visitor.Text(cells[1]), visitor.Text(cells[2]), visitor.Text(status)}, " ")}, got...)
	}
	require.Equal(b.t, want, got)
}

// The database of a site with the test server is a temporary file, which is gone when the program has ended.
func TestTheDatabaseIsTemporary(t *testing.T) {
	t.Parallel()
	p := start(t)
	require.FileExists(t, p.database)
	p.stop()
	require.NoError(t, <-p.stopped)
	require.NoDirExists(t, filepath.Dir(p.database))
}

func TestStripeIsUsedWhenItsSecretsAreSet(t *testing.T) {
	t.Parallel()
	for key, env := range map[string]map[string]string{
		"STRIPE_SECRET_KEY":          {"STRIPE_WEBHOOK_SECRET": "whsec_dGVzdA=="},
		"STRIPE_WEBHOOK_SECRET":      {"STRIPE_SECRET_KEY": "sk_test_1234567890"},
		"live key":                   {"STRIPE_SECRET_KEY": "sk_live_1234567890", "STRIPE_WEBHOOK_SECRET": "whsec_dGVzdA=="},
		"a test does not ask Stripe": {"STRIPE_SECRET_KEY": "sk_test_1234567890", "STRIPE_WEBHOOK_SECRET": "whsec_dGVzdA=="},
	} {
		file := filepath.Join(t.TempDir(), "site.db")
		err := run(t.Context(), []string{"-addr", "127.0.0.1:0", "-db", file}, func(name string) string { return env[name] }, io.Discard)
		require.ErrorContains(t, err, key)
	}
}
