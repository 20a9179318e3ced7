package guides

import (
	"context"
	"database/sql"
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
		if sub := o.Subscription(); sub != nil && sub.Ended() || !o.Paid() && !o.CancelRequestedAt.IsZero() {
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

// Upgrade charges the difference at once. If the card is declined, nothing changes, and the error is a *stripe.Error. Without
// PaymentBehavior the subscription would have the new price all the same, and be past due.
func (s *Shop) Upgrade(ctx context.Context, orderID, price string) error {
	o, err := s.flow.Order(ctx, orderID)
	if err != nil {
		return err
	}
	sub := o.Subscription()
	if sub == nil || len(sub.Items) != 1 {
		return errors.New("there is no subscription with one price")
	}
	if _, err := s.client.V1Subscriptions.Update(ctx, sub.ID, &stripe.SubscriptionUpdateParams{
		Items:             []*stripe.SubscriptionUpdateItemParams{{ID: stripe.String(sub.Items[0].ID), Price: stripe.String(price)}},
		ProrationBehavior: stripe.String("always_invoice"),
		PaymentBehavior:   stripe.String("error_if_incomplete"),
	}); err != nil {
		return err
	}
	_, err = s.flow.SettleSubscription(ctx, orderID)
	return err
}

// Remember is called by Fulfil with its order, and by OnChange with Change.Order. Either may come first: a Fulfil that failed is
// called again later. UpdatedAt tells which order is the newer one.
func Remember(ctx context.Context, tx *sql.Tx, o *store.Order, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO members (order_id, standing, as_of) VALUES (?, ?, ?)
		ON CONFLICT (order_id) DO UPDATE SET standing = excluded.standing, as_of = excluded.as_of WHERE members.as_of <= excluded.as_of`,
		o.ID, o.Access(now, 0).Reason, o.UpdatedAt.UnixMicro())
	return err
}
