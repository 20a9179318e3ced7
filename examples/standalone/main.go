// Command standalone serves a Stripe Checkout for tests, for apps in any language. It serves the API, the hosted payment page, a control
// page and a control API, and delivers signed webhooks. No money moves.
//
//	go run ./examples/standalone -addr 127.0.0.1:12111 -key sk_test_standalone -webhook http://127.0.0.1:3000/webhook
//
// README.md says how clients of each language reach it, how it runs in a container, and what the flags do.
//
// The program is a handful of files: accounts.go passes requests to the test servers, journal.go keeps the state file, commands.go has
// what a customer, a bank and time do, control.go is their page and api.go their JSON API, and guard.go refuses other origins.
package main

import (
	"cmp"
	"context"
	crypto "crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/examples/internal/loopback"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "standalone:", err)
		os.Exit(1)
	}
}

// settings are the settings of the program.
type settings struct {
	addr, control, url, data, token string
	network                         bool
	keys                            []string
	webhookURL, webhookSecret       string
	seed                            uint64
	seedGiven                       bool
}

// parse reads the settings from the command line.
func parse(args []string, out io.Writer) (s settings, err error) {
	flags := flag.NewFlagSet("standalone", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&s.addr, "addr", "127.0.0.1:12111", "`address` of the API and the payment page")
	flags.StringVar(&s.control, "control", "127.0.0.1:12112", "`address` of the control page and the control API")
	flags.StringVar(&s.url, "url", "", "base `URL` at which browsers and apps reach -addr (default: http:// and the address)")
	flags.BoolVar(&s.network, "allow-network", false, "let -addr, -control and webhooks be those of other machines, such as containers; needs -token")
	flags.StringVar(&s.token, "token", "", "`token` of 16 characters or more that the control page and API require: as a password, or as a bearer token (default: none)")
	flags.Func("key", "secret `key` that requests must carry: sk_test_…, or sk_test_…@NAME for an account of its own; may be repeated (default: a random one)", func(key string) error {
		s.keys = append(s.keys, key)
		return nil
	})
	flags.StringVar(&s.webhookSecret, "webhook-secret", "", "signing `secret` of the webhooks: whsec_… (default: a random one)")
	flags.StringVar(&s.webhookURL, "webhook", "", "`URL` that gets every event of the first account (default: none)")
	flags.StringVar(&s.data, "data", "", "state `file`: sessions, events and the clock survive the end of the program (default: none)")
	flags.Func("seed", "`number` that determines all IDs (default: a random one)", func(text string) (err error) {
		s.seed, err = strconv.ParseUint(text, 10, 64)
		s.seedGiven = true
		return err
	})
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	return s, s.check()
}

func (s settings) check() error {
	switch {
	case s.seedGiven && s.seed == 0:
		return errors.New("-seed must be at least 1")
	case s.token != "" && len(s.token) < 16:
		return errors.New("-token must have 16 characters or more")
	case s.network && s.token == "":
		return errors.New("-allow-network needs -token, as the control page shows keys")
	case s.network && s.seedGiven && (len(s.keys) == 0 || s.webhookSecret == ""):
		return errors.New("-allow-network with -seed needs -key and -webhook-secret, as others can guess what a seed determines")
	}
	return nil
}

// accountsOf returns the accounts that the keys name.
func (s settings) accountsOf() ([]*account, error) {
	all := []*account{{name: "default", webhookURL: s.webhookURL}}
	used := map[string]bool{}
	for _, given := range s.keys {
		key, name, named := strings.Cut(given, "@")
		switch {
		case !goodKey.MatchString(key):
			return nil, errors.New("-key must be a test key: sk_test_… or rk_test_…, of letters, digits and underscores")
		case named && !goodName.MatchString(name):
			return nil, errors.New("-key sk_test_…@NAME: a name has small letters, digits and hyphens")
		case used[key]:
			return nil, errors.New("-key: two keys are the same")
		}
		used[key] = true
		if !named {
			name = "default"
		}
		acc := (&accounts{all: all}).byName(name)
		if acc == nil {
			acc = &account{name: name}
			all = append(all, acc)
		}
		acc.keys = append(acc.keys, key)
	}
	return all, nil
}

var (
	goodKey  = regexp.MustCompile(`^(sk|rk)_test_\w+$`)
	goodName = regexp.MustCompile(`^[a-z0-9-]+$`)
)

// run serves until ctx ends, and then finishes the requests that have begun.
func run(ctx context.Context, args []string, out io.Writer) error {
	s, err := parse(args, out)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	apiListener, err := s.listen("-addr", s.addr, "127.0.0.1:12111")
	if err != nil {
		return err
	}
	defer apiListener.Close()
	controlListener, err := s.listen("-control", s.control, "127.0.0.1:12112")
	if err != nil {
		return err
	}
	defer controlListener.Close()
	log := slog.New(slog.NewTextHandler(out, nil))
	a, err := s.open(apiListener.Addr().String(), log)
	if err != nil {
		return err
	}
	defer a.close()
	a.tick()
	g := guard{network: s.network, token: s.token}
	base := a.all[0].test.URL()
	if u, err := url.Parse(base); err == nil {
		g.public = strings.ToLower(u.Hostname())
	}
	pages := http.NewCrossOriginProtection() // of the payment page: a replayed request has no headers of a browser
	api := newHTTPServer(g.hosts(pages.Handler(a)), log)
	control := newHTTPServer(g.hosts(g.control((&control{accounts: a, log: log}).handler())), log)

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { a.follow(ctx) })
	running.Go(func() { cancel(api.Serve(apiListener)) })
	running.Go(func() { cancel(control.Serve(controlListener)) })
	first := a.all[0]
	fmt.Fprintf(out, "\nAPI base        %s\nListens on      %s\nSecret key      %s\nWebhook secret  %s\nWebhooks        %s\nControl page    http://%s/\n\nCtrl-C stops it.\n\n",
		base, apiListener.Addr(), strings.Join(first.keys, " "), first.test.WebhookSecret(), receiver(s.webhookURL), controlListener.Addr())

	<-ctx.Done()
	fmt.Fprintln(out, "\nStopping: finishing the requests that have begun.")
	last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancelLast()
	err = errors.Join(api.Shutdown(last), control.Shutdown(last))
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause // a listener failed
	}
	return err
}

func (s settings) listen(flag, addr, example string) (net.Listener, error) {
	if s.network {
		return net.Listen("tcp", addr)
	}
	return loopback.Listen(flag, addr, example)
}

// open makes the accounts, with the state of the file -data.
func (s settings) open(addr string, log *slog.Logger) (_ *accounts, err error) {
	all, err := s.accountsOf()
	if err != nil {
		return nil, err
	}
	head := header{Seed: s.seed, Start: time.Now().Round(0), Key: random("sk_test_"), WebhookSecret: s.webhookSecret}
	if !s.seedGiven {
		head.Seed = 1 + rand.Uint64N(1<<63)
	}
	if head.WebhookSecret == "" {
		head.WebhookSecret = random("whsec_")
	}
	a := &accounts{all: all, log: log}
	var past []entry
	if s.data != "" {
		a.journal, past, err = openJournal(s.data, head)
		if err != nil {
			return nil, err
		}
		head = a.journal.head
		if s.seedGiven && s.seed != head.Seed {
			return nil, errors.Join(errors.New("-seed is not the one of the state file: leave it out, or delete the file"), a.journal.close())
		}
	}
	if len(all[0].keys) == 0 {
		all[0].keys = []string{head.Key}
	}
	base := s.url
	if base == "" {
		base = "http://" + addr
	}
	a.cfg = checkouttest.Config{Seed: head.Seed, WebhookSecret: cmp.Or(s.webhookSecret, head.WebhookSecret), URL: base, AllowNetwork: s.network}
	if err := a.open(past, head.Start); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// random returns a secret that a stranger can't guess. A seed does not determine it.
func random(prefix string) string { return prefix + crypto.Text() }

func newHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      5 * time.Minute, // a command waits for the deliveries that it causes
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// receiver returns a text about the receiver of the webhooks.
func receiver(webhookURL string) string {
	if webhookURL == "" {
		return "go only to endpoints made with the API"
	}
	return "go to " + webhookURL
}
