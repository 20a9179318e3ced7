package checkouttest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

func TestConfigThatMakesNoSense(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]checkouttest.Config{
		"live key":        {Key: "sk_live_abc"},
		"no key":          {Key: "pk_test_abc"},
		"public address":  {Addr: "0.0.0.0:0"},
		"all interfaces":  {Addr: ":0"},
		"public webhook":  {WebhookURL: "https://shop.example/webhook"},
		"webhook scheme":  {WebhookURL: "ftp://127.0.0.1/"},
		"webhook secret":  {WebhookSecret: "secret"},
		"secret's blank":  {WebhookSecret: "whsec_a b"},
		"start and wall":  {Start: time.Unix(1, 0), WallClock: true},
		"unusual address": {Addr: "127.0.0.1:99999"},
	} {
		require.Panics(t, func() { checkouttest.NewServer(cfg) }, name)
	}
	srv := newServer(t, checkouttest.Config{})
	require.Panics(t, func() { srv.Advance(-1) })
	r, err := http.NewRequest("GET", "https://api.stripe.com/v1/events", nil)
	require.NoError(t, err)
	_, err = srv.Transport().RoundTrip(r)
	require.ErrorContains(t, err, "reaches http://stripe.test only")
}

func TestOverSockets(t *testing.T) {
	t.Parallel()
	var srv *checkouttest.Server
	var got atomic.Int32
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || verify(r, body, srv.WebhookSecret(), srv.Now()) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		switch got.Add(1) {
		case 1:
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		case 5:
			panic(http.ErrAbortHandler) // cuts the connection
		}
	}))
	defer hook.Close()
	srv = checkouttest.NewServer(checkouttest.Config{Addr: "127.0.0.1:0", WebhookURL: hook.URL + "/hook"})
	defer srv.Close()
	api := srv.ClientOver(http.DefaultTransport)
	sess, err := api.V1CheckoutSessions.Create(context.Background(), tee())
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(sess.URL, srv.URL()+"/c/pay/"))
	require.NoError(t, srv.Pay(sess.ID, checkouttest.CardOK))
	require.EqualValues(t, 4, got.Load())
	require.Equal(t, http.StatusTemporaryRedirect, srv.Events()[0].Attempts[0].Status, "a redirect is a failure")
	_, err = srv.Client().V1CheckoutSessions.Retrieve(context.Background(), sess.ID, nil)
	require.NoError(t, err, "the in-memory transport works beside the listener")
	require.NoError(t, srv.Redeliver(srv.Events()[0].ID))
	require.NotEmpty(t, srv.Events()[0].Attempts[1].Err, "there is no answer")
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	in := newInbox(srv)
	id := create(t, srv, tee()).ID
	var paid, refused atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			srv.Events()
			if i%2 == 0 {
				if srv.Pay(id, checkouttest.CardOK) == nil {
					paid.Add(1)
				} else {
					refused.Add(1)
				}
				return
			}
			own, err := srv.Client().V1CheckoutSessions.Create(context.Background(), tee())
			if err == nil && srv.Pay(own.ID, checkouttest.BankDebit) == nil && srv.Settle(own.ID) == nil {
				srv.Advance(time.Minute)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, paid.Load())
	require.EqualValues(t, 7, refused.Load())
	srv.Flush()
	srv.Advance(time.Minute)
	require.Len(t, in.types(t), 5+8*7)
}

func TestInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := checkouttest.NewServer(checkouttest.Config{WallClock: true})
		defer srv.Close()
		in := newInbox(srv)
		first := create(t, srv, tee()).ID
		second := create(t, srv, tee()).ID
		in.respond(func(stripe.Event) int { return 500 })
		require.NoError(t, srv.Pay(first, checkouttest.CardOK))
		in.respond(nil)
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		require.Len(t, in.types(t), 5, "retried as the wall clock goes on")
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		require.Equal(t, []string{"checkout.session.expired"}, in.types(t))
		require.EqualValues(t, "expired", retrieve(t, srv, second).Status)

		before := srv.Now()
		third := create(t, srv, tee()).ID
		srv.Advance(24 * time.Hour)
		require.Equal(t, before.Add(24*time.Hour), srv.Now())
		require.EqualValues(t, "expired", retrieve(t, srv, third).Status)
	})
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, closeLeavesNothing) // it ends when every goroutine that was started in it has ended
}

func closeLeavesNothing(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	srv := checkouttest.NewServer(checkouttest.Config{Addr: "127.0.0.1:0", WallClock: true})
	srv.Deliver(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done() // Close ends it
		<-release
	}))
	id := create(t, srv, tee()).ID
	payDone := make(chan error)
	go func() { payDone <- srv.Pay(id, checkouttest.CardOK) }()
	<-entered
	closed := make(chan struct{})
	go func() { srv.Close(); close(closed) }()
	close(release)
	<-closed
	require.NoError(t, <-payDone)
	srv.Close()
	require.Len(t, srv.Events()[0].Attempts, 1)
	require.Empty(t, srv.Events()[1].Attempts, "no delivery starts after Close")
}

func TestWebhookSecretOfTheConfig(t *testing.T) {
	t.Parallel()
	const secret = "whsec_of_the_receiver"
	srv := newServer(t, checkouttest.Config{WebhookSecret: secret})
	require.Equal(t, secret, srv.WebhookSecret())
	in := newInbox(srv)
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	require.NotEmpty(t, in.types(t), "the inbox checks signatures")
	_, cli := request(t, srv, "POST", "/v1/stripecli/sessions", url.Values{"device_name": {"d"}})
	require.NotEqual(t, secret, cli["secret"])
	rolled, err := srv.RollSecret("", 0)
	require.NoError(t, err)
	require.NotEqual(t, secret, rolled)
}
