package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/stripe/stripe-go/v82"
)

// eventLine is an event in a list, as JSON.
type eventLine struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	Account   string    `json:"account,omitempty"`
	// State is "undelivered", or "failed" for an event that a sweep found and could not handle.
	State string `json:"state"`
	// NextTry is when a sweep tries a failed event again.
	NextTry time.Time `json:"next_try,omitzero"`
}

// eventsKept is how long Stripe keeps events (https://docs.stripe.com/api/events).
const eventsKept = 30 * 24 * time.Hour

// eventOptions say which events.
type eventOptions struct {
	since, account, url string
	limit               int
	all                 bool
}

func (o *eventOptions) flags(flags *flag.FlagSet) {
	flags.StringVar(&o.since, "since", "", "only events created at this `TIME` or later; default: all that Stripe keeps, 30 days")
	flags.StringVar(&o.account, "account", "", "the events of this connected `ACCOUNT` (acct_…)")
}

// undelivered calls fn with the events that an endpoint has not accepted, the newest first.
func (p *program) undelivered(ctx context.Context, s *shop, o eventOptions, fn func(*stripe.Event) (more bool, err error)) error {
	from, err := parseTime("-since", o.since)
	if err != nil {
		return err
	}
	if from.IsZero() {
		from = p.now().Add(-eventsKept)
	}
	params := &stripe.EventListParams{DeliverySuccess: stripe.Bool(false), CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: from.Unix()}}
	params.Limit = stripe.Int64(100)
	if o.account != "" {
		params.SetStripeAccount(o.account)
	}
	for e, err := range s.client.V1Events.List(ctx, params) {
		if err != nil {
			return err
		}
		if more, err := fn(e); !more || err != nil {
			return err
		}
	}
	return nil
}

var undeliveredCommand = command{
	name: "events undelivered", short: "list the events that the shop's webhook has not accepted",
	long: `
Lists the events that Stripe could not deliver, and those that the shop's sweeps found and could not handle. Sweeps find and handle
both by themselves; a list that stays says that a handler fails, or that nobody sweeps. Stripe keeps no such list of thin events. With
-json, the lines have the members id, type, created_at, account, state (undelivered or failed) and next_try.`,
	setup: func(p *program, flags *flag.FlagSet) action {
		var o eventOptions
		o.flags(flags)
		flags.IntVar(&o.limit, "limit", 100, "at most this `NUMBER` of undelivered events; 0: all")
		return func(ctx context.Context, args []string) error {
			if len(args) > 0 || o.limit < 0 {
				return usagef("events undelivered takes no arguments, and -limit is a number, or 0 for all")
			}
			return p.listEvents(ctx, o)
		}
	},
}

func (p *program) listEvents(ctx context.Context, o eventOptions) error {
	s, err := p.open(ctx, needsStripe)
	if err != nil {
		return err
	}
	defer s.close()
	t := p.table("EVENT", "TYPE", "CREATED", "ACCOUNT", "STATE", "NEXT TRY")
	rows := 0
	print := func(e eventLine) error {
		rows++
		if p.options.json {
			return p.printJSON(e)
		}
		return t.row(e.ID, e.Type, when(e.CreatedAt), e.Account, e.State, when(e.NextTry))
	}
	failed, err := s.flow.FailedEvents(ctx)
	if err != nil {
		return err
	}
	for _, e := range failed {
		if err := print(eventLine{ID: e.ID, Type: e.Type, Account: e.Account, State: "failed", NextTry: e.Next}); err != nil {
			return err
		}
	}
	listed := 0
	err = p.undelivered(ctx, s, o, func(e *stripe.Event) (bool, error) {
		if o.limit > 0 && listed == o.limit {
			p.note("Only %s: -limit 0 lists all.", count(listed, "undelivered event is listed", "undelivered events are listed"))
			return false, nil
		}
		listed++
		err := print(eventLine{ID: e.ID, Type: string(e.Type), CreatedAt: time.Unix(e.Created, 0).UTC(), Account: e.Account, State: "undelivered"})
		if err == nil && rows%1000 == 0 {
			err = t.page()
		}
		return true, err
	})
	if err == nil {
		err = t.page()
	}
	if err == nil && rows == 0 {
		p.note("Every event was delivered.")
	}
	return err
}

var replayCommand = command{
	name: "events replay", args: "-all | EVENT…", short: "deliver events to the shop's webhook again",
	long: `
Fetches events from Stripe and delivers them to the shop's own webhook, signed with STRIPE_WEBHOOK_SECRET, the oldest first. The
shop's own handlers run there, the merchant's too. To deliver an event that was handled before changes nothing of an order; handlers
of your own see it twice, unless they are webhook.Once. -all delivers what fulfil events undelivered lists as undelivered. With -json,
the lines have the members id, status (of the answer, or 0) and error.`,
	setup: func(p *program, flags *flag.FlagSet) action {
		var o eventOptions
		o.flags(flags)
		flags.BoolVar(&o.all, "all", false, "all undelivered events")
		flags.StringVar(&o.url, "url", "", "the `URL` of the shop's webhook; default: FULFIL_WEBHOOK_URL")
		return func(ctx context.Context, args []string) error {
			if o.all == (len(args) > 0) {
				return usagef("events replay takes the IDs of events, or -all")
			}
			return p.replay(ctx, o, args)
		}
	},
}

func (p *program) replay(ctx context.Context, o eventOptions, ids []string) error {
	target, err := p.webhookURL(o.url)
	if err != nil {
		return err
	}
	secrets := p.webhookSecrets()
	if len(secrets) == 0 {
		return usagef("STRIPE_WEBHOOK_SECRET is not set, and the shop refuses what it does not sign: export the shop's secret")
	}
	s, err := p.open(ctx, needsStripe)
	if err != nil {
		return err
	}
	defer s.close()
	if o.all {
		err := p.undelivered(ctx, s, o, func(e *stripe.Event) (bool, error) {
			ids = append(ids, e.ID)
			return true, nil
		})
		if err != nil {
			return err
		}
		slices.Reverse(ids)
	}
	failed := 0
	progress := p.progress("replayed", len(ids))
	for _, id := range ids {
		status, err := p.replayOne(ctx, s, target, secrets[0], o.account, id)
		if ctx.Err() != nil {
			return fmt.Errorf("%s; deliver the rest with the same command", progress)
		}
		if err != nil {
			failed++
		}
		if err := p.printReplay(id, status, err); err != nil {
			return err
		}
		progress.step(p.now())
	}
	progress.end()
	if failed > 0 {
		return fmt.Errorf("%d of %d events were not accepted: look at the log of the shop", failed, len(ids))
	}
	return nil
}

func (p *program) printReplay(id string, status int, err error) error {
	text := ""
	if err != nil {
		text = p.redact(explain(err).Error())
	}
	if p.options.json {
		return p.printJSON(struct {
			ID     string `json:"id"`
			Status int    `json:"status"`
			Error  string `json:"error,omitempty"`
		}{id, status, text})
	}
	return p.say("%s: %s", cell(id), cell(cmp.Or(text, "accepted")))
}

// replayOne fetches an event and delivers it. The status is that of the webhook's answer; 0: there was none.
func (p *program) replayOne(ctx context.Context, s *shop, target, secret, account, id string) (status int, err error) {
	params := &stripe.EventRetrieveParams{}
	if account != "" {
		params.SetStripeAccount(account)
	}
	e, err := s.client.V1Events.Retrieve(ctx, id, params)
	if err != nil {
		return 0, err
	}
	status, err = deliver(ctx, target, secret, e.LastResponse.RawJSON, s.flow.Now())
	switch {
	case err != nil:
		return 0, err
	case status < 200 || status >= 300:
		return status, fmt.Errorf("the webhook answered %d", status)
	}
	return status, nil
}

// deliver sends an event as Stripe does (https://docs.stripe.com/webhooks#verify-manually). It follows no redirect, as Stripe follows
// none.
func deliver(ctx context.Context, target, secret string, payload []byte, now time.Time) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	stamp := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%s.%s", stamp, payload)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(payload))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("Stripe-Signature", "t="+stamp+",v1="+hex.EncodeToString(mac.Sum(nil)))
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode, nil
}

// webhookURL is the address of the shop's webhook. Events hold personal data, so they go over https, or stay on this machine.
func (p *program) webhookURL(named string) (string, error) {
	address := cmp.Or(named, p.getenv("FULFIL_WEBHOOK_URL"))
	u, err := url.Parse(address)
	switch {
	case address == "":
		return "", usagef("the address of the webhook is not set: name it with -url or FULFIL_WEBHOOK_URL, like https://shop.example/stripe/webhook")
	case err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !isLoopback(address):
		return "", usagef("the address of the webhook must be like https://shop.example/stripe/webhook, or an http URL of this machine")
	}
	return address, nil
}

// progress says on stderr how far long work is, at most once in a second.
type progress struct {
	p       *program
	verb    string
	n, of   int
	written time.Time
}

func (p *program) progress(verb string, of int) *progress {
	return &progress{p: p, verb: verb, of: of, written: p.now()}
}

func (g *progress) String() string { return fmt.Sprintf("%s %d of %d", g.verb, g.n, g.of) }

func (g *progress) step(now time.Time) {
	g.n++
	if now.Sub(g.written) >= time.Second {
		g.written = now
		g.p.note("%v", g)
	}
}

func (g *progress) end() { g.p.note("%v", g) }
