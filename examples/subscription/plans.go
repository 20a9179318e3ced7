package main

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/examples/internal/orderview"
	"github.com/gofulfil/fulfil/store"
)

const (
	siteName  = "Tidewatch"
	currency  = "usd" // of all prices
	maxSeats  = 20
	trialDays = 14
)

// plan is a way to pay for a membership.
type plan struct {
	ID, Label string
	Interval  string // month or year
	Amount    int64  // in cents, for each seat
	Price     string // Stripe's ID
}

var catalog = []plan{
	{ID: "monthly", Label: "monthly", Interval: "month", Amount: 900},
	{ID: "yearly", Label: "yearly", Interval: "year", Amount: 9000},
}

// plansOf returns the plans with their prices at Stripe, which are found by lookup keys. Prices that are missing are made, as prices
// of one product. A site of one's own makes them in the Dashboard.
func plansOf(ctx context.Context, client *stripe.Client) ([]plan, error) {
	plans := slices.Clone(catalog)
	var product *stripe.Product
	for i := range plans {
		p := &plans[i]
		key := "fulfil_example_" + p.ID
		for price, err := range client.V1Prices.List(ctx, &stripe.PriceListParams{LookupKeys: []*string{&key}}) {
			if err != nil {
				return nil, err
			}
			p.Price, product = price.ID, price.Product
		}
		if p.Price != "" {
			continue
		}
		params := &stripe.PriceCreateParams{
			LookupKey: &key, Currency: stripe.String(currency), UnitAmount: &p.Amount, Recurring: &stripe.PriceCreateRecurringParams{Interval: &p.Interval},
		}
		if product == nil {
			params.ProductData = &stripe.PriceCreateProductDataParams{Name: stripe.String(siteName)}
		} else {
			params.Product = &product.ID
		}
		price, err := client.V1Prices.Create(ctx, params)
		if err != nil {
			return nil, err
		}
		p.Price, product = price.ID, price.Product
	}
	return plans, nil
}

// subscribed says what a membership is for.
type subscribed struct {
	Plan  plan
	Seats int64
}

// Total returns what a period costs.
func (s subscribed) Total() string { return orderview.Dollars(s.Plan.Amount * s.Seats) }

// subscribedTo returns what an order's subscription is for. The plan is the zero one if the price is none of this site's.
func (s *site) subscribedTo(o *store.Order) (is subscribed) {
	sub := o.Subscription()
	if sub == nil || len(sub.Items) == 0 {
		return is
	}
	is.Seats = sub.Items[0].Quantity
	if i := slices.IndexFunc(s.plans, func(p plan) bool { return p.Price == sub.Items[0].Price }); i >= 0 {
		is.Plan = s.plans[i]
	}
	return is
}

// choice is what a visitor chose in a form.
type choice struct {
	plan               plan
	seats              int64
	trial, withoutCard bool
}

// readChoice reads the form of the sign-up or of the account page. The prices are the site's, and none of the form's.
func (s *site) readChoice(r *http.Request) (c choice, ok bool) {
	i := slices.IndexFunc(s.plans, func(p plan) bool { return p.ID == r.PostFormValue("plan") })
	seats, err := strconv.ParseInt(r.PostFormValue("seats"), 10, 64)
	if i < 0 || err != nil || seats < 1 || seats > maxSeats {
		return c, false
	}
	start := r.PostFormValue("start")
	return choice{s.plans[i], seats, start == "trial" || start == "trial-without-card", start == "trial-without-card"}, true
}
