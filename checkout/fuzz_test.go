package checkout

import (
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
)

// FuzzFacts reads what Stripe might send, of any API version, and holds what is concluded to what can be.
func FuzzFacts(f *testing.F) {
	for _, seed := range []string{
		`{"id":"cs_1","status":"complete","payment_status":"paid","amount_subtotal":1999,"metadata":{"fulfil_attempt":"2"}}`,
		`{"id":"cs_1","payment_intent":{"id":"pi_1","status":"requires_payment_method","latest_charge":{"id":"ch_1","amount_refunded":5,"disputed":true}}}`,
		`{"id":"cs_1","payment_status":"unpaid","subscription":{"id":"sub_1","status":"incomplete_expired"},"customer":{"id":"cus_1"}}`,
		`{"payment_intent":"pi_1","charge":null,"customer_details":{"address":{"line1":"a"}},"shipping":{"address":null}}`,
		`{"metadata":{"fulfil_attempt":"-1"},"total_details":null,"collected_information":{"shipping_details":null}}`,
		`null`, `[]`, `{"id":1}`, `"pi_1"`, `""`, `"a\u0062"`, `"a"b"`, "\"\xff\"", `"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var session sessionFacts
		var refund refundFacts
		var dispute disputeFacts
		var charge chargeFacts
		for _, into := range []any{&refund, &dispute, &charge} {
			_ = json.Unmarshal(data, into)
		}
		_ = disputeState(dispute.Status)
		if plain, ok := plainText(data); ok {
			var text string
			require.NoError(t, json.Unmarshal(data, &text))
			require.Equal(t, text, plain)
		}
		if json.Unmarshal(data, &session) != nil {
			return
		}
		answer, err := observeAnswer("fuzz", "", time.Now(), &stripe.APIResponse{RawJSON: data})
		require.NoError(t, err)
		all := []sessionUpdate{answer}
		for _, eventType := range sessionEvents {
			n := observeEvent(eventType, "evt_1", "", time.Now(), session, data)
			require.True(t, n.completed || eventType == eventExpired)
			require.True(t, n.expired || eventType != eventExpired)
			all = append(all, n)
		}
		for _, n := range all {
			require.True(t, !n.paid || n.completed && !n.failed, "paid is complete, and no failure")
			require.True(t, !n.failed || n.completed)
			require.False(t, n.paid && n.facts.PaymentStatus != "paid" && n.facts.PaymentStatus != "no_payment_required" &&
				n.facts.PaymentIntent.Status != "succeeded" && n.facts.Subscription.Status != "succeeded")
			attempt, _ := n.facts.attempt()
			require.GreaterOrEqual(t, attempt, 0)
			_, _ = n.facts.customer(), n.facts.amounts()
		}
	})
}

// FuzzWireParams: what was stored is what is sent, whatever it is.
func FuzzWireParams(f *testing.F) {
	for _, seed := range []string{
		"mode=payment&line_items[0][price]=price_1", "metadata%5Bfulfil_order%5D=a+b&x=1&x=2", "", "=", "a", "a=%zz", "a;b=c", "metadata[a]=\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		want, bad := url.ParseQuery(body)
		p, err := wireParams(body)
		if bad != nil || len(want) == 0 {
			require.Error(t, err)
			require.False(t, len(body) > 3 && err.Error() == body)
			return
		}
		require.NoError(t, err)
		require.Equal(t, want, sessionValues(p))
		again, err := url.ParseQuery(encodeParams(p))
		require.NoError(t, err)
		require.Equal(t, want, again)
	})
}
