package checkout

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
)

// create is steps (b) and (c) of Begin: it posts the stored parameters of an attempt, and records the session if the
// attempt is still open. Only then may the URL be handed out.
func (f *Flow[Tx]) create(ctx context.Context, o *store.Order, a *store.Attempt) (*Started, error) {
	params, err := wireParams(a.Params)
	if err != nil {
		return nil, err
	}
	shop, err := f.shopID(ctx)
	if err != nil {
		return nil, err
	}
	params.SetIdempotencyKey(fmt.Sprintf("%s/%s/%d", shop, o.ID, a.N))
	onAccount(params, o.Account)
	session, err := f.stripe.V1CheckoutSessions.Create(ctx, params)
	if err != nil {
		return nil, &stripeError{doing: "creating a session", err: err}
	}
	answer, err := heardAnswer("begin", o.Account, session.LastResponse)
	if err != nil {
		return nil, err
	}
	if answer.facts.ID == "" || answer.facts.URL == "" && answer.facts.ClientSecret == "" {
		return nil, errors.New("checkout: stripe answered a session without an ID or a URL")
	}

	var recorded *Started
	err = f.change(ctx, o.ID, func(_ Tx, locked *store.Order, now time.Time) (bool, error) {
		recorded = nil
		open := locked.Attempt(a.N)
		if open == nil || !open.Open() || open.SessionID != "" && open.SessionID != answer.facts.ID {
			return false, nil
		}
		recordSession(open, &answer.facts)
		open.CheckAt = nextCheck(locked, open, now)
		locked.Livemode = answer.facts.Livemode
		recorded = started(locked.ID, open, false)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if recorded == nil {
		_, err := f.expire(ctx, o, answer.facts.ID, "begin")
		if badRequest(err) {
			err = nil // it has ended already
		}
		return nil, errors.Join(fmt.Errorf("%w: %s", ErrSuperseded, o.ID), err)
	}
	return recorded, nil
}

func recordSession(a *store.Attempt, f *sessionFacts) {
	a.SessionID, a.URL, a.ClientSecret = f.ID, f.URL, f.ClientSecret
	a.PaymentIntent, a.Subscription = f.PaymentIntent.ID, f.Subscription.ID
	a.Quote = &store.Quote{Answered: true, Currency: f.Currency, Livemode: f.Livemode, Variable: variable(a.Params)}
	if f.AmountSubtotal != nil {
		a.Quote.Subtotal = *f.AmountSubtotal
	}
	if f.ExpiresAt != 0 {
		a.ExpiresAt = time.Unix(f.ExpiresAt, 0).UTC()
	}
	if a.ExpiresAt.Before(a.PayBy) {
		a.PayBy = a.ExpiresAt
	}
}

// variable reports whether the customer can change what the session comes to, so that its subtotal is not known
// beforehand. Sessions with a SKU can't.
func variable(params string) bool {
	values, err := url.ParseQuery(params)
	if err != nil {
		return true
	}
	for key, value := range values {
		switch {
		case strings.HasSuffix(key, "[adjustable_quantity][enabled]") && value[0] == "true",
			strings.HasPrefix(key, "optional_items["), strings.Contains(key, "[custom_unit_amount]"):
			return true
		}
	}
	return false
}

// expansions are what an answer must say beside the session: what became of the payment.
func expansions(o *store.Order) []*string {
	if o.Mode == string(ModeSubscription) {
		return stripe.StringSlice([]string{"subscription"})
	}
	return stripe.StringSlice([]string{"payment_intent.latest_charge"})
}

// onAccount has a request made on a connected account; empty: on the merchant's own.
func onAccount(p interface{ SetStripeAccount(string) }, account string) {
	if account != "" {
		p.SetStripeAccount(account)
	}
}

// end ends the session of an attempt and settles what comes of it. If Stripe answers that the session is not open, what
// it is instead is fetched and settled. If it can be paid all the same, the error matches [ErrStillOpen].
func (f *Flow[Tx]) end(ctx context.Context, o *store.Order, a *store.Attempt, doing string) error {
	answer, err := f.expire(ctx, o, a.SessionID, doing)
	if badRequest(err) {
		answer, err = f.retrieve(ctx, o, a.SessionID, doing)
	}
	if err != nil {
		return err
	}
	if err := f.settle(ctx, o.ID, answer); err != nil {
		return err
	}
	if !answer.completed && !answer.expired {
		return fmt.Errorf("%w: %s", ErrStillOpen, o.ID)
	}
	return nil
}

// ask fetches the session of an attempt and settles it.
func (f *Flow[Tx]) ask(ctx context.Context, o *store.Order, a *store.Attempt, doing string) error {
	answer, err := f.retrieve(ctx, o, a.SessionID, doing)
	if err != nil {
		return err
	}
	return f.settle(ctx, o.ID, answer)
}

func (f *Flow[Tx]) expire(ctx context.Context, o *store.Order, sessionID, doing string) (news, error) {
	params := &stripe.CheckoutSessionExpireParams{Expand: expansions(o)}
	onAccount(params, o.Account)
	session, err := f.stripe.V1CheckoutSessions.Expire(ctx, sessionID, params)
	if err != nil {
		return news{}, &stripeError{doing: "expiring a session", err: err}
	}
	return heardAnswer(doing, o.Account, session.LastResponse)
}

func (f *Flow[Tx]) retrieve(ctx context.Context, o *store.Order, sessionID, doing string) (news, error) {
	params := &stripe.CheckoutSessionRetrieveParams{Expand: expansions(o)}
	onAccount(params, o.Account)
	session, err := f.stripe.V1CheckoutSessions.Retrieve(ctx, sessionID, params)
	if err != nil {
		return news{}, &stripeError{doing: "fetching a session", err: err}
	}
	return heardAnswer(doing, o.Account, session.LastResponse)
}
