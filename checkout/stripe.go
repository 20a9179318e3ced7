package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	onAccount(&params.Params, o)
	session, err := f.stripe.V1CheckoutSessions.Create(ctx, params)
	if err != nil {
		return nil, &stripeError{doing: "creating a session", err: err}
	}
	answer, err := heardAnswer("begin", session.LastResponse.RawJSON)
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
		if !open.Open() || open.SessionID != "" && open.SessionID != answer.facts.ID {
			return false, nil
		}
		recordSession(open, &answer.facts, now)
		locked.Livemode = answer.facts.Livemode
		recorded = started(locked.ID, open, false)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if recorded == nil {
		return nil, errors.Join(fmt.Errorf("%w: %s", ErrSuperseded, o.ID), f.expireSession(ctx, o, answer.facts.ID))
	}
	return recorded, nil
}

func recordSession(a *store.Attempt, f *sessionFacts, now time.Time) {
	a.SessionID, a.URL, a.ClientSecret = f.ID, f.URL, f.ClientSecret
	a.PaymentIntent, a.Subscription = f.PaymentIntent.ID, string(f.Subscription)
	a.Quote = &store.Quote{Currency: f.Currency, Livemode: f.Livemode, Variable: variable(a.Params)}
	if f.AmountSubtotal != nil {
		a.Quote.Subtotal = *f.AmountSubtotal
	}
	if f.ExpiresAt != 0 {
		a.ExpiresAt = time.Unix(f.ExpiresAt, 0).UTC()
	}
	if a.ExpiresAt.Before(a.PayBy) {
		a.PayBy = a.ExpiresAt
	}
	a.CheckAt = nextCheck(a, now)
}

// variable reports whether the customer can change what the session comes to, so that its subtotal is not known
// beforehand. Sessions with a SKU can't.
func variable(params string) bool {
	for pair := range strings.SplitSeq(params, "&") {
		for _, key := range [...]string{"adjustable_quantity", "optional_items", "custom_unit_amount"} {
			if strings.Contains(pair, key) {
				return true
			}
		}
	}
	return false
}

// onAccount has a request made on the order's connected account.
func onAccount(p *stripe.Params, o *store.Order) {
	if o.Account != "" {
		p.SetStripeAccount(o.Account)
	}
}

// end ends the session of an attempt and settles what comes of it. If Stripe answers that the session is not open, what
// it is instead is fetched and settled. It is an error if the session can still be paid afterwards.
func (f *Flow[Tx]) end(ctx context.Context, o *store.Order, a *store.Attempt, doing string) error {
	params := &stripe.CheckoutSessionExpireParams{}
	params.AddExpand("payment_intent.latest_charge")
	onAccount(&params.Params, o)
	session, err := f.stripe.V1CheckoutSessions.Expire(ctx, a.SessionID, params)
	if badRequest(err) {
		return f.ask(ctx, o, a, doing)
	}
	if err != nil {
		return &stripeError{doing: "expiring a session", err: err}
	}
	return f.settleAnswer(ctx, o, session.LastResponse, doing)
}

// ask fetches the session of an attempt and settles it.
func (f *Flow[Tx]) ask(ctx context.Context, o *store.Order, a *store.Attempt, doing string) error {
	params := &stripe.CheckoutSessionRetrieveParams{}
	params.AddExpand("payment_intent.latest_charge")
	onAccount(&params.Params, o)
	session, err := f.stripe.V1CheckoutSessions.Retrieve(ctx, a.SessionID, params)
	if err != nil {
		return &stripeError{doing: "fetching a session", err: err}
	}
	return f.settleAnswer(ctx, o, session.LastResponse, doing)
}

func (f *Flow[Tx]) settleAnswer(ctx context.Context, o *store.Order, response *stripe.APIResponse, doing string) error {
	answer, err := heardAnswer(doing, json.RawMessage(response.RawJSON))
	if err != nil {
		return err
	}
	return f.settle(ctx, o.ID, answer)
}

// expireSession ends a session that nobody was given the URL of. That it may have ended already is no error.
func (f *Flow[Tx]) expireSession(ctx context.Context, o *store.Order, sessionID string) error {
	params := &stripe.CheckoutSessionExpireParams{}
	onAccount(&params.Params, o)
	if _, err := f.stripe.V1CheckoutSessions.Expire(ctx, sessionID, params); err != nil && !badRequest(err) {
		return &stripeError{doing: "expiring a superseded session", err: err}
	}
	return nil
}
