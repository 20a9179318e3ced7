package checkouttest_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
)

// Setup intents without a session end as the test card says: https://docs.stripe.com/payments/setup-intents#lifecycle
func TestSetupIntentWithoutASession(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		card   string
		status int
		shown  string // the status of the intent after its confirmation
		event  string
	}{
		{"pm_card_visa", 200, "succeeded", "setup_intent.succeeded"},
		{"pm_card_chargeCustomerFail", 200, "succeeded", "setup_intent.succeeded"}, // it can be saved, and not charged
		{"pm_card_chargeDeclined", 402, "requires_payment_method", "setup_intent.setup_failed"},
		{"pm_card_authenticationRequired", 200, "requires_action", "setup_intent.requires_action"},
	} {
		srv, post, customer, _ := billing(t, "pm_card_visa")
		in := newInbox(srv)
		made := post(200, "/v1/setup_intents", "customer", customer, "description", "Card", "usage", "on_session")
		require.Equal(t, "requires_payment_method", made["status"])
		require.Equal(t, "on_session", made["usage"])
		path := "/v1/setup_intents/" + made["id"].(string)
		post(400, path+"/confirm")
		answer := post(c.status, path+"/confirm", "payment_method", c.card)
		if c.status == 402 {
			refusal := answer["error"].(map[string]any)
			require.Equal(t, "card_declined", refusal["code"])
			answer = refusal["setup_intent"].(map[string]any)
			require.Equal(t, "card_declined", answer["last_setup_error"].(map[string]any)["code"])
		}
		require.Equal(t, c.shown, answer["status"], c.card)
		srv.Flush()
		types := in.types(t)
		require.Equal(t, "setup_intent.created", types[0])
		require.Equal(t, c.event, types[len(types)-1])
		_, list := request(t, srv, "GET", "/v1/customers/"+customer+"/payment_methods", nil)
		if c.shown == "succeeded" {
			require.Len(t, list["data"], 2)
			require.Contains(t, types, "payment_method.attached")
			post(400, path+"/confirm")
			post(400, path+"/cancel")
			continue
		}
		require.Len(t, list["data"], 1, "nothing is saved")
		canceled := post(200, path+"/cancel", "cancellation_reason", "abandoned")
		require.Equal(t, "canceled", canceled["status"])
		require.Equal(t, "abandoned", canceled["cancellation_reason"])
		post(400, path+"/cancel")
		post(400, path+"/confirm", "payment_method", "pm_card_visa")
	}
}

// The method of another customer is refused, and so is a session's own intent.
func TestSetupIntentRefusals(t *testing.T) {
	t.Parallel()
	srv, post, _, method := billing(t, "pm_card_visa")
	other := post(200, "/v1/customers")["id"].(string)
	post(400, "/v1/setup_intents", "customer", other, "payment_method", method, "confirm", "true")
	post(400, "/v1/setup_intents", "confirm", "true")
	post(400, "/v1/setup_intents", "customer", "cus_none")
	post(400, "/v1/setup_intents", "usage", "sometimes")
	post(400, "/v1/setup_intents", "payment_method_types[0]", "sepa_debit", "payment_method", "pm_card_visa", "confirm", "true")
	sess := create(t, srv, &stripe.CheckoutSessionCreateParams{Mode: stripe.String("setup"), Currency: stripe.String("usd"), SuccessURL: stripe.String("https://shop.example/")})
	path := "/v1/setup_intents/" + retrieve(t, srv, sess.ID, "setup_intent").SetupIntent.ID
	post(400, path+"/cancel")
	post(400, path+"/confirm", "payment_method", "pm_card_visa")
}
