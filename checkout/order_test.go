package checkout_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
)

// outcome is what must not depend on the order in which things are heard.
type outcome struct {
	Status    string
	Facts     []facts
	Refs      []string
	Stock     []reservation.Stock
	Shipments int
	Email     string
	Total     int64
}

type facts struct {
	Completed, Paid, Failed, Expired bool
	Session, PaymentIntent           string
}

func (s *testShop) outcome(id string) outcome {
	s.t.Helper()
	o := s.order(id)
	out := outcome{
		Status: checkout.DisplayStatus(o), Shipments: s.shipments(id),
		Email: o.Customer.Email, Total: o.Amounts.Total,
	}
	for _, a := range o.Attempts {
		out.Facts = append(out.Facts, facts{a.Completed, a.Paid, a.Failed, a.Expired, a.SessionID, a.PaymentIntent})
	}
	require.NoError(s.t, s.st.InTx(s.t.Context(), func(tx tx) (err error) {
		out.Stock, err = s.stock.Stock(s.t.Context(), tx, "tee", "last")
		return err
	}))
	return out
}

// heard is a payload that Stripe delivered.
type heard struct {
	eventType string
	payload   []byte
}

// recordEvents has events kept instead of handled.
func (s *testShop) recordEvents() *[]heard {
	var all []heard
	s.srv.Deliver(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		payload, err := io.ReadAll(r.Body)
		require.NoError(s.t, err)
		events := s.srv.Events()
		all = append(all, heard{events[len(all)].Type, payload})
	}))
	return &all
}

// rewound is the shop as it was when only these orders were there and nothing was heard of them yet.
func (s *testShop) rewound(orders ...*store.Order) *testShop {
	s.t.Helper()
	shop, err := s.st.ShopID(s.t.Context(), "made already")
	require.NoError(s.t, err)
	r := &testShop{
		t: s.t, srv: s.srv, wire: s.wire, log: s.log, st: memstore.New(), stock: memreserver.New(),
	}
	_, err = r.st.ShopID(s.t.Context(), shop)
	require.NoError(s.t, err)
	r.setStock("tee", 5)
	r.setStock("last", 1)
	require.NoError(s.t, r.st.InTx(s.t.Context(), func(tx tx) error {
		for _, o := range orders {
			for _, a := range o.Attempts {
				if a.Hold.State != store.Held {
					continue
				}
				hold := reservation.Hold{ID: a.Hold.ID}
				for _, l := range a.Lines {
					hold.Lines = append(hold.Lines, reservation.Line{SKU: l.SKU, Quantity: l.Quantity})
				}
				if _, err := r.stock.Hold(s.t.Context(), tx, hold); err != nil {
					return err
				}
			}
		}
		_, err := r.st.Insert(s.t.Context(), tx, orders...)
		return err
	}))
	r.flow, r.hook = r.process()
	return r
}

// permutations calls fn with every order of 0…n-1, and with every order of every subset.
func permutations(n int, fn func(order []int)) {
	used := make([]bool, n)
	var order []int
	var next func()
	next = func() {
		fn(order)
		for i := range n {
			if !used[i] {
				used[i] = true
				order = append(order, i)
				next()
				order = order[:len(order)-1]
				used[i] = false
			}
		}
	}
	next()
}

// Every permutation and duplication of Stripe's events of a story, and a question to Stripe in place of any of them,
// ends in the same facts, the same status, the same stock and one shipment or none.
func TestOrderIndependence(t *testing.T) {
	t.Parallel()
	debit := func(s *testShop, id string) { require.NoError(s.t, s.srv.Pay(id, checkouttest.BankDebit)) }
	ends := map[string]string{
		"card": checkout.Fulfilled, "declined, then paid": checkout.Fulfilled, "delayed, settles": checkout.Fulfilled,
		"delayed, bounces": "failed", "expired": "expired",
		"the first session expires, the second is paid by debit": checkout.Fulfilled,
	}
	stories := map[string]func(s *testShop) (begun *store.Order){
		"card": func(s *testShop) *store.Order {
			id := s.begin(cartOf("order-1", "last")).SessionID
			begun := s.order("order-1")
			s.pay(id)
			return begun
		},
		"declined, then paid": func(s *testShop) *store.Order {
			id := s.begin(cartOf("order-1", "last")).SessionID
			begun := s.order("order-1")
			require.Error(s.t, s.srv.Pay(id, checkouttest.CardDeclined))
			s.pay(id)
			return begun
		},
		"delayed, settles": func(s *testShop) *store.Order {
			id := s.begin(cartOf("order-1", "last")).SessionID
			begun := s.order("order-1")
			debit(s, id)
			require.NoError(s.t, s.srv.Settle(id))
			return begun
		},
		"delayed, bounces": func(s *testShop) *store.Order {
			id := s.begin(cartOf("order-1", "last")).SessionID
			begun := s.order("order-1")
			debit(s, id)
			require.NoError(s.t, s.srv.Bounce(id))
			return begun
		},
		"expired": func(s *testShop) *store.Order {
			s.begin(cartOf("order-1", "last"))
			begun := s.order("order-1")
			s.srv.Advance(25 * time.Hour)
			return begun
		},
		"the first session expires, the second is paid by debit": func(s *testShop) *store.Order {
			s.begin(cartOf("order-1", "tee"))
			s.begin(cartOf("order-1", "tee", "last"))
			begun := s.order("order-1")
			debit(s, begun.Attempts[1].SessionID)
			require.NoError(s.t, s.srv.Settle(begun.Attempts[1].SessionID))
			return begun
		},
	}
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			all := s.recordEvents()
			begun := story(s)
			s.srv.Flush()
			var events []heard
			for _, e := range *all {
				switch e.eventType {
				case "checkout.session.completed", "checkout.session.expired",
					"checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed":
					events = append(events, e, e) // everything twice
				}
			}
			require.NotEmpty(t, events)

			sessions := map[string]bool{}
			for _, a := range begun.Attempts {
				sessions[a.SessionID] = true
			}
			var want *outcome
			tried := 0
			permutations(len(events), func(order []int) {
				tried++
				r := s.rewound(begun)
				complete := len(order) == len(events)
				for _, i := range order {
					require.NoError(t, r.hook.Dispatch(t.Context(), events[i].payload))
				}
				if !complete { // what was not heard is asked for
					for id := range sessions {
						_, err := r.flow.Settle(t.Context(), id)
						require.NoError(t, err)
					}
				}
				got := r.outcome("order-1")
				if want == nil {
					want = &got
					require.Equal(t, ends[name], got.Status)
				}
				require.Equal(t, *want, got, "events in the order %v", order)
			})
			t.Logf("%d orders of %d events: %s", tried, len(events), want.Status)
		})
	}
}

// Two payments of one order are recorded in either order, and it is fulfilled for one of them.
func TestTwoPaymentsInEitherOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	old := s.beginUnrecorded(cartOf("order-1", "tee"))
	second := s.begin(cartOf("order-1", "tee"))
	begun := s.order("order-1")
	all := s.recordEvents()
	s.pay(old)
	s.pay(second.SessionID)
	var completed []heard
	for _, e := range *all {
		if e.eventType == "checkout.session.completed" {
			completed = append(completed, e, e)
		}
	}
	require.Len(t, completed, 4)
	permutations(4, func(order []int) {
		if len(order) < 4 {
			return
		}
		r := s.rewound(begun)
		for _, i := range order {
			require.NoError(t, r.hook.Dispatch(context.Background(), completed[i].payload))
		}
		r.requireStatus("order-1", checkout.Fulfilled)
		require.Equal(t, 1, r.shipments("order-1"))
		r.requireStock("tee", 4, 0, 1)
		require.Equal(t, []checkout.ChangeKind{checkout.DuplicatePayment}, r.kinds())
	})
}
