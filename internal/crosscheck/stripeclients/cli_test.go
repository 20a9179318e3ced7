package stripeclients

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/webhook"
)

// patience is how long a test waits for a child process.
const patience = time.Minute

// cli is Stripe's CLI with a test server, and a webhook.Handler behind `stripe listen --forward-to`.
type cli struct {
	t      *testing.T
	srv    *checkouttest.Server
	hook   *webhook.Handler
	secret string

	mu       sync.Mutex
	verified map[string]int // deliveries that the handler accepted, by event
	said     []string       // the output of `stripe listen`, and the handler's refusals
	news     chan struct{}
}

// run runs a command of the CLI and returns its output.
func (c *cli) run(args ...string) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	cmd := c.command(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(c.t, cmd.Run(), "stripe %s: %s%s", strings.Join(args, " "), &out, &errs)
	return out.String()
}

func (c *cli) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(packages.Modules, "@stripe", "cli-linux-x64", "bin", "stripe"), append(args, "--api-base", c.srv.URL())...)
	cmd.Env = environment(c.t, "STRIPE_API_KEY="+c.srv.Key(), "STRIPE_CLI_TELEMETRY_OPTOUT=1")
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// newCLI starts a server, a webhook.Handler and `stripe listen` between them. It returns when `stripe listen` is ready. The flags
// say which events `stripe listen` forwards. The last flag takes the handler's URL.
func newCLI(t *testing.T, flags ...string) *cli {
	t.Helper()
	c := &cli{t: t, srv: checkouttest.NewServer(checkouttest.Config{Addr: "127.0.0.1:0"}), verified: map[string]int{}, news: make(chan struct{}, 1)}
	t.Cleanup(c.srv.Close)
	c.secret = strings.TrimSpace(c.run("listen", "--print-secret", "--all-snapshot", "--skip-update"))
	require.Regexp(t, `^whsec_\w+$`, c.secret)
	hook, err := webhook.New(webhook.Config{
		Secrets: []string{c.secret}, Clock: c.srv.Now, Logger: slog.New(slog.DiscardHandler), Observe: c.observe, StrictAPIVersion: true,
	})
	require.NoError(t, err)
	c.hook = hook
	shop := httptest.NewServer(hook)
	t.Cleanup(shop.Close)

	ctx, cancel := context.WithCancel(context.Background())
	cmd := c.command(ctx, slices.Concat([]string{"listen", "--skip-update"}, flags, []string{shop.URL})...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	ready, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		scanner := bufio.NewScanner(out)
		for scanner.Scan() {
			c.note(scanner.Text())
			if found := regexp.MustCompile(`Ready!.*(whsec_\w+)`).FindStringSubmatch(scanner.Text()); found != nil {
				ready <- found[1]
			}
		}
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait() // it was killed
	}()
	t.Cleanup(func() { cancel(); <-ended })
	select {
	case secret := <-ready:
		require.Equal(t, c.secret, secret)
	case <-ended:
		t.Fatal("stripe listen ended")
	case <-time.After(patience):
		t.Fatal("stripe listen is not ready")
	}
	return c
}

// note keeps a line that may explain a failure.
func (c *cli) note(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = append(c.said, line)
}

func (c *cli) observe(ctx context.Context) (context.Context, func(webhook.Result)) {
	return ctx, c.observed
}

func (c *cli) observed(r webhook.Result) {
	if r.Status != 200 || r.Err != nil {
		c.note(fmt.Sprintf("the handler answered %d: %v", r.Status, r.Err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Status == 200 && r.Err == nil {
		c.verified[r.EventID]++
	}
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// arrives waits until the handler has accepted an event so many times.
func (c *cli) arrives(e checkouttest.Event, times int) {
	c.t.Helper()
	limit := time.After(patience)
	for {
		if c.count(e) >= times {
			return
		}
		select {
		case <-c.news:
		case <-limit:
			c.mu.Lock()
			defer c.mu.Unlock()
			c.t.Fatalf("%s %s did not arrive, verified, at the handler:\n%s", e.Type, e.ID, strings.Join(c.said, "\n"))
		}
	}
}

// count returns how often the handler has accepted an event.
func (c *cli) count(e checkouttest.Event) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.verified[e.ID]
}

// event fetches an event through the CLI.
func (c *cli) event(id string) (e struct {
	ID   string
	Type string
	Data struct{ Object map[string]any }
}) {
	c.t.Helper()
	require.NoError(c.t, json.Unmarshal([]byte(c.run("get", "/v1/events/"+id)), &e))
	return e
}

// TestListenAsTheGuidesSay runs each `stripe listen` of the guides, with the address of a shop that runs here. An event of the
// server arrives there. Since version 1.52 the CLI wants to know which events to forward.
func TestListenAsTheGuidesSay(t *testing.T) {
	t.Parallel()
	found := 0
	for _, page := range []string{"README.md", "docs/going-live.md", "examples/shop/README.md", "examples/standalone/README.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", page))
		require.NoError(t, err)
		for _, line := range regexp.MustCompile(`(?m)^ *stripe (listen .*)$`).FindAllStringSubmatch(string(text), -1) {
			found++
			t.Run(page+" "+line[1], func(t *testing.T) {
				t.Parallel()
				flags := strings.Fields(line[1])[1:]
				if i := slices.Index(flags, "--api-key"); i >= 0 {
					flags = flags[:i] // newCLI gives each command the key, and --api-base
				}
				if slices.Contains(flags, "--print-secret") {
					c := &cli{t: t, srv: checkouttest.NewServer(checkouttest.Config{Addr: "127.0.0.1:0"})}
					t.Cleanup(c.srv.Close)
					require.Regexp(t, `^whsec_\w+\n$`, c.run("listen", flags[0]))
					return
				}
				require.Equal(t, "--forward-to", flags[len(flags)-2], "newCLI puts the shop's address last")
				c := newCLI(t, flags[:len(flags)-1]...)
				c.run("post", "/v1/customers", "-d", "name=Ann")
				made := c.srv.Events()
				require.Len(t, made, 1)
				c.arrives(made[0], 1)
			})
		}
	}
	require.Equal(t, 5, found)
}

// TestListenToThinEvents makes the CLI forward thin events: by its flags of today, and by the flags of earlier versions.
func TestListenToThinEvents(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{
		"all":        {"--all-thin", "--forward-to"},
		"one":        {"--events", "v1.checkout.session.completed", "--forward-to"},
		"deprecated": {"--thin-events", "*", "--forward-thin-to"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCLI(t, flags...)
			var session struct{ ID string }
			require.NoError(t, json.Unmarshal([]byte(c.run("post", "/v1/checkout/sessions", "-d", "mode=setup", "-d", "currency=usd", "-d", "success_url=https://shop.example/")), &session))
			require.NoError(t, c.srv.Pay(session.ID, checkouttest.CardOK))
			events := c.srv.ThinEvents()
			for _, e := range events {
				if name != "one" || e.Type == "v1.checkout.session.completed" {
					c.arrives(e, 1)
				}
			}
			for _, e := range c.srv.Events() {
				require.Zero(t, c.count(e), "a snapshot event")
			}
			last := events[len(events)-1]
			require.Equal(t, "v1.checkout.session.completed", last.Type)
			var fetched struct {
				Type          string
				RelatedObject struct{ ID string } `json:"related_object"`
			}
			require.NoError(t, json.Unmarshal([]byte(c.run("get", "/v2/core/events/"+last.ID)), &fetched))
			require.Equal(t, last.Type, fetched.Type)
			require.Equal(t, session.ID, fetched.RelatedObject.ID)
			require.Contains(t, c.run("get", "/v2/core/events", "-d", `{"limit": 1}`), last.ID)
		})
	}
}

// TestThinEventFulfilsAnOrder has the CLI forward nothing but thin events to a shop. The shop holds, sells and fulfils.
func TestThinEventFulfilsAnOrder(t *testing.T) {
	t.Parallel()
	c := newCLI(t, "--all-thin", "--forward-to")
	st := memstore.New()
	flow, err := checkout.New(checkout.Config[*memstore.Tx]{
		Stripe: c.srv.Client(), Store: st, Clock: c.srv.Now, Logger: slog.New(slog.DiscardHandler),
		Fulfil: func(ctx context.Context, tx *memstore.Tx, o *store.Order) error { return tx.Set(ctx, "shipment", o.ID) },
	})
	require.NoError(t, err)
	flow.Handle(c.hook)
	started, err := flow.Begin(t.Context(), checkout.Session{
		OrderID: "order-1", SuccessURL: "https://shop.example/thanks",
		Lines: []checkout.Line{{Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 1}},
	})
	require.NoError(t, err)
	require.NoError(t, c.srv.Pay(started.SessionID, checkouttest.CardOK))
	for _, e := range c.srv.ThinEvents() {
		c.arrives(e, 1)
	}
	o, err := flow.Order(t.Context(), "order-1")
	require.NoError(t, err)
	require.Equal(t, checkout.Fulfilled, checkout.Display(o))
	require.Len(t, st.Scan("shipment"), 1)
	for _, e := range c.srv.Events() {
		require.Zero(t, c.count(e), "a snapshot event")
	}
}

// TestResend makes the CLI create, fetch and list objects by its plain commands, and resend an event.
func TestResend(t *testing.T) {
	t.Parallel()
	c := newCLI(t, "--all-snapshot", "--forward-to")
	var session struct{ ID, Status string }
	require.NoError(t, json.Unmarshal([]byte(c.run("post", "/v1/checkout/sessions", "-d", "mode=setup", "-d", "currency=usd", "-d", "success_url=https://shop.example/")), &session))
	require.Equal(t, "open", session.Status)
	require.NoError(t, c.srv.Pay(session.ID, checkouttest.CardOK))
	require.NoError(t, json.Unmarshal([]byte(c.run("get", "/v1/checkout/sessions/"+session.ID)), &session))
	require.Equal(t, "complete", session.Status)
	var list struct{ Data []struct{ ID string } }
	require.NoError(t, json.Unmarshal([]byte(c.run("get", "/v1/events", "-d", "type=checkout.session.completed")), &list))
	require.Len(t, list.Data, 1)
	completed := checkouttest.Event{ID: list.Data[0].ID, Type: "checkout.session.completed"}
	c.arrives(completed, 1)
	require.Contains(t, c.run("events", "resend", completed.ID), completed.ID)
	c.arrives(completed, 2)
	require.Contains(t, c.run("checkout", "sessions", "list"), session.ID)
}
