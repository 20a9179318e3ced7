package checkout_test

import (
	"encoding/json"
	"io"
	"net/http"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/internal/scenarios"
	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
)

const (
	completed  = "checkout.session.completed"
	succeeded  = "checkout.session.async_payment_succeeded"
	chargeBack = "charge.refunded"
)

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
		var event struct{ Type string }
		require.NoError(s.t, json.Unmarshal(payload, &event))
		all = append(all, heard{event.Type, payload})
	}), checkouttest.Snapshot)
	return &all
}

func (s *testShop) disputePayment(id string) (dispute string) {
	s.t.Helper()
	dispute, err := s.srv.Dispute(id)
	require.NoError(s.t, err)
	return dispute
}

// rewound is the shop as it was when only these orders were there and nothing was heard of them yet.
func (s *testShop) rewound(orders ...*store.Order) *testShop {
	s.t.Helper()
	shop, err := s.st.ShopID(s.t.Context(), "made already")
	require.NoError(s.t, err)
	return s.rewoundTo(shop, orders...)
}

// rewoundTo is rewound for the orders that a shop of that ID began.
func (s *testShop) rewoundTo(shop string, orders ...*store.Order) *testShop {
	s.t.Helper()
	r := &testShop{
		t: s.t, srv: s.srv, wire: s.wire, log: s.log, st: memstore.New(), stock: memreserver.New(),
	}
	require.NoError(s.t, scenarios.Rewind(s.t.Context(), r.st, r.stock, shop, orders...))
	r.flow, r.hook = r.process()
	return r
}
