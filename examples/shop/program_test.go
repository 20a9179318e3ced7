package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/examples/internal/visitor"
)

// running is the program as main starts it.
type running struct {
	url      string
	payments string // the line with the settings for another process
	stopping chan struct{}
	stopped  chan error // the result of run
	cancel   func()     // stops the program like a signal; nil for a child
	kill     func()     // kills a child; nil for a program in this process
}

// withoutStripe replaces the way to Stripe in all tests. It passes requests to a test server on, and gives Stripe's answer to
// an unknown key to all others.
type withoutStripe struct{}

func (withoutStripe) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Hostname() == "127.0.0.1" {
		return http.DefaultTransport.RoundTrip(r)
	}
	w := httptest.NewRecorder()
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = io.WriteString(w, `{"error":{"type":"invalid_request_error","message":"a test does not ask Stripe"}}`)
	return w.Result(), nil
}

// start starts the shop in this process.
func start(t *testing.T, env map[string]string, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &running{stopping: make(chan struct{}), stopped: make(chan error, 1), cancel: cancel}
	out, in := io.Pipe()
	var result error
	getenv := func(name string) string {
		if !slices.Contains(settings, name) {
			panic("add " + name + " to the settings of the tests")
		}
		return env[name]
	}
	go func() {
		result = run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), getenv, in)
		in.Close()
	}()
	ready, read := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(read)
		p.listen(out, ready)
	}()
	go func() {
		<-read
		p.stopped <- result
		close(p.stopped)
	}()
	t.Cleanup(func() {
		cancel()
		<-read
	})
	select {
	case <-ready:
	case err := <-p.stopped:
		require.NoError(t, err)
		require.Fail(t, "the program ended before it served")
	}
	return p
}

// childCommand returns the command that runs the program as a child process. The child has the settings in env and no others,
// even if the environment of the tests has some.
func childCommand(env map[string]string, args ...string) *exec.Cmd {
	child := exec.Command(os.Args[0], append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	child.Env = append(os.Environ(), "SHOP_TEST_CHILD=1")
	for _, name := range settings {
		child.Env = append(child.Env, name+"="+env[name])
	}
	return child
}

// settings are the environment variables that the shop reads.
var settings = []string{"DATABASE_URL", "ORDERS_PASSWORD", "SHOP_URL", "STRIPE_API_BASE", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"}

// startChild starts the shop in a child process.
func startChild(t *testing.T, env map[string]string, args ...string) *running {
	t.Helper()
	child := childCommand(env, args...)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	var said bytes.Buffer
	child.Stderr = &said
	require.NoError(t, child.Start())
	p := &running{stopping: make(chan struct{})}
	ready, read := make(chan struct{}), make(chan struct{})
	go func() {
		p.listen(out, ready)
		close(read)
	}()
	p.kill = sync.OnceFunc(func() {
		_ = child.Process.Kill()
		<-read
		_ = child.Wait()
	})
	t.Cleanup(p.kill)
	select {
	case <-ready:
	case <-read:
		p.kill()
		require.Fail(t, "the program ended before it served", said.String())
	}
	return p
}

// listen reads the program's output.
func (p *running) listen(out io.Reader, ready chan<- struct{}) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		if url, ok := strings.CutPrefix(line, "Shop "); ok {
			p.url = strings.TrimSpace(url)
		}
		if strings.Contains(line, "STRIPE_API_BASE=") {
			p.payments = strings.TrimSpace(line)
		}
		if strings.HasPrefix(line, "Ctrl-C") {
			close(ready)
		}
		if strings.HasPrefix(line, "Stopping") {
			close(p.stopping)
		}
	}
}

// stop ends the program like a signal.
func (p *running) stop(t *testing.T) {
	t.Helper()
	p.cancel()
	require.NoError(t, <-p.stopped)
}

// browser is a visitor of the shop.
type browser struct {
	t *testing.T
	*visitor.Visitor
}

// visit opens a browser on an address.
func visit(t *testing.T, address string) *browser {
	t.Helper()
	return &browser{t, visitor.New(t, address)}
}

// visit opens a browser on the shop.
func (p *running) visit(t *testing.T) *browser {
	t.Helper()
	b := visit(t, p.url+"/")
	require.Equal(t, http.StatusOK, b.Status)
	return b
}

// take puts products into the cart. products are names and quantities.
func (b *browser) take(products ...string) {
	b.t.Helper()
	for i := 0; i < len(products); i += 2 {
		b.Open("/")
		field := "add." + skuOf(b.t, products[i])
		b.Press("", "Add to cart ("+products[i]+")", field, products[i+1])
		require.Equal(b.t, "/cart", b.URL.Path)
	}
}

func skuOf(t *testing.T, name string) string {
	t.Helper()
	for _, p := range opening {
		if p.Name == name {
			return p.SKU
		}
	}
	require.Fail(t, "no such product", name)
	return ""
}

// begin goes to the payment page and returns the ID of its session.
func (b *browser) begin(note string) string {
	b.t.Helper()
	b.Press("", "Continue to payment", "note", note)
	require.Equal(b.t, http.StatusOK, b.Status, visitor.Text(b.Body))
	require.Contains(b.t, b.URL.Path, "/c/pay/cs_test_")
	return path.Base(b.URL.Path)
}

// payBy fills in the payment page.
func (b *browser) payBy(button, card string) {
	b.t.Helper()
	b.Press("", button, "email", "ada@example.com", "shippingName", "Ada Lovelace", "shippingAddressLine1", "1 Mill Lane", "shippingLocality", "Portland",
		"shippingCountry", "CA", "billingName", "Ada Lovelace", "cardNumber", card, "cardExpiry", "12 / 34", "cardCvc", "123")
}

var ada = checkouttest.Buyer{Email: "ada@example.com", Name: "Ada Lovelace",
	Address: checkouttest.Address{Line1: "1 Mill Lane", City: "Portland", Country: "CA"}}

// requireOrders checks the status of every order on the orders page, the newest first.
func (p *running) requireOrders(t *testing.T, want ...string) *browser {
	t.Helper()
	b := visit(t, p.url+"/orders")
	var got []string
	for _, article := range strings.Split(b.Body, `<article class="order"`)[1:] {
		_, after, _ := strings.Cut(article, `data-status="`)
		status, _, _ := strings.Cut(after, `"`)
		got = append(got, status)
	}
	require.Equal(t, want, got)
	return b
}

// requireStock checks how many pieces of a product are available, held and sold.
func (p *running) requireStock(t *testing.T, sku, want string) {
	t.Helper()
	var got []string
	for _, cell := range strings.SplitAfter(visit(t, p.url+"/orders").Element(`data-stock="`+sku+`"`), "</td>") {
		if _, number, found := strings.Cut(cell, `<td class="num">`); found {
			got = append(got, visitor.Text(number))
		}
	}
	require.Equal(t, want, strings.Join(got, " "), "free, held, sold of %s", sku)
}
