package scenarios

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
)

// Recording is a story that has happened at Stripe. The shop has heard nothing of it yet.
type Recording struct {
	// Stripe is the test server after the story. Its clock stands still, and the steps change nothing in it.
	Stripe *checkouttest.Server
	// Shop is the ID of the shop that began the order.
	Shop string
	// Begun is the order before the shop heard anything. It must not be changed.
	Begun *store.Order

	steps    []Step // the events first
	events   int
	unpolled bool
}

// Record makes the story happen at Stripe.
func (st *Story) Record(tb testing.TB) *Recording {
	tb.Helper()
	s := newRecorder(tb)
	r := &Recording{Stripe: s.srv, unpolled: st.unpolled}
	s.srv.Deliver(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		payload, err := io.ReadAll(request.Body)
		s.must(err)
		var e struct{ Type string }
		s.must(json.Unmarshal(payload, &e))
		if slices.Contains(st.events, e.Type) {
			r.steps = append(r.steps, hears(e.Type, payload))
		}
	}))
	st.happens(s)
	s.srv.Flush()
	r.events = len(r.steps)
	if st.acts != nil {
		r.steps = append(r.steps, st.acts(s)...)
	}
	if len(r.steps) != st.steps {
		tb.Fatalf("the story has %d steps, not %d: %v", len(r.steps), st.steps, r.steps)
	}
	var err error
	r.Shop, err = s.st.ShopID(tb.Context(), "made already")
	s.must(err)
	r.Begun, err = s.flow.Order(tb.Context(), OrderID)
	s.must(err)
	return r
}
