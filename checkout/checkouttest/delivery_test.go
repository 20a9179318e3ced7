package checkouttest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// completed returns the event of the first completed session.
func completed(t testing.TB, srv *checkouttest.Server) checkouttest.Event {
	t.Helper()
	for _, e := range srv.Events() {
		if e.Type == "checkout.session.completed" {
			return e
		}
	}
	require.Fail(t, "no session was completed")
	panic("unreachable")
}

func TestFailedDeliveriesAreTriedAgain(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{LiveRetries: true})
	in := newInbox(srv)
	var down atomic.Bool
	down.Store(true)
	in.respond(func(e stripe.Event) int {
		switch {
		case down.Load() && e.Type == "checkout.session.completed":
			return http.StatusInternalServerError
		default:
			return http.StatusOK
		}
	})
	start := srv.Now()
	id := create(t, srv, tee()).ID
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	require.Equal(t, []string{"charge.succeeded", "payment_intent.succeeded", "payment_intent.created"}, in.types(t))

	srv.Advance(20 * time.Minute) // after 5 and 15 minutes
	at := func() (out []time.Duration) {
		for _, a := range completed(t, srv).Attempts {
			require.Contains(t, []int{200, 500}, a.Status)
			out = append(out, a.At.Sub(start))
		}
		return out
	}
	require.Equal(t, []time.Duration{0, 5 * time.Minute, 15 * time.Minute}, at())
	require.True(t, completed(t, srv).Pending)
	down.Store(false)
	srv.Advance(15 * time.Minute)
	require.Equal(t, []time.Duration{0, 5 * time.Minute, 15 * time.Minute, 35 * time.Minute}, at())
	require.False(t, completed(t, srv).Pending)
	require.Equal(t, []string{"charge.updated", "checkout.session.completed"}, in.types(t))
	srv.Advance(96 * time.Hour)
	require.Len(t, at(), 4, "accepted is accepted")
}

func TestRetriesEndAfterThreeDays(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{LiveRetries: true})
	in := newInbox(srv)
	in.respond(func(stripe.Event) int { return http.StatusFound })
	start := srv.Now()
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	srv.Advance(30 * 24 * time.Hour)
	e := completed(t, srv)
	require.True(t, e.Pending)
	last := e.Attempts[len(e.Attempts)-1].At.Sub(start)
	require.LessOrEqual(t, last, 72*time.Hour)
	require.Greater(t, last, 60*time.Hour)
	require.Len(t, e.Attempts, 13)
	var before time.Duration
	for i := 1; i < len(e.Attempts); i++ {
		gap := e.Attempts[i].At.Sub(e.Attempts[i-1].At)
		require.GreaterOrEqual(t, gap, before)
		before = gap
	}
}

func TestUndeliveredEventsAreListed(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	in := newInbox(srv)
	in.respond(func(e stripe.Event) int {
		if strings.HasPrefix(string(e.Type), "checkout.") {
			return 503
		}
		return 200
	})
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	list := func(p *stripe.EventListParams) (got []string) {
		for e, err := range srv.Client().V1Events.List(context.Background(), p) {
			require.NoError(t, err)
			got = append(got, string(e.Type))
			require.Equal(t, strings.HasPrefix(string(e.Type), "checkout."), e.PendingWebhooks == 1)
		}
		return got
	}
	require.Len(t, list(&stripe.EventListParams{}), 4)
	require.Equal(t, []string{"checkout.session.completed"}, list(&stripe.EventListParams{DeliverySuccess: stripe.Bool(false)}))
	require.Len(t, list(&stripe.EventListParams{DeliverySuccess: stripe.Bool(true)}), 3)
	require.Equal(t, []string{"charge.succeeded"}, list(&stripe.EventListParams{Type: stripe.String("charge.succeeded")}))
	require.Equal(t, []string{"payment_intent.succeeded", "charge.succeeded"}, list(&stripe.EventListParams{Types: stripe.StringSlice([]string{"charge.succeeded", "payment_intent.succeeded"})}))
	srv.Advance(31 * 24 * time.Hour)
	require.Empty(t, list(&stripe.EventListParams{}), "events are kept for 30 days")
}

func TestRedeliver(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	in := newInbox(srv)
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	in.types(t)
	e := completed(t, srv)
	require.NoError(t, srv.Redeliver(e.ID))
	require.Equal(t, []string{"checkout.session.completed"}, in.types(t))
	in.respond(func(stripe.Event) int { return 500 })
	require.NoError(t, srv.Redeliver(e.ID))
	require.Len(t, completed(t, srv).Attempts, 3)
	require.False(t, completed(t, srv).Pending, "it was accepted before")
	srv.Advance(time.Hour)
	require.Len(t, completed(t, srv).Attempts, 3)

	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.BankDebit))
	last := func() checkouttest.Event { events := srv.Events(); return events[len(events)-1] }
	require.NoError(t, srv.Redeliver(last().ID))
	srv.Advance(15 * time.Minute)
	require.Len(t, last().Attempts, 3, "one asked for again has no retries of its own")
}

// A due retry does not happen if the receiver has accepted the event before.
func TestRedeliverInsteadOfARetry(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	in := newInbox(srv)
	in.respond(func(stripe.Event) int { return 500 })
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	in.respond(nil)
	require.NoError(t, srv.Redeliver(completed(t, srv).ID))
	srv.Advance(time.Hour)
	require.Len(t, completed(t, srv).Attempts, 2)
}

func TestReceiversThatFail(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	require.Empty(t, completed(t, srv).Attempts, "nobody to deliver to")
	require.False(t, completed(t, srv).Pending)

	require.NoError(t, srv.Redeliver(completed(t, srv).ID))
	require.Equal(t, "no receiver", completed(t, srv).Attempts[0].Err)
	require.ErrorIs(t, srv.Redeliver("evt_none"), checkouttest.ErrNoEvent)

	srv.Deliver(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oops") }))
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	latest := func() checkouttest.Event {
		events := srv.Events()
		for i := len(events) - 1; ; i-- {
			if events[i].Type == "checkout.session.completed" {
				return events[i]
			}
		}
	}
	last := latest()
	require.Contains(t, last.Attempts[0].Err, "oops")
	srv.Deliver(nil)
	srv.Advance(5 * time.Minute)
	last = latest()
	require.Equal(t, "no receiver", last.Attempts[1].Err)
	srv.Deliver(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.Advance(time.Hour)
	last = latest()
	require.False(t, last.Pending, "the new receiver gets what failed before")
	require.Equal(t, 200, last.Attempts[2].Status, "a handler that writes nothing has answered 200")
}

// A receiver may call the API, as a webhook handler does.
func TestReceiverCallsTheAPI(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	other := create(t, srv, tee()).ID
	var statuses []string
	in := newInbox(srv)
	in.respond(func(e stripe.Event) int {
		if e.Type == "checkout.session.completed" {
			var sess stripe.CheckoutSession
			if json.Unmarshal(e.Data.Raw, &sess) != nil {
				return 500
			}
			now, err := srv.Client().V1CheckoutSessions.Retrieve(context.Background(), sess.ID, nil)
			if err != nil {
				return 500
			}
			statuses = append(statuses, string(now.Status))
			if _, err := srv.Client().V1CheckoutSessions.Expire(context.Background(), other, nil); err != nil {
				return 500
			}
		}
		return 200
	})
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	require.Equal(t, []string{"complete"}, statuses)
	types := in.types(t)
	require.Equal(t, "checkout.session.expired", types[len(types)-1], "caused by the call, and delivered before Pay returns")
	events := srv.Events()
	e, err := srv.Client().V1Events.Retrieve(context.Background(), events[len(events)-1].ID, nil)
	require.NoError(t, err)
	require.NotEmpty(t, e.Request.ID)
	require.NotEmpty(t, e.Request.IdempotencyKey)
	require.Equal(t, other, events[len(events)-1].ObjectID)
}

func TestStripeGoAcceptsDeliveries(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	var types []string
	srv.Deliver(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			var e stripe.Event
			e, err = srv.Client().ConstructEvent(body, r.Header.Get("Stripe-Signature"), srv.WebhookSecret())
			types = append(types, string(e.Type))
		}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	require.Len(t, types, 4)
	for _, e := range srv.Events() {
		require.False(t, e.Pending, e.Type)
	}
}

// With Config.Sequential, the goroutine that waits for a delivery makes it. The delivery does not happen before.
func TestSequential(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{Sequential: true})
	var by []string
	srv.Deliver(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { by = append(by, goroutine()) }))
	me := goroutine()
	first, second := create(t, srv, tee()).ID, create(t, srv, tee()).ID
	_, err := srv.Client().V1CheckoutSessions.Expire(context.Background(), first, nil)
	require.NoError(t, err)
	require.Empty(t, by)
	srv.Flush()
	require.Equal(t, []string{me}, by)
	require.NoError(t, srv.Pay(second, checkouttest.BankDebit))
	require.Len(t, by, 5)
	require.NoError(t, srv.Settle(second))
	srv.Advance(48 * time.Hour)
	require.NoError(t, srv.Redeliver(srv.Events()[0].ID))
	for _, g := range by {
		require.Equal(t, me, g)
	}
	// Flush in another goroutine waits for the goroutine that delivers.
	entered, leave := make(chan struct{}), make(chan struct{})
	srv.Deliver(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(entered); <-leave }))
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Redeliver(srv.Events()[0].ID) }()
	<-entered
	flushed := make(chan struct{})
	go func() { srv.Flush(); close(flushed) }()
	for range 100 {
		runtime.Gosched()
	}
	select {
	case <-flushed:
		require.Fail(t, "Flush returned while a delivery was out")
	default:
	}
	close(leave)
	<-flushed
	<-done
}

func goroutine() string {
	b := make([]byte, 64)
	b = b[:runtime.Stack(b, false)]
	return string(bytes.Fields(b)[1])
}
