package store_test

import (
	"fmt"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// A renewal was not paid. Access goes on for the grace that the merchant gives.
func ExampleOrder_Access() {
	renewal := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	o := &store.Order{
		ID: "membership-7", Mode: "subscription",
		Attempts:      []store.Attempt{{N: 1, Completed: true, Paid: true, Subscription: "sub_1"}},
		Subscriptions: []store.Subscription{{ID: "sub_1", Attempt: 1, Status: store.SubscriptionPastDue, PeriodStart: renewal}},
	}
	const grace = 7 * 24 * time.Hour
	for _, days := range []int{3, 10} {
		access := o.Access(renewal.AddDate(0, 0, days), grace)
		fmt.Println(access.Granted, access.Reason, "until", access.Until.Format(time.DateOnly))
	}
	// Output:
	// true past_due until 2026-04-08
	// false past_due until 2026-04-08
}
