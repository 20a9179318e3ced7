package checkout

import (
	"context"
	"fmt"
)

// Portal returns the URL of a page of Stripe's on which the customer of an order sees invoices, replaces a card, and changes or
// cancels the subscription (https://docs.stripe.com/customer-management). The link is for that customer alone, and is valid for
// a short time: make it when the customer asks for it, and redirect. returnURL is where the page leads back to; empty: where the
// Dashboard's settings say.
//
// The portal must be set up in the Dashboard first. A restricted key needs write permission for it.
//
// Errors: one that matches [ErrNotFound], or [ErrNoCustomer] if the order has no customer at Stripe; Stripe's answer, by
// errors.As as a [*stripe.Error].
func (f *Flow[Tx]) Portal(ctx context.Context, orderID, returnURL string) (url string, err error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	o, err := f.store.Find(ctx, orderID)
	if err != nil {
		return "", err
	}
	customer := o.Customer.ID
	if s := o.Subscription(); s != nil && s.Customer != "" {
		customer = s.Customer
	}
	if customer == "" {
		return "", fmt.Errorf("%w: %s", ErrNoCustomer, orderID)
	}
	return f.stripe.portal(ctx, o.Account, customer, returnURL)
}
