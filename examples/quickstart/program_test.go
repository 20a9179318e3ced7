package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
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
	url      string
	stop     context.CancelFunc
	stopping chan struct{} // closed when the program prints that it stops
	stopped  chan error    // the result of run
}

func start(t *testing.T, env map[string]string, args ...string) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	p := &running{stop: stop, stopping: make(chan struct{}), stopped: make(chan error, 1)}
	out, in := io.Pipe()
	go func() {
		err := run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), func(name string) string { return env[name] }, in)
		_ = in.CloseWithError(io.EOF)
		p.stopped <- err
	}()
	said := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if url, ok := strings.CutPrefix(lines.Text(), "Shop "); ok {
				said <- strings.TrimSpace(url)
			}
			if strings.HasPrefix(lines.Text(), "Stopping") {
				close(p.stopping)
			}
		}
		close(said)
	}()
	t.Cleanup(func() {
		stop()
		<-p.stopping
	})
	p.url = <-said
	require.NotEmpty(t, p.url, "the program did not say where it listens")
	return p
}

// browser is a visitor of the shop.
type browser struct {
	t *testing.T
	*visitor.Visitor
}

// visit opens a browser on the shop.
func (p *running) visit(t *testing.T) *browser {
	t.Helper()
	b := &browser{t, visitor.New(t, p.url+"/shop")}
	require.Equal(t, http.StatusOK, b.Status)
	return b
}

// order begins an order from the shop page.
func (b *browser) order(sku, name, quantity string) {
	b.t.Helper()
	b.Follow("Shop")
	b.Press(`data-sku="`+sku+`"`, "Buy "+name, "quantity", quantity)
	require.Equal(b.t, http.StatusOK, b.Status)
	require.Contains(b.t, b.URL.Path, "/c/pay/cs_test_")
}

// payBy fills in the payment page.
func (b *browser) payBy(button string, fill ...string) {
	b.t.Helper()
	b.Press("", button, append([]string{"email", "customer@example.com", "billingName", "A Customer"}, fill...)...)
}

func card(number string) []string {
	return []string{"payment-method-accordion-item-title", "card", "cardNumber", number, "cardExpiry", "12 / 34", "cardCvc", "123", "billingPostalCode", "94107"}
}

// requireOrders checks the status of every order on the orders page, the newest first.
func (p *running) requireOrders(t *testing.T, want ...string) *browser {
	t.Helper()
	b := p.visit(t)
	b.Follow("Orders")
	var got []string
	for rest := b.Body; ; {
		_, after, found := strings.Cut(rest, `<article class="order" id="`)
		if !found {
			break
		}
		_, after, _ = strings.Cut(after, `data-status="`)
		status, after, _ := strings.Cut(after, `"`)
		got, rest = append(got, status), after
	}
	require.Equal(t, want, got)
	return b
}

// requireStock checks how many pieces are available, held and sold on the orders page.
func (p *running) requireStock(t *testing.T, sku, want string) {
	t.Helper()
	b := p.visit(t)
	b.Follow("Orders")
	cells := strings.SplitAfter(b.Element(`data-stock="`+sku+`"`), "</td>")
	var got []string
	for _, cell := range cells {
		if _, number, found := strings.Cut(cell, `<td class="num">`); found {
			got = append(got, visitor.Text(number))
		}
	}
	require.Equal(t, want, strings.Join(got, " "), "free, held, sold of %s", sku)
}

// A port that is taken is an error that says how to choose another.
func TestThePortIsTaken(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	err := run(t.Context(), []string{"-addr", strings.TrimPrefix(p.url, "http://")}, func(string) string { return "" }, io.Discard)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.ErrorContains(t, err, "-addr")
}
