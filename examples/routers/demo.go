package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/webhook"
	"github.com/gofulfil/fulfil/webhook/webhooktest"
)

// mount mounts the webhook and the pages of a site on a router.
type mount func(hook, pages http.Handler) http.Handler

var routers = []struct {
	name         string
	right, wrong mount
}{
	{"chi", withChi, wrongChi},
	{"gin", withGin, wrongGin},
	{"echo", withEcho, wrongEcho},
}

// demo sends an event and a form to each router, and prints the answers.
func demo(out io.Writer) error {
	for _, r := range routers {
		for _, m := range []struct {
			how   string
			mount mount
		}{{"behind the middleware", r.wrong}, {"outside of it", r.right}} {
			status, err := deliver(m.mount)
			if err != nil {
				fmt.Fprintf(out, "%-4s  %-21s  %d  %v\n", r.name, m.how, status, err)
				continue
			}
			fmt.Fprintf(out, "%-4s  %-21s  %d  handled\n", r.name, m.how, status)
		}
	}
	return nil
}

// deliver sends a signed event to a router. It returns the status of the answer, and the error that the Handler observed.
func deliver(mounted mount) (status int, observed error) {
	const secret = "whsec_example"
	hook, err := webhook.New(webhook.Config{
		Secrets: []string{secret},
		Logger:  slog.New(slog.DiscardHandler),
		Observe: func(ctx context.Context) (context.Context, func(webhook.Result)) {
			return ctx, func(r webhook.Result) { observed = r.Err }
		},
	})
	if err != nil {
		return 0, err
	}
	webhook.On(hook, webhook.InvoicePaid, func(context.Context, *webhook.Event[stripe.Invoice]) error { return nil })
	router := mounted(hook, http.NotFoundHandler())
	event := webhooktest.Event{Type: "invoice.paid", Object: map[string]any{"object": "invoice"}}
	w := httptest.NewRecorder()
	router.ServeHTTP(w, webhooktest.NewRequest(path, event.Payload(), secret, time.Now()))
	return w.Code, observed
}

// post sends a form to a router and returns what the pages could still read of its body.
func post(mounted mount, form string) (read string) {
	router := mounted(http.NotFoundHandler(), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		read = "body: " + string(body)
	}))
	router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/cart", strings.NewReader(form)))
	return read
}
