package guides

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

// Membership costs 9 dollars a month, after two weeks for free.
func Membership(orderID, user string) checkout.Session {
	return checkout.Session{
		OrderID: orderID,
		Mode:    checkout.ModeSubscription,
		Lines: []checkout.Line{{
			Name: "Membership", UnitAmount: checkout.MustAmount("9", "usd"), Quantity: 1,
			Recurring: checkout.Recurring{Interval: checkout.IntervalMonth},
		}},
		TrialDays:  14,
		Metadata:   map[string]string{"user": user, "plan": "members"},
		SuccessURL: "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}",
	}
}

// members is the gate of the members' pages. userOf is your own login: empty, nobody is logged in.
func members(userOf func(*http.Request) string) checkout.Gate {
	return checkout.Gate{
		Customer: func(r *http.Request) (store.Query, bool) {
			return store.Query{Metadata: map[string]string{"user": userOf(r), "plan": "members"}}, userOf(r) != ""
		},
		Grace: 7 * 24 * time.Hour,
		Page:  "/join",
	}
}

// Join returns the address of the payment page for a new member. The order's ID counts the memberships that the user had, so
// that two tabs lead to one session, and a user has one membership at a time.
func (s *Shop) Join(ctx context.Context, user string) (string, error) {
	orders, err := s.flow.List(ctx, store.Query{Metadata: map[string]string{"user": user, "plan": "members"}})
	if err != nil {
		return "", err
	}
	had := 0
	for _, o := range orders {
		if sub := o.Subscription(); sub != nil && sub.Ended() || !o.CancelRequestedAt.IsZero() {
			had++
		}
	}
	started, err := s.flow.Begin(ctx, Membership(fmt.Sprintf("members-%s-%d", user, had+1), user))
	if err != nil {
		return "", err // ErrAlreadyPaid: the user is a member
	}
	return started.URL, nil
}

// Leave ends a membership at the end of what was paid.
func (s *Shop) Leave(ctx context.Context, orderID string) error {
	o, err := s.flow.Order(ctx, orderID)
	if err != nil {
		return err
	}
	sub := o.Subscription()
	if sub == nil {
		return errors.New("there is no subscription yet: Flow.Cancel ends an order that is not paid")
	}
	params := &stripe.SubscriptionUpdateParams{CancelAtPeriodEnd: stripe.Bool(true)} // V1Subscriptions.Cancel ends it at once
	if _, err := s.client.V1Subscriptions.Update(ctx, sub.ID, params); err != nil {
		return err
	}
	_, err = s.flow.SettleSubscription(ctx, orderID) // the next page shows it, although the event may come later
	return err
}
