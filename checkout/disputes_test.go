package checkout_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
)

func TestDisputes(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		how    func(*checkouttest.Server, string) error
		status checkout.DisplayStatus
		kind   checkout.ChangeKind
	}{
		"won":  {(*checkouttest.Server).WinDispute, checkout.Fulfilled, checkout.ChangeDisputeWon},
		"lost": {(*checkouttest.Server).LoseDispute, "disputed", checkout.ChangeDisputeLost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			id := s.begin(cartOf("order-1", "tee")).SessionID
			s.pay(id)
			dispute, err := s.srv.Dispute(id)
			require.NoError(t, err)
			s.requireStatus("order-1", "disputed")
			require.True(t, s.order("order-1").Paid(), "a dispute never erases the payment")
			require.NoError(t, end.how(s.srv, dispute))
			s.requireStatus("order-1", end.status)
			require.Equal(t, []checkout.ChangeKind{checkout.ChangeDisputed, end.kind}, s.kinds())
		})
	}
}

// answerDispute has Stripe say that a dispute has a status.
func (s *testShop) answerDispute(id, status string) {
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if strings.HasPrefix(r.URL.Path, "/v1/disputes/") {
			return answer(r, http.StatusOK, `{"id":"`+id+`","object":"dispute","amount":1999,"status":"`+status+`","payment_intent":"`+
				s.order("order-1").Attempts[0].PaymentIntent+`"}`), nil
		}
		return send()
	})
}

// No state of a dispute is final, and none comes first. Stripe's newest answer stands.
func TestDisputeEndsAreNotFinal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		statuses []string
		states   []store.DisputeState
		told     []checkout.ChangeKind
	}{
		"lost, then won": {[]string{"lost", "won"}, []store.DisputeState{store.DisputeLost, store.DisputeWon},
			[]checkout.ChangeKind{checkout.ChangeDisputeLost, checkout.ChangeDisputeWon}},
		"a closed inquiry is opened again": {[]string{"warning_needs_response", "warning_closed", "needs_response"},
			[]store.DisputeState{store.DisputeOpen, store.DisputeWon, store.DisputeOpen},
			[]checkout.ChangeKind{checkout.ChangeDisputed, checkout.ChangeDisputeWon, checkout.ChangeDisputed}},
		"an appeal": {[]string{"lost", "appeal_under_review", "won"},
			[]store.DisputeState{store.DisputeLost, store.DisputeOpen, store.DisputeWon},
			[]checkout.ChangeKind{checkout.ChangeDisputeLost, checkout.ChangeDisputed, checkout.ChangeDisputeWon}},
		"a status of the future": {[]string{"on_the_moon"}, []store.DisputeState{store.DisputeOpen}, []checkout.ChangeKind{checkout.ChangeDisputed}},
		"prevented":              {[]string{"prevented"}, []store.DisputeState{store.DisputeWon}, []checkout.ChangeKind{checkout.ChangeDisputeWon}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
			intent := s.order("order-1").Attempts[0].PaymentIntent
			for i, status := range c.statuses {
				s.answerDispute("du_1", status)
				event := "charge.dispute.updated"
				if i == 0 {
					event = "charge.dispute.created"
				}
				require.NoError(t, s.dispatch(event, map[string]any{
					"id": "du_1", "object": "dispute", "amount": 1999, "status": status, "payment_intent": intent,
				}))
				require.Equal(t, c.states[i], s.order("order-1").Disputes[0].State, status)
			}
			require.Equal(t, c.told, s.kinds())
			// A first event that comes last changes nothing.
			require.NoError(t, s.dispatch("charge.dispute.created", map[string]any{
				"id": "du_1", "object": "dispute", "amount": 1999, "status": "warning_under_review", "payment_intent": intent,
			}))
			require.Equal(t, c.states[len(c.states)-1], s.order("order-1").Disputes[0].State)
			require.Equal(t, c.told, s.kinds())
		})
	}
}

// An inquiry that becomes a dispute is told again, and once. Nothing is told when the bank goes on asking.
func TestInquiryThatBecomesADispute(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	paid := s.begin(cartOf("order-1", "tee")).SessionID
	s.pay(paid)
	all := s.recordEvents()
	id, err := s.srv.Inquire(paid)
	require.NoError(t, err)
	is := func(status string) { // Stripe says so, and sends an event
		as := func(b []byte) string { return strings.ReplaceAll(string(b), "warning_needs_response", status) }
		s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			response, err := send()
			if r.URL.Path != "/v1/disputes/"+id || err != nil {
				return response, err
			}
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			return answer(r, response.StatusCode, as(body)), nil
		})
		for _, e := range *all {
			if e.eventType == "charge.dispute.created" {
				require.NoError(t, s.hook.Dispatch(t.Context(), []byte(as(e.payload))))
			}
		}
	}
	for _, status := range []string{"warning_needs_response", "warning_under_review"} {
		is(status)
		require.True(t, s.order("order-1").Disputes[0].Inquiry)
		require.Equal(t, []checkout.ChangeKind{checkout.ChangeDisputed}, s.kinds())
	}
	for _, status := range []string{"needs_response", "under_review"} {
		is(status)
		require.False(t, s.order("order-1").Disputes[0].Inquiry)
		require.Equal(t, []checkout.ChangeKind{checkout.ChangeDisputed, checkout.ChangeDisputed}, s.kinds())
	}
	require.NotEqual(t, s.changes[0].Key, s.changes[1].Key)
}
