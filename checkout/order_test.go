package checkout_test

import (
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
)

// outcome is what must not depend on the order in which things are heard.
type outcome struct {
	Status    string
	Facts     []facts
	Refunds   []store.Refund  // by ID
	Disputes  []store.Dispute // by ID
	Parked    string
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
		Refunds: o.Refunds, Disputes: o.Disputes, Parked: o.Parked,
		Email: o.Customer.Email, Total: o.Amounts.Total,
	}
	slices.SortFunc(out.Refunds, func(a, b store.Refund) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(out.Disputes, func(a, b store.Dispute) int { return strings.Compare(a.ID, b.ID) })
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
