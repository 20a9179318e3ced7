package scenarios

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
)

// recorder is a Stripe, and a shop in memory that begins orders there and hears no events.
type recorder struct {
	tb   testing.TB
	srv  *checkouttest.Server
	st   *memstore.Store
	flow *checkout.Flow[*memstore.Tx]

	cutAfterCreate func() // if set, is called after a session was created, and the shop gets no answer
}

func newRecorder(tb testing.TB) *recorder {
	tb.Helper()
	s := &recorder{
		tb: tb, st: memstore.New(),
		srv: checkouttest.NewServer(checkouttest.Config{Start: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}),
	}
	tb.Cleanup(s.srv.Close)
	var err error
	s.flow, err = checkout.New(checkout.Config[*memstore.Tx]{
		Stripe: s.srv.ClientOver(s), Store: s.st, Reserver: memreserver.New(), Clock: s.srv.Now, Logger: slog.New(slog.DiscardHandler),
		Fulfil: func(context.Context, *memstore.Tx, *store.Order) error { return nil },
	})
	s.must(err)
	s.must(refill(tb.Context(), s.st, memreserver.New()))
	return s
}

// RoundTrip passes the shop's requests on to Stripe.
func (s *recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := s.srv.Transport().RoundTrip(r)
	if s.cutAfterCreate != nil && r.Method+" "+r.URL.Path == "POST /v1/checkout/sessions" {
		s.cutAfterCreate()
		return nil, context.Canceled
	}
	return response, err
}

func (s *recorder) must(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatal(err)
	}
}

// cart returns a session for one of each SKU.
func cart(skus []string) checkout.Session {
	c := checkout.Session{
		OrderID:    OrderID,
		SuccessURL: "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}",
		CancelURL:  "https://shop.example/cart",
	}
	for _, sku := range skus {
		c.Lines = append(c.Lines, checkout.Line{
			SKU: sku, Name: "Item " + sku, UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 1,
		})
	}
	return c
}

// begin begins the order and returns its session.
func (s *recorder) begin(skus ...string) (id string) {
	s.tb.Helper()
	started, err := s.flow.Begin(s.tb.Context(), cart(skus))
	s.must(err)
	return started.SessionID
}

// subscribe begins the order as a monthly subscription, has it paid by card, and returns the subscription's ID.
func (s *recorder) subscribe() (id string) { return s.subscribeAfter(0) }

// subscribeAfter is subscribe with a trial of so many days.
func (s *recorder) subscribeAfter(days int64) (id string) {
	s.tb.Helper()
	c := cart(nil)
	if days > 0 {
		c.Params = func(p *stripe.CheckoutSessionCreateParams) { p.SubscriptionData.TrialPeriodDays = &days }
	}
	c.Mode = checkout.ModeSubscription
	c.Lines = []checkout.Line{{
		Name: "Tea club", UnitAmount: checkout.MustAmount("9", "usd"), Quantity: 1, Recurring: checkout.Recurring{Interval: checkout.IntervalMonth},
	}}
	started, err := s.flow.Begin(s.tb.Context(), c)
	s.must(err)
	s.pay(started.SessionID)
	session, err := s.srv.Client().V1CheckoutSessions.Retrieve(s.tb.Context(), started.SessionID, nil)
	s.must(err)
	return session.Subscription.ID
}

// cancelAtPeriodEnd has a subscription end with its period.
func (s *recorder) cancelAtPeriodEnd(id string) {
	_, err := s.srv.Client().V1Subscriptions.Update(s.tb.Context(), id, &stripe.SubscriptionUpdateParams{CancelAtPeriodEnd: stripe.Bool(true)})
	s.must(err)
}

// refundInvoice gives the payment of the latest invoice of a subscription back.
func (s *recorder) refundInvoice(subscription string) {
	params := &stripe.SubscriptionRetrieveParams{Expand: stripe.StringSlice([]string{"latest_invoice.payments"})}
	answer, err := s.srv.Client().V1Subscriptions.Retrieve(s.tb.Context(), subscription, params)
	s.must(err)
	intent := answer.LatestInvoice.Payments.Data[0].Payment.PaymentIntent.ID
	_, err = s.srv.Client().V1Refunds.Create(s.tb.Context(), &stripe.RefundCreateParams{PaymentIntent: &intent})
	s.must(err)
}

// beginUnrecorded begins the order, but the shop disappears before it has recorded the session.
func (s *recorder) beginUnrecorded(skus ...string) (id string) {
	s.tb.Helper()
	ctx, cancel := context.WithCancel(s.tb.Context())
	defer cancel()
	s.cutAfterCreate = cancel
	if _, err := s.flow.Begin(ctx, cart(skus)); err == nil {
		s.tb.Fatal("Begin succeeded, though the shop disappeared")
	}
	s.cutAfterCreate = nil
	var ids []string // the newest session first
	for session, err := range s.srv.Client().V1CheckoutSessions.List(s.tb.Context(), &stripe.CheckoutSessionListParams{}) {
		s.must(err)
		ids = append(ids, session.ID)
	}
	if len(ids) == 0 {
		s.tb.Fatal("no session was created")
	}
	return ids[0]
}

func (s *recorder) pay(id string) { s.must(s.srv.Pay(id, checkouttest.CardOK)) }

func (s *recorder) debit(id string) { s.must(s.srv.Pay(id, checkouttest.BankDebit)) }

func (s *recorder) decline(id string) {
	if s.srv.Pay(id, checkouttest.CardDeclined) == nil {
		s.tb.Fatal("the card must be declined")
	}
}

func (s *recorder) expire(id string) {
	_, err := s.srv.Client().V1CheckoutSessions.Expire(s.tb.Context(), id, nil)
	s.must(err)
}

func (s *recorder) refund(id string, amount int64) (refund string) {
	refund, err := s.srv.Refund(id, amount)
	s.must(err)
	return refund
}

func (s *recorder) dispute(id string) (dispute string) {
	dispute, err := s.srv.Dispute(id)
	s.must(err)
	return dispute
}
