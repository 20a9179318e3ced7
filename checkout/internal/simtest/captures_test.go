package simtest

import (
	"context"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// captured is what the merchant captures of an authorization when it is a part, in minor units.
const captured = 1200

// capture has the merchant capture what was authorized, or a part of it, or cancel the authorization.
func (w *world) capture(s *simSession, dice uint64) error {
	id := w.intentOf(s)
	if id == "" || !s.authorized {
		return checkouttest.ErrNotPending
	}
	var err error
	client, account := w.srv.Client(), w.account(s.order)
	done := "captured"
	switch dice % 4 {
	case 0:
		params := &stripe.PaymentIntentCancelParams{}
		setAccount(params, account)
		_, err = client.V1PaymentIntents.Cancel(context.Background(), id, params)
		done = "authorization canceled"
	case 1:
		params := &stripe.PaymentIntentCaptureParams{AmountToCapture: stripe.Int64(captured)}
		setAccount(params, account)
		_, err = client.V1PaymentIntents.Capture(context.Background(), id, params)
		done = "captured in part"
	default:
		params := &stripe.PaymentIntentCaptureParams{}
		setAccount(params, account)
		_, err = client.V1PaymentIntents.Capture(context.Background(), id, params)
	}
	w.srv.Flush()
	if err == nil {
		w.met(done)
	}
	return err
}

// setAccount has a request made on a connected account; empty: the merchant's own.
func setAccount(params interface{ SetStripeAccount(string) }, account string) {
	if account != "" {
		params.SetStripeAccount(account)
	}
}

// intentOf is the payment intent of a session, by its events; empty: there is none.
func (w *world) intentOf(s *simSession) (id string) {
	for _, e := range w.srv.Events() {
		if e.Type == "payment_intent.created" && e.SessionID == s.id {
			id = e.ObjectID
		}
	}
	return id
}
