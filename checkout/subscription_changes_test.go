package checkout_test

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
)

// trialOf is a session for a subscription with a trial. end says what becomes of it without a payment method; empty: a payment
// method is asked for.
func trialOf(orderID string, days int64, end string) checkout.Session {
	session := clubOf(orderID)
	session.Params = func(p *stripe.CheckoutSessionCreateParams) {
		p.SubscriptionData.TrialPeriodDays = &days
		if end != "" {
			p.PaymentMethodCollection = stripe.String("if_required")
			p.SubscriptionData.TrialSettings = &stripe.CheckoutSessionCreateSubscriptionDataTrialSettingsParams{
				EndBehavior: &stripe.CheckoutSessionCreateSubscriptionDataTrialSettingsEndBehaviorParams{MissingPaymentMethod: &end},
			}
		}
	}
	return session
}

// elapse lets virtual time pass, with a sweep every twenty minutes.
func (s *testShop) elapse(d time.Duration) {
	s.t.Helper()
	for range d / (20 * time.Minute) {
		s.srv.Advance(20 * time.Minute)
		s.sweep()
	}
}

// A trial without payment is fulfilled at its beginning. That it ends soon, and its first payment, are told once, webhooks lost or
// not.
func TestTrial(t *testing.T) {
	t.Parallel()
	for heard, fate := range fates {
		s := newShop(t)
		s.pay(s.begin(trialOf("club", 14, "")).SessionID)
		require.Equal(t, 1, s.shipments("club"))
		sub := s.order("club").Subscription()
		require.Equal(t, testStart.Add(14*day), sub.TrialEnd)
		require.Equal(t, store.Access{Granted: true, Reason: store.AccessTrial, Until: sub.TrialEnd}, s.order("club").Access(s.srv.Now(), 0))
		fate(s)
		s.srv.Advance(10 * day)
		s.sweep()
		require.Empty(t, s.kinds())
		s.elapse(5 * day)
		require.Equal(t, []checkout.ChangeKind{checkout.ChangeTrialEnding, checkout.ChangeRenewed}, s.subscriptionKinds(), heard)
		told := slices.DeleteFunc(slices.Clone(s.changes), func(c checkout.Change) bool { return c.Kind == checkout.ChangeSubscriptionStatus })
		require.Equal(t, sub.TrialEnd, told[0].When)
		require.Less(t, told[0].At.Sub(sub.TrialEnd.Add(-3*day)), time.Hour, heard)
		require.Less(t, told[1].At.Sub(sub.TrialEnd), 2*time.Hour, heard)
		require.Equal(t, sub.TrialEnd.AddDate(0, 1, 0), told[1].When)
		require.Equal(t, store.AccessActive, s.order("club").Access(s.srv.Now(), 0).Reason)
		require.Equal(t, 1, s.shipments("club"))
	}
}

// The process that begins a trial dies before it records the session, and the customer pays all the same. Nothing is charged for
// the trial, which is what was sold.
func TestTrialOfALostSession(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		response, err := send()
		if r.URL.Path == "/v1/checkout/sessions" {
			cancel()
			return nil, context.Canceled
		}
		return response, err
	})
	_, err := s.flow.Begin(ctx, trialOf("club", 14, ""))
	require.Error(t, err)
	s.wire.on(nil)
	s.pay(s.sessionIDs()[0])
	s.requireStatus("club", checkout.Fulfilled)
	require.Equal(t, 1, s.shipments("club"))
}

// A subscription that is canceled while its first debit is on its way says nothing about the money: it may still arrive. What became
// of it is found with every webhook lost, too.
func TestSubscriptionIsCanceledBeforeItsDebitArrives(t *testing.T) {
	t.Parallel()
	for heard, fate := range fates {
		for _, arrives := range []bool{true, false} {
			s := newShop(t)
			session := clubOf("club")
			session.Lines = append(session.Lines, checkout.Line{SKU: "tee", Name: "Cup", UnitAmount: checkout.MustAmount("5", "eur"), Quantity: 1})
			id := s.begin(session).SessionID
			require.NoError(t, s.srv.Pay(id, checkouttest.BankDebit))
			fate(s)
			s.cancelAtOnce(s.order("club").Subscriptions[0].ID)
			s.elapse(8 * time.Hour)
			s.requireStatus("club", "processing")
			require.Equal(t, store.Held, s.order("club").Attempts[0].Hold.State, "%s, arrives %t", heard, arrives)
			if arrives {
				require.NoError(t, s.srv.Settle(id))
				s.elapse(8 * time.Hour)
				require.True(t, s.order("club").Paid(), heard)
				require.Equal(t, store.Sold, s.order("club").Attempts[0].Hold.State)
				require.Equal(t, store.InvoicePaid, s.order("club").Invoices[0].State)
			} else {
				require.NoError(t, s.srv.Bounce(id))
				s.elapse(8 * time.Hour)
				s.requireStatus("club", "failed")
			}
		}
	}
}

// A trial that ends without a payment method ends, pauses, or is billed, as its settings say.
func TestTrialWithoutCard(t *testing.T) {
	t.Parallel()
	for end, want := range map[string]store.AccessReason{
		"cancel": store.AccessEnded, "pause": store.AccessPaused, "create_invoice": store.AccessPastDue,
	} {
		for heard, fate := range fates {
			s := newShop(t)
			s.pay(s.begin(trialOf("club", 14, end)).SessionID)
			fate(s)
			require.Equal(t, 1, s.shipments("club"))
			s.srv.Advance(13 * day)
			s.elapse(3 * day)
			require.Equal(t, want, s.order("club").Access(s.srv.Now(), day).Reason, "%s, %s", end, heard)
			require.False(t, s.order("club").Access(s.srv.Now(), day).Granted)
			require.NotContains(t, s.kinds(), checkout.ChangeRenewed)
		}
	}
}

// A trial whose card fails is past due.
func TestTrialWhoseCardFails(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.pay(s.begin(trialOf("club", 14, "")).SessionID)
	require.NoError(t, s.srv.ReplaceMethod(s.order("club").Subscription().ID, checkouttest.CardDeclined))
	s.srv.Advance(14*day + 2*time.Hour)
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeTrialEnding, checkout.ChangePaymentFailed}, s.subscriptionKinds())
	require.Equal(t, store.AccessPastDue, s.order("club").Access(s.srv.Now(), 0).Reason)
	require.True(t, s.order("club").Access(s.srv.Now(), day).Granted)
}

// The event of a renewal comes after that of the next. Both are told, the older first.
func TestRenewalsAreToldInOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.subscribe("club")
	s.dropWebhooks()
	s.srv.Advance(testStart.AddDate(0, 2, 0).Sub(s.srv.Now()))
	s.hear("invoice.paid")
	s.srv.Advance(2 * time.Hour)
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeRenewed, checkout.ChangeRenewed}, s.kinds())
	require.Equal(t, testStart.AddDate(0, 2, 0), s.changes[0].When)
	require.Equal(t, testStart.AddDate(0, 3, 0), s.changes[1].When)
}

// A change of plan or quantity is told, and its prorations are no renewal.
func TestPlanChange(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	sub := s.subscribe("club")
	s.srv.Advance(15 * day)
	update := func(quantity int64, proration string) {
		_, err := s.srv.Client().V1Subscriptions.Update(t.Context(), sub.ID, &stripe.SubscriptionUpdateParams{
			Items:             []*stripe.SubscriptionUpdateItemParams{{ID: &sub.Items[0].ID, Quantity: &quantity}},
			ProrationBehavior: &proration,
		})
		require.NoError(t, err)
		s.srv.Flush()
	}
	update(3, "always_invoice")
	update(2, "create_prorations")
	require.EqualValues(t, 2, s.order("club").Subscription().Items[0].Quantity)
	require.Equal(t, []checkout.ChangeKind{checkout.ChangePlanChanged, checkout.ChangePlanChanged}, s.kinds())
	require.Contains(t, s.changes[0].Detail, "3 x "+sub.Items[0].Price)
	s.srv.Advance(17 * day)
	require.Equal(t, checkout.ChangeRenewed, s.kinds()[2])
	require.Len(t, s.kinds(), 3)
	require.Len(t, s.order("club").Invoices, 3)
}

// Many changes of a quantity within a month are billed with the renewal. What it pays for is the month after, although the answer
// about its invoice has the prorations alone.
func TestRenewalAfterManyPlanChanges(t *testing.T) {
	t.Parallel()
	for heard, fate := range fates {
		s := newShop(t)
		sub := s.subscribe("club")
		for quantity := range int64(6) {
			s.srv.Advance(day)
			_, err := s.srv.Client().V1Subscriptions.Update(t.Context(), sub.ID, &stripe.SubscriptionUpdateParams{
				Items: []*stripe.SubscriptionUpdateItemParams{{ID: &sub.Items[0].ID, Quantity: stripe.Int64(quantity + 2)}},
			})
			require.NoError(t, err)
		}
		fate(s)
		s.srv.Advance(20 * day)
		s.elapse(8 * day)
		o := s.order("club")
		require.Equal(t, testStart.AddDate(0, 2, 0), s.changes[len(s.changes)-1].When, heard)
		require.Equal(t, o.Subscription().PeriodEnd, o.Invoices[1].PeriodEnd, heard)

		s.refundPayment(o.Invoices[1].PaymentIntents[0])
		listed := s.wire.count("GET /v1/invoices/" + o.Invoices[1].ID + "/lines")
		o, err := s.flow.SettleSubscription(t.Context(), "club")
		require.NoError(t, err)
		require.Equal(t, testStart.AddDate(0, 2, 0), o.Invoices[1].PeriodEnd)
		require.Equal(t, listed, s.wire.count("GET /v1/invoices/"+o.Invoices[1].ID+"/lines"), "what it pays for is known")
	}
}

// changePrice has the first item of a subscription cost another price, at another interval.
func (s *testShop) changePrice(sub *store.Subscription, amount int64, interval string) {
	s.t.Helper()
	price := s.srv.AddPrice(checkouttest.Price{UnitAmount: amount, Currency: "eur", Interval: interval, Name: "Tea club"})
	_, err := s.srv.Client().V1Subscriptions.Update(s.t.Context(), sub.ID, &stripe.SubscriptionUpdateParams{
		Items: []*stripe.SubscriptionUpdateItemParams{{ID: &sub.Items[0].ID, Price: &price}},
	})
	require.NoError(s.t, err)
	s.srv.Flush()
}

// toldOf are the changes of a kind that were told so far.
func (s *testShop) toldOf(kind checkout.ChangeKind) []checkout.Change {
	return slices.DeleteFunc(slices.Clone(s.changes), func(c checkout.Change) bool { return c.Kind != kind })
}

// A change that begins a period is paid at once. That is a renewal, too, and is told once, webhooks lost or not.
func TestChangeBeginsAPeriod(t *testing.T) {
	t.Parallel()
	for heard, fate := range fates {
		s := newShop(t)
		s.pay(s.begin(trialOf("club", 14, "")).SessionID)
		sub := s.order("club").Subscription()
		fate(s)
		_, err := s.srv.Client().V1Subscriptions.Update(t.Context(), sub.ID, &stripe.SubscriptionUpdateParams{TrialEndNow: stripe.Bool(true)})
		require.NoError(t, err)
		s.srv.Flush()
		_, err = s.flow.SettleSubscription(t.Context(), "club")
		require.NoError(t, err)
		require.Equal(t, []checkout.ChangeKind{checkout.ChangeRenewed}, s.subscriptionKinds(), heard)
		require.Equal(t, testStart.AddDate(0, 1, 0), s.toldOf(checkout.ChangeRenewed)[0].When)

		s.srv.Advance(10 * day)
		s.changePrice(sub, 9000, "year")
		_, err = s.flow.SettleSubscription(t.Context(), "club")
		require.NoError(t, err)
		require.Equal(t, []checkout.ChangeKind{checkout.ChangeRenewed, checkout.ChangeRenewed, checkout.ChangePlanChanged}, s.subscriptionKinds(), heard)
		require.Equal(t, testStart.AddDate(1, 0, 10), s.toldOf(checkout.ChangeRenewed)[1].When)
		_, err = s.srv.Client().V1Subscriptions.Update(t.Context(), sub.ID, &stripe.SubscriptionUpdateParams{
			Items: []*stripe.SubscriptionUpdateItemParams{{ID: &sub.Items[0].ID, Quantity: stripe.Int64(2)}}, ProrationBehavior: stripe.String("always_invoice"),
		})
		require.NoError(t, err)
		s.srv.Flush()
		_, err = s.flow.SettleSubscription(t.Context(), "club")
		require.NoError(t, err)
		require.Equal(t, checkout.ChangePlanChanged, s.subscriptionKinds()[3], heard)
		require.Len(t, s.subscriptionKinds(), 4)
	}
}

// A subscription by the year goes on by the month. The months decide on access from then on, and the year that was paid before does not.
func TestFromYearsToMonths(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	session := clubOf("club")
	session.Lines[0].UnitAmount, session.Lines[0].Recurring.Interval = checkout.MustAmount("90", "eur"), checkout.IntervalYear
	s.pay(s.begin(session).SessionID)
	s.srv.Advance(250 * day)
	s.changePrice(s.order("club").Subscription(), 5000, "month")
	o := s.order("club")
	require.Equal(t, o.Subscription().PeriodEnd, o.Invoices[1].PeriodEnd)
	require.ElementsMatch(t, []checkout.ChangeKind{checkout.ChangePlanChanged, checkout.ChangeRenewed}, s.kinds())
	s.srv.Advance(32 * day)
	s.refundPayment(s.order("club").Attempts[0].PaymentIntent)
	require.Equal(t, store.AccessActive, s.order("club").Access(s.srv.Now(), 0).Reason)
	s.refundPayment(s.order("club").Invoices[2].PaymentIntents[0])
	require.Equal(t, store.AccessRefunded, s.order("club").Access(s.srv.Now(), 0).Reason)
	s.srv.Advance(31 * day)
	require.Equal(t, store.AccessActive, s.order("club").Access(s.srv.Now(), 0).Reason)
}

// A page that has just changed the plan shows the change, and the change is told once, whether its event comes before or after.
func TestSettleSubscription(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	sub := s.subscribe("club")
	quantity := func(n int64) {
		t.Helper()
		_, err := s.srv.Client().V1Subscriptions.Update(t.Context(), sub.ID, &stripe.SubscriptionUpdateParams{
			Items: []*stripe.SubscriptionUpdateItemParams{{ID: &sub.Items[0].ID, Quantity: &n}},
		})
		require.NoError(t, err)
	}
	s.loseWebhooks()
	quantity(3)
	s.srv.Flush()
	before := len(s.wire.calls)
	o, err := s.flow.SettleSubscription(t.Context(), "club")
	require.NoError(t, err)
	require.EqualValues(t, 3, o.Subscription().Items[0].Quantity)
	require.Len(t, s.wire.calls, before+2)
	require.Equal(t, []checkout.ChangeKind{checkout.ChangePlanChanged}, s.kinds())

	s.srv.Deliver(s.hook)
	events := s.srv.Events()
	require.NoError(t, s.srv.Redeliver(events[len(events)-1].ID)) // the event of the change comes late
	require.Len(t, s.kinds(), 1)
	quantity(4)
	s.srv.Flush()
	o, err = s.flow.SettleSubscription(t.Context(), "club")
	require.NoError(t, err)
	require.EqualValues(t, 4, o.Subscription().Items[0].Quantity)
	require.Equal(t, []checkout.ChangeKind{checkout.ChangePlanChanged, checkout.ChangePlanChanged}, s.kinds())

	s.wire.on(func(r *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		return answer(r, http.StatusInternalServerError, `{"error":{"type":"api_error"}}`), nil
	})
	o, err = s.flow.SettleSubscription(t.Context(), "club")
	require.Error(t, err)
	require.EqualValues(t, 4, o.Subscription().Items[0].Quantity)
	_, err = s.flow.SettleSubscription(t.Context(), "other")
	require.ErrorIs(t, err, checkout.ErrNotFound)
}

// An order without a subscription is returned as it is, and Stripe is not asked.
func TestSettleSubscriptionOfAnother(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.begin(clubOf("club"))
	before := len(s.wire.calls)
	o, err := s.flow.SettleSubscription(t.Context(), "club")
	require.NoError(t, err)
	require.Equal(t, "club", o.ID)
	require.Len(t, s.wire.calls, before)
}

// pauseCollection has payments of a subscription not be collected. behavior is what becomes of its invoices.
func (s *testShop) pauseCollection(subscription, behavior string) {
	s.t.Helper()
	_, err := s.srv.Client().V1Subscriptions.Update(s.t.Context(), subscription, &stripe.SubscriptionUpdateParams{
		PauseCollection: &stripe.SubscriptionUpdatePauseCollectionParams{Behavior: &behavior},
	})
	require.NoError(s.t, err)
	s.srv.Flush()
}

// While payments are not collected, the customer keeps access, and voided invoices are no renewals.
func TestPausedCollection(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	sub := s.subscribe("club")
	s.pauseCollection(sub.ID, "void")
	s.srv.Advance(40 * day)
	require.Equal(t, "void", s.order("club").Subscription().CollectionPaused)
	require.True(t, s.order("club").Access(s.srv.Now(), 0).Granted)
	require.False(t, slices.Contains(s.kinds(), checkout.ChangeRenewed))
	require.Empty(t, s.kinds())
}

// The merchant has invoices sent to the customer, who pays each within two weeks, or late. The grace begins when an invoice is due.
func TestInvoiceIsSent(t *testing.T) {
	t.Parallel()
	for heard, fate := range fates {
		s := newShop(t)
		sub := s.subscribe("club")
		_, err := s.srv.Client().V1Subscriptions.Update(t.Context(), sub.ID, &stripe.SubscriptionUpdateParams{
			CollectionMethod: stripe.String("send_invoice"), DaysUntilDue: stripe.Int64(14),
		})
		require.NoError(t, err)
		s.srv.Flush()
		fate(s)
		s.elapse(32 * day)
		require.Empty(t, s.kinds(), heard)
		renewal := s.order("club").Invoices[1]
		require.Equal(t, renewal.CreatedAt.Add(14*day), renewal.DueDate)
		s.elapse(14 * day)
		require.Equal(t, []checkout.ChangeKind{checkout.ChangeSubscriptionStatus}, s.kinds(), heard)
		access := store.Access{Granted: true, Reason: store.AccessPastDue, Until: renewal.DueDate.Add(7 * day)}
		require.Equal(t, access, s.order("club").Access(s.srv.Now(), 7*day))
		_, err = s.srv.Client().V1Invoices.Pay(t.Context(), renewal.ID, nil)
		require.NoError(t, err)
		s.srv.Flush()
		s.elapse(day)
		require.Equal(t, []checkout.ChangeKind{checkout.ChangeRenewed, checkout.ChangeSubscriptionStatus}, s.kinds()[1:], heard)
		require.Equal(t, store.AccessActive, s.order("club").Access(s.srv.Now(), 0).Reason)
	}
}

// An erased order is followed without personal data, and its customer still reaches the portal.
func TestErasedSubscription(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.subscribe("club")
	require.NotEmpty(t, s.order("club").Customer.Email)
	require.NoError(t, s.flow.Erase(t.Context(), "club"))
	s.srv.Advance(32 * day)
	o := s.order("club")
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeRenewed}, s.kinds())
	require.Equal(t, store.Customer{ID: o.Customer.ID}, o.Customer)
	require.Empty(t, o.Session)
	require.Equal(t, store.AccessActive, o.Access(s.srv.Now(), 0).Reason)
	_, err := s.flow.Portal(t.Context(), "club", "")
	require.NoError(t, err)
}

// The customer paid twice and has two subscriptions. Each renewal of each is told, also of the one that is heard of late.
func TestRenewalsOfASecondSubscription(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	lost := s.beginUnrecorded(clubOf("club"))
	s.pay(s.begin(clubOf("club")).SessionID)
	s.loseWebhooks()
	s.pay(lost)
	s.srv.Advance(32 * 24 * time.Hour)
	for range 3 {
		s.sweep()
		s.srv.Advance(time.Hour)
	}
	require.Len(t, s.order("club").Subscriptions, 2)
	renewed := 0
	for _, kind := range s.kinds() {
		if kind == checkout.ChangeRenewed {
			renewed++
		}
	}
	require.Equal(t, 2, renewed, "%v", s.kinds())
}

// A customer has paid for two subscriptions. The merchant ends one of them, and the customer keeps the other, whichever it is.
func TestOneOfTwoSubscriptionsEnds(t *testing.T) {
	t.Parallel()
	for _, ended := range []int{0, 1} {
		s := newShop(t)
		s.subscribeTwice()
		both := s.order("club").Subscriptions
		require.Len(t, both, 2)
		require.Equal(t, both[0].ID, s.order("club").Subscription().ID)
		s.cancelAtOnce(both[ended].ID)
		kept := both[1-ended].ID
		require.Equal(t, kept, s.order("club").Subscription().ID)
		require.True(t, s.order("club").Access(s.srv.Now(), 0).Granted)
		s.srv.Advance(32 * day)
		require.Equal(t, store.AccessActive, s.order("club").Access(s.srv.Now(), 0).Reason)

		s.loseWebhooks()
		s.cancelAtOnce(kept)
		_, err := s.flow.SettleSubscription(t.Context(), "club")
		require.NoError(t, err)
		require.Equal(t, store.AccessEnded, s.order("club").Access(s.srv.Now(), 0).Reason)
	}
}

// A customer pays an invoice after the subscription has ended, and no event of it is received.
func TestInvoicePaidAfterTheEnd(t *testing.T) {
	t.Parallel()
	for heard, fate := range fates {
		s := newShop(t)
		sub := s.subscribe("club")
		require.NoError(t, s.srv.ReplaceMethod(sub.ID, checkouttest.CardDeclined))
		s.elapse(32 * day)
		invoice := s.order("club").Invoices[1]
		require.Equal(t, store.InvoiceOpen, invoice.State)
		s.cancelAtOnce(sub.ID)
		s.elapse(day)
		require.Equal(t, store.AccessEnded, s.order("club").Access(s.srv.Now(), 0).Reason)

		fate(s)
		require.NoError(t, s.srv.ReplaceMethod(sub.ID, checkouttest.CardOK))
		_, err := s.srv.Client().V1Invoices.Pay(t.Context(), invoice.ID, nil)
		require.NoError(t, err)
		s.elapse(3 * time.Hour)
		require.Equal(t, store.InvoicePaid, s.order("club").Invoices[1].State, heard)
	}
}

// The first debit arrives after the trial has ended: nobody is told then that the trial is about to end.
func TestTrialEndsBeforeTheDebitArrives(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	session := trialOf("club", 7, "")
	session.Lines = append(session.Lines, checkout.Line{Name: "Cup", UnitAmount: checkout.MustAmount("5", "eur"), Quantity: 1})
	id := s.begin(session).SessionID
	require.NoError(t, s.srv.Pay(id, checkouttest.BankDebit))
	s.elapse(10 * day)
	require.NoError(t, s.srv.Settle(id))
	s.elapse(day)
	require.True(t, s.order("club").Paid())
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeRenewed}, s.subscriptionKinds())
}

// A card fails, and the next try is by a debit that takes days. The subscription stays past due meanwhile, and that try has not failed.
func TestDebitAfterAFailedCard(t *testing.T) {
	t.Parallel()
	for _, arrives := range []bool{true, false} {
		s := newShop(t)
		sub := s.subscribe("club")
		require.NoError(t, s.srv.ReplaceMethod(sub.ID, checkouttest.CardDeclined))
		s.srv.Advance(32 * day)
		require.Equal(t, []checkout.ChangeKind{checkout.ChangePaymentFailed}, s.subscriptionKinds())

		status := "processing"
		s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			response, err := send()
			if err != nil || r.Method != http.MethodGet || !strings.HasPrefix(r.URL.Path, "/v1/invoice") {
				return response, err
			}
			body, err := io.ReadAll(response.Body)
			text := strings.ReplaceAll(string(body), `"status": "requires_payment_method"`, `"status": "`+status+`"`)
			text = strings.ReplaceAll(text, `"attempt_count": 1`, `"attempt_count": 2`)
			return answer(r, response.StatusCode, regexp.MustCompile(`"next_payment_attempt": \d+`).ReplaceAllString(text, `"next_payment_attempt": null`)), err
		})
		for range 3 {
			_, err := s.flow.SettleSubscription(t.Context(), "club")
			require.NoError(t, err)
			require.NoError(t, s.srv.Redeliver(s.latest("invoice.updated")))
		}
		require.Equal(t, []checkout.ChangeKind{checkout.ChangePaymentFailed}, s.subscriptionKinds())
		require.Equal(t, store.AccessPastDue, s.order("club").Access(s.srv.Now(), 0).Reason)
		if arrives {
			s.wire.on(nil)
			require.NoError(t, s.srv.ReplaceMethod(sub.ID, checkouttest.CardOK))
			s.srv.Advance(4 * day)
			require.Equal(t, []checkout.ChangeKind{checkout.ChangePaymentFailed, checkout.ChangeRenewed}, s.subscriptionKinds())
			continue
		}
		status = "requires_payment_method"
		for range 2 {
			_, err := s.flow.SettleSubscription(t.Context(), "club")
			require.NoError(t, err)
		}
		require.Equal(t, []checkout.ChangeKind{checkout.ChangePaymentFailed, checkout.ChangePaymentFailed}, s.subscriptionKinds())
		require.Equal(t, 2, s.toldOf(checkout.ChangePaymentFailed)[1].Try)
	}
}

// The last try fails, and the account's settings have the invoice marked as uncollectible then. The subscription is active at once.
func TestLastTryOfAnUncollectibleInvoice(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	sub := s.subscribe("club")
	require.NoError(t, s.srv.ReplaceMethod(sub.ID, checkouttest.CardDeclined))
	s.srv.Advance(32 * day)
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		response, err := send()
		if err != nil || r.Method != http.MethodGet {
			return response, err
		}
		body, err := io.ReadAll(response.Body)
		text := strings.NewReplacer(
			`"status": "open"`, `"status": "uncollectible"`, `"status": "past_due"`, `"status": "active"`, `"attempt_count": 1`, `"attempt_count": 2`,
		).Replace(string(body))
		return answer(r, response.StatusCode, regexp.MustCompile(`"next_payment_attempt": \d+`).ReplaceAllString(text, `"next_payment_attempt": null`)), err
	})
	for range 2 {
		o, err := s.flow.SettleSubscription(t.Context(), "club")
		require.NoError(t, err)
		require.Equal(t, store.InvoiceUncollectible, o.Invoices[1].State)
	}
	require.Equal(t, []checkout.ChangeKind{checkout.ChangePaymentFailed, checkout.ChangePaymentFailed}, s.subscriptionKinds())
	require.Equal(t, 2, s.toldOf(checkout.ChangePaymentFailed)[1].Try)
	require.Zero(t, s.toldOf(checkout.ChangePaymentFailed)[1].When)
}

// latest is the ID of the latest event of a type.
func (s *testShop) latest(eventType string) (id string) {
	for _, e := range s.srv.Events() {
		if e.Type == eventType {
			id = e.ID
		}
	}
	require.NotEmpty(s.t, id)
	return id
}

// Two renewals are not heard of, and the second is disputed: the first is told before it.
func TestDisputeOfARenewalThatWasNotHeardOf(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.subscribe("club")
	s.loseWebhooks()
	s.srv.Advance(64 * day)
	s.srv.Deliver(s.hook, testPayloads())
	_, err := s.srv.Dispute(s.order("club").Attempts[0].SessionID)
	require.NoError(t, err)
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeRenewed, checkout.ChangeRenewed, checkout.ChangeDisputed}, s.kinds())
	require.True(t, s.changes[0].When.Before(s.changes[1].When))
}

// Whoever keeps a table of members writes what the order of a change says. After the last change it says what the order says.
func TestToldOrderSaysWhoHasAccess(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		dunning checkouttest.DunningEnd
		session checkout.Session
		happens func(s *testShop, sub string)
		want    []store.AccessReason // one after another, told as often as it likes
	}{
		"a card fails and recovers": {checkouttest.DunningCancels, clubOf("club"), func(s *testShop, sub string) {
			require.NoError(s.t, s.srv.ReplaceMethod(sub, checkouttest.CardDeclined))
			s.elapse(32 * day)
			require.NoError(s.t, s.srv.ReplaceMethod(sub, checkouttest.CardOK))
			s.elapse(5 * day)
		}, []store.AccessReason{store.AccessPastDue, store.AccessActive}},
		"a card fails for good": {checkouttest.DunningMarksUnpaid, clubOf("club"), func(s *testShop, sub string) {
			require.NoError(s.t, s.srv.ReplaceMethod(sub, checkouttest.CardDeclined))
			s.elapse(32 * day)
			s.elapse(30 * day)
		}, []store.AccessReason{store.AccessPastDue, store.AccessUnpaid}},
		"a person has the last invoice paid": {checkouttest.DunningMarksUnpaid, clubOf("club"), func(s *testShop, sub string) {
			require.NoError(s.t, s.srv.ReplaceMethod(sub, checkouttest.CardDeclined))
			s.elapse(62 * day)
			require.NoError(s.t, s.srv.ReplaceMethod(sub, checkouttest.CardOK))
			_, err := s.srv.Client().V1Invoices.Pay(s.t.Context(), s.order("club").Invoices[1].ID, nil)
			require.NoError(s.t, err)
			s.srv.Flush()
			s.elapse(day)
		}, []store.AccessReason{store.AccessPastDue, store.AccessUnpaid, store.AccessActive}},
		"a trial without a card is paused and resumed": {checkouttest.DunningCancels, trialOf("club", 14, "pause"), func(s *testShop, sub string) {
			s.elapse(15 * day)
			require.NoError(s.t, s.srv.ReplaceMethod(sub, checkouttest.CardOK))
			_, err := s.srv.Client().V1Subscriptions.Resume(s.t.Context(), sub, nil)
			require.NoError(s.t, err)
			s.elapse(day)
		}, []store.AccessReason{store.AccessPaused, store.AccessActive}},
	} {
		for heard, fate := range fates {
			t.Run(name+", webhooks "+heard, func(t *testing.T) {
				s := newShopOf(t, checkouttest.Config{Start: testStart, DunningEnd: row.dunning})
				s.pay(s.begin(row.session).SessionID)
				fate(s)
				row.happens(s, s.order("club").Subscription().ID)
				var told []store.AccessReason
				for _, c := range s.changes {
					if c.Kind != checkout.ChangeTrialEnding {
						told = append(told, c.Order.Access(c.At, 0).Reason)
					}
				}
				require.Equal(t, s.order("club").Access(s.srv.Now(), 0).Reason, told[len(told)-1])
				require.Equal(t, row.want, slices.Compact(told), s.kinds())
			})
		}
	}
}
