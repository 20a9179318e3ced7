package checkout_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
)

// newTimedShop is a shop in a synctest bubble whose clock is the bubble's.
func newTimedShop(t *testing.T) *testShop {
	s := newShopOf(t, checkouttest.Config{Start: time.Now()})
	s.runAs(func(c *checkout.Config[tx]) { c.Clock = time.Now })
	return s
}

// retrieves counts the requests for sessions.
func (w *wire) retrieves() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, call := range w.calls {
		if strings.HasPrefix(call, "GET /v1/checkout/sessions/") {
			n++
		}
	}
	return n
}

// TestTenThousandWait is not parallel, because it counts goroutines.
func TestTenThousandWait(t *testing.T) {
	const sessions, each, wait = 500, 20, 30
	synctest.Test(t, func(t *testing.T) {
		s := newTimedShop(t)
		s.setStock("tee", sessions)
		var ids []string
		for i := range sessions {
			ids = append(ids, s.begin(cartOf(fmt.Sprintf("order-%d", i), "tee")).SessionID)
		}
		synctest.Wait()
		goroutines, began := runtime.NumGoroutine(), time.Now()
		var answers [sessions][]chan *httptest.ResponseRecorder
		for i, id := range ids {
			for range each {
				answers[i] = append(answers[i], s.waiting(id, strconv.Itoa(wait)+"s"))
			}
		}
		time.Sleep(5 * time.Second)
		s.pay(ids[7])
		for _, answer := range answers[7] {
			require.Contains(t, (<-answer).Body.String(), `"fulfilled"`)
		}
		require.Equal(t, 5*time.Second, time.Since(began), "a webhook wakes those who wait")
		for i := range answers {
			for _, answer := range answers[i] {
				if i != 7 {
					require.Contains(t, (<-answer).Body.String(), `"open"`)
				}
			}
		}
		require.Equal(t, wait*time.Second, time.Since(began))
		require.LessOrEqual(t, s.wire.retrieves(), 10+5*wait, "requests to Stripe in half a minute")
		require.Greater(t, s.wire.retrieves(), 100, "the budget is used")
		synctest.Wait()
		runtime.GC() // one that goes on counts goroutines that are dead
		require.LessOrEqual(t, runtime.NumGoroutine(), goroutines)
	})
}

// Those who wait for one session have one of them look for all.
func TestWaitersShareOneLook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTimedShop(t)
		counting := &readCountingStore{Store: s.st}
		s.runAs(func(c *checkout.Config[tx]) { c.Clock, c.Store = time.Now, counting })
		id := s.begin(cartOf("order-1", "tee")).SessionID
		counting.finds.Store(0)
		var answers []chan *httptest.ResponseRecorder
		for range 1000 {
			answers = append(answers, s.waiting(id, "20s"))
			synctest.Wait()
		}
		for _, answer := range answers {
			require.Contains(t, (<-answer).Body.String(), `"open"`)
		}
		require.Less(t, counting.finds.Load(), int64(60), "reads of the order in 20 seconds")
	})
}

// waitingUntil is waiting of a customer who leaves when ctx ends.
func (s *testShop) waitingUntil(ctx context.Context, sessionID string) (left chan struct{}) {
	left = make(chan struct{})
	go func() {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/?session_id="+sessionID+"&wait=30s", nil)
		s.flow.StatusHandler().ServeHTTP(httptest.NewRecorder(), r)
		close(left)
	}()
	return left
}

// A customer who leaves, leading or not, takes nothing from those who stay.
func TestWaitersWhoLeave(t *testing.T) {
	t.Parallel()
	for _, leads := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := newTimedShop(t)
			id := s.begin(cartOf("order-1", "tee")).SessionID
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			var left chan struct{}
			var answer chan *httptest.ResponseRecorder
			first := func() { left = s.waitingUntil(ctx, id) }
			second := func() { answer = s.waiting(id, "30s") }
			if !leads {
				first, second = second, first
			}
			first()
			synctest.Wait()
			second()
			time.Sleep(3 * time.Second)
			leave()
			began := time.Now()
			<-left
			require.Zero(t, time.Since(began), "leaving takes no time")
			time.Sleep(500 * time.Millisecond)
			s.pay(id)
			w := <-answer
			require.Contains(t, w.Body.String(), `"fulfilled"`)
			require.Equal(t, 500*time.Millisecond, time.Since(began), "the payment wakes who stayed")
		})
	}
}

// awayKey is the key of a value that the context of a customer carries who leaves.
type awayKey struct{}

// leftStore has a customer leave who looks at an order that is fulfilled.
type leftStore struct {
	*memstore.Store
	leave context.CancelFunc
}

func (l *leftStore) FindRef(ctx context.Context, ref string) (*store.Order, error) {
	o, err := l.Store.FindRef(ctx, ref)
	if err == nil && ctx.Value(awayKey{}) != nil && !o.FulfilledAt.IsZero() {
		l.leave()
		return nil, ctx.Err()
	}
	return o, err
}

// A customer who was woken to look for all, and leaves before the look has ended, has the next one look at once.
func TestWaiterLeavesDuringTheLook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTimedShop(t)
		ctx, leave := context.WithCancel(context.WithValue(t.Context(), awayKey{}, true))
		st := &leftStore{Store: s.st, leave: leave}
		s.runAs(func(c *checkout.Config[tx]) { c.Clock, c.Store = time.Now, st })
		s.onFulfil(func(context.Context, tx, *store.Order) error {
			synctest.Wait() // the leader has looked, as the payment woke it
			return nil
		})
		id := s.begin(cartOf("order-1", "tee")).SessionID
		left := s.waitingUntil(ctx, id)
		synctest.Wait()
		answer := s.waiting(id, "30s")
		time.Sleep(3 * time.Second)
		began := time.Now()
		s.pay(id)
		require.Contains(t, (<-answer).Body.String(), `"fulfilled"`)
		require.Zero(t, time.Since(began))
		<-left
	})
}

// A callback that ends the goroutine of a customer who looks for all, as FailNow of a test does, has another customer look.
func TestCallbackEndsTheGoroutineOfAWaiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTimedShop(t)
		s.loseWebhooks()
		var calls atomic.Int64
		s.onFulfil(func(context.Context, tx, *store.Order) error {
			if calls.Add(1) == 1 {
				runtime.Goexit()
			}
			return nil
		})
		id := s.begin(cartOf("order-1", "tee")).SessionID
		s.waiting(id, "30s")
		synctest.Wait()
		answer := s.waiting(id, "30s")
		s.pay(id)
		time.Sleep(28 * time.Second) // the pause after the failed try is over
		_, err := s.flow.Settle(t.Context(), id)
		require.NoError(t, err)
		require.Contains(t, (<-answer).Body.String(), `"fulfilled"`)
	})
}

// What another process settles is found by looking, at growing pauses, although customers who looked for the others leave.
func TestWaitForAnotherProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTimedShop(t)
		id := s.begin(cartOf("order-1", "tee")).SessionID
		s.srv.Deliver(nil)
		_, other := s.processWith(func(c *checkout.Config[tx]) { c.Clock, c.Stripe = time.Now, s.srv.Client() })
		s.srv.Deliver(other, testPayloads())
		ctx, leave := context.WithCancel(t.Context())
		left := s.waitingUntil(ctx, id)
		synctest.Wait()
		answer := s.waiting(id, "30s")
		time.Sleep(7 * time.Second)
		leave()
		<-left
		s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			require.Equal(t, http.MethodPost, r.Method, "asked Stripe")
			return send()
		})
		paid := time.Now()
		s.pay(id)
		w := <-answer
		require.Contains(t, w.Body.String(), `"fulfilled"`)
		require.LessOrEqual(t, time.Since(paid), 10*time.Second)
	})
}

// When Stripe refuses status pages for their rate, they leave Stripe alone for the time that Stripe asks for.
func TestStatusAfter429(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTimedShop(t)
		var ids []string
		for i := range 5 {
			ids = append(ids, s.begin(cartOf(fmt.Sprintf("order-%d", i), "tee")).SessionID)
		}
		s.wire.on(func(r *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
			response := answer(r, http.StatusTooManyRequests, `{"error":{"type":"rate_limit_error"}}`)
			response.Header.Set("Retry-After", "20")
			return response, nil
		})
		for range 19 {
			for _, id := range ids {
				code, status := s.status(id)
				require.Equal(t, http.StatusOK, code)
				require.Equal(t, "open", status)
			}
			time.Sleep(time.Second)
		}
		require.Equal(t, 1, s.wire.retrieves())
		s.wire.on(nil)
		time.Sleep(2 * time.Second)
		s.status(ids[0])
		require.Equal(t, 2, s.wire.retrieves())
	})
}

func TestBeginWaitsOutARateLimit(t *testing.T) {
	t.Parallel()
	refuse := func(s *testShop, times int, retryAfter string) {
		s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			if !isCreate(r) || s.wire.count(createCall) > times {
				return send()
			}
			response := answer(r, http.StatusTooManyRequests, `{"error":{"type":"rate_limit_error"}}`)
			if retryAfter != "" {
				response.Header.Set("Retry-After", retryAfter)
			}
			return response, nil
		})
	}
	for name, tt := range map[string]struct {
		times       int
		retryAfter  string
		least, most time.Duration
	}{
		"as Stripe says":         {1, "7", 7 * time.Second, 9 * time.Second},
		"twice":                  {2, "3", 6 * time.Second, 8 * time.Second},
		"at growing pauses":      {4, "", 7500 * time.Millisecond, 9500 * time.Millisecond},
		"not for a date":         {1, "Fri, 31 Dec 1999 23:59:59 GMT", 500 * time.Millisecond, time.Second},
		"not without end of it":  {1, "0", 500 * time.Millisecond, time.Second},
		"as long as it may take": {12, "", 70 * time.Second, 110 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newTimedShop(t)
				refuse(s, tt.times, tt.retryAfter)
				began := time.Now()
				started := s.begin(cartOf("order-1", "last"))
				require.Equal(t, 1, started.Attempt, "the attempt that was refused is the one that is begun")
				require.Equal(t, tt.times+1, s.wire.count(createCall))
				require.GreaterOrEqual(t, time.Since(began), tt.least)
				require.LessOrEqual(t, time.Since(began), tt.most)
			})
		})
	}
	for name, tt := range map[string]struct {
		retryAfter string
		cancel     bool
		took       time.Duration
	}{
		"gives up at once if its time is too short": {"60", false, 0},
		"ends when the customer leaves":             {"10", true, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newTimedShop(t)
				refuse(s, 1000, tt.retryAfter)
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				if tt.cancel {
					time.AfterFunc(5*time.Second, cancel)
				}
				began := time.Now()
				_, err := s.flow.Begin(ctx, cartOf("order-1", "last"))
				var refusal *stripe.Error
				require.ErrorAs(t, err, &refusal)
				require.Equal(t, tt.took, time.Since(began))
				if !tt.cancel {
					s.requireStock("last", 1, 0, 0)
				}
			})
		})
	}
}

// readCountingStore counts the reads of an order.
type readCountingStore struct {
	*memstore.Store
	finds atomic.Int64
}

func (c *readCountingStore) Find(ctx context.Context, id string) (*store.Order, error) {
	c.finds.Add(1)
	return c.Store.Find(ctx, id)
}

func (c *readCountingStore) FindRef(ctx context.Context, ref string) (*store.Order, error) {
	c.finds.Add(1)
	return c.Store.FindRef(ctx, ref)
}
