package checkouttest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// eventTypes are the types of all events so far.
func eventTypes(srv *checkouttest.Server) []string {
	var types []string
	for _, e := range srv.Events() {
		types = append(types, e.Type)
	}
	return types
}

func intent(method string) *stripe.PaymentIntentCreateParams {
	return &stripe.PaymentIntentCreateParams{
		Amount: stripe.Int64(2000), Currency: stripe.String("usd"), Confirm: stripe.Bool(true), PaymentMethod: stripe.String(method),
		PaymentMethodTypes: []*string{stripe.String("card")},
	}
}

func TestIntentsWithoutASession(t *testing.T) {
	t.Parallel()
	for method, c := range map[string]struct {
		status stripe.PaymentIntentStatus
		events []string
	}{
		"pm_card_visa":                   {stripe.PaymentIntentStatusSucceeded, []string{"payment_intent.created", "charge.succeeded", "payment_intent.succeeded"}},
		"pm_card_createDispute":          {stripe.PaymentIntentStatusSucceeded, []string{"payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.updated"}},
		"pm_card_authenticationRequired": {stripe.PaymentIntentStatusRequiresAction, []string{"payment_intent.created", "payment_intent.requires_action"}},
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, checkouttest.Config{})
			pi, err := srv.Client().V1PaymentIntents.Create(context.Background(), intent(method))
			require.NoError(t, err)
			require.Equal(t, c.status, pi.Status)
			require.Equal(t, c.events, eventTypes(srv))
			require.EqualValues(t, 2000, pi.Amount)
			sessions := srv.Client().V1CheckoutSessions.List(context.Background(), &stripe.CheckoutSessionListParams{})
			for range sessions {
				t.Fatal("a session appeared")
			}
		})
	}
}

func TestIntentDeclined(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	_, err := srv.Client().V1PaymentIntents.Create(context.Background(), intent("pm_card_chargeDeclinedInsufficientFunds"))
	var refused *stripe.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusPaymentRequired, refused.HTTPStatusCode)
	require.Equal(t, stripe.ErrorTypeCard, refused.Type)
	require.Equal(t, stripe.ErrorCodeCardDeclined, refused.Code)
	require.Equal(t, stripe.DeclineCodeInsufficientFunds, refused.DeclineCode)
	require.Equal(t, stripe.PaymentIntentStatusRequiresPaymentMethod, refused.PaymentIntent.Status)
	require.Equal(t, []string{"payment_intent.created", "charge.failed", "payment_intent.payment_failed"}, eventTypes(srv))

	pi, err := srv.Client().V1PaymentIntents.Confirm(context.Background(), refused.PaymentIntent.ID, &stripe.PaymentIntentConfirmParams{PaymentMethod: stripe.String("pm_card_visa")})
	require.NoError(t, err)
	require.Equal(t, stripe.PaymentIntentStatusSucceeded, pi.Status)
	_, err = srv.Client().V1PaymentIntents.Confirm(context.Background(), pi.ID, &stripe.PaymentIntentConfirmParams{PaymentMethod: stripe.String("pm_card_visa")})
	require.ErrorAs(t, err, &refused)
	require.Equal(t, stripe.ErrorCodePaymentIntentUnexpectedState, refused.Code)
}

func TestIntentLaterConfirmedCapturedCanceled(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	api, ctx := srv.Client(), context.Background()
	params := intent("pm_card_visa")
	params.Confirm, params.CaptureMethod = nil, stripe.String("manual")
	pi, err := api.V1PaymentIntents.Create(ctx, params)
	require.NoError(t, err)
	require.Equal(t, stripe.PaymentIntentStatusRequiresConfirmation, pi.Status)
	pi, err = api.V1PaymentIntents.Confirm(ctx, pi.ID, nil)
	require.NoError(t, err)
	require.Equal(t, stripe.PaymentIntentStatusRequiresCapture, pi.Status)
	_, err = api.V1PaymentIntents.Capture(ctx, pi.ID, &stripe.PaymentIntentCaptureParams{AmountToCapture: stripe.Int64(2001)})
	require.Error(t, err)
	pi, err = api.V1PaymentIntents.Capture(ctx, pi.ID, &stripe.PaymentIntentCaptureParams{AmountToCapture: stripe.Int64(1500)})
	require.NoError(t, err)
	require.Equal(t, stripe.PaymentIntentStatusSucceeded, pi.Status)
	require.EqualValues(t, 1500, pi.AmountReceived)
	require.Equal(t, []string{"charge.captured", "payment_intent.succeeded"}, eventTypes(srv)[3:])
	_, err = api.V1PaymentIntents.Cancel(ctx, pi.ID, nil)
	require.Error(t, err, "it has succeeded")

	pi, err = api.V1PaymentIntents.Create(ctx, &stripe.PaymentIntentCreateParams{Amount: stripe.Int64(100), Currency: stripe.String("usd")})
	require.NoError(t, err)
	require.Equal(t, stripe.PaymentIntentStatusRequiresPaymentMethod, pi.Status)
	pi, err = api.V1PaymentIntents.Cancel(ctx, pi.ID, &stripe.PaymentIntentCancelParams{CancellationReason: stripe.String("duplicate")})
	require.NoError(t, err)
	require.Equal(t, stripe.PaymentIntentStatusCanceled, pi.Status)
	require.Equal(t, stripe.PaymentIntentCancellationReasonDuplicate, pi.CancellationReason)
}

// A session's own payment intent is paid on its page alone, and ends with the session.
func TestIntentOfASession(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	sess := create(t, srv, tee())
	require.Error(t, srv.Pay(sess.ID, checkouttest.CardDeclined))
	pi := retrieve(t, srv, sess.ID, "payment_intent").PaymentIntent.ID
	_, err := srv.Client().V1PaymentIntents.Cancel(context.Background(), pi, nil)
	require.ErrorContains(t, err, "Expire the Checkout Session instead")
	_, err = srv.Client().V1PaymentIntents.Confirm(context.Background(), pi, &stripe.PaymentIntentConfirmParams{PaymentMethod: stripe.String("pm_card_visa")})
	require.ErrorContains(t, err, "Checkout Session")
	require.NoError(t, srv.Pay(sess.ID, checkouttest.CardOK))
}

// call sends a form to a path that stripe-go does not know.
func call(t *testing.T, srv *checkouttest.Server, method, path string, form url.Values) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequest(method, srv.URL()+path, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+srv.Key())
	resp, err := srv.Transport().RoundTrip(r)
	require.NoError(t, err)
	var answer map[string]any
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	return resp.StatusCode, answer
}

func TestPaymentPage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method        url.Values
		wait          time.Duration
		paymentStatus stripe.CheckoutSessionPaymentStatus
		last          string
	}{
		"card":               {method: url.Values{"type": {"card"}, "card[token]": {"tok_visa"}, "billing_details[email]": {"a@shop.example"}}, paymentStatus: "paid", last: "checkout.session.completed"},
		"debit":              {method: debit("AT611904300234573201"), paymentStatus: "paid", last: "checkout.session.async_payment_succeeded"},
		"debit, later":       {method: debit("AT321904300235473204"), wait: 3 * time.Minute, paymentStatus: "paid", last: "checkout.session.async_payment_succeeded"},
		"debit, not yet":     {method: debit("AT321904300235473204"), wait: 179 * time.Second, paymentStatus: "unpaid", last: "checkout.session.completed"},
		"debit that fails":   {method: debit("IT60X0542811101000000123456"), paymentStatus: "unpaid", last: "checkout.session.async_payment_failed"},
		"debit of no ending": {method: debit("DE89370400440532013000"), wait: time.Hour, paymentStatus: "unpaid", last: "checkout.session.completed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, checkouttest.Config{})
			params := tee()
			params.LineItems[0].PriceData.Currency = stripe.String("eur")
			sess := create(t, srv, params)
			status, _ := call(t, srv, http.MethodGet, "/v1/payment_pages/"+sess.ID, nil)
			require.Equal(t, http.StatusOK, status)
			status, pm := call(t, srv, http.MethodPost, "/v1/payment_methods", c.method)
			require.Equal(t, http.StatusOK, status, pm)
			confirm := url.Values{"payment_method": {pm["id"].(string)}, "expected_amount": {"1998"}}
			status, _ = call(t, srv, http.MethodPost, "/v1/payment_pages/"+sess.ID+"/confirm", confirm)
			require.Equal(t, http.StatusBadRequest, status, "another amount")
			confirm.Set("expected_amount", "1999")
			status, body := call(t, srv, http.MethodPost, "/v1/payment_pages/"+sess.ID+"/confirm", confirm)
			require.Equal(t, http.StatusOK, status, body)
			srv.Advance(c.wait)
			types := eventTypes(srv)
			require.Equal(t, c.last, types[len(types)-1])
			got := retrieve(t, srv, sess.ID)
			require.Equal(t, c.paymentStatus, got.PaymentStatus)
			require.Equal(t, "a@shop.example", got.CustomerDetails.Email)
			status, body = call(t, srv, http.MethodPost, "/v1/payment_pages/"+sess.ID+"/confirm", confirm)
			require.Equal(t, http.StatusBadRequest, status, body)
		})
	}
}

func debit(iban string) url.Values {
	return url.Values{"type": {"sepa_debit"}, "sepa_debit[iban]": {iban}, "billing_details[email]": {"a@shop.example"}}
}

func TestPaymentMethodsRefused(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	for name, form := range map[string]url.Values{
		"no type":         {},
		"other type":      {"type": {"alipay"}},
		"a real card":     {"type": {"card"}, "card[number]": {"4111111111111111"}},
		"a debit as card": {"type": {"card"}, "card[number]": {"bank_debit"}},
		"short IBAN":      {"type": {"sepa_debit"}, "sepa_debit[iban]": {"AT61"}},
	} {
		status, body := call(t, srv, http.MethodPost, "/v1/payment_methods", form)
		require.Equal(t, http.StatusBadRequest, status, name)
		require.NotContains(t, body["error"].(map[string]any)["message"], "4111")
	}
	_, err := srv.Client().V1PaymentIntents.Create(context.Background(), intent("pm_unknown"))
	require.ErrorContains(t, err, "No such PaymentMethod: 'pm_unknown'")
}
