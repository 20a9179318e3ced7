package scenarios

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
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
	twins, ids := map[string]*Step{}, []string{} // by the snapshot event's ID; the IDs of the steps
	s.srv.Deliver(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		payload, err := io.ReadAll(request.Body)
		s.must(err)
		var e struct {
			ID, Type string
			Snapshot string `json:"snapshot_event"`
		}
		s.must(json.Unmarshal(payload, &e))
		if snapshotType, thin := strings.CutPrefix(e.Type, "v1."); thin && slices.Contains(st.events, snapshotType) {
			step := hears(e.Type, payload)
			twins[e.Snapshot] = &step
		} else if slices.Contains(st.events, e.Type) {
			r.steps = append(r.steps, hears(e.Type, payload))
			ids = append(ids, e.ID)
		}
	}), checkouttest.Both)
	st.happens(s)
	s.srv.Flush()
	for i := range r.steps {
		if r.steps[i].thin = twins[ids[i]]; r.steps[i].thin == nil {
			tb.Fatalf("event %v has no thin form", r.steps[i])
		}
	}
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
