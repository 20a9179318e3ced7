package checkout_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
)

// plan puts a subscription under a schedule: its price stays until the period ends, and is 30.00 EUR for a month after that. It returns
// the schedule's ID and the new price's.
func (s *testShop) plan(sub *store.Subscription, endBehavior string) (schedule, price string) {
	s.t.Helper()
	price = s.srv.AddPrice(checkouttest.Price{Name: "Tea club, large", Currency: "eur", UnitAmount: 3000, Interval: "month"})
	schedules := s.srv.Client().V1SubscriptionSchedules
	made, err := schedules.Create(s.t.Context(), &stripe.SubscriptionScheduleCreateParams{FromSubscription: &sub.ID})
	require.NoError(s.t, err)
	phase := func(price string) *stripe.SubscriptionScheduleUpdatePhaseParams {
		return &stripe.SubscriptionScheduleUpdatePhaseParams{Items: []*stripe.SubscriptionScheduleUpdatePhaseItemParams{{Price: &price, Quantity: stripe.Int64(1)}}}
	}
	now, then := phase(sub.Items[0].Price), phase(price)
	now.StartDate, now.EndDate = &made.Phases[0].StartDate, &made.Phases[0].EndDate
	_, err = schedules.Update(s.t.Context(), made.ID, &stripe.SubscriptionScheduleUpdateParams{
		EndBehavior: &endBehavior, Phases: []*stripe.SubscriptionScheduleUpdatePhaseParams{now, then},
	})
	require.NoError(s.t, err)
	s.srv.Flush()
	return made.ID, price
}

// until lets time pass until some days after the nth renewal, with sweeps.
func (s *testShop) until(renewals, days int) {
	s.t.Helper()
	s.srv.Advance(testStart.AddDate(0, renewals, -1).Sub(s.srv.Now()))
	s.elapse(time.Duration(days+1) * day)
}

// An order follows its subscription through a schedule that somebody makes later: the price changes when a phase ends, and the schedule
// leaves the subscription behind or ends it.
func TestSubscriptionUnderSchedule(t *testing.T) {
	t.Parallel()
	changed := []checkout.ChangeKind{checkout.ChangePlanChanged, checkout.ChangeRenewed}
	for name, c := range map[string]struct {
		endBehavior string
		end         func(s *testShop, schedule string) error // in the month of the new price; nil: the schedule ends by itself
		kinds       []checkout.ChangeKind                    // after the price has changed
		access      store.AccessReason                       // two months after it
	}{
		"completed": {endBehavior: "release", kinds: []checkout.ChangeKind{checkout.ChangeRenewed, checkout.ChangeRenewed}, access: store.AccessActive},
		"ended":     {endBehavior: "cancel", kinds: []checkout.ChangeKind{checkout.ChangeEnded}, access: store.AccessEnded},
		"released": {
			"cancel", func(s *testShop, schedule string) error {
				_, err := s.srv.Client().V1SubscriptionSchedules.Release(s.t.Context(), schedule, nil)
				return err
			},
			[]checkout.ChangeKind{checkout.ChangeCancellationWithdrawn, checkout.ChangeRenewed, checkout.ChangeRenewed}, store.AccessActive,
		},
		"canceled": {
			"release", func(s *testShop, schedule string) error {
				_, err := s.srv.Client().V1SubscriptionSchedules.Cancel(s.t.Context(), schedule, nil)
				return err
			},
			[]checkout.ChangeKind{checkout.ChangeEnded}, store.AccessEnded,
		},
		"aborted": {
			"release", func(s *testShop, _ string) error {
				return s.srv.ReplaceMethod(s.order("club").Subscription().ID, checkouttest.CardDeclined)
			},
			[]checkout.ChangeKind{
				checkout.ChangePaymentFailed, checkout.ChangePaymentFailed, checkout.ChangePaymentFailed, checkout.ChangePaymentFailed, checkout.ChangeEnded,
			}, store.AccessEnded,
		},
	} {
		for heard, fate := range fates {
			t.Run(name+", webhooks "+heard, func(t *testing.T) {
				t.Parallel()
				s := newShop(t)
				schedule, price := s.plan(s.subscribe("club"), c.endBehavior)
				require.Empty(t, s.kinds(), "nothing that concerns the customer has changed")
				fate(s)
				s.until(1, 1)
				want := changed
				if c.endBehavior == "cancel" {
					want = append(want[:len(want):len(want)], checkout.ChangeCancellationScheduled)
				}
				require.ElementsMatch(t, want, s.kinds())
				o := s.order("club")
				require.Equal(t, price, o.Subscription().Items[0].Price)
				require.EqualValues(t, 3000, o.Invoices[1].Paid)
				require.Equal(t, testStart.AddDate(0, 2, 0), o.Subscription().PeriodEnd)

				if c.end != nil {
					require.NoError(t, c.end(s, schedule))
					s.srv.Flush()
				}
				s.until(2, 20)
				s.until(3, 1)
				require.Equal(t, c.kinds, s.subscriptionKinds()[len(want):])
				require.Equal(t, c.access, s.order("club").Access(s.srv.Now(), 0).Reason)
				s.requireStatus("club", checkout.Fulfilled)
				require.Equal(t, 1, s.fulfilRuns())
			})
		}
	}
}
