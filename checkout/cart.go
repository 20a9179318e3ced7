package checkout

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/store"
)

// cart is a session that was checked, and what is derived from it.
type cart struct {
	Session
	fingerprint string
	lines       []store.Line
	quote       *store.Quote

	// params are those of any attempt; see body.
	params *stripe.CheckoutSessionCreateParams
}

// cart checks the session, with shop as the mark of its sessions. Session.Params runs here and not later, as what follows
// happens under the lock of the order.
func (s Session) cart(shop string) (*cart, error) {
	fingerprint, err := s.fingerprint()
	if err != nil {
		return nil, err
	}
	params, err := s.createParams(sessionIdentity{shop: shop, order: s.OrderID, attempt: 1}, time.Unix(0, 0))
	if err != nil {
		return nil, err
	}
	c := &cart{Session: s, fingerprint: fingerprint, params: params}
	for _, l := range s.Lines {
		c.lines = append(c.lines, store.Line{SKU: l.SKU, Name: l.Name, UnitAmount: l.UnitAmount.Minor(), Quantity: l.Quantity})
	}
	c.quote, err = s.quote(hasTrial(params))
	return c, err
}

// body returns the parameters of one attempt as they are stored and sent, and when its session expires. now is Stripe's
// time, which the end of the session is checked against.
func (c *cart) body(attempt int, mark string, now time.Time) (body string, expiresAt time.Time) {
	expiresAt = time.Unix(now.Add(c.sessionLife()).Unix(), 0).UTC()
	c.params.ExpiresAt = stripe.Int64(expiresAt.Unix())
	c.addMetadata(c.params, metadataAttempt, strconv.Itoa(attempt))
	c.params.AddMetadata(metadataAttempt, strconv.Itoa(attempt)+"-"+mark) // the session's alone has the mark
	return encodeParams(c.params), expiresAt
}

// quote is what the session comes to by the prices in it; nil if a line has its price at Stripe. Recurring lines cost nothing
// in a trial.
func (s Session) quote(trial bool) (*store.Quote, error) {
	var sum Amount
	for _, l := range s.Lines {
		if l.Price != "" {
			return nil, nil
		}
		if trial && l.Recurring != (Recurring{}) {
			continue
		}
		amount, err := l.UnitAmount.Mul(l.Quantity)
		if err != nil {
			return nil, err
		}
		if sum == (Amount{}) {
			sum = amount
		} else if sum, err = sum.Add(amount); err != nil {
			return nil, err
		}
	}
	return &store.Quote{Currency: s.currency(), Subtotal: sum.Minor()}, nil
}

// hasTrial reports whether the subscription of a session begins with a trial, as Session.Params can ask for
// (https://docs.stripe.com/payments/checkout/free-trials).
func hasTrial(p *stripe.CheckoutSessionCreateParams) bool {
	return p.SubscriptionData != nil && (p.SubscriptionData.TrialPeriodDays != nil || p.SubscriptionData.TrialEnd != nil)
}

// order is a new order for the cart, without attempts.
func (c *cart) order(now time.Time) *store.Order {
	o := &store.Order{ID: c.OrderID, CreatedAt: now, UpdatedAt: now}
	c.describe(o)
	return o
}

// attempt is the next attempt of an order, for the cart. Its hold has an ID and is not held yet.
func (c *cart) attempt(o *store.Order, now time.Time) store.Attempt {
	n, mark := len(o.Attempts)+1, rand.Text()
	body, expiresAt := c.body(n, mark, now)
	a := store.Attempt{
		N: n, CreatedAt: now, Lines: c.lines, Metadata: c.Metadata, Fingerprint: c.fingerprint, Mark: mark,
		Params: body, ExpiresAt: expiresAt, PayBy: expiresAt,
	}
	a.Destination, a.ApplicationFee = transfers(body)
	a.Recoverable = recoverable(body)
	if c.quote != nil {
		a.Quote = &store.Quote{Currency: c.quote.Currency, Subtotal: c.quote.Subtotal, Variable: variable(body)}
	}
	if c.HoldFor > 0 && now.Add(c.HoldFor).Before(a.ExpiresAt) {
		a.PayBy = now.Add(c.HoldFor)
	}
	if len(stockLines(c.lines)) > 0 {
		a.Hold.ID = fmt.Sprintf("%s/%d", o.ID, n)
	}
	return a
}

// describe makes the order be about this cart.
func (c *cart) describe(o *store.Order) {
	o.Mode, o.Currency, o.Account = string(c.mode()), c.currency(), c.Connect.Account
	o.Lines, o.Metadata = c.lines, c.Metadata
}

// transfers reports whether the parameters of a session transfer the money to a connected account, and whether they keep an
// application fee. A subscription does so with each of its payments (https://docs.stripe.com/connect/subscriptions).
func transfers(body string) (destination, fee bool) {
	values, err := url.ParseQuery(body)
	if err != nil {
		return false, false
	}
	destination = values.Has("payment_intent_data[transfer_data][destination]") || values.Has("subscription_data[transfer_data][destination]")
	fee = values.Has("payment_intent_data[application_fee_amount]") || values.Has("subscription_data[application_fee_percent]")
	return destination, fee
}

// recoverable reports whether Stripe offers the customer to recover the session after it expired, by the session's parameters.
func recoverable(body string) bool {
	values, err := url.ParseQuery(body)
	return err != nil || values.Get("after_expiration[recovery][enabled]") == "true"
}

// variable reports whether the subtotal of a session may differ from the sum of its lines, by the session's stored
// parameters. The customer can change quantities, add items or choose prices, or Session.Variable is true.
// Session.validate and Session.checkChanged refuse all of these while a line has a SKU.
func variable(params string) bool {
	values, err := url.ParseQuery(params)
	if err != nil {
		return true
	}
	for key := range values {
		on := values.Get(key) == "true"
		switch {
		case key == "metadata["+metadataVariable+"]" && on,
			strings.HasSuffix(key, "[adjustable_quantity][enabled]") && on,
			strings.HasPrefix(key, "optional_items["),
			strings.Contains(key, "[custom_unit_amount]"):
			return true
		}
	}
	return false
}
