package checkout_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// With every webhook lost, sweeping alone finds that a debit bounced, that money was given back, and that it is disputed.
func TestEveryWebhookLost(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.loseWebhooks()
	hours := func(n int) {
		for range n {
			s.srv.Advance(time.Hour)
			s.sweep()
		}
	}
	bounced := s.begin(cartOf("bounced", "tee")).SessionID
	refunded := s.begin(cartOf("refunded", "tee")).SessionID
	disputed := s.begin(cartOf("disputed", "tee")).SessionID
	abandoned := cartOf("abandoned", "last")
	abandoned.HoldFor = 10 * time.Minute
	s.begin(abandoned)
	require.NoError(t, s.srv.Pay(bounced, checkouttest.BankDebit))
	s.pay(refunded)
	s.pay(disputed)
	hours(25)
	s.requireStatus("bounced", "processing")
	s.requireStatus("refunded", checkout.Fulfilled)
	s.requireStatus("abandoned", "expired")

	require.NoError(t, s.srv.Bounce(bounced))
	refund := s.refund(refunded, 1000)
	dispute, err := s.srv.Dispute(disputed)
	require.NoError(t, err)
	hours(8)
	s.requireStatus("bounced", "failed")
	s.requireStatus("refunded", "partially_refunded")
	s.requireStatus("disputed", "disputed")

	require.NoError(t, s.srv.FailRefund(refund))
	require.NoError(t, s.srv.WinDispute(dispute))
	hours(2)
	s.requireStatus("refunded", checkout.Fulfilled)
	s.requireStatus("disputed", checkout.Fulfilled)
	s.requireStock("tee", 3, 0, 2)
	s.requireStock("last", 1, 0, 0)
	require.Subset(t, s.kinds(), []checkout.ChangeKind{
		checkout.ChangeRefunded, checkout.ChangeRefundFailed, checkout.ChangeDisputed, checkout.ChangeDisputeWon, checkout.ChangeFailed, checkout.ChangeExpired,
	})
}

// While the endpoint is down for days, sweeping reads what Stripe could not deliver, each event once it is there.
func TestUndeliveredEventsAreRead(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.srv.Deliver(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	const orders = 5
	for i := range orders {
		session := cartOf(fmt.Sprintf("order-%d", i), "tee")
		s.pay(s.begin(session).SessionID)
		s.srv.Advance(20 * time.Hour)
	}
	require.Zero(t, s.fulfilRuns())
	asked := s.wire.count("GET /v1/events")
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		switch {
		case r.Method == http.MethodGet && r.URL.Path != "/v1/events" && r.URL.Path != "/v1/refunds" && r.URL.Path != "/v1/disputes":
			return answer(r, http.StatusServiceUnavailable, `{"error":{"type":"api_error"}}`), nil // sessions can't be read
		}
		return send()
	})
	s.sweep()
	for i := range orders {
		s.requireStatus(fmt.Sprintf("order-%d", i), checkout.Fulfilled)
		require.Equal(t, 1, s.shipments(fmt.Sprintf("order-%d", i)))
	}
	require.Less(t, s.wire.count("GET /v1/events")-asked, 40, "windows of hours, not of seconds, with two lists of types each")
	asked = s.wire.count("GET /v1/events")
	s.sweep()
	require.Equal(t, 2, s.wire.count("GET /v1/events")-asked, "the next sweep goes on where this one stopped, with two lists of types")
}

// More events than the requests of a sweep fetch are read by several, as long as those of any hour can be fetched.
func TestBurstsOfUndeliveredEvents(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	flow, err := checkout.New(checkout.Config[tx]{
		Stripe: s.srv.ClientOver(s.wire), Store: s.st, Reserver: s.stock, Clock: s.srv.Now, Logger: slog.New(slog.DiscardHandler),
		SweepBudget: 6, Fulfil: func(context.Context, tx, *store.Order) error { return nil },
	})
	require.NoError(t, err)
	s.srv.Deliver(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	id := s.begin(cartOf("order-1", "tee")).SessionID
	for range 2 {
		s.srv.Advance(4 * time.Hour)
		for range 450 {
			s.pay(s.foreignSession(func(*stripe.CheckoutSessionCreateParams) {}))
		}
	}
	s.srv.Advance(4 * time.Hour)
	s.pay(id)
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.URL.Path != "/v1/events" {
			return answer(r, http.StatusServiceUnavailable, `{"error":{"type":"api_error"}}`), nil
		}
		return send()
	})
	sweeps := 0
	for ; !s.order("order-1").Paid() && sweeps < 60; sweeps++ {
		_, err := flow.Sweep(t.Context())
		require.NoError(t, err)
	}
	require.True(t, s.order("order-1").Paid())
	t.Logf("%d sweeps", sweeps)
}

// What another application on the account missed costs a sweep no requests.
func TestMissedByOthers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.srv.Deliver(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	for range 5 {
		refunded := s.foreignSession(func(*stripe.CheckoutSessionCreateParams) {})
		disputed := s.foreignSession(func(*stripe.CheckoutSessionCreateParams) {})
		s.pay(refunded)
		s.pay(disputed)
		s.refund(refunded, 0)
		s.disputePayment(disputed)
	}
	before := len(s.wire.calls)
	s.sweep()
	require.Less(t, len(s.wire.calls)-before, 9, "the lists, and nothing else")
}

// A list that does not end does not keep a sweep.
func TestSweepBudgetOfAList(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	page, err := json.Marshal(map[string]any{
		"object": "list", "has_more": true, "data": slices.Repeat([]map[string]string{{"id": "re_1", "object": "refund"}}, 100),
	})
	require.NoError(t, err)
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.URL.Path == "/v1/refunds" {
			return answer(r, http.StatusOK, string(page)), nil
		}
		return send()
	})
	s.sweep()
	require.Less(t, s.wire.count("GET /v1/refunds"), 501)
}

// A sweep makes no more requests than it may, and the next goes on.
func TestSweepBudget(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.setStock("tee", 100)
	s.loseWebhooks()
	for i := range 30 {
		session := cartOf(fmt.Sprintf("order-%d", i), "tee")
		session.HoldFor = 10 * time.Minute
		s.begin(session)
	}
	flow, err := checkout.New(checkout.Config[tx]{
		Stripe: s.srv.ClientOver(s.wire), Store: s.st, Reserver: s.stock, Clock: s.srv.Now, Logger: slog.New(slog.DiscardHandler), SweepBudget: 10,
		Fulfil: func(_ context.Context, _ tx, _ *store.Order) error { return nil },
	})
	require.NoError(t, err)
	s.srv.Advance(11 * time.Minute)
	ended := func() (n int) {
		for i := range 30 {
			if s.order(fmt.Sprintf("order-%d", i)).Status() == store.Expired {
				n++
			}
		}
		return n
	}
	for range 4 {
		before := len(s.wire.calls)
		_, err := flow.Sweep(t.Context())
		require.NoError(t, err)
		require.LessOrEqual(t, len(s.wire.calls)-before, 13)
		s.srv.Advance(3 * time.Minute)
	}
	require.Equal(t, 30, ended())
}

// beginOn begins an order of one tee on a connected account, and returns its session.
func (s *testShop) beginOn(account, orderID string) string {
	s.t.Helper()
	c := cartOf(orderID, "tee")
	c.Connect.Account = account
	return s.begin(c).SessionID
}

// On a connected account too, refunds and disputes are found though every webhook is lost, once an hour, and though another
// account answers nothing.
func TestMissedOnConnectedAccounts(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connected = []string{"acct_gone", "acct_down", "acct_1", "acct_2"}
	s.loseWebhooks()
	refunded, disputed := s.beginOn("acct_1", "refunded"), s.beginOn("acct_2", "disputed")
	s.pay(refunded)
	s.pay(disputed)
	_, err := s.flow.Settle(t.Context(), refunded)
	require.NoError(t, err)
	_, err = s.flow.Settle(t.Context(), disputed)
	require.NoError(t, err)
	s.refund(refunded, 500)
	s.disputePayment(disputed)
	asked := map[string]int{}
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		account := r.Header.Get("Stripe-Account")
		asked[account+r.URL.Path]++
		switch account {
		case "acct_gone":
			return answer(r, http.StatusForbidden, `{"error":{"type":"invalid_request_error","code":"account_invalid"}}`), nil
		case "acct_down":
			return nil, errors.New("connection reset")
		}
		return send()
	})
	s.sweep()
	s.sweep()
	s.requireStatus("refunded", "partially_refunded")
	s.requireStatus("disputed", "disputed")
	require.Equal(t, 1, asked["/v1/refunds"])
	require.Equal(t, 1, asked["acct_1/v1/refunds"])
	require.Equal(t, 1, asked["acct_gone/v1/refunds"], "an account that refuses is left alone for an hour")
	require.Greater(t, asked["acct_down/v1/refunds"], 1, "one that does not answer is not")
	s.srv.Advance(61 * time.Minute)
	s.sweep()
	require.Equal(t, 2, asked["acct_1/v1/refunds"])
}

// The first sweep that looks at a connected account reads what happened there since the first order began, though that is days ago.
func TestFirstSweepOfAConnectedAccount(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connected = []string{"acct_1"}
	c := clubOf("club")
	c.Connect.Account = "acct_1"
	s.pay(s.begin(c).SessionID)
	sub := s.order("club").Subscription()
	s.loseWebhooks()
	change := &stripe.SubscriptionUpdateParams{
		Items: []*stripe.SubscriptionUpdateItemParams{{ID: &sub.Items[0].ID, Quantity: stripe.Int64(3)}},
	}
	change.SetStripeAccount("acct_1")
	_, err := s.srv.Client().V1Subscriptions.Update(t.Context(), sub.ID, change)
	require.NoError(t, err)
	s.srv.Advance(5 * 24 * time.Hour)
	s.sweep()
	require.EqualValues(t, 3, s.order("club").Subscription().Items[0].Quantity)
}

// Many accounts take half of a sweep's requests, and all have their turn.
func TestManyConnectedAccounts(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var accounts []string
	for i := range 40 {
		accounts = append(accounts, fmt.Sprintf("acct_%d", i))
	}
	flow, err := checkout.New(checkout.Config[tx]{
		Stripe: s.srv.ClientOver(s.wire), Store: s.st, Reserver: s.stock, Clock: s.srv.Now, Logger: slog.New(slog.DiscardHandler),
		SweepBudget: 20, Accounts: func(context.Context) ([]string, error) { return accounts, nil },
		Fulfil: func(context.Context, tx, *store.Order) error { return nil },
	})
	require.NoError(t, err)
	var asked []string
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.URL.Path == "/v1/disputes" {
			asked = append(asked, r.Header.Get("Stripe-Account"))
		}
		return send()
	})
	for range 30 {
		before := len(s.wire.calls)
		_, err := flow.Sweep(t.Context())
		require.NoError(t, err)
		require.LessOrEqual(t, len(s.wire.calls)-before, 13, "half of 20, and the merchant's own account")
		s.srv.Advance(30 * time.Second)
	}
	slices.Sort(asked)
	require.Len(t, slices.Compact(asked), 41)
}

// A payment whose every event was lost, and that was given back before a sweep finds it, is not shipped. Found by the
// simulation: the refunds were listed before the payment that they are of was known.
func TestGivenBackBeforeItIsFound(t *testing.T) {
	t.Parallel()
	for name, giveBack := range map[string]func(s *testShop, sessionID string){
		"refunded": func(s *testShop, sessionID string) { s.refund(sessionID, 0) },
		"disputed": func(s *testShop, sessionID string) {
			_, err := s.srv.Dispute(sessionID)
			require.NoError(s.t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.loseWebhooks()
			session := cartOf("order-1", "tee")
			session.HoldFor = 20 * time.Minute
			started := s.begin(session)
			s.sweep() // refunds are listed once an hour
			s.pay(started.SessionID)
			giveBack(s, started.SessionID)
			s.srv.Advance(21 * time.Minute)
			s.sweep()
			s.requireStatus("order-1", checkout.DisplayStatus(name))
			require.Zero(t, s.shipments("order-1"))
			require.Equal(t, []checkout.ChangeKind{checkout.ChangeKind(name)}, s.kinds())
		})
	}
}

// down has the shop's endpoint for snapshot events answer nothing, so that all events stay undelivered.
func (s *testShop) down() {
	s.srv.Deliver(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }), checkouttest.Snapshot)
}

// hears has the shop handle an event type that is not the Flow's, with nothing but a claim against handling one twice.
func (s *testShop) hears(fail func() error) (handled func() int) {
	webhook.On(s.hook, webhook.ChargeSucceeded, webhook.Once("charges", s.st,
		func(ctx context.Context, tx tx, e *webhook.Event[stripe.Charge]) error {
			if err := fail(); err != nil {
				return err
			}
			return tx.Set(ctx, "charged/"+e.ID, true)
		}))
	return func() int { return len(s.st.Scan("charged/")) }
}

// With one or two requests in a sweep, holds end, and missed events of every type, refunds, disputes and failed events are
// found, on connected accounts, too.
func TestSweepOfFewRequests(t *testing.T) {
	t.Parallel()
	for _, budget := range []int{1, 2} {
		t.Run(fmt.Sprint(budget), func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.setStock("tee", 100)
			s.down()
			broken := 2
			handled := s.hears(func() error {
				broken--
				if broken >= 0 {
					return errPrinter
				}
				return nil
			})
			for i := range 5 {
				cart := cartOf(fmt.Sprintf("held-%d", i), "tee")
				cart.HoldFor = 10 * time.Minute
				s.begin(cart)
			}
			refunded, disputed := s.begin(cartOf("refunded", "tee")).SessionID, s.beginOn("acct_1", "disputed")
			s.pay(refunded)
			s.pay(disputed)
			_, _ = s.flow.Settle(t.Context(), refunded)
			_, _ = s.flow.Settle(t.Context(), disputed)
			s.refund(refunded, 500)
			s.disputePayment(disputed)
			s.srv.Advance(11 * time.Minute)
			flow := s.small(budget, "acct_1")
			flow.Handle(s.hook)
			for range 60 {
				before := len(s.wire.calls)
				_, err := flow.Sweep(t.Context())
				require.NoError(t, err)
				require.LessOrEqual(t, len(s.wire.calls)-before, 2*budget+2, "a budget of requests, and those of the events that were read")
				s.srv.Advance(30 * time.Second)
			}
			for i := range 5 {
				s.requireStatus(fmt.Sprintf("held-%d", i), "expired")
			}
			s.requireStatus("refunded", "partially_refunded")
			s.requireStatus("disputed", "disputed")
			require.Equal(t, 2, handled())
		})
	}
}

// A list of refunds that the requests of a sweep don't suffice for is read to its end by several.
func TestListsAreResumed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.loseWebhooks()
	var after []string
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.URL.Path != "/v1/refunds" {
			return send()
		}
		from, n := r.URL.Query().Get("starting_after"), 100
		after = append(after, from)
		if len(after) == 4 {
			n = 7
		}
		page, err := json.Marshal(map[string]any{
			"object": "list", "has_more": n == 100, "data": slices.Repeat([]map[string]string{{"id": fmt.Sprintf("re_%d", len(after)), "object": "refund"}}, n),
		})
		if err != nil {
			return nil, err
		}
		return answer(r, http.StatusOK, string(page)), nil
	})
	for range 30 { // each a new process, as with cron
		_, err := s.small(2).Sweep(t.Context())
		require.NoError(t, err)
		s.srv.Advance(30 * time.Second)
	}
	require.Equal(t, []string{"", "re_1", "re_2", "re_3"}, after)
}

// An undelivered event of any type that the Handler has handlers for is dispatched once. A handler that fails is tried again
// later, in pauses, and keeps no other event waiting. That holds on an account that refuses, and for a sweep that was
// broken off.
func TestFailedEvents(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connected = []string{"acct_1"}
	s.down()
	runs, broken := 0, true
	handled := s.hears(func() error {
		runs++
		if broken {
			return errPrinter
		}
		return nil
	})
	s.pay(s.beginOn("acct_1", "other"))
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	s.srv.Advance(2 * time.Minute)
	for range 8 { // four minutes
		s.sweep()
		s.srv.Advance(30 * time.Second)
	}
	s.requireStatus("order-1", checkout.Fulfilled)
	require.Equal(t, 2, runs, "not at every sweep")
	s.srv.Advance(5 * time.Minute)

	ctx, cancel := context.WithCancel(t.Context())
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if strings.HasPrefix(r.URL.Path, "/v1/events/") {
			defer cancel()
		}
		return send()
	})
	_, err := s.flow.Sweep(ctx)
	require.ErrorIs(t, err, context.Canceled, "broken off while an event is tried again")

	broken = false
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.Header.Get("Stripe-Account") == "acct_1" {
			return answer(r, http.StatusForbidden, `{"error":{"type":"invalid_request_error","code":"account_invalid"}}`), nil
		}
		return send()
	})
	s.srv.Advance(time.Hour)
	s.sweep()
	require.Equal(t, 1, handled(), "the event on the account that answers")
	s.wire.on(nil)
	for range 12 {
		s.srv.Advance(time.Hour)
		s.sweep()
	}
	require.Equal(t, 2, handled())
}

// silentStore is a store whose connection goes silent when the list of failed events is written.
type silentStore struct {
	store.Store[tx]
	silent bool
}

func (s *silentStore) SetCursor(ctx context.Context, name, value string) error {
	if s.silent && name == "failed_events" {
		<-ctx.Done()
		return ctx.Err()
	}
	return s.Store.SetCursor(ctx, name, value)
}

// Two sweeps of one process set an event aside while the database is silent. Each of them ends with its context: neither
// holds the other up.
func TestSetAsideWhileTheStoreIsSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.down()
		silent := &silentStore{Store: s.st}
		flow, err := checkout.New(checkout.Config[tx]{
			Stripe: s.srv.ClientOver(s.wire), Store: silent, Reserver: s.stock, Clock: s.srv.Now, Logger: slog.New(slog.DiscardHandler),
			Fulfil: func(context.Context, tx, *store.Order) error { return nil },
		})
		require.NoError(t, err)
		s.hears(func() error { return errPrinter })
		flow.Handle(s.hook)
		silent.silent = true

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ended := make(chan error, 2)
		for _, order := range []string{"order-1", "order-2"} {
			s.pay(s.begin(cartOf(order, "tee")).SessionID)
			s.srv.Advance(2 * time.Minute)
			go func() {
				_, err := flow.Sweep(ctx)
				ended <- err
			}()
			synctest.Wait()
		}
		for range 2 {
			require.ErrorIs(t, <-ended, context.DeadlineExceeded)
		}
	})
}

// A process whose clock is ahead makes the shop's first session, and hides no event that follows.
func TestFirstSessionByAClockAhead(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.down()
	ahead, _ := s.processWith(func(c *checkout.Config[tx]) {
		c.Clock = func() time.Time { return s.srv.Now().Add(2 * time.Minute) }
	})
	started, err := ahead.Begin(t.Context(), cartOf("order-1", "tee"))
	require.NoError(t, err)
	s.pay(started.SessionID)
	s.srv.Advance(6 * time.Minute)
	s.sweep()
	s.requireStatus("order-1", checkout.Fulfilled)
}

// Many events of an order that somebody has locked take little of each sweep.
func TestEventsOfALockedOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.down()
		session := s.begin(cartOf("order-1", "tee")).SessionID
		s.pay(session)
		s.srv.Advance(2 * time.Minute)
		s.sweep()
		for range 10 { // each makes four events, and a sweep has ten minutes
			s.refund(session, 100)
		}
		s.srv.Advance(2 * time.Minute)
		console := errors.New("the person at the console rolls back")
		err := s.st.InTx(t.Context(), func(tx tx) error {
			require.NoError(t, tx.Lock(t.Context(), "fulfil_order/order-1"))
			s.sweep() // which sets the events aside
			s.srv.Advance(10 * time.Minute)
			begun := time.Now()
			s.sweep()
			require.Greater(t, time.Since(begun), time.Minute, "the events are due")
			require.Less(t, time.Since(begun), 2*time.Minute)
			return console
		})
		require.ErrorIs(t, err, console)
		s.srv.Advance(3 * time.Hour)
		s.sweep()
		require.Len(t, s.order("order-1").Refunds, 10)
	})
}

// A refund of an order that somebody has locked keeps neither a sweep nor Backfill from what comes after it.
func TestRefundOfALockedOrder(t *testing.T) {
	t.Parallel()
	for name, find := range map[string]func(ctx context.Context, s *testShop) error{
		"Sweep": func(ctx context.Context, s *testShop) error {
			_, err := s.flow.Sweep(ctx)
			return err
		},
		"Backfill": func(ctx context.Context, s *testShop) error {
			_, err := s.flow.Backfill(ctx, s.srv.Now())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				locked, other := s.begin(cartOf("order-1", "tee")).SessionID, s.begin(cartOf("order-2", "tee")).SessionID
				s.pay(locked)
				s.pay(other)
				s.srv.Advance(time.Hour)
				s.srv.Deliver(nil)
				s.refund(other, 500)
				s.refund(locked, 500)
				_, err := s.srv.Dispute(other)
				require.NoError(t, err)
				console := errors.New("the person at the console rolls back")
				err = s.st.InTx(t.Context(), func(tx tx) error {
					require.NoError(t, tx.Lock(t.Context(), "fulfil_order/order-1"))
					ended := make(chan error, 1)
					go func() { ended <- find(context.Background(), s) }()
					time.Sleep(5 * time.Minute) // on the bubble's clock
					select {
					case err := <-ended:
						require.NoError(t, err)
					default:
						t.Error("it waits for the order that is locked")
					}
					return console
				})
				require.ErrorIs(t, err, console)
				require.Len(t, s.order("order-2").Refunds, 1)
				require.Len(t, s.order("order-2").Disputes, 1)
			})
		})
	}
}

// A process whose clock is ahead hides no events, refunds or disputes, neither from itself nor from others.
func TestClockAheadHidesNothing(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{8 * time.Minute, 20 * day} {
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.down()
			handled := s.hears(func() error { return nil })
			flow, err := checkout.New(checkout.Config[tx]{
				Stripe: s.srv.ClientOver(s.wire), Store: s.st, Reserver: s.stock, Logger: slog.New(slog.DiscardHandler),
				Clock:  func() time.Time { return s.srv.Now().Add(ahead) },
				Fulfil: func(context.Context, tx, *store.Order) error { return nil },
			})
			require.NoError(t, err)
			flow.Handle(s.hook)
			_, err = flow.Sweep(t.Context())
			require.Equal(t, ahead > time.Hour, err != nil, err)
			id := s.begin(cartOf("order-1", "tee")).SessionID
			s.srv.Advance(time.Minute)
			s.pay(id)
			_, err = s.flow.Settle(t.Context(), id)
			require.NoError(t, err)
			s.refund(id, 500)
			s.srv.Advance(4 * time.Minute)
			if ahead < time.Hour { // it finds them itself, as it knows Stripe's time
				_, err = flow.Sweep(t.Context())
				require.NoError(t, err)
				require.Equal(t, 1, handled())
			}
			s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
				if r.URL.Path == "/v1/events" && ahead > time.Hour {
					return answer(r, http.StatusServiceUnavailable, `{"error":{"type":"api_error"}}`), nil
				}
				return send()
			})
			s.sweep()
			if ahead > time.Hour {
				s.requireStatus("order-1", "partially_refunded") // by the list of refunds
			}
			s.wire.on(nil)
			s.sweep()
			require.Equal(t, 1, handled())
		})
	}
}
