package checkouttest_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// The page, the API and Pay decline a card with the same codes: https://docs.stripe.com/testing#declined-payments and
// https://docs.stripe.com/radar/testing. Stripe's answers have the messages.
func TestDeclinedCards(t *testing.T) {
	t.Parallel()
	const declined = "Your card was declined."
	for name, c := range map[string]struct{ number, code, decline, message string }{
		"visa_chargeDeclined":                      {"4000 0000 0000 0002", "card_declined", "generic_decline", declined},
		"visa_chargeDeclinedInsufficientFunds":     {"4000 0000 0000 9995", "card_declined", "insufficient_funds", "Your card has insufficient funds."},
		"visa_chargeDeclinedLostCard":              {"4000 0000 0000 9987", "card_declined", "lost_card", declined},
		"visa_chargeDeclinedStolenCard":            {"4000 0000 0000 9979", "card_declined", "stolen_card", declined},
		"chargeDeclinedExpiredCard":                {"4000 0000 0000 0069", "expired_card", "", "Your card has expired."},
		"chargeDeclinedIncorrectCvc":               {"4000 0000 0000 0127", "incorrect_cvc", "", "Your card's security code is incorrect."},
		"chargeDeclinedProcessingError":            {"4000 0000 0000 0119", "processing_error", "", "An error occurred while processing your card. Try again in a little bit."},
		"visa_chargeDeclinedVelocityLimitExceeded": {"4000 0000 0000 6975", "card_declined", "card_velocity_exceeded", "Your card was declined for making repeated attempts too frequently or exceeding its amount limit."},
		"chargeCustomerFail":                       {"4000 0000 0000 0341", "card_declined", "generic_decline", declined},
		"radarBlock":                               {"4100 0000 0000 0019", "card_declined", "fraudulent", declined},
		"riskLevelHighest":                         {"4000 0000 0000 4954", "card_declined", "generic_decline", declined},
		"cvcCheckFail":                             {"4000 0000 0000 0101", "incorrect_cvc", "", "Your card's security code is incorrect."},
		"threeDSecureRequiredProcessingError":      {"4000 0084 0000 1280", "card_declined", "generic_decline", declined},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, checkouttest.Config{})
			sess := create(t, srv, tee())
			for _, method := range []string{c.number, "pm_card_" + name, "tok_" + name} {
				var refused *checkouttest.PaymentError
				require.ErrorAs(t, srv.Pay(sess.ID, checkouttest.PaymentMethod(method)), &refused, method)
				require.Equal(t, []string{c.code, c.decline, c.message}, []string{refused.Code, refused.DeclineCode, refused.Message}, method)
			}
			v := visitor{t, srv}
			page := v.submit(v.get(sess.URL), card(checkouttest.PaymentMethod(c.number)))
			require.Equal(t, http.StatusPaymentRequired, page.status)
			require.Contains(t, page.body, strings.ReplaceAll(c.message, "'", "&#39;"))

			status, body := call(t, srv, http.MethodPost, "/v1/payment_intents", form(
				"amount", "1000", "currency", "usd", "payment_method_types[0]", "card", "payment_method", "pm_card_"+name, "confirm", "true"))
			require.Equal(t, http.StatusPaymentRequired, status)
			e := body["error"].(map[string]any)
			decline, _ := e["decline_code"].(string)
			require.Equal(t, []any{"card_error", c.code, c.decline, c.message}, []any{e["type"], e["code"], decline, e["message"]})
			last := e["payment_intent"].(map[string]any)["last_payment_error"].(map[string]any)
			require.Equal(t, c.code, last["code"])
			require.Equal(t, strings.ReplaceAll(c.number, " ", "")[12:], last["payment_method"].(map[string]any)["card"].(map[string]any)["last4"])
		})
	}
}

// A declined card can't be attached to a customer, with three exceptions: https://docs.stripe.com/testing#declined-payments
func TestDeclinedCardsOfCustomers(t *testing.T) {
	t.Parallel()
	srv, post, customer, _ := billing(t, "pm_card_visa")
	for name, status := range map[string]int{"visa_chargeDeclined": 402, "radarBlock": 402, "chargeCustomerFail": 200, "authenticationRequired": 200} {
		answer := post(status, "/v1/payment_methods/pm_card_"+name+"/attach", "customer", customer)
		if status == http.StatusPaymentRequired {
			require.Equal(t, "card_declined", answer["error"].(map[string]any)["code"], name)
		}
		post(status, "/v1/customers", "payment_method", "pm_card_"+name)
	}
	setup := &stripe.CheckoutSessionCreateParams{
		Mode: stripe.String("setup"), Currency: stripe.String("usd"), SuccessURL: stripe.String("https://shop.example/"),
	}
	require.Error(t, srv.Pay(create(t, srv, setup).ID, checkouttest.CardDeclined))
	require.NoError(t, srv.Pay(create(t, srv, setup).ID, checkouttest.CardRenewalFails))
}

// https://docs.stripe.com/testing#invalid-data
func TestInvalidCardData(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	for code, data := range map[string][]string{
		"incorrect_number":     {"card[number]", "4242424242424241"},
		"invalid_expiry_month": {"card[number]", "4242424242424242", "card[exp_month]", "13"},
		"invalid_expiry_year":  {"card[number]", "4242424242424242", "card[exp_year]", "1995"},
		"invalid_cvc":          {"card[number]", "4242424242424242", "card[cvc]", "99"},
	} {
		status, body := call(t, srv, http.MethodPost, "/v1/payment_methods", form(append(data, "type", "card")...))
		require.Equal(t, http.StatusPaymentRequired, status, code)
		require.Equal(t, code, body["error"].(map[string]any)["code"])
		require.Equal(t, "card_error", body["error"].(map[string]any)["type"])
	}
	v := visitor{t, srv}
	page := v.submit(v.get(create(t, srv, tee()).URL), card("4242 4242 4242 4241"))
	require.Equal(t, http.StatusUnprocessableEntity, page.status)
	require.Contains(t, page.body, "Your card number is invalid.")
}

// What the bank and the card network do by themselves with a payment: https://docs.stripe.com/testing#disputes
func TestCardsThatAreDisputed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		number   string
		disputes []string // their status, reason and amount
		warned   bool
	}{
		"createDispute":                   {number: "4000000000000259", disputes: []string{"needs_response fraudulent 1999"}},
		"createDisputeProductNotReceived": {number: "4000000000002685", disputes: []string{"needs_response product_not_received 1999"}},
		"createDisputeInquiry":            {number: "4000000000001976", disputes: []string{"warning_needs_response fraudulent 1999"}},
		"createMultipleDisputes":          {number: "4000000404000079", disputes: []string{"needs_response fraudulent 1000", "needs_response fraudulent 999"}},
		"createComplianceDispute":         {number: "4000008400000779", disputes: []string{"needs_response noncompliant 1999"}},
		"createIssuerFraudRecord":         {number: "4000000000005423", warned: true},
		"visa":                            {number: "4242424242424242"},
	} {
		for _, method := range []string{c.number, "pm_card_" + name} {
			srv := newServer(t, checkouttest.Config{})
			sess := create(t, srv, tee())
			require.NoError(t, srv.Pay(sess.ID, checkouttest.PaymentMethod(method)))
			var disputes []string
			for d, err := range srv.Client().V1Disputes.List(context.Background(), nil) {
				require.NoError(t, err)
				disputes = append(disputes, string(d.Status)+" "+string(d.Reason)+" "+strconv.FormatInt(d.Amount, 10))
			}
			require.Equal(t, c.disputes, disputes, method)
			warnings := 0
			for w, err := range srv.Client().V1RadarEarlyFraudWarnings.List(context.Background(), nil) {
				require.NoError(t, err)
				require.True(t, w.Actionable)
				require.Equal(t, retrieve(t, srv, sess.ID, "payment_intent").PaymentIntent.LatestCharge.ID, w.Charge.ID)
				warnings++
			}
			require.Equal(t, c.warned, warnings == 1, method)
			require.Equal(t, c.warned, typesOf(srv)["radar.early_fraud_warning.created"] == 1)
			_, err := srv.Refund(sess.ID, 0)
			require.Equal(t, len(c.disputes) > 0 && strings.HasPrefix(c.disputes[0], "needs"), err != nil, method)
			require.Equal(t, c.warned, typesOf(srv)["radar.early_fraud_warning.updated"] == 1, "a refund ends the warning")
		}
	}
}

// A held payment can't be disputed. The dispute comes with the capture, as Stripe's test mode does it.
func TestDisputeFollowsTheCapture(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	params := tee()
	params.PaymentIntentData = &stripe.CheckoutSessionCreatePaymentIntentDataParams{CaptureMethod: stripe.String("manual")}
	id := create(t, srv, params).ID
	require.NoError(t, srv.Pay(id, checkouttest.CardDisputed))
	require.Zero(t, typesOf(srv)["charge.dispute.created"])
	_, err := srv.Client().V1PaymentIntents.Capture(context.Background(), retrieve(t, srv, id).PaymentIntent.ID, nil)
	require.NoError(t, err)
	require.Equal(t, 1, typesOf(srv)["charge.dispute.created"])
}

// https://docs.stripe.com/testing#regulatory-cards
func TestCardsThatAuthenticate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		number string
		asks   bool
		code   string // of the error after the challenge, or without one
	}{
		"authenticationRequiredOnSetup":                         {"4000 0025 0000 3155", true, ""},
		"authenticationRequired":                                {"4000 0027 6000 3184", true, ""},
		"authenticationRequiredSetupForOffSession":              {"4000 0038 0000 0446", true, ""},
		"authenticationRequiredChargeDeclinedInsufficientFunds": {"4000 0082 6000 3178", true, "insufficient_funds"},
		"threeDSecure2Required":                                 {"4000 0000 0000 3220", true, ""},
		"threeDSecureRequiredChargeDeclined":                    {"4000 0084 0000 1629", true, "generic_decline"},
		"threeDSecureRequiredProcessingError":                   {"4000 0084 0000 1280", false, "generic_decline"},
		"threeDSecureOptional":                                  {"4000 0000 0000 3055", false, ""},
		"threeDSecureOptionalProcessingError":                   {"4000 0000 0000 3097", false, ""},
		"amex_threeDSecureNotSupported":                         {"3782 822463 10005", false, ""},
	} {
		srv := newServer(t, checkouttest.Config{})
		sess := create(t, srv, tee())
		v := visitor{t, srv}
		typed := card(checkouttest.PaymentMethod(c.number))
		if strings.HasPrefix(c.number, "37") {
			typed.Set("cardCvc", "1234")
		}
		answer := v.submit(v.get(sess.URL), typed)
		require.Equal(t, c.asks, strings.HasSuffix(answer.location, "/authenticate"), name)
		if c.asks {
			answer = v.submit(v.get(answer.location), map[string][]string{"result": {"complete"}})
		}
		require.Equal(t, c.code == "", answer.status == http.StatusSeeOther, "%s: %s", name, answer.body)

		other := create(t, srv, tee()).ID
		err := srv.Pay(other, checkouttest.PaymentMethod("pm_card_"+name))
		if c.code == "" {
			require.NoError(t, err, name)
			continue
		}
		var refused *checkouttest.PaymentError
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, c.code, refused.DeclineCode, name)
		require.EqualValues(t, "open", retrieve(t, srv, other).Status)
		require.NoError(t, srv.Pay(other, checkouttest.CardOK), "another card pays the session")
	}
}

// A charge shows the card's brand, country, checks and risk: https://docs.stripe.com/testing#cards and
// https://docs.stripe.com/radar/testing
func TestWhatChargesShowOfCards(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		"4242424242424242":    "visa US credit line1:pass zip:pass cvc:pass normal authorized",
		"5200828282828210":    "mastercard US debit line1:pass zip:pass cvc:pass normal authorized",
		"378282246310005":     "amex US credit line1:pass zip:pass cvc:pass normal authorized",
		"6205500000000000004": "unionpay CN credit line1:pass zip:pass cvc:pass normal authorized",
		"4000002760000016":    "visa DE credit line1:pass zip:pass cvc:pass normal authorized",
		"4000000000000036":    "visa US credit line1:pass zip:fail cvc:pass normal authorized",
		"4000000000000028":    "visa US credit line1:fail zip:pass cvc:pass normal authorized",
		"4000000000000044":    "visa US credit line1:unavailable zip:unavailable cvc:pass normal authorized",
		"4000000000009235":    "visa US credit line1:pass zip:pass cvc:pass elevated authorized",
		"4000000000000101":    "visa US credit line1:pass zip:pass cvc:fail normal issuer_declined",
		"4100000000000019":    "visa US credit line1:pass zip:pass cvc:pass highest blocked",
		"4001007020000002":    "visa SG credit line1:pass zip:pass cvc:pass normal authorized",
		"4000008260000075":    "visa GB credit line1:pass zip:pass cvc:pass normal authorized",
		"4001000360000005":    "visa AU credit line1:pass zip:pass cvc:pass normal authorized",
		"4000002760000008":    "visa DE credit line1:pass zip:pass cvc:pass normal authorized",
	} {
		srv := newServer(t, checkouttest.Config{})
		id := create(t, srv, tee()).ID
		_ = srv.Pay(id, checkouttest.PaymentMethod(number)) // two of them are declined
		ch := retrieve(t, srv, id, "payment_intent.latest_charge").PaymentIntent.LatestCharge
		pm, err := srv.Client().V1PaymentMethods.Retrieve(context.Background(), ch.PaymentMethod, nil)
		require.NoError(t, err)
		shown, method := ch.PaymentMethodDetails.Card, pm.Card
		require.Equal(t, want, strings.Join([]string{
			string(shown.Brand), shown.Country, string(shown.Funding), "line1:" + string(shown.Checks.AddressLine1Check),
			"zip:" + string(shown.Checks.AddressPostalCodeCheck), "cvc:" + string(shown.Checks.CVCCheck), ch.Outcome.RiskLevel, ch.Outcome.Type,
		}, " "), number)
		require.Equal(t, []string{string(shown.Brand), shown.Country, shown.Last4, shown.Fingerprint}, []string{string(method.Brand), method.Country, method.Last4, method.Fingerprint})
	}
}

// An inquiry can end in a dispute: https://docs.stripe.com/testing#evidence
func TestEvidenceForAnInquiry(t *testing.T) {
	t.Parallel()
	for evidence, want := range map[string]string{
		"winning_evidence": "warning_closed", "losing_evidence": "warning_closed", "escalate_inquiry_evidence": "needs_response",
	} {
		srv := newServer(t, checkouttest.Config{})
		id := create(t, srv, tee()).ID
		require.NoError(t, srv.Pay(id, checkouttest.CardOK))
		du, err := srv.Inquire(id)
		require.NoError(t, err)
		d, err := srv.Client().V1Disputes.Update(context.Background(), du, &stripe.DisputeUpdateParams{Evidence: &stripe.DisputeUpdateEvidenceParams{UncategorizedText: stripe.String(evidence)}})
		require.NoError(t, err)
		require.EqualValues(t, want, d.Status, evidence)
		require.Len(t, d.BalanceTransactions, map[string]int{"needs_response": 1}[want], evidence)
	}
}

// typesOf counts the events of a server by their types.
func typesOf(srv *checkouttest.Server) map[string]int {
	found := map[string]int{}
	for _, e := range srv.Events() {
		found[e.Type]++
	}
	return found
}
