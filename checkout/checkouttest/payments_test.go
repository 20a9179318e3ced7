package checkouttest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// state holds the fields of a session and its payment intent that the tables below compare.
type state struct {
	status, payment, intent, charge string
}

func stateOf(t *testing.T, srv *checkouttest.Server, id string) state {
	t.Helper()
	sess := retrieve(t, srv, id, "payment_intent.latest_charge")
	st := state{status: string(sess.Status), payment: string(sess.PaymentStatus)}
	if pi := sess.PaymentIntent; pi != nil {
		st.intent = string(pi.Status)
		if pi.LatestCharge != nil {
			st.charge = string(pi.LatestCharge.Status)
		}
	}
	return st
}

func TestLifeOfASession(t *testing.T) {
	t.Parallel()
	type step struct {
		do     func(srv *checkouttest.Server, id string) error
		err    error
		code   string // of a *PaymentError
		then   state
		events []string
	}
	pay := func(m checkouttest.PaymentMethod) func(*checkouttest.Server, string) error {
		return func(srv *checkouttest.Server, id string) error { return srv.Pay(id, m) }
	}
	advance := func(d time.Duration) func(*checkouttest.Server, string) error {
		return func(srv *checkouttest.Server, _ string) error { srv.Advance(d); return nil }
	}
	expire := func(srv *checkouttest.Server, id string) error {
		_, err := srv.Client().V1CheckoutSessions.Expire(context.Background(), id, nil)
		srv.Flush()
		return err
	}
	settle := func(srv *checkouttest.Server, id string) error { return srv.Settle(id) }
	bounce := func(srv *checkouttest.Server, id string) error { return srv.Bounce(id) }

	open, paid, expired := state{"open", "unpaid", "", ""}, state{"complete", "paid", "succeeded", "succeeded"}, state{"expired", "unpaid", "", ""}
	declined := state{"open", "unpaid", "requires_payment_method", "failed"}
	processing := state{"complete", "unpaid", "processing", "pending"}
	bounced := state{"complete", "unpaid", "requires_payment_method", "failed"}
	paidEvents := []string{"charge.succeeded", "payment_intent.succeeded", "payment_intent.created", "checkout.session.completed"}
	paidAgainEvents := []string{"charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"}
	declinedEvents := []string{"payment_intent.created", "charge.failed", "payment_intent.payment_failed"}
	processingEvents := []string{"payment_intent.created", "charge.pending", "payment_intent.processing", "checkout.session.completed"}

	for name, steps := range map[string][]step{
		"paid": {{do: pay(checkouttest.CardOK), then: paid, events: paidEvents}},
		"paid once only": {
			{do: pay(checkouttest.CardOK), then: paid, events: paidEvents},
			{do: pay(checkouttest.CardOK), err: checkouttest.ErrComplete, then: paid},
			{do: settle, err: checkouttest.ErrNotPending, then: paid},
			{do: advance(25 * time.Hour), then: paid, events: []string{"charge.updated"}},
		},
		"declined, then paid": {
			{do: pay(checkouttest.CardDeclined), code: "card_declined", then: declined, events: declinedEvents},
			{do: pay(checkouttest.CardInsufficientFunds), code: "card_declined", then: declined, events: declinedEvents[1:]},
			{do: pay(checkouttest.CardExpired), code: "expired_card", then: declined, events: declinedEvents[1:]},
			{do: pay(checkouttest.CardOK), then: paid, events: paidAgainEvents},
		},
		"3-D Secure": {{
			do: pay(checkouttest.Card3DS), then: paid,
			events: []string{"payment_intent.created", "payment_intent.requires_action", "charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"},
		}},
		"debit settles": {
			{do: bounce, err: checkouttest.ErrNotPending, then: open},
			{do: pay(checkouttest.BankDebit), then: processing, events: processingEvents},
			{do: pay(checkouttest.CardOK), err: checkouttest.ErrNotOpen, then: processing},
			{do: advance(72 * time.Hour), then: processing},
			{do: settle, then: paid, events: []string{"charge.succeeded", "payment_intent.succeeded", "checkout.session.async_payment_succeeded"}},
			{do: bounce, err: checkouttest.ErrNotPending, then: paid},
		},
		"debit bounces": {
			{do: pay(checkouttest.BankDebit), then: processing, events: processingEvents},
			{do: bounce, then: bounced, events: []string{"charge.failed", "payment_intent.payment_failed", "checkout.session.async_payment_failed"}},
			{do: settle, err: checkouttest.ErrNotPending, then: bounced},
		},
		"time is up": {
			{do: advance(24*time.Hour - time.Second), then: open},
			{do: advance(time.Second), then: expired, events: []string{"checkout.session.expired"}},
			{do: pay(checkouttest.CardOK), err: checkouttest.ErrExpired, then: expired},
			{do: pay(checkouttest.CardOK), err: checkouttest.ErrNotOpen, then: expired},
		},
		"expired by the shop": {
			{do: expire, then: expired, events: []string{"checkout.session.expired"}},
			{do: advance(25 * time.Hour), then: expired},
		},
		"declined, then expired": {
			{do: pay(checkouttest.CardDeclined), code: "card_declined", then: declined, events: declinedEvents},
			{do: expire, then: state{"expired", "unpaid", "canceled", "failed"}, events: []string{"payment_intent.canceled", "checkout.session.expired"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, checkouttest.Config{})
			in := newInbox(srv)
			id := create(t, srv, tee()).ID
			require.Equal(t, open, stateOf(t, srv, id))
			for i, st := range steps {
				err := st.do(srv, id)
				switch {
				case st.code != "":
					var refused *checkouttest.PaymentError
					require.ErrorAs(t, err, &refused, "step %d", i)
					require.Equal(t, st.code, refused.Code, "step %d", i)
				case st.err != nil:
					require.ErrorIs(t, err, st.err, "step %d", i)
				default:
					require.NoError(t, err, "step %d", i)
				}
				require.Equal(t, st.then, stateOf(t, srv, id), "step %d", i)
				require.Equal(t, append([]string{}, st.events...), in.types(t), "step %d", i)
			}
		})
	}
}

// A bank debit counts as captured while it is on its way, and its money is on the balance once the bank has paid.
func TestCapturedDebit(t *testing.T) {
	t.Parallel()
	type charge struct {
		status       stripe.ChargeStatus
		captured     bool
		amount       int64
		onTheBalance bool
	}
	latest := func(srv *checkouttest.Server, id string) charge {
		ch := retrieve(t, srv, id, "payment_intent.latest_charge").PaymentIntent.LatestCharge
		return charge{ch.Status, ch.Captured, ch.AmountCaptured, ch.BalanceTransaction != nil}
	}
	for name, end := range map[string]struct {
		act  func(srv *checkouttest.Server, id string) error
		then charge
	}{
		"the bank pays":    {(*checkouttest.Server).Settle, charge{"succeeded", true, 1999, true}},
		"the bank refuses": {(*checkouttest.Server).Bounce, charge{"failed", false, 0, false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, checkouttest.Config{})
			id := create(t, srv, tee()).ID
			require.NoError(t, srv.Pay(id, checkouttest.BankDebit))
			require.Equal(t, charge{"pending", true, 1999, false}, latest(srv, id))
			_, err := srv.Refund(id, 0)
			require.ErrorIs(t, err, checkouttest.ErrNotPaid)
			require.NoError(t, end.act(srv, id))
			require.Equal(t, end.then, latest(srv, id))
		})
	}
}

func TestUnknownSessionsAndMethods(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	require.ErrorIs(t, srv.Pay("cs_test_none", checkouttest.CardOK), checkouttest.ErrNoSession)
	require.ErrorIs(t, srv.Settle("cs_test_none"), checkouttest.ErrNoSession)
	require.ErrorIs(t, srv.Bounce("cs_test_none"), checkouttest.ErrNoSession)
	require.ErrorIs(t, srv.Redeliver("evt_none"), checkouttest.ErrNoEvent)
	require.ErrorIs(t, srv.Pay(create(t, srv, tee()).ID, "4111"), checkouttest.ErrMethodNotOffered)

	cards := tee()
	cards.PaymentMethodTypes = stripe.StringSlice([]string{"card"})
	require.ErrorIs(t, srv.Pay(create(t, srv, cards).ID, checkouttest.BankDebit), checkouttest.ErrMethodNotOffered)
	debits := tee()
	debits.PaymentMethodTypes = stripe.StringSlice([]string{"sepa_debit"})
	id := create(t, srv, debits).ID
	require.ErrorIs(t, srv.Pay(id, checkouttest.CardOK), checkouttest.ErrMethodNotOffered)
	require.NoError(t, srv.Pay(id, checkouttest.BankDebit))
	charge := retrieve(t, srv, id, "payment_intent.latest_charge").PaymentIntent.LatestCharge
	require.EqualValues(t, "sepa_debit", charge.PaymentMethodDetails.Type)
}

func TestManualCaptureStaysUnpaid(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	params := tee()
	params.PaymentIntentData = &stripe.CheckoutSessionCreatePaymentIntentDataParams{CaptureMethod: stripe.String("manual")}
	id := create(t, srv, params).ID
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	require.Equal(t, state{"complete", "unpaid", "requires_capture", "succeeded"}, stateOf(t, srv, id))
	pi := retrieve(t, srv, id, "payment_intent").PaymentIntent
	require.EqualValues(t, 1999, pi.AmountCapturable)
	require.Zero(t, pi.AmountReceived)
}

func TestNothingToPay(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	free := tee()
	free.LineItems[0].PriceData.UnitAmount = stripe.Int64(0)
	id := create(t, srv, free).ID
	require.NoError(t, srv.Pay(id, checkouttest.CardDeclined), "no card is asked for")
	require.Equal(t, state{"complete", "no_payment_required", "", ""}, stateOf(t, srv, id))
}

func TestSetupAndSubscription(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	in := newInbox(srv)

	setup := &stripe.CheckoutSessionCreateParams{Mode: stripe.String("setup"), Currency: stripe.String("usd"), SuccessURL: stripe.String("https://shop.example/")}
	id := create(t, srv, setup).ID
	var refused *checkouttest.PaymentError
	require.ErrorAs(t, srv.Pay(id, checkouttest.CardDeclined), &refused)
	require.Equal(t, "generic_decline", refused.DeclineCode)
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	sess := retrieve(t, srv, id)
	require.EqualValues(t, "complete", sess.Status)
	require.EqualValues(t, "no_payment_required", sess.PaymentStatus)
	require.NotEmpty(t, sess.SetupIntent.ID)
	require.Equal(t, []string{"setup_intent.succeeded", "setup_intent.created", "checkout.session.completed"}, in.types(t))

	sub := tee()
	sub.Mode = stripe.String("subscription")
	sub.LineItems[0].PriceData.Recurring = &stripe.CheckoutSessionCreateLineItemPriceDataRecurringParams{Interval: stripe.String("month")}
	id = create(t, srv, sub).ID
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	sess = retrieve(t, srv, id)
	require.EqualValues(t, "paid", sess.PaymentStatus)
	require.Nil(t, sess.PaymentIntent)
	require.NotEmpty(t, sess.Subscription.ID)
	require.NotEmpty(t, sess.Customer.ID)

	id = create(t, srv, sub).ID
	require.NoError(t, srv.Pay(id, checkouttest.BankDebit))
	require.Equal(t, state{"complete", "unpaid", "", ""}, stateOf(t, srv, id))
	require.NoError(t, srv.Settle(id))
}

func TestBuyerAndMetadata(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	params := tee()
	params.Metadata = map[string]string{"order": "42"}
	params.PaymentIntentData = &stripe.CheckoutSessionCreatePaymentIntentDataParams{Metadata: map[string]string{"order": "43"}}
	params.PhoneNumberCollection = &stripe.CheckoutSessionCreatePhoneNumberCollectionParams{Enabled: stripe.Bool(true)}
	params.ShippingAddressCollection = &stripe.CheckoutSessionCreateShippingAddressCollectionParams{AllowedCountries: stripe.StringSlice([]string{"US"})}
	id := create(t, srv, params).ID
	require.NoError(t, srv.PayAs(id, checkouttest.CardOK, checkouttest.Buyer{Email: "ada@example.org", Name: "Ada", Phone: "+1555", Address: checkouttest.Address{Line1: "5 Row", City: "Leeds", Country: "GB"}}))
	sess := retrieve(t, srv, id, "payment_intent.latest_charge")
	require.Equal(t, map[string]string{"order": "42"}, sess.Metadata)
	require.Equal(t, map[string]string{"order": "43"}, sess.PaymentIntent.Metadata)
	require.Equal(t, map[string]string{"order": "43"}, sess.PaymentIntent.LatestCharge.Metadata)
	require.Equal(t, "ada@example.org", sess.CustomerDetails.Email)
	require.Equal(t, "+1555", sess.CustomerDetails.Phone)
	require.Equal(t, "Leeds", sess.CollectedInformation.ShippingDetails.Address.City)
	require.Equal(t, "Ada", sess.CollectedInformation.ShippingDetails.Name)
	require.Equal(t, "4242", sess.PaymentIntent.LatestCharge.PaymentMethodDetails.Card.Last4)

	plain := create(t, srv, tee()).ID
	require.NoError(t, srv.Pay(plain, checkouttest.CardOK))
	sess = retrieve(t, srv, plain)
	require.Equal(t, "buyer@example.com", sess.CustomerDetails.Email)
	require.Empty(t, sess.CustomerDetails.Phone, "not collected")
	require.Nil(t, sess.CollectedInformation.ShippingDetails)
}
