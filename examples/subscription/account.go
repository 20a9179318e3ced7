package main

import (
	"errors"
	"net/http"
	"slices"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
)

// changePlan gives a membership another plan or number of seats. The difference is charged at once. If the card is refused, nothing
// changes (https://docs.stripe.com/api/subscriptions/update#update_subscription-payment_behavior).
func (s *site) changePlan(w http.ResponseWriter, r *http.Request) {
	choice, ok := s.readChoice(r)
	if !ok {
		s.message(w, http.StatusBadRequest, "That can’t be ordered", "Choose a plan and the number of seats.")
		return
	}
	s.update(w, r, "plan", func(sub *store.Subscription) *stripe.SubscriptionUpdateParams {
		params := &stripe.SubscriptionUpdateParams{
			Items: []*stripe.SubscriptionUpdateItemParams{{ID: &sub.Items[0].ID, Price: &choice.plan.Price, Quantity: &choice.seats}},
		}
		if sub.Status != store.SubscriptionTrialing { // a trial has nothing to charge yet
			params.ProrationBehavior, params.PaymentBehavior = stripe.String("always_invoice"), stripe.String("error_if_incomplete")
		}
		return params
	})
}

// cancel has the membership end when what was paid for is over.
func (s *site) cancel(w http.ResponseWriter, r *http.Request) {
	s.update(w, r, "canceled", func(*store.Subscription) *stripe.SubscriptionUpdateParams {
		return &stripe.SubscriptionUpdateParams{CancelAtPeriodEnd: stripe.Bool(true)}
	})
}

// keep withdraws the cancellation.
func (s *site) keep(w http.ResponseWriter, r *http.Request) {
	s.update(w, r, "kept", func(*store.Subscription) *stripe.SubscriptionUpdateParams {
		return &stripe.SubscriptionUpdateParams{CancelAtPeriodEnd: stripe.Bool(false)}
	})
}

// update changes the visitor's own subscription at Stripe. The event of the change may come a moment later, so SettleSubscription
// asks for what the account page is to show.
func (s *site) update(w http.ResponseWriter, r *http.Request, done string, change func(*store.Subscription) *stripe.SubscriptionUpdateParams) {
	memberships, err := s.memberships(r.Context(), userOf(r))
	if err != nil {
		s.failed(w, r, err)
		return
	}
	o := current(memberships)
	if o == nil || o.Subscription() == nil || len(o.Subscription().Items) == 0 {
		s.message(w, http.StatusConflict, "There is no membership", "It has ended, or did not begin yet.")
		return
	}
	sub := o.Subscription()
	if _, err := s.pay.client.V1Subscriptions.Update(r.Context(), sub.ID, change(sub)); err != nil {
		s.failed(w, r, err)
		return
	}
	if _, err := s.flow.SettleSubscription(r.Context(), o.ID); err != nil {
		s.log.Warn("showing a membership as last known", "error", err)
	}
	http.Redirect(w, r, "/account?done="+done, http.StatusSeeOther)
}

// openPortal leads to Stripe's page on which members replace their card and see their invoices.
func (s *site) openPortal(w http.ResponseWriter, r *http.Request) {
	memberships, err := s.memberships(r.Context(), userOf(r))
	if err == nil && len(memberships) == 0 {
		err = errNoMembership
	}
	if err != nil {
		s.failed(w, r, err)
		return
	}
	address, err := s.flow.Portal(r.Context(), memberships[0].ID, s.url+"/account?done=portal")
	if err != nil {
		s.failed(w, r, err)
		return
	}
	http.Redirect(w, r, address, http.StatusSeeOther)
}

var errNoMembership = errors.New("the visitor has no membership")

// standing is what the account page says of a member's access.
type standing struct{ Tone, Label, Text string }

// standings are the texts for the reasons of [store.Order.Access]. A date replaces the %s.
var standings = map[store.AccessReason]standing{
	store.AccessActive:    {"good", "Active", "Paid until %s. It renews then."},
	store.AccessTrial:     {"good", "Free trial", "Free until %s. Then the first payment is due."},
	store.AccessCanceling: {"wait", "Ends soon", "You canceled. You have access until %s."},
	store.AccessPastDue:   {"wait", "Payment failed", "The last payment failed. You keep access until %s; please give another card."},
	store.AccessEnded:     {"off", "Ended", "Your membership ended on %s."},
	store.AccessUnpaid:    {"bad", "Not paid", "The last payment failed. Please give another card."},
	store.AccessPaused:    {"off", "Paused", "Your trial is over. Please give a card to go on."},
	store.AccessRefunded:  {"off", "Refunded", "Your last payment was refunded."},
	store.AccessDisputed:  {"bad", "Disputed", "Your bank disputes your last payment."},
	store.AccessHeld:      {"bad", "On hold", "Your membership needs a look by a person. You will hear from us."},
}

// standingOf says whether a member has access, until when, and why.
func standingOf(a store.Access) (s standing) {
	s, known := standings[a.Reason]
	switch {
	case !known:
		s = standing{"off", string(a.Reason), "Please ask us about your membership."}
	case a.Reason == store.AccessPastDue && !a.Granted:
		s = standing{"bad", "Payment failed", "The last payment failed, and your access ended on %s. Please give another card."}
	}
	until := "the end of the period"
	if !a.Until.IsZero() {
		until = date(a.Until)
	}
	s.Text = replaceDate(s.Text, until)
	return s
}

// invoice is a row of the account page.
type invoice struct {
	store.Invoice
	Label, Tone, Status string
}

// invoicesOf returns the invoices of a membership, the latest first.
func invoicesOf(o *store.Order) []invoice {
	var all []invoice
	for _, i := range slices.Backward(o.Invoices) {
		row := invoice{Invoice: i, Label: "Renewal", Tone: "off", Status: string(i.State)}
		switch {
		case i.First() && i.Total == 0:
			row.Label = "Trial"
		case i.First():
			row.Label = "First period"
		case i.Reason == "subscription_update":
			row.Label = "Change of plan"
		}
		switch {
		case i.State == store.InvoicePaid:
			row.Tone = "good"
		case i.State == store.InvoiceOpen && i.Tries > 0:
			row.Tone, row.Status = "bad", "failed"
		case i.State == store.InvoiceDraft:
			row.Tone, row.Status = "wait", "in preparation"
		}
		all = append(all, row)
	}
	return all
}
